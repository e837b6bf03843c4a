"""How good confidences are: coverage, error, the curve between them, ranking, calibration. Arrays in, numbers out.

Everywhere: confidences (n,) of the best candidate of each query, 0 to 1, -inf where there is none (it is never
served); is_right (n,) whether serving that candidate would be right. Served is what has confidence >= threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from semcache.errors import ConfigError

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Confidences = Sequence[float] | Floats
Rights = Sequence[bool] | Bools


@dataclass(frozen=True, slots=True)
class Served:
    """What a threshold does to queries.

    Attributes:
        n_queries, n_hits, n_wrong: how many there are, are served, and are served wrongly.
    """

    n_queries: int
    n_hits: int
    n_wrong: int

    @property
    def coverage(self) -> float:
        """Hits / queries; 0 of none."""
        return self.n_hits / self.n_queries if self.n_queries else 0.0

    @property
    def useful_coverage(self) -> float:
        """Right hits / queries; 0 of none."""
        return (self.n_hits - self.n_wrong) / self.n_queries if self.n_queries else 0.0

    @property
    def error(self) -> float | None:
        """Wrong hits / hits; None without a hit."""
        return self.n_wrong / self.n_hits if self.n_hits else None


@dataclass(frozen=True, slots=True)
class Curve:
    """Hits and wrong hits at every threshold that serves another number of queries, strictest first.

    Attributes:
        thresholds: (m,) distinct confidences, falling; m is 0 where no query has a candidate.
        n_hits, n_wrong: (m,) at each of them.
        n_queries: of all queries, with a candidate or without.
    """

    thresholds: Floats
    n_hits: Counts
    n_wrong: Counts
    n_queries: int

    @property
    def coverage(self) -> Floats:
        """(m,) hits / queries, rising."""
        return self.n_hits / max(1, self.n_queries)

    @property
    def error(self) -> Floats:
        """(m,) wrong hits / hits."""
        return self.n_wrong / self.n_hits

    def at(self, place: int) -> Served:
        """Return what the threshold at a place does."""
        return Served(self.n_queries, int(self.n_hits[place]), int(self.n_wrong[place]))


@dataclass(frozen=True, slots=True)
class Bin:
    """Candidates of like confidence.

    Attributes:
        low, high: the confidences in it, low <= c < high; the last bin includes 1.
        n: how many candidates.
        confidence: their mean confidence; None of none.
        share_right: how many of them are right; None of none.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    share_right: float | None


def served_at(confidences: Confidences, is_right: Rights, threshold: float) -> Served:
    """Return what a threshold, usually one from other data, does to these queries.

    Raises:
        ConfigError: the lengths differ, or a confidence is NaN.
    """
    values, right = _checked(confidences, is_right)
    hit = (values >= threshold) & (values > -np.inf)
    return Served(len(values), int(hit.sum()), int((hit & ~right).sum()))


def curve_of(confidences: Confidences, is_right: Rights) -> Curve:
    """Return the coverage-error curve. Queries of equal confidence are served together.

    Raises:
        ConfigError: as in `served_at`.
    """
    values, right = _checked(confidences, is_right)
    n_queries, has_candidate = len(values), values > -np.inf
    values, right = values[has_candidate], right[has_candidate]
    order = np.argsort(-values, kind="stable")
    values, wrong = values[order], np.cumsum(~right[order])
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True)) if len(values) else np.zeros(0, np.int64)
    return Curve(values[last], last + 1, wrong[last].astype(np.int64), n_queries)


def aurc(curve: Curve) -> float | None:
    """Return the area under the error-coverage curve: the mean error of serving the k most confident, over every k.

    0 is best. Among equal confidences the wrong ones are spread evenly. None without a candidate.
    Source: Geifman, El-Yaniv: Selective Classification for Deep Neural Networks (2017), E-AURC without its offset.
    """
    if not len(curve.n_hits):
        return None
    k = np.arange(1, curve.n_hits[-1] + 1)
    wrong = np.interp(k, np.append(0, curve.n_hits), np.append(0, curve.n_wrong))
    return float(np.mean(wrong / k))


