"""The verifier that ships, and what certifies it: fitted on public sets by scripts/fit_generic.py, which lists them."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from semcache.core.certify import CertifiedLevel
from semcache.core.features import FEATURES
from semcache.core.verifier import TREE
from semcache.errors import BuildError

TREES_FILE, LEVELS_FILE = "generic_trees.npy", "generic_levels.json"


@cache
def generic_trees() -> npt.NDArray[Any]:
    """Return (n_trees,) of `TREE`.

    Raises:
        BuildError: the installed file is not of this version.
    """
    with files("semcache").joinpath("data", TREES_FILE).open("rb") as file:
        trees: npt.NDArray[Any] = np.load(file, allow_pickle=False)
    if trees.dtype != TREE or _document()["features"] != list(FEATURES):
        msg = f"semcache/data/{TREES_FILE}: fitted for other features; run scripts/fit_generic.py"
        raise BuildError(msg)
    return trees


@cache
def generic_levels() -> tuple[CertifiedLevel, ...]:
    """Return the levels certified on queries of public sets, each judged by trees that never saw its set."""
    return tuple(CertifiedLevel(**level) for level in _document()["levels"])


def generic_counts() -> tuple[int, int]:
    """Return how many queries certified those levels, and how many of them had no right answer."""
    return int(_document()["n_queries"]), int(_document()["n_outside"])


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(files("semcache").joinpath("data", LEVELS_FILE).read_bytes())
    return document
