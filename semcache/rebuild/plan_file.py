"""Reads the file of a rebuild: TOML, every field with its type, paths relative to the file's own folder.

Source: docs/nightly.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from glob import glob, has_magic
from pathlib import Path
from typing import Any, TypeVar

from semcache.build.sidecar import SIDECAR_SUFFIX
from semcache.bundle.writer import check_name
from semcache.config import DEFAULT_ROOT, AugmentConfig, BuildConfig, GateConfig, HarvestConfig, LlmConfig
from semcache.core.candidate_entry import CANDIDATES_SUFFIX
from semcache.core.fields import FieldError, Fields
from semcache.errors import ConfigError, StorageError
from semcache.rebuild.plan import AugmentPlan, HarvestPlan, PublishPlan, RebuildPlan
from semcache.remote.gc import MOST_KEPT

_Config = TypeVar("_Config")
_TAKERS: dict[type, Callable[[Fields, str], Any]] = {
    bool: Fields.flag,
    int: Fields.count,
    float: Fields.number,
    str: Fields.text,
}
_NO_CORPUS = (SIDECAR_SUFFIX, CANDIDATES_SUFFIX)
"""Files beside a corpus that a pattern does not mean."""


def read_plan(path: Path, *, api_key: str = "") -> RebuildPlan:
    """Read the file of a rebuild.

    Args:
        path: the file.
        api_key: of the language model that it names; a key is never read from a file.

    Raises:
        ConfigError: it is not of its form, or a value is outside its range; says which.
        StorageError: it cannot be read.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        return _Reader(path.absolute().parent, api_key).plan(Fields(document, "plan"))
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error
    except (FieldError, ConfigError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path}: {str(error).removeprefix('plan.')}"
        raise ConfigError(msg) from error


class _Reader:
    """Takes a plan out of the tables of its file."""

    def __init__(self, folder: Path, api_key: str) -> None:
        self._folder, self._api_key = folder, api_key

    def plan(self, take: Fields) -> RebuildPlan:
        name = take.text("name")
        check_name(name)
        plan = RebuildPlan(
            name=name,
            corpora=self._corpora(take.texts("corpora")),
            root=self._path_or_none(take, "root") or self._folder / DEFAULT_ROOT,
            traffic=self._paths(take, "traffic"),
            queries=self._paths(take, "queries"),
            report=self._report(take),
            keep=self._keep(take),
            build=_config(BuildConfig, take, "build"),
            gates=_config(GateConfig, take, "gates"),
            augment=self._augment(take),
            harvest=self._harvest(take),
            publish=self._publish(take),
        )
        take.nothing_left()
        accept_into = None if plan.harvest is None else plan.harvest.accept_into
        if accept_into is not None and accept_into not in plan.corpora:
            msg = f"harvest.accept_into: found {accept_into}, allowed one of corpora"
            raise ConfigError(msg)
        return plan

    def _keep(self, take: Fields) -> int | None:
        keep = take.count("keep") if "keep" in take.names() else None
        if keep is not None and keep > MOST_KEPT:
            msg = f"keep: found {keep}, allowed 0 to {MOST_KEPT}"
            raise ConfigError(msg)
        return keep

    def _report(self, take: Fields) -> Path | None:
        path = self._path_or_none(take, "report")
        if path is not None and not path.parent.is_dir():
            msg = f"report: found {path}, allowed a file in a folder that is there"
            raise ConfigError(msg)
        return path

    def _augment(self, take: Fields) -> AugmentPlan | None:
        if "augment" not in take.names():
            return None
        table = take.fields("augment")
        llm = None
        if "llm" in table.names():
            asked = table.fields("llm")
            if "api_key" in asked.names():
                raise ConfigError("augment.llm.api_key: never read from a file; set SEMCACHE_LLM_API_KEY")
            needed = asked.text("base_url"), asked.text("model")
            llm = LlmConfig(*needed, api_key=self._api_key, **_chosen(LlmConfig, asked))
        return AugmentPlan(AugmentConfig(**_chosen(AugmentConfig, table)), llm)

    def _harvest(self, take: Fields) -> HarvestPlan | None:
        if "harvest" not in take.names():
            return None
        table = take.fields("harvest")
        return HarvestPlan(
            record=tuple(self._folder / path for path in table.texts("record")),
            candidates=self._folder / table.text("candidates"),
            accept_into=self._path_or_none(table, "accept_into"),
            config=HarvestConfig(**_chosen(HarvestConfig, table)),
        )

    def _publish(self, take: Fields) -> PublishPlan | None:
        if "publish" not in take.names():
            return None
        table = take.fields("publish")
        remote = table.text("remote")
        is_local = "://" not in remote and not Path(remote).is_absolute()
        plan = PublishPlan(
            remote=str(self._folder / remote) if is_local else remote,
            keys=self._path_or_none(table, "keys"),
            allow_unsigned=table.flag("allow_unsigned") if "allow_unsigned" in table.names() else False,
        )
        table.nothing_left()
        return plan

    def _corpora(self, patterns: Iterable[str]) -> tuple[Path, ...]:
        """Return the files that names and patterns stand for, each once; patterns take no file that is no corpus."""
        found = list[Path]()
        for pattern in patterns:
            paths = [self._folder / pattern]
            if has_magic(pattern):
                names = sorted(glob(pattern, root_dir=self._folder, recursive=True))  # noqa: PTH207 - absolute ones too
                paths = [self._folder / name for name in names if not name.endswith(_NO_CORPUS)]
            if not paths:
                msg = f"corpora: found no file {pattern!r} in {self._folder}, allowed 1 or more"
                raise ConfigError(msg)
            found += [path for path in paths if path not in found]
        if not found:
            raise ConfigError("corpora: found none, allowed 1 or more corpus files")
        return tuple(found)

    def _paths(self, take: Fields, name: str) -> tuple[Path, ...]:
        if name not in take.names():
            return ()
        return tuple(self._folder / path for path in take.texts(name))

    def _path_or_none(self, take: Fields, name: str) -> Path | None:
        return self._folder / Path(take.text(name)).expanduser() if name in take.names() else None


def _config(kind: type[_Config], take: Fields, name: str) -> _Config:
    """Take a table of settings; the defaults where there is none."""
    if name not in take.names():
        return kind()
    try:
        return kind(**_chosen(kind, take.fields(name)))
    except ConfigError as error:
        msg = f"{name}.{error}"
        raise ConfigError(msg) from error


def _chosen(kind: type, table: Fields) -> dict[str, Any]:
    """Take the settings that a table states, each in the type of its default; a name that is none is an error."""
    named = table.names()
    chosen = {
        field.name: _TAKERS[type(field.default)](table, field.name)
        for field in fields(kind)
        if field.name in named and field.default is not MISSING
    }
    table.nothing_left()
    return chosen
