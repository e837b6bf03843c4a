from __future__ import annotations

import math
from statistics import NormalDist

import eval_path  # noqa: F401
import numpy as np
import pytest
from eval.online import (
    LOG_GRID,
    PUBLISHED_GRID,
    Curve,
    Stream,
    explore_probability,
    fit_curve,
    grid,
    run_stream,
    separable_variance,
)
from eval.retrieval import Found

HALF = grid("half", np.array([0.5]))


def test_explore_probability_at_the_threshold() -> None:
    """Epsilon .5: t' = t, so L = .5, alpha = .25, tau = 1 - .03 / .75 = .96."""
    assert explore_probability(0.7, Curve(50.0, 0.7, 0.01), delta=0.03, over=HALF) == pytest.approx(0.96)


def test_explore_probability_of_a_certain_match() -> None:
    """Epsilon .02 and P = 1: alpha = .98, tau = 1 - .01 / .02 = .5. z = 2.054, so t' = .5 + .2054 < .8."""
    one = grid("one", np.array([0.02]))
    assert one.z[0] == pytest.approx(2.0537, abs=1e-4)
    assert explore_probability(0.8, Curve(1000.0, 0.5, 0.01), delta=0.01, over=one) == pytest.approx(0.5)


def test_the_published_grid_serves_at_most_half_of_the_matches_at_one_per_cent() -> None:
    """Its second epsilon is .020409: tau = 1 - .01 / .020409 = .51. A log grid serves the same match always."""
    curve = Curve(1000.0, 0.5, 0.01)
    assert explore_probability(0.9, curve, delta=0.01, over=PUBLISHED_GRID) == pytest.approx(0.51, abs=1e-3)
    assert explore_probability(0.9, curve, delta=0.01, over=LOG_GRID) < 0.0


@pytest.mark.parametrize("over", [PUBLISHED_GRID, LOG_GRID], ids=["published", "log"])
def test_quantiles_beforehand_give_what_a_loop_gives(over: object) -> None:
    """One epsilon after the other, with the normal quantile computed each time."""
    assert over in (PUBLISHED_GRID, LOG_GRID)
    chosen = PUBLISHED_GRID if over is PUBLISHED_GRID else LOG_GRID
    curve, delta = Curve(12.0, 0.62, 0.004), 0.05
    for score in (0.3, 0.7, 0.85, 0.99):
        taus = []
        for epsilon in chosen.epsilons:
            bound = curve.t + NormalDist().inv_cdf(1 - epsilon) * math.sqrt(curve.variance)
            likelihood = 1 / (1 + math.exp(-curve.gamma * (score - min(max(bound, 0.0), 1.0))))
            taus.append(1 - delta / (1 - (1 - epsilon) * likelihood))
        assert explore_probability(score, curve, delta=delta, over=chosen) == pytest.approx(min(taus), abs=1e-9)


def test_the_curve_of_two_scores_is_known_in_closed_form() -> None:
    """A third right at .25, two thirds at .75: logits -ln 2, ln 2; gamma = 4 ln 2, t = .5, variance .75 / gamma^2."""
    curve = fit_curve((0.25, 0.25, 0.25, 0.75, 0.75, 0.75), (False, False, True, False, True, True))
    assert curve.gamma == pytest.approx(4 * math.log(2), abs=1e-6)
    assert curve.t == pytest.approx(0.5, abs=1e-6)
    assert curve.variance == pytest.approx(0.75 / (4 * math.log(2)) ** 2, abs=1e-6)


def test_observations_that_separate_take_the_published_variance() -> None:
    """And the threshold lies between them."""
    curve = fit_curve((0.0, 1.0, 0.6, 0.9, 0.92, 0.5), (False, True, False, True, True, False))
    assert 0.6 < curve.t < 0.9
    assert curve.gamma > 50
    assert curve.variance == 0.035445


def test_published_variances_are_read_in_between() -> None:
    """8 lies halfway between 6 and 10; beyond 48 the last one holds."""
    assert separable_variance(8) == pytest.approx((0.035445 + 0.019371) / 2)
    assert separable_variance(48) == separable_variance(500) == 0.01531


def test_scores_that_tell_nothing_have_the_least_slope() -> None:
    """Right where the score is low: the slope cannot be negative, and nothing is served."""
    curve = fit_curve((0.0, 1.0, 0.9, 0.9, 0.2, 0.2, 0.9, 0.2), (False, True, False, False, True, True, False, True))
    assert curve.gamma == 1e-6
    assert explore_probability(0.9, curve, delta=0.01, over=LOG_GRID) > 0.9


def stream(score: list[float], is_right: list[bool], wanted: list[int], similarity: float = 0.0) -> Stream:
    """Queries that find entry 0."""
    n = len(score)
    found = Found(np.zeros(n, np.int64), np.array(score), np.zeros(n), np.array(is_right))
    return Stream(found, np.array(wanted), np.full((n, n), similarity, np.float32), 1)


def test_an_entry_is_explored_until_it_has_six_observations() -> None:
    """Two seeds and four queries; an allowed error of .99 then serves at once."""
    served = run_stream(stream([0.9] * 6, [True] * 6, [0] * 6), delta=0.99, over=LOG_GRID, seed=0)
    assert served.is_served.tolist() == [False] * 4 + [True] * 2


def test_observations_of_before_save_the_exploring() -> None:
    """Four replayed phrasings: the first query is served."""
    warm = [(0, 0.9, True)] * 4
    served = run_stream(stream([0.9] * 2, [True] * 2, [0] * 2), delta=0.99, over=LOG_GRID, warm=warm, seed=0)
    assert served.is_served.tolist() == [True, True]


def test_a_query_with_a_wrong_answer_becomes_an_entry() -> None:
    """The second query finds the first, whose answer is its own."""
    served = run_stream(stream([0.5] * 2, [False] * 2, [7, 7], similarity=0.8), delta=0.01, over=LOG_GRID, seed=0)
    assert served.is_right.tolist() == [False, True]


def test_a_query_with_a_right_answer_becomes_no_entry() -> None:
    """The second query finds the entry of the beginning still."""
    asked = stream([0.5] * 2, [True, False], [0, 7], similarity=0.8)
    assert run_stream(asked, delta=0.01, over=LOG_GRID, seed=0).is_right.tolist() == [True, False]
