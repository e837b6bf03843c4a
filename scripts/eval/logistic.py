"""Logistic regression on standardised features, by Newton steps: what a verifier without trees would be. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_FOLDS = 5
_STEPS = 25
_MOST_SD = 5.0  # a value further from the mean counts as so far


@dataclass(frozen=True, slots=True)
class Logistic:
    """Coefficients of standardised features.

    Attributes:
        mean, scale: (n_features,) of the features it was first fitted on; scale 0 for a constant one.
        weights: (n_features + 1,) the last one for a column of ones.
    """

    mean: Floats
    scale: Floats
    weights: Floats

    @classmethod
    def fitted(cls, x: Floats, is_right: Bools, *, weights: Floats) -> Logistic:
        """Fit on weighted rows, hardly penalised."""
        deviation = x.std(axis=0)
        scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 1e-9)
        blank = cls(x.mean(axis=0), scale, np.zeros(x.shape[1] + 1))
        return blank._refitted(x, is_right, weights, np.zeros(len(x)), _PENALTIES[0])

    def on_top(self, x: Floats, is_right: Bools, *, logits: Floats, seed: int) -> Logistic:
        """Fit another one to what logits leave unsaid, with the penalty that does best on folds left out."""
        fold = np.random.default_rng(seed).permutation(len(x)) % _FOLDS
        ones = np.ones(len(x))

        def loss(penalty: float) -> float:
            total = 0.0
            for out in range(_FOLDS):
                a, b = fold != out, fold == out
                found = self._refitted(x[a], is_right[a], ones[a], logits[a], penalty)
                total += float(np.logaddexp(0.0, np.where(is_right[b], -1, 1) * (logits[b] + found.logits(x[b]))).sum())
            return total

        return self._refitted(x, is_right, ones, logits, min(_PENALTIES, key=loss))

    def logits(self, x: Floats) -> Floats:
        """Return (n,) logits."""
        found: Floats = self._columns(x) @ self.weights
        return found

    def _columns(self, x: Floats) -> Floats:
        standard = np.clip((x - self.mean) * self.scale, -_MOST_SD, _MOST_SD)
        return np.hstack([standard, np.ones((len(x), 1))])

    def _refitted(self, x: Floats, is_right: Bools, weights: Floats, logits: Floats, penalty: float) -> Logistic:
        columns, found = self._columns(x), np.zeros(x.shape[1] + 1)
        ridge = np.full(len(found), penalty)
        ridge[-1] = 1e-6
        for _ in range(_STEPS):
            share = 1.0 / (1.0 + np.exp(-np.clip(logits + columns @ found, -60.0, 60.0)))
            slope = columns.T @ (weights * (share - is_right)) + ridge * found
            curve = (columns * (weights * share * (1.0 - share))[:, None]).T @ columns + np.diag(ridge)
            step = np.linalg.solve(curve, slope)
            found = found - step
            if np.abs(step).max() < 1e-8:
                break
        return Logistic(self.mean, self.scale, found)
