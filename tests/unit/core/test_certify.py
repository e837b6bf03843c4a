from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from semcache.config import LEVELS
from semcache.core.certify import (
    CertifiedLevel,
    binomial_tail,
    certify,
    fixed_grid,
    hits_and_wrong,
    hits_needed,
    interval,
    one_per_group,
    upper_bound,
)
from semcache.errors import ConfigError


def exact_tail(n_wrong: int, n: int, p: Fraction) -> float:
    """Sum the binomial in whole numbers."""
    return float(sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n_wrong + 1)))


@pytest.mark.parametrize("n", [1, 2, 17, 150, 400])
@pytest.mark.parametrize(
    "p", [Fraction(1, 1000), Fraction(1, 50), Fraction(1, 2), Fraction(9, 10), Fraction(999, 1000)]
)
def test_the_tail_is_that_of_whole_numbers(n: int, p: Fraction) -> None:
    """To 1e-12, wherever in the distribution it is asked for."""
    for n_wrong in {0, n // 50, n // 2, n - 1, n}:
        assert binomial_tail(n_wrong, n, float(p)) == pytest.approx(exact_tail(n_wrong, n, p), abs=1e-12)


@pytest.mark.parametrize(
    ("n_wrong", "n", "p", "tail"),
    [
        (500_000, 1_000_000, 0.5, 0.5003989421806654),
        (9_900, 1_000_000, 0.01, 0.15865120924671208),
        (9_600, 1_000_000, 0.01, 2.668135154228981e-05),
        (5, 1_000_000, 1e-5, 0.06708501704958428),
        (999_990, 1_000_000, 0.99999, 0.5420709110761774),
        (0, 1_000_000, 0.5, 0.0),
    ],
)
def test_the_tail_of_a_million(n_wrong: int, n: int, p: float, tail: float) -> None:
    """As exact as of a few, against values of scipy.stats.binom.cdf."""
    assert binomial_tail(n_wrong, n, p) == pytest.approx(tail, abs=1e-9)


@pytest.mark.parametrize(("n_wrong", "p", "tail"), [(0, 0.0, 1.0), (3, 1.0, 0.0), (4, 1.0, 1.0), (0, 1.0, 0.0)])
def test_the_tail_at_the_ends(n_wrong: int, p: float, tail: float) -> None:
    """Rates of 0 and 1 are allowed."""
    assert binomial_tail(n_wrong, 4, p) == tail


def test_the_tail_of_nothing_is_one() -> None:
    """No hit is no evidence."""
    assert binomial_tail(0, 0, 0.01) == 1.0


@pytest.mark.parametrize(
    ("n_wrong", "n", "alpha", "bound"),
    [
        (0, 598, 0.05, 0.0049970587),
        (0, 59, 0.05, 0.0495076099),
        (8, 1500, 0.05, 0.0096024642),
        (1, 10, 0.05, 0.3941633024),
        (10, 10, 0.05, 1.0),
        (0, 0, 0.05, 1.0),
    ],
)
def test_upper_bound(n_wrong: int, n: int, alpha: float, bound: float) -> None:
    """The published Clopper-Pearson values (scipy.stats.beta.ppf)."""
    assert upper_bound(n_wrong, n, alpha) == pytest.approx(bound, abs=1e-8)


@pytest.mark.parametrize(
    ("n_wrong", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.308497108),
        (2, 10, 0.025210733, 0.556095461),
        (10, 10, 0.691502892, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_interval(n_wrong: int, n: int, low: float, high: float) -> None:
    """Two-sided at 95 %."""
    assert interval(n_wrong, n) == pytest.approx((low, high), abs=1e-8)


def test_hits_needed_without_a_wrong_one() -> None:
    """The smallest counts that prove each level."""
    assert [hits_needed(level) for level in LEVELS] == [598, 299, 149, 59, 29]


@pytest.mark.parametrize(("n_wrong", "n"), [(1, 473), (2, 628), (5, 1049), (10, 1693), (20, 2902)])
def test_hits_needed_with_wrong_ones(n_wrong: int, n: int) -> None:
    """For 1 %."""
    assert hits_needed(0.01, 0.05, n_wrong) == n
    assert binomial_tail(n_wrong, n, 0.01) <= 0.05 < binomial_tail(n_wrong, n - 1, 0.01)


def test_fixed_grid_gives_shares_strictest_first() -> None:
    """The i-th threshold is reached by (i + 1) / n of the queries."""
    assert fixed_grid([0.1, 0.4, 0.2, 0.3], n=4).tolist() == [0.4, 0.3, 0.2, 0.1]
    assert fixed_grid([0.1, 0.4, 0.2, 0.3], n=2).tolist() == [0.3, 0.1]


def test_fixed_grid_of_few_or_equal_confidences_repeats_them() -> None:
    """The length stays, so that a place still says a share."""
    assert fixed_grid([0.5], n=3).tolist() == [0.5, 0.5, 0.5]
    assert fixed_grid([0.5, 0.5, 0.1], n=3).tolist() == [0.5, 0.5, 0.1]


def test_one_per_group_takes_one_of_each() -> None:
    """The same ones for the same seed, whatever stands between; others for other seeds."""
    groups = [i // 5 for i in range(500)]
    chosen = one_per_group(groups, 1)
    assert [groups[i] for i in chosen] == list(range(100))
    assert one_per_group(groups, 1).tolist() == chosen.tolist() != one_per_group(groups, 2).tolist()


def test_one_per_group_of_nothing() -> None:
    """Is nothing."""
    assert one_per_group([]).tolist() == []


def test_hits_and_wrong_count_what_reaches_the_threshold() -> None:
    """A confidence equal to the threshold is served."""
    hits, wrong = hits_and_wrong(
        [0.9, 0.5, 0.5, 0.1, -math.inf], [True, False, True, False, False], np.array([1, 0.5, 0])
    )
    assert (hits.tolist(), wrong.tolist()) == ([0, 3, 4], [0, 1, 2])


def test_enough_right_hits_are_certified_to_the_end() -> None:
    """With none wrong the least strict threshold is proved, at every level."""
    confidences = np.linspace(0.2, 1, 2000)
    found = certify(confidences, np.ones(2000, bool), grid=fixed_grid(confidences))
    assert found == tuple(CertifiedLevel(level, 0.2, 2000, 0, 0) for level in LEVELS)


def test_the_walk_stops_where_the_wrong_ones_begin() -> None:
    """1,000 right ones, then only wrong ones: the last threshold with few enough of them."""
    confidences = np.linspace(1, 0, 2000)
    (found,) = certify(confidences, np.arange(2000) < 1000, grid=fixed_grid(confidences), levels=[0.02])
    assert (found.n_hits, found.n_wrong, found.n_missing) == (1010, 10, 0)
    assert found.threshold == confidences[1009]


def test_what_others_must_prove_too_is_the_last_that_both_prove() -> None:
    """Others that are wrong from 700 on stop at what they prove; where they prove nothing, nothing is missing."""
    confidences, right = np.linspace(1, 0, 2000), np.arange(2000) < 1000
    grid = fixed_grid(confidences)
    again = (confidences, np.arange(2000) < 700)
    (found,) = certify(confidences, right, grid=grid, levels=[0.02], again=again)
    assert found.n_missing == 0
    assert found.n_wrong == 0  # of those that certify, at a threshold that is stricter than they need
    assert 700 <= found.n_hits <= 720
    (found,) = certify(confidences, right, grid=grid, levels=[0.02], again=(confidences, np.zeros(2000, bool)))
    assert (found.threshold, found.n_missing) == (None, 0)
    assert found.lack == "better queries than those that proved it contradict it"
    same = certify(confidences, right, grid=grid, again=(confidences, np.ones(2000, bool)))
    assert same == certify(confidences, right, grid=grid)


def test_one_wrong_hit_at_the_top_does_not_end_everything() -> None:
    """A mislabelled query with full confidence: the later starts have room for it."""
    confidences, right = np.linspace(1, 0.5, 10_000), np.ones(10_000, bool)
    right[0] = False
    found = certify(confidences, right, grid=fixed_grid(confidences))
    assert [level.threshold for level in found] == [0.5] * 5


def test_what_few_queries_cannot_prove_says_how_many_are_missing() -> None:
    """100 right hits prove 5 and 10 %, and no more."""
    found = certify(np.full(100, 0.9), np.ones(100, bool), grid=np.full(200, 0.9))
    assert [level.threshold for level in found] == [None, None, None, 0.9, 0.9]
    assert [level.n_missing for level in found] == [498, 199, 49, 0, 0]
    assert [level.n_hits for level in found] == [100] * 5


def test_without_queries_nothing_is_certified() -> None:
    """All hits are missing."""
    found = certify([], [], grid=[0.5])
    assert [(level.threshold, level.n_missing) for level in found] == [
        (None, 598),
        (None, 299),
        (None, 149),
        (None, 59),
        (None, 29),
    ]


def test_wrong_answers_only_are_never_certified() -> None:
    """However many."""
    found = certify(np.linspace(0, 1, 5000), np.zeros(5000, bool), grid=np.linspace(1, 0, 50))
    assert {level.threshold for level in found} == {None}


def test_a_grid_that_no_query_reaches_is_not_certified() -> None:
    """Nothing served is no evidence."""
    found = certify(np.zeros(5000), np.ones(5000, bool), grid=[0.9, 0.8])
    assert {(level.threshold, level.n_hits) for level in found} == {(None, 0)}


def test_a_confidence_of_minus_infinity_is_never_served() -> None:
    """A text that cannot be embedded has confidence -inf, and is never served."""
    confidences = np.concatenate((np.full(1000, 0.9), np.full(1000, -np.inf)))
    found = certify(confidences, np.arange(2000) < 1000, grid=np.full(200, 0.9))
    assert {(level.threshold, level.n_hits, level.n_wrong) for level in found} == {(0.9, 1000, 0)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: binomial_tail(3, 2, 0.5), "n_wrong: found 3 of 2, allowed 0 to 2"),
        (lambda: binomial_tail(-1, 2, 0.5), "n_wrong: found -1 of 2, allowed 0 to 2"),
        (lambda: binomial_tail(0, 2, math.nan), "p: found nan, allowed 0 to 1"),
        (lambda: upper_bound(0, 2, 0), "alpha: found 0, allowed over 0 and under 1"),
        (lambda: hits_needed(1.0), "max_error: found 1.0, allowed over 0 and under 1"),
        (lambda: fixed_grid([]), "grid: found 0 confidences and n 200, allowed 1 or more"),
        (lambda: fixed_grid([math.nan]), "confidences: allowed one row of numbers, none of them NaN"),
        (lambda: certify([0.5], [True], grid=[]), "grid: allowed 1 or more thresholds, strictest (highest) first"),
        (lambda: certify([0.5], [True], grid=[0.1, 0.2]), "grid: allowed 1 or more thresholds, strictest"),
        (lambda: certify([0.5], [True, False], grid=[0.1]), "is_right: found (2,), allowed one for each confidence"),
        (lambda: certify([math.nan], [True], grid=[0.1]), "confidences: allowed one row of numbers"),
        (lambda: certify([0.5], [True], grid=[0.1], levels=[0.0]), "max_error: found 0.0, allowed over 0"),
        (lambda: certify([0.5], [True], grid=[0.1], alpha=1.5), "alpha: found 1.5, allowed over 0 and under 1"),
    ],
)
def test_what_is_outside_its_range_is_refused(call: object, message: str) -> None:
    """With what was found and what is allowed."""
    assert callable(call)
    with pytest.raises(ConfigError) as caught:
        call()
    assert str(caught.value).startswith(message)


def test_a_laxer_level_takes_what_a_stricter_one_has_proved() -> None:
    """The walk of 10 % begins where 44 hits were to be expected, finds 20 and ends; that of 5 % begins behind it."""
    confidences, right = np.repeat([0.95, 0.6], [20, 130]), np.ones(150, bool)
    grid = np.repeat([0.9, 0.5], 100)
    (alone,) = certify(confidences, right, grid=grid, levels=[0.1])
    together = certify(confidences, right, grid=grid, levels=[0.1, 0.05])
    assert (alone.threshold, alone.n_hits, alone.n_missing) == (None, 20, 9)
    assert together == (CertifiedLevel(0.1, 0.5, 150, 0, 0), CertifiedLevel(0.05, 0.5, 150, 0, 0))


@pytest.mark.parametrize("seed", range(20))
def test_thresholds_never_rise_with_the_level(seed: int) -> None:
    """Whatever is wrong where; hits and wrong hits are those at the threshold that is used."""
    rng = np.random.default_rng(seed)
    confidences, right = rng.random(3000), rng.random(3000) >= 0.02 * rng.random() + 0.1 * (rng.random(3000) < 0.2)
    found = certify(confidences, right, grid=fixed_grid(rng.random(500)))
    thresholds = [2.0 if level.threshold is None else level.threshold for level in found]
    assert thresholds == sorted(thresholds, reverse=True)
    for level in found:
        if level.threshold is not None:
            hits = confidences >= level.threshold
            assert (level.n_hits, level.n_wrong) == (int(hits.sum()), int((hits & ~right).sum()))


@pytest.mark.parametrize(("strict", "lax"), [(0.005, 0.01), (0.01, 0.02), (0.02, 0.05), (0.05, 0.1), (0.005, 0.1)])
def test_what_a_stricter_test_lets_through_of_a_laxer_error_is_a_power_of_its_own_share(
    strict: float, lax: float
) -> None:
    """The inequality that lets a laxer level use a stricter one's threshold, for every number of wrong hits."""
    power = math.log1p(-lax) / math.log1p(-strict)
    for n in (1, 30, 149, 600, 2000, 20_000):
        for n_wrong in (0, 1, 2, 5, 20, 100):
            if n_wrong <= n:
                at_lax, at_strict = binomial_tail(n_wrong, n, lax), binomial_tail(n_wrong, n, strict)
                assert at_lax <= at_strict**power + 1e-9


def test_a_level_pays_for_what_stricter_ones_may_add() -> None:
    """Where 1 % can pass at all, 2 % takes 151 hits instead of 149; before that it pays nothing."""
    for n_queries, n_hits, is_certified in ((298, 149, True), (299, 149, False), (299, 150, False), (299, 151, True)):
        confidences = np.where(np.arange(n_queries) < n_hits, 0.9, -np.inf)
        found = certify(confidences, np.ones(n_queries, bool), grid=[0.9], levels=[0.01, 0.02])
        assert (found[1].threshold is not None) == is_certified
