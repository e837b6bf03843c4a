"""The project's own decision in the protocol: the one place that knows how it is fitted and asked.

Until `semcache.build.fit` exists, `fit` returns None and the tables leave the column out. To fill in: make the
verifier from the arguments (nothing else may be learned from) and return it behind `Model`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from eval.retrieval import Floats, Ints


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
    known_contexts: Ints | None = None,
    fit_contexts: Ints | None = None,
) -> Model | None:
    """Fit the decision of a bundle that holds the known phrasings; None while there is none.

    The fitting of `semcache.build.fit` goes here.

    Args:
        known_texts: what the bundle indexes.
        known_groups: their answers.
        known_vectors: (n, dim) float32 unit rows.
        fit_texts: labelled queries, disjoint from calibration and test.
        fit_groups: their answers; of no known phrasing where they must miss.
        fit_vectors: (m, dim) float32 unit rows.
        seed: of every random choice.
        known_contexts: namespaces of the known phrasings, where the set has any.
        fit_contexts: namespaces of the queries.
    """
    del known_texts, known_groups, known_vectors, fit_texts, fit_groups, fit_vectors, seed
    del known_contexts, fit_contexts
    return None


def generic(known_texts: Sequence[str], known_groups: Ints, known_vectors: Floats, contexts: Ints) -> Model | None:
    """Return the verifier that ships for corpora too small to fit their own; None while there is none.

    The near twins are measured with it: a set of pairs leaves nothing to fit on.
    """
    del known_texts, known_groups, known_vectors, contexts
    return None
