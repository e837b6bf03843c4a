"""The decision: serve the best entry, or miss and say why. One pure function.

A wrong answer is worse than a miss, so each rule can only turn a hit into a miss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semcache.types import Reason

GUARD = -1
"""The answer of a guard: none."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rule a bundle was built with.

    Attributes:
        threshold: least score of the best row, 0 to 1.
        margin: least difference between the best score and that of the best different answer, 0 to 1.
    """

    threshold: float
    margin: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with the nearest rows.

    Attributes:
        reason: why it is a miss; None for a hit.
        margin: best score minus the best score of a different answer (a guard counts as one). Where all the
            rows given belong to one answer and there may be more, the last row stands in for the unseen rival,
            so the margin is never overstated. None where there was no row.
        rival: position of that best different answer among the rows; None where none was seen.
    """

    reason: Reason | None
    margin: float | None
    rival: int | None


def decide(scores: Sequence[float], answers: Sequence[int], *, policy: Policy, exhaustive: bool) -> Verdict:
    """Decide whether the answer of the nearest row may be served.

    Args:
        scores: cosine similarities, best first, -1 to 1.
        answers: each row's answer id, 0 or more, or `GUARD`.
        policy: the bundle's rule.
        exhaustive: True where these are all the rows there are, so that an unseen rival cannot exist.
    """
    if not scores:
        return Verdict(Reason.BELOW_THRESHOLD, None, None)
    best = answers[0]
    rival = next((i for i, answer in enumerate(answers) if answer != best), None)
    if rival is not None:
        margin = scores[0] - scores[rival]
    elif exhaustive:
        margin = scores[0] + 1.0
    else:
        margin = scores[0] - scores[-1]
    if scores[0] < policy.threshold:
        return Verdict(Reason.BELOW_THRESHOLD, margin, rival)
    if best == GUARD:
        return Verdict(Reason.GUARD, margin, rival)
    if margin < policy.margin:
        tied_guard = rival is not None and answers[rival] == GUARD
        return Verdict(Reason.GUARD if tied_guard else Reason.BELOW_MARGIN, margin, rival)
    return Verdict(None, margin, rival)
