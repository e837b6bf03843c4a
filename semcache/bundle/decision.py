"""The files behind a decision: loaded from a version, each held against the manifest and its own ranges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from semcache.bundle import layout
from semcache.bundle.arrays import load_array, save_array
from semcache.core.features import ANSWER_FACTS, FEATURES, N_SLOTS, N_WORDS, ROW_FACTS
from semcache.core.learned import LEARNED, Digests
from semcache.core.manifest import Counts, DecisionInfo
from semcache.core.vectors import FloatRows
from semcache.core.verifier import TREE
from semcache.errors import BundleCorruptError

MAX_TREES = 4096
_MAX_VALUE = 1e6


@dataclass(frozen=True, slots=True)
class DecisionArrays:
    """What a decision rests on.

    Attributes:
        adapter: (dim, dim) float32; None where vectors are used as they are.
        row_facts: (n_rows,) of `ROW_FACTS`.
        answer_facts: (n_answers,) of `ANSWER_FACTS`.
        words: (n_rows, N_WORDS) uint16, slots of each row's longest terms.
        rarity: (N_SLOTS,) float32.
        trees: (n_trees,) of `TREE`.
        learned: (n_learned,) digests of texts that trees or adapter learned from, rising.
    """

    adapter: FloatRows | None
    row_facts: npt.NDArray[Any]
    answer_facts: npt.NDArray[Any]
    words: npt.NDArray[np.uint16]
    rarity: npt.NDArray[np.float32]
    trees: npt.NDArray[Any]
    learned: Digests


def save_decision(folder: Path, arrays: DecisionArrays, *, dim: int) -> None:
    """Write the files of a decision.

    Raises:
        StorageError: the system refuses.
    """
    no_adapter = np.zeros((0, dim), "<f4")
    save_array(folder / layout.ADAPTER_FILE, no_adapter if arrays.adapter is None else arrays.adapter.astype("<f4"))
    save_array(folder / layout.ROW_FACTS_FILE, arrays.row_facts)
    save_array(folder / layout.ANSWER_FACTS_FILE, arrays.answer_facts)
    save_array(folder / layout.WORDS_FILE, arrays.words)
    save_array(folder / layout.RARITY_FILE, arrays.rarity)
    save_array(folder / layout.TREES_FILE, arrays.trees)
    save_array(folder / layout.LEARNED_FILE, arrays.learned)


def load_decision(folder: Path, info: DecisionInfo, counts: Counts, *, dim: int) -> DecisionArrays:
    """Map the files of a decision and check every number that leads somewhere.

    Raises:
        BundleCorruptError: a file is not of its form, or holds what it must not.
        StorageError: it cannot be read.
    """
    if info.features != FEATURES:
        path = folder / layout.MANIFEST_FILE
        raise BundleCorruptError(path, "decision.features: not the features that this program computes")
    if not 1 <= info.n_trees <= MAX_TREES:
        raise BundleCorruptError(
            folder / layout.MANIFEST_FILE, f"decision.n_trees: found {info.n_trees}, allowed 1 to {MAX_TREES}"
        )
    adapter_rows = dim if info.has_adapter else 0
    adapter = load_array(folder / layout.ADAPTER_FILE, dtype=np.dtype("<f4"), shape=(adapter_rows, dim))
    trees = load_array(folder / layout.TREES_FILE, dtype=TREE, shape=(info.n_trees,))
    rarity = load_array(folder / layout.RARITY_FILE, dtype=np.dtype("<f4"), shape=(N_SLOTS,))
    learned = load_array(folder / layout.LEARNED_FILE, dtype=LEARNED, shape=(info.n_learned,))
    row_facts = load_array(folder / layout.ROW_FACTS_FILE, dtype=ROW_FACTS, shape=(counts.all_rows,))
    answer_facts = load_array(folder / layout.ANSWER_FACTS_FILE, dtype=ANSWER_FACTS, shape=(counts.all_answers,))
    words = load_array(folder / layout.WORDS_FILE, dtype=np.dtype("<u2"), shape=(counts.all_rows, N_WORDS))
    features = trees["feature"]
    if features.min() < 0 or features.max() >= len(FEATURES):
        raise BundleCorruptError(folder / layout.TREES_FILE, f"names a feature outside 0 to {len(FEATURES) - 1}")
    _all_finite(folder / layout.TREES_FILE, trees["leaf"], trees["threshold"])
    _all_finite(folder / layout.RARITY_FILE, rarity)
    _all_finite(folder / layout.ADAPTER_FILE, adapter)
    _all_finite(folder / layout.ANSWER_FACTS_FILE, answer_facts["cohesion"], answer_facts["hardness"])
    n_rows = answer_facts["n_rows"]
    if counts.answers and not 1 <= n_rows.min() <= n_rows.max() <= max(1, counts.rows):
        raise BundleCorruptError(folder / layout.ANSWER_FACTS_FILE, "holds an answer of no row, or of more than all")
    if (learned[1:] <= learned[:-1]).any():
        raise BundleCorruptError(folder / layout.LEARNED_FILE, "holds digests that do not rise")
    return DecisionArrays(adapter if info.has_adapter else None, row_facts, answer_facts, words, rarity, trees, learned)


def _all_finite(path: Path, *arrays: npt.NDArray[Any]) -> None:
    for array in arrays:
        if array.size and not (np.abs(array) <= _MAX_VALUE).all():
            raise BundleCorruptError(path, f"holds a number that is not within {_MAX_VALUE:g} of 0")
