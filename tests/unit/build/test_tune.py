from __future__ import annotations

import numpy as np
import pytest

from semcache import BuildConfig
from semcache.build.tune import Phrasings, batches, contrast, hold_out, n_batches
from semcache.errors import ConfigError

torch = pytest.importorskip("torch", reason="tuning needs the build extra")

GROUPS = np.array([0, 0, 0, 1, 1, 2, ~0, ~0, ~0, ~2], np.int64)
"""Answers of three, two and one phrasings; three rejects of the first one, one of the last."""


def drawn(groups: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Give the batches of an epoch."""
    return list(batches(groups, np.random.default_rng(0)))


def test_a_batch_holds_pairs_of_one_answer() -> None:
    """Every phrasing of an answer of two or more comes, one alone never."""
    (batch,) = drawn(GROUPS)
    pairs = batch[GROUPS[batch] >= 0].reshape(-1, 2)
    assert all(GROUPS[a] == GROUPS[b] and a != b for a, b in pairs)
    assert set(pairs.ravel().tolist()) == {0, 1, 2, 3, 4}


def test_a_batch_holds_rejects_of_its_answers() -> None:
    """Two an answer at most, behind the pairs; none of an answer that is not there."""
    (batch,) = drawn(GROUPS)
    rejects = batch[GROUPS[batch] < 0]
    assert (batch[-len(rejects) :] == rejects).all()
    assert len(rejects) == len(set(rejects.tolist())) == 2
    assert set(GROUPS[rejects].tolist()) == {~0}


def test_an_epoch_has_the_batches_that_are_announced() -> None:
    """Whatever the number of phrasings an answer has."""
    for groups in (
        GROUPS,
        np.repeat(np.arange(70), 3),
        np.repeat(np.arange(70), 2),
        np.arange(5),
        np.zeros(0, np.int64),
    ):
        assert len(drawn(groups)) == n_batches(groups)


def test_answers_keep_two_phrasings_when_some_are_held_out() -> None:
    """An answer of two is not divided, and a reject is no phrasing."""
    is_held = hold_out(np.array([0] * 5 + [1] * 2 + [~0] * 9, np.int64), seed=0)
    assert (int(is_held[:5].sum()), int(is_held[5:].sum())) == (2, 0)


def test_vectors_of_one_answer_are_drawn_together_only() -> None:
    """The loss is near 0 where answers are apart, and large where a row is nearer to another answer's."""
    apart = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    mixed = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    groups = torch.tensor([0, 0, 1, 1])
    assert float(contrast(apart, groups)) < 1e-6
    assert float(contrast(mixed, groups)) > 10.0


def test_a_reject_is_drawn_to_nothing() -> None:
    """Two of one answer may be anywhere, but not near a phrasing."""
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    groups = torch.tensor([0, 0, ~0, ~0])
    assert float(contrast(vectors, groups)) < 1e-6
    near = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, -1.0]])
    assert float(contrast(near, groups)) == pytest.approx(np.log(2.0), abs=1e-3)


def test_pairs_are_phrasings_with_another_one() -> None:
    """A reject is none, nor is an answer of one phrasing."""
    assert Phrasings([""] * 10, GROUPS).n_pairs == 5
    assert Phrasings([], np.zeros(0, np.int64)).n_pairs == 0


def test_a_large_corpus_is_sampled_by_answers() -> None:
    """All texts of an answer, rejects too, or none; the same ones for a seed."""
    groups = np.concatenate([np.repeat(np.arange(3000), 4), ~np.arange(3000)])
    texts = [f"{i} of {group}" for i, group in enumerate(groups.tolist())]
    some = Phrasings(texts, groups).sample(seed=0)
    assert 10_000 <= len(some.texts) < 10_005
    assert some.texts == [texts[int(text.split()[0])] for text in some.texts]
    owners = np.where(some.groups < 0, ~some.groups, some.groups)
    assert set(np.unique(owners, return_counts=True)[1].tolist()) == {5}
    assert Phrasings(texts, groups).sample(seed=0).texts == some.texts
    assert Phrasings(texts, groups).sample(seed=1).texts != some.texts
    assert len(Phrasings(texts[:9], groups[:9]).sample(seed=0).texts) == 9


def test_what_cannot_be_tuned_is_refused() -> None:
    """Before anything is read."""
    with pytest.raises(ConfigError, match=r"^tune: the hashing encoder has nothing to learn"):
        BuildConfig(model="hashing", tune=True)