def roc_auc(confidences: Confidences, is_right: Rights) -> float | None:
    """Return the chance that a right candidate is more confident than a wrong one; ties count one half.

    None where there are no right or no wrong candidates.

    Raises:
        ConfigError: as in `served_at`.
    """
    curve = curve_of(confidences, is_right)
    if not len(curve.n_hits):
        return None
    wrong = np.append(0, curve.n_wrong)
    right = np.append(0, curve.n_hits) - wrong
    if not wrong[-1] or not right[-1]:
        return None
    pairs = (np.diff(wrong) * (right[1:] + right[:-1])).sum() / 2
    return float(pairs / (float(wrong[-1]) * float(right[-1])))


def best_coverage(curve: Curve, max_error: float) -> Served | None:
    """Return the most that any one threshold serves at an error of at most `max_error` on these very queries.

    It has seen the labels, so nothing that has not can do better: an upper bound, not a promise. None where no
    threshold is good enough.
    """
    good = np.flatnonzero(curve.n_wrong <= max_error * curve.n_hits)
    return curve.at(int(good[-1])) if len(good) else None


def mean_best_coverage(curve: Curve, levels: Sequence[float]) -> float:
    """Return the mean of the best coverages at some errors; 0 counts where no threshold is good enough."""
    served = [best_coverage(curve, level) for level in levels]
    return sum(one.coverage if one is not None else 0.0 for one in served) / len(served)


def reliability(confidences: Confidences, is_right: Rights, n_bins: int = 15) -> tuple[Bin, ...]:
    """Return candidates in `n_bins` bins of equal width over 0 to 1.

    Raises:
        ConfigError: a confidence is over 1 or under 0 (-inf aside); and as in `served_at`.
    """
    values, right = _candidates(confidences, is_right)
    places = np.minimum((values * n_bins).astype(np.int64), n_bins - 1)
    bins = []
    for i in range(n_bins):
        inside = places == i
        n = int(inside.sum())
        confidence = float(values[inside].mean()) if n else None
        share_right = float(right[inside].mean()) if n else None
        bins.append(Bin(i / n_bins, (i + 1) / n_bins, n, confidence, share_right))
    return tuple(bins)


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """Return the expected calibration error: |confidence - share right| of the bins, weighed by size. None of none."""
    total = sum(b.n for b in bins)
    if not total:
        return None
    gaps = (
        b.n * abs(b.confidence - b.share_right) for b in bins if b.confidence is not None and b.share_right is not None
    )
    return sum(gaps) / total


def brier(confidences: Confidences, is_right: Rights) -> float | None:
    """Return the mean of (confidence - right)^2 over candidates, 0 to 1, lower is better; None without one.

    Raises:
        ConfigError: as in `reliability`.
    """
    values, right = _candidates(confidences, is_right)
    return float(np.mean((values - right) ** 2)) if len(values) else None


def _checked(confidences: Confidences, is_right: Rights) -> tuple[Floats, Bools]:
    values, right = np.asarray(confidences, dtype=np.float64), np.asarray(is_right, dtype=bool)
    if values.ndim != 1 or values.shape != right.shape:
        raise ConfigError(f"is_right: found {right.shape}, allowed one for each confidence, {values.shape}")
    if np.isnan(values).any():
        raise ConfigError("confidences: found NaN, allowed 0 to 1, or -inf without a candidate")
    return values, right


def _candidates(confidences: Confidences, is_right: Rights) -> tuple[Floats, Bools]:
    values, right = _checked(confidences, is_right)
    has_candidate = values > -np.inf
    values, right = values[has_candidate], right[has_candidate]
    if len(values) and not 0 <= values.min() <= values.max() <= 1:
        raise ConfigError(f"confidences: found {values.min()} to {values.max()}, allowed 0 to 1")
    return values, right
