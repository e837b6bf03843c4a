"""Choosing a threshold for an allowed error, and what a threshold gives. Pure.

Words as everywhere: coverage = hits / all requests; error = false hits / hits. The literature's other error, false
hits / all requests, is `stream_error` here and is never what a threshold is chosen for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.retrieval import Bools, Floats

NOTHING_SERVED = float("inf")


@dataclass(frozen=True, slots=True)
class Point:
    """What a decision gives on some queries.

    Attributes:
        coverage: hits / all requests.
        error: false hits / hits; 0 without hits.
        stream_error: false hits / all requests.
        n_hits: hits.
    """

    coverage: float
    error: float
    stream_error: float
    n_hits: int


def point(is_served: Bools, is_right: Bools) -> Point:
    """Return coverage and both errors."""
    n, n_hits = len(is_served), int(is_served.sum())
    n_false = int((is_served & ~is_right).sum())
    return Point(n_hits / n if n else 0.0, n_false / n_hits if n_hits else 0.0, n_false / n if n else 0.0, n_hits)


def widest_threshold(confidence: Floats, is_right: Bools, *, error: float) -> float:
    """Return the least threshold (confidence >= it is served) that is within the error on these queries.

    Queries of one confidence are served together. Infinity where no threshold is within it.
    """
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    n_false = np.cumsum(~is_right[order])
    ends_tie = np.append(ordered[1:] != ordered[:-1], True)
    fits = np.flatnonzero((n_false <= error * np.arange(1, len(order) + 1)) & ends_tie)
    return float(ordered[fits[-1]]) if len(fits) else NOTHING_SERVED


def at_threshold(confidence: Floats, is_right: Bools, threshold: float) -> Point:
    """Return what serving confidence >= threshold gives."""
    return point(confidence >= threshold, is_right)


def best_possible(confidence: Floats, is_right: Bools, *, error: float) -> Point:
    """Return what the threshold chosen on these very queries gives: an upper bound for any threshold."""
    return at_threshold(confidence, is_right, widest_threshold(confidence, is_right, error=error))
