from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.build.boost import BoostConfig, boost
from semcache.core.verifier import Verifier

BOUNDED = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@BOUNDED
@given(
    seed=st.integers(0, 2**31),
    signs=st.lists(st.sampled_from([-1, 0, 1]), min_size=2, max_size=4),
    n_values=st.sampled_from([2, 5, 1000]),
    min_weight=st.sampled_from([1.0, 10.0]),
    only_doubts=st.booleans(),
)
def test_a_promise_about_a_feature_holds_everywhere(
    seed: int, signs: list[int], n_values: int, min_weight: float, *, only_doubts: bool
) -> None:
    """Whatever the labels are: raising a feature of sign 1 never lowers the logit, one of sign -1 never raises it."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, n_values, (80, len(signs))) / n_values
    is_right = rng.random(80) < rng.random()
    config = BoostConfig(n_trees=6, rate=0.5, min_weight=min_weight, l2=0.5)
    weights = rng.random(80) * 2
    doubts = [sign < 1 for sign in signs] if only_doubts else None
    logits = rng.normal(size=80)
    verifier = Verifier(boost(x, is_right, logits=logits, weights=weights, signs=signs, config=config, doubts=doubts))
    assert not only_doubts or max(verifier.logit(row) for row in x) <= 0.0
    for feature, sign in enumerate(signs):
        for row in x[:8]:
            steps = np.repeat(row[None], 12, axis=0)
            steps[:, feature] = np.linspace(-0.5, 1.5, 12)
            rises = np.diff([verifier.logit(step) for step in steps])
            if sign:
                assert (rises * sign >= -1e-9).all()


@BOUNDED
@given(seed=st.integers(0, 2**31), n=st.integers(1, 40))
def test_any_rows_give_finite_trees(seed: int, n: int) -> None:
    """Few rows, no rows of a kind, huge and equal values: every number can be stored, and read by a bundle's reader."""
    rng = np.random.default_rng(seed)
    x = rng.choice([0.0, 1.0, -1e5, 1e5, 1e-30], (n, 3))
    trees = boost(
        x,
        rng.random(n) < 0.5,
        logits=rng.normal(size=n) * 50,
        weights=rng.random(n),
        signs=[0, 1, -1],
        config=BoostConfig(n_trees=3, min_weight=0.1),
    )
    assert np.abs(trees["leaf"]).max() <= 1e6
    assert np.abs(trees["threshold"]).max() <= 1e6
    assert trees["feature"].min() >= 0
    assert trees["feature"].max() <= 2
    assert 0.0 <= Verifier(trees).confidence(x[0]) <= 1.0
