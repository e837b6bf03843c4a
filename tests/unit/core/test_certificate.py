from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from semcache.config import LEVELS
from semcache.core.certificate import (
    CalibrationInfo,
    CalibrationQueries,
    Certificate,
    certify_namespace,
    default_error,
    uncontradicted,
)
from semcache.core.certify import CertifiedLevel

CALIBRATION = CalibrationInfo("written", 1000, 400, 0.4, 0.05)


def certificate(thresholds: Sequence[float | None], *, max_error: float) -> Certificate:
    """Give a certificate with these thresholds, from the strictest level on."""
    levels = tuple(CertifiedLevel(e, t, 100, 1, 0) for e, t in zip(LEVELS, thresholds, strict=True))
    return Certificate("web", max_error, CALIBRATION, levels)


ALL = (0.9, 0.8, 0.7, 0.6, 0.5)
SOME = (None, 0.8, None, 0.6, None)


@pytest.mark.parametrize(
    ("thresholds", "own", "wanted", "level", "threshold"),
    [
        (ALL, 0.02, None, 0.02, 0.7),
        (ALL, 0.02, 0.02, 0.02, 0.7),
        (ALL, 0.02, 0.01, 0.01, 0.8),
        (ALL, 0.02, 0.005, 0.005, 0.9),
        (ALL, 0.02, 0.015, 0.01, 0.8),
        (ALL, 0.02, 0.05, 0.02, 0.7),
        (ALL, 0.02, 1.0, 0.02, 0.7),
        (ALL, 0.1, None, 0.1, 0.5),
        (ALL, 0.1, 0.05, 0.05, 0.6),
        (SOME, 0.1, None, 0.05, 0.6),
        (SOME, 0.02, None, 0.01, 0.8),
        (SOME, 0.1, 0.02, 0.01, 0.8),
        (SOME, 0.1, 0.005, 0.005, None),
        (ALL, 0.02, 0.004, 0.004, None),
        (ALL, 0.02, 1e-9, 1e-9, None),
        ((None,) * 5, 0.02, None, 0.02, None),
        ((None,) * 5, 0.02, 0.01, 0.01, None),
    ],
)
def test_a_caller_gets_the_largest_certified_level_that_is_not_above_what_is_asked(
    thresholds: Sequence[float | None],
    own: float,
    *,
    wanted: float | None,
    level: float,
    threshold: float | None,
) -> None:
    """None stands for the namespace's own; more than that is not served."""
    found = certificate(thresholds, max_error=own).level_for(wanted)
    assert (found.max_error, found.threshold) == (level, threshold)


def test_callers_can_only_tighten() -> None:
    """The less error is accepted, the more confidence is asked for, whatever is certified."""
    found = certificate(ALL, max_error=0.05)
    asked = [found.level_for(error).threshold or 2.0 for error in (1.0, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 0.001)]
    assert asked == sorted(asked)
    assert min(asked) == found.level_for(None).threshold == 0.6


def test_a_stricter_level_that_asks_for_less_does_not_loosen_the_others() -> None:
    """Thresholds that do not fall, in a bundle from elsewhere: the level asked for decides, not the most generous."""
    assert certificate((0.4, 0.8, 0.7, 0.6, 0.5), max_error=0.1).level_for(0.01).threshold == 0.8


def test_an_error_may_be_looked_at_above_what_is_promised() -> None:
    """For measuring; a lookup never gets it."""
    found = certificate(ALL, max_error=0.02)
    assert [found.level_at(error).threshold for error in (0.001, 0.01, 0.07, 1.0)] == [None, 0.8, 0.6, 0.5]


def queries(n: int, *, n_wrong: int = 0, namespace: int = 0) -> CalibrationQueries:
    """Give queries with confidences falling from 1, the wrong ones last; a tenth without a right answer."""
    return CalibrationQueries(
        np.full(n, namespace, np.int64),
        np.linspace(1.0, 0.0, n),
        np.arange(n) < n - n_wrong,
        np.arange(n) % 10 == 9,
    )


def both(first: CalibrationQueries, second: CalibrationQueries) -> CalibrationQueries:
    """Give all of them."""
    names = ("namespaces", "confidences", "is_right", "is_outside")
    return CalibrationQueries(*(np.concatenate([getattr(first, name), getattr(second, name)]) for name in names))


def test_queries_are_those_of_their_candidates_namespace() -> None:
    """Wherever else they may have been meant for."""
    mixed = both(queries(20), queries(30, namespace=2))
    assert [len(mixed.of(number)) for number in range(4)] == [20, 0, 30, 0]
    assert mixed.of(2).confidences.tolist() == queries(30).confidences.tolist()


