"""Checks a certificate by drawing calibration and test anew, many times, from the same judged queries. Pure.

Two ways to choose a threshold are held against each other: the widest one within the level on calibration (`chosen`,
no proof), and the one that `semcache.core.certify` proves (`certified`). A proof is held against the error of a finite
test half, which scatters around the true one, and against an error that is known: that of all queries, of which
calibration is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eval.retrieval import Bools, Scores
from eval.thresholds import NOTHING_SERVED, widest_threshold
from semcache.core.certify import certify, fixed_grid
from semcache.core.metrics import Served, served_at

Places = npt.NDArray[np.intp]

N_RESPLITS = 200
RESPLIT_LEVELS = (0.01, 0.02, 0.05)


@dataclass(frozen=True, slots=True)
class Resplits:
    """What many random draws of calibration queries found at one level.

    Attributes:
        level: allowed error.
        n: draws.
        n_served: draws in which some test query was served.
        exceeded: share of the draws whose test error is over the level.
        coverage: median over the draws.
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
    halves = [np.array_split(order, 2) for order in _orders(len(confidence), seed)]

    def threshold_of(calibration: Places) -> float:
        if is_certified:
            return certified_threshold(confidence[calibration], is_right[calibration], grid=grid, error=error)
        return widest_threshold(confidence[calibration], is_right[calibration], error=error)

    found = [served_at(confidence[test], is_right[test], threshold_of(calibration)) for calibration, test in halves]
    return _counted(found, error)


def redraw(confidence: Scores, is_right: Bools, *, grid: Sequence[float], error: float, seed: int = 0) -> Resplits:
    """Take the queries for all there are: half as many are drawn of them, with replacement, and certify.

    The error of what that serves is known, so a sound proof fails in 5 % of the draws at most.
    """
    rng, n, found = np.random.default_rng([seed, 3]), len(confidence), list[Served]()
    for _ in range(N_RESPLITS):
        drawn = rng.integers(n, size=n // 2)
        threshold = certified_threshold(confidence[drawn], is_right[drawn], grid=grid, error=error)
        found.append(served_at(confidence, is_right, threshold))
    return _counted(found, error)


def _counted(found: Sequence[Served], error: float) -> Resplits:
    exceeded = sum((one.error or 0.0) > error for one in found)
    coverage = float(np.median([one.coverage for one in found]))
    return Resplits(error, len(found), sum(one.n_hits > 0 for one in found), exceeded / len(found), coverage)


def _orders(n: int, seed: int) -> list[Places]:
    rng = np.random.default_rng([seed, 2])
    return [rng.permutation(n) for _ in range(N_RESPLITS)]
