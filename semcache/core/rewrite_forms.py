"""Rewrites the form of a question: how do I / how to / what is the way to / order / keywords. Pure tables and patterns.

A rewrite keeps every content word. What does not parse gives nothing; several sentences are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from semcache.core.lexicon import VERBS


def _words(table: str) -> frozenset[str]:
    return frozenset(table.split())


_PERSON = r"(?:i|we|you|one|someone)"
_OPENERS = (
    rf"how (?:do|can|could|should|would|might) {_PERSON}",
    r"how to",
    r"what(?:'s| is) (?:the|a) (?:\w+ )?way to",
    r"(?:is there|are there) (?:a|any) way to",
    r"is it possible to",
    r"i(?:'m| am) (?:trying|looking|going) to",
    r"i (?:want|need|wish|have|would like|wanna) to",
    r"i'd like to",
    r"(?:please )?(?:can|could|would|will) you (?:please )?(?:help me (?:to )?|tell me how to |show me how to )?",
    r"(?:please )?(?:help me (?:to )?|show me how to |tell me how to )",
    r"please",
)
_ACTION = re.compile(rf"(?:{'|'.join(_OPENERS)})\s*\b(?P<rest>.+)", re.IGNORECASE)
_PLACE = re.compile(rf"(?P<word>where|when) (?:(?:do|can|should|could) {_PERSON}|to) (?P<rest>.+)", re.IGNORECASE)
_MEANING = re.compile(r"(?:what(?:'s| is| are)|define|explain|tell me about|describe) (?P<rest>.+)", re.IGNORECASE)
_DIFFERENCE = re.compile(
    r"(?:(?:what(?:'s| is) )?(?:the )?difference between|compare) (?P<a>.+?) (?:and|vs\.?|versus) (?P<b>.+)"
    r"|how (?:is|does|do|are) (?P<c>.+?) (?:different|differ) from (?P<d>.+)"
    r"|(?P<e>.+?) (?:vs\.?|versus) (?P<f>.+)",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"[.?!;]\s+\S")
_NO_THING = re.compile(r"\b(?:for|in|like|to|of|with|about|on|by|doing|happening|wrong|going)$", re.IGNORECASE)
_MAX_THING_WORDS = 6
_ACTIONS = (
    ("form:how_do_i", "How do I {}?"),
    ("form:how_to", "how to {}"),
    ("form:order", "{}"),
    ("form:way", "What is the way to {}?"),
    ("form:want", "I want to {}"),
    ("form:possible", "Is there a way to {}?"),
)
_MEANINGS = (
    ("form:what_is", "What is {}?"),
    ("form:explain", "explain {}"),
    ("form:tell_me", "tell me about {}"),
    ("form:thing", "{}"),
)
_DIFFERENCES = (
    ("form:difference", "What is the difference between {} and {}?"),
    ("form:versus", "{} vs {}"),
    ("form:differs", "How is {} different from {}?"),
    ("form:compare", "compare {} and {}"),
)
_VERBS = VERBS | _words("""
    analyse bring collect crop go highlight locate look manage match multiply organise organize paste prepare provide
    rebuild reload reorder reserve resolve restrict retrieve return reuse roll scrape separate speed subtract summarise
    switch toggle turn unpack unset use
""")
_DROPPED = _words("""
    a an the my your our their his her its this these some any i we you me us it is are was be been am do does did
    can could should would will may might have has had please what how which that there way of just really
    s 's exactly
""")


def forms(text: str) -> Iterator[tuple[str, str]]:
    """Yield rule and text of each form that a question can be asked in; its own form may be among them."""
    body = text.strip().rstrip("?!. ").strip()
    if not body or _SENTENCES.search(text):
        return
    if match := _DIFFERENCE.fullmatch(body):
        things = [part for part in match.groups() if part]
        yield from ((rule, form.format(*things)) for rule, form in _DIFFERENCES)
    elif match := _PLACE.fullmatch(body):
        word, rest = match["word"].lower(), match["rest"]
        yield "form:place_do_i", f"{word.capitalize()} do I {rest}?"
        yield "form:place_to", f"{word} to {rest}"
    elif (rest := _action(body)) is not None:
        yield from ((rule, form.format(rest)) for rule, form in _ACTIONS)
    elif (match := _MEANING.fullmatch(body)) and _is_thing(match["rest"]):
        yield from ((rule, form.format(match["rest"])) for rule, form in _MEANINGS)


def _says_nothing(word: str, after: str) -> bool:
    """Return whether keywords leave a word out: "to add", but not "from 15 to 16"."""
    plain = word.lower().strip(",;:")
    return plain in _DROPPED or (plain == "to" and after.lower() in _VERBS)


def _action(body: str) -> str | None:
    """Return what a question wants done ("add a page"), or None where it asks for something else."""
    if match := _ACTION.fullmatch(body):
        rest = match["rest"]
        is_asked = body.lower().startswith(("how", "what", "is ", "are ", "i"))
        return rest if is_asked or rest.split()[0].lower() in _VERBS else None
    first = body.split(maxsplit=1)[0] if body else ""
    if first.lower() in _VERBS and first != body:
        return first.lower() + body[len(first) :] if first.istitle() else body
    return None


def _is_thing(text: str) -> bool:
    return len(text.split()) <= _MAX_THING_WORDS and not _NO_THING.search(text)


def keywords(text: str) -> str | None:
    """Return the words of a text that carry meaning, in their order; None where less than two or all of them do."""
    body = text.strip().rstrip("?!. ").strip()
    words = ((None if _SENTENCES.search(text) else _action(body)) or body).split()
    kept = [word for word, after in zip(words, [*words[1:], ""], strict=False) if not _says_nothing(word, after)]
    found = " ".join(kept)
    return found if len(kept) >= 2 and found != body else None
