"""Checks a certificate by drawing calibration and test anew, many times, from the same judged queries. Pure.

Two ways to choose a threshold are held against each other: the widest one within the level on calibration (`chosen`,
no proof), and the one that `semcache.core.certify` proves (`certified`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eval.retrieval import Bools, Scores
from eval.thresholds import NOTHING_SERVED, widest_threshold
from semcache.core.certify import certify, fixed_grid
from semcache.core.metrics import served_at

N_RESPLITS = 200
RESPLIT_LEVELS = (0.01, 0.02, 0.05)


@dataclass(frozen=True, slots=True)
class Resplits:
    """What many random splits found at one level.

    Attributes:
        level: allowed error.
        n: splits.
        n_served: splits in which some test query was served.
        exceeded: share of the splits whose test error is over the level.
        coverage: median over the splits.
    """

    level: float
    n: int
    n_served: int
    exceeded: float
    coverage: float


def certified_threshold(confidence: Scores, is_right: Bools, *, grid: Sequence[float], error: float) -> float:
    """Return the least confidence that is proved to be within the error, infinity where none is."""
    (level,) = certify(confidence, is_right, grid=grid, levels=(error,))
    return NOTHING_SERVED if level.threshold is None else level.threshold


def grid_of(confidence: Scores) -> list[float]:
    """Return the thresholds that a walk may take, from queries that certify nothing."""
    return [float(value) for value in fixed_grid(confidence)]


def resplit(
    confidence: Scores, is_right: Bools, *, grid: Sequence[float], is_certified: bool, error: float, seed: int = 0
) -> Resplits:
    """Halve the queries at random many times: threshold on one half, error on the other."""
    exceeded, coverages, n_served = 0, [], 0
    for order in _orders(len(confidence), seed):
        calibration, test = np.array_split(order, 2)
        if is_certified:
            threshold = certified_threshold(confidence[calibration], is_right[calibration], grid=grid, error=error)
        else:
            threshold = widest_threshold(confidence[calibration], is_right[calibration], error=error)
        found = served_at(confidence[test], is_right[test], threshold)
        exceeded += (found.error or 0.0) > error
        n_served += found.n_hits > 0
        coverages.append(found.coverage)
    return Resplits(error, N_RESPLITS, n_served, exceeded / N_RESPLITS, float(np.median(coverages)))


def _orders(n: int, seed: int) -> list[npt.NDArray[np.intp]]:
    rng = np.random.default_rng([seed, 2])
    return [rng.permutation(n) for _ in range(N_RESPLITS)]
