"""Where settings come from, resolved once: argument > environment SEMCACHE_* > semcache.toml > default.

Only the command line reads the environment; the library takes arguments. None and 0 are values.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from semcache.config import DEFAULT_ROOT, BuildConfig
from semcache.errors import ConfigError

SETTINGS_FILE = "semcache.toml"
_PREFIX = "SEMCACHE_"


def resolve_root(argument: Path | None, *, environ: Mapping[str, str] | None = None, folder: Path = Path()) -> Path:
    """Return the folder of bundles: the argument, SEMCACHE_ROOT, `root` in semcache.toml, or "indexes"."""
    if argument is not None:
        return argument
    environ = os.environ if environ is None else environ
    if value := environ.get(f"{_PREFIX}ROOT"):
        return Path(value)
    return Path(_text(_read_toml(folder), "root", DEFAULT_ROOT))


def resolve_build(
    arguments: Mapping[str, Any], *, environ: Mapping[str, str] | None = None, folder: Path = Path()
) -> BuildConfig:
    """Return the build settings.

    Args:
        arguments: what the caller gave; None for what it left out.
        environ: SEMCACHE_MODEL, SEMCACHE_SEED and so on, one for each field of `BuildConfig`.
        folder: holds semcache.toml with a `[build]` table; no file is no settings.

    Raises:
        ConfigError: an unknown setting, or a value outside its range; says where it came from.
    """
    environ = os.environ if environ is None else environ
    table = _read_toml(folder).get("build", {})
    known = {field.name: field.default for field in fields(BuildConfig)}
    if not isinstance(table, dict) or set(table) - set(known):
        unknown = sorted(set(table) - set(known)) if isinstance(table, dict) else table
        msg = f"{folder / SETTINGS_FILE}: build: found {unknown}, allowed {', '.join(known)}"
        raise ConfigError(msg)
    chosen = {}
    for name, default in known.items():
        variable = f"{_PREFIX}{name.upper()}"
        if arguments.get(name) is not None:
            chosen[name] = arguments[name]
        elif variable in environ:
            chosen[name] = _checked(name, environ[variable], default, where=variable)
        elif name in table:
            chosen[name] = _checked(name, table[name], default, where=f"{folder / SETTINGS_FILE}: build.{name}")
    return BuildConfig(**chosen)


def _checked(name: str, value: object, default: object, *, where: str) -> object:
    """Return a setting in the type of its default, and within its range."""
    typed = _typed(value, default, where)
    try:
        BuildConfig(**{name: typed})  # type: ignore[arg-type]  # _typed saw to the type
    except ConfigError as error:
        msg = f"{where}: {error}"
        raise ConfigError(msg) from error
    return typed


def _typed(value: object, default: object, where: str) -> object:
    """Turn text, or a value of TOML, into the type of a default; nothing is bent (1.5 is no whole number)."""
    is_kept = isinstance(value, str) or type(value) is type(default)
    if not (is_kept or (isinstance(default, float) and type(value) is int)):
        msg = f"{where}: found {value!r}, allowed a {type(default).__name__}"
        raise ConfigError(msg)
    try:
        if isinstance(default, bool):
            return {"1": True, "true": True, "0": False, "false": False}[str(value).lower()]
        return type(default)(value)  # type: ignore[call-arg]  # int, float or str of a text or number
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{where}: found {value!r}, allowed a {type(default).__name__}"
        raise ConfigError(msg) from error


def _read_toml(folder: Path) -> dict[str, Any]:
    path = folder / SETTINGS_FILE
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        msg = f"{path}: {error}"
        raise ConfigError(msg) from error


def _text(table: dict[str, Any], name: str, default: str) -> str:
    value = table.get(name, default)
    if not isinstance(value, str):
        msg = f"{SETTINGS_FILE}: {name}: found {value!r}, allowed text"
        raise ConfigError(msg)
    return value
