"""Measures a bundle on labelled queries: what is served at each certified level, how often it is wrong, and where.

`evaluate` asks the bundle; `measure` only counts, and can be tested with a handful of candidates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from semcache.core.certificate import Certificate
from semcache.core.certify import CertifiedLevel, interval
from semcache.core.labels import EntryFacts, right_answers, unknown_labels
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
)
from semcache.errors import ConfigError
from semcache.lookup.cache import Cache
from semcache.lookup.candidates import Candidate, candidates_of, entries_of, were_learned
from semcache.types import Kind, LabelledQuery, Reason

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LevelResult:
    """What one certified level of a namespace did to the queries.

    Attributes:
        namespace: where the hits lie.
        promise: the level and what it rests on.
        served: hits there and wrong hits, of all queries, exact ones included; where the level is not certified, exact
            ones only.
        error_low, error_high: 95 % Clopper-Pearson interval of the error; 0 and 1 without a hit.
        best: what the best threshold for these very queries would serve at this error; None where none is good enough.
        is_over_default: whether the level allows more than the namespace's own: then no lookup serves by it.
    """

    namespace: str
    promise: CertifiedLevel
    served: Served
    error_low: float
    error_high: float
    best: Served | None
    is_over_default: bool

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
        max_error: what the report is about, as it was asked for; None for each namespace's own.
        n_queries: how many were asked.
        n_out_of_scope: queries labelled as having no right answer.
        n_learned: queries that the bundle's trees or adapter learned from: they flatter it.
        unknown: labels of queries that name no entry and no group of the bundle: nothing is right for them either.
        levels: each level of each namespace's certificate, strictest first.
        shown: one of them a namespace: kinds, slices and false hits are about what these serve together.
        served: that, of all queries.
        curve: hits and wrong hits over all thresholds.
        aurc, roc_auc, calibration_error, brier: of the confidences; None where they cannot be told.
        bins: confidence against the share that is right.
        kinds, slices: what was served, by how it was found and by the queries' own kinds.
        misses: how many queries were not served, by reason; "below_threshold" for candidates that were not sure enough,
            "uncertified" where no confidence is.
        false_hits: the surest first.
    """

    name: str
    bundle_id: str
    max_error: float | None
    n_queries: int
    n_out_of_scope: int
    n_learned: int
    unknown: tuple[str, ...]
    levels: tuple[LevelResult, ...]
    shown: tuple[LevelResult, ...]
    served: Served
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

    The figures hold for queries like these. Queries that the bundle learned from, or was calibrated on, flatter it;
    it knows the former, and they are counted.

    Args:
        cache: the bundle.
        queries: 1 or more; their order does not matter.
        max_error: kinds, slices and false hits are about the largest certified level of at most this error, over 0 and
            up to 1, even where a lookup would not serve it; None takes what callers get who name none.

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
        certificates=info.manifest.decision.certificates,
        max_error=max_error,
        name=info.manifest.name,
        bundle_id=info.id,
        n_learned=int(were_learned(cache, queries).sum()),
    )


