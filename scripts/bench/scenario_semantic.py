"""Scenario `semantic`: finding and deciding without the encoder, and what a lookup adds to the encoder alone."""

# ruff: noqa: SLF001 - the steps of a lookup can only be timed one by one from inside

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from measure import Report, Target, summary, summary_of_rounds, take_turns, take_turns_each, timed
from scratch import SPECKIT, Scratch

from semcache import Cache, Result
from semcache.core.lexical import analyse
from semcache.core.vectors import FloatRows
from semcache.lookup.version import Neighbours, Version

_N_VECTORS = 2000
_N_ROUNDS = 5
_N_EMBEDDED = 600


def run(scratch: Scratch) -> Report:
    """Measure on both bundles with questions that are in neither."""
    warm = "every page, the model and the interpreter: first rounds are not counted; one thread; texts not seen before"
    report = Report("semantic", warm, scratch.seed, {"rows": {}, "vectors": _N_VECTORS, "embedded": _N_EMBEDDED})
    texts = scratch.held_out_texts(_N_VECTORS)
    for label, name in (("large", scratch.large), ("speckit", SPECKIT)):
        with scratch.open(name) as cache:
            manifest = cache.info.manifest
            n_rows, n_neighbours = manifest.counts.rows, manifest.decision.n_neighbours
            report.sizes["rows"][label] = n_rows
            report.figures[label] = {
                "index": f"{manifest.index.kind}, effort {manifest.index.effort}, k {n_neighbours}",
                **_without_encoder(cache, texts),
                **_decisions(cache, texts),
                **_with_encoder(cache, texts[:_N_EMBEDDED]),
            }
        found = report.figures[label]
        served = found["retrieve_and_serve"]["p50"]
        what = f"retrieve and decide, {n_rows:,} rows, {n_neighbours} neighbours, p50"
        report.targets.append(Target(what, served, 0.7, "ms"))
        what = f"whole semantic lookup / encoder alone, {n_rows:,} rows"
        report.targets.append(Target(what, found["ratio_lookup_to_encoder"], 1.10, "x"))
        what = f"the decision (features, verifier, certificate), {n_rows:,} rows, p50"
        report.targets.append(Target(what, found["decision"]["p50"], 60.0, "us"))
    return report


def _without_encoder(cache: Cache, texts: Sequence[str]) -> dict[str, Any]:
    """Time the search alone, the search with its decision, and all up to the Hit or Miss."""
    version, now = cache._current(), time.time()
    queries = _queries(cache, texts)
    index, k = version.reader.index, version.reader.manifest.decision.n_neighbours

    def serve(query: Any) -> Result:
        text, vector = query
        judged = version.judge(text, version.retrieve(vector, namespace=None)[0])
        return version.serve_semantic(judged, max_error=None, now=now)

    rounds = take_turns(
        {
            "retrieve_and_serve": serve,
            "retrieve": lambda query: version.retrieve(query[1], namespace=None),
            "index_search": lambda query: index.search(query[1], k),
        },
        queries,
        n_rounds=_N_ROUNDS,
    )
    is_hit = [serve(query).hit for query in queries]
    split = {
        f"retrieve_and_serve_{kind}": [
            [seconds for seconds, hit in zip(samples, is_hit, strict=True) if hit is wanted]
            for samples in rounds["retrieve_and_serve"]
        ]
        for kind, wanted in (("hits", True), ("misses", False))
        if wanted in is_hit
    }
    figures: dict[str, Any] = {name: summary_of_rounds(samples, "ms") for name, samples in (rounds | split).items()}
    return {**figures, "share_of_hits": statistics.mean(is_hit)}


def _queries(cache: Cache, texts: Sequence[str]) -> list[tuple[str, FloatRows]]:
    """Return texts with their (1, dim) vectors, without those that have none."""
    vectors = cache.embed(texts)
    return [(text, np.ascontiguousarray(vectors[i : i + 1])) for i, text in enumerate(texts) if vectors[i].any()]


def _decisions(cache: Cache, texts: Sequence[str]) -> dict[str, Any]:
    """Time the decision alone: features, verifier and certificate of neighbours that were found before.

    No text is judged twice where its own reading could have been kept. "cold" reads each matched variant anew, as
    for one that no lookup met before; "warm" has all of them read, as after some time; what users see is between.
    Half of the texts warm the interpreter up; garbage is collected before, not within.
    """
    version, queries = cache._current(), _queries(cache, texts)
    found = [(text, version.retrieve(vector, namespace=None)[0]) for text, vector in queries]

    def decide(query: tuple[str, Neighbours]) -> object:
        judged = version.judge(*query)
        certificate = version.certificate_for(judged)
        return version.reason(judged, certificate.level_for(None).threshold if certificate else None)

    def decide_cold(query: tuple[str, Neighbours]) -> object:
        version._readings.clear()
        return decide(query)

    warm_up, measured = found[::2], found[1::2]
    timed(decide, warm_up)
    cold = timed(decide_cold, measured)
    timed(decide, measured)
    warm = timed(decide, measured)
    read = timed(lambda query: analyse(query[0]), measured)
    return {
        "decision": summary(cold, "us"),
        "decision_variants_read_before": summary(warm, "us"),
        "of_it_reading_the_query": summary(read, "us"),
    }


def _with_encoder(cache: Cache, texts: Sequence[str]) -> dict[str, Any]:
    """Time the encoder alone and a whole lookup, text by text, either one first in turn."""
    version: Version = cache._current()
    embedder = version.embedder()
    for text in texts[:50]:
        cache.lookup(text)
        embedder.embed([text])
    samples = take_turns_each({"encoder": lambda t: embedder.embed([t]), "lookup": cache.lookup}, texts)
    stages = _stages(version, texts)
    pairs = [whole / alone for whole, alone in zip(samples["lookup"], samples["encoder"], strict=True)]
    encoder, lookup = summary(samples["encoder"], "ms"), summary(samples["lookup"], "ms")
    return {
        "encoder_alone": encoder,
        "lookup": lookup,
        "ratio_lookup_to_encoder": lookup["p50"] / encoder["p50"],
        "ratio_lookup_to_encoder_median_of_pairs": statistics.median(pairs),
        "stages_within_a_lookup": {name: summary(found, "ms") for name, found in stages.items()},
        "tokens_mean": statistics.mean(embedder.count_tokens(text) for text in texts),
    }


def _stages(version: Version, texts: Sequence[str]) -> dict[str, list[float]]:
    """Time the steps of a lookup as they follow each other: the encoder has just swept the CPU's caches."""
    stages: dict[str, list[float]] = {"exact": [], "embed": [], "retrieve": [], "judge": [], "serve": []}
    embedder, now = version.embedder(), time.perf_counter
    for text in texts:
        began = now()
        version.exact(text, namespace=None, now=time.time())
        looked = now()
        vector = embedder.embed([text])
        embedded = now()
        retrieved = version.retrieve(vector, namespace=None)[0]
        found = now()
        judged = version.judge(text, retrieved)
        decided = now()
        version.serve_semantic(judged, max_error=None, now=time.time())
        steps = (looked - began, embedded - looked, found - embedded, decided - found, now() - decided)
        for samples, seconds in zip(stages.values(), steps, strict=True):
            samples.append(seconds)
    return stages
