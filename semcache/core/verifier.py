"""The verifier: features in, the probability that serving the candidate is right out.

A sum of small trees: those fitted once on many public sets ("generic"), then those that a corpus with queries
enough adds of its own. In most features a mismatch can only lower the confidence (monotone trees).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from semcache.core.features import FEATURES, RETRIEVAL

DEPTH = 3
_INNER, _LEAVES = 2**DEPTH - 1, 2**DEPTH
TREE = np.dtype([("feature", "<i2", (_INNER,)), ("threshold", "<f4", (_INNER,)), ("leaf", "<f4", (_LEAVES,))])
"""A complete tree of depth 3, level by level: right where the feature is over the threshold."""

_RISING = ("score", "margin", "mean_margin", "share", "sharp_share")
_FREE = ("soft", "pointing", "brevity")
SIGNS = tuple(
    1 if name in _RISING else 0 if i < len(RETRIEVAL) or name in _FREE else -1 for i, name in enumerate(FEATURES)
)
"""Of each feature: 1 where it may only raise the confidence, -1 only lower it, 0 either."""

Floats = npt.NDArray[np.float64]


class Verifier:
    """Trees laid out for one query at a time. Immutable; safe to share."""

    __slots__ = ("_features", "_leaves", "_rows", "_thresholds")

    def __init__(self, trees: npt.NDArray[Any]) -> None:
        """Take (n,) of `TREE`."""
        self._features = np.ascontiguousarray(trees["feature"].T, dtype=np.intp)
        self._thresholds = np.ascontiguousarray(trees["threshold"].T, dtype=np.float64)
        self._leaves = np.ascontiguousarray(trees["leaf"], dtype=np.float64).ravel()
        self._rows = np.arange(len(trees), dtype=np.intp) * _LEAVES

    def logit(self, x: Floats) -> float:
        """Return the logit of the confidence for (n_features,) float64."""
        right = x[self._features] > self._thresholds
        second = np.where(right[0], right[2], right[1])
        third = np.where(right[0], np.where(second, right[6], right[5]), np.where(second, right[4], right[3]))
        return float(self._leaves[self._rows + (4 * right[0] + 2 * second + third)].sum())

    def confidence(self, x: Floats) -> float:
        """Return the probability that serving is right, 0 to 1."""
        return 1.0 / (1.0 + math.exp(-max(-_MAX_LOGIT, min(_MAX_LOGIT, self.logit(x)))))


_MAX_LOGIT = 60.0
