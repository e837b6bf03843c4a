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
from semcache.core.certify import ALPHA, certify, default_error, fixed_grid
from semcache.core.manifest import CalibrationInfo, DecisionInfo
from semcache.errors import ConfigError, StorageError
from semcache.lookup.cache import Cache
from semcache.lookup.candidates import candidates_of, entries_of
from semcache.lookup.evaluate import is_right_of
from semcache.lookup.queries import LabelledQuery
from semcache.store.fsio import FileSystem
from semcache.types import Kind

_GRID_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """What a calibration did.

    Attributes:
        id, path: the version that is live now.
        n_exact: queries that are exact hits; they certify nothing.
        before, after: the decision of the version that was live, and of the one that is.
    """

    id: str
    path: Path
    n_exact: int
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

    Args:
        name: the bundle.
        traffic: labelled queries that the bundle was not built on.
        root: folder of bundles.
        max_error: the error promised to callers who name none, one of `LEVELS`; None keeps the bundle's.
        fs: durable steps; tests pass one that fails.

    Raises:
        ConfigError: there are no queries, or an argument is outside its range.
        BuildLockedError: a build of this name is running.
        BundleError, EncoderError, StorageError: as `Cache.open` and `Cache.lookup_many`.
    """
    if max_error is not None and max_error not in LEVELS:
        raise ConfigError(f"max_error: found {max_error}, allowed {', '.join(map(str, LEVELS))}")
    if not traffic:
        raise ConfigError("traffic: found none, allowed 1 or more labelled queries")
    with open_staging(fs or FileSystem(), Path(root), name) as staging:
        with Cache.open(staging.bundle_dir, root=root) as cache:
            info = cache.info
            decision, n_exact = _certified(cache, traffic, max_error)
        manifest = replace(info.manifest, decision=decision)
        _take_files(info.path, staging, list(manifest.files))
        identity, _ = staging.publish(manifest)
    path = locate(staging.bundle_dir, root=Path(root)).version_dir(identity)
    return CalibrationReport(identity, path, n_exact, info.manifest.decision, decision)


def _certified(cache: Cache, traffic: Sequence[LabelledQuery], max_error: float | None) -> tuple[DecisionInfo, int]:
    candidates, before = candidates_of(cache, traffic), cache.info.manifest.decision
    rights = is_right_of(traffic, candidates, entries_of(cache))
    semantic = np.array([candidate.kind is not Kind.EXACT for candidate in candidates])
    for_grid = np.array([_is_for_grid(query.text) for query in traffic])
    confidences = np.array([candidate.confidence for candidate in candidates])
    grid = confidences[semantic & for_grid & np.isfinite(confidences)]
    certifying = semantic & ~for_grid
    levels = certify(confidences[certifying], rights[certifying], grid=fixed_grid(grid) if len(grid) else np.ones(1))
    n_outside = sum(query.is_out_of_scope for query, counts in zip(traffic, certifying.tolist(), strict=True) if counts)
    n = int(certifying.sum())
    calibration = CalibrationInfo("traffic", n, n_outside, round(n_outside / n, 6) if n else 0.0, ALPHA)
    wanted = before.max_error if max_error is None else max_error
    decision = replace(before, max_error=default_error(levels, wanted), calibration=calibration, levels=levels)
    return decision, int((~semantic).sum())


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
