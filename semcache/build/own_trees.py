"""Trees of a bundle's own: fitted on its queries over the generic ones, and held against them without a proof.

Over half of what the generic trees say stands a line, which ranks what is surest, and over that what is not linear.
Those that labelled traffic fits are followed by trees that doubt: traffic holds few near twins, and teaches to serve
them. They say nothing of a text in which no fact differs. What certifies is never shown to any of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from semcache.build.boost import BoostConfig, boost
from semcache.build.certifying import confidences, rights
from semcache.build.generic import generic_trees
from semcache.build.judging import Outcome
from semcache.build.line import fit_line
from semcache.core.draws import draw
from semcache.core.features import FEATURES
from semcache.core.lexical import MISMATCHES
from semcache.core.metrics import curve_of, mean_best_coverage
from semcache.core.text import normalise
from semcache.core.verifier import SIGNS, Verifier, weakened

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Trees = npt.NDArray[Any]
"""(n,) of `TREE`."""

GENERIC_SHARE = 0.5
"""How much of the generic logit own trees stand on: what few queries cannot tell stays as public sets have it."""
LINE_SHARE = 0.7
"""How much of a line is taken: trees over it say the rest."""
CURVING = BoostConfig(n_trees=80, min_weight=20.0)
"""How trees over the line are grown."""
DOUBTING = BoostConfig(n_trees=40, rate=0.3, min_weight=10.0, l2=3.0)
"""How trees that doubt are grown."""
DOUBTS = tuple(name in MISMATCHES for name in FEATURES)
"""Of each feature, whether it is a reason to doubt: that a fact differs."""
TWIN_SHARE = 0.1
"""Weight of all made twins, as a share of that of the queries: what these show to be harmless outweighs them."""

_WEIGHTS = {"outside": 0.7, "twin": 0.5, "reworded": 0.5}
_FOLDS = 5
_LEVELS = (0.02, 0.05, 0.10, 0.20)


def with_own(outcomes: Sequence[Outcome], twins: Sequence[Outcome] = ()) -> Trees:
    """Return a bundle's own trees, as `grow_own` does; the generic ones where there is nothing to fit on.

    Args:
        outcomes: queries with their labels.
        twins: made near twins, of which none has the answer it gets, for trees that doubt; none of those without.
    """
    found, made = _not_guarded(outcomes), _not_guarded(twins)
    if not found:
        return generic_trees()
    weights = np.array([_WEIGHTS.get(outcome.query.kind, 1.0) for outcome in found])
    return grow_own(generic_trees(), _features(found), rights(found), weights=weights, twins=_features(made))


def grow_own(
    generic: Trees, x: Floats, is_right: Bools, *, weights: Floats, twins: Floats, signs: Sequence[int] = SIGNS
) -> Trees:
    """Return trees fitted on queries, with a share of the generic ones under them.

    Args:
        generic: trees that never saw these queries.
        x: (n, n_features) of queries; n is 1 or more.
        is_right: (n,) whether serving each one's candidate is right.
        weights: (n,) of each, 0 or more.
        twins: (m, n_features) of near twins, all of them wrong; m may be 0.
        signs: as `SIGNS` has them, of each feature; twins need those.
    """
    trees = weakened(generic, GENERIC_SHARE)
    line = fit_line(x, is_right, logits=Verifier(trees).logits(x), weights=weights, signs=signs)
    trees = np.concatenate([trees, weakened(line.trees(x), LINE_SHARE)])
    trees = np.concatenate([trees, _over(trees, x, is_right, weights, CURVING, signs=signs)])
    return np.concatenate([trees, doubting(trees, x, is_right, weights=weights, twins=twins)])


def doubting(trees: Trees, x: Floats, is_right: Bools, *, weights: Floats, twins: Floats) -> Trees:
    """Return trees that doubt, to stand behind those of `grow_own`, whose arguments these are; none without twins."""
    if not len(twins):
        return trees[:0]
    all_x, labels = np.concatenate([x, twins]), np.append(is_right, np.zeros(len(twins), np.bool_))
    all_weights = np.append(weights, np.full(len(twins), TWIN_SHARE * weights.sum() / len(twins)))
    return _over(trees, all_x, labels, all_weights, DOUBTING, doubts=DOUBTS)


def _over(
    trees: Trees,
    x: Floats,
    is_right: Bools,
    weights: Floats,
    config: BoostConfig,
    *,
    signs: Sequence[int] = SIGNS,
    doubts: Sequence[bool] | None = None,
) -> Trees:
    logits = Verifier(trees).logits(x)
    return boost(x, is_right, logits=logits, weights=weights, signs=signs, config=config, doubts=doubts)


def _features(outcomes: Sequence[Outcome]) -> Floats:
    return np.array([outcome.judged.features for outcome in outcomes], np.float64).reshape(-1, len(FEATURES))


def _not_guarded(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if not outcome.judged.is_guarded]


def own_rank_better(outcomes: Sequence[Outcome], seed: int, *, twins: Sequence[Outcome] = ()) -> bool:
    """Say whether trees fitted on queries rank others of them better than the generic trees do.

    Each query is judged by trees that were fitted without its fold; equal texts are in the same one.

    Args:
        outcomes: queries that certify nothing.
        seed: of the folds.
        twins: as `with_own` takes them; they are no query, and judge nothing.
    """
    fold_of = np.array([int(draw(seed, "own", normalise(outcome.query.text)) * _FOLDS) for outcome in outcomes])
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
    return mean_best_coverage(curve_of(found, rights(outcomes)), _LEVELS)
