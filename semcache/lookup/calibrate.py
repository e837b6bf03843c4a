"""Certifies an existing bundle anew on labelled traffic: same rows, same verifier, other thresholds, a new version."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np

from semcache.bundle.locate import locate
from semcache.bundle.writer import Staging, open_staging
from semcache.config import DEFAULT_ROOT, LEVELS
from semcache.core.certificate import CalibrationQueries, Certificate, certify_namespace, default_error
from semcache.core.labels import right_answers
from semcache.core.manifest import DecisionInfo
from semcache.errors import ConfigError, StorageError
from semcache.lookup.cache import Cache
from semcache.lookup.candidates import candidates_of, entries_of, were_learned
from semcache.lookup.evaluate import is_right_of
from semcache.store.fsio import FileSystem
from semcache.types import Kind, LabelledQuery

_GRID_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """What a calibration did.

    Attributes:
        id, path: the version that is live now.
        n_exact: queries that are exact hits; they certify nothing.
        n_learned: others that the bundle learned from; neither do they.
        untouched: namespaces that no query of the traffic leads to: they keep their levels.
        before, after: the decision of the version that was live, and of the one that is.
    """

    id: str
    path: Path
    n_exact: int
    n_learned: int
    untouched: frozenset[str]
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
    out-of-scope queries it has. A fifth of them, chosen by their text, only says where thresholds are worth trying.
    A namespace that no query leads to keeps its levels.

    Args:
        name: the bundle.
        traffic: labelled queries. Those that the bundle learned from are set aside, as exact hits are.
        root: folder of bundles.
        max_error: the error to promise to callers who name none, one of `LEVELS`; None takes the one that the build
            was asked for. Where a namespace cannot have it certified, the next larger one that it can.
        fs: durable steps; tests pass one that fails.

    Raises:
        ConfigError: there are no queries, or an argument is outside its range.
        BuildLockedError: a build, a pull, a rollback or a removal of this name is running.
        BundleError, EncoderError, StorageError: as `Cache.open` and `Cache.lookup_many`.
    """
    if max_error is not None and max_error not in LEVELS:
        raise ConfigError(f"max_error: found {max_error}, allowed {', '.join(map(str, LEVELS))}")
    if not traffic:
        raise ConfigError("traffic: found none, allowed 1 or more labelled queries")
    with open_staging(fs or FileSystem(), Path(root), name) as staging:
        with Cache.open(staging.bundle_dir, root=root) as cache:
            info = cache.info
            queries = _asked(cache, traffic)
        decision = _certified(info.manifest.decision, queries, max_error)
        manifest = replace(info.manifest, decision=decision)
        _take_files(info.path, staging, list(manifest.files))
        identity, _ = staging.publish(manifest)
    path = locate(staging.bundle_dir, root=Path(root)).version_dir(identity)
    names = info.manifest.namespaces
    untouched = frozenset(name for number, name in enumerate(names) if not len(queries.certifying.of(number)))
    return CalibrationReport(
        identity, path, queries.n_exact, queries.n_learned, untouched, info.manifest.decision, decision
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """Judged traffic in two parts, and how much of it is in neither."""

    grid: CalibrationQueries
    certifying: CalibrationQueries
    n_exact: int
    n_learned: int


def _asked(cache: Cache, traffic: Sequence[LabelledQuery]) -> _Asked:
    """Return what the bundle would serve to each query that is no exact hit, and that it did not learn from."""
    candidates, entries = candidates_of(cache, traffic), entries_of(cache)
    numbers: dict[str | None, int] = {name: i for i, name in enumerate(cache.info.manifest.namespaces)}
    queries = CalibrationQueries(
        np.array([numbers.get(candidate.namespace, -1) for candidate in candidates], np.int64),
        np.array([candidate.confidence for candidate in candidates], np.float64),
        is_right_of(traffic, candidates, entries),
        np.array([not answers for answers in right_answers(traffic, entries)], np.bool_),
    )
    is_exact = np.array([candidate.kind is Kind.EXACT for candidate in candidates])
    is_learned = were_learned(cache, traffic) & ~is_exact
    counts, for_grid = ~is_exact & ~is_learned, np.array([_is_for_grid(query.text) for query in traffic])
    grid, certifying = queries.where(counts & for_grid), queries.where(counts & ~for_grid)
    return _Asked(grid, certifying, int(is_exact.sum()), int(is_learned.sum()))


def _certified(before: DecisionInfo, asked: _Asked, max_error: float | None) -> DecisionInfo:
    wanted = before.wanted_error if max_error is None else max_error
    certificates = tuple(
        _anew(old, asked.certifying.of(number), asked.grid.of(number), wanted)
        for number, old in enumerate(before.certificates)
    )
    return replace(before, wanted_error=wanted, certificates=certificates)


def _anew(old: Certificate, queries: CalibrationQueries, grid: CalibrationQueries, wanted: float) -> Certificate:
    """Return a namespace's new certificate; with the old levels where no query of the traffic leads there."""
    if not len(queries):
        return replace(old, max_error=default_error(old.levels, wanted))
    return certify_namespace(old.namespace, queries, grid=grid, source="traffic", wanted=wanted)


def _is_for_grid(text: str) -> bool:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32 < _GRID_SHARE


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
