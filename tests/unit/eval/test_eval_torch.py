from __future__ import annotations

import eval_path  # noqa: F401
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="token vectors and tuning need the build extra")

from eval.late_interaction import Tokens, met, rarity_of  # noqa: E402 - only where torch is there
from eval.tuning import batches, contrast, hold_out  # noqa: E402


def tokens(*ids: int) -> Tokens:
    """Return tokens with unit vectors of their own, one dimension each."""
    return Tokens(np.array(ids, np.int64), np.eye(8, dtype=np.float16)[list(ids)])


def test_each_side_is_asked_what_the_other_meets() -> None:
    """Tokens 1 and 2 are met, 3 is not; token 0 is in every text and weighs little."""
    rarity = rarity_of([tokens(0, 1), tokens(0, 2), tokens(0, 3)])
    query, variant = tokens(0, 1, 3), tokens(0, 1)
    mean, least, other_mean, other_least = met(query, variant, rarity)
    weights = rarity(query)
    assert mean == pytest.approx((weights[0] + weights[1]) / weights.sum())
    assert (least, other_mean, other_least) == (0.0, 1.0, 1.0)


def test_a_text_without_tokens_is_met_by_nothing() -> None:
    """Zeros, not an error."""
    assert met(tokens(), tokens(1), rarity_of([tokens(1)])) == (0.0, 0.0, 0.0, 0.0)


def test_a_batch_holds_pairs_of_one_group() -> None:
    """Every row of a group of two or more comes, a row alone never."""
    groups = np.array([0, 0, 0, 1, 1, 2], np.int64)
    rows = np.concatenate(list(batches(groups, np.random.default_rng(0)))).reshape(-1, 2)
    assert all(groups[a] == groups[b] and a != b for a, b in rows)
    assert set(rows.ravel().tolist()) == {0, 1, 2, 3, 4}


def test_groups_keep_two_phrasings_when_some_are_held_out() -> None:
    """A group of two is not divided."""
    groups = np.array([0] * 5 + [1] * 2, np.int64)
    is_held = hold_out(groups, seed=0)
    assert (int(is_held[:5].sum()), int(is_held[5:].sum())) == (2, 0)


def test_vectors_of_one_group_are_drawn_together_only() -> None:
    """The loss is near 0 where groups are apart, and large where a row is nearer to another group's."""
    apart = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    mixed = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    groups = torch.tensor([0, 0, 1, 1])
    assert float(contrast(apart, groups)) < 1e-6
    assert float(contrast(mixed, groups)) > 10.0
