"""Trains adapters: one to ship, and one for each part of what it learns from, to judge that part without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from semcache.build.adapter import adapt_all, side_by_side, train_adapter
from semcache.build.fit_queries import Asked, Rows
from semcache.build.judging import AskedPairs, Outcome, Pairs, judge, judge_traffic, known_rows
from semcache.build.known import Ints
from semcache.config import BuildConfig
from semcache.core.draws import draw
from semcache.core.text import normalise
from semcache.core.vectors import FloatRows

_FOLDS = 3
_TAUGHT_FOLDS = 4
_MIN_ADAPTED = 60  # answers with two texts
_MAX_ADAPTER_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class Taught:
    """Queries of traffic that an adapter learns from beside the rows.

    Attributes:
        queries: each with one right answer.
        vectors: (n, dim) float32 unit rows of the encoder.
        answers: (n,) the right ones.
    """

    queries: Sequence[Asked]
    vectors: FloatRows
    answers: Ints

    @classmethod
    def by(cls, pairs: AskedPairs, *, dim: int) -> Taught:
        """Take those of which it is known where they belong: to one answer."""
        told = [(query, vector) for query, vector in pairs if len(query.answers) == 1]
        vectors = np.array([vector for _, vector in told], np.float32).reshape(-1, dim)
        answers = np.array([next(iter(query.answers)) for query, _ in told], np.int64)
        return cls([query for query, _ in told], vectors, answers)

    def where(self, mask: npt.NDArray[np.bool_]) -> Taught:
        """Return those of which it says true."""
        return Taught([self.queries[i] for i in np.flatnonzero(mask).tolist()], self.vectors[mask], self.answers[mask])


@dataclass(frozen=True, slots=True)
class Fold:
    """An adapter with the rows that it was trained without, and which queries it may judge.

    Attributes:
        adapter: (dim, dim) float32.
        is_unseen: (n,) of the rows.
        for_outside: whether answers are left out whole, as they must be for queries whose answer is left out.
    """

    adapter: FloatRows
    is_unseen: npt.NDArray[np.bool_]
    for_outside: bool


def can_adapt(rows: Rows, taught: Taught, config: BuildConfig) -> bool:
    """Say whether enough answers have two texts to learn from, and an adapter is wanted."""
    answers = np.concatenate([rows.answers[rows.answers >= 0], taught.answers])
    return config.adapter and int((np.unique(answers, return_counts=True)[1] > 1).sum()) >= _MIN_ADAPTED


def fold_adapters(rows: Rows, taught: Taught, config: BuildConfig) -> list[Fold]:
    """Train adapters without a part of the rows, and without a part of the answers."""
    answer_of = dict(zip(rows.entries.tolist(), rows.answers.tolist(), strict=True))
    owners = [answer_of.get(~entry, entry) if entry < 0 else answer_of[entry] for entry in rows.entries.tolist()]
    of_taught = _numbers(taught.answers.tolist(), for_outside=True, seed=config.seed)
    parts = list[tuple[npt.NDArray[np.bool_], bool, Taught]]()
    for for_outside, keys in ((False, rows.firsts.tolist()), (True, owners)):
        numbers = _numbers(keys, for_outside=for_outside, seed=config.seed)
        for fold in range(_FOLDS):
            parts.append((numbers == fold, for_outside, taught.where(of_taught != fold) if for_outside else taught))
    trainings = [partial(train, rows, _may_see(rows, is_unseen), seen, config) for is_unseen, _, seen in parts]
    adapters = side_by_side(trainings, n_workers=config.n_workers)
    return [Fold(adapter, *part[:2]) for adapter, part in zip(adapters, parts, strict=True)]


def _may_see(rows: Rows, is_unseen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return (n,) whether a row teaches: none whose text is an unseen one in another namespace."""
    return ~np.isin(rows.firsts, rows.firsts[is_unseen])


def _numbers(keys: Sequence[int], *, for_outside: bool, seed: int) -> Ints:
    return np.array([int(draw(seed, f"fold {for_outside}", key) * _FOLDS) for key in keys], np.int64)


def judge_by_folds(rows: Rows, pairs: Pairs, folds: Sequence[Fold], config: BuildConfig) -> list[Outcome]:
    """Judge each query by an adapter that was trained without the row it was made of, or without all of its answer."""
    outcomes = list[Outcome]()
    for fold in folds:
        own = [
            (planned, vector)
            for planned, vector in pairs
            if (planned.kind == "outside") == fold.for_outside and fold.is_unseen[planned.row]
        ]
        outcomes += judge(rows, own, fold.adapter, config)
    return outcomes


def judge_learning(rows: Rows, pairs: AskedPairs, taught: Taught, config: BuildConfig) -> list[Outcome]:
    """Judge queries that an adapter learns from as it will judge others: each by one that only others taught."""
    if not pairs:
        return []
    everything = np.ones(len(rows.answers), np.bool_)
    of_taught = _taught_folds(taught.queries, config.seed)
    of_pairs = _taught_folds([query for query, _ in pairs], config.seed)
    seen = [taught.where(of_taught != fold) for fold in range(_TAUGHT_FOLDS)]
    trainings = [partial(train, rows, everything, part, config) for part in seen]
    outcomes = list[Outcome]()
    for fold, adapter in enumerate(side_by_side(trainings, n_workers=config.n_workers)):
        known = known_rows(rows, adapt_all(rows.vectors, adapter), config)
        own = [pairs[i] for i in np.flatnonzero(of_pairs == fold).tolist()]
        outcomes += judge_traffic(rows, known, own, adapter, config)
    return outcomes


def _taught_folds(queries: Sequence[Asked], seed: int) -> Ints:
    return np.array([int(draw(seed, "taught", normalise(query.text)) * _TAUGHT_FOLDS) for query in queries], np.int64)


def train(rows: Rows, may_see: npt.NDArray[np.bool_], taught: Taught, config: BuildConfig) -> FloatRows:
    """Train an adapter on what was asked, and on the rows allowed: siblings first, then others, which only push apart.

    Of each sort at most so many: of 16,384 rows in all half may have been asked.
    """
    asked = np.sort(np.random.default_rng(config.seed).permutation(len(taught.answers))[: _MAX_ADAPTER_ROWS // 2])
    usable = np.flatnonzero(may_see & rows.vectors.any(axis=1))
    answers, n_with = np.unique(np.concatenate([rows.answers[usable], taught.answers[asked]]), return_counts=True)
    is_alone = (n_with == 1)[np.searchsorted(answers, rows.answers[usable])]
    order = np.lexsort((np.random.default_rng(config.seed).permutation(len(usable)), is_alone))
    chosen = np.sort(usable[order[: _MAX_ADAPTER_ROWS - len(asked)]])
    vectors = np.concatenate([np.asarray(rows.vectors[chosen]), taught.vectors[asked]])
    numbers = np.concatenate([_apart(rows.answers[chosen], chosen), taught.answers[asked]])
    return train_adapter(vectors, numbers, seed=config.seed)


def _apart(answers: Ints, rows: Ints) -> Ints:
    """Give each guard a number of its own: guards of one entry have nothing in common but being wrong."""
    numbers: Ints = np.where(answers < 0, -1 - rows, answers)
    return numbers
