from __future__ import annotations

import numpy as np
import pytest

from semcache.core.grouping import group_texts, medoid, same_question
from semcache.core.vectors import FloatRows, unit_rows

WAYS = ["add a login page", "add login page please", "a login page: add it"]


def rows(*angles: float | None) -> FloatRows:
    """Give unit vectors of a plane by their angles in degrees; zeros for None."""
    return np.array([[0, 0] if a is None else [np.cos(np.radians(a)), np.sin(np.radians(a))] for a in angles], "f4")


def test_near_texts_are_one_group() -> None:
    """The text asked most often comes first, then the others."""
    assert group_texts(WAYS, rows(0, 10, 20), [1, 5, 2], min_score=0.9) == [[1, 2, 0]]


def test_far_texts_are_groups_of_their_own() -> None:
    """Those asked more often first."""
    assert group_texts(WAYS, rows(0, 40, 80), [1, 5, 2], min_score=0.9) == [[1], [2], [0]]


def test_a_text_joins_the_nearest_group() -> None:
    """Not the first that is near enough."""
    assert group_texts(WAYS, rows(0, 40, 25), [9, 5, 2], min_score=0.9) == [[0], [1, 2]]


def test_nearness_is_to_the_first_text() -> None:
    """A chain of small steps leads nowhere."""
    assert group_texts(WAYS, rows(0, 20, 40), [9, 5, 2], min_score=0.9) == [[0, 1], [2]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("delete the last 3 commits", "delete the last 5 commits"),
        ("enable two-factor login", "disable two-factor login"),
        ("install it with mysql", "install it with postgres"),
        ("convert json to yaml", "convert yaml to json"),
        ("why can I push to main", "why can I not push to main"),
    ],
)
def test_near_twins_are_never_one_group(one: str, other: str) -> None:
    """However near their vectors are."""
    assert group_texts([one, other], rows(0, 0), [3, 3], min_score=0.5) != [[0, 1]]
    assert not same_question(one, other)
    assert not same_question(other, one)


def test_a_twin_of_any_member_stays_out() -> None:
    """The first text may say nothing of what two others differ in."""
    texts = ["how do I upgrade", "how do I upgrade it", "how do I upgrade node 18"]
    assert group_texts(texts, rows(0, 0, 0), [3, 2, 1], min_score=0.9) == [[0, 1], [2]]


def test_what_cannot_be_embedded_is_alone() -> None:
    """Also where any score is near enough."""
    assert group_texts(WAYS, rows(None, None, 10), [1, 2, 3], min_score=0.0) == [[2], [1], [0]]


def test_the_groups_do_not_depend_on_the_order_of_the_texts() -> None:
    """Equal counts are told apart by the letters."""
    vectors, counts = rows(0, 15, 30), [1, 1, 1]
    found = [[WAYS[i] for i in group] for group in group_texts(WAYS, vectors, counts, min_score=0.95)]
    again = group_texts(WAYS[::-1], vectors[::-1], counts, min_score=0.95)
    assert found == [[WAYS[::-1][i] for i in group] for group in again]


def test_the_medoid_is_nearest_to_all_lookups() -> None:
    """A text asked often weighs as much as many."""
    vectors = unit_rows(rows(0, 10, 20))
    assert medoid([0, 1, 2], vectors, [1, 1, 1]) == 1
    assert medoid([0, 1, 2], vectors, [1, 1, 9]) == 2
    assert medoid([1], rows(0, None), [1, 1]) == 1