def measure(
    queries: Sequence[LabelledQuery],
    candidates: Sequence[Candidate],
    *,
    entries: Mapping[str, EntryFacts],
    certificates: Sequence[Certificate],
    max_error: float | None = None,
    name: str = "",
    bundle_id: str = "",
    n_learned: int = 0,
) -> Evaluation:
    """Count what `evaluate` reports, from one candidate a query."""
    right = right_answers(queries, entries)
    is_right = is_right_of(queries, candidates, entries)
    confidences = np.array([candidate.confidence for candidate in candidates])
    is_exact = np.array([candidate.kind is Kind.EXACT for candidate in candidates])
    curve = curve_of(confidences, is_right)
    namespaces = np.array([candidate.namespace for candidate in candidates], np.object_)
    levels, shown, is_hit = list[LevelResult](), list[LevelResult](), np.zeros(len(queries), np.bool_)
    for certificate in certificates:
        is_here = namespaces == certificate.namespace
        here = curve_of(np.where(is_here, confidences, -np.inf), is_right)
        place = _Place(certificate, is_here, confidences, is_right, is_exact, here)
        results = [place.result(level) for level in sorted(certificate.levels, key=lambda level: level.max_error)]
        level = certificate.level_for(None) if max_error is None else certificate.level_at(max_error)
        levels += results
        shown += [result for result in results if result.promise == level] or [place.result(level)]
        is_hit |= place.hits(level)
    table = _Table(queries, right, is_hit, is_right)
    kinds = table.by([candidate.kind for candidate in candidates])
    slices = table.by([query.slice for query in queries])
    bins = reliability(confidences, is_right)
    return Evaluation(
        name=name,
        bundle_id=bundle_id,
        max_error=max_error,
        n_queries=len(queries),
        n_out_of_scope=sum(query.is_out_of_scope for query in queries),
        n_learned=n_learned,
        unknown=unknown_labels(queries, right),
        levels=tuple(levels),
        shown=tuple(shown),
        served=Served(len(queries), int(is_hit.sum()), int((is_hit & ~is_right).sum())),
        curve=curve,
        aurc=aurc(curve),
        roc_auc=roc_auc(confidences, is_right),
        calibration_error=calibration_error(bins),
        brier=brier(confidences, is_right),
        bins=bins,
        kinds=tuple(kinds.get(kind) or table.row(kind, ()) for kind in Kind),
        slices=tuple(sorted(slices.values(), key=lambda row: (-row.served.n_queries, row.name))),
        misses=_misses(candidates, is_hit, shown),
        false_hits=_false_hits(queries, candidates, is_hit & ~is_right),
    )


def is_right_of(
    queries: Sequence[LabelledQuery], candidates: Sequence[Candidate], entries: Mapping[str, EntryFacts]
) -> Bools:
    """Return (n,) whether the candidate of each query has an answer that is right for it."""
    return np.array(
        [
            candidate.entry_id is not None and entries[candidate.entry_id].answer in right
            for candidate, right in zip(candidates, right_answers(queries, entries), strict=True)
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


@dataclass(frozen=True, slots=True)
class _Place:
    """The queries whose candidate lies in one namespace, among all of them."""

    certificate: Certificate
    is_here: Bools
    confidences: Floats
    is_right: Bools
    is_exact: Bools
    curve: Curve

    def hits(self, level: CertifiedLevel) -> Bools:
        """Return which queries are served here: exact ones always, others where the threshold is reached."""
        is_sure: Bools = self.is_exact
        if level.threshold is not None:
            is_sure = self.is_exact | ((self.confidences >= level.threshold) & (self.confidences > -np.inf))
        hits: Bools = self.is_here & is_sure
        return hits

    def result(self, level: CertifiedLevel) -> LevelResult:
        """Count what a level serves here."""
        is_hit = self.hits(level)
        served = Served(len(is_hit), int(is_hit.sum()), int((is_hit & ~self.is_right).sum()))
        low, high = interval(served.n_wrong, served.n_hits)
        best = best_coverage(self.curve, level.max_error)
        is_over = level.max_error > self.certificate.max_error
        return LevelResult(self.certificate.namespace, level, served, low, high, best, is_over)


def _misses(candidates: Sequence[Candidate], is_hit: Bools, shown: Sequence[LevelResult]) -> dict[str, int]:
    certified = {row.namespace for row in shown if row.promise.threshold is not None}
    reasons = Counter(
        _reason(candidate, is_certified=candidate.namespace in certified)
        for candidate, hit in zip(candidates, is_hit, strict=True)
        if not hit
    )
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _reason(candidate: Candidate, *, is_certified: bool) -> str:
    if candidate.reason is not None or candidate.entry_id is None:
        return str(candidate.reason or "no_candidate")
    return str(Reason.BELOW_THRESHOLD if is_certified else Reason.UNCERTIFIED)


def _false_hits(
    queries: Sequence[LabelledQuery], candidates: Sequence[Candidate], is_false_hit: Bools
) -> tuple[FalseHit, ...]:
    found = [FalseHit(queries[i], candidates[i]) for i in np.flatnonzero(is_false_hit).tolist()]
    return tuple(sorted(found, key=lambda hit: -hit.candidate.confidence))
