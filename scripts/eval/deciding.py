"""Decides a set-up's queries with some part of the decision changed: what all comparisons have in common.

A comparison changes one thing (features, trees, vectors) and leaves the rest to this file, so that its figures mean
what those of `measured` mean: trees of its own are fitted on the fit part, thresholds are chosen on calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from eval import ours
from eval.measured import Judged, Problem, levels
from semcache.core.metrics import aurc, curve_of

LEVELS = (0.01, 0.02, 0.05)
Logits = npt.NDArray[np.float64]


def bundle_of(problem: Problem, *, is_adapted: bool = True) -> ours.Bundle:
    """Return the known phrasings as a bundle's decision sees them."""
    known = problem.known
    contexts = known.contexts
    return ours.Bundle(known.texts, known.groups, known.vectors, contexts, seed=problem.seed, is_adapted=is_adapted)


def see(problem: Problem, bundle: ours.Bundle) -> ours.Seen:
    """Return what a decision sees of a problem's queries."""
    return bundle.see(problem.queries.texts, problem.queries.vectors, problem.queries.contexts)


def rights(problem: Problem, seen: ours.Seen) -> npt.NDArray[np.bool_]:
    """Return whether serving each query's candidate is right."""
    right: npt.NDArray[np.bool_] = seen.answers == problem.queries.groups
    return right


def to_learn(problem: Problem, seen: ours.Seen) -> npt.NDArray[np.intp]:
    """Return the queries that may be learned from: those of the fit part that have a candidate."""
    fit = problem.parts.fit
    return fit[seen.answers[fit] >= 0]


def with_local(problem: Problem, seen: ours.Seen, logits: Logits, *, signs: Sequence[int]) -> Logits:
    """Return logits with what trees of the set-up's own, fitted on its fit part, add to them."""
    learned = to_learn(problem, seen)
    is_right = rights(problem, seen)[learned]
    trees = ours.local_trees(seen.x[learned], is_right, logits=logits[learned], signs=signs)
    return logits + ours.logits_of(trees, seen.x)


def outcome(problem: Problem, seen: ours.Seen, logits: Logits) -> dict[str, Any]:
    """Return coverage and error of the test part at each level, by the origin of the threshold, and its AURC."""
    judged = Judged(ours.confidences(logits, seen.answers).astype(np.float64), rights(problem, seen))
    test = judged.at(problem.parts.test)
    return {
        "levels": [_brief(row) for row in levels(judged, problem.parts) if row["level"] in LEVELS],
        "aurc": aurc(curve_of(test.confidence, test.is_right)),
    }


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    return {"level": row["level"]} | {
        origin: {key: row[origin][key] for key in ("coverage", "error")} for origin in ("best", "chosen", "certified")
    }
