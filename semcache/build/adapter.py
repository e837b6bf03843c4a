"""Learns a bundle's adapter: a dim x dim matrix that draws texts of one answer together, others apart.

It starts at the identity and is trained with a supervised contrastive loss (temperature 0.05) by Adam on batches of
pairs, each row shaken by noise: 400 steps, seconds on a core, and one matrix-vector product at lookup. Deterministic
for a seed.

Source: Khosla et al.: Supervised Contrastive Learning (2020), the loss with the sum outside the logarithm. Noise of
half a unit row's length keeps few rows from being learned by heart; docs/quality.md has what it earns.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from semcache.core.vectors import FloatRows, unit_rows

TEMPERATURE = 0.05
_STEPS = 400
_BATCH_ROWS = 512
_MIN_BATCH_ROWS = 8
_NOISE = 0.5  # mean length of what is added to a unit row
_RATE, _DECAY_1, _DECAY_2, _EPSILON = 1e-3, 0.9, 0.999, 1e-8

Answers = npt.NDArray[np.int64]
Trained = TypeVar("Trained")
_limiting = Lock()  # the limit is the whole process's: who leaves first would lift it for who stays


def side_by_side(trainings: Sequence[Callable[[], Trained]], *, n_workers: int = 0) -> list[Trained]:
    """Return what each training returns, each run on one core: products as small as theirs are slower on several.

    One adapter of 4,662 rows of 384 takes 7 s so; spread over two cores that other work wants too, 14.6 and 25.8 s.

    Args:
        trainings: that call `train_adapter`.
        n_workers: how many run at a time; 0 means one a core.
    """
    n_workers = min(n_workers or os.cpu_count() or 1, max(1, len(trainings)))
    with _limiting, threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(n_workers) as pool:
        return list(pool.map(lambda train: train(), trainings))


def train_adapter(vectors: FloatRows, answers: Answers, *, seed: int) -> FloatRows:
    """Return a (dim, dim) float32 matrix.

    Args:
        vectors: (n, dim) float32 unit rows, guards among them.
        answers: (n,) of each row; rows of one number are drawn together. Give each guard a number of its own.
        seed: of the order of the rows and of the noise.
    """
    adam = _Adam(vectors.shape[1])
    rng = np.random.default_rng(seed)
    batches = _batches(answers, rng)
    for _ in range(_STEPS if len(answers) >= _MIN_BATCH_ROWS else 0):
        batch = next(batches)
        adam.step(_gradient(adam.matrix, _shaken(np.asarray(vectors[batch]), rng), answers[batch]))
    return adam.matrix


def _batches(answers: Answers, rng: np.random.Generator) -> Iterator[Answers]:
    """Yield rows without end, each pass in a new order in which two rows of one answer are beside each other."""
    n_batches = max(1, -(-len(answers) // _BATCH_ROWS))
    while True:
        yield from np.array_split(_in_pairs(answers, rng), n_batches)


def _in_pairs(answers: Answers, rng: np.random.Generator) -> Answers:
    """Return all rows in an order that is drawn, those of an answer two by two: it meets its like in any batch."""
    order = np.lexsort((rng.random(len(answers)), answers))
    _, starts, counts = np.unique(answers[order], return_index=True, return_counts=True)
    place_in_answer = np.arange(len(order)) - np.repeat(starts, counts)
    pair = np.cumsum(place_in_answer % 2 == 0) - 1
    found: Answers = order[np.argsort(rng.random(pair[-1] + 1)[pair], kind="stable")]
    return found


def _shaken(rows: FloatRows, rng: np.random.Generator) -> FloatRows:
    """Return unit rows with noise in them."""
    noise = rng.standard_normal(rows.shape, np.float32) * np.float32(_NOISE / np.sqrt(rows.shape[1]))
    return unit_rows(rows + noise * rows.any(axis=1, keepdims=True))


def adapt_all(vectors: FloatRows, adapter: FloatRows | None) -> FloatRows:
    """Return (n, dim) float32 adapted unit rows, as `vectors.adapt` does but for many: equal to about 1e-7."""
    if adapter is None:
        return vectors
    return unit_rows(np.asarray(vectors) @ adapter.T)


@dataclass(slots=True)
class _Adam:
    """The matrix and its moments. Source: Kingma, Ba: Adam (2015)."""

    matrix: FloatRows
    mean: FloatRows
    square: FloatRows
    n_steps: int

    def __init__(self, dim: int) -> None:
        self.matrix = np.eye(dim, dtype=np.float32)
        self.mean, self.square, self.n_steps = np.zeros_like(self.matrix), np.zeros_like(self.matrix), 0

    def step(self, gradient: FloatRows) -> None:
        self.n_steps += 1
        self.mean = _DECAY_1 * self.mean + (1 - _DECAY_1) * gradient
        self.square = _DECAY_2 * self.square + (1 - _DECAY_2) * gradient * gradient
        mean = self.mean / (1 - _DECAY_1**self.n_steps)
        square = self.square / (1 - _DECAY_2**self.n_steps)
        self.matrix = (self.matrix - _RATE * mean / (np.sqrt(square) + _EPSILON)).astype(np.float32)


def _gradient(matrix: FloatRows, x: FloatRows, answers: Answers) -> FloatRows:
    """Return the gradient of the loss over one batch, by the matrix."""
    moved = x @ matrix.T
    norms = np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9)
    unit = moved / norms
    slope = unit @ (unit.T / np.float32(TEMPERATURE))
    np.fill_diagonal(slope, -np.inf)
    slope -= slope.max(axis=1, keepdims=True)
    np.exp(slope, out=slope)
    slope /= slope.sum(axis=1, keepdims=True)
    same = (answers[:, None] == answers[None, :]).astype(np.float32)  # float64 anywhere here would double the time
    np.fill_diagonal(same, 0.0)
    n_same = same.sum(axis=1, keepdims=True)
    has_sibling = n_same > 0
    slope -= same / np.maximum(n_same, 1.0)
    slope *= has_sibling * np.float32(1.0 / (max(int(has_sibling.sum()), 1) * TEMPERATURE))
    by_unit = (slope + slope.T) @ unit
    by_moved = (by_unit - (by_unit * unit).sum(axis=1, keepdims=True) * unit) / norms
    gradient: FloatRows = (by_moved.T @ x).astype(np.float32)
    return gradient
