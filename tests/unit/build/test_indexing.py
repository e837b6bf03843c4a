from __future__ import annotations

import numpy as np
import pytest

from semcache.build import indexing
from semcache.build.indexing import build_measured, choose_kind
from semcache.config import BuildConfig
from semcache.core.vectors import FloatRows, unit_rows
from semcache.errors import RecallError
from semcache.store.faiss_index import IndexKind, Rows, efforts, exact_neighbours

KINDS: tuple[IndexKind, ...] = ("flat", "ivf", "hnsw")


def random_rows(n_rows: int, dim: int = 16) -> FloatRows:
    """Give unit rows that are near to nothing in particular."""
    return unit_rows(np.random.default_rng(3).standard_normal((n_rows, dim), dtype=np.float32))


def one_list(*, min_recall_at_1: float, min_recall_at_10: float) -> BuildConfig:
    """Give the config of lookups that look at no more neighbours than one list of 4,000 rows holds."""
    return BuildConfig(index="ivf", n_neighbours=11, min_recall_at_1=min_recall_at_1, min_recall_at_10=min_recall_at_10)


@pytest.mark.parametrize(("n_rows", "kind"), [(1, "flat"), (10_000, "flat"), (10_001, "ivf"), (1_000_000, "ivf")])
def test_the_size_chooses_the_kind(n_rows: int, kind: IndexKind) -> None:
    """Exact where a scan is as fast, inverted lists above."""
    assert choose_kind(n_rows) == kind


def test_auto_takes_the_kind_of_the_size() -> None:
    """Few rows are scanned."""
    assert build_measured(random_rows(50), BuildConfig(index="auto")).kind == "flat"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_was_asked_for_is_built(kind: IndexKind) -> None:
    """And recalls enough, as measured on its own rows."""
    built = build_measured(random_rows(400), BuildConfig(index=kind))
    assert (built.kind, built.n_queries) == (kind, 400)
    assert built.recall_at_1 >= 0.99
    assert built.recall_at_10 >= 0.98


def test_an_exact_index_recalls_everything() -> None:
    """A flat scan finds every neighbour, with no effort to choose."""
    built = build_measured(random_rows(400), BuildConfig(index="flat"))
    assert (built.effort, built.recall_at_1, built.recall_at_10) == (0, 1.0, 1.0)


def test_the_least_effort_that_recalls_enough_is_taken() -> None:
    """Rows that come in groups are found in the nearest list."""
    groups = np.repeat(np.eye(16, dtype=np.float32), 32, axis=0)
    assert build_measured(groups, BuildConfig(index="ivf")).effort == 1


def test_more_effort_is_taken_where_it_is_needed() -> None:
    """Rows that are near to nothing are spread over the lists."""
    assert build_measured(random_rows(400), BuildConfig(index="ivf")).effort > 1


def test_no_less_effort_recalls_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """The effort that is taken reaches the aims and the one below it does not, though few of them are tried."""
    vectors, tried = random_rows(4000), []
    search = indexing._search

    def noted(index: object, effort: int, queries: FloatRows, k: int) -> Rows:
        tried.append(effort)
        return search(index, effort, queries, k)

    monkeypatch.setattr(indexing, "_search", noted)
    built = build_measured(vectors, BuildConfig(index="ivf"))
    ladder = efforts(built.index)
    assert built.effort in tried
    assert ladder[ladder.index(built.effort) - 1] in tried
    assert len(tried) <= 6
    below = BuildConfig(index="ivf", min_recall_at_1=0.0, min_recall_at_10=0.0)
    monkeypatch.setattr(indexing, "efforts", lambda _: [ladder[ladder.index(built.effort) - 1]])
    found = build_measured(vectors, below)
    assert found.recall_at_1 < 0.995 or found.recall_at_10 < 0.985


@pytest.mark.parametrize(("n_neighbours", "n_asked"), [(64, 64), (1024, 1024), (2, 11)])
def test_recall_is_measured_as_a_lookup_searches(
    monkeypatch: pytest.MonkeyPatch, n_neighbours: int, n_asked: int
) -> None:
    """With as many neighbours as a lookup looks at, of which the best ten count: more are compared than ten."""
    vectors, asked = random_rows(400), []

    def noted(_: object, __: int, queries: FloatRows, k: int) -> Rows:
        asked.append(k)
        return exact_neighbours(vectors, queries, k=k)[1]

    monkeypatch.setattr(indexing, "_search", noted)
    built = build_measured(vectors, BuildConfig(index="flat", n_neighbours=n_neighbours))
    assert (built.recall_at_10, asked) == (1.0, [n_asked])


