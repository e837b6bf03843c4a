from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from semcache.build.boost import BoostConfig, boost
from semcache.core.verifier import TREE, Verifier

Floats = npt.NDArray[np.float64]
SMALL = BoostConfig(n_trees=20, rate=0.3, min_weight=5.0, l2=1.0)


def drawn(seed: int, n: int = 400, n_features: int = 3) -> Floats:
    """Give features between 0 and 1."""
    return np.random.default_rng(seed).random((n, n_features))


def boosted(x: Floats, is_right: npt.NDArray[np.bool_], **changes: Any) -> npt.NDArray[Any]:
    """Boost from nothing, every row alike, every feature free."""
    arguments: dict[str, Any] = {
        "logits": np.zeros(len(x)),
        "weights": np.ones(len(x)),
        "signs": [0] * x.shape[1],
        "config": SMALL,
    }
    return boost(x, is_right, **(arguments | changes))


def logits_of(trees: npt.NDArray[Any], x: Floats) -> Floats:
    """Give what trees say of rows."""
    verifier = Verifier(trees)
    return np.array([verifier.logit(row) for row in x])


def test_a_simple_rule_is_found() -> None:
    """Right where the second feature is over a half: told from rows that were never seen, too."""
    x, others = drawn(1), drawn(2)
    trees = boosted(x, x[:, 1] > 0.5)
    assert trees.dtype == TREE
    assert len(trees) == 20
    told = logits_of(trees, others) > 0
    assert (told == (others[:, 1] > 0.5)).mean() > 0.97
    assert trees["feature"][0, 0] == 1
    assert abs(trees["threshold"][0, 0] - 0.5) < 0.05


def test_a_rule_of_two_features_is_found() -> None:
    """Trees ask one after the other."""
    x, others = drawn(3, n=2000), drawn(4)
    told = logits_of(boosted(x, (x[:, 0] > 0.5) & (x[:, 2] < 0.25)), others) > 0
    assert (told == ((others[:, 0] > 0.5) & (others[:, 2] < 0.25))).mean() > 0.95


def test_the_same_rows_give_the_same_trees() -> None:
    """To the bit: a build twice is one version."""
    x = drawn(5)
    is_right = np.random.default_rng(5).random(len(x)) < x[:, 0]
    assert boosted(x, is_right).tobytes() == boosted(x.copy(), is_right.copy()).tobytes()


def test_what_is_added_is_what_the_stored_trees_say() -> None:
    """Each tree is grown on what those before it say once they are float32; two halves are the whole."""
    x = drawn(6)
    is_right = x[:, 0] + 0.3 * x[:, 1] > 0.6
    whole = boosted(x, is_right)
    first = boosted(x, is_right, config=BoostConfig(10, 0.3, 5.0, 1.0))
    second = boosted(x, is_right, logits=logits_of(first, x), config=BoostConfig(10, 0.3, 5.0, 1.0))
    assert whole.tobytes() == np.concatenate([first, second]).tobytes()


def test_what_is_said_already_is_not_said_again() -> None:
    """Trees start from the logits given: where those are right, next to nothing is added."""
    x = drawn(7)
    is_right = x[:, 1] > 0.5
    said = np.where(is_right, 20.0, -20.0)
    assert np.abs(logits_of(boosted(x, is_right, logits=said), x)).max() < 1e-4


def test_logits_that_are_wrong_are_corrected() -> None:
    """What the trees add outweighs them."""
    x = drawn(8)
    is_right = x[:, 1] > 0.5
    said = np.full(len(x), 2.0)
    assert ((said + logits_of(boosted(x, is_right, logits=said), x) > 0) == is_right).mean() > 0.97


def test_no_leaf_rests_on_less_than_the_least_weight() -> None:
    """Leaves that no row reaches are the empty side of a node that did not split."""
    x = drawn(9)
    is_right = np.random.default_rng(9).random(len(x)) < x[:, 0]
    config = BoostConfig(n_trees=6, rate=0.3, min_weight=60.0, l2=1.0)
    for tree in boosted(x, is_right, config=config):
        numbered = tree.copy().reshape(1)
        numbered["leaf"] = np.arange(8)
        reached = np.bincount(logits_of(numbered, x).astype(int), minlength=8)
        assert all(n == 0 or n >= 60 for n in reached)


