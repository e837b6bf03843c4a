"""Trees of a bundle's own: fitted on its queries on top of the generic ones, and held against them without a proof.

Those that labelled traffic fits are followed by trees that doubt: traffic holds few near twins, and teaches to serve
them. They say nothing of a text in which no fact differs. It fits and compares; what certifies is never shown to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from semcache.build.boost import BoostConfig, boost
from semcache.build.certifying import confidences, rights
from semcache.build.fit_queries import draw
from semcache.build.generic import generic_trees
from semcache.build.judging import Outcome
from semcache.core.features import FEATURES
from semcache.core.lexical import MISMATCHES
from semcache.core.metrics import best_coverage, curve_of
from semcache.core.verifier import SIGNS, Verifier

Floats = npt.NDArray[np.float64]
Trees = npt.NDArray[Any]
"""(n,) of `TREE`."""

DOUBTING = BoostConfig(n_trees=40, rate=0.3, min_weight=10.0, l2=3.0)
"""How trees that doubt are grown."""
DOUBTS = tuple(name in MISMATCHES for name in FEATURES)
"""Of each feature, whether it is a reason to doubt: that a fact differs."""
TWIN_SHARE = 0.1
"""Weight of all made twins, as a share of that of the queries: what these show to be harmless outweighs them."""

_OWN = BoostConfig(n_trees=160, min_weight=20.0)
_WEIGHTS = {"outside": 0.7, "twin": 0.5, "reworded": 0.5}
_FOLDS = 5
_LEVELS = (0.02, 0.05, 0.10, 0.20)


def with_own(outcomes: Sequence[Outcome], twins: Sequence[Outcome] = ()) -> Trees:
    """Return the generic trees with others fitted on top of them; none more where there is nothing to fit on.

    Args:
        outcomes: queries with their labels.
        twins: made near twins, of which none has the answer it gets, for trees that doubt; none of those without.
    """
    found = _not_guarded(outcomes)
    if not found:
        return generic_trees()
    weights = np.array([_WEIGHTS.get(outcome.query.kind, 1.0) for outcome in found])
    trees = _grown(generic_trees(), found, weights, config=_OWN)
    if not (made := _not_guarded(twins)):
        return trees
    of_twins = np.full(len(made), TWIN_SHARE * weights.sum() / len(made))
    return _grown(trees, [*found, *made], np.concatenate([weights, of_twins]), config=DOUBTING, doubts=DOUBTS)


def _not_guarded(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if not outcome.judged.is_guarded]


def _grown(
    trees: Trees,
    found: Sequence[Outcome],
    weights: Floats,
    *,
    config: BoostConfig,
    doubts: Sequence[bool] | None = None,
) -> Trees:
    """Return trees with others on top of them."""
    x, verifier = np.stack([outcome.judged.features for outcome in found]), Verifier(trees)
    logits = np.array([verifier.logit(row) for row in x], np.float64)
    grown = boost(x, rights(found), logits=logits, weights=weights, signs=SIGNS, config=config, doubts=doubts)
    return np.concatenate([trees, grown])


def own_rank_better(outcomes: Sequence[Outcome], seed: int, *, twins: Sequence[Outcome] = ()) -> bool:
    """Say whether trees fitted on queries rank others of them better than the generic trees do.

    Each query is judged by trees that were fitted without its fold; equal texts are in the same one.

    Args:
        outcomes: queries that certify nothing.
        seed: of the folds.
        twins: as `with_own` takes them; they are no query, and judge nothing.
    """
    fold_of = np.array([int(draw(seed, "own", outcome.query.text) * _FOLDS) for outcome in outcomes])
    own = np.zeros(len(outcomes))
    for fold in range(_FOLDS):
        others = [outcome for outcome, number in zip(outcomes, fold_of, strict=True) if number != fold]
        judged = [outcome for outcome, number in zip(outcomes, fold_of, strict=True) if number == fold]
        own[fold_of == fold] = confidences(with_own(others, twins), judged)
    return mean_coverage(own, outcomes) > mean_coverage(confidences(generic_trees(), outcomes), outcomes)


def mean_coverage(found: Floats, outcomes: Sequence[Outcome]) -> float:
    """Return the mean best coverage at 2, 5, 10 and 20 % error that (n,) confidences allow."""
    if not outcomes:
        return 0.0
    curve = curve_of(found, rights(outcomes))
    served = [best_coverage(curve, level) for level in _LEVELS]
    return sum(one.coverage if one is not None else 0.0 for one in served) / len(served)
