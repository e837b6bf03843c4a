"""Certifies an existing bundle anew on labelled traffic: same rows, same verifier, other thresholds, a new version."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from semcache.bundle.locate import locate
from semcache.bundle.writer import Staging, check_name, open_staging
from semcache.config import DEFAULT_ROOT, LEVELS
from semcache.core.certificate import (
    CalibrationQueries,
    Certificate,
    certify_namespace,
    default_error,
    uncontradicted,
)
from semcache.core.certify import CertifiedLevel, hits_needed
from semcache.core.draws import are_for_grid
from semcache.core.labels import right_answers, unknown_labels
from semcache.core.manifest import DecisionInfo
from semcache.errors import ConfigError, StorageError
from semcache.lookup.cache import Cache
from semcache.lookup.candidates import candidates_of, entries_of, were_learned
from semcache.lookup.evaluate import is_right_of
from semcache.store.fsio import FileSystem
from semcache.types import Kind, LabelledQuery


@dataclass(frozen=True, slots=True)
class KeptLevels:
    """Levels of a namespace that are the old ones.

    Attributes:
        n_queries: that lead there; of them
        n_certifying: could prove something: too few.
        n_contradicted: levels that they contradict, which are gone.
    """

    n_queries: int
    n_certifying: int
    n_contradicted: int


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """What a calibration did.

    Attributes:
        id, path: the version that is live now.
        n_exact: queries that are exact hits; they certify nothing.
        n_learned: others that the bundle learned from; neither do they.
        n_grid: others that only said where thresholds are worth trying.
        unknown: labels that name no entry and no group of the bundle: nothing is right for those queries.
        kept: namespaces to which too few queries lead, or none: what is left of their levels.
        n_needed: certifying queries that a proof of the error wanted takes at least.
        before, after: the decision of the version that was live, and of the one that is.
    """

    id: str
    path: Path
    n_exact: int
    n_learned: int
    n_grid: int
    unknown: tuple[str, ...]
    kept: Mapping[str, KeptLevels]
    n_needed: int
    before: DecisionInfo
    after: DecisionInfo


def calibrate(
    name: str,
    traffic: Sequence[LabelledQuery],
    *,
    root: str | Path = DEFAULT_ROOT,
    max_error: float | None = None,
    fs: FileSystem | None = None,
) -> CalibrationReport:
    """Certify the live version of a bundle on labelled queries and publish it with its new levels.

    Each query counts as one draw of the traffic to come: a sample of it, not a selection, with whatever share of
    out-of-scope queries it has. A fifth of them, drawn by a digest, only says where thresholds are worth trying.
    A namespace to which fewer queries lead than a proof of the error wanted takes keeps its levels, but for those
    that its queries contradict; where it has none left, they certify what they can.

    Args:
        name: the bundle.
        traffic: labelled queries. Those that the bundle learned from are set aside, as exact hits are.
        root: folder of bundles.
        max_error: the error to promise to callers who name none, one of `LEVELS`; None takes the one that the build
            was asked for. Where a namespace cannot have it certified, the next larger one that it can.
        fs: durable steps; tests pass one that fails.

    Raises:
        ConfigError: there are no queries, or an argument is outside its range.
        BundleNotFoundError: there is no bundle of this name.
        BuildLockedError: a build, a pull, a rollback or a removal of this name is running.
        BundleError, EncoderError, StorageError: as `Cache.open` and `Cache.lookup_many`.
    """
    if max_error is not None and max_error not in LEVELS:
        raise ConfigError(f"max_error: found {max_error}, allowed {', '.join(map(str, LEVELS))}")
    if not traffic:
        raise ConfigError("traffic: found none, allowed 1 or more labelled queries")
    check_name(name)
    location = locate(Path(root) / name, root=Path(root))
    location.live_id()  # raises before a folder is made for what is not there
    with open_staging(fs or FileSystem(), Path(root), name) as staging:
        with Cache.open(staging.bundle_dir, root=root) as cache:
            info = cache.info
            asked = _asked(cache, traffic)
        before = info.manifest.decision
        wanted = before.wanted_error if max_error is None else max_error
        n_needed = hits_needed(wanted)
        anew = [_anew(old, asked.of(number), wanted, n_needed) for number, old in enumerate(before.certificates)]
        decision = replace(before, wanted_error=wanted, certificates=tuple(one.certificate for one in anew))
        manifest = replace(info.manifest, decision=decision)
        _take_files(info.path, staging, list(manifest.files))
        identity, _ = staging.publish(manifest)
    return CalibrationReport(
        id=identity,
        path=location.version_dir(identity),
        n_exact=asked.n_exact,
        n_learned=asked.n_learned,
        n_grid=sum(len(asked.of(number).grid) for number, one in enumerate(anew) if one.kept is None),
        unknown=asked.unknown,
        kept={one.certificate.namespace: one.kept for one in anew if one.kept is not None},
        n_needed=n_needed,
        before=before,
        after=decision,
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """Judged traffic but for exact hits: in two parts, and with what the bundle learned from, which is in neither."""

    grid: CalibrationQueries
    certifying: CalibrationQueries
    everything: CalibrationQueries
    n_exact: int
    n_learned: int
    unknown: tuple[str, ...]

    def of(self, namespace: int) -> _Asked:
        """Return what leads to one namespace."""
        parts = {name: getattr(self, name).of(namespace) for name in ("grid", "certifying", "everything")}
        return replace(self, **parts)


@dataclass(frozen=True, slots=True)
class _Anew:
    """A namespace's certificate, and what is left of the old one; None where it is a new one."""

    certificate: Certificate
    kept: KeptLevels | None


