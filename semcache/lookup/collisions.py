"""Finds texts of an open bundle that no word tells from a text of another answer: one may get the other's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from semcache.core.differences import SAME_WORDS_SCORE, differences
from semcache.core.lexical import analyse
from semcache.lookup.cache import Cache
from semcache.lookup.version import Version

_BATCH_TEXTS = 256


@dataclass(frozen=True, slots=True)
class Collision:
    """Two texts of different answers and of the same words.

    Attributes:
        score: cosine similarity, -1 to 1.
        namespace: of both.
        text, entry_id: the one that was asked about.
        other_text, other_entry_id: the nearest of another answer.
    """

    score: float
    namespace: str
    text: str
    entry_id: str
    other_text: str
    other_entry_id: str


def collisions_of(cache: Cache, rows: Sequence[int]) -> tuple[Collision, ...]:
    """Return with which rows of other answers some rows of a bundle collide: the nearest of each two entries.

    The same rule as in `corpus lint`. A guard collides with nothing: it has no answer.

    Args:
        cache: the bundle.
        rows: rows that live, of any namespaces.

    Raises:
        CacheUnusableError, BundleError, EncoderError: as `Cache.lookup_many`.
    """
    version = cache._current()  # noqa: SLF001 - of the same layer; no caller of the library searches by row
    best = dict[frozenset[str], Collision]()
    for found in _collisions(version, rows):
        pair = frozenset((found.entry_id, found.other_entry_id))
        if pair not in best or best[pair].score < found.score:
            best[pair] = found
    return tuple(sorted(best.values(), key=lambda found: (-found.score, found.text)))


def _collisions(version: Version, rows: Sequence[int]) -> Iterator[Collision]:
    by_namespace: dict[str, list[int]] = {}
    for row in rows:
        entry = version.reader.rows.item(row)
        if entry >= 0:
            by_namespace.setdefault(version.reader.namespace_of(entry), []).append(row)
    for namespace, alike in by_namespace.items():
        for start in range(0, len(alike), _BATCH_TEXTS):
            yield from _of_namespace(version, namespace, alike[start : start + _BATCH_TEXTS])


def _of_namespace(version: Version, namespace: str, rows: Sequence[int]) -> Iterator[Collision]:
    """Yield collisions of rows of one namespace, looked for there; a text that has no vector has none."""
    reader = version.reader
    vectors = version.embedder().embed([reader.text_of(row) for row in rows])
    is_embedded = vectors.any(axis=1)
    asked = np.asarray(rows)[is_embedded].tolist()
    found = version.retrieve(vectors[is_embedded], namespace=namespace)
    for row, (near, scores) in zip(asked, found, strict=True):
        answers = reader.answers[near]
        is_rival = (answers >= 0) & (answers != reader.answers[row]) & (scores >= SAME_WORDS_SCORE)
        if not is_rival.any():
            continue
        own = reader.neighbour(row, 1.0)
        reading = analyse(own.variant)
        for other_row, score in zip(near[is_rival].tolist(), scores[is_rival].tolist(), strict=True):
            other = reader.neighbour(other_row, score)
            if not differences(reading, analyse(other.variant)):
                yield Collision(score, namespace, own.variant, own.entry_id, other.variant, other.entry_id)
