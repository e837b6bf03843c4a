"""Counts a corpus, and finds questions that are near to each other and have different answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from semcache.build.scan import CorpusScan, scan_corpora
from semcache.build.written import WrittenRows, read_written
from semcache.embed.base import Embedder


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
    if embedder is None:
        return CorpusStats(scan, ())
    rows = read_written(paths, scan, embedder, with_guards=False)
    return CorpusStats(scan, _near_pairs(rows, min_score=min_score))


def _near_pairs(rows: WrittenRows, *, min_score: float) -> tuple[NearPair, ...]:
    best: dict[tuple[str, str], NearPair] = {}
    for part in rows.namespaces():
        for score, row, other_row in part.rivals(min_score):
            one, other = part.texts[row], part.texts[other_row]
            ids = f"{one.namespace}:{one.entry_id}", f"{other.namespace}:{other.entry_id}"
            pair = NearPair(score, one.text, ids[0], other.text, ids[1])
            key = (min(ids), max(ids))
            if key not in best or best[key].score < pair.score:
                best[key] = pair
    return tuple(sorted(best.values(), key=lambda pair: (-pair.score, pair.text)))
