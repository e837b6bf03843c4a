"""The decision: serve the candidate, or miss and say why. One pure function.

A wrong answer is worse than a miss, so each rule can only turn a hit into a miss.
"""

from __future__ import annotations

from semcache.types import Reason


def decide(*, is_guard: bool, nearest_is_guard: bool, confidence: float, threshold: float | None) -> Reason | None:
    """Return why the candidate may not be served; None where it may.

    Args:
        is_guard: the candidate has no answer: most of what is near is known not to have one.
        nearest_is_guard: the nearest row of all is a guard.
        confidence: the verifier's probability that serving is right, 0 to 1.
        threshold: least confidence certified for the error that is accepted; None where none is.
    """
    if is_guard or nearest_is_guard:
        return Reason.GUARD
    if threshold is None:
        return Reason.UNCERTIFIED
    if not confidence >= threshold:  # NaN is not
        return Reason.BELOW_THRESHOLD
    return None
