"""Counts a corpus, and finds questions that are near to each other and have different answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from semcache.build.embed_pool import EmbedPool
from semcache.build.scan import CorpusScan, answer_digest, read_again, scan_corpora
from semcache.core.vectors import FloatRows
from semcache.embed.base import Embedder
from semcache.store.faiss_index import exact_neighbours

_K = 24
_QUERY_ROWS = 1024


@dataclass(frozen=True, slots=True)
class NearPair:
    """Two texts that are near and have different answers.

    Attributes:
        score: cosine similarity, -1 to 1.
        text, entry_id, other_text, other_entry_id: the two.
    """

    score: float
    text: str
    entry_id: str
    other_text: str
    other_entry_id: str


@dataclass(frozen=True, slots=True)
class CorpusStats:
    """What a corpus holds.

    Attributes:
        scan: its counts.
        near_pairs: nearest first; the nearest pair of each two entries only.
    """

    scan: CorpusScan
    near_pairs: tuple[NearPair, ...]


def corpus_stats(paths: Sequence[Path], *, embedder: Embedder | None, min_score: float) -> CorpusStats:
    """Count corpora that have no problems.

    Args:
        paths: corpus files.
        embedder: finds near questions; None leaves them out.
        min_score: pairs below are not near. 0 to 1.

    Raises:
        CorpusError: the corpora have problems.
        StorageError: a file cannot be read.
    """
    scan = scan_corpora(paths)
    scan.raise_problems()
    near = () if embedder is None else _near_pairs(paths, scan, embedder, min_score=min_score)
    return CorpusStats(scan, near)


def _near_pairs(
    paths: Sequence[Path], scan: CorpusScan, embedder: Embedder, *, min_score: float
) -> tuple[NearPair, ...]:
    texts: list[str] = []
    entry_ids: list[str] = []
    answers: list[int] = []
    for entry in read_again(paths, scan):
        for text in (entry.query, *entry.paraphrases):
            texts.append(text)
            entry_ids.append(f"{entry.namespace}:{entry.id}")
            answers.append(scan.answer_numbers[answer_digest(entry)])
    vectors = _embed(texts, embedder)
    best: dict[tuple[str, str], NearPair] = {}
    for start in range(0, len(texts), _QUERY_ROWS):
        queries = np.ascontiguousarray(vectors[start : start + _QUERY_ROWS])
        scores, rows = exact_neighbours(vectors, queries, k=min(_K, len(texts)))
        for i, j in zip(*np.nonzero(scores >= min_score), strict=True):
            a, b = start + int(i), int(rows[i, j])
            same_space = entry_ids[a].split(":")[0] == entry_ids[b].split(":")[0]
            if answers[a] == answers[b] or not same_space:
                continue
            pair = NearPair(float(scores[i, j]), texts[a], entry_ids[a], texts[b], entry_ids[b])
            key = (min(entry_ids[a], entry_ids[b]), max(entry_ids[a], entry_ids[b]))
            if key not in best or best[key].score < pair.score:
                best[key] = pair
    return tuple(sorted(best.values(), key=lambda pair: (-pair.score, pair.text)))


def _embed(texts: list[str], embedder: Embedder) -> FloatRows:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "vectors"
        with EmbedPool(embedder, path, n_rows=len(texts), n_workers=0, on_rows=lambda _: None) as pool:
            for start in range(0, len(texts), _QUERY_ROWS):
                pool.submit(start, texts[start : start + _QUERY_ROWS])
            pool.drain()
            return np.array(pool.vectors)
