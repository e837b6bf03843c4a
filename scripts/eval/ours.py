"""The project's own decision in the protocol: the one place that knows how it is fitted and asked.

As `semcache.build.fit` does it with labelled traffic, which the fit part stands for: the adapter is learned from the
known phrasings and from the fit part, trees of its own are fitted on the fit part, each query seen through an adapter
that others taught, and stand on generic ones that were fitted without the set that is measured (scripts/eval/generic
holds those, made by `scripts/fit_generic.py --leave-out SET`). Near twins made of known phrasings make it doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eval.retrieval import Bools, Floats, Ints, Labelled
from semcache.build.adapter import adapt_all, side_by_side, train_adapter
from semcache.build.generic import generic_trees
from semcache.build.known import KnownRows, Query, Words
from semcache.build.own_trees import grow_own
from semcache.core.verifier import SIGNS, Verifier
from semcache.store.faiss_index import exact_neighbours

GENERIC = Path(__file__).parent / "generic"
_MIN_ADAPTED = 60  # answers with two phrasings, as a build asks for
_MIN_FITTED = 300
_FOLDS = 4  # as a build has them
_N_NEIGHBOURS = 64

Doubles = npt.NDArray[np.float64]
Trees = npt.NDArray[Any]
"""(n,) of `semcache.core.verifier.TREE`."""


def trees_without(left_out: str) -> Trees:
    """Return generic trees that never saw a set: the shipped ones where they did not."""
    path = GENERIC / f"{left_out}.npy"
    return np.load(path, allow_pickle=False) if path.exists() else generic_trees()


def own_trees(
    generic: Trees, seen: Seen, is_right: Bools, *, twins: Doubles | None = None, signs: Sequence[int] = SIGNS
) -> Trees:
    """Return a bundle's own trees, fitted on queries that were learned from; generic ones where these are too few.

    Args:
        generic: trees that never saw them.
        seen: the queries.
        is_right: (n,) whether each one's candidate is right.
        twins: (m, n_features) near twins, all wrong.
        signs: of the features.
    """
    is_found = seen.answers >= 0
    if int(is_found.sum()) < _MIN_FITTED:
        return generic
    x = seen.x[is_found]
    made = x[:0] if twins is None else twins
    return grow_own(generic, x, is_right[is_found], weights=np.ones(len(x)), twins=made, signs=signs)


def logits_of(trees: Trees, x: Doubles) -> Doubles:
    """Return the (n,) logits of trees."""
    return Verifier(trees).logits(x)


def confidences(logits: Doubles, answers: Ints) -> Floats:
    """Return (n,) confidences, 0 where there is no answer to serve."""
    found = np.where(answers >= 0, 1.0 / (1.0 + np.exp(-np.clip(logits, -60, 60))), 0.0)
    return found.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a decision sees of queries.

    Attributes:
        x: (n, n_features) float64.
        answers: (n,) the group of each one's candidate, -1 for none.
    """

    x: Doubles
    answers: Ints

    def at(self, places: npt.NDArray[Any]) -> Seen:
        """Return some of them."""
        return Seen(self.x[places], self.answers[places])


class Bundle:
    """Known phrasings as a bundle's decision sees them, one table of rows a namespace."""

    def __init__(self, known: Labelled, *, seed: int, taught: Labelled | None = None, is_adapted: bool = True) -> None:
        """Take what is indexed.

        Args:
            known: the phrasings.
            seed: of the adapter.
            taught: queries that the adapter learns from beside the phrasings: those whose group is known.
            is_adapted: whether there is one, if enough answers have two texts.
        """
        self._adapter = _adapter(known, taught, seed=seed) if is_adapted else None
        words = Words()
        for text in known.texts:
            words.add(text)
        rarity, slots = words.finish()
        adapted = adapt_all(known.vectors, self._adapter)
        self._rows: dict[int, KnownRows] = {}
        self._numbers: dict[int, Ints] = {}
        for context in np.unique(known.contexts).tolist():
            own = np.flatnonzero(known.contexts == context)
            # A table's answers are numbered from 0; groups may be any numbers.
            self._numbers[context], answers = np.unique(known.groups[own], return_inverse=True)
            texts = [known.texts[i] for i in own.tolist()]
            self._rows[context] = _rows(texts, answers, adapted[own], rarity, slots[own])

    def adapt(self, vectors: Floats) -> Floats:
        """Return vectors moved by the adapter, where there is one."""
        return adapt_all(vectors, self._adapter)

    def see(self, asked: Labelled) -> Seen:
        """Return what the decision sees of queries."""
        adapted = self.adapt(asked.vectors)
        seen = Seen(np.zeros((len(asked), len(SIGNS))), np.full(len(asked), -1, np.int64))
        for context in np.unique(asked.contexts).tolist():
            if context not in self._rows:
                continue
            own = np.flatnonzero(asked.contexts == context)
            judged = self._rows[context].judge([Query(asked.texts[i], adapted[i]) for i in own.tolist()])
            for i, found in zip(own, judged, strict=True):
                seen.x[i] = found.features
                seen.answers[i] = self._numbers[context][found.candidate.answer]
        return seen


def see_learning(known: Labelled, learned: Labelled, *, seed: int) -> Seen:
    """Return what the decision sees of the queries it learns from: each through an adapter that only others taught."""
    seen = Seen(np.zeros((len(learned), len(SIGNS))), np.full(len(learned), -1, np.int64))
    fold_of = np.random.default_rng([seed, 4]).permutation(len(learned)) % _FOLDS
    others = [learned.at(np.flatnonzero(fold_of != fold)) for fold in range(_FOLDS)]
    bundles = side_by_side([partial(Bundle, known, seed=seed, taught=taught) for taught in others])
    for fold, bundle in enumerate(bundles):
        is_judged = fold_of == fold
        found = bundle.see(learned.at(np.flatnonzero(is_judged)))
        seen.x[is_judged], seen.answers[is_judged] = found.x, found.answers
    return seen


def _adapter(known: Labelled, taught: Labelled | None, *, seed: int) -> Floats | None:
    vectors, groups = known.vectors, known.groups
    if taught is not None:
        told = np.isin(taught.groups, known.groups)
        vectors, groups = np.concatenate([vectors, taught.vectors[told]]), np.append(groups, taught.groups[told])
    if int((np.unique(groups, return_counts=True)[1] > 1).sum()) < _MIN_ADAPTED:
        return None
    return train_adapter(vectors, groups, seed=seed)


def _rows(
    texts: Sequence[str], answers: Ints, vectors: Floats, rarity: Floats, slots: npt.NDArray[np.uint16]
) -> KnownRows:
    rows = np.ascontiguousarray(vectors)
    return KnownRows(
        texts,
        answers,
        rows,
        rarity=rarity,
        words=slots,
        search=lambda queries, k: exact_neighbours(rows, np.ascontiguousarray(queries), k=k),
        n_neighbours=_N_NEIGHBOURS,
    )
