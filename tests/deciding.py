"""A verifier of two small trees and a certificate for it, for bundles of the hashing encoder.

Trees that ship are fitted again now and then, and know nothing of an encoder that only counts shared letters. With
these, a small corpus has semantic hits that stay the same: score over 0.7 and margin over 0.05 make a confidence of
0.953, score over 0.9 one of 0.993; anything else is no hit. Bundles of a real encoder get what ships.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt

from semcache import BuildConfig
from semcache.build import certifying, fit, generic, pipeline
from semcache.build.fit_queries import Asked, Rows
from semcache.build.judging import Embed
from semcache.core.certify import CertifiedLevel
from semcache.core.features import FEATURES
from semcache.core.verifier import TREE

LEVELS = (
    CertifiedLevel(max_error=0.005, threshold=None, n_hits=500, n_wrong=1, n_missing=447),
    CertifiedLevel(max_error=0.01, threshold=0.98, n_hits=500, n_wrong=1, n_missing=0),
    CertifiedLevel(max_error=0.02, threshold=0.98, n_hits=500, n_wrong=1, n_missing=0),
    CertifiedLevel(max_error=0.05, threshold=0.9, n_hits=1000, n_wrong=30, n_missing=0),
    CertifiedLevel(max_error=0.1, threshold=0.9, n_hits=1000, n_wrong=30, n_missing=0),
)
COUNTS = (2000, 800)
_is_small: ContextVar[bool] = ContextVar("_is_small", default=False)
_fit_decision = fit.fit_decision


def trees() -> npt.NDArray[Any]:
    """Give (2,) trees that ask for a score and a margin."""
    made = np.zeros(2, TREE)
    made["threshold"] = 1e6
    for tree, (score, yes, no) in zip(made, ((0.7, 3.0, -3.0), (0.9, 2.0, 0.0)), strict=True):
        tree["feature"][[0, 2]] = FEATURES.index("score"), FEATURES.index("margin")
        tree["threshold"][[0, 2]] = score, 0.05
        tree["leaf"] = no
        tree["leaf"][6] = yes
    return made


def install() -> None:
    """Have builds with the hashing encoder take these; a process of its own calls this itself."""
    setattr(fit, "generic_trees", lambda: trees() if _is_small.get() else generic.generic_trees())  # noqa: B010
    setattr(certifying, "generic_levels", lambda: LEVELS if _is_small.get() else generic.generic_levels())  # noqa: B010
    setattr(certifying, "generic_counts", lambda: COUNTS if _is_small.get() else generic.generic_counts())  # noqa: B010
    setattr(pipeline, "fit_decision", _fit)  # noqa: B010


@contextmanager
def simple_decision() -> Iterator[None]:
    """Have builds take these within the block, whatever their encoder; for what calls `fit_decision` itself."""
    token = _is_small.set(True)
    try:
        yield
    finally:
        _is_small.reset(token)


def _fit(
    rows: Rows,
    *,
    config: BuildConfig,
    embed: Embed,
    traffic: Sequence[Asked],
    kept: fit.Kept | None,
    is_tuned: bool,
) -> fit.Fitted:
    token = _is_small.set(_is_small.get() or config.model == "hashing")
    try:
        return _fit_decision(rows, config=config, embed=embed, traffic=traffic, kept=kept, is_tuned=is_tuned)
    finally:
        _is_small.reset(token)
