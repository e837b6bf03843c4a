"""Forms of English words, as far as swapping one word for another needs them."""

from __future__ import annotations

_VOWELS = frozenset("aeiou")
_IRREGULAR = frozenset(
    [
        "begin",
        "build",
        "buy",
        "choose",
        "cut",
        "do",
        "find",
        "forget",
        "freeze",
        "get",
        "give",
        "go",
        "hide",
        "hit",
        "keep",
        "lend",
        "let",
        "lose",
        "make",
        "overwrite",
        "pay",
        "put",
        "read",
        "run",
        "sell",
        "send",
        "set",
        "shrink",
        "shut",
        "sleep",
        "split",
        "take",
        "tell",
        "throw",
        "unset",
        "upset",
        "win",
        "write",
    ]
)
"""Verbs whose past form does not end in -ed."""
_UNDOUBLED = frozenset({"open", "visit", "enter", "edit", "limit", "render", "filter", "alter", "offer", "order"})
_DOUBLED_ENDINGS = ("mit", "get", "gin", "nfer", "setup", "unzip", "wrap", "plug")


def forms(verb: str) -> dict[str, str]:
    """Return base, third person, -ing and, where it is regular, past form of a verb."""
    found = {"base": verb, "s": third_person(verb), "ing": gerund(verb)}
    if verb not in _IRREGULAR:
        found["ed"] = _past(verb)
    return found


def third_person(verb: str) -> str:
    """Return the verb with -s."""
    if verb.endswith(("s", "x", "ch", "sh", "z")):
        return verb + "es"
    if verb.endswith("y") and verb[-2:-1] not in _VOWELS:
        return verb[:-1] + "ies"
    return verb + "s"


def gerund(verb: str) -> str:
    """Return the verb with -ing."""
    if verb.endswith("e") and not verb.endswith("ee") and len(verb) > 2:
        return verb[:-1] + "ing"
    return verb + verb[-1] * _doubles(verb) + "ing"


def _past(verb: str) -> str:
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2:-1] not in _VOWELS:
        return verb[:-1] + "ied"
    return verb + verb[-1] * _doubles(verb) + "ed"


def _doubles(verb: str) -> bool:
    """Say whether the last letter is doubled: "stop", "commit", not "open", "show"."""
    if len(verb) < 3 or verb in _UNDOUBLED or verb[-1] in "wxyaeiouhck" or verb[-2] not in _VOWELS:
        return False
    one_syllable = sum(letter in _VOWELS for letter in verb) == 1
    return verb[-3] not in _VOWELS and (
        one_syllable or verb.endswith(("mit", "get", "gin", "nfer", "setup", "unzip", "wrap", "plug"))
    )
