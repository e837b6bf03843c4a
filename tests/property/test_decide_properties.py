from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.core.decide import decide

BOUNDED = settings(max_examples=150, deadline=None, derandomize=True, database=None)
SHARE = st.floats(0, 1)
THRESHOLD = st.none() | SHARE


@BOUNDED
@given(is_guard=st.booleans(), nearest=st.booleans(), confidence=st.floats(), threshold=THRESHOLD)
def test_a_hit_is_certified_and_no_guard(
    *, is_guard: bool, nearest: bool, confidence: float, threshold: float | None
) -> None:
    """Whatever the confidence is, nothing is served that breaks a rule."""
    reason = decide(is_guard=is_guard, nearest_is_guard=nearest, confidence=confidence, threshold=threshold)
    may_serve = not is_guard and not nearest and threshold is not None and confidence >= threshold
    assert (reason is None) == may_serve


@BOUNDED
@given(confidence=SHARE, loose=SHARE, strict=SHARE)
def test_a_stricter_threshold_never_makes_a_hit(confidence: float, loose: float, strict: float) -> None:
    """Callers may only tighten."""
    low, high = min(loose, strict), max(loose, strict)
    at_low = decide(is_guard=False, nearest_is_guard=False, confidence=confidence, threshold=low)
    at_high = decide(is_guard=False, nearest_is_guard=False, confidence=confidence, threshold=high)
    assert at_low is None or at_high is not None


@BOUNDED
@given(confidence=SHARE, threshold=THRESHOLD, is_guard=st.booleans())
def test_a_guard_never_makes_a_hit(*, confidence: float, threshold: float | None, is_guard: bool) -> None:
    """It is a veto and nothing else."""
    free = decide(is_guard=is_guard, nearest_is_guard=False, confidence=confidence, threshold=threshold)
    guarded = decide(is_guard=is_guard, nearest_is_guard=True, confidence=confidence, threshold=threshold)
    assert guarded is not None or free is None
