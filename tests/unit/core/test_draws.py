from __future__ import annotations

from collections import Counter

import numpy as np

from semcache.core.draws import GRID_SHARE, are_for_grid


def test_a_text_is_parted_draw_by_draw() -> None:
    """However it is written: of a text that is asked a thousand times a fifth goes to each part, as of all others."""
    texts = ["How do I pay?", "how do i pay", " how do I  PAY ?!"] * 400
    share = are_for_grid(texts).mean()
    assert abs(share - GRID_SHARE) < 0.04
    others = [f"question {i}" for i in range(1200)]
    assert abs(are_for_grid(others).mean() - GRID_SHARE) < 0.04


def test_more_traffic_changes_nothing_of_what_was_there() -> None:
    """A log that grows keeps its parts, whatever comes between the same texts."""
    texts = [f"question {i % 7}" for i in range(200)]
    before = are_for_grid(texts)
    assert (are_for_grid([*texts, *texts])[:200] == before).all()
    mixed = [text for pair in zip(texts, (f"other {i}" for i in range(200)), strict=True) for text in pair]
    assert (are_for_grid(mixed)[::2] == before).all()


def test_a_seed_draws_others() -> None:
    """And each seed its share; a text that no lookup can ask for has its part too."""
    texts = [f"question {i}" for i in range(2000)]
    parts = [are_for_grid(texts, seed=seed) for seed in range(3)]
    counts = Counter(np.stack(parts, axis=1).sum(axis=1).tolist())
    assert abs(counts[0] / 2000 - (1 - GRID_SHARE) ** 3) < 0.05
    assert len(are_for_grid(["\ud800 alone"])) == 1
    assert not len(are_for_grid([]))
