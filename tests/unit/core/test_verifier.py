from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from semcache.core.features import FEATURES
from semcache.core.verifier import SIGNS, TREE, Verifier

LEAVES = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)


def grown(*leaves: tuple[float, ...]) -> npt.NDArray[Any]:
    """Give trees that ask feature i at node i: right where it is over i / 8."""
    trees = np.zeros(len(leaves), TREE)
    trees["feature"] = np.arange(7)
    trees["threshold"] = np.arange(7) / 8
    trees["leaf"] = leaves
    return trees


def asked(**over: int) -> npt.NDArray[np.float64]:
    """Give features of which those numbered in `over` are over their threshold."""
    x = np.full(len(FEATURES), -1.0)
    x[list(over.values())] = 1.0
    return x


@pytest.mark.parametrize(
    ("right_at", "leaf"),
    [
        ((), 1.0),
        ((3,), 2.0),
        ((1,), 3.0),
        ((1, 4), 4.0),
        ((0,), 5.0),
        ((0, 5), 6.0),
        ((0, 2), 7.0),
        ((0, 2, 6), 8.0),
        ((1, 3), 3.0),
        ((2, 4, 5, 6), 1.0),
    ],
)
def test_each_path_ends_in_its_leaf(right_at: tuple[int, ...], leaf: float) -> None:
    """Nodes level by level, leaves from left to right; what lies on no path is not asked."""
    x = np.full(len(FEATURES), -1.0)
    x[list(right_at)] = 1.0
    assert Verifier(grown(LEAVES)).logit(x) == leaf


def test_a_value_at_the_threshold_goes_left() -> None:
    """Only what is over it goes right; thresholds are compared as the float32 that is stored."""
    trees = grown(LEAVES)
    trees["threshold"] = 0.1
    x = np.full(len(FEATURES), float(np.float32(0.1)))
    assert Verifier(trees).logit(x) == 1.0
    assert Verifier(trees).logit(np.nextafter(x, 1.0)) == 8.0


def test_trees_add_up() -> None:
    """Each takes its own path."""
    trees = grown(LEAVES, tuple(10 * leaf for leaf in LEAVES), (0.5,) * 8)
    trees["feature"][1] = 7
    x = np.full(len(FEATURES), -1.0)
    x[7] = 1.0
    assert Verifier(trees).logit(x) == 1.0 + 80.0 + 0.5


@pytest.mark.parametrize(("logit", "confidence"), [(0.0, 0.5), (math.log(3), 0.75), (-math.log(3), 0.25)])
def test_the_confidence_is_the_logistic_of_the_logit(logit: float, confidence: float) -> None:
    """0 is even odds."""
    assert Verifier(grown((logit,) * 8)).confidence(asked()) == pytest.approx(confidence, abs=1e-7)


@pytest.mark.parametrize(("leaf", "least", "most"), [(1e6, 0.999, 1.0), (-1e6, 0.0, 1e-25)])
def test_a_logit_beyond_measure_is_a_confidence_all_the_same(leaf: float, least: float, most: float) -> None:
    """Nothing overflows."""
    assert least <= Verifier(grown((leaf,) * 8)).confidence(asked()) <= most


def test_a_feature_that_is_no_number_goes_left() -> None:
    """No comparison with it is true; nothing raises, and the same comes out each time."""
    verifier = Verifier(grown(LEAVES))
    assert verifier.logit(np.full(len(FEATURES), np.nan)) == 1.0


@pytest.mark.parametrize("right_at", range(128))
def test_whatever_the_other_nodes_say_only_the_path_counts(right_at: int) -> None:
    """All 128 ways in which seven nodes can turn, walked node by node."""
    x = np.full(len(FEATURES), -1.0)
    x[[node for node in range(7) if right_at >> node & 1]] = 1.0
    node = 0
    while node < 7:
        node = 2 * node + (2 if x[node] > node / 8 else 1)
    assert Verifier(grown(LEAVES)).logit(x) == LEAVES[node - 7]


@pytest.mark.parametrize(("value", "leaf"), [(np.inf, 8.0), (-np.inf, 1.0)])
def test_endless_features_have_a_side(value: float, leaf: float) -> None:
    """As any other number over or under the threshold."""
    assert Verifier(grown(LEAVES)).logit(np.full(len(FEATURES), value)) == leaf


def test_the_trees_may_change_once_they_were_taken() -> None:
    """A verifier holds its own numbers."""
    trees = grown(LEAVES)
    verifier = Verifier(trees)
    trees["leaf"] = 0.0
    assert verifier.logit(asked()) == 1.0


def test_there_is_a_sign_for_each_feature() -> None:
    """What speaks for the candidate may only raise the confidence, a mismatch only lower it, the rest is free."""
    signs = dict(zip(FEATURES, SIGNS, strict=True))
    assert {name for name, sign in signs.items() if sign == 1} == {
        *("score", "margin", "mean_margin", "share", "sharp_share")
    }
    assert {name for name, sign in signs.items() if sign == 0} == {
        *("share_of_10", "share_of_5", "fall_of_3", "answer_mean", "answer_lift", "answer_found", "answer_rows"),
        *("lift", "rival", "over_hardness", "hardness", "over_closest", "over_cohesion", "cohesion"),
        *("cohesion_over_hardness", "range", "answers", "soft", "pointing", "brevity"),
    }
    assert set(signs.values()) == {1, 0, -1}
