from __future__ import annotations

import numpy as np
import pytest

from semcache.build.adapter import Answers, adapt_all, train_adapter
from semcache.core.vectors import FloatRows, adapt, unit_rows


def variants(seed: int, *, n_answers: int = 40, rows_each: int = 4, dim: int = 24) -> tuple[FloatRows, Answers]:
    """Give rows in which half of the dimensions tell answers apart and the louder half is noise."""
    rng = np.random.default_rng(seed)
    answers = np.repeat(np.arange(n_answers), rows_each)
    meaning = rng.normal(size=(n_answers, dim // 2))[answers] + 0.2 * rng.normal(size=(len(answers), dim // 2))
    rows = np.hstack([meaning, 2.0 * rng.normal(size=(len(answers), dim // 2))])
    return unit_rows(rows.astype(np.float32)), answers


def contrast(vectors: FloatRows, answers: Answers) -> float:
    """Give the mean cosine of rows of one answer less that of rows of different ones."""
    cosines = vectors @ vectors.T
    same = answers[:, None] == answers[None]
    other = ~same
    np.fill_diagonal(same, val=False)
    return float(cosines[same].mean() - cosines[other].mean())


def test_variants_of_one_answer_are_drawn_together_and_others_apart() -> None:
    """On the rows it was trained on."""
    vectors, answers = variants(1)
    adapter = train_adapter(vectors, answers, seed=0)
    assert adapter.shape == (24, 24)
    assert adapter.dtype == np.float32
    assert contrast(adapt_all(vectors, adapter), answers) > contrast(vectors, answers) + 0.05


def test_what_was_learnt_holds_for_answers_never_seen() -> None:
    """The noise is the same elsewhere: other answers of the same kind gain too."""
    seen, answers = variants(2, n_answers=100, rows_each=6)
    others, other_answers = variants(3)
    adapter = train_adapter(seen, answers, seed=0)
    gained = contrast(adapt_all(others, adapter), other_answers) - contrast(others, other_answers)
    assert gained > 0.01


def test_the_same_seed_gives_the_same_matrix() -> None:
    """To the bit: a build twice is one version. Another seed is another order of rows."""
    vectors, answers = variants(4)
    first, again, other = (train_adapter(vectors, answers, seed=seed) for seed in (0, 0, 1))
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_where_no_answer_has_two_rows_nothing_is_learnt() -> None:
    """There is nothing to draw together: the matrix stays the identity."""
    vectors, _ = variants(5)
    adapter = train_adapter(vectors, np.arange(len(vectors)), seed=0)
    assert adapter.tobytes() == np.eye(24, dtype=np.float32).tobytes()


def test_a_few_rows_are_too_few_to_learn_from() -> None:
    """A batch of less than 8 rows is passed over."""
    vectors, answers = variants(6)
    assert np.array_equal(train_adapter(vectors[:7], answers[:7], seed=0), np.eye(24))


def test_zero_rows_do_no_harm() -> None:
    """A text that was not embedded stays zero, and the matrix holds numbers only."""
    vectors, answers = variants(7)
    vectors[::5] = 0.0
    adapter = train_adapter(vectors, answers, seed=0)
    moved = adapt_all(vectors, adapter)
    assert np.isfinite(adapter).all()
    assert not moved[::5].any()
    assert not adapt(vectors[:1], adapter).any()


def test_adapted_rows_are_unit_rows() -> None:
    """A score stays a cosine; many at once come out as one by one."""
    vectors, answers = variants(8)
    adapter = train_adapter(vectors, answers, seed=0)
    moved = adapt_all(vectors, adapter)
    assert np.linalg.norm(moved, axis=1) == pytest.approx(1.0, abs=1e-6)
    assert np.abs(moved - adapt(vectors, adapter)).max() < 1e-6


def test_a_row_is_adapted_to_the_same_bits_in_any_company() -> None:
    """A lookup asks alone or in a batch, and scores must not hang on that."""
    vectors, answers = variants(9)
    adapter = train_adapter(vectors, answers, seed=0)
    whole = adapt(vectors, adapter)
    assert all(adapt(vectors[i : i + 1], adapter).tobytes() == whole[i].tobytes() for i in range(len(vectors)))


def test_without_an_adapter_rows_are_what_they_were() -> None:
    """Not even copied."""
    vectors, _ = variants(10)
    assert adapt_all(vectors, None) is vectors
    assert adapt(vectors, None) is vectors


def test_no_rows_adapt_to_no_rows() -> None:
    """An empty batch is one."""
    nothing = np.zeros((0, 24), np.float32)
    assert adapt(nothing, np.eye(24, dtype=np.float32)).shape == (0, 24)
    assert adapt_all(nothing, np.eye(24, dtype=np.float32)).shape == (0, 24)
