from __future__ import annotations

import eval_path  # noqa: F401
import numpy as np
import pytest
from eval.splits import Drawn, SetUp, draw, split
from eval.texts import Item

PUBLISHED = [
    Item(f"{part} {group} {i}", group, split=part)
    for group in ("card", "pin")
    for part in ("train", "test")
    for i in range(6)
] + [Item(f"outside {i}", f"oos:{i}", split="oos_train") for i in range(5)]
GROUPED = [Item(f"text {group} {i}", str(group)) for group in range(10) for i in range(4)] + [
    Item(f"single {i}", f"s{i}") for i in range(9)
]


@pytest.mark.parametrize("n", [0, 1, 7, 100, 3072])
def test_every_query_is_in_exactly_one_part(n: int) -> None:
    """Nothing is fitted, calibrated and reported on the same query."""
    parts = split(n, seed=3)
    assert sorted(np.concatenate([parts.fit, parts.calibration, parts.test]).tolist()) == list(range(n))


def test_parts_have_the_stated_shares() -> None:
    """40, 30 and 30 per cent."""
    parts = split(1000, seed=0)
    assert (len(parts.fit), len(parts.calibration), len(parts.test)) == (400, 300, 300)


def test_the_seed_decides_the_split() -> None:
    """The same seed gives the same parts, another one others."""
    assert split(50, seed=1).test.tolist() == split(50, seed=1).test.tolist()
    assert split(50, seed=1).test.tolist() != split(50, seed=2).test.tolist()


def test_known_phrasings_come_from_training_and_queries_from_the_test_split() -> None:
    """And every query out of scope is asked."""
    drawn = draw(PUBLISHED, SetUp("x", "x", 2, known_splits=("train",)), seed=0)
    assert {item.split for item in drawn.known} == {"train"}
    assert len(drawn.known) == 4
    assert sum(item.split == "test" for item in drawn.queries) == 12
    assert sum(item.group.startswith("oos") for item in drawn.queries) == 5
    assert len(drawn.queries) == 17


def shares(drawn: Drawn) -> tuple[int, int]:
    """Return how many queries have a known group, and how many must miss."""
    known = {item.group for item in drawn.known}
    return sum(item.group in known for item in drawn.queries), sum(item.group not in known for item in drawn.queries)


def test_no_known_phrasing_is_asked() -> None:
    """A cache that is asked what it holds shows nothing."""
    drawn = draw(GROUPED, SetUp("x", "x", 3), seed=0)
    assert not {item.text for item in drawn.known} & {item.text for item in drawn.queries}


def test_groups_that_are_held_out_must_miss() -> None:
    """Half of ten groups: all their texts are asked, none is known. Singles: a third known, a third asked."""
    set_up = SetUp("x", "x", 1, held_out_share=0.5, single_share=1 / 3, single_query_share=1 / 3)
    drawn = draw(GROUPED, set_up, seed=0)
    assert len(drawn.known) == 5 + 3
    assert shares(drawn) == (5 * 3, 5 * 4 + 3)


def test_every_known_group_leaves_a_query() -> None:
    """A group of four never gives all its texts to the cache."""
    drawn = draw(GROUPED, SetUp("x", "x", 9), seed=0)
    assert shares(drawn)[0] == 10


def test_a_text_of_two_groups_is_left_out() -> None:
    """Which hit on it is right cannot be said; in two namespaces it can."""
    items = [
        *(Item("list files", "ls"), Item("List files?", "find"), Item("all files", "ls"), Item("show files", "ls")),
        *(Item("count", "a", context="db1"), Item("count", "b", context="db2")),
    ]
    drawn = draw(items, SetUp("x", "x", 1, single_share=1.0), seed=0)
    assert {item.text for item in (*drawn.known, *drawn.queries)} == {"all files", "show files", "count"}
