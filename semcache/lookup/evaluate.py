"""Measures a bundle on labelled queries: what is served at each certified level, how often it is wrong, and where.

`evaluate` asks the bundle; `measure` only counts, and can be tested with a handful of candidates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from semcache.core.certify import interval
from semcache.core.metrics import (
    Bin,
    Curve,
    Served,
    aurc,
    best_coverage,
    brier,
    calibration_error,
    curve_of,
    reliability,
    roc_auc,
    served_at,
)
from semcache.errors import ConfigError
from semcache.lookup.cache import Cache
from semcache.lookup.candidates import Candidate, EntryFacts, Promise, candidates_of, entries_of, promises_of
from semcache.lookup.queries import LabelledQuery
from semcache.types import Kind

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_ONLY_EXACT = 1.0


@dataclass(frozen=True, slots=True)
class LevelResult:
    """What one certified level did to the queries.

    Attributes:
        promise: the level and what it rests on.
        served: hits and wrong hits, exact ones included; where the level is not certified, exact ones only.
        error_low, error_high: 95 % Clopper-Pearson interval of the error; 0 and 1 without a hit.
        best: what the best threshold for these very queries would serve at this error; None where none is good enough.
    """

    promise: Promise
    served: Served
    error_low: float
    error_high: float
    best: Served | None

    @property
    def is_broken(self) -> bool:
        """Whether these queries contradict the promise: all of the interval is over the level."""
        return self.promise.threshold is not None and self.error_low > self.promise.max_error


@dataclass(frozen=True, slots=True)
class SliceResult:
    """What was served of some of the queries, at the level the report is about.

    Attributes:
        name: of the slice.
        n_answerable: queries for which the bundle holds a right answer.
        served: hits and wrong hits.
        error_low, error_high: as in `LevelResult`.
    """

    name: str
    n_answerable: int
    served: Served
    error_low: float
    error_high: float


@dataclass(frozen=True, slots=True)
class FalseHit:
    """A wrong answer that was served.

    Attributes:
        query: what was asked, and what would have been right.
        candidate: what was served instead.
    """

    query: LabelledQuery
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A bundle measured on labelled queries.

    Attributes:
        name, bundle_id: what was measured.
        n_queries: how many were asked.
        n_out_of_scope: queries labelled as having no right answer.
        unknown: labels of queries that name no entry and no group of the bundle: nothing is right for them either.
        levels: each level of the certificate, strictest first; empty where the bundle has none.
        shown: the level that kinds, slices and false hits are about; None where nothing is certified (exact hits only).
        curve: hits and wrong hits over all thresholds.
        aurc, roc_auc, calibration_error, brier: of the confidences; None where they cannot be told.
        bins: confidence against the share that is right.
        kinds, slices: what was served, by how it was found and by the queries' own kinds.
        misses: how many queries were not served, by reason; "below_threshold" for candidates that were not sure enough.
        false_hits: the surest first.
    """

    name: str
    bundle_id: str
    n_queries: int
    n_out_of_scope: int
    unknown: tuple[str, ...]
    levels: tuple[LevelResult, ...]
    shown: LevelResult | None
    curve: Curve
    aurc: float | None
    roc_auc: float | None
    calibration_error: float | None
    brier: float | None
    bins: tuple[Bin, ...]
    kinds: tuple[SliceResult, ...]
    slices: tuple[SliceResult, ...]
    misses: Mapping[str, int]
    false_hits: tuple[FalseHit, ...]


def evaluate(cache: Cache, queries: Sequence[LabelledQuery], *, max_error: float | None = None) -> Evaluation:
    """Ask a bundle labelled queries and measure what it would serve.

    The figures hold for queries like these. Queries that the bundle was built or calibrated on flatter it.

    Args:
        cache: the bundle.
        queries: 1 or more; their order does not matter.
        max_error: kinds, slices and false hits are about the least strict certified level of at most this error, over
            0 and up to 1; None takes the least strict one there is.

    Raises:
        ConfigError: there are no queries, or max_error is outside its range.
        CacheUnusableError, BundleError, EncoderError: as `Cache.lookup_many`.
    """
    if max_error is not None and not 0 < max_error <= 1:
        raise ConfigError(f"max_error: found {max_error}, allowed over 0 and up to 1")
    if not queries:
        raise ConfigError("queries: found none, allowed 1 or more")
    info = cache.info
    return measure(
        queries,
        candidates_of(cache, queries),
        entries=entries_of(cache),
        promises=promises_of(cache),
        max_error=max_error,
        name=info.manifest.name,
        bundle_id=info.id,
    )


