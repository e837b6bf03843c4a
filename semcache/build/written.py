"""The texts of corpora as a build would index them, with their vectors and places, before there is a bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from semcache.build.embed_pool import EmbedPool
from semcache.build.judging import search_over
from semcache.build.known import Ints
from semcache.build.scan import CorpusScan, answer_digest, indexed_texts, read_placed
from semcache.core.vectors import FloatRows
from semcache.embed.base import Embedder
from semcache.types import Entry, VariantKind

Rival = tuple[float, int, int]
"""Score of two near texts of different answers, and their rows."""

_BATCH_ROWS = 1024
_K = 48


@dataclass(frozen=True, slots=True)
class WrittenText:
    """A text of a corpus, and where it stands.

    Attributes:
        text: as written.
        place: `file:line`.
        field: `query`, `paraphrases[i]` or `rejects[i]`, counted from 0.
        entry_id, namespace: of its entry.
    """

    text: str
    place: str
    field: str
    entry_id: str
    namespace: str


class WrittenRows:
    """Texts that get a row each.

    Attributes:
        texts: of each row.
        entries, answers: (n,) numbers of each row's; the complement of its entry's, negative, for a guard.
        vectors: (n, dim) float32 unit rows, zero where a text is not embedded.
        is_embedded: (n,) whether it is.
        search: over the vectors.
    """

    def __init__(self, texts: Sequence[WrittenText], entries: Ints, answers: Ints, vectors: FloatRows) -> None:
        self.texts, self.entries, self.answers = texts, entries, answers
        self.vectors = np.ascontiguousarray(vectors)
        self.is_embedded: npt.NDArray[np.bool_] = np.asarray(self.vectors.any(axis=1), np.bool_)
        self.search = search_over(self.vectors, seed=0)

    def namespaces(self) -> Iterator[WrittenRows]:
        """Yield the rows of each namespace by themselves, as a lookup in it sees them."""
        names = np.array([text.namespace for text in self.texts])
        for name in np.unique(names):
            rows = np.flatnonzero(names == name)
            texts = [self.texts[row] for row in rows.tolist()]
            yield WrittenRows(texts, self.entries[rows], self.answers[rows], self.vectors[rows])

    def asked(self) -> list[int]:
        """Return the rows that can be asked: those that have an answer and a vector."""
        rows: list[int] = np.flatnonzero((self.answers >= 0) & self.is_embedded).tolist()
        return rows

    def nearest(self, row: int, others: Ints, *, n: int = 1) -> tuple[Ints, FloatRows]:
        """Return which of some rows are nearest to a row, itself aside, with their scores: n of them at most."""
        others = others[(others != row) & self.is_embedded[others]]
        scores: FloatRows = self.vectors[others] @ self.vectors[row]
        best = np.argsort(-scores, kind="stable")[:n]
        return others[best], scores[best]

    def rivals(self, min_score: float) -> Iterator[Rival]:
        """Yield near texts of different answers; a pair comes from either row or both.

        Args:
            min_score: pairs below are not near.
        """
        rows, k = self.asked(), min(_K, len(self.texts))
        for start in range(0, len(rows), _BATCH_ROWS):
            asked = rows[start : start + _BATCH_ROWS]
            scores, found = self.search(self.vectors[asked], k)
            for i, j in zip(*np.nonzero((scores >= min_score) & (found >= 0)), strict=True):
                row, other = asked[i], int(found[i, j])
                if 0 <= self.answers[other] != self.answers[row]:
                    yield float(scores[i, j]), row, other


def read_written(
    paths: Sequence[Path],
    scan: CorpusScan,
    embedder: Embedder,
    *,
    with_guards: bool = True,
    n_workers: int = 0,
    on_rows: Callable[[int, int], None] = lambda _done, _n: None,
) -> WrittenRows:
    """Read and embed the texts of scanned corpora.

    Args:
        paths: the corpora.
        scan: of these corpora.
        embedder: of the bundle to be.
        with_guards: take rejects that become guards too.
        n_workers: threads; 0 means one a core.
        on_rows: called with how many texts are embedded, and how many there are.

    Raises:
        BuildError: a file changed since it was scanned.
        StorageError: a file cannot be read.
    """
    texts, entries, answers = list[WrittenText](), list[int](), list[int]()
    for number, (place, entry) in enumerate(read_placed(paths, scan)):
        answer = scan.answer_numbers[answer_digest(entry)]
        for kind, text, _ in indexed_texts(entry, number, scan):
            is_guard = kind is VariantKind.GUARD
            if with_guards or not is_guard:
                texts.append(WrittenText(text, place, _field(entry, kind, text), entry.id, entry.namespace))
                entries.append(~number if is_guard else number)
                answers.append(~number if is_guard else answer)
    vectors = _embed([text.text for text in texts], embedder, n_workers=n_workers, on_rows=on_rows)
    return WrittenRows(texts, np.array(entries, np.int64), np.array(answers, np.int64), vectors)


def _field(entry: Entry, kind: VariantKind, text: str) -> str:
    if kind is VariantKind.QUERY:
        return "query"
    name, listed = ("rejects", entry.rejects) if kind is VariantKind.GUARD else ("paraphrases", entry.paraphrases)
    return f"{name}[{listed.index(text)}]"


def _embed(
    texts: Sequence[str], embedder: Embedder, *, n_workers: int, on_rows: Callable[[int, int], None]
) -> FloatRows:
    done = 0

    def on_done(n: int) -> None:
        nonlocal done
        done += n
        on_rows(done, len(texts))

    with TemporaryDirectory() as folder:
        path = Path(folder) / "vectors"
        with EmbedPool(embedder, path, n_rows=len(texts), n_workers=n_workers, on_rows=on_done) as pool:
            for start in range(0, len(texts), _BATCH_ROWS):
                pool.submit(start, texts[start : start + _BATCH_ROWS])
            pool.drain()
            return np.array(pool.vectors)
