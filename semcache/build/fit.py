"""Fits and certifies the decision of a bundle: adapter, verifier, certificate. Deterministic for a seed.

What is fitted and what is certified share no query and no entry; the adapter that judges a query never saw it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from semcache.build.adapter import adapt_all, train_adapter
from semcache.build.boost import BoostConfig, boost
from semcache.build.fit_queries import Planned, Rows, draw, plan_fitting, plan_queries
from semcache.build.generic import generic_counts, generic_levels, generic_trees
from semcache.build.known import Ints, Judged, KnownRows, Query, Search
from semcache.bundle.decision import DecisionArrays
from semcache.config import BuildConfig
from semcache.core.certify import ALPHA, CertifiedLevel, binomial_tail, certify, default_error, fixed_grid
from semcache.core.features import FEATURES
from semcache.core.manifest import CalibrationInfo, DecisionInfo
from semcache.core.metrics import best_coverage, curve_of
from semcache.core.vectors import FloatRows
from semcache.core.verifier import SIGNS, Verifier
from semcache.store.faiss_index import build_index, exact_neighbours, search_built

Embed = Callable[[Sequence[str]], FloatRows]
Pairs = list[tuple[Planned, npt.NDArray[np.float32]]]
"""Planned queries with their vectors."""

_FOLDS = 3
_MIN_ADAPTED = 60  # answers with two variants
_MAX_ADAPTER_ROWS = 16_384
_MIN_GAIN = 0.01
_GAIN_LEVELS = (0.02, 0.05, 0.10, 0.20)
_MIN_ENTRIES = 300  # with paraphrases: half of them fit trees, half certify
_LOCAL_TREES = 160
_WEIGHTS = {"outside": 0.7, "twin": 0.5, "reworded": 0.5}
_OUTSIDE = ("outside", "reject", "twin")
_EXACT_ROWS = 25_000
_EFFORT = 64


@dataclass(frozen=True, slots=True)
class Fitted:
    """A decision, and the vectors that its index must hold.

    Attributes:
        arrays, info: for the bundle.
        vectors: (n, dim) float32 adapted unit rows.
    """

    arrays: DecisionArrays
    info: DecisionInfo
    vectors: FloatRows


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A judged query that counts: whose label is known for the candidate it got."""

    planned: Planned
    judged: Judged


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Trees and what is certified for them: (n,) confidences and outcomes of the queries that were left out."""

    trees: npt.NDArray[Any]
    n_fitted: int
    confidences: npt.NDArray[np.float64]
    rights: npt.NDArray[np.bool_]
    n_outside: int
    levels: tuple[CertifiedLevel, ...]

    def coverage(self, max_error: float) -> float:
        """Return the share of its queries that are hits at the largest level that is certified up to an error."""
        shares = [
            x.n_hits / len(self.rights) for x in self.levels if x.threshold is not None and x.max_error <= max_error
        ]
        return max(shares, default=0.0)


def fit_decision(rows: Rows, *, config: BuildConfig, embed: Embed) -> Fitted:
    """Fit the decision of a corpus on its own variants.

    Args:
        rows: what is indexed.
        config: of the build.
        embed: texts to (n, dim) float32 unit rows of the encoder.
    """
    # Other queries, of the same entries, choose: whether the adapter helps, and where thresholds are worth trying.
    # Those that certify choose nothing, but for the better of two verdicts, each of which gets half of alpha.
    choosing = _plan(rows, config.seed + 1, config, embed)
    others, folds = _judge(rows, choosing, None, config), _fold_adapters(rows, config)
    if folds and _coverage(adapted := _judge_adapted(rows, choosing, folds, config)) > _coverage(others) + _MIN_GAIN:
        others = adapted
    else:
        folds = []
    adapter = _train(rows, np.ones(len(rows.answers), np.bool_), config) if folds else None
    judge = partial(_judge_by, rows, folds, config)
    outcomes = judge(_plan(rows, config.seed, config, embed))
    fit_entries = _entries_to_fit(outcomes, config)
    alpha = ALPHA / 2 if fit_entries else ALPHA
    verdicts = [_certified(generic_trees(), outcomes, others, 0, alpha=alpha)]
    if fit_entries:
        fitting = judge(_embedded(rows, plan_fitting(rows, fit_entries, seed=config.seed), embed))
        trees = np.concatenate([generic_trees(), _local_trees(fitting)])
        held_out = [outcome for outcome in outcomes if outcome.planned.entry not in fit_entries]
        verdicts.append(_certified(trees, held_out, others, len(fitting), alpha=alpha))
    best = max(verdicts, key=lambda verdict: verdict.coverage(config.max_error))
    vectors = adapt_all(rows.vectors, adapter)
    row_facts, answer_facts = _known(rows, vectors, config).facts()
    arrays = DecisionArrays(adapter, row_facts, answer_facts, rows.words, rows.rarity, best.trees)
    return Fitted(arrays, _info(best, config, has_adapter=adapter is not None), vectors)


def _plan(rows: Rows, seed: int, config: BuildConfig, embed: Embed) -> Pairs:
    return _embedded(rows, plan_queries(rows, outside_share=config.outside_share, seed=seed), embed)


def _embedded(rows: Rows, planned: Sequence[Planned], embed: Embed) -> Pairs:
    new = [query.text for query in planned if query.is_new]
    fresh = iter(embed(new) if new else ())
    pairs = [(query, next(fresh) if query.is_new else np.asarray(rows.vectors[query.row])) for query in planned]
    return [(query, vector) for query, vector in pairs if vector.any()]


def _entries_to_fit(outcomes: Sequence[_Outcome], config: BuildConfig) -> set[int]:
    """Return half of the entries, to fit trees on; none where there are too few to fit and to certify."""
    entries = {outcome.planned.entry for outcome in outcomes}
    if len(entries) < _MIN_ENTRIES:
        return set()
    return {entry for entry in entries if draw(config.seed, "part", entry) < 0.5}


def _judge_by(rows: Rows, folds: Sequence[_Fold], config: BuildConfig, pairs: Pairs) -> list[_Outcome]:
    return _judge_adapted(rows, pairs, folds, config) if folds else _judge(rows, pairs, None, config)


def _local_trees(outcomes: Sequence[_Outcome]) -> npt.NDArray[Any]:
    """Fit trees on top of the generic ones; none where there is nothing to fit on."""
    found = [outcome for outcome in outcomes if not outcome.judged.is_guarded]
    if not found:
        return generic_trees()[:0]
    x = np.stack([outcome.judged.features for outcome in found])
    return boost(
        x,
        _rights(found),
        logits=_logits(generic_trees(), found),
        weights=np.array([_WEIGHTS.get(outcome.planned.kind, 1.0) for outcome in found]),
        signs=SIGNS,
        config=BoostConfig(n_trees=_LOCAL_TREES, min_weight=20.0),
    )


def _known(rows: Rows, vectors: FloatRows, config: BuildConfig) -> KnownRows:
    return KnownRows(
        rows.texts,
        rows.answers,
        vectors,
        rarity=rows.rarity,
        words=rows.words,
        search=search_over(vectors, seed=config.seed),
        n_neighbours=config.n_neighbours,
    )


def search_over(vectors: FloatRows, *, seed: int) -> Search:
    """Return an exact search over (n, dim) float32 unit rows; by inverted lists where they are very many."""
    if len(vectors) <= _EXACT_ROWS:
        contiguous = np.ascontiguousarray(vectors)
        return lambda queries, k: exact_neighbours(contiguous, queries, k=k)
    index = build_index(vectors, kind="ivf", seed=seed)

    def search(queries: FloatRows, k: int) -> tuple[FloatRows, Ints]:
        rows = search_built(index, queries, k=k, effort=_EFFORT)
        scores = np.einsum("qkd,qd->qk", vectors[np.maximum(rows, 0)], queries)
        scores[rows < 0] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)

    return search


def _judge(
    rows: Rows,
    pairs: Pairs,
    adapter: FloatRows | None,
    config: BuildConfig,
) -> list[_Outcome]:
    """Judge planned queries against all rows, each without what it must not see."""
    if not pairs:
        return []
    known = _known(rows, adapt_all(rows.vectors, adapter), config)
    vectors = adapt_all(np.stack([vector for _, vector in pairs]), adapter)
    queries = [_query(planned, vector) for (planned, _), vector in zip(pairs, vectors, strict=True)]
    judged = known.judge_each(queries)
    outcomes = [_Outcome(planned, found) for (planned, _), found in zip(pairs, judged, strict=True) if found]
    return [outcome for outcome in outcomes if _is_told(outcome, rows)]


def _query(planned: Planned, vector: npt.NDArray[np.float32]) -> Query:
    text, row, answer = planned.text, planned.row, planned.answer
    if planned.kind in ("written", "reworded"):
        return Query(text, vector, answer, without_row=row, is_thinned=True)
    if planned.kind == "outside":
        return Query(
            text, vector, None, without_row=row, without_answer=answer, without_guard=~planned.entry, is_thinned=True
        )
    if planned.kind == "reject":
        return Query(text, vector, None, without_row=row, is_thinned=True)
    return Query(text, vector, None, is_thinned=True)


def _is_told(outcome: _Outcome, rows: Rows) -> bool:
    """Say whether the label is known: a near miss of one entry may be the very question of another one."""
    planned, candidate = outcome.planned, outcome.judged.candidate
    if planned.kind == "reject":
        owned = rows.answers[np.flatnonzero(rows.entries == planned.entry)]
        return candidate.answer < 0 or candidate.answer in owned
    return planned.kind != "twin" or candidate.answer < 0 or candidate.answer == planned.answer


@dataclass(frozen=True, slots=True)
class _Fold:
    """An adapter with the rows that it was trained without, and which queries it may judge.

    Attributes:
        adapter: (dim, dim) float32.
        is_unseen: (n,) of the rows.
        for_outside: whether answers are left out whole, as they must be for queries whose answer is left out.
    """

    adapter: FloatRows
    is_unseen: npt.NDArray[np.bool_]
    for_outside: bool


def _fold_adapters(rows: Rows, config: BuildConfig) -> list[_Fold]:
    """Train adapters without a part of the rows, and without a part of the answers; none where too few have two."""
    _, counts = np.unique(rows.answers[rows.answers >= 0], return_counts=True)
    if int((counts > 1).sum()) < _MIN_ADAPTED or not config.adapter:
        return []
    answer_of = dict(zip(rows.entries.tolist(), rows.answers.tolist(), strict=True))
    owners = [answer_of.get(~entry, entry) if entry < 0 else answer_of[entry] for entry in rows.entries.tolist()]
    folds = list[_Fold]()
    for for_outside, keys in ((False, range(len(owners))), (True, owners)):
        numbers = np.array([int(draw(config.seed, f"fold {for_outside}", key) * _FOLDS) for key in keys])
        folds += [_Fold(_train(rows, numbers != fold, config), numbers == fold, for_outside) for fold in range(_FOLDS)]
    return folds


def _judge_adapted(rows: Rows, pairs: Pairs, folds: Sequence[_Fold], config: BuildConfig) -> list[_Outcome]:
    """Judge each query by an adapter that was trained without the row it was made of, or without all of its answer."""
    outcomes = list[_Outcome]()
    for fold in folds:
        own = [
            (planned, vector)
            for planned, vector in pairs
            if (planned.kind == "outside") == fold.for_outside and fold.is_unseen[planned.row]
        ]
        outcomes += _judge(rows, own, fold.adapter, config)
    return outcomes


def _train(rows: Rows, may_see: npt.NDArray[np.bool_], config: BuildConfig) -> FloatRows:
    """Train an adapter on the rows allowed: those with siblings first, then others, which only push apart."""
    usable = np.flatnonzero(may_see & rows.vectors.any(axis=1))
    answers, n_with = np.unique(rows.answers[usable], return_counts=True)
    is_alone = (n_with == 1)[np.searchsorted(answers, rows.answers[usable])]
    order = np.lexsort((np.random.default_rng(config.seed).permutation(len(usable)), is_alone))
    chosen = np.sort(usable[order[:_MAX_ADAPTER_ROWS]])
    return train_adapter(np.asarray(rows.vectors[chosen]), _apart(rows.answers[chosen], chosen), seed=config.seed)


def _apart(answers: Ints, rows: Ints) -> Ints:
    """Give each guard a number of its own: guards of one entry have nothing in common but being wrong."""
    numbers: Ints = np.where(answers < 0, -1 - rows, answers)
    return numbers


def _logits(trees: npt.NDArray[Any], outcomes: Sequence[_Outcome]) -> npt.NDArray[np.float64]:
    verifier = Verifier(trees)
    return np.array([verifier.logit(outcome.judged.features) for outcome in outcomes], np.float64)


def _confidences(trees: npt.NDArray[Any], outcomes: Sequence[_Outcome]) -> npt.NDArray[np.float64]:
    """Return (n,) confidences; -inf for what a guard keeps from being served."""
    verifier = Verifier(trees)
    return np.array(
        [-np.inf if o.judged.is_guarded else verifier.confidence(o.judged.features) for o in outcomes], np.float64
    )


def _rights(outcomes: Sequence[_Outcome]) -> npt.NDArray[np.bool_]:
    return np.array([outcome.judged.is_right for outcome in outcomes], np.bool_)


def _coverage(outcomes: Sequence[_Outcome]) -> float:
    """Return the mean best coverage at 2, 5, 10 and 20 % error: what an adapter must raise."""
    if not outcomes:
        return 0.0
    curve = curve_of(_confidences(generic_trees(), outcomes), _rights(outcomes))
    found = [best_coverage(curve, level) for level in _GAIN_LEVELS]
    return sum(served.coverage if served is not None else 0.0 for served in found) / len(found)


def _certified(
    trees: npt.NDArray[Any], held_out: Sequence[_Outcome], others: Sequence[_Outcome], n_fitted: int, *, alpha: float
) -> _Verdict:
    """Certify trees on queries that they were not fitted on."""
    # What a guard keeps back is under every threshold: none of them may be under 0.
    grid = np.maximum(fixed_grid(_confidences(trees, others)), 0.0) if others else np.ones(1)
    confidences, rights = _confidences(trees, held_out), _rights(held_out)
    n_outside = sum(outcome.planned.kind in _OUTSIDE for outcome in held_out)
    return _Verdict(
        trees, n_fitted, confidences, rights, n_outside, certify(confidences, rights, grid=grid, alpha=alpha)
    )


def _info(verdict: _Verdict, config: BuildConfig, *, has_adapter: bool) -> DecisionInfo:
    levels = verdict.levels
    calibration = CalibrationInfo("written", len(verdict.rights), verdict.n_outside, config.outside_share, ALPHA)
    if verdict.coverage(config.max_error) == 0.0 and not verdict.n_fitted:
        levels = tuple(_not_contradicted(level, verdict) for level in generic_levels())
        calibration = CalibrationInfo("generic", *generic_counts(), config.outside_share, ALPHA)
    return DecisionInfo(
        features=FEATURES,
        n_trees=len(verdict.trees),
        fitted="written" if verdict.n_fitted else "generic",
        n_fitted=verdict.n_fitted,
        has_adapter=has_adapter,
        n_neighbours=config.n_neighbours,
        max_error=default_error(levels, config.max_error),
        calibration=calibration,
        levels=levels,
    )


def _not_contradicted(level: CertifiedLevel, verdict: _Verdict) -> CertifiedLevel:
    """Take a generic level's threshold away where the corpus's own queries speak against it."""
    if level.threshold is None:
        return level
    hits = verdict.confidences >= level.threshold
    n_hits, n_wrong = int(hits.sum()), int((hits & ~verdict.rights).sum())
    if n_wrong and 1.0 - binomial_tail(n_wrong - 1, n_hits, level.max_error) < ALPHA:
        return replace(level, threshold=None)
    return level
