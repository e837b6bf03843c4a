"""What a stage is made from, by digest: what changed since its last run says whether, and why, it runs again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from semcache import __version__
from semcache.build.sidecar import sidecar_path
from semcache.bundle.writer import file_info
from semcache.errors import StorageError
from semcache.rebuild.plan import AugmentPlan, HarvestPlan, RebuildPlan
from semcache.store.append_log import LOG_FILES

Inputs = dict[str, str]
"""Digest of each input, by a name that a person knows it by; "" for a file that is not there."""

_OF_SPEED = frozenset(
    ("n_workers", "batch_rows", "keep_vectors", "api_key", "concurrency", "timeout_s", "n_retries")
)  # change no result


def changed(before: Mapping[str, str] | None, now: Mapping[str, str]) -> list[str]:
    """Return the names of inputs that are new, gone or other than they were; all of them where nothing was."""
    before = before or {}
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def accept_inputs(plan: HarvestPlan) -> Inputs:
    """Return what accepting depends on: the candidates alone, since what a corpus has is not added again."""
    return _files([plan.candidates])


def augment_inputs(plan: RebuildPlan, augment: AugmentPlan) -> Inputs:
    """Return what generating variants depends on."""
    settings = {"config": asdict(augment.config), "llm": None if augment.llm is None else asdict(augment.llm)}
    return {**_texts(plan), "settings": _digest({**settings, "model": plan.build.model})}


def build_inputs(plan: RebuildPlan) -> Inputs:
    """Return what a version depends on, but the one that it follows."""
    settings = _digest({**asdict(plan.build), "corpora": [str(path) for path in plan.corpora]})
    return {**_texts(plan), **_files(plan.traffic), "settings": settings, "semcache": __version__}


def gate_inputs(plan: RebuildPlan, build: Inputs, *, live: str) -> Inputs:
    """Return what the verdict of the gates depends on, beside what `build_inputs` returned."""
    remote = "" if plan.publish is None else plan.publish.remote
    gates = _digest({**asdict(plan.gates), "remote": remote})
    return {**build, **_files(plan.queries), "gates": gates, "live version": live}


def harvest_inputs(plan: HarvestPlan, *, live: str) -> Inputs:
    """Return what candidates depend on; of recorded traffic all files together."""
    files = [file for path in plan.record for file in (sorted(path.glob(LOG_FILES)) if path.is_dir() else [path])]
    return {
        "recorded traffic": _digest(list(_files(files).values())),
        "settings": _digest(asdict(plan.config)),
        "live version": live,
        **_files([plan.candidates]),
    }


def _texts(plan: RebuildPlan) -> Inputs:
    sidecars = [path for corpus in plan.corpora if (path := sidecar_path(corpus)).exists()]
    return _files([*plan.corpora, *sidecars])


def _files(paths: Iterable[Path]) -> Inputs:
    return {str(path): _file_digest(path) for path in paths}


def _file_digest(path: Path) -> str:
    try:
        return file_info(path).sha256
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error


def _digest(settings: Any) -> str:
    """Return the digest of settings, but of those that only change the speed."""
    return sha256(orjson.dumps(_without_speed(settings), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _without_speed(settings: Any) -> Any:
    if not isinstance(settings, dict):
        return settings
    return {name: _without_speed(value) for name, value in settings.items() if name not in _OF_SPEED}
