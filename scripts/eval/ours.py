"""The project's own decision in the protocol: the one place that knows how it is fitted and asked.

The verifier is the generic one, fitted without the set that is measured (scripts/eval/generic holds those trees,
made by `scripts/fit_generic.py --leave-out SET`), with trees of its own on top, fitted on the protocol's fit part
as `semcache.build.fit` fits them on labelled traffic. The adapter is learned from the known phrasings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eval.retrieval import Floats, Ints
from semcache.build.adapter import adapt_all, train_adapter
from semcache.build.boost import BoostConfig, boost
from semcache.build.generic import generic_trees
from semcache.build.known import Judged, KnownRows, Query, Words
from semcache.core.verifier import SIGNS, Verifier
from semcache.store.faiss_index import exact_neighbours

GENERIC = Path(__file__).parent / "generic"
_MIN_ADAPTED = 60  # answers with two phrasings, as a build asks for
_MIN_FITTED = 300
_N_NEIGHBOURS = 64
_LOCAL = BoostConfig(n_trees=160, min_weight=20.0)


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
    model = _Bundle(known_texts, known_groups, known_vectors, known_contexts, trees=trees_without(left_out), seed=seed)
    if len(fit_texts) >= _MIN_FITTED:
        model.learn(fit_texts, fit_groups, fit_vectors, fit_contexts)
    return model


def generic(
    known_texts: Sequence[str],
    known_groups: Ints,
    known_vectors: Floats,
    known_contexts: Ints | None = None,
    *,
    left_out: str,
) -> Model | None:
    """Return the verifier that ships for corpora too small to fit their own, without the set that is measured."""
    return _Bundle(known_texts, known_groups, known_vectors, known_contexts, trees=trees_without(left_out), seed=0)


def trees_without(left_out: str) -> npt.NDArray[Any]:
    """Return generic trees that never saw a set: the shipped ones where they did not."""
    path = GENERIC / f"{left_out}.npy"
    return np.load(path, allow_pickle=False) if path.exists() else generic_trees()


class _Bundle:
    """Known phrasings as a bundle's decision sees them, one table of rows a namespace."""

    def __init__(
        self,
        texts: Sequence[str],
        groups: Ints,
        vectors: Floats,
        contexts: Ints | None,
        *,
        trees: npt.NDArray[Any],
        seed: int,
    ) -> None:
        self._trees = trees
        several = int((np.unique(groups, return_counts=True)[1] > 1).sum())
        self._adapter = train_adapter(vectors, groups, seed=seed) if several >= _MIN_ADAPTED else None
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

    def learn(self, texts: Sequence[str], groups: Ints, vectors: Floats, contexts: Ints | None) -> None:
        """Fit trees on labelled queries, on top of the generic ones."""
        x, answers, logits = self._seen(texts, vectors, contexts)
        known = answers >= 0
        local = boost(
            x[known],
            (answers == groups)[known],
            logits=logits[known],
            weights=np.ones(int(known.sum())),
            signs=SIGNS,
            config=_LOCAL,
        )
        self._trees = np.concatenate([self._trees, local])

    def judge(self, texts: Sequence[str], vectors: Floats, contexts: Ints | None = None) -> tuple[Floats, Ints]:
        """As `Model.judge`."""
        _, answers, logits = self._seen(texts, vectors, contexts)
        confidences = np.where(answers >= 0, 1.0 / (1.0 + np.exp(-np.clip(logits, -60, 60))), 0.0)
        return confidences.astype(np.float32), answers

    def _seen(
        self, texts: Sequence[str], vectors: Floats, contexts: Ints | None
    ) -> tuple[npt.NDArray[np.float64], Ints, npt.NDArray[np.float64]]:
        """Return features, answers (-1 for none) and logits of queries."""
        verifier, adapted = Verifier(self._trees), adapt_all(vectors, self._adapter)
        places = np.zeros(len(texts), np.int64) if contexts is None else contexts
        x = np.zeros((len(texts), len(SIGNS)))
        answers, logits = np.full(len(texts), -1, np.int64), np.full(len(texts), -60.0)
        for context in np.unique(places).tolist():
            if context not in self._rows:
                continue
            own = np.flatnonzero(places == context)
            judged: list[Judged] = list(self._rows[context].judge([Query(texts[i], adapted[i]) for i in own.tolist()]))
            for i, found in zip(own, judged, strict=True):
                x[i] = found.features
                answers[i] = self._numbers[context][found.candidate.answer]
                logits[i] = verifier.logit(found.features)
        return x, answers, logits


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
