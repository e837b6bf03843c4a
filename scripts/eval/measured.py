"""Measures one set-up with one seed: every baseline and our own decision on the same entries, queries and vectors."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eval import gptcache_baseline
from eval.certificate import RESPLIT_LEVELS, grid_of, redraw, resplit
from eval.deciding import decide
from eval.embeddings import Vectors
from eval.online import LOG_GRID, PUBLISHED_GRID, Stream, run_stream
from eval.problem import Judged, Problem, levels
from eval.retrieval import Found, search
from eval.splits import Parts
from eval.thresholds import row, served
from semcache.core.metrics import aurc, calibration_error, curve_of, reliability, roc_auc
from semcache.core.text import normalise

COSINES = (0.95, 0.90, 0.80, 0.70)
DELTAS = (0.01, 0.02, 0.05, 0.10)
MAX_STREAM = 4000
MAX_GPTCACHE = 1000


def measure(problem: Problem, vectors: Vectors, *, n_stream: int) -> dict[str, Any]:
    """Return what every decision gives on the test part."""
    found, test = problem.found, problem.parts.test
    judged = {
        "cosine": Judged(found.score, found.is_right),
        "margin": Judged(found.margin, found.is_right),
        "ours": decide(problem, vectors),
    }
    is_known = np.isin(problem.queries.groups, problem.known.groups)
    return {
        "seed": problem.seed,
        "n_known": len(problem.known),
        "n_queries": len(problem.queries),
        "n_test": len(test),
        "must_miss": float(1.0 - is_known.mean()),
        "nearest_right": float(found.is_right.mean()),
        "exact": exact_match(problem),
        "fixed": fixed(found, test),
        "judged": {name: levels(values, problem.parts) for name, values in judged.items()},
        "ranking": {name: ranking(values.at(test), is_probability=name == "ours") for name, values in judged.items()},
        "resplits": {name: resplits(values, problem.parts) for name, values in judged.items()},
        "online": online(problem, n_stream) if n_stream else [],
    }


def exact_match(problem: Problem) -> dict[str, Any]:
    """Return what serving equal normalised texts gives on the test part."""
    known, test = problem.known, problem.queries.at(problem.parts.test)
    held: dict[tuple[int, str], int] = {}
    for context, text, group in zip(known.contexts, known.texts, known.groups, strict=True):
        held.setdefault((int(context), normalise(text)), int(group))
    keys = [(int(context), normalise(text)) for context, text in zip(test.contexts, test.texts, strict=True)]
    answers = np.array([held.get(key, -1) for key in keys])
    return row(served(answers >= 0, answers == test.groups))


def fixed(found: Found, test: npt.NDArray[np.intp]) -> dict[str, Any]:
    """Return what rules without any choice give on the test part."""
    score, margin, is_right = found.score[test], found.margin[test], found.is_right[test]
    rules = {f"cosine {least:.2f}": score >= least for least in COSINES}
    rules["score .80, margin .10"] = (score >= 0.80) & (margin >= 0.10)
    return {name: row(served(is_served, is_right)) for name, is_served in rules.items()}


def ranking(judged: Judged, *, is_probability: bool) -> dict[str, float | None]:
    """Return how well right answers are told from wrong ones, whatever the threshold; ECE of probabilities only."""
    confidence, is_right = judged.confidence, judged.is_right
    bins = reliability(confidence, is_right) if is_probability else ()
    return {
        "aurc": aurc(curve_of(confidence, is_right)),
        "roc_auc": roc_auc(confidence, is_right),
        "ece": calibration_error(bins) if bins else None,
    }


def resplits(judged: Judged, parts: Parts) -> list[dict[str, Any]]:
    """Return how often the test error is over the level, without and with a proof, and how often a known error is."""
    grid = grid_of(judged.at(parts.fit).confidence)
    rest = judged.at(np.concatenate([parts.calibration, parts.test]))
    found = list[dict[str, Any]]()
    for error in RESPLIT_LEVELS:
        for origin, is_certified in (("calibration", False), ("proof", True)):
            one = resplit(rest.confidence, rest.is_right, grid=grid, is_certified=is_certified, error=error)
            found.append({"chosen by": origin, **asdict(one)})
        known = redraw(rest.confidence, rest.is_right, grid=grid, error=error)
        found.append({"chosen by": "proof, known error", **asdict(known)})
    return found


def online(problem: Problem, n_stream: int) -> list[dict[str, Any]]:
    """Return what the online method gives on test queries, after it saw the others: cold and warm, two grids."""
    stream, n_test = as_stream(problem, n_stream)
    known = problem.known
    neighbours = search(known, known, skip=np.arange(len(known), dtype=np.int64))
    warm = [
        (int(entry), float(score), bool(is_right))
        for entry, score, is_right in zip(neighbours.entry, neighbours.score, neighbours.is_right, strict=True)
        if entry >= 0
    ]
    rows = []
    for start, observations in (("cold", ()), ("warm", warm)):
        for over in (PUBLISHED_GRID, LOG_GRID):
            for delta in DELTAS:
                played = run_stream(stream, delta=delta, over=over, warm=observations, seed=problem.seed)
                result = row(served(played.is_served[-n_test:], played.is_right[-n_test:]))
                rows.append({"start": start, "grid": over.name, "delta": delta, **result})
    return rows


def as_stream(problem: Problem, n_stream: int) -> tuple[Stream, int]:
    """Return fit and calibration queries, then test queries, at most n_stream in all; and how many are test."""
    parts = problem.parts
    before = np.concatenate([parts.fit, parts.calibration])
    share = min(1.0, n_stream / len(problem.queries))
    after = parts.test[: round(share * len(parts.test))]
    chosen = np.concatenate([before[: round(share * len(before))], after])
    asked, found = problem.queries.at(chosen), problem.found
    similarity = asked.vectors @ asked.vectors.T
    similarity[asked.contexts[:, None] != asked.contexts[None, :]] = -1.0
    some = Found(found.entry[chosen], found.score[chosen], found.margin[chosen], found.is_right[chosen])
    return Stream(some, asked.groups, similarity, len(problem.known)), len(after)


def gptcache(problem: Problem, python: Path) -> dict[str, Any]:
    """Return what GPTCache gives on test queries, at most so many."""
    asked = problem.queries.at(problem.parts.test[:MAX_GPTCACHE])
    answers = gptcache_baseline.ask(python, problem.known, asked)
    result = row(served(answers.is_served, answers.is_right))
    return {**result, "n": len(asked), "fill_s": answers.seconds_to_fill, "ask_s": answers.seconds_to_ask}
