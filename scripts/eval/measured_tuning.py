"""Measures a tuned encoder against the adapter: the same decision, on other vectors."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from eval import ours
from eval.deciding import outcome, read, with_own
from eval.problem import Problem
from eval.retrieval import Labelled, search
from semcache.build.tune import Phrasings, TuneConfig, Tuned, embed, tune
from semcache.config import DEFAULT_MODEL
from semcache.embed.model_source import find_model


def measure_tuning(problem: Problem) -> dict[str, Any]:
    """Return what the decision gives with the adapter only, with a tuned encoder, and with both."""
    began = time.perf_counter()
    phrasings = Phrasings(problem.known.texts, problem.known.groups)
    tuned = tune(find_model(DEFAULT_MODEL), phrasings, seed=problem.seed, config=TuneConfig())
    minutes = (time.perf_counter() - began) / 60
    moved = on_tuned(problem, tuned)
    return {
        "variants": {
            "adapter only": _decided(problem, is_adapted=True),
            "tuned": _decided(moved, is_adapted=False),
            "tuned, adapter": _decided(moved, is_adapted=True),
        },
        "minutes": minutes,
        "n_epochs": tuned.n_epochs,
        "held_out": list(tuned.held_out),
    }


def on_tuned(problem: Problem, tuned: Tuned) -> Problem:
    """Return a problem with the vectors of a tuned encoder."""
    known, queries = (_embedded(texts, tuned) for texts in (problem.known, problem.queries))
    return replace(problem, known=known, queries=queries, found=search(known, queries))


def _embedded(texts: Labelled, tuned: Tuned) -> Labelled:
    return replace(texts, vectors=embed(tuned.model, texts.texts))


def _decided(problem: Problem, *, is_adapted: bool) -> dict[str, Any]:
    seen = read(problem, is_adapted=is_adapted).seen
    return outcome(problem, seen, with_own(problem, seen, ours.trees_without(problem.folder)))
