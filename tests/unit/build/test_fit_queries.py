from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from fitting import made_rows

from semcache.build import fit_queries
from semcache.build.fit_queries import plan_fitting, plan_queries, plan_twins
from semcache.core.draws import draw

ROWS = made_rows(400)
OUTSIDE = {"outside", "reject", "twin"}


def test_there_is_one_query_an_entry() -> None:
    """Variants of one entry are no independent draws, and a bound counts draws."""
    planned = plan_queries(ROWS, outside_share=0.4, seed=0)
    assert len({query.entry for query in planned}) == len(planned) == 400


@pytest.mark.parametrize("share", [0.0, 0.25, 0.4, 0.9])
def test_the_share_of_queries_to_be_missed_is_the_one_asked_for(share: float) -> None:
    """Within what chance does to 400 of them."""
    planned = plan_queries(ROWS, outside_share=share, seed=0)
    found = sum(query.kind in OUTSIDE for query in planned) / len(planned)
    assert abs(found - share) <= 3 * (share * (1 - share) / 400) ** 0.5


def test_all_kinds_of_queries_are_planned() -> None:
    """Wordings left out and reworded; out of scope, rejects and twins."""
    kinds = Counter(query.kind for query in plan_queries(ROWS, outside_share=0.5, seed=0))
    assert set(kinds) == {"written", "reworded", "outside", "reject", "twin"}
    assert kinds["written"] > kinds["reworded"]
    assert kinds["outside"] > kinds["twin"]


def test_the_same_seed_plans_the_same_queries_and_another_seed_others() -> None:
    """In the same order."""
    first, again, other = (plan_queries(ROWS, outside_share=0.4, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_what_is_planned_for_an_entry_does_not_hang_on_the_others() -> None:
    """A corpus that grows asks the old entries the same questions."""
    few = {query.entry: query for query in plan_queries(made_rows(100), outside_share=0.4, seed=0)}
    many = {query.entry: query for query in plan_queries(ROWS, outside_share=0.4, seed=0)}
    assert few == {entry: many[entry] for entry in few}


def test_a_query_says_which_row_it_was_made_of() -> None:
    """Its own text unless it was made up; a reject's is a guard of the entry."""
    for query in plan_queries(ROWS, outside_share=0.5, seed=0):
        of_row = int(ROWS.entries[query.row])
        assert query.entry == (~of_row if query.kind == "reject" else of_row)
        assert query.answer == int(ROWS.answers[query.row])
        assert query.is_new == (query.kind in {"reworded", "twin"})
        assert (query.text == ROWS.texts[query.row]) == (not query.is_new)


def test_an_entry_with_one_wording_is_only_asked_out_of_scope() -> None:
    """Nothing would be left to find it by."""
    rows = made_rows(200, n_variants=1, with_guards=False)
    kinds = {query.kind for query in plan_queries(rows, outside_share=0.4, seed=0)}
    assert kinds == {"outside", "twin"}
    assert plan_queries(rows, outside_share=0.0, seed=0) == []


def test_rows_without_a_vector_are_never_asked() -> None:
    """They are not found by meaning, so they say nothing about it."""
    vectors = ROWS.vectors.copy()
    vectors[ROWS.entries == 7] = 0.0
    planned = plan_queries(replace(ROWS, vectors=vectors), outside_share=0.0, seed=0)
    assert {query.entry for query in planned} == set(range(400)) - {7}


def test_trees_are_fitted_on_every_wording_of_the_entries_given() -> None:
    """And on no other entry: what certifies them stays unseen."""
    entries = set(range(0, 400, 2))
    planned = plan_fitting(ROWS, entries, seed=0)
    assert {query.entry for query in planned} == entries
    written = [query.row for query in planned if query.kind == "written"]
    assert sorted(written) == np.flatnonzero(np.isin(ROWS.entries, list(entries))).tolist()
    assert {query.row for query in planned if query.kind == "reject"} == {
        row for row, entry in enumerate(ROWS.entries.tolist()) if entry < 0 and ~entry in entries
    }
    assert planned == plan_fitting(ROWS, entries, seed=0)


def test_no_entry_is_nothing_to_fit_on() -> None:
    """A corpus too small for trees of its own."""
    assert plan_fitting(ROWS, set(), seed=0) == []


def test_twins_are_made_of_indexed_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of a guard or of a row without a vector; at most so many, the same each time, whatever there is beside."""
    planned = plan_twins(ROWS, seed=0)
    assert len(planned) == 2000
    assert all(query.kind == "twin" and query.is_new and query.is_outside for query in planned)
    assert all(ROWS.entries[query.row] == query.entry >= 0 for query in planned)
    assert all(query.text != ROWS.texts[query.row] for query in planned)
    assert planned == plan_twins(ROWS, seed=0) != plan_twins(ROWS, seed=1)
    monkeypatch.setattr(fit_queries, "_MAX_TWINS", 7)
    assert plan_twins(ROWS, seed=0) == planned[:7]
    assert plan_twins(replace(ROWS, vectors=np.zeros_like(ROWS.vectors)), seed=0) == []


def test_a_small_namespace_beside_a_large_one_is_asked_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each as many as of any other until it has no more: 40 entries are asked whole, of 360 the other 60."""
    monkeypatch.setattr(fit_queries, "_MAX_ENTRIES", 100)
    rows = replace(ROWS, namespaces=(np.where(ROWS.entries < 0, ~ROWS.entries, ROWS.entries) >= 360).astype(np.int64))
    planned = plan_queries(rows, outside_share=0.4, seed=0)
    assert Counter(int(rows.namespaces[query.row]) for query in planned) == {0: 60, 1: 40}


def test_in_one_namespace_the_order_is_the_one_that_is_drawn() -> None:
    """Taking turns changes nothing where there is nobody to take turns with."""
    planned = plan_queries(ROWS, outside_share=0.4, seed=0)
    drawn = [draw(0, "order", query.entry) for query in planned]
    assert drawn == sorted(drawn)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [((0, "order", 0), 0.1984), ((0, "order", 1), 0.3211), ((1, "order", 0), 0.9109), ((0, "row", 0), 0.6892)],
)
def test_draws_never_change(arguments: tuple[int, str, int], value: float) -> None:
    """Only seed, purpose and number decide: builds of the same corpus ask the same queries."""
    assert draw(*arguments) == pytest.approx(value, abs=1e-4)


def test_draws_are_spread_evenly() -> None:
    """From 0 to 1."""
    found = np.histogram([draw(0, "x", i) for i in range(10_000)], bins=10, range=(0, 1))[0]
    assert found.sum() == 10_000
    assert np.abs(found - 1000).max() < 150
