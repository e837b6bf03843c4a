"""What a bundle promises in each of its namespaces, and what that promise rests on. Pure.

A certificate is about one event: a hit in this namespace is wrong. So it rests on the queries whose candidate, the
entry that would be served, lies in the namespace, whatever entry they were made of or were meant for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from semcache.core.certify import ALPHA, CertifiedLevel, Counts, Floats, binomial_tail, certify, fixed_grid, hits_needed

Bools = npt.NDArray[np.bool_]
Source = Literal["written", "traffic", "generic"]


@dataclass(frozen=True, slots=True)
class CalibrationInfo:
    """The queries that a certificate rests on.

    Attributes:
        source: written (paraphrases of the corpus, each left out in turn), traffic (real labelled queries), or
            generic (labelled queries of public sets, because the corpus has too few; its own did not contradict).
        n_queries: how many, of which `n_outside` have no right answer in the bundle.
        n_outside: out-of-scope queries and near misses.
        outside_share: the share of those that was asked for, 0 to 1; of traffic the share there is.
        alpha: the chance that is left for a level to be wrong.
    """

    source: Source
    n_queries: int
    n_outside: int
    outside_share: float
    alpha: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a bundle promises of the hits in one namespace.

    Each level of each namespace holds by itself with probability 1 - alpha or more. Nothing is promised of all of them
    at once: of twenty namespaces, one level that is wrong is to be expected.

    Attributes:
        namespace: the entry that is served lies in it.
        max_error: the error that is promised to callers who name none; one of `levels`.
        calibration: what `levels` were certified on.
        levels: what is certified, strictest first.
    """

    namespace: str
    max_error: float
    calibration: CalibrationInfo
    levels: tuple[CertifiedLevel, ...]

    def level_at(self, max_error: float) -> CertifiedLevel:
        """Return the largest certified level that is not above an error; one without a threshold where none is."""
        within = sorted((x for x in self.levels if x.max_error <= max_error), key=lambda level: -level.max_error)
        certified = (level for level in within if level.threshold is not None)
        return next(certified, within[0] if within else CertifiedLevel(max_error, None, 0, 0, 0))

    def level_for(self, max_error: float | None) -> CertifiedLevel:
        """Return the level that a caller's error stands for. None stands for the namespace's own.

        Callers can only tighten: an error above the namespace's own counts as that.
        """
        return self.level_at(self.max_error if max_error is None else min(max_error, self.max_error))


@dataclass(frozen=True, slots=True)
class CalibrationQueries:
    """Queries that were judged and whose right answer is known: one draw each of the traffic to come.

    Attributes:
        namespaces: (n,) number of the namespace that the candidate lies in.
        confidences: (n,) of the candidate; -inf where it is never served.
        is_right: (n,) whether serving it would be right.
        is_outside: (n,) whether the bundle holds no right answer.
    """

    namespaces: Counts
    confidences: Floats
    is_right: Bools
    is_outside: Bools

    def __len__(self) -> int:
        return len(self.confidences)

    def where(self, mask: Bools) -> CalibrationQueries:
        """Return some of them."""
        return CalibrationQueries(
            self.namespaces[mask], self.confidences[mask], self.is_right[mask], self.is_outside[mask]
        )

    def of(self, namespace: int) -> CalibrationQueries:
        """Return those whose candidate lies in a namespace."""
        return self.where(self.namespaces == namespace)

    def n_hits(self, level: CertifiedLevel) -> int:
        """Return how many of them a level serves."""
        return 0 if level.threshold is None else int((self.confidences >= level.threshold).sum())

    def contradict(self, level: CertifiedLevel, *, n_least: int = 1, alpha: float = ALPHA) -> bool:
        """Say whether a level that others prove cannot be believed of queries like these.

        Where their hits are enough to have proved it themselves, they may show no more error than it allows. Where they
        are fewer, no more than chance would show, which is so many wrong ones in at least `alpha` of all draws.

        Args:
            level: proved by others.
            n_least: wrong hits that it takes at least where they are few.
            alpha: what is no chance any more.
        """
        n_hits, n_wrong = self._hits_and_wrong(level)
        if n_hits >= hits_needed(level.max_error, alpha):
            return n_wrong > level.max_error * n_hits
        return n_wrong >= max(1, n_least) and 1.0 - binomial_tail(n_wrong - 1, n_hits, level.max_error) < alpha

    def _hits_and_wrong(self, level: CertifiedLevel) -> tuple[int, int]:
        if level.threshold is None:
            return 0, 0
        hits = self.confidences >= level.threshold
        return int(hits.sum()), int((hits & ~self.is_right).sum())


def uncontradicted(
    levels: Sequence[CertifiedLevel], better: Sequence[CalibrationQueries], *, n_least: int = 1
) -> tuple[CertifiedLevel, ...]:
    """Return levels, without a threshold those that any of some better queries contradict.

    Args:
        levels: proved by others.
        better: queries that are more like those to come.
        n_least: wrong hits that it takes at least: 2 where one of a few may be a wrong label.
    """
    return tuple(
        replace(level, threshold=None)
        if any(queries.contradict(level, n_least=n_least) for queries in better)
        else level
        for level in levels
    )


def certify_namespace(
    namespace: str,
    queries: CalibrationQueries,
    *,
    grid: CalibrationQueries,
    source: Source,
    wanted: float,
    outside_share: float | None = None,
    alpha: float = ALPHA,
    everything: CalibrationQueries | None = None,
) -> Certificate:
    """Certify a namespace on the queries whose candidate lies in it.

    That they are picked by their candidate costs nothing: given how many there are, they are independent draws of
    the queries to come whose candidate lies there, and those are the ones that can become a hit there.

    Args:
        namespace: its name.
        queries: of this namespace; they chose nothing.
        grid: others of this namespace; their confidences, without labels, say where thresholds are worth trying.
        source: where the queries come from.
        wanted: the error to promise to callers who name none; where it is not certified, the next larger one that is.
        outside_share: that was asked for; None for the share that there is.
        alpha: what these levels may spend of the chance to be wrong.
        everything: all labelled queries of this namespace, those that were learned from too: they have to prove a
            threshold again. What is learned from is parted by text, so a text that is asked often may be missing among
            those that certify; together they meet each text as often as lookups will.
    """
    again = None if everything is None else (everything.confidences, everything.is_right)
    # What is never served is under every threshold: none of them may be under 0.
    thresholds = fixed_grid(np.maximum(grid.confidences, 0.0)) if len(grid) else np.ones(1)
    levels = certify(queries.confidences, queries.is_right, grid=thresholds, alpha=alpha, again=again)
    n, n_outside = len(queries), int(queries.is_outside.sum())
    found_share = round(n_outside / n, 6) if n else 0.0
    share = found_share if outside_share is None else outside_share
    calibration = CalibrationInfo(source, n, n_outside, share, ALPHA)
    return Certificate(namespace, default_error(levels, wanted), calibration, levels)


def default_error(levels: Sequence[CertifiedLevel], wanted: float) -> float:
    """Return the level wanted where it is certified; else the next larger one that is; else the one wanted."""
    certified = [level.max_error for level in levels if level.threshold is not None and level.max_error >= wanted]
    return min(certified, default=wanted)
