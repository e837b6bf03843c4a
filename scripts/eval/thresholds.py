"""Choosing a threshold for an allowed error, and what is written of what a threshold gives. Pure.

Counting is semcache.core.metrics'. Words as everywhere: coverage = hits / all requests; error = false hits / hits.
The literature's other error, false hits / all requests, is `stream_error` here; no threshold is chosen for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from eval.retrieval import Bools, Scores
from semcache.core.metrics import Served, curve_of

NOTHING_SERVED = float("inf")


def served(is_served: Bools, is_right: Bools) -> Served:
    """Count a decision's hits."""
    return Served(len(is_served), int(is_served.sum()), int((is_served & ~is_right).sum()))


def row(found: Served) -> dict[str, Any]:
    """Return what is written of a decision; an error without a hit is 0."""
    return {
        "coverage": found.coverage,
        "error": found.error or 0.0,
        "stream_error": found.n_wrong / max(1, found.n_queries),
        "n_hits": found.n_hits,
        "n_wrong": found.n_wrong,
    }


def widest_threshold(confidence: Scores, is_right: Bools, *, error: float) -> float:
    """Return the least threshold (confidence >= it is served) that is within the error on these queries.

    Queries of one confidence are served together. Infinity where no threshold is within it.
    """
    curve = curve_of(confidence, is_right)
    fits = np.flatnonzero(curve.n_wrong <= error * curve.n_hits)
    return float(curve.thresholds[fits[-1]]) if len(fits) else NOTHING_SERVED
