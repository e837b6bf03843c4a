from __future__ import annotations

import eval_path  # noqa: F401
import numpy as np
import pytest
from eval.certificate import certified_threshold, grid_of, redraw, resplit
from eval.retrieval import Bools, Scores
from eval.thresholds import NOTHING_SERVED, row, served, widest_threshold

from semcache.core.metrics import served_at


def naive_widest(confidence: Scores, is_right: Bools, error: float) -> float:
    """Try every confidence as a threshold."""
    within = [NOTHING_SERVED]
    for threshold in confidence:
        served = confidence >= threshold
        if (served & ~is_right).sum() <= error * served.sum():
            within.append(float(threshold))
    return min(within)


def test_a_row_holds_both_errors() -> None:
    """Two of five served, one of them wrong: error 1/2, stream error 1/5."""
    found = row(served(np.array([True, True, False, False, False]), np.array([True, False, True, False, True])))
    assert found == {"coverage": 0.4, "error": 0.5, "stream_error": 0.2, "n_hits": 2, "n_wrong": 1}


def test_nothing_served_has_no_error() -> None:
    """Coverage 0, error 0, whatever is asked."""
    nothing = {"coverage": 0.0, "error": 0.0, "stream_error": 0.0, "n_hits": 0, "n_wrong": 0}
    assert row(served(np.zeros(3, np.bool_), np.zeros(3, np.bool_))) == nothing
    assert row(served(np.zeros(0, np.bool_), np.zeros(0, np.bool_))) == nothing


def test_the_widest_threshold_may_pass_over_an_early_mistake() -> None:
    """One wrong answer at .9 among ten: at 10 % all ten may be served."""
    confidence = np.array([0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5])
    is_right = np.array([True, False] + [True] * 8)
    assert widest_threshold(confidence, is_right, error=0.1) == 0.5
    assert widest_threshold(confidence, is_right, error=0.05) == pytest.approx(0.95)


def test_equal_confidences_are_served_together() -> None:
    """A threshold cannot take the right one of two equals."""
    confidence, is_right = np.array([0.9, 0.5, 0.5]), np.array([True, True, False])
    assert widest_threshold(confidence, is_right, error=0.0) == pytest.approx(0.9)


def test_nothing_within_the_error_serves_nothing() -> None:
    """All wrong: infinity."""
    assert widest_threshold(np.array([0.9, 0.8]), np.zeros(2, np.bool_), error=0.05) == NOTHING_SERVED


@pytest.mark.parametrize("seed", range(20))
def test_the_fast_search_finds_what_trying_all_finds(seed: int) -> None:
    """On random confidences with ties."""
    rng = np.random.default_rng(seed)
    confidence = rng.integers(0, 30, 60) / 30
    is_right = rng.random(60) < confidence
    for error in (0.0, 0.05, 0.2):
        assert widest_threshold(confidence, is_right, error=error) == naive_widest(confidence, is_right, error)


def judged(n: int, seed: int) -> tuple[Scores, Bools]:
    """Confidences that are the true chance of being right."""
    rng = np.random.default_rng(seed)
    confidence = rng.random(n)
    return confidence, rng.random(n) < confidence


def test_a_certified_threshold_is_stricter_than_the_widest() -> None:
    """A proof costs coverage."""
    confidence, is_right = judged(4000, 0)
    proved = certified_threshold(confidence, is_right, grid=grid_of(judged(1000, 1)[0]), error=0.10)
    widest = widest_threshold(confidence, is_right, error=0.10)
    assert widest < proved < 1.0
    assert served_at(confidence, is_right, proved).n_wrong < 0.10 * served_at(confidence, is_right, proved).n_hits


def test_without_enough_hits_nothing_is_certified() -> None:
    """Twenty right answers prove no error of 1 %."""
    confidence = np.linspace(0.5, 1.0, 20)
    assert (
        certified_threshold(confidence, np.ones(20, np.bool_), grid=grid_of(confidence), error=0.01) == NOTHING_SERVED
    )


def test_resplits_count_the_splits_over_the_level() -> None:
    """Always right: never over, all served. Always wrong: nothing is served, so never over either."""
    confidence = np.linspace(0.5, 1.0, 400)
    good = resplit(confidence, np.ones(400, np.bool_), grid=grid_of(confidence), is_certified=False, error=0.05)
    assert (good.n, good.exceeded, good.n_served) == (200, 0.0, 200)
    assert good.coverage > 0.9
    bad = resplit(confidence, np.zeros(400, np.bool_), grid=grid_of(confidence), is_certified=True, error=0.05)
    assert (bad.exceeded, bad.n_served, bad.coverage) == (0.0, 0, 0.0)


def test_a_known_error_is_over_the_level_in_a_twentieth_of_the_draws_at_most() -> None:
    """Where it is over everywhere, hardly anything is served; where it is under, nothing served is over."""
    confidence = np.linspace(0.5, 1.0, 2_000)
    every = np.arange(2_000)
    over = redraw(confidence, every % 17 != 0, grid=grid_of(confidence), error=0.05)
    assert (over.n, over.coverage) == (200, 0.0)
    assert 0.0 < over.exceeded <= 0.06
    assert over.exceeded == over.n_served / over.n
    under = redraw(confidence, every % 40 != 0, grid=grid_of(confidence), error=0.05)
    assert (under.exceeded, under.coverage) == (0.0, 1.0)
