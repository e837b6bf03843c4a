from __future__ import annotations

import math

import pytest

from semcache.core.decide import decide
from semcache.types import Reason


def test_a_confidence_over_the_threshold_is_a_hit() -> None:
    """No guard is near, and the error is certified."""
    assert decide(is_guard=False, nearest_is_guard=False, confidence=0.75, threshold=0.5) is None


def test_a_confidence_equal_to_the_threshold_is_enough() -> None:
    """The certificate counts what is at or over it."""
    assert decide(is_guard=False, nearest_is_guard=False, confidence=0.5, threshold=0.5) is None


def test_a_confidence_under_the_threshold_misses() -> None:
    """By the least number there is."""
    confidence = math.nextafter(0.5, 0.0)
    reason = decide(is_guard=False, nearest_is_guard=False, confidence=confidence, threshold=0.5)
    assert reason is Reason.BELOW_THRESHOLD


def test_a_threshold_of_zero_is_a_threshold() -> None:
    """0 is a value: everything is served that no guard keeps back."""
    assert decide(is_guard=False, nearest_is_guard=False, confidence=0.0, threshold=0.0) is None


def test_without_a_threshold_nothing_is_served() -> None:
    """However sure the verifier is: nobody has shown what that is worth."""
    assert decide(is_guard=False, nearest_is_guard=False, confidence=1.0, threshold=None) is Reason.UNCERTIFIED


@pytest.mark.parametrize(("is_guard", "nearest_is_guard"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("threshold", [None, 0.0, 0.5])
def test_a_guard_misses_before_anything_else(
    threshold: float | None, *, is_guard: bool, nearest_is_guard: bool
) -> None:
    """As the candidate or as the nearest row, whatever the confidence and the certificate."""
    reason = decide(is_guard=is_guard, nearest_is_guard=nearest_is_guard, confidence=1.0, threshold=threshold)
    assert reason is Reason.GUARD


def test_a_confidence_that_is_no_number_misses() -> None:
    """No comparison with it is true, and none may be taken for a hit."""
    reason = decide(is_guard=False, nearest_is_guard=False, confidence=float("nan"), threshold=0.0)
    assert reason is Reason.BELOW_THRESHOLD
