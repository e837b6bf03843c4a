from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from semcache.core.metrics import (
    Bin,
    Served,
    aurc,
    best_coverage,
    brier,
    calibration_error,
    curve_of,
    reliability,
    roc_auc,
    served_at,
)
from semcache.errors import ConfigError

NEVER = -math.inf
CONFIDENCES = [0.9, 0.8, 0.8, 0.6, 0.3, NEVER]
RIGHT = [True, True, False, True, False, False]


def test_served_counts_what_reaches_the_threshold() -> None:
    """Equal is enough; a text without a candidate is a query and never a hit."""
    served = served_at(CONFIDENCES, RIGHT, 0.8)
    assert served == Served(6, 3, 1)
    assert (served.coverage, served.useful_coverage, served.error) == (0.5, 2 / 6, 1 / 3)


def test_a_threshold_of_minus_infinity_serves_every_candidate() -> None:
    """And not what has none."""
    assert served_at(CONFIDENCES, RIGHT, NEVER) == Served(6, 5, 2)


def test_nothing_served_has_no_error() -> None:
    """It is not 0: nothing was seen."""
    served = served_at(CONFIDENCES, RIGHT, 0.95)
    assert (served.coverage, served.useful_coverage, served.error) == (0, 0, None)


def test_no_queries_have_no_coverage() -> None:
    """Nor an error."""
    served = served_at([], [], 0.5)
    assert (served.coverage, served.useful_coverage, served.error) == (0, 0, None)


def test_the_curve_has_a_point_for_each_confidence() -> None:
    """Equal confidences are one step: they are served together."""
    curve = curve_of(CONFIDENCES, RIGHT)
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.6, 0.3]
    assert (curve.n_hits.tolist(), curve.n_wrong.tolist()) == ([1, 3, 4, 5], [0, 1, 1, 2])
    assert curve.coverage.tolist() == [1 / 6, 3 / 6, 4 / 6, 5 / 6]
    assert curve.error.tolist() == [0, 1 / 3, 1 / 4, 2 / 5]


def test_the_curve_of_no_candidates_is_empty() -> None:
    """And has no area, no ranking, no best threshold."""
    curve = curve_of([NEVER, NEVER], [False, False])
    assert (len(curve.thresholds), curve.n_queries) == (0, 2)
    assert (aurc(curve), roc_auc([NEVER], [False]), best_coverage(curve, 1.0)) == (None, None, None)


def test_aurc_is_the_mean_error_of_the_most_confident() -> None:
    """Errors 0/1, 0/2, 1/3, 1/4."""
    assert aurc(curve_of([0.9, 0.8, 0.7, 0.6], [True, True, False, True])) == pytest.approx((1 / 3 + 1 / 4) / 4)


def test_aurc_spreads_ties() -> None:
    """Of two equal ones the wrong one is neither first nor last: half of it at each."""
    assert aurc(curve_of([0.5, 0.5], [True, False])) == pytest.approx((0.5 + 0.5) / 2)


def test_aurc_of_right_ones_only_is_zero() -> None:
    """The best there is."""
    assert aurc(curve_of([0.5, 0.4], [True, True])) == 0


@pytest.mark.parametrize(
    ("confidences", "right", "auc"),
    [
        ([0.9, 0.1], [True, False], 1.0),
        ([0.1, 0.9], [True, False], 0.0),
        ([0.5, 0.5], [True, False], 0.5),
        ([0.9, 0.5, 0.5, 0.1], [True, True, False, False], 0.875),
        ([0.9, NEVER], [True, False], None),
        ([0.9, 0.8], [True, True], None),
    ],
)
def test_roc_auc(confidences: list[float], right: list[bool], auc: float | None) -> None:
    """Right over wrong; equal counts half; without one of the two there is none."""
    assert roc_auc(confidences, right) == auc


def test_best_coverage_takes_the_furthest_good_threshold() -> None:
    """Past worse ones, as one who knows the labels would."""
    curve = curve_of(CONFIDENCES, RIGHT)
    assert best_coverage(curve, 0.25) == Served(6, 4, 1)
    assert best_coverage(curve, 0.2) == Served(6, 1, 0)


def test_best_coverage_where_no_threshold_is_good_enough() -> None:
    """There is none, not one of nothing."""
    assert best_coverage(curve_of([0.9], [False]), 0.5) is None


def test_reliability_of_three_bins() -> None:
    """Counts, mean confidence and share of right ones; 1 belongs to the last bin; an empty bin says None."""
    bins = reliability([0.0, 0.25, 1.0, 0.75, NEVER], [False, True, True, True, False], 3)
    assert bins == (
        Bin(0.0, 1 / 3, 2, 0.125, 0.5),
        Bin(1 / 3, 2 / 3, 0, None, None),
        Bin(2 / 3, 1.0, 2, 0.875, 1.0),
    )
    assert calibration_error(bins) == pytest.approx((2 * 0.375 + 2 * 0.125) / 4)


def test_calibration_of_nothing() -> None:
    """Is None, not 0: nothing was seen."""
    assert calibration_error(reliability([NEVER], [False])) is None
    assert brier([NEVER], [False]) is None


def test_brier() -> None:
    """Mean squared distance to what was true."""
    assert brier([1.0, 0.5, 0.0], [True, False, False]) == pytest.approx(0.25 / 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: served_at([0.5], [True, False], 0.5),
        lambda: curve_of([math.nan], [True]),
        lambda: curve_of(np.zeros((2, 2)), np.zeros((2, 2), bool)),
        lambda: reliability([1.5], [True]),
        lambda: brier([-0.5], [True]),
    ],
)
def test_what_is_no_confidence_is_refused(call: Callable[[], object]) -> None:
    """Also where the lengths differ."""
    with pytest.raises(ConfigError):
        call()
