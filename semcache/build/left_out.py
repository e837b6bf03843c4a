"""Asks a corpus its own texts, each as if it, or all of its entry, had never been written: the generic verifier judges.

No adapter and no trees of the corpus: what is found is a property of the texts, and the same whatever a build learns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from semcache.build.generic import generic_levels, generic_trees
from semcache.build.known import Ints, Judged, KnownRows, Query, Words
from semcache.build.written import WrittenRows
from semcache.config import BuildConfig
from semcache.core.vectors import FloatRows
from semcache.core.verifier import Verifier


@dataclass(frozen=True, slots=True)
class Answered:
    """What a text would get.

    Attributes:
        row: the text's.
        answer: the candidate's; negative for a guard.
        found_row: the candidate's nearest row.
        score: to that row, -1 to 1.
        confidence: that serving it is right, 0 to 1; 0 where a guard keeps it from being served.
    """

    row: int
    answer: int
    found_row: int
    score: float
    confidence: float

    @property
    def is_guarded(self) -> bool:
        """Whether a guard keeps anything from being served."""
        return self.confidence == 0.0


class LeftOut:
    """The rows of one namespace, to be asked."""

    def __init__(self, rows: WrittenRows) -> None:
        words = Words()
        for text in rows.texts:
            words.add(text.text)
        rarity, slots = words.finish()
        self._rows = rows
        self._known = KnownRows(
            [text.text for text in rows.texts],
            rows.answers,
            rows.vectors,
            rarity=rarity,
            words=slots,
            search=rows.search,
            n_neighbours=BuildConfig().n_neighbours,
        )
        self._verifier = Verifier(generic_trees())
        self._rows_of = {int(answer): np.flatnonzero(rows.answers == answer) for answer in np.unique(rows.answers)}

    def without_text(self) -> list[Answered]:
        """Ask every text that has an answer, without itself."""
        return self._ask([self._query(row) for row in self._rows.asked()])

    def without_answer(self) -> list[Answered]:
        """Ask every text that has an answer, without any text of that answer and without the guards of its entry."""
        queries = [self._query(row) for row in self._rows.asked()]
        return self._ask(
            [
                replace(
                    query,
                    answers=frozenset(),
                    without_answer=int(self._rows.answers[query.without_row]),
                    without_guard=~int(self._rows.entries[query.without_row]),
                )
                for query in queries
            ]
        )

    def nearest_of(self, answer: int, row: int, *, n: int) -> tuple[Ints, FloatRows]:
        """Return the rows of an answer that are nearest to a row, itself aside, with their scores: n at most."""
        return self._rows.nearest(row, self._rows_of[answer], n=n)

    def siblings(self, row: int, *, n: int = 1) -> tuple[Ints, FloatRows]:
        """Return the nearest other rows of a row's own answer, with their scores: n at most."""
        return self.nearest_of(int(self._rows.answers[row]), row, n=n)

    def _query(self, row: int) -> Query:
        rows = self._rows
        return Query(rows.texts[row].text, rows.vectors[row], frozenset({int(rows.answers[row])}), without_row=row)

    def _ask(self, queries: Sequence[Query]) -> list[Answered]:
        judged = self._known.judge_each(queries)
        return [self._answered(query, found) for query, found in zip(queries, judged, strict=True) if found]

    def _answered(self, query: Query, judged: Judged) -> Answered:
        answer = judged.candidate.answer
        (found_row,), (score,) = self.nearest_of(answer, query.without_row, n=1)
        confidence = 0.0 if judged.is_guarded else self._verifier.confidence(judged.features)
        return Answered(query.without_row, answer, int(found_row), float(score), confidence)


def certified_levels() -> Iterator[tuple[float, float]]:
    """Yield error and threshold of each generic level that is certified, strictest first."""
    return ((level.max_error, level.threshold) for level in generic_levels() if level.threshold is not None)


def level_of(confidence: float) -> float | None:
    """Return the error of the strictest generic level at which a confidence is served; None for none."""
    return next((max_error for max_error, threshold in certified_levels() if confidence >= threshold), None)
