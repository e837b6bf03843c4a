from __future__ import annotations

import pytest

from semcache.core.decide import GUARD, Policy, Verdict, decide
from semcache.types import Reason

POLICY = Policy(threshold=0.5, margin=0.125)


def test_nothing_found_is_below_the_threshold() -> None:
    """Without a row there is no score, no margin and no rival."""
    assert decide([], [], policy=POLICY, exhaustive=True) == Verdict(Reason.BELOW_THRESHOLD, None, None)


def test_a_clear_best_answer_is_a_hit() -> None:
    """Score and margin over their bounds: served, with the margin that was found."""
    assert decide([0.75, 0.5], [1, 2], policy=POLICY, exhaustive=True) == Verdict(None, 0.25, 1)


def test_a_score_equal_to_the_threshold_is_enough() -> None:
    """The threshold is the least score that hits."""
    assert decide([0.5, 0.25], [1, 2], policy=POLICY, exhaustive=True).reason is None


def test_a_score_under_the_threshold_misses() -> None:
    """However clear the margin is."""
    verdict = decide([0.4375, -0.5], [1, 2], policy=POLICY, exhaustive=True)
    assert verdict == Verdict(Reason.BELOW_THRESHOLD, 0.9375, 1)


def test_a_margin_equal_to_the_least_one_is_enough() -> None:
    """The margin of the policy is the least one that hits."""
    assert decide([0.75, 0.625], [1, 2], policy=POLICY, exhaustive=True) == Verdict(None, 0.125, 1)


def test_a_margin_under_the_least_one_misses() -> None:
    """Two different answers that are about as close are not told apart."""
    assert decide([0.75, 0.6875], [1, 2], policy=POLICY, exhaustive=True) == Verdict(Reason.BELOW_MARGIN, 0.0625, 1)


def test_rows_of_the_same_answer_are_no_rivals() -> None:
    """The margin goes to the best different answer, past rows of the same one."""
    verdict = decide([0.75, 0.75, 0.6875, 0.5], [7, 7, 7, 8], policy=POLICY, exhaustive=True)
    assert verdict == Verdict(None, 0.25, 3)


def test_answer_zero_is_an_answer() -> None:
    """Answers count from 0; 0 is not "none"."""
    assert decide([0.75, 0.5], [0, 1], policy=POLICY, exhaustive=True) == Verdict(None, 0.25, 1)


def test_one_answer_in_the_whole_bundle_has_the_widest_margin() -> None:
    """Where all rows were seen and all agree, the rival that cannot exist counts as -1."""
    assert decide([0.75, 0.5], [3, 3], policy=POLICY, exhaustive=True) == Verdict(None, 1.75, None)


def test_the_last_row_stands_in_for_a_rival_that_was_not_seen() -> None:
    """Where more rows exist, the margin is never overstated: the next one may be the rival."""
    assert decide([0.75, 0.5], [3, 3], policy=POLICY, exhaustive=False) == Verdict(None, 0.25, None)


def test_an_unseen_rival_can_be_too_close() -> None:
    """All rows seen agree, but the next one may score as high as the last."""
    verdict = decide([0.75, 0.6875], [3, 3], policy=POLICY, exhaustive=False)
    assert verdict == Verdict(Reason.BELOW_MARGIN, 0.0625, None)


def test_a_seen_rival_counts_whether_or_not_there_are_more_rows() -> None:
    """A rival among the rows is the best one; rows that were not returned score lower."""
    assert decide([0.75, 0.5, 0.25], [1, 2, 1], policy=POLICY, exhaustive=False) == Verdict(None, 0.25, 1)


def test_a_guard_as_the_nearest_text_misses() -> None:
    """A perfect score on a guard is known to be wrong."""
    assert decide([1.0, 0.25], [GUARD, 2], policy=POLICY, exhaustive=True) == Verdict(Reason.GUARD, 0.75, 1)


def test_a_guard_far_away_is_not_the_reason() -> None:
    """A guard is close to its entry; one that merely is the nearest of far texts explains nothing."""
    verdict = decide([0.25, 0.0], [GUARD, 2], policy=POLICY, exhaustive=True)
    assert verdict.reason is Reason.BELOW_THRESHOLD


def test_a_guard_close_behind_the_best_answer_misses_as_a_guard() -> None:
    """Within the margin, the guard may as well be the nearest."""
    assert decide([0.75, 0.6875], [1, GUARD], policy=POLICY, exhaustive=True) == Verdict(Reason.GUARD, 0.0625, 1)


def test_a_guard_further_away_than_the_margin_does_not_veto() -> None:
    """A guard is a rival like any other answer."""
    assert decide([0.75, 0.5], [1, GUARD], policy=POLICY, exhaustive=True) == Verdict(None, 0.25, 1)


def test_the_nearest_rival_gives_the_reason() -> None:
    """A different answer before a guard is what the margin is measured to."""
    verdict = decide([0.75, 0.6875, 0.6875], [1, 2, GUARD], policy=POLICY, exhaustive=True)
    assert verdict == Verdict(Reason.BELOW_MARGIN, 0.0625, 1)


def test_the_threshold_is_asked_before_the_margin() -> None:
    """A low score with a guard right behind it misses for its score."""
    verdict = decide([0.25, 0.25], [1, GUARD], policy=POLICY, exhaustive=True)
    assert verdict.reason is Reason.BELOW_THRESHOLD


@pytest.mark.parametrize("exhaustive", [True, False])
def test_a_policy_of_zeros_serves_a_tie(exhaustive: bool) -> None:  # noqa: FBT001 - the parameter under test
    """0 is a value: no threshold and no margin asked for."""
    verdict = decide([0.0, 0.0], [1, 2], policy=Policy(threshold=0.0, margin=0.0), exhaustive=exhaustive)
    assert verdict == Verdict(None, 0.0, 1)
