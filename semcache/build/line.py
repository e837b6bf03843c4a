"""Logistic regression that keeps the promise of the trees, written down as trees: a line is a staircase.

A line ranks what is far above every threshold of a tree, so it decides what the strictest levels serve; trees on top of
it add what is not linear. Each feature may only raise, only lower, or do either, as its sign says. Pure and exact:
Newton steps, no randomness but the folds, which the order of the rows decides.

Source: Hastie, Tibshirani, Friedman: The Elements of Statistical Learning (2009), 4.4, and 7.10 for the penalty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from semcache.core.verifier import TREE

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Trees = npt.NDArray[Any]

PENALTIES = (1.0, 10.0, 100.0, 1000.0)
"""Of the squares of standardised coefficients, all weights summed; tried by `fit_line`."""
_FOLDS = 5
_MOST_SD = 5.0  # a value further from the mean counts as so far
_STEPS, _HALVINGS = 50, 20
_ENOUGH = 1e-8
_FREE = 1e-6  # penalty of the constant
_N_STAIRS = 8
_NEVER = np.float32(1e6)


@dataclass(frozen=True, slots=True)
class Line:
    """Coefficients of standardised features.

    Attributes:
        mean, scale: (n_features,) of the features; scale 0 for one that is constant.
        weights: (n_features + 1,), the last one of a constant 1.
    """

    mean: Floats
    scale: Floats
    weights: Floats

    def logits(self, x: Floats) -> Floats:
        """Return (n,) logits of (n, n_features)."""
        found: Floats = _columns(x, self.mean, self.scale) @ self.weights
        return found

    def trees(self, x: Floats) -> Trees:
        """Return a tree a feature that counts, whose eight leaves rise or fall as the line does, and one for the rest.

        Args:
            x: (n, n_features) rows that it is exact for in the mean: the steps are where these rows are.
        """
        columns = _columns(x, self.mean, self.scale)
        stairs = [_staircase(i, x[:, i], columns[:, i] * self.weights[i]) for i in self._counting()]
        rest = np.zeros(1, TREE)
        rest["threshold"], rest["leaf"] = _NEVER, self.weights[-1]
        return np.concatenate([*stairs, rest])

    def _counting(self) -> list[int]:
        return np.flatnonzero(self.weights[:-1] * self.scale).tolist()


def fit_line(
    x: Floats,
    is_right: Bools,
    *,
    logits: Floats,
    weights: Floats,
    signs: Sequence[int],
    penalties: Sequence[float] = PENALTIES,
) -> Line:
    """Fit what given logits leave unsaid, with the penalty that does best on rows left out.

    Args:
        x: (n, n_features).
        is_right: (n,) labels.
        logits: (n,) what is said already; zeros for nothing.
        weights: (n,) of each row, 0 or more.
        signs: of each feature: 1 where it may only raise the logit, -1 only lower it, 0 either.
        penalties: to choose from.
    """
    deviation = x.std(axis=0)
    mean, scale = x.mean(axis=0), np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 1e-9)
    rows = _Rows(_columns(x, mean, scale), is_right, logits, weights)
    fold = np.arange(len(x)) % _FOLDS

    def loss(penalty: float) -> float:
        return sum(rows.at(fold == k).loss(rows.at(fold != k).signed(signs, penalty)) for k in range(_FOLDS))

    best = min(penalties, key=loss) if len(penalties) > 1 else penalties[0]
    return Line(mean, scale, rows.signed(signs, best))


@dataclass(frozen=True, slots=True)
class _Rows:
    """What is fitted: (n, n_features + 1) standardised columns, labels, what is said already, weights."""

    columns: Floats
    is_right: Bools
    logits: Floats
    weights: Floats

    def at(self, rows: Bools) -> _Rows:
        return _Rows(self.columns[rows], self.is_right[rows], self.logits[rows], self.weights[rows])

    def loss(self, found: Floats) -> float:
        logits = self.logits + self.columns @ found
        return float(self.weights @ np.logaddexp(0.0, np.where(self.is_right, -logits, logits)))

    def signed(self, signs: Sequence[int], penalty: float) -> Floats:
        """Return coefficients of which none goes against its sign: those that would are left out, until none does."""
        is_kept = np.append(self.columns[:, :-1].any(axis=0), True)
        while True:
            found = np.zeros(len(is_kept))
            kept = _Rows(self.columns[:, is_kept], self.is_right, self.logits, self.weights)
            found[is_kept] = kept.least(penalty)
            against = found[:-1] * np.asarray(signs) < 0
            if not against.any():
                return found
            is_kept[:-1] &= ~against

    def least(self, penalty: float) -> Floats:
        """Return the coefficients of least penalised loss: Newton steps, halved while they do not help."""
        ridge = np.append(np.full(self.columns.shape[1] - 1, penalty), _FREE)
        found = np.zeros(len(ridge))
        cost = self._cost(found, ridge)
        for _ in range(_STEPS):
            step = self._step(found, ridge)
            for _ in range(_HALVINGS):
                if (now := self._cost(found - step, ridge)) <= cost:
                    break
                step /= 2
            else:
                break
            found, cost = found - step, now
            if np.abs(step).max() < _ENOUGH:
                break
        return found

    def _cost(self, found: Floats, ridge: Floats) -> float:
        return self.loss(found) + 0.5 * float(ridge @ (found * found))

    def _step(self, found: Floats, ridge: Floats) -> Floats:
        share = 1.0 / (1.0 + np.exp(-np.clip(self.logits + self.columns @ found, -60.0, 60.0)))
        slope = self.columns.T @ (self.weights * (share - self.is_right)) + ridge * found
        curve = (self.columns * (self.weights * share * (1.0 - share))[:, None]).T @ self.columns + np.diag(ridge)
        return np.asarray(np.linalg.solve(curve, slope), np.float64)


def _columns(x: Floats, mean: Floats, scale: Floats) -> Floats:
    return np.hstack([np.clip((x - mean) * scale, -_MOST_SD, _MOST_SD), np.ones((len(x), 1))])


def _staircase(feature: int, values: Floats, said: Floats) -> Trees:
    """Return one tree whose leaves are the means of what a line says of eight parts of the values."""
    edges = _edges(values)
    part = np.searchsorted(edges, values, side="left")
    n_in = np.bincount(part, minlength=len(edges) + 1)
    is_met = n_in > 0
    leaves = np.bincount(part, weights=said, minlength=len(n_in))[is_met] / n_in[is_met]
    edges = edges[is_met[:-1]][: len(leaves) - 1]
    thresholds = np.append(edges, np.full(_N_STAIRS - 1 - len(edges), _NEVER))
    tree = np.zeros(1, TREE)
    tree["feature"] = feature
    tree["threshold"] = thresholds[[3, 1, 5, 0, 2, 4, 6]]  # level by level: the middle one first
    tree["leaf"] = np.append(leaves, np.full(_N_STAIRS - len(leaves), leaves[-1]))
    return tree


def _edges(values: Floats) -> Floats:
    """Return seven edges at most, each between two values that are met, a float32 so that it is what is stored.

    Of more than eight values the octiles say where; a value counts for an eighth of the rows at most, so that one that
    stands for most of them leaves edges for the others.
    """
    different, n_with = np.unique(values, return_counts=True)
    below = np.arange(len(different) - 1)
    if len(different) > _N_STAIRS:
        up_to = np.cumsum(np.minimum(n_with, len(values) / _N_STAIRS))
        octiles = np.searchsorted(up_to, up_to[-1] * np.arange(1, _N_STAIRS) / _N_STAIRS)
        below = np.unique(np.minimum(octiles, below[-1]))
    return np.unique(((different[below] + different[below + 1]) / 2).astype(np.float32)).astype(np.float64)
