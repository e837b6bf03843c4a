from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.core.vectors import recall_at_k, unit_rows

BOUNDED = settings(max_examples=200, deadline=None, derandomize=True, database=None)
SCORES = st.lists(st.floats(-1, 1, width=32) | st.just(float("-inf")), min_size=5, max_size=5)
NUMBERS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3)


@BOUNDED
@given(SCORES, SCORES, st.integers(1, 5))
def test_recall_is_a_share(found: list[float], exact: list[float], k: int) -> None:
    """From 0 to 1, whatever was found."""
    rows = [np.array([sorted(scores, reverse=True)], dtype=np.float32) for scores in (found, exact)]
    assert 0.0 <= recall_at_k(rows[0], rows[1], k=k) <= 1.0


@BOUNDED
@given(SCORES, st.integers(1, 5))
def test_the_exact_result_recalls_everything(exact: list[float], k: int) -> None:
    """What exact search finds is what there is to be found."""
    rows = np.array([sorted(exact, reverse=True)], dtype=np.float32)
    assert recall_at_k(rows, rows, k=k) == 1.0


@BOUNDED
@given(SCORES, SCORES, st.integers(1, 5), st.integers(0, 4))
def test_finding_a_worse_row_never_raises_recall(found: list[float], exact: list[float], k: int, place: int) -> None:
    """Recall rises with what is found."""
    worse = list(found)
    worse[place] = float("-inf")
    rows = [np.array([sorted(scores, reverse=True)], dtype=np.float32) for scores in (found, worse, exact)]
    assert recall_at_k(rows[1], rows[2], k=k) <= recall_at_k(rows[0], rows[2], k=k)


@BOUNDED
@given(st.lists(NUMBERS, max_size=6))
def test_unit_rows_are_of_length_one_or_zero(numbers: list[list[float]]) -> None:
    """No row is a little longer than a cosine allows, and none is NaN."""
    scaled = unit_rows(np.array(numbers, dtype=np.float32).reshape(-1, 3))
    lengths = np.linalg.norm(scaled.astype(np.float64), axis=1)
    is_zero = ~scaled.any(axis=1)
    assert (is_zero | (np.abs(lengths - 1) < 1e-5)).all()
