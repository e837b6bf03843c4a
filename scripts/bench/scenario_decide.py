"""Scenario `decide`: the decision on neighbours that were found before, whole and by part."""

# ruff: noqa: SLF001 - the decision can only be timed alone from inside

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
from measure import Report, Target, summary, timed
from scratch import SPECKIT, Scratch
from texts import shipped_questions

from semcache import Cache
from semcache.core.rewrite import rewrites
from semcache.core.verifier import Verifier
from semcache.lookup import version as lookup_version
from semcache.lookup.version import Neighbours, Version

_N_TEXTS = 1000  # of each pass
_N_REWRITES = 6
_PASSES = ("first", "decision", "verdict", "parts")
_PARTS = {
    "pool": (lookup_version, "pool"),
    "read": (lookup_version, "analyse"),
    "compare": (lookup_version, "lexical"),
    "trees": (Verifier, "confidence"),
}

Query = tuple[str, Neighbours]


def run(scratch: Scratch) -> Report:
    """Measure on both bundles with shipped questions in other words, none of which is asked twice but where said."""
    warm = (
        f"the interpreter and what {_N_TEXTS:,} other questions leave in the caches of words and of rows' readings; "
        "`first` are those, right after open; `repeated` asks the questions of `decision` again"
    )
    report = Report("decide", warm, scratch.seed, {"rows": {}, "texts": _N_TEXTS})
    for label, name in (("speckit", SPECKIT), ("large", scratch.large)):
        with scratch.open(name) as cache:
            manifest = cache.info.manifest
            report.sizes["rows"][label] = manifest.counts.rows
            sizes = {"neighbours": manifest.decision.n_neighbours, "trees": manifest.decision.n_trees}
            queries = _queries(cache, n=_N_TEXTS * len(_PASSES), seed=scratch.seed)
            report.figures[label] = found = {**sizes, **_figures(cache._current(), queries)}
        what = f"the decision, {manifest.counts.rows:,} rows, {manifest.decision.n_neighbours} neighbours, p50"
        report.targets.append(Target(what, found["decision"]["p50"], 60.0, "us"))
    return report


def _queries(cache: Cache, *, n: int, seed: int) -> list[Query]:
    """Return n questions that no indexed text equals, as users might word them, and their neighbours."""
    rng, version = random.Random(seed), cache._current()  # noqa: S311 - texts, not secrets
    questions = shipped_questions()
    rng.shuffle(questions)
    found = (rewrites(question.text, limit=_N_REWRITES, seed=seed) for question in questions)
    texts = dict.fromkeys(rng.choice(reworded).text for reworded in found if reworded)
    asked = [text for text in texts if version.exact(text, namespace=None, now=0.0) is None][: n + n // 10]
    vectors = cache.embed(asked)
    rows = (np.ascontiguousarray(vectors[i : i + 1]) for i in range(len(asked)))
    pairs = [(text, row) for text, row in zip(asked, rows, strict=True) if row.any()]
    return [(text, version.retrieve(row, namespace=None)[0]) for text, row in pairs[:n]]


def _figures(version: Version, queries: Sequence[Query]) -> dict[str, Any]:
    """Time one pass after the other, each with questions of its own."""
    first, second, third, fourth = (queries[at :: len(_PASSES)] for at in range(len(_PASSES)))
    now = time.time()

    def decide(query: Query) -> object:
        judged = version.judge(*query)
        certificate = version.certificate_for(judged)
        return version.reason(judged, certificate.level_for(None).threshold if certificate else None)

    def serve(query: Query) -> object:
        return version.serve_semantic(version.judge(*query), max_error=None, now=now)

    samples = {"first": timed(decide, first), "decision": timed(decide, second), "repeated": timed(decide, second)}
    samples["verdict_with_hit_or_miss"] = timed(serve, third)
    parts = _parts(decide, fourth)
    return {name: summary(found, "us") for name, found in samples.items()} | {
        "parts_within_a_decision": {name: summary(found, "us") for name, found in parts.items()}
    }


def _parts(decide: Callable[[Query], object], queries: Sequence[Query]) -> dict[str, list[float]]:
    """Return the seconds of each part as they follow each other in a decision; `rest` is all that is between.

    A row whose text was not read before is read too: `read` is the sum of both.
    """
    samples: dict[str, list[float]] = {name: [] for name in (*_PARTS, "rest")}
    with _stopwatch() as spent:
        for query in queries:
            spent.update(dict.fromkeys(_PARTS, 0.0))
            began = time.perf_counter()
            decide(query)
            whole = time.perf_counter() - began
            for name in _PARTS:
                samples[name].append(spent[name])
            samples["rest"].append(whole - sum(spent.values()))
    return samples


@contextmanager
def _stopwatch() -> Iterator[dict[str, float]]:
    """Let every part add the seconds it takes under its name."""
    spent = dict.fromkeys(_PARTS, 0.0)
    with ExitStack() as stack:
        for name, (owner, attribute) in _PARTS.items():
            stack.enter_context(patch.object(owner, attribute, _watched(name, getattr(owner, attribute), spent)))
        yield spent


def _watched(name: str, function: Callable[..., Any], spent: dict[str, float]) -> Callable[..., Any]:
    clock = time.perf_counter

    def watched(*arguments: Any, **named: Any) -> Any:
        began = clock()
        try:
            return function(*arguments, **named)
        finally:
            spent[name] += clock() - began

    return watched
