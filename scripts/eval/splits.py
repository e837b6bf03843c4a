"""Turns a set into known phrasings and queries, and the queries into three parts. Pure: the seed decides everything.

Known phrasings are what the cache holds. Queries are what is asked: fit 40 % may be learned from, calibration 30 %
chooses thresholds, test 30 % is reported. No query is in two parts; no known phrasing is a query.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eval.texts import OUT_OF_SCOPE, Item, unambiguous

Indices = npt.NDArray[np.intp]

FIT_SHARE = 0.4
CALIBRATION_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class SetUp:
    """How a set becomes a cache and its queries.

    Attributes:
        name: of the set-up.
        folder: of the data set.
        n_known: phrasings the cache holds of each group that it knows.
        known_splits: publisher's splits that known phrasings come from; the rest is asked. Empty: any text.
        held_out_share: of the groups of several texts: all their texts are queries that must miss.
        single_share: of the groups of one text: the cache holds it.
        single_query_share: of the groups of one text: it is asked, and must miss. The rest is not used.
    """

    name: str
    folder: str
    n_known: int
    known_splits: tuple[str, ...] = ()
    held_out_share: float = 0.0
    single_share: float = 0.5
    single_query_share: float = 0.5


@dataclass(frozen=True, slots=True)
class Drawn:
    """Known phrasings and queries; a query whose group is not among the known must miss."""

    known: tuple[Item, ...]
    queries: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """Disjoint indices into the queries."""

    fit: Indices
    calibration: Indices
    test: Indices


def draw(items: Sequence[Item], set_up: SetUp, *, seed: int) -> Drawn:
    """Draw known phrasings and queries of a set."""
    rng = np.random.default_rng(seed)
    items = unambiguous(items)
    known, queries = _by_split(items, set_up, rng) if set_up.known_splits else _by_group(items, set_up, rng)
    return Drawn(tuple(known), tuple(queries))


def _by_split(items: Sequence[Item], set_up: SetUp, rng: np.random.Generator) -> tuple[list[Item], list[Item]]:
    """Known phrasings from the publisher's splits for training, queries from the test split and out of scope."""
    known: list[Item] = []
    outside = [item for item in items if item.group.startswith(OUT_OF_SCOPE)]
    trained = [item for item in items if item.split in set_up.known_splits and not item.group.startswith(OUT_OF_SCOPE)]
    for texts in _groups(trained).values():
        known += [texts[i] for i in rng.permutation(len(texts))[: set_up.n_known]]
    asked = [item for item in items if item.split == "test" and not item.group.startswith(OUT_OF_SCOPE)]
    return known, asked + outside


def _by_group(items: Sequence[Item], set_up: SetUp, rng: np.random.Generator) -> tuple[list[Item], list[Item]]:
    """Known phrasings from any text of a group; some groups are held out whole."""
    groups = _groups(items)
    several = [texts for texts in groups.values() if len(texts) > 1]
    singles = [texts[0] for texts in groups.values() if len(texts) == 1]
    known: list[Item] = []
    queries: list[Item] = []
    n_held_out = round(set_up.held_out_share * len(several))
    for place, number in enumerate(rng.permutation(len(several))):
        texts = [several[number][i] for i in rng.permutation(len(several[number]))]
        n_known = 0 if place < n_held_out else min(set_up.n_known, len(texts) - 1)
        known += texts[:n_known]
        queries += texts[n_known:]
    shuffled = [singles[i] for i in rng.permutation(len(singles))]
    n_kept = round(set_up.single_share * len(singles))
    n_asked = min(round(set_up.single_query_share * len(singles)), len(singles) - n_kept)
    return known + shuffled[:n_kept], queries + shuffled[n_kept : n_kept + n_asked]


def _groups(items: Sequence[Item]) -> dict[tuple[str, str], list[Item]]:
    groups: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items:
        groups[item.context, item.group].append(item)
    return dict(groups)


def split(n: int, *, seed: int) -> Parts:
    """Split n queries at random: fit 40 %, calibration 30 %, test 30 %."""
    order = np.random.default_rng([seed, 1]).permutation(n)
    first, second = round(FIT_SHARE * n), round((FIT_SHARE + CALIBRATION_SHARE) * n)
    return Parts(order[:first], order[first:second], order[second:])
