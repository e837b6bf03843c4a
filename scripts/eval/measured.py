"""Measures one set-up with one seed: every baseline and our own decision on the same entries, queries and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eval import gptcache_baseline, ours
from eval.certificate import RESPLIT_LEVELS, certified_threshold, grid_of, resplit
from eval.embeddings import Vectors
from eval.online import LOG_GRID, PUBLISHED_GRID, Stream, run_stream
from eval.retrieval import Bools, Found, Labelled, Scores, numbered, search
from eval.splits import Parts, SetUp, draw, split
from eval.texts import Item, read_items
from eval.thresholds import row, served, widest_threshold
from semcache.core.metrics import aurc, calibration_error, curve_of, reliability, roc_auc, served_at
from semcache.core.text import normalise

LEVELS = (0.01, 0.02, 0.05, 0.10)
COSINES = (0.95, 0.90, 0.80, 0.70)
DELTAS = (0.01, 0.02, 0.05, 0.10)
MAX_STREAM = 4000
MAX_GPTCACHE = 1000


@dataclass(frozen=True, slots=True)
class Judged:
    """A confidence for every query, and whether the answer it speaks of is right."""

    confidence: Scores
    is_right: Bools

    def at(self, indices: npt.NDArray[np.intp]) -> Judged:
        """Return some of them."""
        return Judged(self.confidence[indices], self.is_right[indices])


@dataclass(frozen=True, slots=True)
class Problem:
    """A set-up with one seed, searched.

    Attributes:
        known: the entries.
        queries: what is asked.
        parts: of the queries.
        found: nearest entries of the queries.
        seed: that it was drawn with.
    """

    known: Labelled
    queries: Labelled
    parts: Parts
    found: Found
    seed: int
    folder: str


def prepare(set_up: SetUp, data_dir: Path, vectors: Vectors, *, seed: int) -> Problem:
    """Draw, embed, split and search."""
    drawn = draw(read_items(data_dir / set_up.folder), set_up, seed=seed)
    known, queries = labelled(set_up.folder, drawn.known, drawn.queries, vectors)
    return Problem(known, queries, split(len(queries), seed=seed), search(known, queries), seed, set_up.folder)


def labelled(name: str, known: Sequence[Item], queries: Sequence[Item], vectors: Vectors) -> tuple[Labelled, Labelled]:
    """Return texts with their vectors, and groups and namespaces as numbers."""
    both = (known, queries)
    groups = numbered(*([f"{item.context}\t{item.group}" for item in items] for items in both))
    contexts = numbered(*([item.context for item in items] for items in both))
    rows = vectors.of(name, [item.text for items in both for item in items])
    known_texts, query_texts = (tuple(item.text for item in items) for items in both)
    return (
        Labelled(known_texts, rows[: len(known)], groups[0], contexts[0]),
        Labelled(query_texts, rows[len(known) :], groups[1], contexts[1]),
    )


def measure(problem: Problem, *, n_stream: int) -> dict[str, Any]:
    """Return what every decision gives on the test part."""
    found, test = problem.found, problem.parts.test
    judged = {"cosine": Judged(found.score, found.is_right), "margin": Judged(found.margin, found.is_right)}
    if (own := judge_ours(problem)) is not None:
        judged["ours"] = own
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


def judge_ours(problem: Problem) -> Judged | None:
    """Return our own decision on every query, fitted on the fit part."""
    known, asked = problem.known, problem.queries
    learned = asked.at(problem.parts.fit)
    model = ours.fit(
        *(known.texts, known.groups, known.vectors),
        *(learned.texts, learned.groups, learned.vectors),
        seed=problem.seed,
        left_out=problem.folder,
        known_contexts=known.contexts,
        fit_contexts=learned.contexts,
    )
    if model is None:
        return None
    confidence, group = model.judge(asked.texts, asked.vectors, asked.contexts)
    return Judged(confidence.astype(np.float64), group == asked.groups)


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


def levels(judged: Judged, parts: Parts) -> list[dict[str, Any]]:
    """Return, for each allowed error, what thresholds of three origins give on the test part."""
    fit, calibration, test = judged.at(parts.fit), judged.at(parts.calibration), judged.at(parts.test)
    grid = grid_of(fit.confidence)
    rows = []
    for error in LEVELS:
        best = widest_threshold(test.confidence, test.is_right, error=error)
        chosen = widest_threshold(calibration.confidence, calibration.is_right, error=error)
        proved = certified_threshold(calibration.confidence, calibration.is_right, grid=grid, error=error)
        rows.append(
            {
                "level": error,
                "best": row(served_at(test.confidence, test.is_right, best)),
                "chosen": row(served_at(test.confidence, test.is_right, chosen)),
                "certified": row(served_at(test.confidence, test.is_right, proved)),
            }
        )
    return rows


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
    """Return how often the test error is over the level, with and without a proof."""
    grid = grid_of(judged.at(parts.fit).confidence)
    rest = judged.at(np.concatenate([parts.calibration, parts.test]))
    return [
        {
            "chosen by": "proof" if is_certified else "calibration",
            **asdict(resplit(rest.confidence, rest.is_right, grid=grid, is_certified=is_certified, error=error)),
        }
        for error in RESPLIT_LEVELS
        for is_certified in (False, True)
    ]


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
