from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.core.certify import binomial_tail, certify, fixed_grid, hits_needed, interval, upper_bound
from semcache.core.metrics import aurc, best_coverage, calibration_error, curve_of, reliability, roc_auc, served_at

BOUNDED = settings(max_examples=150, deadline=None, derandomize=True, database=None)
QUERIES = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.75, 1.0, -float("inf")]), st.booleans()), max_size=30)
COUNTS = st.integers(0, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
RATE = st.floats(1e-4, 0.999)


def split(queries: list[tuple[float, bool]]) -> tuple[list[float], list[bool]]:
    """Give confidences, and what is right of those that have one."""
    return [c for c, _ in queries], [right and c >= 0 for c, right in queries]


@BOUNDED
@given(QUERIES)
def test_roc_auc_is_the_share_of_ordered_pairs(queries: list[tuple[float, bool]]) -> None:
    """Counted pair by pair."""
    confidences, right = split(queries)
    rights = [c for c, r in zip(confidences, right, strict=True) if r]
    wrongs = [c for c, r in zip(confidences, right, strict=True) if not r and c >= 0]
    points = [1.0 if a > b else 0.5 if a == b else 0.0 for a in rights for b in wrongs]
    expected = sum(points) / len(points) if points else None
    assert roc_auc(confidences, right) == (None if expected is None else pytest.approx(expected))


@BOUNDED
@given(QUERIES, st.floats(0, 1))
def test_the_curve_agrees_with_its_thresholds(queries: list[tuple[float, bool]], max_error: float) -> None:
    """Each point is what its threshold serves; the best one is the furthest of those that are good enough."""
    confidences, right = split(queries)
    curve = curve_of(confidences, right)
    points = [served_at(confidences, right, threshold) for threshold in curve.thresholds]
    assert [curve.at(i) for i in range(len(points))] == points
    good = [point for point in points if point.n_wrong <= max_error * point.n_hits]
    assert best_coverage(curve, max_error) == (good[-1] if good else None)


@BOUNDED
@given(QUERIES)
def test_areas_and_calibration_stay_in_their_range(queries: list[tuple[float, bool]]) -> None:
    """0 to 1, or None of nothing."""
    confidences, right = split(queries)
    bins = reliability(confidences, right)
    assert sum(b.n for b in bins) == sum(c >= 0 for c in confidences)
    for value in (aurc(curve_of(confidences, right)), calibration_error(bins)):
        assert value is None or 0 <= value <= 1


@BOUNDED
@given(COUNTS, RATE, RATE)
def test_the_tail_falls_with_the_rate(counts: tuple[int, int], p: float, q: float) -> None:
    """The more often it goes wrong, the rarer are few wrong ones."""
    n_wrong, n = counts
    low, high = sorted((p, q))
    assert binomial_tail(n_wrong, n, low) >= binomial_tail(n_wrong, n, high) - 1e-12


@BOUNDED
@given(COUNTS, st.floats(0.001, 0.5))
def test_the_upper_bound_is_where_the_tail_is_alpha(counts: tuple[int, int], alpha: float) -> None:
    """And the interval holds the observed rate."""
    n_wrong, n = counts
    bound = upper_bound(n_wrong, n, alpha)
    assert n_wrong == n or binomial_tail(n_wrong, n, bound) == pytest.approx(alpha, abs=1e-6)
    low, high = interval(n_wrong, n, alpha)
    assert n == 0 or low <= n_wrong / n <= high


@BOUNDED
@given(st.floats(0.01, 0.5), st.floats(0.01, 0.5), st.integers(0, 20))
def test_hits_needed_is_the_least_number(max_error: float, alpha: float, n_wrong: int) -> None:
    """One fewer proves nothing."""
    n = hits_needed(max_error, alpha, n_wrong)
    assert binomial_tail(n_wrong, n, max_error) <= alpha < binomial_tail(n_wrong, n - 1, max_error)


@BOUNDED
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=200), st.integers(1, 40))
def test_what_is_certified_is_proved_by_its_own_counts(queries: list[tuple[float, bool]], n_grid: int) -> None:
    """Whatever the queries are: each certified threshold passes the exact test; each other says what is missing."""
    confidences, right = split(queries)
    for level in certify(confidences, right, grid=fixed_grid(confidences, n_grid), levels=(0.05, 0.2, 0.5)):
        if level.threshold is None:
            assert level.n_missing > 0
        else:
            served = served_at(confidences, right, level.threshold)
            assert (served.n_hits, served.n_wrong) == (level.n_hits, level.n_wrong)
            assert binomial_tail(level.n_wrong, level.n_hits, level.max_error) <= 0.05
            assert level.n_missing == 0


@BOUNDED
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(1, 50))
def test_a_grid_falls_and_each_place_is_its_share(confidences: list[float], n: int) -> None:
    """The i-th threshold is reached by (i + 1) / n of the queries or more."""
    grid = fixed_grid(confidences, n).tolist()
    assert grid == sorted(grid, reverse=True)
    assert len(grid) == n
    for i, threshold in enumerate(grid):
        assert sum(c >= threshold for c in confidences) * n >= (i + 1) * len(confidences) - 1e-6
