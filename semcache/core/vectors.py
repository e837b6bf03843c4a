"""Arithmetic on unit rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatRows = npt.NDArray[np.float32]
HalfRows = npt.NDArray[np.float16]


def unit_rows(x: FloatRows) -> FloatRows:
    """Return (n, dim) float32 rows scaled to length 1; a zero row stays zero."""
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    scaled: FloatRows = np.divide(x, norms, out=np.zeros_like(x, dtype=np.float32), where=norms > 0)
    return scaled


def adapt(x: FloatRows, adapter: FloatRows | None) -> FloatRows:
    """Return (n, dim) float32 unit rows moved by a (dim, dim) adapter; as they are without one, zero rows zero.

    One matrix-vector product a row: a row comes out the same to the bit in whatever company.
    """
    if adapter is None:
        return x
    return unit_rows(np.stack([adapter @ row for row in x])) if len(x) else x


def cosines(a: FloatRows, b: FloatRows) -> FloatRows:
    """Return (n,) cosines of the rows of two (n, dim) float32 arrays of unit rows; 1 where both rows are zero."""
    both_zero = ~(a.any(axis=1) | b.any(axis=1))
    return np.asarray((a * b).sum(axis=1) + both_zero, dtype=np.float32)


def worst_cosine(a: FloatRows, b: FloatRows) -> float:
    """Return the least of `cosines`; 1 of no rows, NaN where there is one."""
    return float(cosines(a, b).min(initial=1.0))


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
