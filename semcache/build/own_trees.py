"""Trees of a bundle's own: fitted on its queries on top of the generic ones, and held against them without a proof.

It fits and compares; what certifies is never shown to it.
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
from semcache.core.metrics import best_coverage, curve_of
from semcache.core.verifier import SIGNS, Verifier

Floats = npt.NDArray[np.float64]
Trees = npt.NDArray[Any]
"""(n,) of `TREE`."""

_N_TREES = 160
_WEIGHTS = {"outside": 0.7, "twin": 0.5, "reworded": 0.5}
_FOLDS = 5
_LEVELS = (0.02, 0.05, 0.10, 0.20)


def with_own(outcomes: Sequence[Outcome]) -> Trees:
    """Return the generic trees with others fitted on top of them; none more where there is nothing to fit on."""
    found = [outcome for outcome in outcomes if not outcome.judged.is_guarded]
    if not found:
        return generic_trees()
    verifier = Verifier(generic_trees())
    own = boost(
        np.stack([outcome.judged.features for outcome in found]),
        rights(found),
        logits=np.array([verifier.logit(outcome.judged.features) for outcome in found], np.float64),
        weights=np.array([_WEIGHTS.get(outcome.query.kind, 1.0) for outcome in found]),
        signs=SIGNS,
        config=BoostConfig(n_trees=_N_TREES, min_weight=20.0),
    )
    return np.concatenate([generic_trees(), own])


def own_rank_better(outcomes: Sequence[Outcome], seed: int) -> bool:
    """Say whether trees fitted on queries rank others of them better than the generic trees do.

    Each query is judged by trees that were fitted without its fold; equal texts are in the same one.

    Args:
        outcomes: queries that certify nothing.
        seed: of the folds.
    """
    fold_of = np.array([int(draw(seed, "own", outcome.query.text) * _FOLDS) for outcome in outcomes])
    own = np.zeros(len(outcomes))
    for fold in range(_FOLDS):
        others = [outcome for outcome, number in zip(outcomes, fold_of, strict=True) if number != fold]
        judged = [outcome for outcome, number in zip(outcomes, fold_of, strict=True) if number == fold]
        own[fold_of == fold] = confidences(with_own(others), judged)
    return mean_coverage(own, outcomes) > mean_coverage(confidences(generic_trees(), outcomes), outcomes)


def mean_coverage(found: Floats, outcomes: Sequence[Outcome]) -> float:
    """Return the mean best coverage at 2, 5, 10 and 20 % error that (n,) confidences allow."""
    if not outcomes:
        return 0.0
    curve = curve_of(found, rights(outcomes))
    served = [best_coverage(curve, level) for level in _LEVELS]
    return sum(one.coverage if one is not None else 0.0 for one in served) / len(served)
