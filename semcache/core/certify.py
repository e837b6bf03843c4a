"""The certificate: how little confidence may be served so that the error stays under a level, with proof.

Exact binomial bounds, and the walk over thresholds that keeps them valid. Pure: counts and confidences in, levels
out. It never looks at a text, and it draws nothing.

Source: Angelopoulos, Bates, Candes, Jordan, Lei: Learn then Test (2021), fixed sequence testing; Wiens, Dmitrienko:
The fallback procedure (2005); Clopper, Pearson: The use of confidence or fiducial limits (1934); Barlow, Proschan:
Statistical theory of reliability (1975), order statistics of a rising failure rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from semcache.config import LEVELS
from semcache.errors import ConfigError

ALPHA = 0.05
"""The chance that is left for a certificate to be wrong."""

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Judged = tuple[Floats, npt.NDArray[np.bool_]]
"""(n,) confidences, and whether serving each is right."""

_REACH_SD, _REACH = 12.0, 60
"""Terms of a binomial further from its mean than 12 standard deviations and 60 are under 1e-20 of the largest."""
_BISECTIONS = 60
_MAX_STARTS = 5


@dataclass(frozen=True, slots=True)
class CertifiedLevel:
    """What calibration queries prove about one level of error.

    Attributes:
        max_error: the level, over 0 and under 1: wrong hits / hits.
        threshold: least confidence that may be served at this level; None where nothing is proved.
        n_hits: calibration queries at or over the threshold; where there is none, at or over the one that came
            nearest to a proof.
        n_wrong: how many of those hits are wrong.
        n_missing: how many more hits, none of them wrong, a proof would have taken at least; 0 where there is one, and
            where there was one that better queries contradict.
    """

    max_error: float
    threshold: float | None
    n_hits: int
    n_wrong: int
    n_missing: int

    @property
    def lack(self) -> str:
        """What it takes to have the level certified, in words; "" where it is."""
        if self.threshold is not None:
            return ""
        if self.n_missing:
            return f"it takes {self.n_missing:,} more calibration hits without a wrong one"
        if self.n_hits:
            return "better queries than those that proved it contradict it"
        return f"the strictest level there is allows {100 * min(LEVELS):g} %"


def binomial_tail(n_wrong: int, n: int, p: float) -> float:
    """Return P(X <= n_wrong) for X ~ Bin(n, p), exact to 1e-9.

    Args:
        n_wrong: 0 to n.
        n: 0 or more; a millisecond for 1e6.
        p: 0 to 1.

    Raises:
        ConfigError: an argument is outside its range.
    """
    _check_counts(n_wrong, n)
    if not 0 <= p <= 1:
        raise ConfigError(f"p: found {p}, allowed 0 to 1")
    if n_wrong == n or p == 0:
        return 1.0
    if p == 1:
        return 0.0
    mean = n * p
    reach = _REACH_SD * math.sqrt(mean * (1 - p)) + _REACH
    first, last = max(0, math.floor(mean - reach)), min(n, math.ceil(mean + reach))
    if n_wrong < first:
        return 0.0
    # Each term from the one before, in logarithms: the sum of all of them is the yardstick, no factorial is needed.
    k = np.arange(first + 1, last + 1, dtype=np.float64)
    logs = np.concatenate(([0.0], np.cumsum(np.log((n + 1 - k) / k) + math.log(p) - math.log1p(-p))))
    terms = np.exp(logs - logs.max())
    return min(1.0, float(terms[: n_wrong - first + 1].sum() / terms.sum()))


def upper_bound(n_wrong: int, n: int, alpha: float = ALPHA) -> float:
    """Return the one-sided Clopper-Pearson bound: the true rate is under it with probability 1 - alpha or more.

    Args:
        n_wrong: 0 to n.
        n: 0 or more; of nothing the bound is 1.
        alpha: over 0 and under 1.

    Raises:
        ConfigError: an argument is outside its range.
    """
    _check_counts(n_wrong, n)
    _check_share("alpha", alpha)
    if n_wrong == n:
        return 1.0
    return _falling_to(alpha, lambda p: binomial_tail(n_wrong, n, p), low=n_wrong / n)


def interval(n_wrong: int, n: int, alpha: float = ALPHA) -> tuple[float, float]:
    """Return the two-sided Clopper-Pearson interval of a rate; (0, 1) of nothing.

    Raises:
        ConfigError: an argument is outside its range, as in `upper_bound`.
    """
    high = upper_bound(n_wrong, n, alpha / 2)
    low = 0.0 if n_wrong == 0 else 1.0 - upper_bound(n - n_wrong, n, alpha / 2)
    return low, high


@lru_cache(maxsize=4096)
def hits_needed(max_error: float, alpha: float = ALPHA, n_wrong: int = 0) -> int:
    """Return how many hits prove an error of at most `max_error` where `n_wrong` of them are wrong.

    With none wrong: 598, 299, 149, 59 and 29 for the five levels.

    Raises:
        ConfigError: an argument is outside its range.
    """
    _check_share("max_error", max_error)
    _check_share("alpha", alpha)
    _check_counts(n_wrong, n_wrong)
    low, high = n_wrong, n_wrong + 1
    while binomial_tail(n_wrong, high, max_error) > alpha:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if binomial_tail(n_wrong, middle, max_error) > alpha else (low, middle)
    return high


def fixed_grid(confidences: Sequence[float] | Floats, n: int = 200) -> Floats:
    """Return (n,) float64 thresholds, strictest first: the i-th is reached by a share of (i + 1) / n.

    Args:
        confidences: (m,) of the fitting part, without labels; never those that certify. 1 or more, none NaN.
        n: 1 or more. A threshold stands twice where the confidences do not tell two shares apart.

    Raises:
        ConfigError: an argument is outside its range.
    """
    values = np.sort(_as_confidences(confidences))[::-1]
    if not len(values) or n < 1:
        raise ConfigError(f"grid: found {len(values)} confidences and n {n}, allowed 1 or more")
    places = np.ceil(np.arange(1, n + 1) * (len(values) / n) - 1e-9).astype(np.int64) - 1
    thresholds: Floats = values[np.clip(places, 0, len(values) - 1)]
    return thresholds


def one_per_group(groups: Sequence[Hashable], seed: int = 0) -> Counts:
    """Return positions, ascending, of one member of each group, chosen by a digest of the seed and the group.

    Paraphrases of one entry are not independent draws; a bound that counts each of them is too sure of itself.

    Args:
        groups: one name a query; names that print alike are one group.
        seed: another seed chooses other members.
    """
    members: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(str(group), []).append(i)
    chosen = [
        places[int.from_bytes(sha256(f"{seed}:{name}".encode("utf-8", "surrogatepass")).digest()[:8]) % len(places)]
        for name, places in members.items()
    ]
    return np.sort(np.asarray(chosen, dtype=np.int64))


def certify(
    confidences: Sequence[float] | Floats,
    is_right: Sequence[bool] | npt.NDArray[np.bool_],
    *,
    grid: Sequence[float] | Floats,
    alpha: float = ALPHA,
    levels: Sequence[float] = LEVELS,
    again: Judged | None = None,
) -> tuple[CertifiedLevel, ...]:
    """Return, for each level, the least strict threshold that calibration queries prove.

    Served is what has confidence >= threshold. For each level by itself: with probability 1 - alpha or more over
    the draw of the calibration queries, the true error at the threshold is at most the level (or there is no
    threshold). No shape of the error over the confidence is assumed. Thresholds never rise with the level.

    A threshold is rejected as too dangerous unless P(Bin(hits, level) <= wrong hits) is at most the alpha at hand.
    The walk goes from strict to less strict and stops at the first failure. One wrong hit near the top would end
    it there, so it has up to five starts, each with a share of alpha: a walk that arrives at a later start takes
    that one's share along, one that failed before leaves its own behind. The last threshold that passes, counts.

    Why this is valid: write B(t) for a threshold t that is really too dangerous together with the harmless ones
    right before it. These blocks do not overlap, and the alpha at hand when the first dangerous threshold is passed
    comes from starts within its own block. So the chance that any is passed is at most the sum over the blocks,
    which is alpha. That needs the sequence, the starts and the shares to be fixed beforehand: they follow from the
    grid, the number of queries and the level only. A start chosen by how many calibration hits a threshold has
    would look at no label either, but it favours draws whose hits are of one sort; then the hits are no longer
    draws of one binomial, and the bound would hold only if the error never falls with the confidence.

    A threshold that a stricter level's walk passed counts for a laxer level too, so a laxer level gets the lowest of
    its own and of those. That is one more way to be wrong, and not for free: what is too dangerous at L must not be
    passed by the walk of a stricter l either. How likely that is: P(X <= c) at the rate p is the chance that the
    (c + 1)-th smallest of n uniform numbers is over p. On the scale x = -ln(1 - p) these are exponential, and the
    k-th smallest of them has a failure rate that only rises on average, so S(r x) <= S(x) ** r for r >= 1. A test that
    lets through a share a of those at l lets through at most a ** r of those at L, r = ln(1 - L) / ln(1 - l); summed
    over the blocks, at most (the alpha of the walk at l) ** r. The walk at L does with that much less: 5 % less
    where l is half of L, nothing to speak of where it is less. A stricter walk that has too few queries to pass
    anything at all costs nothing; that follows from the number of queries alone.

    Args:
        confidences: (n,) independent draws from the queries to come, none NaN; -inf is never served. Of several
            paraphrases of one entry, only one: `one_per_group`.
        is_right: (n,) whether serving it would be right.
        grid: thresholds, strictest first, from other queries: `fixed_grid`. Any other is as safe; the starts
            take the i-th to be reached by a share of (i + 1) / len(grid) and have most power where it is.
        alpha: over 0 and under 1.
        levels: errors to certify, over 0 and under 1 each.
        again: other queries, (m,) confidences and whether serving is right, these among them or not, which may be no
            independent draws. Of the thresholds that the walk passed only those count that they would prove too.
            Whatever chooses among thresholds that were all proved costs nothing.

    Raises:
        ConfigError: an argument is outside its range, or the lengths differ.
    """
    _check_share("alpha", alpha)
    thresholds = _as_confidences(grid)
    if not len(thresholds) or np.any(thresholds[1:] > thresholds[:-1]):
        raise ConfigError("grid: allowed 1 or more thresholds, strictest (highest) first")
    n_hits, n_wrong = hits_and_wrong(confidences, is_right, thresholds)
    others = None if again is None else hits_and_wrong(*again, thresholds)
    starts = {
        level: _starts(level, len(thresholds), len(confidences), share)
        for level, share in _shares(levels, len(confidences), alpha).items()
    }
    found, last = dict[float, CertifiedLevel](), -1
    for level, own in starts.items():  # strictest first: what one of them passed, the laxer ones pass
        passed = _passed(level, n_hits, n_wrong, own)
        last = max(last, _last_again(level, passed, others))
        found[level] = (
            CertifiedLevel(level, float(thresholds[last]), int(n_hits[last]), int(n_wrong[last]), 0)
            if last >= 0
            else _not_certified(level, n_hits, n_wrong, own)
        )
    return tuple(found[level] for level in levels)


def _shares(levels: Sequence[float], n_queries: int, alpha: float) -> dict[float, float]:
    """Return what of alpha the walk of each level may spend, strictest level first; from no query at all."""
    shares: dict[float, float] = {}
    for level in sorted(levels):
        _check_share("max_error", level)
        spent = sum(
            share ** (math.log1p(-level) / math.log1p(-stricter))
            for stricter, share in shares.items()
            if hits_needed(stricter, share) <= n_queries and stricter < level
        )
        shares[level] = alpha - spent
    return shares


def hits_and_wrong(
    confidences: Sequence[float] | Floats, is_right: Sequence[bool] | npt.NDArray[np.bool_], thresholds: Floats
) -> tuple[Counts, Counts]:
    """Return (m,) hits and (m,) wrong hits at each of (m,) thresholds.

    Raises:
        ConfigError: a confidence is NaN, or the lengths differ.
    """
    values, right = _as_confidences(confidences), np.asarray(is_right, dtype=bool)
    if values.shape != right.shape:
        raise ConfigError(f"is_right: found {right.shape}, allowed one for each confidence, {values.shape}")
    return _at_or_over(values, thresholds), _at_or_over(values[~right], thresholds)


def _at_or_over(values: Floats, thresholds: Floats) -> Counts:
    return len(values) - np.searchsorted(np.sort(values), thresholds, side="left").astype(np.int64)


def _passed(level: float, n_hits: Counts, n_wrong: Counts, starts: dict[int, float]) -> list[int]:
    """Walk the grid; return the places of the thresholds that pass, strictest first."""
    at_hand, passed = 0.0, list[int]()
    for i in range(min(starts), len(n_hits)):
        at_hand += starts.get(i, 0.0)
        if at_hand and binomial_tail(int(n_wrong[i]), int(n_hits[i]), level) <= at_hand:
            passed.append(i)
        else:
            at_hand = 0.0
    return passed


def _last_again(level: float, passed: Sequence[int], others: tuple[Counts, Counts] | None) -> int:
    """Return the last place that other hits, and wrong ones among them, would prove as well; -1 for none."""
    if others is None:
        return passed[-1] if passed else -1
    n_hits, n_wrong = others
    proved = (i for i in reversed(passed) if binomial_tail(int(n_wrong[i]), int(n_hits[i]), level) <= ALPHA)
    return next(proved, -1)


def _not_certified(level: float, n_hits: Counts, n_wrong: Counts, starts: dict[int, float]) -> CertifiedLevel:
    """Say what the start that came nearest to a proof lacks."""
    missing = {i: hits_needed(level, share, int(n_wrong[i])) - int(n_hits[i]) for i, share in starts.items()}
    best = min(missing, key=lambda i: missing[i])
    return CertifiedLevel(level, None, int(n_hits[best]), int(n_wrong[best]), max(0, missing[best]))


def _starts(level: float, n_grid: int, n_queries: int, alpha: float) -> dict[int, float]:
    """Return where on the grid a level's walk starts, and with which share of alpha; from no query at all.

    The first start is where enough hits are to be expected that none of them need be wrong, with two standard
    deviations to spare (of a count whose share was itself counted); each next one has twice as many, which leaves
    room for some wrong ones. More queries for the level are worth more starts.
    """
    room = n_queries / hits_needed(level, alpha)
    n_starts = 1 if room < 2 else max(1, min(_MAX_STARTS, round(math.log2(room)) - 1))
    share = alpha / n_starts
    needed = hits_needed(level, share)
    first = needed + 2 * math.sqrt(2 * needed)
    starts: dict[int, float] = {}
    for k in range(n_starts):
        place = min(n_grid, math.ceil(first * 2**k * n_grid / max(1, n_queries))) - 1
        starts[place] = starts.get(place, 0.0) + share
    return starts


def _falling_to(target: float, function: Callable[[float], float], *, low: float) -> float:
    """Return where a function that falls on (low, 1) reaches a target; never less than that."""
    high = 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > target else (low, middle)
    return high


def _as_confidences(values: Sequence[float] | Floats) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or np.isnan(array).any():
        raise ConfigError("confidences: allowed one row of numbers, none of them NaN")
    return array


def _check_counts(n_wrong: int, n: int) -> None:
    if not 0 <= n_wrong <= n:
        raise ConfigError(f"n_wrong: found {n_wrong} of {n}, allowed 0 to {n}")


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ConfigError(f"{name}: found {value}, allowed over 0 and under 1")
