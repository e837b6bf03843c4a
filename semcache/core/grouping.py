"""Groups texts that ask the same: near as vectors, and no fact differs. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from semcache.core.lexical import Lexical, analyse, compare, mismatches
from semcache.core.vectors import FloatRows

_READINGS = 65_536


def group_texts(
    texts: Sequence[str], vectors: FloatRows, counts: Sequence[int], *, min_score: float
) -> list[list[int]]:
    """Return groups of positions, those of the texts asked most often first.

    A text joins the nearest group whose first text it is near to and of whose texts none states another fact (a
    number, a name, a negation, an opposite: `lexical.mismatches`); else it begins one. So near twins stay apart, also
    where that splits what a person would put together.

    Args:
        texts: different ones.
        vectors: (n, dim) float32, unit rows; a row of zeros is near to nothing.
        counts: how often each was asked.
        min_score: cosine from which two texts are near.
    """
    groups: list[list[int]] = []
    leaders = np.zeros_like(vectors)
    for i in sorted(range(len(texts)), key=lambda i: (-counts[i], texts[i])):
        joined = _nearest_group(i, texts, leaders[: len(groups)] @ vectors[i], groups, min_score=min_score)
        if joined is None:
            leaders[len(groups)] = vectors[i]
            groups.append([i])
        else:
            joined.append(i)
    return groups


def _nearest_group(
    text: int, texts: Sequence[str], scores: FloatRows, groups: list[list[int]], *, min_score: float
) -> list[int] | None:
    near = np.flatnonzero((scores >= min_score) & (scores != 0))  # 0 is the score of what cannot be embedded
    for at in near[np.argsort(-scores[near], kind="stable")]:
        group = groups[at]
        if all(same_question(texts[text], texts[other]) for other in group):
            return group
    return None


def same_question(one: str, other: str) -> bool:
    """Return whether no fact differs between two texts, whichever of them asks."""
    left, right = _reading(one), _reading(other)
    return not (mismatches(compare(left, right, _equal)) or mismatches(compare(right, left, _equal)))


def medoid(group: Sequence[int], vectors: FloatRows, counts: Sequence[int]) -> int:
    """Return the position of the text that is nearest to all lookups of its group; of equal ones the first."""
    inside = vectors[list(group)]
    nearness = (inside @ inside.T) @ np.array([counts[i] for i in group], dtype=np.float32)
    return group[int(nearness.argmax())]


@lru_cache(maxsize=_READINGS)
def _reading(text: str) -> Lexical:
    return analyse(text)


def _equal(_: str) -> float:
    return 1.0
