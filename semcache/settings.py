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

import platformdirs

from semcache.bundle.layout import is_name
from semcache.config import DEFAULT_KEYS, DEFAULT_ROOT, BuildConfig, LlmConfig
from semcache.errors import ConfigError

SETTINGS_FILE = "semcache.toml"
_PREFIX = "SEMCACHE_"
_ALLOWED = ("root", "keys", "build", "llm")


def resolve_root(argument: Path | None, *, environ: Mapping[str, str] | None = None, folder: Path = Path()) -> Path:
    """Return the folder of bundles: the argument, SEMCACHE_ROOT, `root` in semcache.toml, or "indexes".

    Raises:
        ConfigError: semcache.toml cannot be read or holds an unknown key.
    """
    return _named_root(argument, environ, folder) or Path(DEFAULT_ROOT)


def resolve_pull_root(
    argument: Path | None, *, environ: Mapping[str, str] | None = None, folder: Path = Path()
) -> Path:
    """Return where pulled bundles go: as `resolve_root`, but where nobody names a root it is `shared_root`."""
    return _named_root(argument, environ, folder) or shared_root()


def resolve_root_of(
    bundle: str, argument: Path | None, *, environ: Mapping[str, str] | None = None, folder: Path = Path()
) -> Path:
    """Return the root that a bundle is read from: as `resolve_root`.

    But where nobody names a root, and neither "indexes" nor this folder has a bundle of that name, it is
    `shared_root` if that has one: a project's own bundle comes before one that was pulled for all.
    """
    if named := _named_root(argument, environ, folder):
        return named
    own, shared = folder / DEFAULT_ROOT, shared_root()
    is_ours = not is_name(bundle) or (own / bundle).is_dir() or (folder / bundle).is_dir()
    return Path(DEFAULT_ROOT) if is_ours or not (shared / bundle).is_dir() else shared


def shared_root() -> Path:
    """Return the root that all projects of this user share: the platform's folder for caches, ~/.cache on Linux."""
    return platformdirs.user_cache_path("semcache", appauthor=False)


def _named_root(argument: Path | None, environ: Mapping[str, str] | None, folder: Path) -> Path | None:
    if argument is not None:
        return argument
    environ = os.environ if environ is None else environ
    if value := environ.get(f"{_PREFIX}ROOT"):
        return Path(value)
    named = _text(_read_toml(folder), "root", "")
    return Path(named) if named else None


def resolve_keys_dir(argument: Path | None, *, environ: Mapping[str, str] | None = None, folder: Path = Path()) -> Path:
    """Return the folder of keys: the argument, SEMCACHE_KEYS, `keys` in semcache.toml, or ~/.config/semcache/keys."""
    if argument is not None:
        return argument
    environ = os.environ if environ is None else environ
    if value := environ.get(f"{_PREFIX}KEYS"):
        return Path(value)
    return Path(_text(_read_toml(folder), "keys", DEFAULT_KEYS)).expanduser()


def resolve_passphrase(*, environ: Mapping[str, str] | None = None) -> str | None:
    """Return the passphrase of the private keys, SEMCACHE_KEYS_PASSPHRASE, or None. It is never read from a file."""
    environ = os.environ if environ is None else environ
    return environ.get(f"{_PREFIX}KEYS_PASSPHRASE")


def resolve_llm_key(*, environ: Mapping[str, str] | None = None) -> str:
    """Return the key of a language model's endpoint, SEMCACHE_LLM_API_KEY, or "". It is never read from a file."""
    environ = os.environ if environ is None else environ
    return environ.get(f"{_PREFIX}LLM_API_KEY", "").strip()


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


def resolve_llm(
    arguments: Mapping[str, Any],
    *,
    api_key_env: str | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path = Path(),
) -> LlmConfig | None:
    """Return which language model to ask, or None where no model is named.

    Args:
        arguments: fields of `LlmConfig`; None for what the caller left out; a model of "" is none.
        api_key_env: the variable that holds the key. By default SEMCACHE_LLM_API_KEY.
        environ: SEMCACHE_LLM_MODEL and SEMCACHE_LLM_BASE_URL.
        folder: holds semcache.toml with an `[llm]` table: `model`, `base_url`. A key is never read from it.

    Raises:
        ConfigError: a model without an address, a variable that is not set, a value outside its range.
    """
    environ = os.environ if environ is None else environ
    table = _read_toml(folder).get("llm", {})
    if not isinstance(table, dict) or set(table) - {"model", "base_url"}:
        found = sorted(table) if isinstance(table, dict) else table
        msg = f"{folder / SETTINGS_FILE}: llm: found {found}, allowed model, base_url"
        raise ConfigError(msg)
    named: dict[str, str] = {}
    for name in ("model", "base_url"):
        value = arguments.get(name)
        value = environ.get(f"{_PREFIX}LLM_{name.upper()}") if value is None else value
        named[name] = _text(table, name, "") if value is None else value
    if not named["model"]:
        return None
    if not named["base_url"]:
        msg = f"model {named['model']!r} has no address; give --base-url or {_PREFIX}LLM_BASE_URL"
        raise ConfigError(msg)
    if api_key_env is not None and api_key_env not in environ:
        msg = f"--api-key-env: {api_key_env} is not set"
        raise ConfigError(msg)
    key = resolve_llm_key(environ=environ) if api_key_env is None else environ[api_key_env].strip()
    others: dict[str, Any] = {
        name: value for name, value in arguments.items() if name not in named and value is not None
    }
    return LlmConfig(base_url=named["base_url"], model=named["model"], api_key=key, **others)


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
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        msg = f"{path}: {error}"
        raise ConfigError(msg) from error
    if unknown := sorted(document.keys() - _ALLOWED):
        msg = f"{path}: found {', '.join(unknown)}, allowed {', '.join(_ALLOWED)}"
        raise ConfigError(msg)
    return document


def _text(table: dict[str, Any], name: str, default: str) -> str:
    value = table.get(name, default)
    if not isinstance(value, str):
        msg = f"{SETTINGS_FILE}: {name}: found {value!r}, allowed text"
        raise ConfigError(msg)
    return value
