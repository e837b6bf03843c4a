"""A text to be reworded: its plain words, and the means of changing one of them.

`twins` and `harmless` hold the rules; this file knows where words, code and the opening verb stand. Pure and
deterministic: the choice among several changes hangs on the text and the seed alone.
"""

from __future__ import annotations

import re
from binascii import crc32
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from semcache.core.lexicon import VERBS
from semcache.core.text import normalise

_LONGEST = 400
_WORD = re.compile(r"(?<![\w.$/\\@*#~%=<>+-])[A-Za-z]+(?:[-'][A-Za-z]+)*(?![\w/\\@*#~=<>+(\[:-]|\.\w)")
_CODE = re.compile(r"`[^`]*`|\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)")
_OPENING = re.compile(
    r"(?:how (?:do|can|could|would|should) (?:i|we|you)|how to|i (?:want|need) to|please)\s+", re.IGNORECASE
)
ENDING = re.compile(r"\s*[?.!]*\s*$")


@dataclass(frozen=True, slots=True)
class Twin:
    """A text made from another one.

    Attributes:
        kind: the rule that made it: one of `twins.KINDS` or `harmless.SAME_KINDS`.
        text: the text.
    """

    kind: str
    text: str


class Source:
    """A text with its plain words, and the means of changing one."""

    __slots__ = ("_seed", "code", "low", "opening", "text", "words")

    def __init__(self, text: str, seed: int) -> None:
        self.text = text
        self.low = text.lower() if text.isascii() else text
        self._seed = seed
        self.code = [found.span() for found in _CODE.finditer(text)]
        self.words = [found for found in _WORD.finditer(text) if not self.in_code(found.start())]
        opening = _OPENING.match(text)
        self.opening = opening.end() if opening else 0

    def in_code(self, place: int) -> bool:
        """Say whether a place lies between quotes or backticks."""
        return any(start <= place < end for start, end in self.code)

    def pick(self, choices: Sequence[str], salt: str) -> str:
        """Choose by text, seed and salt."""
        mixed = f"{self._seed}\0{salt}\0{self.text}".encode("utf-8", "surrogatepass")
        return choices[crc32(mixed) % len(choices)]

    def with_word(self, word: re.Match[str], other: str) -> str:
        """Put another word in a word's place, with its capitals."""
        old = word[0]
        if old.isupper() and len(old) > 1:
            other = other.upper()
        elif old[0].isupper():
            other = other[0].upper() + other[1:]
        before = self.text[: word.start()]
        article = re.search(r"\b(an?) $", before, re.IGNORECASE)
        if article and (article[1].lower() == "an") != (other[0].lower() in "aeiou"):
            before = before[: article.end(1)].removesuffix("n") + ("n" if other[0].lower() in "aeiou" else "") + " "
        return before + other + self.text[word.end() :]

    def sub(self, pattern: str, replacement: str | Callable[[re.Match[str]], str]) -> Iterator[str]:
        """Replace each place of a pattern on its own, outside code."""
        for found in re.finditer(pattern, self.text, re.IGNORECASE):
            if not self.in_code(found.start()):
                put = replacement(found) if callable(replacement) else found.expand(replacement)
                yield self.text[: found.start()] + put + self.text[found.end() :]

    def ending(self, addition: str) -> str:
        """Put words before the closing mark."""
        found = ENDING.search(self.text)
        place = found.start() if found else len(self.text)
        return f"{self.text[:place]} {addition}{self.text[place:]}"

    def verb(self) -> re.Match[str] | None:
        """Return the base verb that the text opens with, behind "how do I" or as a command."""
        found = next((word for word in self.words if word.start() >= self.opening), None)
        if found is None or found.start() != self.opening or found[0].lower() not in VERBS:
            return None
        return found


Rule = Callable[[Source], Iterator[str]]


def reworded(text: str, rules: dict[str, Rule], *, seed: int) -> list[Twin]:
    """Return at most one rewording by each rule; none of a text that is empty or longer than 400 characters.

    Args:
        text: the text to reword.
        rules: kind to rule.
        seed: chooses among several changes of a kind.
    """
    if len(text) > _LONGEST or not text.strip():
        return []
    source, itself, made = Source(text, seed), normalise(text), []
    for kind, rule in rules.items():
        found = [other for other in dict.fromkeys(rule(source)) if other != text]
        if kind != "casing":
            found = [other for other in found if normalise(other) != itself]
        if found:
            made.append(Twin(kind, source.pick(found, kind)))
    return made
