"""The verifier: features in, the probability that serving the candidate is right out.

A sum of small trees: those fitted once on many public sets ("generic"), and those that a corpus with queries enough
puts over a share of them. In most features a mismatch can only lower the confidence (monotone trees).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from semcache.core.features import FEATURES, RETRIEVAL

DEPTH = 3
_INNER, _LEAVES = 2**DEPTH - 1, 2**DEPTH
_BITS = 8  # of the byte that holds a tree's turns: its inner nodes, and one that never turns
TREE = np.dtype([("feature", "<i2", (_INNER,)), ("threshold", "<f4", (_INNER,)), ("leaf", "<f4", (_LEAVES,))])
"""A complete tree of depth 3, level by level: right where the feature is over the threshold."""

_RISING = ("score", "margin", "mean_margin", "share", "sharp_share")
_FREE = ("soft", "pointing", "brevity")
SIGNS = tuple(
    1 if name in _RISING else 0 if i < len(RETRIEVAL) or name in _FREE else -1 for i, name in enumerate(FEATURES)
)
"""Of each feature: 1 where it may only raise the confidence, -1 only lower it, 0 either."""


def weakened(trees: npt.NDArray[Any], share: float) -> npt.NDArray[Any]:
    """Return (n,) of `TREE` that say a share of what these say."""
    weaker = trees.copy()
    weaker["leaf"] *= np.float32(share)
    return weaker


def _leaf_of_turns() -> npt.NDArray[np.intp]:
    """Return the leaf that a tree ends in for each byte of its turns: the bit 128 >> node is set for right."""
    leaves = []
    for turns in range(1 << _BITS):
        node = 0
        for _ in range(DEPTH):
            node = 2 * node + (2 if turns & (128 >> node) else 1)
        leaves.append(node - _INNER)
    return np.array(leaves, np.intp)


_LEAF_OF_TURNS = _leaf_of_turns()

Floats = npt.NDArray[np.float64]


class Verifier:
    """Trees laid out for one query at a time. Immutable; safe to share."""

    __slots__ = ("_features", "_first_leaves", "_leaves", "_thresholds")

    def __init__(self, trees: npt.NDArray[Any]) -> None:
        """Take (n,) of `TREE`."""
        n_trees = len(trees)
        features, thresholds = np.zeros((n_trees, _BITS), np.intp), np.full((n_trees, _BITS), np.inf)
        features[:, :_INNER], thresholds[:, :_INNER] = trees["feature"], trees["threshold"]
        self._features, self._thresholds = features.ravel(), thresholds.ravel()
        self._leaves = np.ascontiguousarray(trees["leaf"], dtype=np.float64).ravel()
        self._first_leaves = np.arange(n_trees, dtype=np.intp) * _LEAVES

    def logit(self, x: Floats) -> float:
        """Return the logit of the confidence for (n_features,) float64."""
        turns = np.packbits(x.take(self._features) > self._thresholds)
        return float(self._leaves.take(self._first_leaves + _LEAF_OF_TURNS.take(turns)).sum())

    def logits(self, x: Floats) -> Floats:
        """Return (n,) logits of (n, n_features) float64."""
        return np.array([self.logit(row) for row in x], np.float64)

    def confidence(self, x: Floats) -> float:
        """Return the probability that serving is right, 0 to 1."""
        return 1.0 / (1.0 + math.exp(-max(-_MAX_LOGIT, min(_MAX_LOGIT, self.logit(x)))))


_MAX_LOGIT = 60.0
