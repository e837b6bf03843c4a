"""Adapters that were trained without a part of the corpus, so that queries made of that part can be judged by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from semcache.build.adapter import train_adapter
from semcache.build.fit_queries import Rows, draw
from semcache.build.judging import Outcome, Pairs, judge
from semcache.build.known import Ints
from semcache.config import BuildConfig
from semcache.core.vectors import FloatRows

_FOLDS = 3
_MIN_ADAPTED = 60  # answers with two variants
_MAX_ADAPTER_ROWS = 16_384


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


def fold_adapters(rows: Rows, config: BuildConfig) -> list[Fold]:
    """Train adapters without a part of the rows, and without a part of the answers; none where too few have two."""
    _, counts = np.unique(rows.answers[rows.answers >= 0], return_counts=True)
    if int((counts > 1).sum()) < _MIN_ADAPTED or not config.adapter:
        return []
    answer_of = dict(zip(rows.entries.tolist(), rows.answers.tolist(), strict=True))
    owners = [answer_of.get(~entry, entry) if entry < 0 else answer_of[entry] for entry in rows.entries.tolist()]
    folds = list[Fold]()
    for for_outside, keys in ((False, range(len(owners))), (True, owners)):
        numbers = np.array([int(draw(config.seed, f"fold {for_outside}", key) * _FOLDS) for key in keys])
        folds += [Fold(train(rows, numbers != fold, config), numbers == fold, for_outside) for fold in range(_FOLDS)]
    return folds


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


def train(rows: Rows, may_see: npt.NDArray[np.bool_], config: BuildConfig) -> FloatRows:
    """Train an adapter on the rows allowed: those with siblings first, then others, which only push apart."""
    usable = np.flatnonzero(may_see & rows.vectors.any(axis=1))
    answers, n_with = np.unique(rows.answers[usable], return_counts=True)
    is_alone = (n_with == 1)[np.searchsorted(answers, rows.answers[usable])]
    order = np.lexsort((np.random.default_rng(config.seed).permutation(len(usable)), is_alone))
    chosen = np.sort(usable[order[:_MAX_ADAPTER_ROWS]])
    return train_adapter(np.asarray(rows.vectors[chosen]), _apart(rows.answers[chosen], chosen), seed=config.seed)


def _apart(answers: Ints, rows: Ints) -> Ints:
    """Give each guard a number of its own: guards of one entry have nothing in common but being wrong."""
    numbers: Ints = np.where(answers < 0, -1 - rows, answers)
    return numbers
