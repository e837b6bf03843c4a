"""The rows of a bundle as its decision sees them, before the bundle is written: for fitting and certifying.

A query made from a row must not meet that row, nor the same text in another namespace, nor traces of them: what is
left out here is left out of the neighbours and of every fact about the rows that remain (their hardness, their
cohesion).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from semcache.core.features import (
    ANSWER_FACTS,
    FACT_STEPS,
    N_SLOTS,
    N_WORDS,
    NO_WORD,
    ROW_FACTS,
    Candidate,
    as_steps,
    facts_of_answers,
    lexical,
    pool,
    rarities,
)
from semcache.core.lexical import Lexical, TokenRarity, analyse, token_slot
from semcache.core.vectors import FloatRows

Ints = npt.NDArray[np.int64]
Search = Callable[[FloatRows, int], tuple[FloatRows, Ints]]
"""Queries and k to (nq, k) scores and rows, best first, row -1 where there are no more."""

_NEAR = 48
_BLOCK = 512
_FAR = 512
_COPIES = 4  # of a text; where it stands in more namespaces, hardness without it is a bound


@dataclass(frozen=True, slots=True)
class Query:
    """A text with its outcome: the answer that is right, and what of the corpus must not be seen.

    Attributes:
        text, vector: the text, and its (dim,) adapted unit vector.
        answers: the right ones; empty where any answer is wrong.
        without_row: a row left out, with every other row of its exact key; -1 for none.
        without_answer, without_guard: all rows of this answer, and of these guards, are left out; None for none.
        is_thinned: leave one row of the candidate's answer out where `without_row` is none of it. A query made of a
            row is right where its answer lacks a row: else a verifier would learn to count rows.
        without_other: the row that this leaves out.
    """

    text: str
    vector: npt.NDArray[np.float32]
    answers: frozenset[int] = frozenset()
    without_row: int = -1
    without_answer: int | None = None
    without_guard: int | None = None
    is_thinned: bool = False
    without_other: int = -1


@dataclass(frozen=True, slots=True)
class Judged:
    """What the decision sees of a query.

    Attributes:
        candidate: the answer it would serve.
        row: of the candidate that is nearest; its entry is the one to be served.
        features: (n_features,) float64.
        is_right: whether serving it would be right.
        is_guarded: whether a guard keeps it from being served, whatever the confidence.
    """

    candidate: Candidate
    row: int
    features: npt.NDArray[np.float64]
    is_right: bool
    is_guarded: bool


class KnownRows:
    """Rows with their texts, answers, adapted vectors and facts. Facts are computed where they are first needed."""

    def __init__(
        self,
        texts: Sequence[str],
        answers: Ints,
        vectors: FloatRows,
        *,
        rarity: npt.NDArray[np.float32],
        words: npt.NDArray[np.uint16],
        search: Search,
        n_neighbours: int,
        firsts: Ints | None = None,
    ) -> None:
        """Take the rows.

        Args:
            texts: of each row; may be a lazy sequence.
            answers: (n,) of each row; a guard is the complement of its entry, negative.
            vectors: (n, dim) float32 adapted unit rows.
            rarity: (N_SLOTS,) of terms.
            words: (n, N_WORDS) slots of each row.
            search: over the same vectors.
            n_neighbours: how many rows a lookup sees.
            firsts: (n,) the first row with the exact key of each one; None where no two rows have the same.
        """
        self._firsts = np.arange(len(answers)) if firsts is None else firsts
        self._texts, self.answers, self.vectors, self._words = texts, answers, vectors, words
        self._rarity = TokenRarity(rarity)
        self._search, self._n_neighbours = search, n_neighbours
        n = len(answers)
        self._own, self._own_row = np.zeros((n, 2), np.float32), np.full((n, 2), -1, np.int64)
        self._n_with = np.bincount(self._firsts)
        self._n_copies = int(self._n_with.max(initial=1))
        # A text may be left out wherever it stands, and all rows of one answer and one entry's guards: so two texts do,
        # and a text of three answers; where a text stands under several, two texts of as many answers more.
        self._rival_answers, self._rival_texts = 2 + min(self._n_copies, _COPIES), min(self._n_copies, 2)
        n_rivals = max(4, self._rival_answers * self._rival_texts)
        self._other, self._other_row = np.zeros((n, n_rivals), np.float32), np.full((n, n_rivals), -1, np.int64)
        self._is_known = np.zeros(n, np.bool_)
        self._rows_of = _rows_of(answers)
        self._readings: dict[int, Lexical] = {}

    def facts(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the facts of all rows and of all answers, as a bundle holds them."""
        self._learn(np.arange(len(self.answers)))
        rows = np.zeros(len(self.answers), ROW_FACTS)
        rows["hardness"], rows["closest"] = as_steps(self._other[:, 0]), as_steps(self._own[:, 0])
        answers = facts_of_answers(rows, self.answers, n_answers=int(self.answers.max(initial=-1)) + 1)
        return rows, answers

    def judge(self, queries: Sequence[Query]) -> Iterator[Judged]:
        """Yield what the decision sees of each query; nothing for one that finds no row at all."""
        return (judged for judged in self.judge_each(queries) if judged is not None)

    def judge_each(self, queries: Sequence[Query], *, search: Search | None = None) -> Iterator[Judged | None]:
        """Yield what the decision sees of each query; None for one that finds no row at all.

        Args:
            queries: in any order.
            search: finds their neighbours, as within one namespace; None for the search over all rows.
        """
        find = search or self._search
        for block in self._blocks(queries):
            reach = self._n_neighbours + max(self._n_left_out(query) for query in block)
            found = find(np.stack([query.vector for query in block]), min(reach, len(self.answers)))
            near = [self._kept(query, scores, rows) for query, scores, rows in zip(block, *found, strict=True)]
            asked = [self._thinned(query, *pair) for query, pair in zip(block, near, strict=True)]
            near = [self._kept(query, *pair) for query, pair in zip(asked, near, strict=True)]
            self._learn(self._needed(near))
            yield from (
                self._judged(query, *pair) if len(pair[1]) else None for query, pair in zip(asked, near, strict=True)
            )

    def _thinned(self, query: Query, scores: npt.NDArray[np.float32], rows: Ints) -> Query:
        """Return a query that leaves out a row of its candidate, the best one never."""
        if not query.is_thinned or not len(rows):
            return query
        candidate = self._pool(scores, rows, _NO_ROW_FACTS, _NO_ANSWER_FACTS)
        members = self._rows_of[candidate.answer]
        others = members[members != rows[candidate.position]]
        if candidate.answer < 0 or not len(others) or self._are_out(members, query).any():
            return query
        return replace(query, without_other=int(others[crc32(query.text.encode()) % len(others)]))

    def _blocks(self, queries: Sequence[Query]) -> Iterator[list[Query]]:
        """Yield queries that are searched together; one that leaves many rows out has to reach far, by itself."""
        block = list[Query]()
        for query in queries:
            is_far = self._n_left_out(query) > _FAR
            if block and (is_far or len(block) == _BLOCK):
                yield block
                block = []
            if is_far:
                yield [query]
            else:
                block.append(query)
        if block:
            yield block

    def _n_left_out(self, query: Query) -> int:
        left_out = (query.without_answer, query.without_guard)
        n_of_answers = sum(len(self._rows_of.get(answer, ())) for answer in left_out if answer is not None)
        return n_of_answers + (int(self._n_with[self._firsts[query.without_row]]) if query.without_row >= 0 else 1)

    def _are_out(self, rows: Ints, query: Query) -> npt.NDArray[np.bool_]:
        """Say of rows (0 or more each) whether a query leaves them out one by one; those of a whole answer aside."""
        is_out: npt.NDArray[np.bool_] = rows == query.without_other
        if query.without_row >= 0:
            is_out = is_out | (self._firsts[rows] == self._firsts[query.without_row])
        return is_out

    def _kept(self, query: Query, scores: npt.NDArray[np.float32], rows: Ints) -> tuple[npt.NDArray[np.float32], Ints]:
        keep = (rows >= 0) & ~self._are_out(rows, query)
        for answer in (query.without_answer, query.without_guard):
            if answer is not None:
                keep &= self.answers[rows] != answer
        return scores[keep][: self._n_neighbours], rows[keep][: self._n_neighbours]

    def _needed(self, near: Sequence[tuple[npt.NDArray[np.float32], Ints]]) -> Ints:
        """Return the rows whose facts the candidates of these neighbourhoods rest on."""
        rows, answers = [np.zeros(0, np.int64)], set[int]()
        for scores, found in near:
            if len(found):
                candidate = self._pool(scores, found, _NO_ROW_FACTS, _NO_ANSWER_FACTS)
                rows.append(found[candidate.position, None])
                answers.add(candidate.answer)
        return np.unique(np.concatenate([*rows, *(self._rows_of[answer] for answer in answers)]))

    def _pool(self, scores: npt.NDArray[np.float32], rows: Ints, row_facts: Any, answer_facts: Any) -> Candidate:
        answers = self.answers[rows].tolist()
        return pool(scores, answers, rows.tolist(), row_facts=row_facts, answer_facts=answer_facts)

    def _judged(self, query: Query, scores: npt.NDArray[np.float32], rows: Ints) -> Judged:
        row_facts = _Lazy(lambda row: self._facts_without(np.array([row]), query)[0])
        answer_facts = _Lazy(lambda answer: np.array(self._answer_without(answer, query), ANSWER_FACTS))
        candidate = self._pool(scores, rows, row_facts, answer_facts)
        row = int(rows[candidate.position])
        words = self._words[rows[candidate.siblings]]
        features = [*candidate.features, *lexical(analyse(query.text), self._reading(row), words, self._rarity)]
        is_guarded = candidate.answer < 0 or self.answers[rows[0]] < 0
        is_right = candidate.answer in query.answers and not is_guarded
        return Judged(candidate, row, np.array(features), is_right=is_right, is_guarded=is_guarded)

    def _reading(self, row: int) -> Lexical:
        if row not in self._readings:
            self._readings[row] = analyse(self._texts[row])
        return self._readings[row]

    def _answer_without(self, answer: int, query: Query) -> tuple[int, float, float]:
        rows = self._rows_of[answer]
        return _answer_facts(self._facts_without(rows[~self._are_out(rows, query)], query))

    def _facts_without(self, rows: Ints, query: Query) -> npt.NDArray[Any]:
        """Return hardness and closest of rows as if what the query leaves out had never been indexed."""
        facts = np.zeros(len(rows), ROW_FACTS)
        rivals = self._other_row[rows]
        left_out = [answer for answer in (query.without_answer, query.without_guard) if answer is not None]
        is_kept = (rivals < 0) | ~(self._are_out(rivals, query) | np.isin(self.answers[rivals], left_out))
        is_kept[:, -1] = True  # where all of them are left out, none is nearer than the last
        hardness = np.take_along_axis(self._other[rows], is_kept.argmax(axis=1)[:, None], axis=1)[:, 0]
        nearest = self._own_row[rows, 0]
        is_nearest_out = (nearest >= 0) & self._are_out(nearest, query)
        closest = np.where(is_nearest_out, self._own[rows, 1], self._own[rows, 0])
        facts["hardness"], facts["closest"] = as_steps(hardness), as_steps(closest)
        return facts

    def _learn(self, rows: Ints) -> None:
        """Find each row's best rows of its own answer and of others, those that stand in for what is left out."""
        rows = rows[~self._is_known[rows]]
        k = min(_NEAR, len(self.answers))
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            scores, found = self._search(np.ascontiguousarray(self.vectors[block]), k)
            for row, found_scores, found_rows in zip(block.tolist(), scores, found, strict=True):
                self._put(row, found_scores, found_rows)
        self._is_known[rows] = True

    def _put(self, row: int, scores: npt.NDArray[np.float32], rows: Ints) -> None:
        keep = (rows >= 0) & (rows != row)
        scores, rows = scores[keep], rows[keep]
        is_own = self.answers[rows] == self.answers[row]
        own, others = self._first_texts(rows, np.flatnonzero(is_own), 2), np.flatnonzero(~is_own)
        self._own[row, : len(own)], self._own_row[row, : len(own)] = scores[own], rows[own]
        if not len(scores):
            return
        self._other[row] = scores[-1]  # no other answer is nearer than the last row found
        rivals = self._rivals(rows, others)
        self._other[row, : len(rivals)], self._other_row[row, : len(rivals)] = scores[rivals], rows[rivals]

    def _rivals(self, rows: Ints, others: Ints) -> Ints:
        """Return those of places, rising, of which one is the best row of another answer whatever is left out."""
        answers = self.answers[rows[others]]
        _, first_rows = np.unique(answers, return_index=True)
        nearest = answers[np.sort(first_rows)[: self._rival_answers]].tolist()
        texts = (self._first_texts(rows, others[answers == answer], self._rival_texts) for answer in nearest)
        places = np.unique(np.concatenate([self._first_texts(rows, others, 2), *texts]))
        return places[: self._other.shape[1]]

    def _first_texts(self, rows: Ints, places: Ints, n: int) -> Ints:
        """Return the first n of places, rising, whose rows are different texts."""
        if self._n_copies == 1:
            return places[:n]
        _, firsts = np.unique(self._firsts[rows[places]], return_index=True)
        return places[np.sort(firsts)[:n]]


