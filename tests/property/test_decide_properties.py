from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.core.decide import GUARD, Policy, decide

BOUNDED = settings(max_examples=150, deadline=None, derandomize=True, database=None)
ROWS = st.lists(st.tuples(st.floats(-1, 1), st.integers(GUARD, 3)), min_size=1, max_size=8)
SHARE = st.floats(0, 1)


def split(rows: list[tuple[float, int]]) -> tuple[list[float], list[int]]:
    """Give scores, best first, and answers."""
    ordered = sorted(rows, key=lambda row: -row[0])
    return [score for score, _ in ordered], [answer for _, answer in ordered]


@BOUNDED
@given(rows=ROWS, threshold=SHARE, margin=SHARE, exhaustive=st.booleans())
def test_a_hit_has_score_margin_and_an_answer(
    rows: list[tuple[float, int]], threshold: float, margin: float, *, exhaustive: bool
) -> None:
    """Whatever the rows are, nothing is served that breaks a rule."""
    scores, answers = split(rows)
    verdict = decide(scores, answers, policy=Policy(threshold, margin), exhaustive=exhaustive)
    if verdict.reason is None:
        assert answers[0] != GUARD
        assert scores[0] >= threshold
        assert verdict.margin is not None
        assert verdict.margin >= margin
        assert all(scores[0] - s >= margin for s, a in zip(scores, answers, strict=True) if a != answers[0])


@BOUNDED
@given(rows=ROWS, threshold=SHARE, margin=SHARE, stricter=SHARE, wider=SHARE, exhaustive=st.booleans())
def test_a_stricter_policy_never_makes_a_hit(
    rows: list[tuple[float, int]], threshold: float, margin: float, stricter: float, wider: float, *, exhaustive: bool
) -> None:
    """Callers may only tighten."""
    scores, answers = split(rows)
    loose = decide(scores, answers, policy=Policy(threshold, margin), exhaustive=exhaustive)
    strict_policy = Policy(max(threshold, stricter), max(margin, wider))
    strict = decide(scores, answers, policy=strict_policy, exhaustive=exhaustive)
    assert loose.reason is None or strict.reason is not None


@BOUNDED
@given(ROWS, SHARE, SHARE)
def test_rows_that_may_be_unseen_never_make_a_hit(
    rows: list[tuple[float, int]], threshold: float, margin: float
) -> None:
    """The margin is never overstated where there may be more rows."""
    scores, answers = split(rows)
    policy = Policy(threshold, margin)
    all_seen = decide(scores, answers, policy=policy, exhaustive=True)
    some_seen = decide(scores, answers, policy=policy, exhaustive=False)
    assert all_seen.reason is None or some_seen.reason is not None


@BOUNDED
@given(ROWS, SHARE, SHARE, st.integers(0, 8))
def test_looking_at_fewer_rows_never_makes_a_hit(
    rows: list[tuple[float, int]], threshold: float, margin: float, n_fewer: int
) -> None:
    """What is served on the nearest few would be served on all of them."""
    scores, answers = split(rows)
    n = max(1, len(rows) - n_fewer)
    policy = Policy(threshold, margin)
    few = decide(scores[:n], answers[:n], policy=policy, exhaustive=n == len(rows))
    every = decide(scores, answers, policy=policy, exhaustive=True)
    assert few.reason is not None or every.reason is None
