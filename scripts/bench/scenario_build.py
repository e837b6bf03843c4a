"""Scenario `build`: what the large bundle cost to build, its sizes, and the kinds of index over its vectors."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, Target, summary, timed
from scratch import Scratch

from semcache import BuildConfig, Cache
from semcache.build.indexing import build_measured
from semcache.core.vectors import FloatRows, recall_at_k, unit_rows
from semcache.store.faiss_index import (
    IndexKind,
    MappedIndex,
    exact_neighbours,
    frame_of,
    write_index,
)

_KINDS: tuple[IndexKind, ...] = ("flat", "ivf", "hnsw")
_N_QUERIES = 1000
_N_OPENS = 15
_N_NEIGHBOURS = 64
_SCORE_TOLERANCE = 1e-3  # what float16 codes may move a score by


def run(scratch: Scratch) -> Report:
    """Report the build that made the bundle, and build each kind of index anew."""
    warm = (
        "files in the page cache, the encoder exported before; the stages are those of the build that made the bundle"
    )
    report = Report("build", warm, scratch.seed, {"rows": scratch.n_rows, "queries": _N_QUERIES})
    notes = scratch.notes()
    report.figures["bundle"] = {key: value for key, value in notes.items() if key != "held_out"}
    report.figures["bundle"]["rows_per_s"] = scratch.n_rows / notes["wall_s"]
    with scratch.open(scratch.large) as cache:
        files = cache.info.manifest.files
        report.figures["files_bytes"] = {name: file.size_bytes for name, file in files.items()}
        total = sum(file.size_bytes for file in files.values())
        report.figures["bytes_per_row"] = total / scratch.n_rows
        report.figures["vector_bytes_per_row"] = files["index.faiss"].size_bytes / scratch.n_rows
        vectors = _stored_vectors(cache)
        queries = cache.embed(scratch.held_out_texts(_N_QUERIES))
    queries = queries[queries.any(axis=1)]
    exact = exact_neighbours(vectors, queries, k=10)[0]
    kinds = {kind: _measured(kind, vectors, queries, exact, scratch.seed) for kind in _KINDS}
    report.figures["index_kinds"] = kinds
    report.targets = [
        Target(f"{kind} index, {n}, questions that are not in it", found[f"recall_at_{k}"], least, "", is_floor=True)
        for kind, found in kinds.items()
        for k, n, least in ((1, "recall@1", 0.99), (10, "recall@10", 0.98))
    ]
    return report


def _stored_vectors(cache: Cache) -> FloatRows:
    """Return the bundle's vectors, as its index keeps them (float16), scaled to length 1."""
    index = cache._current().reader.index  # noqa: SLF001 - what no user needs
    return unit_rows(index.float16_rows(0, index.n_rows).astype(np.float32))


def _measured(kind: IndexKind, vectors: FloatRows, queries: FloatRows, exact: FloatRows, seed: int) -> dict[str, Any]:
    """Build, write, open and search one kind. The build chooses its effort; recall here is on held-out questions."""
    began, began_cpu = time.perf_counter(), time.process_time()
    built = build_measured(vectors, BuildConfig(index=kind, seed=seed))
    build_s, build_cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.faiss"
        write_index(built.index, path)
        digest, effort = frame_of(path)[1], built.effort
        recalls = {"recall_at_1_of_build": built.recall_at_1, "recall_at_10_of_build": built.recall_at_10}
        del built

        def opened(_: object) -> MappedIndex:
            return MappedIndex(path, frame_sha256=digest, effort=effort, prefault_pages=True)

        opens = timed(opened, range(_N_OPENS))
        index = opened(None)
        rows = np.concatenate([index.search(queries[i : i + 1], 10)[1] for i in range(len(queries))])
        found = -np.sort(-np.einsum("qkd,qd->qk", vectors[rows], queries), axis=1)
        searches = timed(lambda i: index.search(queries[i : i + 1], _N_NEIGHBOURS), range(len(queries)))
        size_bytes = path.stat().st_size
    return {
        "effort": effort,
        "build_and_measure_s": build_s,
        "build_and_measure_cpu_s": build_cpu_s,
        "bytes_per_row": size_bytes / len(vectors),
        "open": summary(opens, "ms"),
        f"search_k{_N_NEIGHBOURS}": summary(searches, "ms"),
        **{f"recall_at_{k}": recall_at_k(found, exact, k=k, tolerance=_SCORE_TOLERANCE) for k in (1, 10)},
        **recalls,
    }
