"""Judges queries whose right answer is known as a lookup would, each without what it must not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from semcache.build.adapter import adapt_all
from semcache.build.fit_queries import Asked, Planned, Rows
from semcache.build.known import Ints, Judged, KnownRows, Query, Search
from semcache.config import BuildConfig
from semcache.core.vectors import FloatRows
from semcache.store.faiss_index import build_index, exact_neighbours, search_built

Embed = Callable[[Sequence[str]], FloatRows]
Pairs = Sequence[tuple[Planned, npt.NDArray[np.float32]]]
"""Planned queries with their vectors."""
AskedPair = tuple[Asked, npt.NDArray[np.float32]]
"""A query of traffic with its vector."""
AskedPairs = Sequence[AskedPair]

_EXACT_ROWS = 25_000
_EFFORT = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """A judged query that counts: whose label is known for the candidate it got.

    Attributes:
        query: what was asked.
        judged: what the decision sees of it.
        namespace: number of the one that the candidate lies in.
    """

    query: Planned | Asked
    judged: Judged
    namespace: int


def embedded(rows: Rows, planned: Sequence[Planned], embed: Embed) -> Pairs:
    """Return planned queries with their vectors, without those that have none."""
    new = [query.text for query in planned if query.is_new]
    fresh = iter(embed(new) if new else ())
    pairs = [(query, next(fresh) if query.is_new else np.asarray(rows.vectors[query.row])) for query in planned]
    return [(query, vector) for query, vector in pairs if vector.any()]


def known_rows(rows: Rows, vectors: FloatRows, config: BuildConfig) -> KnownRows:
    """Return rows as a bundle with these adapted vectors would hold them."""
    return KnownRows(
        rows.texts,
        rows.answers,
        vectors,
        rarity=rows.rarity,
        words=rows.words,
        search=search_over(vectors, seed=config.seed),
        n_neighbours=config.n_neighbours,
        firsts=rows.firsts,
    )


def judge(rows: Rows, pairs: Pairs, adapter: FloatRows | None, config: BuildConfig) -> list[Outcome]:
    """Judge planned queries against all rows, each without what it must not see."""
    if not pairs:
        return []
    known = known_rows(rows, adapt_all(rows.vectors, adapter), config)
    vectors = adapt_all(np.stack([vector for _, vector in pairs]), adapter)
    queries = [_query(planned, vector) for (planned, _), vector in zip(pairs, vectors, strict=True)]
    judged = known.judge_each(queries)
    outcomes = [_outcome(planned, found, rows) for (planned, _), found in zip(pairs, judged, strict=True) if found]
    return [outcome for outcome in outcomes if _is_told(outcome, rows)]


def judge_traffic(
    rows: Rows, known: KnownRows, pairs: AskedPairs, adapter: FloatRows | None, config: BuildConfig
) -> list[Outcome]:
    """Judge labelled queries as lookups will: no row is left out, a namespace that was named limits the search.

    Args:
        rows: what is indexed.
        known: the same, adapted.
        pairs: queries of which none is a variant, with vectors that are not zero.
        adapter: that never saw them.
        config: of the build.
    """
    if not pairs:
        return []
    vectors = adapt_all(np.stack([vector for _, vector in pairs]), adapter)
    asked, outcomes = [query for query, _ in pairs], list[Outcome]()
    for namespace in dict.fromkeys(query.namespace for query in asked):
        own = [i for i, query in enumerate(asked) if query.namespace == namespace]
        search = None if namespace is None else _search_within(known.vectors, rows.namespaces == namespace, config.seed)
        queries = [Query(asked[i].text, vectors[i], asked[i].answers) for i in own]
        judged = known.judge_each(queries, search=search)
        outcomes += [_outcome(asked[i], found, rows) for i, found in zip(own, judged, strict=True) if found]
    return outcomes


def judge_twins(rows: Rows, known: KnownRows, pairs: Pairs, adapter: FloatRows | None) -> list[Outcome]:
    """Judge near twins as traffic is judged, no row left out; those that get another answer than their text's are gone.

    Queries of traffic see every row, so a twin must: else trees would know it by the row that its answer lacks.
    """
    if not pairs:
        return []
    vectors = adapt_all(np.stack([vector for _, vector in pairs]), adapter)
    judged = known.judge_each([Query(twin.text, vector) for (twin, _), vector in zip(pairs, vectors, strict=True)])
    outcomes = [_outcome(twin, found, rows) for (twin, _), found in zip(pairs, judged, strict=True) if found]
    return [outcome for outcome in outcomes if _is_told(outcome, rows)]


def _outcome(query: Planned | Asked, judged: Judged, rows: Rows) -> Outcome:
    return Outcome(query, judged, int(rows.namespaces[judged.row]))


def search_over(vectors: FloatRows, *, seed: int) -> Search:
    """Return an exact search over (n, dim) float32 unit rows; by inverted lists where they are very many."""
    if len(vectors) <= _EXACT_ROWS:
        contiguous = np.ascontiguousarray(vectors)
        return lambda queries, k: exact_neighbours(contiguous, queries, k=k)
    index = build_index(vectors, kind="ivf", seed=seed)

    def search(queries: FloatRows, k: int) -> tuple[FloatRows, Ints]:
        rows = search_built(index, queries, k=k, effort=_EFFORT)
        scores = np.einsum("qkd,qd->qk", vectors[np.maximum(rows, 0)], queries)
        scores[rows < 0] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)

    return search


def _search_within(vectors: FloatRows, mask: npt.NDArray[np.bool_], seed: int) -> Search:
    members = np.flatnonzero(mask)
    search_members = search_over(vectors[members], seed=seed)

    def search(queries: FloatRows, k: int) -> tuple[FloatRows, Ints]:
        scores, places = search_members(queries, min(k, len(members)))
        return scores, np.where(places < 0, -1, members[places])

    return search


def _query(planned: Planned, vector: npt.NDArray[np.float32]) -> Query:
    text, row, answer = planned.text, planned.row, planned.answer
    if planned.kind in ("written", "reworded"):
        return Query(text, vector, frozenset({answer}), without_row=row, is_thinned=True)
    if planned.kind == "outside":
        return Query(
            text, vector, without_row=row, without_answer=answer, without_guard=~planned.entry, is_thinned=True
        )
    if planned.kind == "reject":
        return Query(text, vector, without_row=row, is_thinned=True)
    return Query(text, vector, is_thinned=True)


def _is_told(outcome: Outcome, rows: Rows) -> bool:
    """Say whether the label is known: a near miss of one entry may be the very question of another one."""
    query, candidate = outcome.query, outcome.judged.candidate
    if query.kind == "reject":
        owned = rows.answers[np.flatnonzero(rows.entries == query.entry)]
        return candidate.answer < 0 or candidate.answer in owned
    return query.kind != "twin" or candidate.answer < 0 or candidate.answer == query.answer
