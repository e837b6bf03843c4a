"""Decides which generated variants of an entry are worth a row. Pure: vectors and scores in, reasons out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from semcache.config import AugmentConfig
from semcache.core.vectors import FloatRows


class Dropped(StrEnum):
    """Why a variant is not indexed. The value reaches the sidecar (corpus/README.md)."""

    EMPTY = "empty"
    """No word in it, a control character, or longer than a question."""
    REPEATED = "repeated"
    """It is a text of the entry already."""
    TAKEN = "taken"
    """It is a text of another answer, or one that an entry rejects."""
    FACTS = "facts"
    """Its numbers, identifiers, names, negation or question word differ from those of the text it was made of."""
    NOT_EMBEDDED = "not_embedded"
    """Too long for the encoder, or a word that the encoder does not know."""
    ROUND_TRIP = "round_trip"
    """The nearest other entry has a different answer, or is too close."""
    RELEVANCE = "relevance"
    """Too far from every text of its own entry."""
    DIVERSITY = "diversity"
    """So close to a text of the entry that it adds nothing."""
    SURPLUS = "surplus"
    """The entry has as many variants of this source as were asked for."""


def judge_variants(
    variants: FloatRows, own: FloatRows, best_other: npt.NDArray[np.float32], config: AugmentConfig
) -> list[Dropped | None]:
    """Return for each variant of one entry why it is dropped, or None where it is kept; earlier ones come first.

    Args:
        variants: (m, dim) float32, unit rows; a row of zeros was not embedded.
        own: (k, dim) float32, unit rows: the entry's written texts, at least one.
        best_other: (m,) the score of each variant to the nearest text of a different answer, or guard.
        config: how strict.
    """
    near = variants @ own.T
    to_own = near.max(axis=1) if near.shape[1] else np.zeros(len(variants), np.float32)
    verdicts: list[Dropped | None] = []
    kept = list[int]()
    for i, vector in enumerate(variants):
        verdict: Dropped | None = None
        if not vector.any():
            verdict = Dropped.NOT_EMBEDDED
        elif to_own[i] < config.min_score:
            verdict = Dropped.RELEVANCE
        elif to_own[i] - best_other[i] < config.min_margin:
            verdict = Dropped.ROUND_TRIP
        elif max([to_own[i], *(variants[kept] @ vector)]) > config.max_score:
            verdict = Dropped.DIVERSITY
        else:
            kept.append(i)
        verdicts.append(verdict)
    return verdicts


def count_reasons(verdicts: Sequence[Dropped | None]) -> Counter[str]:
    """Count verdicts by reason; what is kept counts as "kept"."""
    return Counter("kept" if verdict is None else verdict.value for verdict in verdicts)
