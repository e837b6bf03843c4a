from __future__ import annotations

import eval_path  # noqa: F401
import numpy as np
import pytest
from eval.embeddings import unit_rows
from eval.retrieval import Labelled, numbered, search
from eval.texts import Pair
from eval.twins import as_twins, sample_pairs


def labelled(rng: np.random.Generator, n: int) -> Labelled:
    """Random texts of five groups and two namespaces."""
    vectors = unit_rows(rng.standard_normal((n, 8)).astype(np.float32))
    return Labelled(tuple(str(i) for i in range(n)), vectors, rng.integers(0, 5, n), rng.integers(0, 2, n))


@pytest.mark.parametrize("seed", range(5))
def test_search_finds_what_a_loop_finds(seed: int) -> None:
    """Nearest entry of the namespace that is not skipped, and the margin to the best different answer."""
    rng = np.random.default_rng(seed)
    known, queries = labelled(rng, 40), labelled(rng, 600)
    skip = np.where(rng.random(600) < 0.5, rng.integers(0, 40, 600), -1)
    found = search(known, queries, skip=skip)
    for i in range(0, 600, 7):
        scores = {
            j: float(queries.vectors[i] @ known.vectors[j])
            for j in range(40)
            if known.contexts[j] == queries.contexts[i] and j != skip[i]
        }
        best = max(scores, key=lambda j: scores[j])
        rival = max((score for j, score in scores.items() if known.groups[j] != known.groups[best]), default=-1.0)
        assert found.entry[i] == best
        assert found.score[i] == pytest.approx(scores[best], abs=1e-6)
        assert found.margin[i] == pytest.approx(scores[best] - rival, abs=1e-6)
        assert found.is_right[i] == (known.groups[best] == queries.groups[i])


def test_a_namespace_without_entries_finds_nothing() -> None:
    """Entry -1, score and margin -inf, not right."""
    vectors = np.eye(2, dtype=np.float32)
    known = Labelled(("a", "b"), vectors, np.array([0, 0]), np.array([0, 0]))
    found = search(known, Labelled(("a",), vectors[:1], np.array([0]), np.array([7])))
    assert (found.entry[0], found.score[0], found.margin[0], found.is_right[0]) == (-1, -np.inf, -np.inf, False)


def test_equal_names_get_equal_numbers() -> None:
    """Across columns, in order of appearance."""
    first, second = numbered(["b", "a", "b"], ["a", "c"])
    assert (first.tolist(), second.tolist()) == ([0, 1, 0], [1, 2])


def test_unit_rows_leave_zero_rows_alone() -> None:
    """A text that cannot be embedded is near to nothing."""
    assert unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)).tolist() == pytest.approx(
        np.array([[0.6, 0.8], [0.0, 0.0]])
    )


PAIRS = [Pair("a", "b", 1), Pair("b", "c", 1), Pair("a", "d", 0), Pair("D!", "e", 0), Pair("a", "b", 1)]


def test_texts_joined_by_wanted_hits_share_an_answer() -> None:
    """a-b-c is one answer, d and D! are one text, e is alone."""
    twins = as_twins(PAIRS)
    assert [text for _, text in twins.entries] == ["a", "b", "D!"]
    assert [text for _, text in twins.queries] == ["b", "c", "d", "e"]
    assert len({*twins.entry_groups[:2], *twins.query_groups[:2]}) == 1
    assert twins.entry_groups[2] == twins.query_groups[2]
    assert len({twins.query_groups[0], twins.query_groups[2], twins.query_groups[3]}) == 3


def test_a_query_skips_the_entry_that_is_the_same_text() -> None:
    """So it is with b, and with d but for its case."""
    twins = as_twins(PAIRS)
    assert twins.skip == (1, -1, 2, -1)
    assert twins.is_trap.tolist() == [False, False, True, True]
    assert twins.is_wish.tolist() == [True, True, False, False]


def test_a_sample_takes_of_each_label_the_same_every_time() -> None:
    """At most so many, in the order of the file."""
    pairs = [Pair(str(i), f"{i}x", i % 2) for i in range(20)]
    sample = sample_pairs(pairs, most=3)
    assert sample == sample_pairs(pairs, most=3)
    assert [pair.label for pair in sample].count(0) == [pair.label for pair in sample].count(1) == 3
