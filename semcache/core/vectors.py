"""Arithmetic on unit rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatRows = npt.NDArray[np.float32]


def unit_rows(x: FloatRows) -> FloatRows:
    """Return (n, dim) float32 rows scaled to length 1; a zero row stays zero."""
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    scaled: FloatRows = np.divide(x, norms, out=np.zeros_like(x, dtype=np.float32), where=norms > 0)
    return scaled


def recall_at_k(found: FloatRows, exact: FloatRows, *, k: int, tolerance: float = 1e-6) -> float:
    """Return the share of the exact k best that were found, judged by score so that ties count.

    Args:
        found: (nq, >= k) float32, true scores of what the index returned, best first; -inf for nothing.
        exact: (nq, >= k) float32, the k best true scores, best first.
        k: 1 or more.
        tolerance: scores this close to the k-th best are as good.
    """
    floor = exact[:, k - 1 : k] - tolerance
    return float(np.mean(np.minimum((found[:, :k] >= floor).sum(axis=1), k) / k))
