"""The project's own decision in the protocol: the one place that knows how it is fitted and asked.

The verifier is the generic one, fitted without the set that is measured (scripts/eval/generic holds those trees,
made by `scripts/fit_generic.py --leave-out SET`), with trees of its own on top, fitted on the protocol's fit part
as `semcache.build.fit` fits them on labelled traffic, but for the trees that doubt near twins, which
`scripts/eval/made_twins.py` adds. The adapter is learned from the known phrasings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eval.retrieval import Floats, Ints
from semcache.build.adapter import adapt_all, train_adapter
from semcache.build.boost import BoostConfig, boost
from semcache.build.generic import generic_trees
from semcache.build.known import KnownRows, Query, Words
from semcache.core.verifier import SIGNS, Verifier
from semcache.store.faiss_index import exact_neighbours

GENERIC = Path(__file__).parent / "generic"
_MIN_ADAPTED = 60  # answers with two phrasings, as a build asks for
_MIN_FITTED = 300
_N_NEIGHBOURS = 64
_LOCAL = BoostConfig(n_trees=160, min_weight=20.0)

Trees = npt.NDArray[Any]
"""(n,) of `semcache.core.verifier.TREE`."""


class Model(Protocol):
    """A fitted decision over known phrasings."""

    def judge(self, texts: Sequence[str], vectors: Floats, contexts: Ints | None = None) -> tuple[Floats, Ints]:
        """Return each query's confidence (n,) float32 and the group it would be answered with (n,), -1 for none."""


def fit(  # noqa: PLR0917 - six columns of two tables, in the order of the tables
    known_texts: Sequence[str],
    known_groups: Ints,
    known_vectors: Floats,
    fit_texts: Sequence[str],
    fit_groups: Ints,
    fit_vectors: Floats,
    *,
    seed: int,
    left_out: str,
    known_contexts: Ints | None = None,
    fit_contexts: Ints | None = None,
) -> Model | None:
    """Fit the decision of a bundle that holds the known phrasings.

    Args:
        known_texts: what the bundle indexes.
        known_groups: their answers.
        known_vectors: (n, dim) float32 unit rows.
        fit_texts: labelled queries, disjoint from calibration and test.
        fit_groups: their answers; of no known phrasing where they must miss.
        fit_vectors: (m, dim) float32 unit rows.
        seed: of every random choice.
        left_out: the set that the generic verifier must not have seen.
        known_contexts: namespaces of the known phrasings, where the set has any.
        fit_contexts: namespaces of the queries.
    """
    decision = _Decision(
        Bundle(known_texts, known_groups, known_vectors, known_contexts, seed=seed), trees_without(left_out)
    )
    if len(fit_texts) >= _MIN_FITTED:
        decision.learn(fit_texts, fit_groups, fit_vectors, fit_contexts)
    return decision


def generic(
    known_texts: Sequence[str],
    known_groups: Ints,
    known_vectors: Floats,
    known_contexts: Ints | None = None,
    *,
    left_out: str,
) -> Model | None:
    """Return the verifier that ships for corpora too small to fit their own, without the set that is measured."""
    bundle = Bundle(known_texts, known_groups, known_vectors, known_contexts, seed=0)
    return _Decision(bundle, trees_without(left_out))


def trees_without(left_out: str) -> Trees:
    """Return generic trees that never saw a set: the shipped ones where they did not."""
    path = GENERIC / f"{left_out}.npy"
    return np.load(path, allow_pickle=False) if path.exists() else generic_trees()


def local_trees(
    x: npt.NDArray[np.float64],
    is_right: npt.NDArray[np.bool_],
    *,
    logits: npt.NDArray[np.float64],
    signs: Sequence[int] = SIGNS,
) -> Trees:
    """Return a bundle's own trees, fitted on labelled queries on top of what other trees say of them."""
    return boost(x, is_right, logits=logits, weights=np.ones(len(x)), signs=signs, config=_LOCAL)


def logits_of(trees: Trees, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the (n,) logits of trees."""
    verifier = Verifier(trees)
    return np.array([verifier.logit(row) for row in x], np.float64)


def confidences(logits: npt.NDArray[np.float64], answers: Ints) -> Floats:
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

    x: npt.NDArray[np.float64]
    answers: Ints


class Bundle:
    """Known phrasings as a bundle's decision sees them, one table of rows a namespace."""

    def __init__(
        self,
        texts: Sequence[str],
        groups: Ints,
        vectors: Floats,
        contexts: Ints | None,
        *,
        seed: int,
        is_adapted: bool = True,
    ) -> None:
        """Take the rows; an adapter is learned where enough answers have two, and `is_adapted`."""
        several = int((np.unique(groups, return_counts=True)[1] > 1).sum())
        learns = is_adapted and several >= _MIN_ADAPTED
        self._adapter = train_adapter(vectors, groups, seed=seed) if learns else None
        words = Words()
        for text in texts:
            words.add(text)
        rarity, slots = words.finish()
        adapted = adapt_all(vectors, self._adapter)
        places = np.zeros(len(texts), np.int64) if contexts is None else contexts
        self._rows: dict[int, KnownRows] = {}
        self._numbers: dict[int, Ints] = {}
        for context in np.unique(places).tolist():
            own = np.flatnonzero(places == context)
            # A table's answers are numbered from 0; groups may be any numbers.
            self._numbers[context], answers = np.unique(groups[own], return_inverse=True)
            self._rows[context] = _rows([texts[i] for i in own.tolist()], answers, adapted[own], rarity, slots[own])

    def adapt(self, vectors: Floats) -> Floats:
        """Return vectors moved by the adapter, where there is one."""
        return adapt_all(vectors, self._adapter)

    def see(self, texts: Sequence[str], vectors: Floats, contexts: Ints | None = None) -> Seen:
        """Return what the decision sees of queries with (n, dim) unit vectors of the encoder."""
        adapted = self.adapt(vectors)
        places = np.zeros(len(texts), np.int64) if contexts is None else contexts
        seen = Seen(np.zeros((len(texts), len(SIGNS))), np.full(len(texts), -1, np.int64))
        for context in np.unique(places).tolist():
            if context not in self._rows:
                continue
            own = np.flatnonzero(places == context)
            judged = self._rows[context].judge([Query(texts[i], adapted[i]) for i in own.tolist()])
            for i, found in zip(own, judged, strict=True):
                seen.x[i] = found.features
                seen.answers[i] = self._numbers[context][found.candidate.answer]
        return seen


@dataclass(slots=True)
class _Decision:
    """A bundle with its trees."""

    bundle: Bundle
    trees: Trees

    def learn(self, texts: Sequence[str], groups: Ints, vectors: Floats, contexts: Ints | None) -> None:
        """Fit trees on labelled queries, on top of the generic ones."""
        seen = self.bundle.see(texts, vectors, contexts)
        known = seen.answers >= 0
        x, is_right = seen.x[known], (seen.answers == groups)[known]
        self.trees = np.concatenate([self.trees, local_trees(x, is_right, logits=logits_of(self.trees, x))])

    def judge(self, texts: Sequence[str], vectors: Floats, contexts: Ints | None = None) -> tuple[Floats, Ints]:
        """As `Model.judge`."""
        seen = self.bundle.see(texts, vectors, contexts)
        return confidences(logits_of(self.trees, seen.x), seen.answers), seen.answers


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
