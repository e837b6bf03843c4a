"""What tells two texts apart by their words alone: nothing, where a verifier has to go by the vectors."""

from __future__ import annotations

import re

from semcache.core.lexical import FEATURES, Lexical, compare

SAME_WORDS_SCORE = 0.8
"""Texts of the same words are nearer than this; where they are not, terms are equal by accident of their stems."""

_NO_DIFFERENCE = frozenset({"query_rarest", "variant_rarest", "soft", "length_gap", "brevity"})
"""Features that weigh a difference or a length, and tell of none by themselves."""
_SIDES = re.compile(r"_(extra|missing|changed)$")
_NAMES = {
    name: "word" if name.endswith("_unmatched") else _SIDES.sub("", name)
    for name in FEATURES
    if name not in _NO_DIFFERENCE
}


def differences(one: Lexical, other: Lexical) -> tuple[str, ...]:
    """Return what differs as `lexical.compare` sees it from either text, each once; empty where no word tells.

    "word" is any term that one side lacks; the others are features of `compare` without their side: "verb",
    "number", "antonym", "disorder" and so on.
    """
    both = zip(FEATURES, _compared(one, other), _compared(other, one), strict=True)
    return tuple(dict.fromkeys(_NAMES[name] for name, left, right in both if (left or right) and name in _NAMES))


def _compared(query: Lexical, variant: Lexical) -> tuple[float, ...]:
    return compare(query, variant, lambda _: 1.0)
