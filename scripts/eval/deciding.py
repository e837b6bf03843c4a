"""Decides a set-up's queries, with some part of the decision changed: what the protocol and all comparisons share.

A comparison changes one thing (features, trees, vectors) and leaves the rest to this file, so that its figures mean
what those of `measured` mean: the fit part is learned from, thresholds are chosen on calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eval import ours
from eval.embeddings import Vectors
from eval.problem import Judged, Problem, levels
from eval.retrieval import Labelled
from semcache.core.metrics import aurc, curve_of
from semcache.core.twins import twins
from semcache.core.verifier import SIGNS

LEVELS = (0.01, 0.02, 0.05)
MAX_TWINS = 2_000
"""As many as a build makes."""
Logits = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Read:
    """A problem as a decision sees it.

    Attributes:
        bundle: the known phrasings, with the adapter that judges what is not learned from.
        seen: all queries; those of the fit part as they were learned from.
    """

    bundle: ours.Bundle
    seen: ours.Seen


def read(problem: Problem, *, is_adapted: bool = True, is_taught: bool = True) -> Read:
    """Return what the decision sees of a problem.

    Args:
        problem: known phrasings and queries.
        is_adapted: whether there is an adapter.
        is_taught: whether it learns from the fit part too.
    """
    known, queries, fit = problem.known, problem.queries, problem.parts.fit
    teaches = is_adapted and is_taught
    taught = queries.at(fit) if teaches else None
    bundle = ours.Bundle(known, seed=problem.seed, taught=taught, is_adapted=is_adapted)
    seen = bundle.see(queries)
    if taught is not None:
        learned = ours.see_learning(known, taught, seed=problem.seed)
        seen.x[fit], seen.answers[fit] = learned.x, learned.answers
    return Read(bundle, seen)


def rights(problem: Problem, seen: ours.Seen) -> npt.NDArray[np.bool_]:
    """Return whether serving each query's candidate is right."""
    right: npt.NDArray[np.bool_] = seen.answers == problem.queries.groups
    return right


@dataclass(frozen=True, slots=True)
class Made:
    """Near twins of known phrasings that get the answer of their phrasing, which is wrong.

    Attributes:
        x: (n, n_features) what a decision sees of them.
        n: how many were made, those that get another answer among them.
    """

    x: npt.NDArray[np.float64]
    n: int


def make_twins(problem: Problem, bundle: ours.Bundle, vectors: Vectors, *, most: int = MAX_TWINS) -> tuple[Made, Made]:
    """Return near twins of a half of the known phrasings, and of the other half; at most so many together."""
    known, rng = problem.known, np.random.default_rng(problem.seed)
    pairs = [(row, twin.text) for row, text in enumerate(known.texts) for twin in twins(text, seed=problem.seed)]
    chosen = [pairs[i] for i in sorted(rng.permutation(len(pairs))[:most].tolist())]
    rows, texts = np.array([row for row, _ in chosen], np.intp), tuple(text for _, text in chosen)
    embedded = vectors.of(f"{problem.folder}-made", texts)
    seen = bundle.see(Labelled(texts, embedded, known.groups[rows], known.contexts[rows]))
    is_told = seen.answers == known.groups[rows]
    is_first = (rng.permutation(len(known.texts)) % 2 == 0)[rows]
    first, second = (Made(seen.x[half & is_told], int(half.sum())) for half in (is_first, ~is_first))
    return first, second


def with_own(
    problem: Problem,
    seen: ours.Seen,
    generic: ours.Trees,
    *,
    twins_x: npt.NDArray[np.float64] | None = None,
    signs: Sequence[int] = SIGNS,
) -> Logits:
    """Return the logits of trees of the set-up's own, fitted on its fit part over generic ones."""
    fit = problem.parts.fit
    trees = ours.own_trees(generic, seen.at(fit), rights(problem, seen)[fit], twins=twins_x, signs=signs)
    return ours.logits_of(trees, seen.x)


def outcome(problem: Problem, seen: ours.Seen, logits: Logits) -> dict[str, Any]:
    """Return coverage and error of the test part at each level, by the origin of the threshold, and its AURC."""
    judged = judged_by(problem, seen, logits)
    test = judged.at(problem.parts.test)
    return {
        "levels": [_brief(row) for row in levels(judged, problem.parts) if row["level"] in LEVELS],
        "aurc": aurc(curve_of(test.confidence, test.is_right)),
    }


def judged_by(problem: Problem, seen: ours.Seen, logits: Logits) -> Judged:
    """Return a confidence for every query, and whether its candidate is right."""
    return Judged(ours.confidences(logits, seen.answers).astype(np.float64), rights(problem, seen))


def decide(problem: Problem, vectors: Vectors) -> Judged:
    """Return our own decision on every query, as a build with labelled traffic makes it."""
    found = read(problem)
    first, second = make_twins(problem, found.bundle, vectors)
    made = np.concatenate([first.x, second.x])
    logits = with_own(problem, found.seen, ours.trees_without(problem.folder), twins_x=made)
    return judged_by(problem, found.seen, logits)


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    return {"level": row["level"]} | {
        origin: {key: row[origin][key] for key in ("coverage", "error")} for origin in ("best", "chosen", "certified")
    }
