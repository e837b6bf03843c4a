"""Gradient boosting of depth-3 trees with monotone features, on top of what other trees already say.

Small and exact where a library would not fit: it starts from given logits (the generic verifier's), keeps the
promise that a mismatch never raises the confidence, can be held to say nothing where nothing mismatches, and gives the
same trees on every machine.

Source: Friedman: Greedy function approximation (2001), logistic loss; Chen, Guestrin: XGBoost (2016), Newton leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from semcache.core.verifier import DEPTH, TREE

Floats = npt.NDArray[np.float64]
Bins = npt.NDArray[np.uint8]

_N_BINS = 64
_REACH = 6.0


@dataclass(frozen=True, slots=True)
class BoostConfig:
    """How trees are grown.

    Attributes:
        n_trees: how many.
        rate: what each one counts, 0 to 1.
        min_weight: least sum of weights of a leaf's rows.
        l2: penalty on leaves.
    """

    n_trees: int = 160
    rate: float = 0.07
    min_weight: float = 30.0
    l2: float = 10.0


@dataclass(frozen=True, slots=True)
class _Node:
    place: int
    rows: npt.NDArray[np.int64]
    low: float
    high: float


_Bounds = dict[int, tuple[tuple[float, float], tuple[float, float]]]
"""By the sign of the feature that splits a node: least and most value on its left, and on its right."""


def boost(
    x: Floats,
    is_right: npt.NDArray[np.bool_],
    *,
    logits: Floats,
    weights: Floats,
    signs: Sequence[int],
    config: BoostConfig,
    doubts: Sequence[bool] | None = None,
) -> npt.NDArray[Any]:
    """Return (n_trees,) of `TREE` to be added to those that gave `logits`. Deterministic.

    Args:
        x: (n, n_features).
        is_right: (n,) labels.
        logits: (n,) what is said already; zeros for nothing.
        weights: (n,) of each row, 0 or more.
        signs: of each feature: 1 where it may only raise the logit, -1 only lower it, 0 either.
        config: how.
        doubts: of each feature, whether a tree may begin with it. Trees then only doubt: each adds nothing up to the
            threshold of its first feature, and 0 or less over it. No feature that may only raise is one. None: trees
            begin with any feature, and add what fits.
    """
    edges = [_edges(column) for column in x.T]
    bins = np.stack([np.searchsorted(e, c, side="left") for e, c in zip(edges, x.T, strict=True)], axis=1)
    is_doubt = None if doubts is None else np.asarray(doubts, np.bool_)
    grower = _Grower(bins.astype(np.uint8), edges, np.asarray(signs), config, is_doubt)
    trees = np.zeros(config.n_trees, TREE)
    found = logits.astype(np.float64).copy()
    for tree in trees:
        share = 1.0 / (1.0 + np.exp(-np.clip(found, -60.0, 60.0)))
        slope, curvature = weights * (share - is_right), weights * share * (1.0 - share)
        found += grower.grow(tree, slope, curvature, weights)
    return trees


def _edges(column: Floats) -> Floats:
    """Return the thresholds worth trying: between quantiles, each a float32 so that it is what is stored."""
    values = np.unique(column)
    if len(values) > _N_BINS:
        values = np.unique(np.quantile(column, np.linspace(0, 1, _N_BINS + 1)))
    middles = np.unique(((values[1:] + values[:-1]) / 2).astype(np.float32)).astype(np.float64)
    return middles[: 2 * _N_BINS]


class _Grower:
    """Grows one tree at a time over binned features."""

    def __init__(
        self,
        bins: Bins,
        edges: Sequence[Floats],
        signs: npt.NDArray[Any],
        config: BoostConfig,
        is_doubt: npt.NDArray[np.bool_] | None,
    ) -> None:
        self._bins, self._edges, self._signs, self._config, self._is_doubt = bins, edges, signs, config, is_doubt
        self._n_bins = max(len(e) for e in edges) + 1
        self._offsets = np.arange(bins.shape[1]) * self._n_bins
        self._is_edge = np.array([np.arange(self._n_bins) < len(e) for e in edges])

    def grow(self, tree: Any, slope: Floats, curvature: Floats, weights: Floats) -> Floats:
        """Fill a tree; return what it adds to each row's logit."""
        added = np.zeros(len(slope))
        level = [_Node(0, np.arange(len(slope)), -_REACH, _REACH)]
        for _ in range(DEPTH):
            level = [child for node in level for child in self._split(tree, node, slope, curvature, weights)]
        for node in level:
            value = self._config.rate * self._value(slope[node.rows].sum(), curvature[node.rows].sum(), node)
            value = float(np.float32(value))
            tree["leaf"][node.place - (2**DEPTH - 1)] = value
            added[node.rows] = value
        return added

    def _value(self, slope: Any, curvature: Any, node: _Node) -> Any:
        return np.clip(-slope / (curvature + self._config.l2), node.low, node.high)

    def _split(self, tree: Any, node: _Node, slope: Floats, curvature: Floats, weights: Floats) -> list[_Node]:
        sums = [self._sums(node.rows, of) for of in (slope, curvature, weights)]
        bounds: _Bounds = {0: ((node.low, node.high), (node.low, node.high))}
        if self._is_doubt is not None and node.place == 0:
            feature, edge = self._best_doubt(self._is_doubt, *sums)
            bounds |= dict.fromkeys((0, -1), ((0.0, 0.0), (node.low, 0.0)))
        else:
            feature, edge, middle = self._best(node, *sums)
            bounds |= {1: ((node.low, middle), (middle, node.high)), -1: ((middle, node.high), (node.low, middle))}
        return self._parted(tree, node, feature, edge, bounds)

    def _parted(self, tree: Any, node: _Node, feature: int, edge: int, bounds: _Bounds) -> list[_Node]:
        """Write a node; return the two under it. Without a feature everything goes left."""
        left, right = 2 * node.place + 1, 2 * node.place + 2
        if feature < 0:
            tree["feature"][node.place], tree["threshold"][node.place] = 0, np.float32(1e6)
            nothing, (low, high) = np.zeros(0, np.int64), bounds[0]
            return [_Node(left, node.rows, *low), _Node(right, nothing, *high)]
        tree["feature"][node.place], tree["threshold"][node.place] = feature, self._edges[feature][edge]
        goes_right = self._bins[node.rows, feature] > edge
        low, high = bounds[int(self._signs[feature])]
        return [_Node(left, node.rows[~goes_right], *low), _Node(right, node.rows[goes_right], *high)]

    def _sums(self, rows: npt.NDArray[np.int64], of: Floats) -> Floats:
        """Return (n_features, n_bins) sums over the rows up to each bin."""
        places = (self._bins[rows] + self._offsets).ravel()
        n_features = self._bins.shape[1]
        flat = np.bincount(places, np.repeat(of[rows], n_features), minlength=n_features * self._n_bins)
        return np.cumsum(flat.reshape(n_features, self._n_bins), axis=1)

    def _best(self, node: _Node, slope: Floats, curvature: Floats, weight: Floats) -> tuple[int, int, float]:
        """Return the feature and edge of most gain, and the middle of the two sides' values; -1 for none."""
        config = self._config
        all_slope, all_curvature, all_weight = slope[:, -1:], curvature[:, -1:], weight[:, -1:]
        left = self._value(slope, curvature, node)
        right = self._value(all_slope - slope, all_curvature - curvature, node)
        gain = (
            self._gain(slope, curvature, left)
            + self._gain(all_slope - slope, all_curvature - curvature, right)
            - self._gain(all_slope, all_curvature, self._value(all_slope, all_curvature, node))
        )
        allowed = self._is_edge & (weight >= config.min_weight) & (all_weight - weight >= config.min_weight)
        allowed &= self._signs[:, None] * (right - left) >= 0
        gain = np.where(allowed, gain, 0.0)
        feature, edge = np.unravel_index(int(gain.argmax()), gain.shape)
        if not gain[feature, edge] > 1e-9:
            return -1, 0, 0.0
        return int(feature), int(edge), float((left[feature, edge] + right[feature, edge]) / 2)

    def _best_doubt(
        self, is_doubt: npt.NDArray[np.bool_], slope: Floats, curvature: Floats, weight: Floats
    ) -> tuple[int, int]:
        """Return the feature and edge of most gain where what is up to the edge gets nothing; -1 for none."""
        slope, curvature, weight = (sums[:, -1:] - sums for sums in (slope, curvature, weight))
        value = np.clip(-slope / (curvature + self._config.l2), -_REACH, 0.0)
        allowed = self._is_edge & is_doubt[:, None] & (weight >= self._config.min_weight)
        gain = np.where(allowed, self._gain(slope, curvature, value), 0.0)
        feature, edge = np.unravel_index(int(gain.argmax()), gain.shape)
        return (int(feature), int(edge)) if gain[feature, edge] > 1e-9 else (-1, 0)

    def _gain(self, slope: Floats, curvature: Floats, value: Floats) -> Floats:
        gain: Floats = -(slope * value + 0.5 * (curvature + self._config.l2) * value * value)
        return gain
