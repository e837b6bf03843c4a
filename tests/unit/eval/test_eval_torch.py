from __future__ import annotations

import eval_path  # noqa: F401
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="token vectors need the build extra")

from eval.late_interaction import Tokens, met, rarity_of  # noqa: E402 - only where torch is there


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