def test_a_recall_below_what_was_asked_for_fails_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even the most effort is too little: no bundle with holes is published; the error says what was found."""
    monkeypatch.setattr(indexing, "efforts", lambda _: [1])
    with pytest.raises(RecallError) as caught:
        build_measured(random_rows(4000), one_list(min_recall_at_1=0.97, min_recall_at_10=0.96))
    error = caught.value
    assert (error.min_at_1, error.min_at_10) == (0.97, 0.96)
    assert 0 < error.at_1 < 0.97
    assert 0 < error.at_10 < 0.96


@pytest.mark.parametrize(("at_1", "at_10"), [(1.0, 0.0), (0.0, 1.0)])
def test_each_recall_has_its_own_bound(monkeypatch: pytest.MonkeyPatch, at_1: float, at_10: float) -> None:
    """One that is enough does not make up for the other."""
    monkeypatch.setattr(indexing, "efforts", lambda _: [1])
    with pytest.raises(RecallError):
        build_measured(random_rows(4000), one_list(min_recall_at_1=at_1, min_recall_at_10=at_10))


def test_a_recall_equal_to_what_was_asked_for_is_enough() -> None:
    """A build may ask for everything."""
    built = build_measured(random_rows(400), BuildConfig(index="flat", min_recall_at_1=1.0, min_recall_at_10=1.0))
    assert built.recall_at_1 == 1.0


def test_recall_at_1_and_at_10_are_measured_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that gives each row itself and its nearest neighbour finds all of the first, a tenth of the ten."""
    vectors = random_rows(400)

    def nearest_only(_: object, __: int, queries: FloatRows, k: int) -> Rows:
        rows = exact_neighbours(vectors, queries, k=k)[1]
        rows[:, 2:] = -1
        return rows

    monkeypatch.setattr(indexing, "_search", nearest_only)
    built = build_measured(vectors, BuildConfig(index="flat", min_recall_at_10=0.0))
    assert (built.recall_at_1, built.recall_at_10) == (1.0, 0.1)


def test_two_rows_are_each_others_neighbours() -> None:
    """The least that can be measured."""
    built = build_measured(random_rows(2), BuildConfig(index="flat"))
    assert (built.n_queries, built.recall_at_1, built.recall_at_10) == (2, 1.0, 1.0)


def test_a_bound_of_zero_lets_every_index_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """0 is a value: the caller takes what it gets, and the report says what that is."""
    monkeypatch.setattr(indexing, "efforts", lambda _: [1])
    built = build_measured(random_rows(4000), one_list(min_recall_at_1=0.0, min_recall_at_10=0.0))
    assert built.recall_at_10 < 0.96


@pytest.mark.parametrize("kind", KINDS)
def test_one_row_needs_no_measurement(kind: IndexKind) -> None:
    """It has no neighbour to be found."""
    built = build_measured(random_rows(1), BuildConfig(index=kind))
    assert (built.n_queries, built.recall_at_1, built.recall_at_10) == (0, 1.0, 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_a_vector_are_not_measured_on(kind: IndexKind) -> None:
    """A text that is too long has a zero row, to which everything is as near."""
    built = build_measured(np.zeros((40, 16), dtype=np.float32), BuildConfig(index=kind))
    assert (built.n_queries, built.recall_at_1) == (0, 1.0)


def test_a_few_rows_without_a_vector_do_not_disturb() -> None:
    """Recall is measured on the others."""
    rows = random_rows(400)
    rows[::4] = 0
    built = build_measured(rows, BuildConfig(index="hnsw"))
    assert built.n_queries == 300
    assert built.recall_at_1 >= 0.99


def test_the_sample_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million rows are not searched a million times."""
    monkeypatch.setattr(indexing, "_SAMPLE_ROWS", 25)
    assert build_measured(random_rows(400), BuildConfig(index="flat")).n_queries == 25


def test_equal_rows_are_each_others_neighbours() -> None:
    """Ties count: any of the equal rows is a right answer."""
    rows = np.repeat(np.eye(16, dtype=np.float32)[:2], 50, axis=0)
    built = build_measured(rows, BuildConfig(index="hnsw"))
    assert (built.recall_at_1, built.recall_at_10) == (1.0, 1.0)
