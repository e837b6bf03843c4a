"""Certifies the trees that a build tries, namespace by namespace, on the best queries there are for each.

Best first: labelled traffic, queries written down in the corpus, public sets. What is worse is believed only where
what is better does not contradict it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from semcache.build.generic import generic_counts, generic_levels
from semcache.build.judging import Outcome
from semcache.config import BuildConfig
from semcache.core.certificate import (
    CalibrationInfo,
    CalibrationQueries,
    Certificate,
    certify_namespace,
    default_error,
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
    """

    traffic: Sequence[Outcome]
    written_grid: Sequence[Outcome]
    traffic_grid: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Certified:
    """A trial with its certificates.

    Attributes:
        trial: what was certified.
        certificates: one a namespace, in the order of their numbers.
        coverage: share of all certifying queries that are hits at the error wanted.
    """

    trial: Trial
    certificates: tuple[Certificate, ...]
    coverage: float


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
    outcomes = (evidence.traffic, evidence.traffic_grid, trial.written, evidence.written_grid)
    all_queries = [_queries(trial, found) for found in outcomes]
    certificates = list[Certificate]()
    n_hits = n_queries = 0
    for number, name in enumerate(namespaces):
        traffic, traffic_grid, written, written_grid = (queries.of(number) for queries in all_queries)
        if len(traffic) >= hits_needed(config.max_error, alpha):
            grid = traffic_grid if len(traffic_grid) else written_grid
            found = certify_namespace(name, traffic, grid=grid, source="traffic", wanted=config.max_error, alpha=alpha)
        else:
            found = certify_namespace(
                name,
                written,
                grid=written_grid,
                source="written",
                wanted=config.max_error,
                outside_share=config.outside_share,
                alpha=alpha,
            )
        level = found.level_at(config.max_error)
        n_hits += 0 if level.threshold is None else level.n_hits
        n_queries += found.calibration.n_queries
        certificates.append(_believable(found, trial, traffic, written, config))
    return Certified(trial, tuple(certificates), n_hits / max(1, n_queries))


def _believable(
    found: Certificate, trial: Trial, traffic: CalibrationQueries, written: CalibrationQueries, config: BuildConfig
) -> Certificate:
    """Return a certificate without what better queries contradict; the generic one where the corpus has too few."""
    if found.calibration.source == "traffic":
        return found
    levels, calibration, better = found.levels, found.calibration, [traffic]
    if trial.fitted == "generic" and found.level_at(config.max_error).threshold is None:
        levels, better = generic_levels(), [traffic, written]
        calibration = CalibrationInfo("generic", *generic_counts(), config.outside_share, ALPHA)
    levels = tuple(
        replace(level, threshold=None) if any(queries.contradict(level) for queries in better) else level
        for level in levels
    )
    return Certificate(found.namespace, default_error(levels, config.max_error), calibration, levels)


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