def test_a_namespace_is_certified_on_its_queries() -> None:
    """The wish where it can be certified, and what it rests on."""
    found = certify_namespace("web", queries(300), grid=queries(100), source="traffic", wanted=0.02)
    assert (found.namespace, found.max_error) == ("web", 0.02)
    assert found.calibration == CalibrationInfo("traffic", 300, 30, 0.1, 0.05)
    assert found.levels[2] == CertifiedLevel(0.02, 0.0, 300, 0, 0)


def test_where_the_wish_cannot_be_certified_the_next_larger_level_is_promised() -> None:
    """A hundred queries do not prove 2 %; the share asked for is written down as such."""
    found = certify_namespace("web", queries(100), grid=queries(100), source="written", wanted=0.02, outside_share=0.4)
    assert [level.threshold for level in found.levels] == [None, None, None, 0.0, 0.0]
    assert (found.max_error, found.calibration.outside_share) == (0.05, 0.4)


def test_a_namespace_without_queries_promises_nothing() -> None:
    """And says what each level would take."""
    found = certify_namespace("web", queries(0), grid=queries(0), source="written", wanted=0.02)
    assert (found.max_error, found.calibration.n_queries) == (0.02, 0)
    assert [(level.threshold, level.n_missing) for level in found.levels] == [
        (None, 598),
        (None, 299),
        (None, 149),
        (None, 59),
        (None, 29),
    ]


def test_a_single_wrong_hit_may_be_a_wrong_label() -> None:
    """Who says so is not contradicted by one, however unlikely it is by the level alone."""
    level = CertifiedLevel(0.005, 0.0, 0, 0, 0)
    assert queries(1, n_wrong=1).contradict(level)
    assert not queries(1, n_wrong=1).contradict(level, n_least=2)
    assert queries(2, n_wrong=2).contradict(level, n_least=2)
    assert not queries(0, n_wrong=0).contradict(level, n_least=0)


@pytest.mark.parametrize(("n_wrong", "is_contradicted"), [(0, False), (2, False), (5, False), (6, True), (50, True)])
def test_a_level_is_contradicted_where_chance_does_not_explain_the_wrong_hits(
    n_wrong: int, *, is_contradicted: bool
) -> None:
    """Of 100 hits at 2 %, five wrong ones are still chance (1 in 20), six are not."""
    level = CertifiedLevel(0.02, 0.0, 0, 0, 0)
    assert queries(100, n_wrong=n_wrong).contradict(level) == is_contradicted


@pytest.mark.parametrize(("n_wrong", "is_contradicted"), [(0, False), (8, False), (9, True), (12, True)])
def test_a_level_that_enough_queries_could_prove_must_not_be_over_it(n_wrong: int, *, is_contradicted: bool) -> None:
    """Of 400 hits at 2 %, nine wrong ones are chance, and more than was promised: these queries are the better ones."""
    level = CertifiedLevel(0.02, 0.0, 0, 0, 0)
    assert queries(400, n_wrong=n_wrong).contradict(level) == is_contradicted


def test_several_queries_contradict_one_by_one() -> None:
    """What any of them contradicts has no threshold left, and says so; together they may say more than each."""
    levels = [CertifiedLevel(0.01, 0.0, 600, 1, 0), CertifiedLevel(0.1, 0.0, 600, 1, 0)]
    few, more = queries(50, n_wrong=2), queries(50, n_wrong=2)
    assert uncontradicted(levels, (few, more)) == tuple(levels)
    found = uncontradicted(levels, (queries(100, n_wrong=4),))
    assert [level.threshold for level in found] == [None, 0.0]
    assert [level.lack for level in found] == ["better queries than those that proved it contradict it", ""]


def test_a_level_without_a_threshold_is_never_contradicted() -> None:
    """It promises nothing."""
    assert not queries(100, n_wrong=100).contradict(CertifiedLevel(0.02, None, 0, 0, 0))


@pytest.mark.parametrize(
    ("certified", "wanted", "default"),
    [
        ({0.02}, 0.02, 0.02),
        ({0.005, 0.02, 0.1}, 0.02, 0.02),
        ({0.05, 0.1}, 0.02, 0.05),
        ({0.1}, 0.005, 0.1),
        ({0.005, 0.01}, 0.02, 0.02),
        (set(), 0.01, 0.01),
    ],
)
def test_the_error_of_a_bundle_is_the_one_wanted_or_the_next_that_is_certified(
    certified: set[float], wanted: float, default: float
) -> None:
    """Never a smaller one: that would be stricter than anybody asked for."""
    levels = [CertifiedLevel(level, 0.5 if level in certified else None, 1, 0, 0) for level in LEVELS]
    assert default_error(levels, wanted) == default
