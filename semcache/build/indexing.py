"""Chooses a kind of index, builds it, and measures its recall against exact search."""

from __future__ import annotations

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
_AIM_AT_1, _AIM_AT_10 = 0.992, 0.984


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


def build_measured(vectors: FloatRows, config: BuildConfig) -> BuiltIndex:
    """Build the index a config asks for over (n, dim) float32 unit rows, with the least effort that recalls enough.

    Raises:
        RecallError: even the most effort finds too few of the exact neighbours.
    """
    kind: IndexKind = choose_kind(len(vectors)) if config.index == "auto" else config.index
    index = build_index(vectors, kind=kind, seed=config.seed)
    sample = _sample(vectors, seed=config.seed)
    if len(vectors) < 2 or not len(sample):
        return BuiltIndex(index, kind, efforts(index)[-1], 1.0, 1.0, 0)
    k = min(_K, len(vectors) - 1)
    exact_scores = _exact(vectors, sample, k)
    effort, at_1, at_10 = 0, 0.0, 0.0
    for effort in efforts(index):
        found = _found(partial(_search, index, effort), vectors, sample, k)
        at_1 = recall_at_k(found, exact_scores, k=1, tolerance=_SCORE_TOLERANCE)
        at_10 = recall_at_k(found, exact_scores, k=k, tolerance=_SCORE_TOLERANCE)
        if at_1 >= max(_AIM_AT_1, config.min_recall_at_1) and at_10 >= max(_AIM_AT_10, config.min_recall_at_10):
            break
    if at_1 < config.min_recall_at_1 or at_10 < config.min_recall_at_10:
        raise RecallError(at_1=at_1, at_10=at_10, min_at_1=config.min_recall_at_1, min_at_10=config.min_recall_at_10)
    return BuiltIndex(index, kind, effort, round(at_1, 6), round(at_10, 6), len(sample))


def choose_kind(n_rows: int) -> IndexKind:
    """Return the kind for a size: exact where a scan is as fast, inverted lists above."""
    return "flat" if n_rows <= FLAT_MAX_ROWS else "ivf"


def _sample(vectors: FloatRows, *, seed: int) -> Rows:
    """Return rows to measure on: a seeded sample of those that have a vector."""
    order = np.random.default_rng(seed).permutation(len(vectors))[: 2 * _SAMPLE_ROWS]
    rows: Rows = np.sort(order[vectors[order].any(axis=1)][:_SAMPLE_ROWS])
    return rows


def _exact(vectors: FloatRows, sample: Rows, k: int) -> FloatRows:
    return _found(lambda queries, n: exact_neighbours(vectors, queries, k=n)[1], vectors, sample, k)


def _search(index: Any, effort: int, queries: FloatRows, k: int) -> Rows:
    return search_built(index, queries, k=k, effort=effort)


def _found(search: Callable[[FloatRows, int], Rows], vectors: FloatRows, sample: Rows, k: int) -> FloatRows:
    """Return (nq, k) true scores of the rows that a search finds for each sampled row, itself left out."""
    queries = np.ascontiguousarray(vectors[sample])
    rows = search(queries, k + 1)
    scores = np.einsum("qkd,qd->qk", vectors[np.maximum(rows, 0)], queries)
    scores[(rows < 0) | (rows == sample[:, None])] = -np.inf
    ordered: FloatRows = -np.sort(-scores, axis=1)[:, :k]
    return ordered
