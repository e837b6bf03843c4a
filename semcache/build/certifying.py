"""Certifies the trees that a build tries, namespace by namespace, on the best queries there are for each.

Best first: labelled traffic, queries written down in the corpus, public sets. What is worse is believed only where
what is better does not contradict it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from semcache.build.generic import generic_counts, generic_levels
from semcache.build.judging import Outcome
from semcache.config import LEVELS, BuildConfig
from semcache.core.certificate import (
    CalibrationInfo,
    CalibrationQueries,
    Certificate,
    certify_namespace,
    default_error,
    uncontradicted,
)
from semcache.core.certify import ALPHA, hits_needed
from semcache.core.verifier import Verifier


@dataclass(frozen=True, slots=True)
class Trial:
    """Trees that a build may take, and the queries that may certify them: none that these were fitted on.

    Attributes:
        trees: (n_trees,) of `TREE`.
        fitted, n_fitted: on how many queries of which sort.
        written: one query an entry.
    """

    trees: npt.NDArray[Any]
    fitted: Literal["generic", "written", "traffic"]
    n_fitted: int
    written: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Judged queries that certify every trial alike.

    Attributes:
        traffic: labelled queries that nothing was fitted on.
        written_grid, traffic_grid: others, which only say where thresholds are worth trying.
        all_traffic: every labelled query there is, those that were learned from too: a text that is asked often may be
            among those only. A level that they contradict, or that traffic proves and they do not, is not believed.
        written_proves: whether written queries may prove a level; one that learned from them, they only contradict.
    """

    traffic: Sequence[Outcome]
    written_grid: Sequence[Outcome]
    traffic_grid: Sequence[Outcome]
    all_traffic: Sequence[Outcome]
    written_proves: bool = True


@dataclass(frozen=True, slots=True)
class Certified:
    """A trial with its certificates.

    Attributes:
        trial: what was certified.
        certificates: one a namespace, in the order of their numbers.
        coverages: shares of all certifying queries that are hits: first what is proved at the error wanted, then what
            is served at that and at each larger one. Compared in this order, they tell the better of two trials.
    """

    trial: Trial
    certificates: tuple[Certificate, ...]
    coverages: tuple[float, ...]


def certify_trial(
    trial: Trial, evidence: Evidence, namespaces: Sequence[str], config: BuildConfig, *, alpha: float
) -> Certified:
    """Certify one of several trials.

    Args:
        trial: the trees.
        evidence: what certifies them, beside the trial's own queries.
        namespaces: in the order of their numbers.
        config: of the build.
        alpha: the trial's share of the chance to be wrong: then the best of them holds what all of it promises.
    """
    of_all = _Judged(
        traffic=_queries(trial, evidence.traffic),
        traffic_grid=_queries(trial, evidence.traffic_grid),
        all_traffic=_queries(trial, evidence.all_traffic),
        written=_queries(trial, trial.written),
        written_grid=_queries(trial, evidence.written_grid),
    )
    errors = [error for error in LEVELS if error >= config.max_error]
    certificates, n_queries = list[Certificate](), 0
    n_hits = np.zeros(1 + len(errors), np.int64)
    for number, name in enumerate(namespaces):
        judged = _Judged(*(queries.of(number) for queries in of_all))
        found = _proved(name, judged, config, alpha=alpha, written_proves=evidence.written_proves)
        believed = _believable(found, trial, judged, config)
        counted = judged.traffic if found.calibration.source == "traffic" else judged.written
        levels = [found.level_at(config.max_error), *(believed.level_at(error) for error in errors)]
        n_hits += [counted.n_hits(level) for level in levels]
        n_queries += len(counted)
        certificates.append(believed)
    return Certified(trial, tuple(certificates), tuple((n_hits / max(1, n_queries)).tolist()))


class _Judged(NamedTuple):
    """The queries of `Evidence` and of a trial, judged by its trees."""

    traffic: CalibrationQueries
    traffic_grid: CalibrationQueries
    all_traffic: CalibrationQueries
    written: CalibrationQueries
    written_grid: CalibrationQueries


def _proved(name: str, judged: _Judged, config: BuildConfig, *, alpha: float, written_proves: bool) -> Certificate:
    """Certify a namespace on its traffic; where that is too little to prove the error wanted, on written queries."""
    certify = partial(certify_namespace, name, wanted=config.max_error, alpha=alpha)
    if len(judged.traffic) >= hits_needed(config.max_error, alpha):
        grid = judged.traffic_grid if len(judged.traffic_grid) else judged.written_grid
        return certify(judged.traffic, grid=grid, source="traffic", everything=judged.all_traffic)
    proving = judged.written if written_proves else judged.written.where(np.zeros(len(judged.written), np.bool_))
    return certify(proving, grid=judged.written_grid, source="written", outside_share=config.outside_share)


def _believable(found: Certificate, trial: Trial, judged: _Judged, config: BuildConfig) -> Certificate:
    """Return a certificate without what better queries contradict; the generic one where that holds more."""
    if found.calibration.source == "traffic":
        return found
    if trial.fitted == "generic":
        levels = uncontradicted(generic_levels(), (judged.all_traffic, judged.written))
        calibration = CalibrationInfo("generic", *generic_counts(), config.outside_share, ALPHA)
        generic = Certificate(found.namespace, default_error(levels, config.max_error), calibration, levels)
        if _holds_more(generic, found, config.max_error):
            return generic
    levels = uncontradicted(found.levels, (judged.all_traffic,))
    return replace(found, max_error=default_error(levels, config.max_error), levels=levels)


def _holds_more(one: Certificate, other: Certificate, wanted: float) -> bool:
    """Say whether a certificate has the error wanted, or any level at all, where another one has not."""

    def held(found: Certificate) -> tuple[bool, bool]:
        return found.level_at(wanted).threshold is not None, found.level_at(1.0).threshold is not None

    return held(one) > held(other)


def _queries(trial: Trial, outcomes: Sequence[Outcome]) -> CalibrationQueries:
    return CalibrationQueries(
        np.array([outcome.namespace for outcome in outcomes], np.int64),
        confidences(trial.trees, outcomes),
        rights(outcomes),
        np.array([outcome.query.is_outside for outcome in outcomes], np.bool_),
    )


def confidences(trees: npt.NDArray[Any], outcomes: Sequence[Outcome]) -> npt.NDArray[np.float64]:
    """Return (n,) confidences; -inf for what a guard keeps from being served."""
    verifier = Verifier(trees)
    return np.array(
        [-np.inf if o.judged.is_guarded else verifier.confidence(o.judged.features) for o in outcomes], np.float64
    )


def rights(outcomes: Sequence[Outcome]) -> npt.NDArray[np.bool_]:
    """Return (n,) whether serving the candidate would be right."""
    return np.array([outcome.judged.is_right for outcome in outcomes], np.bool_)
