"""Chooses a kind of index, builds it, and measures its recall against exact search."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from semcache.config import BuildConfig
from semcache.core.vectors import FloatRows, recall_at_k
from semcache.errors import RecallError
from semcache.store.faiss_index import IndexKind, Rows, build_index, efforts, exact_neighbours, search_built

FLAT_MAX_ROWS = 10_000
_SAMPLE_ROWS = 1_000
_K = 10
_SCORE_TOLERANCE = 1e-3  # what float16 codes may move a score by
_AIM_AT_1, _AIM_AT_10 = 0.995, 0.985  # questions that are not rows recall 0.003 less


@dataclass(frozen=True, slots=True)
class BuiltIndex:
    """An index with what was measured on it.

    Attributes:
        index: for `write_index`.
        kind, effort: as in `IndexInfo`.
        recall_at_1, recall_at_10: 0 to 1.
        n_queries: rows they were measured on, each without itself.
    """

    index: Any
    kind: IndexKind
    effort: int
    recall_at_1: float
    recall_at_10: float
    n_queries: int


def build_measured(vectors: FloatRows, config: BuildConfig, *, trained: bytes = b"") -> BuiltIndex:
    """Build the index a config asks for over (n, dim) float32 unit rows, with the least effort that recalls enough.

    Args:
        vectors: the rows.
        config: of the build.
        trained: what an index of this kind was trained to be for an earlier version; empty to train one.

    Raises:
        RecallError: even the most effort finds too few of the exact neighbours.
    """
    kind: IndexKind = choose_kind(len(vectors)) if config.index == "auto" else config.index
    index = build_index(vectors, kind=kind, seed=config.seed, trained=trained if kind == "ivf" else b"")
    sample = _sample(vectors, seed=config.seed)
    if len(vectors) < 2 or not len(sample):
        return BuiltIndex(index, kind, efforts(index)[-1], 1.0, 1.0, 0)
    k = min(_K, len(vectors) - 1)
    exact_scores = _exact(vectors, sample, k)
    n_asked = max(config.n_neighbours, k + 1)

    def recalls(effort: int) -> tuple[float, float]:
        found = _found(partial(_search, index, effort), vectors, sample, k, n_asked=n_asked)
        at_1 = recall_at_k(found, exact_scores, k=1, tolerance=_SCORE_TOLERANCE)
        return at_1, recall_at_k(found, exact_scores, k=k, tolerance=_SCORE_TOLERANCE)

    aims = max(_AIM_AT_1, config.min_recall_at_1), max(_AIM_AT_10, config.min_recall_at_10)
    effort, (at_1, at_10) = _least_effort(efforts(index), recalls, aims)
    if at_1 < config.min_recall_at_1 or at_10 < config.min_recall_at_10:
        raise RecallError(at_1=at_1, at_10=at_10, min_at_1=config.min_recall_at_1, min_at_10=config.min_recall_at_10)
    return BuiltIndex(index, kind, effort, round(at_1, 6), round(at_10, 6), len(sample))


def _least_effort(
    ladder: list[int], recalls: Callable[[int], tuple[float, float]], aims: tuple[float, float]
) -> tuple[int, tuple[float, float]]:
    """Return the least effort that reaches both aims (else the most there is) and what it recalls.

    Recall rises with effort, so the ladder is halved and not climbed.
    """
    measured: dict[int, tuple[float, float]] = {}

    def is_enough(effort: int) -> bool:
        measured[effort] = recalls(effort)
        return all(found >= aim for found, aim in zip(measured[effort], aims, strict=True))

    effort = ladder[min(bisect_left(ladder, True, key=is_enough), len(ladder) - 1)]
    return effort, measured[effort]


def choose_kind(n_rows: int) -> IndexKind:
    """Return the kind for a size: exact where a scan is as fast, inverted lists above."""
    return "flat" if n_rows <= FLAT_MAX_ROWS else "ivf"


def _sample(vectors: FloatRows, *, seed: int) -> Rows:
    """Return rows to measure on: a seeded sample of those that have a vector."""
    order = np.random.default_rng(seed).permutation(len(vectors))[: 2 * _SAMPLE_ROWS]
    rows: Rows = np.sort(order[vectors[order].any(axis=1)][:_SAMPLE_ROWS])
    return rows


def _exact(vectors: FloatRows, sample: Rows, k: int) -> FloatRows:
    return _found(lambda queries, n: exact_neighbours(vectors, queries, k=n)[1], vectors, sample, k, n_asked=k + 1)


def _search(index: Any, effort: int, queries: FloatRows, k: int) -> Rows:
    return search_built(index, queries, k=k, effort=effort)


def _found(
    search: Callable[[FloatRows, int], Rows], vectors: FloatRows, sample: Rows, k: int, *, n_asked: int
) -> FloatRows:
    """Return (nq, k) true scores of the best rows that a search finds for each sampled row, itself left out."""
    queries = np.ascontiguousarray(vectors[sample])
    rows = search(queries, n_asked)[:, : k + 1]
    scores = np.einsum("qkd,qd->qk", vectors[np.maximum(rows, 0)], queries)
    scores[(rows < 0) | (rows == sample[:, None])] = -np.inf
    ordered: FloatRows = -np.sort(-scores, axis=1)[:, :k]
    return ordered
