"""What an evaluation asks an open bundle for: the best candidate of each text, what entries hold, what was learned.

The one file of the evaluation that knows how a cache answers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import orjson

from semcache.core.labels import EntryFacts, entry_facts
from semcache.core.learned import are_learned
from semcache.lookup.cache import Cache
from semcache.types import Assessment, Kind, LabelledQuery, Reason

_BATCH_TEXTS = 256


@dataclass(frozen=True, slots=True)
class Candidate:
    """The answer that a text would get were the threshold low enough.

    Attributes:
        entry_id, variant: the entry, and the indexed text that matched; None where nothing may be served.
        namespace: of the entry, of a guard too; None where nothing was found.
        kind: how it was found; None where nothing may be served.
        confidence: 0 to 1; -inf where nothing may be served, whatever the threshold.
        score: cosine similarity; None where nothing was searched.
        features: what the confidence was made of.
        reason: why nothing may be served; None for a candidate.
    """

    entry_id: str | None
    variant: str | None
    namespace: str | None
    kind: Kind | None
    confidence: float
    score: float | None
    features: Mapping[str, float]
    reason: Reason | None


def candidates_of(cache: Cache, queries: Sequence[LabelledQuery]) -> list[Candidate]:
    """Return the candidate of each query, in order.

    Raises:
        CacheUnusableError, BundleError, EncoderError: as `Cache.lookup_many`.
    """
    found: dict[int, Candidate] = {}
    for places in _batches(queries):
        first = queries[places[0]]
        assessments = cache.assess([queries[i].text for i in places], namespace=first.namespace)
        found.update((i, _candidate(assessment)) for i, assessment in zip(places, assessments, strict=True))
    return [found[i] for i in range(len(queries))]


def _batches(queries: Sequence[LabelledQuery]) -> Iterator[list[int]]:
    """Yield positions of queries of one namespace each, a bounded number at a time."""
    by_namespace: dict[str | None, list[int]] = {}
    for i, query in enumerate(queries):
        by_namespace.setdefault(query.namespace, []).append(i)
    for places in by_namespace.values():
        yield from (places[i : i + _BATCH_TEXTS] for i in range(0, len(places), _BATCH_TEXTS))


def _candidate(assessment: Assessment) -> Candidate:
    """Take what is asked of an assessment; where there is a reason, nothing is served."""
    served = assessment.kind is not None and assessment.confidence is not None and assessment.reason is None
    return Candidate(
        entry_id=assessment.entry_id if served else None,
        variant=assessment.variant if served else None,
        namespace=assessment.namespace,
        kind=assessment.kind if served else None,
        confidence=assessment.confidence if served and assessment.confidence is not None else -math.inf,
        score=assessment.score,
        features=assessment.features,
        reason=None if served else assessment.reason,
    )


def entries_of(cache: Cache) -> dict[str, EntryFacts]:
    """Return every entry of the bundle by its id.

    Raises:
        BundleCorruptError: a record is damaged.
    """
    reader = cache._current().reader  # noqa: SLF001 - of the same layer; no caller of the library needs all entries
    contents, facts = reader.contents(), {}
    for entry, place in zip(*np.unique(contents.owners, return_index=True), strict=True):
        entry_id, metadata_json, *_ = reader.fetch(int(contents.rows[place]), int(entry))
        facts[entry_id] = entry_facts(entry_id, reader.answer_of(int(entry)), orjson.loads(metadata_json))
    return facts


def were_learned(cache: Cache, queries: Sequence[LabelledQuery]) -> npt.NDArray[np.bool_]:
    """Say of each query whether the bundle's trees or adapter learned from its text."""
    reader = cache._current().reader  # noqa: SLF001 - of the same layer, as above
    return are_learned([query.text for query in queries], reader.decision.learned)
