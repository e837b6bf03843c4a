"""Fits and certifies the decision of a bundle: adapter, verifier, certificates. Deterministic for a seed.

What is fitted and what is certified share no query, and no entry but in traffic; the adapter that judges a query
never saw it. What traffic taught is written down, so that no later build certifies on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from semcache.build.adapter import adapt_all, side_by_side
from semcache.build.certifying import Certified, Evidence, Trial, certify_trial, confidences
from semcache.build.fit_queries import Asked, Planned, Rows, plan_fitting, plan_queries, plan_twins
from semcache.build.folds import Fold, Taught, can_adapt, fold_adapters, judge_by_folds, judge_learning, train
from semcache.build.generic import generic_trees
from semcache.build.judging import (
    AskedPairs,
    Embed,
    Outcome,
    Pairs,
    embedded,
    judge,
    judge_traffic,
    judge_twins,
    known_rows,
)
from semcache.build.own_trees import mean_coverage, own_rank_better, with_own
from semcache.bundle.contents import owners_of
from semcache.bundle.decision import DecisionArrays
from semcache.config import BuildConfig
from semcache.core.certify import ALPHA, hits_needed
from semcache.core.draws import are_for_grid, draw
from semcache.core.features import FEATURES
from semcache.core.learned import Digests, are_learned, digests
from semcache.core.manifest import DecisionInfo
from semcache.core.text import normalise
from semcache.core.vectors import FloatRows

_MIN_GAIN = 0.01
_MIN_ENTRIES = 300  # with paraphrases: half of them fit trees, half certify
_MIN_TRAFFIC = 300  # labelled queries, to learn from
_FIT_SHARE = 0.4  # of the texts of traffic


@dataclass(frozen=True, slots=True)
class Kept:
    """What a version takes over from the one before it.

    Attributes:
        adapter: (dim, dim) float32, so that the vectors of rows stay the same; None where they are used as they are.
        learned: (n,) digests of texts of traffic that it learned from, or a version before it.
        gone: (n,) digests of texts that it was built on and that are indexed no more: what stays knows them.
        is_followed: whether rows and adapter stay; where only a tuned encoder does, the adapter is learned anew.
    """

    adapter: FloatRows | None
    learned: Digests
    gone: Digests
    is_followed: bool = True

    @property
    def known(self) -> Digests:
        """All of them."""
        return np.union1d(self.learned, self.gone)


@dataclass(frozen=True, slots=True)
class TrafficUse:
    """What labelled traffic was good for.

    Attributes:
        n_to_fit, n_to_fit_needed: queries that trees could be fitted on, and how many that takes.
        n_certifying: queries whose candidate lies in a namespace, by its name.
        n_needed: how many of them it takes to certify the error wanted; with fewer, written or generic ones certify.
    """

    n_to_fit: int
    n_to_fit_needed: int
    n_certifying: dict[str, int]
    n_needed: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """A decision, and the vectors that its index must hold.

    Attributes:
        arrays, info: for the bundle.
        vectors: (n, dim) float32 adapted unit rows.
        traffic: what became of labelled traffic.
    """

    arrays: DecisionArrays
    info: DecisionInfo
    vectors: FloatRows
    traffic: TrafficUse


@dataclass(frozen=True, slots=True)
class _Parts:
    """Traffic in three parts. A text that is learned from is in no other; the rest are parted draw by draw.

    Attributes:
        learning: what trees and adapter learn from; none where `n_to_fit` is too little for that.
        grid: what says where thresholds are worth trying.
        certifying: none that any version's adapter learned from.
        n_to_fit: queries to learn from.
    """

    learning: AskedPairs
    grid: AskedPairs
    certifying: AskedPairs
    n_to_fit: int


@dataclass(frozen=True, slots=True)
class _Adapted:
    """An adapter and what was judged while it was chosen.

    Attributes:
        adapter: None where vectors are used as they are.
        folds: adapters that judge in its place what it learned from; none without it.
        others: written queries that certify nothing.
        learning: queries of traffic that were learned from.
    """

    adapter: FloatRows | None
    folds: Sequence[Fold]
    others: list[Outcome]
    learning: list[Outcome]


@dataclass(frozen=True, slots=True)
class _Traffic:
    """Judged traffic.

    Attributes:
        twins: near twins of what is indexed, made where there is enough to fit on.
    """

    learning: list[Outcome]
    grid: list[Outcome]
    certifying: list[Outcome]
    twins: Sequence[Outcome] = ()

    @property
    def all(self) -> list[Outcome]:
        """All labelled queries."""
        return [*self.learning, *self.grid, *self.certifying]


def fit_decision(
    rows: Rows,
    *,
    config: BuildConfig,
    embed: Embed,
    traffic: Sequence[Asked] = (),
    kept: Kept | None = None,
    is_tuned: bool = False,
) -> Fitted:
    """Fit the decision of a corpus on its own variants, and on labelled traffic where there is some.

    Args:
        rows: what is indexed.
        config: of the build.
        embed: texts to (n, dim) float32 unit rows of the encoder.
        traffic: a sample of the queries to come.
        kept: of the version before this one; None to learn everything anew.
        is_tuned: whether the encoder was tuned on the corpus. Then no written query fits trees or proves a level: the
            encoder has seen them all.
    """
    parts = _parted(traffic, embed, config, kept)
    planned = _plan(rows, config.seed, config)
    adapted = _adapting(rows, parts, embedded(rows, _choosing(rows, planned, config), embed), config, kept)
    adapter = adapted.adapter
    known = known_rows(rows, adapt_all(rows.vectors, adapter), config)
    grid, certifying = (judge_traffic(rows, known, part, adapter, config) for part in (parts.grid, parts.certifying))
    judge_planned = partial(_judge_by, rows, adapted.folds, config, embed)
    written = judge_planned(planned)
    twins = embedded(rows, _plan_twins(rows, written, config), embed) if parts.learning else ()
    asked = _Traffic(adapted.learning, grid, certifying, judge_twins(rows, known, twins, adapter))
    trials = _trials(asked, written, rows, judge_planned, config, is_tuned=is_tuned)
    # Those that certify choose nothing, but for the better of two trials, each of which then gets half of alpha.
    alpha = ALPHA / len(trials)
    grid = asked.grid if trials[-1].fitted == "traffic" else [*asked.learning, *asked.grid]
    evidence = Evidence(asked.certifying, adapted.others, grid, asked.all, written_proves=not is_tuned)
    certified = [certify_trial(trial, evidence, rows.namespace_names, config, alpha=alpha) for trial in trials]
    best = max(certified, key=lambda one: one.coverages)
    learned = _learned(parts, kept, keeps=adapter is not None or is_tuned)
    arrays = DecisionArrays(adapter, *known.facts(), rows.words, rows.rarity, best.trial.trees, learned)
    info = _info(best, config, has_adapter=adapter is not None, n_learned=len(learned))
    use = _use(asked, parts.n_to_fit, rows.namespace_names, hits_needed(config.max_error, alpha))
    return Fitted(arrays, info, known.vectors, use)


def _parted(traffic: Sequence[Asked], embed: Embed, config: BuildConfig, kept: Kept | None) -> _Parts:
    embedded_texts = embed([query.text for query in traffic]) if traffic else ()
    pairs = [(query, vector) for query, vector in zip(traffic, embedded_texts, strict=True) if vector.any()]
    texts = [normalise(query.text) for query, _ in pairs]
    is_old = are_learned(texts, digests(()) if kept is None else kept.known)
    learns = is_old | np.array([draw(config.seed, "traffic", text) < _FIT_SHARE for text in texts], np.bool_)
    n_to_fit, is_for_grid = int(learns.sum()), are_for_grid(texts, seed=config.seed)
    if n_to_fit < _MIN_TRAFFIC:  # then only what was learned from before proves nothing
        learns, is_for_grid = np.zeros_like(learns), is_for_grid | is_old

    def where(mask: npt.NDArray[np.bool_]) -> AskedPairs:
        return [pairs[i] for i in np.flatnonzero(mask).tolist()]

    return _Parts(where(learns), where(~learns & is_for_grid), where(~learns & ~is_for_grid), n_to_fit)


def _adapting(rows: Rows, parts: _Parts, choosing: Pairs, config: BuildConfig, kept: Kept | None) -> _Adapted:
    """Return the adapter, those that judge in its place, and what they judged.

    Where none is kept, there is an adapter where it helps: traffic says so where there is enough. One that is kept was
    learned from other rows; those that judge are learned from these, each without the queries it judges.
    """
    if kept is not None and not kept.is_followed:
        kept = None
    taught = Taught.by(parts.learning, dim=rows.vectors.shape[1])

    def without() -> _Adapted:
        learning = judge_traffic(rows, known_rows(rows, rows.vectors, config), parts.learning, None, config)
        return _Adapted(None, (), judge(rows, choosing, None, config), learning)

    if (kept is not None and kept.adapter is None) or not can_adapt(rows, taught, config):
        return without()
    folds = fold_adapters(rows, taught, config)
    learning = judge_learning(rows, parts.learning, taught, config)
    adapted = _Adapted(None, folds, judge_by_folds(rows, choosing, folds, config), learning)
    if kept is not None:
        return replace(adapted, adapter=kept.adapter)
    plain = without()
    before, after = (one.learning if parts.learning else one.others for one in (plain, adapted))
    if _generic_coverage(after) <= _generic_coverage(before) + _MIN_GAIN:
        return plain
    (adapter,) = side_by_side([partial(train, rows, np.ones(len(rows.answers), np.bool_), taught, config)])
    return replace(adapted, adapter=adapter)


def _generic_coverage(outcomes: Sequence[Outcome]) -> float:
    return mean_coverage(confidences(generic_trees(), outcomes), outcomes)


def _plan(rows: Rows, seed: int, config: BuildConfig) -> list[Planned]:
    return plan_queries(rows, outside_share=config.outside_share, seed=seed)


def _choosing(rows: Rows, certifying: Sequence[Planned], config: BuildConfig) -> list[Planned]:
    """Plan queries that choose an adapter, and say where thresholds are worth trying: none that certifies."""
    texts = {query.text for query in certifying}
    return [query for query in _plan(rows, config.seed + 1, config) if query.text not in texts]


def _plan_twins(rows: Rows, written: Sequence[Outcome], config: BuildConfig) -> list[Planned]:
    """Plan twins to fit on: of no entry that certifies by one, as it does where a namespace has little traffic."""
    asked_of = {outcome.query.entry for outcome in written if outcome.query.kind == "twin"}
    spent = _with_their_texts(asked_of, rows)
    return [twin for twin in plan_twins(rows, seed=config.seed) if twin.entry not in spent]


def _judge_by(
    rows: Rows, folds: Sequence[Fold], config: BuildConfig, embed: Embed, planned: Sequence[Planned]
) -> list[Outcome]:
    pairs = embedded(rows, planned, embed)
    return judge_by_folds(rows, pairs, folds, config) if folds else judge(rows, pairs, None, config)


def _trials(
    asked: _Traffic,
    written: list[Outcome],
    rows: Rows,
    judge_planned: Callable[[Sequence[Planned]], list[Outcome]],
    config: BuildConfig,
    *,
    is_tuned: bool,
) -> list[Trial]:
    """Return the trees that are worth certifying: those that ship, or with own ones on top.

    Where traffic is plentiful, it says which of the two, by queries that certify nothing. Written queries are too few
    for that: both are tried, since what own trees earn must make up for the entries that they cost the certificate.
    """
    generic = Trial(generic_trees(), "generic", 0, written)
    if asked.learning:
        if not own_rank_better(asked.learning, config.seed, twins=asked.twins):
            return [generic]
        return [Trial(with_own(asked.learning, asked.twins), "traffic", len(asked.learning), written)]
    if not is_tuned and (fit_entries := _entries_to_fit(written, config)):
        fitting = judge_planned(plan_fitting(rows, fit_entries, seed=config.seed))
        spent = _with_their_texts(fit_entries, rows)
        held_out = [outcome for outcome in written if outcome.query.entry not in spent]
        return [generic, Trial(with_own(fitting), "written", len(fitting), held_out)]
    return [generic]


def _entries_to_fit(outcomes: Sequence[Outcome], config: BuildConfig) -> set[int]:
    """Return half of the entries, to fit trees on; none where there are too few to fit and to certify."""
    entries = {outcome.query.entry for outcome in outcomes}
    if len(entries) < _MIN_ENTRIES:
        return set()
    return {entry for entry in entries if draw(config.seed, "part", entry) < 0.5}


def _with_their_texts(entries: set[int], rows: Rows) -> set[int]:
    """Return entries, and those of other namespaces that share a text with one of them."""
    owners = owners_of(rows.entries)
    texts = rows.firsts[np.isin(owners, list(entries))]
    return set(owners[np.isin(rows.firsts, texts)].tolist())


def _learned(parts: _Parts, kept: Kept | None, *, keeps: bool) -> Digests:
    """Return digests of what the decision learned from or was chosen by, whatever build adapter and encoder are of."""
    now = digests(query.text for query, _ in parts.learning)
    return np.union1d(kept.known, now) if keeps and kept is not None else now


def _info(best: Certified, config: BuildConfig, *, has_adapter: bool, n_learned: int) -> DecisionInfo:
    return DecisionInfo(
        features=FEATURES,
        n_trees=len(best.trial.trees),
        fitted=best.trial.fitted,
        n_fitted=best.trial.n_fitted,
        n_learned=n_learned,
        has_adapter=has_adapter,
        n_neighbours=config.n_neighbours,
        wanted_error=config.max_error,
        certificates=best.certificates,
    )


def _use(asked: _Traffic, n_to_fit: int, namespaces: Sequence[str], n_needed: int) -> TrafficUse:
    n_in = Counter(outcome.namespace for outcome in asked.certifying)
    n_certifying = {name: n_in[number] for number, name in enumerate(namespaces)}
    return TrafficUse(n_to_fit, _MIN_TRAFFIC, n_certifying, n_needed)
