from __future__ import annotations

import numpy as np
import pytest

from semcache.config import AugmentConfig
from semcache.core.variant_facts import same_facts
from semcache.core.variant_filters import Dropped, count_reasons, judge_variants
from semcache.core.vectors import FloatRows

CONFIG = AugmentConfig(min_margin=0.1, min_score=0.5, max_score=0.95)


def unit(*degrees: float) -> FloatRows:
    """Give unit rows in the plane."""
    angles = np.radians(np.array(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def judged(variants: FloatRows, best_other: list[float], own: FloatRows | None = None) -> list[Dropped | None]:
    """Judge against an entry at 0 degrees."""
    own = unit(0) if own is None else own
    return judge_variants(variants, own, np.array(best_other, np.float32), CONFIG)


def test_a_variant_between_the_limits_is_kept() -> None:
    """Near its own, away from others, not a copy."""
    assert judged(unit(30), [0.5]) == [None]


def test_one_that_another_answer_is_as_near_to_fails_the_round_trip() -> None:
    """Its margin is under the least."""
    assert judged(unit(30), [0.8]) == [Dropped.ROUND_TRIP]


def test_one_far_from_its_entry_is_irrelevant() -> None:
    """Whatever else is near."""
    assert judged(unit(80), [-1.0]) == [Dropped.RELEVANCE]


def test_a_near_copy_adds_nothing() -> None:
    """Of a written text, or of a variant that was kept before it."""
    assert judged(unit(5, 40, 44), [0, 0, 0]) == [Dropped.DIVERSITY, None, Dropped.DIVERSITY]


def test_a_dropped_variant_keeps_no_other_out() -> None:
    """Only what is kept counts for diversity."""
    assert judged(unit(40, 44), [0.9, 0.0]) == [Dropped.ROUND_TRIP, None]


def test_the_nearest_written_text_counts() -> None:
    """One is enough."""
    assert judged(unit(80), [0.0], unit(0, 60)) == [None]


def test_a_text_without_a_vector_is_not_indexed() -> None:
    """It would be near to nothing."""
    assert judged(np.zeros((1, 2), np.float32), [-1.0]) == [Dropped.NOT_EMBEDDED]


def test_no_variants_are_no_verdicts() -> None:
    """Of an entry without candidates."""
    assert judged(np.zeros((0, 2), np.float32), []) == []


def test_reasons_are_counted() -> None:
    """What is kept, too."""
    assert count_reasons([None, Dropped.TAKEN, None]) == {"kept": 2, "taken": 1}


@pytest.mark.parametrize(
    ("original", "variant", "same"),
    [
        ("How do I delete a branch?", "remove a branch", True),
        ("keep the last 5 backups", "how to keep the last 5 backups", True),
        ("keep the last 5 backups", "keep the last 7 backups", False),
        ("keep the last 5 backups", "keep the last backups", False),
        ("How do I enable the cache?", "how to disable the cache", False),
        ("run it with git", "run it without git", False),
        ("read `a.txt` twice", "read `b.txt` twice", False),
        ("How do I install it on Ubuntu?", "install it on Windows", False),
    ],
)
def test_facts_are_compared(original: str, variant: str, *, same: bool) -> None:
    """Numbers, identifiers, names, negation, opposites."""
    assert same_facts(original, variant) is same