def measure(
    queries: Sequence[LabelledQuery],
    candidates: Sequence[Candidate],
    *,
    entries: Mapping[str, EntryFacts],
    promises: Sequence[Promise],
    max_error: float | None = None,
    name: str = "",
    bundle_id: str = "",
) -> Evaluation:
    """Count what `evaluate` reports, from one candidate a query."""
    right_answers = _right_answers(queries, entries)
    is_right = is_right_of(queries, candidates, entries)
    confidences = np.array([candidate.confidence for candidate in candidates])
    is_exact = np.array([candidate.kind is Kind.EXACT for candidate in candidates])
    curve = curve_of(confidences, is_right)
    levels = tuple(_level(promise, confidences, is_right, is_exact, curve) for promise in promises)
    shown = _shown(levels, max_error)
    is_hit = _hits(confidences, is_exact, None if shown is None else shown.promise.threshold)
    table = _Table(queries, right_answers, is_hit, is_right)
    kinds = table.by([candidate.kind for candidate in candidates])
    slices = table.by([query.slice for query in queries])
    bins = reliability(confidences, is_right)
    return Evaluation(
        name=name,
        bundle_id=bundle_id,
        n_queries=len(queries),
        n_out_of_scope=sum(query.is_out_of_scope for query in queries),
        unknown=_unknown(queries, right_answers),
        levels=levels,
        shown=shown,
        curve=curve,
        aurc=aurc(curve),
        roc_auc=roc_auc(confidences, is_right),
        calibration_error=calibration_error(bins),
        brier=brier(confidences, is_right),
        bins=bins,
        kinds=tuple(kinds.get(kind) or table.row(kind, ()) for kind in Kind),
        slices=tuple(sorted(slices.values(), key=lambda row: (-row.served.n_queries, row.name))),
        misses=_misses(candidates, is_hit),
        false_hits=_false_hits(queries, candidates, is_hit & ~is_right),
    )


def is_right_of(
    queries: Sequence[LabelledQuery], candidates: Sequence[Candidate], entries: Mapping[str, EntryFacts]
) -> Bools:
    """Return (n,) whether the candidate of each query has an answer that is right for it."""
    right_answers = _right_answers(queries, entries)
    return np.array(
        [
            candidate.entry_id is not None and entries[candidate.entry_id].answer in right
            for candidate, right in zip(candidates, right_answers, strict=True)
        ],
        np.bool_,
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """Counts hits over some of the queries."""

    queries: Sequence[LabelledQuery]
    right_answers: Sequence[frozenset[int]]
    is_hit: Bools
    is_right: Bools

    def row(self, name: str, places: Sequence[int]) -> SliceResult:
        """Count over the queries at some positions."""
        hits = [i for i in places if self.is_hit[i]]
        served = Served(len(places), len(hits), sum(not self.is_right[i] for i in hits))
        low, high = interval(served.n_wrong, served.n_hits)
        return SliceResult(name, sum(bool(self.right_answers[i]) for i in places), served, low, high)

    def by(self, names: Sequence[str | None]) -> dict[str, SliceResult]:
        """Count the queries of each name by themselves; None belongs nowhere."""
        places: dict[str, list[int]] = {}
        for i, name in enumerate(names):
            if name is not None:
                places.setdefault(name, []).append(i)
        return {name: self.row(name, found) for name, found in places.items()}


def _right_answers(queries: Sequence[LabelledQuery], entries: Mapping[str, EntryFacts]) -> list[frozenset[int]]:
    """Return the answers that are right for each query; empty where none is."""
    of_group: dict[str, set[int]] = {}
    for facts in entries.values():
        for group in facts.groups:
            of_group.setdefault(group, set()).add(facts.answer)
    right: list[frozenset[int]] = []
    for query in queries:
        if query.group is not None:
            right.append(frozenset(of_group.get(query.group, ())))
        else:
            facts_or_none = entries.get(query.entry_id or "")
            right.append(frozenset() if facts_or_none is None else frozenset((facts_or_none.answer,)))
    return right


def _unknown(queries: Sequence[LabelledQuery], right_answers: Sequence[frozenset[int]]) -> tuple[str, ...]:
    labels = (
        f"{query.place}: {query.entry_id if query.group is None else query.group}"
        for query, right in zip(queries, right_answers, strict=True)
        if not right and not query.is_out_of_scope
    )
    return tuple(labels)


def _hits(confidences: Floats, is_exact: Bools, threshold: float | None) -> Bools:
    """Return which queries are served: exact ones always, others where the threshold is reached."""
    if threshold is None:
        return is_exact
    hits: Bools = is_exact | ((confidences >= threshold) & (confidences > -np.inf))
    return hits


def _level(promise: Promise, confidences: Floats, is_right: Bools, is_exact: Bools, curve: Curve) -> LevelResult:
    is_hit = _hits(confidences, is_exact, promise.threshold)
    served = served_at(np.where(is_hit, 1.0, -np.inf), is_right, _ONLY_EXACT)
    low, high = interval(served.n_wrong, served.n_hits)
    return LevelResult(promise, served, low, high, best_coverage(curve, promise.max_error))


def _shown(levels: Sequence[LevelResult], max_error: float | None) -> LevelResult | None:
    """Return the least strict certified level that the caller accepts."""
    certified = [
        level
        for level in levels
        if level.promise.threshold is not None and (max_error is None or level.promise.max_error <= max_error)
    ]
    return certified[-1] if certified else None


def _misses(candidates: Sequence[Candidate], is_hit: Bools) -> dict[str, int]:
    reasons = Counter(
        str(candidate.reason or ("below_threshold" if candidate.entry_id is not None else "no_candidate"))
        for candidate, hit in zip(candidates, is_hit, strict=True)
        if not hit
    )
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _false_hits(
    queries: Sequence[LabelledQuery], candidates: Sequence[Candidate], is_false_hit: Bools
) -> tuple[FalseHit, ...]:
    found = [FalseHit(queries[i], candidates[i]) for i in np.flatnonzero(is_false_hit).tolist()]
    return tuple(sorted(found, key=lambda hit: -hit.candidate.confidence))
