"""Whether a generated paraphrase states the same facts as its original. A filter, not a decision: it may be strict."""

from __future__ import annotations

from semcache.core.lexical import FEATURES, analyse, compare

_SIDES = ("extra", "missing", "changed")
CHECKED = frozenset(
    {f"{kind}_{side}" for kind in ("number", "version", "date") for side in _SIDES}
    | {"name_changed", "identifier_changed"}
    | {"unit", "negation", "antonym", "exclusive", "question", "direction"}
)
"""Features of `lexical.compare` that must stay below 1; half a mismatch (a question that is implied) is none.

A name or an identifier may be on one side only: people leave out "Spec Kit" where it is clear, and nearly no twin is
told by it (docs/augmentation.md).
"""


def same_facts(original: str, variant: str) -> bool:
    """Return whether two texts hold the same numbers and no other names, and neither turns the other round."""
    features = compare(analyse(variant), analyse(original), lambda _: 1.0)
    return all(value < 1 for name, value in zip(FEATURES, features, strict=True) if name in CHECKED)
