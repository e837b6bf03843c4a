"""Rewrites the surface of a text: contractions, chat wrapping, typing errors. The same seed gives the same text.

Never touched: what stands in quotes or backticks, words with digits or signs, words with capitals inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b

_CONTRACTIONS = (
    *(("what is", "what's"), ("how is", "how's"), ("where is", "where's"), ("who is", "who's"), ("that is", "that's")),
    *(("it is", "it's"), ("there is", "there's"), ("i am", "i'm"), ("i have", "i've"), ("i would", "i'd")),
    *(("i will", "i'll"), ("we are", "we're"), ("you are", "you're"), ("do not", "don't"), ("does not", "doesn't")),
    *(("did not", "didn't"), ("is not", "isn't"), ("are not", "aren't"), ("was not", "wasn't"), ("cannot", "can't")),
    *(("can not", "can't"), ("could not", "couldn't"), ("should not", "shouldn't"), ("would not", "wouldn't")),
    *(("will not", "won't"), ("have not", "haven't"), ("has not", "hasn't")),
)
_WRAPS = (
    ("chat:please", "{}, please"),
    ("chat:can_you", "Can you tell me: {}"),
    ("chat:hi", "hi, {}"),
    ("chat:thanks", "{} thanks"),
    ("chat:question", "quick question: {}"),
    ("chat:know", "does anyone know, {}"),
)
_WORD = re.compile(r"(?<![\w./\\@#$%&*+=<>_'-])[A-Za-z][a-z]{4,}(?![\w/\\@#$%&*+=<>_'-]|\.\w)")
_QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)")
_N_TYPOS = 4


def contractions(text: str) -> Iterator[tuple[str, str]]:
    """Yield the text with every contraction made, and with every one undone."""
    short, long = text, text
    for full, cut in _CONTRACTIONS:
        short = _swap(short, full, cut)
        if (full, cut) != ("can not", "can't"):
            long = _swap(long, cut, full)
    yield "contraction:short", short
    yield "contraction:long", long


def wraps(text: str) -> Iterator[tuple[str, str]]:
    """Yield the text as people write it in a chat."""
    body = text.strip().rstrip("?!. ")
    yield from ((rule, form.format(body)) for rule, form in _WRAPS)


def typos(text: str, *, seed: int) -> Iterator[tuple[str, str]]:
    """Yield the text with one typing error each: a letter dropped, doubled or swapped with the next one."""
    quoted = [match.span() for match in _QUOTED.finditer(text)]
    words = [
        match
        for match in _WORD.finditer(text)
        if not any(start <= match.start() < end for start, end in quoted) and not match[0].isupper()
    ]
    if not words:
        return
    for i in range(_N_TYPOS):
        number = int.from_bytes(blake2b(f"{seed}\0{i}\0{text}".encode("utf-8", "replace"), digest_size=8).digest())
        match = words[number % len(words)]
        at = 1 + number // 997 % (len(match[0]) - 2)  # neither the first letter nor the last
        kind = ("drop", "swap", "double")[number // 99_991 % 3]
        yield f"typo:{kind}", text[: match.start()] + _mistyped(match[0], at, kind) + text[match.end() :]


def _mistyped(word: str, at: int, kind: str) -> str:
    if kind == "drop":
        return word[:at] + word[at + 1 :]
    if kind == "double":
        return word[: at + 1] + word[at:]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _swap(text: str, old: str, new: str) -> str:
    """Replace whole words, keeping a leading capital."""

    def cased(match: re.Match[str]) -> str:
        return new[0].upper() + new[1:] if match[0][0].isupper() else new

    return re.sub(rf"(?<![\w'`\"]){re.escape(old)}(?![\w'`\"])", cased, text, flags=re.IGNORECASE)
