"""Runs inside GPTCache's own environment: fills its cache as its defaults do, asks it, prints what it answered.

    python gptcache_child.py REQUEST.npz FOLDER    prints JSON: answers (null: a miss), seconds of filling and asking

One cache a namespace, because GPTCache has none. Nothing of semcache is imported here.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


class Given:
    """GPTCache's embedding interface over vectors that are given."""

    def __init__(self, vectors: dict[str, Any], dimension: int) -> None:
        self._vectors = vectors
        self.dimension = dimension

    def to_embeddings(self, data: str, **_: Any) -> Any:
        """Return the vector of a text."""
        return self._vectors[data]


def main(request_path: Path, folder: Path) -> None:
    """Fill and ask."""
    with np.load(request_path, allow_pickle=False) as file:
        request = json.loads(file["request"].tobytes())
        vectors = file["vectors"].astype(np.float32)
    embedding = Given(dict(zip(request["texts"], vectors, strict=True)), vectors.shape[1])
    caches: dict[str, Any] = {}
    began = time.perf_counter()
    for context in dict.fromkeys(request["known_contexts"]):
        rows = [i for i, found in enumerate(request["known_contexts"]) if found == context]
        caches[context] = filled(embedding, request, rows, folder / str(len(caches)))
    filled_at = time.perf_counter()
    answers = ask(caches, request)
    asked_at = time.perf_counter()
    found = {"answers": answers, "fill_s": filled_at - began, "ask_s": asked_at - filled_at}
    print(json.dumps(found))


def filled(embedding: Given, request: dict[str, Any], rows: list[int], folder: Path) -> Any:
    """Return a cache with its default evaluation, threshold and stores, that holds the rows."""
    from gptcache import Cache  # type: ignore[import-not-found]  # noqa: PLC0415
    from gptcache.adapter.api import init_similar_cache  # type: ignore[import-not-found]  # noqa: PLC0415
    from gptcache.manager import manager_factory  # type: ignore[import-not-found]  # noqa: PLC0415

    manager = manager_factory(
        "sqlite,faiss",
        data_dir=str(folder),
        vector_params={"dimension": embedding.dimension},
        eviction_params={"max_size": max(1000, 2 * len(rows))},  # by default it forgets all but 1,000
    )
    cache = Cache()
    init_similar_cache(cache_obj=cache, embedding=embedding, data_manager=manager)
    cache.import_data([request["known_texts"][i] for i in rows], [request["known_answers"][i] for i in rows])
    return cache


def ask(caches: dict[str, Any], request: dict[str, Any]) -> list[str | None]:
    """Return the answer of each query."""
    from gptcache.adapter.api import get  # noqa: PLC0415

    answers = []
    for text, context in zip(request["query_texts"], request["query_contexts"], strict=True):
        answers.append(get(text, cache_obj=caches[context]) if context in caches else None)
    return answers


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
