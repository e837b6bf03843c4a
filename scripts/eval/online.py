"""A cache that learns each entry's threshold online: vCache's published mathematics, written from its formulas.

Source: Schroeder et al., "vCache", arXiv 2502.03771, section 4, and the constants of its published configuration.
Each entry keeps observations (score, was it right), beginning with (0, wrong) and (1, right). With six or more,
P(right | s) = sigma(gamma (s - t)) is fitted without penalty; the uncertainty of t gives the probability of asking
the LLM (explore) that keeps false hits / all requests at or below delta. Only explored queries give labels; the
query of a wrong answer becomes an entry.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from eval.retrieval import Bools, Floats, Found, Ints

N_OBSERVATIONS = 6
"""Below this, two of which are the seeds, an entry is always explored."""
MIN_GAMMA = 1e-6
SCORE_DECIMALS = 3
_EPSILON = 1e-6
_GRADIENT_TOLERANCE = 1e-8
_MAX_STEPS = 100
_MAX_LOGIT = 30.0
_MAX_DEVIATION = 1e6

SEPARABLE_VARIANCE = ((6, 0.035445), (10, 0.019371), (20, 0.013081), (30, 0.008033), (48, 0.01531))
"""Published variance of t where the observations separate, by their number; linear in between, constant beyond."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Grid:
    """Values of epsilon that the explore probability is minimised over, with z = Phi^-1(1 - epsilon) beforehand."""

    name: str
    epsilons: Doubles
    z: Doubles


def grid(name: str, epsilons: Doubles) -> Grid:
    """Return a grid with its quantiles."""
    normal = NormalDist()
    return Grid(name, epsilons, np.array([normal.inv_cdf(1.0 - value) for value in epsilons]))


PUBLISHED_GRID = grid("published", np.linspace(_EPSILON, 1.0 - _EPSILON, 50))
LOG_GRID = grid("log", np.geomspace(_EPSILON, 1.0 - _EPSILON, 50))


@dataclass(frozen=True, slots=True)
class Curve:
    """The fitted P(right | s) = sigma(gamma (s - t)) of an entry, with the variance of t."""

    gamma: float
    t: float
    variance: float


@dataclass(slots=True)
class Learned:
    """What was observed of an entry, and the curve fitted to it (None: to be fitted)."""

    scores: list[float] = field(default_factory=lambda: [0.0, 1.0])
    labels: list[bool] = field(default_factory=lambda: [False, True])
    curve: Curve | None = None

    def observe(self, score: float, *, is_right: bool) -> None:
        """Add an observation."""
        self.scores.append(round(score, SCORE_DECIMALS))
        self.labels.append(is_right)
        self.curve = None


@lru_cache(maxsize=200_000)
def fit_curve(scores: tuple[float, ...], labels: tuple[bool, ...]) -> Curve:
    """Fit the logistic curve of an entry by Newton's method and estimate the variance of t.

    Remembered: streams that differ in delta only observe much the same.
    """
    s, y = np.array(scores), np.array(labels, dtype=np.float64)
    intercept, slope = _fit_logistic(s, y)
    gamma = max(slope, MIN_GAMMA)
    t = min(max(-intercept / gamma, 0.0), 1.0)
    if s[y == 1].min() > s[y == 0].max():
        return Curve(gamma, t, separable_variance(len(s)))
    return Curve(gamma, t, _delta_variance(s, intercept, gamma))


def _fit_logistic(s: Doubles, y: Doubles) -> tuple[float, float]:
    """Maximise the likelihood of sigma(a + b s): Newton steps, halved until the loss falls."""
    a = b = 0.0
    loss = _loss(s, y, a, b)
    for _ in range(_MAX_STEPS):
        p = _sigmoid(a + b * s)
        da, db = float((p - y).sum()), float(((p - y) * s).sum())
        if max(abs(da), abs(db)) <= _GRADIENT_TOLERANCE:
            break
        haa, hab, hbb = _information(p, s)
        determinant = haa * hbb - hab * hab
        if determinant <= 0.0:
            break
        step_a, step_b = (hbb * da - hab * db) / determinant, (haa * db - hab * da) / determinant
        scale = 1.0
        while (new := _loss(s, y, a - scale * step_a, b - scale * step_b)) > loss and scale > 1e-6:
            scale /= 2
        if new > loss:
            break
        a, b, loss = a - scale * step_a, b - scale * step_b, new
    return a, b


def _loss(s: Doubles, y: Doubles, a: float, b: float) -> float:
    logits = a + b * s
    return float((np.logaddexp(0.0, logits) - y * logits).sum())


