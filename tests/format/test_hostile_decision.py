"""The files behind a decision, made on purpose or damaged by chance: refused at open, and named by the full check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking import QUESTIONS, ask, ask_in_a_process
from surgery import file_of, flip, replace_bytes, reseal
from test_hostile_arrays import saved

from semcache import Cache, check_bundle
from semcache.bundle import layout
from semcache.errors import BundleCorruptError

Array = np.ndarray[Any, np.dtype[Any]]
Change = Callable[[Array], Array]
ADAPTER, ROW_FACTS, ANSWER_FACTS = layout.ADAPTER_FILE, layout.ROW_FACTS_FILE, layout.ANSWER_FACTS_FILE
WORDS, RARITY, TREES = layout.WORDS_FILE, layout.RARITY_FILE, layout.TREES_FILE
LEARNED = layout.LEARNED_FILE


def put(value: float, at: int | tuple[int, ...], field: str = "") -> Change:
    """Set one number of an array."""

    def change(array: Array) -> Array:
        copy = array.copy()
        (copy[field] if field else copy)[at] = value
        return copy

    return change


def filled(value: Any) -> Change:
    """Set every item to one value."""
    return lambda array: np.full(array.shape, np.array(value, array.dtype))


def as_type(dtype: Any) -> Change:
    """Give the numbers another type."""
    return lambda array: array.astype(dtype)


def other_type(array: Array) -> Array:
    """Give the fields twice the bytes."""
    wide = [(name, array.dtype[name].base.str[:2] + "8", array.dtype[name].shape) for name in array.dtype.names or ()]
    return np.array(array.tolist(), wide)


HUGE = float(np.float32(1.5e6))
WRONG: dict[str, tuple[str, Change, str]] = {
    "an adapter that nobody promised": (ADAPTER, lambda _: np.eye(64, dtype="<f4"), "adapter.npy: "),
    "an adapter of another dim": (ADAPTER, lambda _: np.zeros((0, 65), "<f4"), "adapter.npy: "),
    "an adapter of doubles": (ADAPTER, as_type("<f8"), "adapter.npy: "),
    "a row without facts": (ROW_FACTS, lambda a: a[:-1], "row_facts.npy: holds 26 bytes as"),
    "facts of no row": (ROW_FACTS, lambda a: np.append(a, a[:1]), "row_facts.npy: holds 30 bytes as"),
    "row facts of wide numbers": (ROW_FACTS, other_type, "row_facts.npy: holds 224 bytes as"),
    "row facts without names": (ROW_FACTS, lambda a: a.view("u1").reshape(-1, 2), "row_facts.npy: holds 28 bytes as"),
    "an answer without facts": (ANSWER_FACTS, lambda a: a[:-1], "answer_facts.npy: holds 84 bytes as"),
    "answer facts of doubles": (ANSWER_FACTS, other_type, "answer_facts.npy: holds 192 bytes as"),
    "an answer without a row": (ANSWER_FACTS, put(0, 3, "n_rows"), "answer_facts.npy: holds an answer of no row"),
    "an answer of rows below 0": (ANSWER_FACTS, put(-1, 3, "n_rows"), "holds an answer of no row"),
    "an answer of more rows": (ANSWER_FACTS, put(15, 0, "n_rows"), "an answer of no row, or of more than all"),
    "a cohesion that is no number": (ANSWER_FACTS, put(np.nan, 0, "cohesion"), "answer_facts.npy: holds a number"),
    "an endless hardness": (ANSWER_FACTS, put(np.inf, 7, "hardness"), "answer_facts.npy: holds a number"),
    "words of a row less": (WORDS, lambda a: a[:-1], "words.npy: holds 416 bytes as"),
    "words in one dimension": (WORDS, lambda a: a.ravel(), "words.npy: holds 448 bytes as"),
    "more words a row": (WORDS, lambda a: np.hstack([a, a]), "words.npy: holds 896 bytes as"),
    "words that are signed": (WORDS, as_type("<i2"), "words.npy: holds 448 bytes as"),
    "words the other way round": (WORDS, as_type(">u2"), "words.npy: holds 448 bytes as"),
    "a slot less": (RARITY, lambda a: a[:-1], "rarity.npy: holds 262136 bytes as"),
    "a slot more": (RARITY, lambda a: np.append(a, a[:1]), "rarity.npy: holds 262144 bytes as"),
    "rarities of doubles": (RARITY, as_type("<f8"), "rarity.npy: holds 524280 bytes as"),
    "a rarity that is no number": (RARITY, put(np.nan, 65_534), "rarity.npy: holds a number"),
    "an endless rarity": (RARITY, put(-np.inf, 0), "rarity.npy: holds a number"),
    "a tree less": (TREES, lambda a: a[:-1], "trees.npy: holds 74 bytes as"),
    "no tree at all": (TREES, lambda a: a[:0], "trees.npy: holds 0 bytes as"),
    "trees of other fields": (TREES, lambda _: np.zeros((2, 74), "u1"), "trees.npy: holds 148 bytes as"),
    "a feature that is not there": (TREES, put(63, (1, 6), "feature"), "trees.npy: names a feature outside 0 to 62"),
    "a feature below 0": (TREES, put(-1, (0, 0), "feature"), "trees.npy: names a feature outside 0 to 62"),
    "the last of all features": (TREES, put(2**15 - 1, (0, 3), "feature"), "trees.npy: names a feature outside"),
    "a threshold that is no number": (TREES, put(np.nan, (1, 0), "threshold"), "trees.npy: holds a number"),
    "a leaf that is no number": (TREES, put(np.nan, (0, 7), "leaf"), "trees.npy: holds a number"),
    "an endless leaf": (TREES, put(np.inf, (1, 0), "leaf"), "trees.npy: holds a number"),
    "what was learned, and nobody said": (LEARNED, lambda _: np.ones(1, "<u8"), "learned.npy: holds 8 bytes as"),
    "digests that are signed": (LEARNED, as_type("<i8"), "learned.npy: "),
    "a leaf beyond measure": (TREES, put(HUGE, (1, 0), "leaf"), "trees.npy: holds a number that is not within 1e+06"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "change", "reason"), WRONG.values(), ids=WRONG)
def test_another_array_behind_a_decision_is_corrupt(bundle: Path, name: str, change: Change, reason: str) -> None:
    """Everything else agrees with it; open refuses it all the same, and the full check says why."""
    path = file_of(bundle, name)
    replace_bytes(path, saved(change(np.load(path))))
    reseal(bundle)
    with pytest.raises(BundleCorruptError) as caught:
        Cache.open(bundle)
    assert reason in str(caught.value)
    assert any(reason in problem for problem in check_bundle(bundle))


def adapted(bundle: Path, adapter: Array) -> None:
    """Give a bundle an adapter, and let its manifest say so."""
    replace_bytes(file_of(bundle, ADAPTER), saved(adapter))
    reseal(bundle, lambda document: document["decision"].update(has_adapter=True))


@pytest.mark.parametrize("value", [np.nan, np.inf, HUGE])
def test_an_adapter_that_is_no_matrix_of_numbers_is_corrupt(bundle: Path, value: float) -> None:
    """One number is enough to move every score."""
    adapter = np.eye(64, dtype="<f4")
    adapter[63, 0] = value
    adapted(bundle, adapter)
    assert ask(bundle) == ["error BundleCorruptError"]
    assert any("adapter.npy: holds a number" in problem for problem in check_bundle(bundle))


@pytest.mark.parametrize("digests", [[3, 2], [2, 2], [1, 2**64 - 1, 2**63]])
def test_digests_that_do_not_rise_are_corrupt(bundle: Path, digests: list[int]) -> None:
    """One that stands twice or in another place may be looked for in vain."""
    replace_bytes(file_of(bundle, LEARNED), saved(np.array(digests, "<u8")))
    reseal(bundle, lambda document: document["decision"].update(n_learned=len(digests)))
    assert ask(bundle) == ["error BundleCorruptError"]
    assert any("learned.npy: holds digests that do not rise" in problem for problem in check_bundle(bundle))


def test_what_was_learned_changes_no_answer(bundle: Path) -> None:
    """It says what must not certify, and nothing to a lookup."""
    before = ask(bundle)
    replace_bytes(file_of(bundle, LEARNED), saved(np.array([0, 1, 2**64 - 1], "<u8")))
    reseal(bundle, lambda document: document["decision"].update(n_learned=3))
    assert ask(bundle) == before
    assert check_bundle(bundle) == []


def test_an_adapter_that_changes_nothing_changes_nothing(bundle: Path) -> None:
    """The identity gives the answers that no matrix gave."""
    right = ask(bundle)
    adapted(bundle, np.eye(64, dtype="<f4"))
    assert ask(bundle) == right


def test_an_adapter_of_zeros_finds_nothing(bundle: Path) -> None:
    """Every score is 0: exact hits stay, and nothing else is served."""
    adapted(bundle, np.zeros((64, 64), "<f4"))
    found = ask(bundle)
    assert found[0].startswith("hit login/add")
    assert (found[2], found[-1]) == ("miss below_threshold", "miss below_threshold")


@pytest.mark.parametrize("name", layout.DECISION_FILES)
def test_a_flipped_bit_is_refused_at_open_and_named_by_the_check(bundle: Path, name: str) -> None:
    """Wherever it is: in the head, in the middle, in the last byte."""
    size_bytes = file_of(bundle, name).stat().st_size
    for at in {9, size_bytes // 2, size_bytes - 1}:
        flip(file_of(bundle, name), at, bit=3)
        with pytest.raises(BundleCorruptError, match=name.replace(".", r"\.")):
            Cache.open(bundle)
        assert any(name in problem for problem in check_bundle(bundle))
        flip(file_of(bundle, name), at, bit=3)
    assert check_bundle(bundle) == []


@pytest.mark.parametrize("name", layout.DECISION_FILES)
def test_a_missing_or_short_file_is_refused_at_open(bundle: Path, name: str) -> None:
    """As any other file of a version."""
    path = file_of(bundle, name)
    data = path.read_bytes()
    replace_bytes(path, data[:-1])
    with pytest.raises(BundleCorruptError, match=f"{name}.*has {len(data) - 1} bytes"):
        Cache.open(bundle)
    path.unlink()
    with pytest.raises(BundleCorruptError, match=f"{name}.*missing"):
        Cache.open(bundle)


def test_numbers_that_only_somebody_who_means_harm_writes_are_harmless(root: Path) -> None:
    """Facts and words of any value move a confidence at most: hits, misses, and a process that lives."""
    changes: list[tuple[str, Change]] = [
        (WORDS, filled(65_535)),
        (WORDS, np.zeros_like),
        (RARITY, filled(-1.0)),
        (RARITY, np.zeros_like),
        (ROW_FACTS, filled((255, 0))),
        (ANSWER_FACTS, filled((14, -1e6, 1e6))),
        (TREES, filled(([62] * 7, [1e6] * 7, [-1e6] * 8))),
    ]
    for i, (name, change) in enumerate(changes):
        copy = root / f"copy{i}"
        for path in (root / "flat").rglob("*"):
            target = copy / path.relative_to(root / "flat")
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file():
                target.write_bytes(path.read_bytes())
        path = file_of(copy, name)
        replace_bytes(path, saved(change(np.load(path))))
        reseal(copy)
    outcomes = ask_in_a_process([root / f"copy{i}" for i in range(len(changes))])
    assert [len(found) for found in outcomes] == [len(QUESTIONS)] * len(changes)
    for found in outcomes:
        assert found[0].startswith("hit login/add")
        assert not any(one.startswith("error") for one in found)
