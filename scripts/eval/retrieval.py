"""Exact search of every query among the known phrasings: the best answer, its score, and its margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

BLOCK_ROWS = 512
NOTHING_FOUND = -np.inf
"""Score and margin of a query that may be served nothing."""
NO_RIVAL = -1.0
"""Score of the best different answer where every entry that may be served has the same answer."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an exact search found, one value a query.

    Attributes:
        entry: the nearest entry; -1 where none may be served (another namespace).
        score: its cosine similarity; -inf where there is none.
        margin: the score minus that of the best entry with a different answer.
        is_right: whether the nearest entry's answer is the wanted one.
    """

    entry: Ints
    score: Scores
    margin: Scores
    is_right: Bools


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts with vectors (n, dim) float32, groups (n,) and namespaces (n,), both as numbers."""

    texts: tuple[str, ...]
    vectors: Floats
    groups: Ints
    contexts: Ints

    def __len__(self) -> int:
        return len(self.texts)

    def at(self, indices: npt.NDArray[np.intp]) -> Labelled:
        """Return some of them."""
        texts = tuple(self.texts[i] for i in indices)
        return Labelled(texts, self.vectors[indices], self.groups[indices], self.contexts[indices])


def numbered(*columns: Sequence[str]) -> list[Ints]:
    """Return the columns with equal names as equal numbers, in order of appearance."""
    numbers: dict[str, int] = {}
    return [np.array([numbers.setdefault(name, len(numbers)) for name in column], np.int64) for column in columns]


def search(known: Labelled, queries: Labelled, *, skip: Ints | None = None) -> Found:
    """Search every query among the known phrasings of its namespace.

    Args:
        known: the entries.
        queries: what is asked.
        skip: of each query an entry that it must not find (itself), or -1.
    """
    blocks = []
    for start in range(0, len(queries), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        scores = queries.vectors[rows] @ known.vectors.T
        scores[queries.contexts[rows, None] != known.contexts[None, :]] = -np.inf
        if skip is not None:
            place = np.flatnonzero(skip[rows] >= 0)
            scores[place, skip[rows][place]] = -np.inf
        blocks.append(_found(scores, known.groups, queries.groups[rows]))
    entry, score, margin, is_right = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return Found(entry, score, margin, is_right)


def _found(scores: Floats, groups: Ints, wanted: Ints) -> tuple[Ints, Scores, Scores, Bools]:
    best = scores.argmax(axis=1)
    top = scores[np.arange(len(scores)), best]
    answers = groups[best]
    rival = np.where(groups[None, :] == answers[:, None], -np.inf, scores).max(axis=1)
    is_there = np.isfinite(top)
    score = np.where(is_there, top, NOTHING_FOUND).astype(np.float64)
    margin = np.where(is_there, score - np.maximum(rival, NO_RIVAL), NOTHING_FOUND)
    return np.where(is_there, best, -1), score, margin, is_there & (answers == wanted)