def _information(p: Doubles, s: Doubles) -> tuple[float, float, float]:
    weights = p * (1.0 - p)
    return float(weights.sum()), float((weights * s).sum()), float((weights * s * s).sum())


def _delta_variance(s: Doubles, intercept: float, gamma: float) -> float:
    """Variance of t = -a / b by the delta method: g' H^-1 g with g = (-1/b, a/b^2)."""
    haa, hab, hbb = _information(_sigmoid(intercept + gamma * s), s)
    determinant = haa * hbb - hab * hab
    if determinant <= 0.0:
        return math.inf
    ga, gb = -1.0 / gamma, intercept / gamma**2
    return (ga * ga * hbb - 2.0 * ga * gb * hab + gb * gb * haa) / determinant


def separable_variance(n: int) -> float:
    """Return the published variance of t for n observations that separate."""
    sizes = [size for size, _ in SEPARABLE_VARIANCE]
    above = bisect_right(sizes, n)
    if above in (0, len(sizes)):
        return SEPARABLE_VARIANCE[max(above - 1, 0)][1]
    (low, low_value), (high, high_value) = SEPARABLE_VARIANCE[above - 1 : above + 1]
    return low_value + (high_value - low_value) * (n - low) / (high - low)


def explore_probability(score: float, curve: Curve, *, delta: float, over: Grid) -> float:
    """Return tau: min over epsilon of 1 - delta / (1 - alpha), alpha = (1 - epsilon) P(right | s, t at its bound)."""
    deviation = min(math.sqrt(curve.variance), _MAX_DEVIATION)
    bounds: Doubles = np.clip(curve.t + over.z * deviation, 0.0, 1.0)
    alpha = (1.0 - over.epsilons) * _sigmoid(curve.gamma * (score - bounds))
    return float(np.min(1.0 - delta / (1.0 - alpha)))


def _sigmoid(logits: Doubles) -> Doubles:
    result: Doubles = 1.0 / (1.0 + np.exp(-np.clip(logits, -_MAX_LOGIT, _MAX_LOGIT)))
    return result


@dataclass(frozen=True, slots=True)
class Stream:
    """Queries in the order of their arrival, searched among the entries and among the queries before them.

    Attributes:
        found: in the entries of the beginning.
        wanted: group of each query.
        similarity: (n, n) cosine between queries; a query that became an entry is found through it.
        n_entries: of the beginning.
    """

    found: Found
    wanted: Ints
    similarity: Floats
    n_entries: int


@dataclass(frozen=True, slots=True)
class Served:
    """Of each query of a stream: whether it was served from the cache, and whether the nearest answer was right."""

    is_served: Bools
    is_right: Bools


def run_stream(
    stream: Stream, *, delta: float, over: Grid, warm: Sequence[tuple[int, float, bool]] = (), seed: int
) -> Served:
    """Play the stream once.

    Args:
        stream: what arrives.
        delta: allowed false hits / all requests.
        over: grid of epsilon.
        warm: observations (entry, score, was it right) made before the first query.
        seed: of the draws that explore.
    """
    rng = np.random.default_rng(seed)
    learned: dict[int, Learned] = {}
    for entry, score, is_right in warm:
        learned.setdefault(entry, Learned()).observe(score, is_right=is_right)
    n = len(stream.wanted)
    is_served, was_right = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    added = np.empty(n, np.intp)
    n_added = 0
    for i in range(n):
        entry, score, is_right = _nearest(stream, i, added[:n_added])
        was_right[i] = is_right
        state = learned.setdefault(entry, Learned())
        if _serves(state, score, delta=delta, over=over, draw=rng.random()):
            is_served[i] = True
            continue
        state.observe(score, is_right=is_right)
        if not is_right:
            added[n_added] = i
            n_added += 1
    return Served(is_served, was_right)


def _nearest(stream: Stream, i: int, added: npt.NDArray[np.intp]) -> tuple[int, float, bool]:
    entry, score, is_right = int(stream.found.entry[i]), float(stream.found.score[i]), bool(stream.found.is_right[i])
    if len(added):
        row = stream.similarity[i, added]
        best = int(row.argmax())
        if row[best] > score:
            query = int(added[best])
            return stream.n_entries + query, float(row[best]), bool(stream.wanted[query] == stream.wanted[i])
    return entry, score, is_right


def _serves(state: Learned, score: float, *, delta: float, over: Grid, draw: float) -> bool:
    if len(state.scores) < N_OBSERVATIONS:
        return False
    if state.curve is None:
        state.curve = fit_curve(tuple(state.scores), tuple(state.labels))
    rounded = round(score, SCORE_DECIMALS)
    return draw > explore_probability(rounded, state.curve, delta=delta, over=over)
