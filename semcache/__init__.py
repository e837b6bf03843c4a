"""A semantic cache for LLM calls that is built before the first query instead of filled by it.

Importing this package does no work: no model, no environment, no threads. Names load what they need when they
are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semcache.build.pipeline import BuildReport, build_bundle
    from semcache.bundle.check import check_bundle
    from semcache.config import BuildConfig, OpenConfig, RecordConfig
    from semcache.errors import SemcacheError
    from semcache.lookup.cache import BundleInfo, Cache
    from semcache.lookup.evaluate import Evaluation, evaluate
    from semcache.lookup.queries import read_queries
    from semcache.types import Explanation, Hit, Kind, LabelledQuery, Miss, Neighbour, Reason, Result

__version__ = "0.1.0"

_HOMES = {
    "BuildConfig": "semcache.config",
    "BuildReport": "semcache.build.pipeline",
    "BundleInfo": "semcache.lookup.cache",
    "Cache": "semcache.lookup.cache",
    "Evaluation": "semcache.lookup.evaluate",
    "Explanation": "semcache.types",
    "Hit": "semcache.types",
    "Kind": "semcache.types",
    "LabelledQuery": "semcache.types",
    "Miss": "semcache.types",
    "Neighbour": "semcache.types",
    "OpenConfig": "semcache.config",
    "Reason": "semcache.types",
    "RecordConfig": "semcache.config",
    "Result": "semcache.types",
    "SemcacheError": "semcache.errors",
    "build_bundle": "semcache.build.pipeline",
    "check_bundle": "semcache.bundle.check",
    "evaluate": "semcache.lookup.evaluate",
    "read_queries": "semcache.lookup.queries",
}

__all__ = [
    "BuildConfig",
    "BuildReport",
    "BundleInfo",
    "Cache",
    "Evaluation",
    "Explanation",
    "Hit",
    "Kind",
    "LabelledQuery",
    "Miss",
    "Neighbour",
    "OpenConfig",
    "Reason",
    "RecordConfig",
    "Result",
    "SemcacheError",
    "__version__",
    "build_bundle",
    "check_bundle",
    "evaluate",
    "read_queries",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'semcache' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
