"""Decides which generated variants of a corpus are worth a row, by their words and by their vectors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import numpy.typing as npt

from semcache.build.embed_pool import EmbedPool
from semcache.build.scan import CorpusScan, answer_digest, read_again
from semcache.config import AugmentConfig
from semcache.core.text import exact_key, normalise
from semcache.core.variant_facts import same_facts
from semcache.core.variant_filters import Dropped, judge_variants
from semcache.core.vectors import FloatRows
from semcache.embed.base import Embedder
from semcache.store.faiss_index import exact_neighbours
from semcache.types import Entry

_GUARD = -1
_K = 48
_BATCH_ROWS = 256
_CHUNK_CANDIDATES = 4096


@dataclass(frozen=True, slots=True)
class Candidate:
    """A generated text before it is judged.

    Attributes:
        text: the variant.
        made_of: the written text it paraphrases.
        source: "rule" or "llm"; each may have as many variants an entry as the config says.
        by: rule, or model and prompt.
    """

    text: str
    made_of: str
    source: Literal["rule", "llm"]
    by: str


Judged = tuple[int, Entry, list[tuple[Candidate, Dropped | None]]]
"""Number of an entry, the entry, and its candidates with why they are dropped (None: kept)."""


class VariantFilter:
    """Judges candidates against the written texts of whole corpora, which are embedded once."""

    def __init__(
        self, texts: WrittenTexts, scan: CorpusScan, embedder: Embedder, config: AugmentConfig, *, n_workers: int
    ) -> None:
        self._texts, self._scan, self._embedder, self._config = texts, scan, embedder, config
        self._pool = ThreadPoolExecutor(n_workers or os.cpu_count() or 1)

    def judge(self, candidates: Iterable[tuple[int, Entry, list[Candidate]]]) -> Iterator[Judged]:
        """Yield every entry with its candidates judged, in the order given."""
        chunk, n_candidates = list[tuple[int, Entry, list[Candidate]]](), 0
        for item in candidates:
            chunk.append(item)
            n_candidates += len(item[2])
            if n_candidates >= _CHUNK_CANDIDATES:
                yield from self._judge_chunk(chunk)
                chunk, n_candidates = [], 0
        yield from self._judge_chunk(chunk)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _judge_chunk(self, chunk: Sequence[tuple[int, Entry, list[Candidate]]]) -> Iterator[Judged]:
        by_words = [
            words_verdicts(entry, number, self._scan, candidates, facts=self._config.facts)
            for number, entry, candidates in chunk
        ]
        texts = [
            candidate.text
            for (_, _, candidates), verdicts in zip(chunk, by_words, strict=True)
            for candidate, verdict in zip(candidates, verdicts, strict=True)
            if verdict is None
        ]
        vectors = self._embed(texts)
        scores, rows = self._texts.neighbours(vectors)
        start = 0
        for (number, entry, candidates), verdicts in zip(chunk, by_words, strict=True):
            fine = [i for i, verdict in enumerate(verdicts) if verdict is None]
            mine = slice(start, start + len(fine))
            start += len(fine)
            best_other = self._texts.best_other(number, scores[mine], rows[mine])
            judged = judge_variants(vectors[mine], self._texts.of(number), best_other, self._config)
            for i, verdict in zip(fine, judged, strict=True):
                verdicts[i] = verdict
            _limit(candidates, verdicts, per_source=self._config.per_entry)
            yield number, entry, list(zip(candidates, verdicts, strict=True))

    def _embed(self, texts: Sequence[str]) -> FloatRows:
        batches = [texts[i : i + _BATCH_ROWS] for i in range(0, len(texts), _BATCH_ROWS)]
        empty = np.zeros((0, self._embedder.dim), np.float32)
        return np.concatenate([empty, *self._pool.map(self._embedder.embed, batches)])


class WrittenTexts:
    """The vectors of every written text and every reject of corpora, by entry."""

    def __init__(self, vectors: FloatRows, answers: npt.NDArray[np.int32], first_rows: npt.NDArray[np.int64]) -> None:
        self._vectors, self._answers, self._first_rows = vectors, answers, first_rows

    def of(self, number: int) -> FloatRows:
        """Return the vectors of an entry's query and paraphrases."""
        rows = slice(int(self._first_rows[number]), int(self._first_rows[number + 1]))
        return np.asarray(self._vectors[rows][self._answers[rows] != _GUARD])

    def neighbours(self, vectors: FloatRows) -> tuple[FloatRows, npt.NDArray[np.int64]]:
        """Return scores and rows of the nearest written texts, best first."""
        k = min(_K, len(self._vectors))
        if not len(vectors):
            return np.zeros((0, k), np.float32), np.zeros((0, k), np.int64)
        return exact_neighbours(np.asarray(self._vectors), np.ascontiguousarray(vectors), k=k)

    def best_other(self, number: int, scores: FloatRows, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return the best score to a different answer or a guard; where none is near, at most the last score seen."""
        answer = self._answers[self._first_rows[number]]
        is_other = self._answers[rows] != answer
        if scores.shape[1] < len(self._vectors):
            is_other[:, -1:] = True  # what comes after it scores no more
        elif not len(rows):
            return np.zeros(0, np.float32)
        best = np.where(is_other, scores, np.float32(-1)).max(axis=1, initial=-1.0)
        return np.asarray(best, np.float32)


@contextmanager
def written_texts(
    paths: Sequence[Path],
    scan: CorpusScan,
    embedder: Embedder,
    *,
    n_workers: int,
    on_rows: Callable[[int, int], None],
) -> Iterator[WrittenTexts]:
    """Embed the written texts of scanned corpora into a scratch file, which goes with the block.

    Args:
        paths: the corpora.
        scan: of these corpora.
        embedder: of the bundle to be.
        n_workers: threads; 0 means one a core.
        on_rows: called with how many texts are done, and how many there are.
    """
    first_rows, answers = [0], list[int]()
    for entry in read_again(paths, scan):
        answer = scan.answer_numbers[answer_digest(entry)]
        answers += [answer] * (1 + len(entry.paraphrases)) + [_GUARD] * len(entry.rejects)
        first_rows.append(len(answers))
    done = 0

    def on_done(n: int) -> None:
        nonlocal done
        done += n
        on_rows(done, len(answers))

    with TemporaryDirectory() as folder:
        path = Path(folder) / "vectors"
        with EmbedPool(embedder, path, n_rows=len(answers), n_workers=n_workers, on_rows=on_done) as pool:
            texts, start = list[str](), 0
            for entry in read_again(paths, scan):
                texts += (entry.query, *entry.paraphrases, *entry.rejects)
                if len(texts) >= _BATCH_ROWS:
                    pool.submit(start, texts)
                    start, texts = start + len(texts), []
            if texts:
                pool.submit(start, texts)
            pool.drain()
            yield WrittenTexts(pool.vectors, np.array(answers, np.int32), np.array(first_rows, np.int64))


def words_verdicts(
    entry: Entry, number: int, scan: CorpusScan, candidates: Sequence[Candidate], *, facts: bool
) -> list[Dropped | None]:
    """Return why each candidate of an entry is dropped by its words alone, or None."""
    seen = set[bytes]()
    verdicts: list[Dropped | None] = []
    for candidate in candidates:
        normalised = normalise(candidate.text)
        key = exact_key(normalised)
        owner = scan.owner(entry.namespace, key)
        verdict: Dropped | None = None
        if not normalised or not candidate.text.isprintable():
            verdict = Dropped.EMPTY
        elif owner == number or key in seen:
            verdict = Dropped.REPEATED
        elif owner is not None or scan.guard_owner(entry.namespace, key) is not None:
            verdict = Dropped.TAKEN
        elif facts and not same_facts(candidate.made_of, candidate.text):
            verdict = Dropped.FACTS
        seen.add(key)
        verdicts.append(verdict)
    return verdicts


def _limit(candidates: Sequence[Candidate], verdicts: list[Dropped | None], *, per_source: int) -> None:
    """Drop what a source has kept beyond its number."""
    kept: dict[str, int] = {}
    for i, candidate in enumerate(candidates):
        if verdicts[i] is None:
            kept[candidate.source] = kept.get(candidate.source, 0) + 1
            if kept[candidate.source] > per_source:
                verdicts[i] = Dropped.SURPLUS