def _asked(cache: Cache, traffic: Sequence[LabelledQuery]) -> _Asked:
    """Return what the bundle would serve to each query that is no exact hit."""
    candidates, entries = candidates_of(cache, traffic), entries_of(cache)
    right = right_answers(traffic, entries)
    numbers: dict[str | None, int] = {name: i for i, name in enumerate(cache.info.manifest.namespaces)}
    queries = CalibrationQueries(
        np.array([numbers.get(candidate.namespace, -1) for candidate in candidates], np.int64),
        np.array([candidate.confidence for candidate in candidates], np.float64),
        is_right_of(traffic, candidates, entries),
        np.array([not answers for answers in right], np.bool_),
    )
    is_exact = np.array([candidate.kind is Kind.EXACT for candidate in candidates])
    is_learned = were_learned(cache, traffic) & ~is_exact
    counts, for_grid = ~is_exact & ~is_learned, are_for_grid([query.text for query in traffic])
    return _Asked(
        grid=queries.where(counts & for_grid),
        certifying=queries.where(counts & ~for_grid),
        everything=queries.where(~is_exact),
        n_exact=int(is_exact.sum()),
        n_learned=int(is_learned.sum()),
        unknown=unknown_labels(traffic, right),
    )


def _anew(old: Certificate, asked: _Asked, wanted: float, n_needed: int) -> _Anew:
    """Certify a namespace on what leads there; where that is too little for a proof, keep what it does not contradict.

    Traffic may prove less than what was proved on other queries: that is why it takes the old levels' place only where
    it could have proved what is wanted, or where nothing of them is left.
    """
    left = uncontradicted(old.levels, (asked.everything,), n_least=2)
    n_before, n_left = _n_certified(old.levels), _n_certified(left)
    kept = KeptLevels(len(asked.everything), len(asked.certifying), n_before - n_left)
    as_before = _Anew(replace(old, max_error=default_error(left, wanted), levels=left), kept)
    is_little = len(asked.certifying) < n_needed
    if is_little and n_left:
        return as_before
    anew = certify_namespace(
        old.namespace,
        asked.certifying,
        grid=asked.grid,
        source="traffic",
        wanted=wanted,
        everything=asked.everything,
    )
    if is_little and not n_before and not _n_certified(anew.levels):
        return as_before
    return _Anew(anew, None)


def _n_certified(levels: Sequence[CertifiedLevel]) -> int:
    return sum(level.threshold is not None for level in levels)


def _take_files(folder: Path, staging: Staging, names: Sequence[str]) -> None:
    """Put a version's files into a staging folder: by link where the system can, they never change."""
    try:
        for name in names:
            try:
                os.link(folder / name, staging.folder / name)
            except OSError:
                shutil.copyfile(folder / name, staging.folder / name)
    except OSError as error:
        raise StorageError.from_os_error(folder, error) from error
