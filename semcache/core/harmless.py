"""Rewordings of a text that keep its answer: a typing error, capitals, politeness, another opening, a synonym.

They are the counterpart of `twins`: without them a verifier could learn that any change is wrong.
"""

from __future__ import annotations

import re
from binascii import crc32
from collections.abc import Iterator

from semcache.core import twin_words as tables
from semcache.core.lexicon import FUNCTION_WORDS, NUMBER_WORDS, SYNONYMS, VERBS
from semcache.core.rewording import ENDING, Rule, Source, Twin, reworded


def _typo(source: Source) -> Iterator[str]:
    """Misspell a word of five letters or more inside, so that no other known word comes out."""
    for word in source.words:
        old = word[0]
        if len(old) < 5 or not old[1:].islower() or old.lower() in tables.NAME_GROUPS or "'" in old or "-" in old:
            continue
        place = 1 + crc32(old.encode()) % (len(old) - 3)
        swapped = old[:place] + old[place + 1] + old[place] + old[place + 2 :]
        dropped, doubled = old[:place] + old[place + 1 :], old[:place] + old[place] + old[place:]
        other = source.pick([swapped, dropped, doubled], old)
        if other.lower() not in _ALL_WORDS:
            yield source.text[: word.start()] + other + source.text[word.end() :]


_ALL_WORDS = frozenset(
    {
        *VERBS,
        *FUNCTION_WORDS,
        *(word for words in SYNONYMS for word in words),
        *NUMBER_WORDS,
        *[
            "form",
            "from",
            "trial",
            "trail",
            "casual",
            "causal",
            "untied",
            "united",
            "quiet",
            "quite",
            "desert",
            "dessert",
            "angle",
            "angel",
        ],
    }
)


def _casing(source: Source) -> Iterator[str]:
    """Change capitals where they tell nothing: only in a text without code, flags or variables."""
    if source.code or re.search(r"[_$\\/*<>={}\[\]()-]|[a-z][A-Z]|\b[A-Z]{1,}\b|\w\.\w", source.text):
        return
    yield source.text.lower()
    yield source.text[:1].upper() + source.text[1:]
    if len(source.words) > 3:
        yield source.text.upper()


def _politeness(source: Source) -> Iterator[str]:
    text = source.text
    plain = text[:1].lower() + text[1:] if text[:1].isupper() and text[1:2].islower() else text
    if re.match(r"please\b|hey\b|hi\b|can you|could you", source.low):
        yield re.sub(r"(?i)^please[ ,]+", "", text)
        return
    body = ENDING.sub("", plain)
    if source.verb() is not None and not source.opening:
        yield f"please {body}"
        yield f"can you {body}, please?"
        yield f"Could you {body}? Thanks!"
    elif re.match(r"how |what |where |which ", source.low):
        yield f"hey, {plain}"
        yield f"Can you tell me {body}, please?" if re.match(r"how to ", source.low) else f"hi, {body}? thanks"
        yield f"quick question: {plain}"


_CONTRACTED = (
    (r"\bwhat is\b", "what's"),
    (r"\bwhat's\b", "what is"),
    (r"\bhow is\b", "how's"),
    (r"\b(do|does|did|is|are|was|were|should|would|could|has|have) not\b", r"\1n't"),
    (r"\b(do|does|did|is|are|was|were|should|would|could|has|have)n't\b", r"\1 not"),
    (r"\bcan ?not\b", "can't"),
    (r"\bcan't\b", "cannot"),
    (r"\b(i) am\b", r"\1'm"),
    (r"\b(i)'m\b", r"\1 am"),
    (r"\b(it|that|there|here|where|who) is\b(?= \w)", r"\1's"),
    (r"\b(we|they|you) are\b", r"\1're"),
    (r"\b(i|we|they|you) (?:have)(?= (?:a|an|the|two|been|got)\b)", r"\1've"),
    (r"\b(i|we|you) will\b", r"\1'll"),
    (r"\bi would like\b", "I'd like"),
    (r"\bi want to\b", "i wanna"),
    (r"\blet us\b", "let's"),
)


def _contraction(source: Source) -> Iterator[str]:
    for pattern, put in _CONTRACTED:
        yield from source.sub(pattern, put)


def _opening(source: Source) -> Iterator[str]:
    """Ask the same in another common way."""
    asked = re.match(r"(?i)(how do i|how can i|how to|how do you|how would i|how could i|how should i) ", source.text)
    if asked is not None:
        rest = source.text[asked.end() :]
        body = ENDING.sub("", rest)
        for start in ("how do i", "how to", "How can I", "what's the best way to", "i want to"):
            if start.lower() != asked[1].lower():
                yield f"{start} {body if start == 'i want to' else rest}"
        yield body
    elif source.verb() is not None and not source.opening:
        body = ENDING.sub("", source.text)
        body = body[0].lower() + body[1:]
        for start in ("how do I", "how to", "How can I", "what is the way to"):
            yield f"{start} {body}?"


def _synonym(source: Source) -> Iterator[str]:
    for word in source.words:
        other = tables.SAFE_SYNONYMS.get(word[0].lower())
        if other is not None and f" {other} " not in f" {source.low} ":
            yield source.with_word(word, other)


_RULES: dict[str, Rule] = {
    "typo": _typo,
    "casing": _casing,
    "politeness": _politeness,
    "contraction": _contraction,
    "opening": _opening,
    "synonym": _synonym,
}
SAME_KINDS: tuple[str, ...] = tuple(_RULES)
"""What is changed without a change of the answer."""


def harmless(text: str, *, seed: int) -> list[Twin]:
    """Return rewordings that keep the answer: at most one of each of `SAME_KINDS`.

    Args:
        text: an ordinary question or command, in English; one of more than 400 characters has no rewordings.
        seed: any number; chooses among several changes of a kind.
    """
    return reworded(text, _RULES, seed=seed)