def test_a_least_weight_of_more_than_half_allows_no_split() -> None:
    """Every tree is one number then: what all rows have in common."""
    x = drawn(10)
    trees = boosted(x, x[:, 0] > 0.25, config=BoostConfig(n_trees=40, rate=0.5, min_weight=300.0, l2=1e-9))
    found = logits_of(trees, x)
    assert np.ptp(found) == 0.0
    assert abs(1 / (1 + np.exp(-found[0])) - (x[:, 0] > 0.25).mean()) < 0.01


def test_weights_count() -> None:
    """Rows of weight 0 are as if they were not there."""
    x = drawn(11, n=800)
    is_right = x[:, 0] > 0.5
    weights = np.ones(len(x))
    lies = np.arange(len(x)) % 2 == 1
    is_right = np.where(lies, ~is_right, is_right)
    weights[lies] = 0.0
    told = logits_of(boosted(x, is_right, weights=weights), x[~lies]) > 0
    assert (told == is_right[~lies]).mean() > 0.97


def test_features_that_never_change_are_never_asked() -> None:
    """There is nothing between two values that are one."""
    x = drawn(12)
    x[:, 0], x[:, 2] = 1.0, -3.0
    trees = boosted(x, x[:, 1] > 0.5)
    is_asked = trees["threshold"] < 1e5
    assert set(trees["feature"][is_asked].tolist()) == {1}


def test_rows_that_are_all_alike_give_trees_of_one_number() -> None:
    """No feature tells them apart, so the share of right ones is all there is to say."""
    x = np.ones((100, 2))
    trees = boosted(x, np.arange(100) < 75, config=BoostConfig(n_trees=60, rate=0.5, min_weight=1.0, l2=1e-9))
    assert abs(1 / (1 + np.exp(-Verifier(trees).logit(x[0]))) - 0.75) < 1e-3


def test_a_feature_with_a_sign_is_only_asked_where_it_agrees() -> None:
    """The higher, the more wrong; but it may only raise the logit: so it says nothing."""
    x = drawn(13)
    x[:, 0] = x[:, 2] = 0.0
    trees = boosted(x, x[:, 1] < 0.5, signs=[0, 1, 0])
    assert np.ptp(logits_of(trees, x)) == 0.0


def test_labels_of_one_kind_stay_within_reach() -> None:
    """All right: the logit rises, and every number is a number."""
    x = drawn(14)
    trees = boosted(x, np.ones(len(x), np.bool_))
    assert np.isfinite(trees["leaf"]).all()
    assert (logits_of(trees, x) > 1.0).all()


def test_trees_that_doubt_say_nothing_where_what_they_ask_about_is_0() -> None:
    """Wrong where the first feature is set and the second not high: where it is not set, not one bit is added."""
    x, others = drawn(14), drawn(15)
    for rows in (x, others):
        rows[:, 0] = rows[:, 0] > 0.5
    trees = boosted(x, ~((x[:, 0] > 0) & (x[:, 1] < 0.8)), signs=[-1, 0, 0], doubts=[True, False, False])
    added = logits_of(trees, others)
    is_wrong = (others[:, 0] > 0) & (others[:, 1] < 0.75)
    assert (added[others[:, 0] == 0] == 0.0).all()
    assert (added <= 0.0).all()
    assert added[is_wrong].max() < -1.0
    assert added[others[:, 1] > 0.85].min() > -1.0
    assert set(trees["feature"][trees["threshold"][:, 0] < 1e5, 0].tolist()) == {0}


def test_trees_that_have_no_reason_to_doubt_say_nothing_at_all() -> None:
    """What is set is right, what is wrong has nothing set, or too few rows to rest a leaf on."""
    x = drawn(16)
    x[:, 0] = x[:, 0] > 0.5
    rare = x.copy()
    rare[:, 0] = np.arange(len(x)) < 4
    for rows, is_right in ((x, x[:, 0] > 0), (rare, rare[:, 0] == 0)):
        trees = boosted(rows, is_right, signs=[-1, 0, 0], doubts=[True, False, False])
        assert (logits_of(trees, rows) == 0.0).all()
