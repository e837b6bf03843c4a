from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from semcache.build.line import PENALTIES, Line, fit_line
from semcache.core.verifier import Verifier

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
TRUE = np.array([2.0, -1.0, 0.0])


def drawn(n: int, *, weights: Floats = TRUE, constant: float = 0.5, seed: int = 0) -> tuple[Floats, Bools]:
    """Give normal features and labels drawn by a line of them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, len(weights)))
    return x, rng.random(n) < 1.0 / (1.0 + np.exp(-(x @ weights + constant)))


def fitted(
    x: Floats,
    is_right: Bools,
    *,
    signs: Sequence[int] = (0, 0, 0),
    logits: Floats | None = None,
    weights: Floats | None = None,
    penalties: Sequence[float] = (1e-3,),
) -> Line:
    """Fit a line, hardly penalised unless asked for."""
    said = np.zeros(len(x)) if logits is None else logits
    count = np.ones(len(x)) if weights is None else weights
    return fit_line(x, is_right, logits=said, weights=count, signs=signs, penalties=penalties)


def said_by_trees(line: Line, x: Floats, *, learned: Floats) -> Floats:
    """Give what the trees of a line say of rows, as stored numbers."""
    verifier = Verifier(line.trees(learned))
    return np.array([verifier.logit(row) for row in x])


def test_a_line_finds_what_drew_the_labels() -> None:
    """Its logits are those that the labels were drawn by."""
    x, is_right = drawn(20_000)
    assert fitted(x, is_right).logits(x[:200]) == pytest.approx(x[:200] @ TRUE + 0.5, abs=0.3)


def test_a_line_says_what_is_not_said_yet() -> None:
    """Where the labels' own logits are given, next to nothing is left."""
    x, is_right = drawn(20_000)
    assert np.abs(fitted(x, is_right, logits=x @ TRUE + 0.5).logits(x)).mean() < 0.05


def test_at_the_least_loss_nothing_is_left_to_gain() -> None:
    """Without a penalty to speak of, residuals are at right angles to every feature, weights counted."""
    x, is_right = drawn(500)
    weights = np.random.default_rng(1).random(500)
    share = 1.0 / (1.0 + np.exp(-fitted(x, is_right, weights=weights, penalties=(1e-9,)).logits(x)))
    columns = np.hstack([x, np.ones((500, 1))])
    assert columns.T @ (weights * (share - is_right)) == pytest.approx(np.zeros(4), abs=1e-4)


@pytest.mark.parametrize(("signs", "dropped"), [((-1, 0, 0), 0), ((0, 1, 0), 1), ((-1, 1, 0), None)])
def test_a_feature_against_its_sign_is_left_out(signs: tuple[int, ...], dropped: int | None) -> None:
    """The others are fitted again without it, as if it were not there."""
    x, is_right = drawn(2_000)
    line = fitted(x, is_right, signs=signs)
    assert (line.weights[:-1] * np.asarray(signs) >= 0).all()
    if dropped is not None:
        without = np.delete(x, dropped, axis=1)
        alone = fitted(without, is_right, signs=np.delete(signs, dropped).tolist())
        assert line.logits(x) == pytest.approx(alone.logits(without), abs=1e-6)


def test_a_sign_that_is_kept_changes_nothing() -> None:
    """Signs only forbid."""
    x, is_right = drawn(2_000)
    assert fitted(x, is_right, signs=(1, -1, 0)).weights.tobytes() == fitted(x, is_right).weights.tobytes()


def test_a_constant_feature_says_nothing() -> None:
    """Nor does it stand in the way of the others."""
    x, is_right = drawn(2_000)
    x[:, 2] = 7.0
    line = fitted(x, is_right)
    assert line.weights[2] == 0.0
    assert np.isfinite(line.logits(x)).all()
    assert len(line.trees(x)) == 3  # two features and the constant


def test_the_penalty_is_chosen_on_rows_left_out() -> None:
    """Labels without a rule ask for the largest one, plenty of labels with one for the smallest."""
    x, is_right = drawn(2_000)
    steep = fitted(x, is_right, penalties=PENALTIES)
    assert steep.weights.tobytes() == fitted(x, is_right, penalties=PENALTIES[:1]).weights.tobytes()
    random = np.random.default_rng(2).random(200) < 0.5
    flat = fitted(x[:200], random, penalties=PENALTIES)
    assert flat.weights.tobytes() == fitted(x[:200], random, penalties=PENALTIES[-1:]).weights.tobytes()


def test_values_far_out_count_as_five_deviations() -> None:
    """One absurd number must not outweigh all others."""
    x, is_right = drawn(2_000)
    line = fitted(x, is_right)
    far, further = x[:1].copy(), x[:1].copy()
    far[0, 0], further[0, 0] = 50.0, 1e9
    assert line.logits(far) == line.logits(further)


def test_one_row_is_enough_to_fit_nothing_on() -> None:
    """No deviation, so only the constant is left, and it is finite."""
    line = fitted(np.ones((1, 3)), np.array([True]), penalties=PENALTIES)
    assert np.isfinite(line.weights).all()
    assert (line.weights[:-1] == 0.0).all()
    assert len(line.trees(np.ones((1, 3)))) == 1


def test_trees_rise_and_fall_as_the_line_does() -> None:
    """A stair a feature: in the mean what the line says, near it everywhere, never the wrong way."""
    x, is_right = drawn(4_000)
    line = fitted(x, is_right)
    stairs = said_by_trees(line, x, learned=x)
    assert stairs.mean() == pytest.approx(line.logits(x).mean(), abs=1e-4)
    assert np.corrcoef(stairs, line.logits(x))[0, 1] > 0.97
    walk = np.repeat(x[:1], 101, axis=0)
    walk[:, 0] = np.linspace(-4.0, 4.0, 101)
    risen = np.diff(said_by_trees(line, walk, learned=x))
    assert (risen >= 0.0).all()
    assert np.count_nonzero(risen) == 7


@pytest.mark.parametrize("n_different", [2, 3, 8])
def test_few_values_are_told_apart_exactly(n_different: int) -> None:
    """Yes or no, a count of faults: a stair each, and no row between two."""
    x, _ = drawn(1_000)
    x[:, 0] = np.arange(1_000) % n_different
    is_right = np.random.default_rng(3).random(1_000) < (x[:, 0] + 1) / (n_different + 1)
    line = fitted(x[:, :1], is_right, signs=(0,))
    assert said_by_trees(line, x[:, :1], learned=x[:, :1]) == pytest.approx(line.logits(x[:, :1]), abs=1e-5)


@pytest.mark.parametrize("side", [-1.0, 0.0, 1.0])
def test_one_value_in_most_rows_leaves_stairs_for_the_others(side: float) -> None:
    """Be it the least (a fact that seldom differs), the most, or in between; and no stair is empty."""
    drawn_x, is_right = drawn(4_000)
    x = np.where(drawn_x[:, :1] * side < 0.0, -drawn_x[:, :1], drawn_x[:, :1])
    x[:3_600] = 0.0
    line = fitted(x, is_right, signs=(0,))
    stairs = said_by_trees(line, x, learned=x)
    assert stairs.mean() == pytest.approx(line.logits(x).mean(), abs=1e-4)
    assert np.corrcoef(stairs, line.logits(x))[0, 1] > 0.9
    assert len(np.unique(np.round(stairs, 9))) >= 4