class _Lazy:
    """Facts computed as they are read, the way `pool` reads an array of them."""

    def __init__(self, fact: Callable[[int], Any]) -> None:
        self._fact = fact

    def item(self, place: int) -> Any:
        return self._fact(place).item()


_NO_ROW_FACTS = _Lazy(lambda _: np.zeros((), ROW_FACTS))
_NO_ANSWER_FACTS = _Lazy(lambda _: np.ones((), ANSWER_FACTS))


def _answer_facts(rows: npt.NDArray[Any]) -> tuple[int, float, float]:
    """Return n_rows, cohesion and hardness of an answer with these rows."""
    cohesion = float(rows["closest"].mean()) / FACT_STEPS if len(rows) > 1 else 0.0
    return len(rows), cohesion, int(rows["hardness"].max(initial=0)) / FACT_STEPS


def _rows_of(answers: Ints) -> dict[int, Ints]:
    order = np.argsort(answers, kind="stable")
    numbers, starts = np.unique(answers[order], return_index=True)
    return dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=True))


class Words:
    """Collects the terms of rows as they are written: how rare each is, and which are each row's longest."""

    def __init__(self) -> None:
        self._slots, self._n_with, self._n_texts = array("H"), np.zeros(N_SLOTS, np.int64), 0

    def add(self, text: str) -> None:
        """Take the text of the next row."""
        terms = analyse(text).places
        self._n_with[list({token_slot(term, N_SLOTS) for term in terms})] += 1
        self._n_texts += 1
        self._slots.extend(row_slots(terms))

    def finish(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint16]]:
        """Return the (N_SLOTS,) rarities and the (n, N_WORDS) slots of each row's longest terms."""
        words = np.array(self._slots, "<u2").reshape(self._n_texts, N_WORDS)
        return rarities(self._n_with, self._n_texts), words


def row_slots(terms: Iterable[str]) -> list[int]:
    """Return the N_WORDS slots of a row: of its longest terms (of equal ones the lower slot), rising, then NO_WORD."""
    length_of: dict[int, int] = {}
    for term in terms:
        slot = token_slot(term, N_SLOTS)
        length_of[slot] = max(len(term), length_of.get(slot, 0))
    slots = sorted(sorted(length_of, key=lambda slot: (-length_of[slot], slot))[:N_WORDS])
    return slots + [NO_WORD] * (N_WORDS - len(slots))
