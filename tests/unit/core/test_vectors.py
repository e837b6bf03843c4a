from __future__ import annotations

import math

import numpy as np
import pytest

from semcache.core.vectors import FloatRows, cosines, recall_at_k, unit_rows, worst_cosine


def rows(*values: list[float]) -> FloatRows:
    """Give float32 rows."""
    return np.array(values, dtype=np.float32)


def test_unit_rows_have_length_one() -> None:
    """Each row is scaled by its own length."""
    scaled = unit_rows(rows([3.0, 4.0], [0.0, -2.0], [0.25, 0.0]))
    assert scaled.tolist() == rows([0.6, 0.8], [0.0, -1.0], [1.0, 0.0]).tolist()


def test_a_zero_row_stays_zero() -> None:
    """A text that was not embedded keeps its zero row: no NaN, no warning."""
    assert unit_rows(rows([0.0, 0.0], [5.0, 0.0])).tolist() == [[0.0, 0.0], [1.0, 0.0]]


def test_unit_rows_stay_float32() -> None:
    """Vectors are float32 everywhere."""
    assert unit_rows(rows([1.0, 2.0])).dtype == np.float32


def test_no_rows_give_no_rows() -> None:
    """An empty batch is a batch."""
    assert unit_rows(np.zeros((0, 4), dtype=np.float32)).shape == (0, 4)


def test_cosines_are_those_of_the_rows_side_by_side() -> None:
    """One a row; two zero rows are the same vector, a zero row and another one are not."""
    a = rows([1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.0, 0.0], [0.0, 0.0])
    b = rows([1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 0.0])
    assert cosines(a, b).tolist() == rows([1.0, 0.0, 0.6, 1.0, 0.0])[0].tolist()


def test_the_worst_cosine_is_the_least() -> None:
    """Of several."""
    assert worst_cosine(rows([1.0, 0.0], [0.0, 1.0]), rows([1.0, 0.0], [0.0, -1.0])) == -1.0


def test_the_worst_cosine_of_no_rows_is_one() -> None:
    """Nothing differs."""
    none = np.zeros((0, 2), dtype=np.float32)
    assert worst_cosine(none, none) == 1.0


def test_the_worst_cosine_of_a_row_that_is_not_a_number_is_none() -> None:
    """It never passes for a good one."""
    assert math.isnan(worst_cosine(rows([1.0, 0.0], [np.nan, 0.0]), rows([1.0, 0.0], [1.0, 0.0])))


def test_recall_is_one_when_all_of_the_best_were_found() -> None:
    """The same scores, the same rows."""
    assert recall_at_k(rows([0.9, 0.8]), rows([0.9, 0.8]), k=2) == 1.0


def test_recall_counts_the_share_that_was_found() -> None:
    """One of two at the first query, none at the second."""
    found = rows([0.9, 0.1], [0.2, 0.1])
    assert recall_at_k(found, rows([0.9, 0.8], [0.9, 0.8]), k=2) == 0.25


def test_recall_counts_a_tie_as_found() -> None:
    """A row that scores as high as the k-th best is as good, whichever row it is."""
    assert recall_at_k(rows([0.8, 0.8]), rows([0.8, 0.8]), k=2) == 1.0


def test_recall_forgives_the_tolerance_and_no_more() -> None:
    """Codes may move a score by the tolerance."""
    exact = rows([0.5])
    assert recall_at_k(rows([0.4375]), exact, k=1, tolerance=0.0625) == 1.0
    assert recall_at_k(rows([0.4375]), exact, k=1, tolerance=0.03125) == 0.0


def test_nothing_found_recalls_nothing() -> None:
    """Minus infinity stands for a row that was not returned."""
    assert recall_at_k(rows([-np.inf, -np.inf]), rows([0.9, 0.8]), k=2) == 0.0


def test_recall_looks_at_the_first_k_only() -> None:
    """What comes after the k-th found row does not count."""
    assert recall_at_k(rows([0.1, 0.9]), rows([0.9, 0.8]), k=1) == 0.0
    assert recall_at_k(rows([0.9, 0.1, 0.1]), rows([0.9, 0.8, 0.7]), k=1) == 1.0


@pytest.mark.parametrize("k", [1, 2])
def test_recall_is_a_plain_float(k: int) -> None:
    """It is written into the manifest as JSON."""
    assert type(recall_at_k(rows([0.9, 0.8]), rows([0.9, 0.8]), k=k)) is float
