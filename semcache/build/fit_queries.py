"""Makes the queries that a decision is fitted and certified on, out of the corpus or of labelled traffic.

Written queries: of each entry one variant, left out of the index. Some entries are left out whole, so that their
query is out of scope; rejects and twins are near misses. One query an entry: variants of one entry are not
independent draws.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from semcache.build.known import Ints
from semcache.bundle.contents import owners_of
from semcache.core.draws import draw
from semcache.core.twins import harmless, twins
from semcache.core.vectors import FloatRows

Kind = Literal["written", "reworded", "outside", "reject", "twin"]
_MAX_ENTRIES = 6_000
_MAX_FITTING = 6_000
_MAX_TWINS = 2_000
_REWORDED_SHARE = 0.15
_OUT = 0.4


@dataclass(frozen=True, slots=True)
class Rows:
    """What is indexed.

    Attributes:
        texts: of each row; may be a lazy sequence.
        entries: (n,) entry of each row; the complement of it for a guard.
        answers: (n,) answer of each row; as `entries` for a guard.
        namespaces: (n,) number of the namespace of each row.
        firsts: (n,) the first row with the exact key of each one: a text may stand in several namespaces.
        vectors: (n, dim) float32 unit rows of the encoder; zero where a text has none.
        rarity, words: as in `DecisionArrays`.
        namespace_names: in the order of their numbers.
    """

    texts: Sequence[str]
    entries: Ints
    answers: Ints
    namespaces: Ints
    firsts: Ints
    vectors: FloatRows
    rarity: npt.NDArray[np.float32]
    words: npt.NDArray[np.uint16]
    namespace_names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Planned:
    """A query before it is embedded.

    Attributes:
        kind: where it comes from.
        text: what is asked; its vector is that of `row` unless `is_new`.
        row: the row it was made of.
        entry, answer: of that row.
        is_new: whether the text must be embedded.
    """

    kind: Kind
    text: str
    row: int
    entry: int
    answer: int
    is_new: bool = False

    @property
    def is_outside(self) -> bool:
        """Whether no answer is right."""
        return self.kind in ("outside", "reject", "twin")


@dataclass(frozen=True, slots=True)
class Asked:
    """A labelled query of real traffic.

    Attributes:
        text: what was asked; no variant.
        answers: the right ones; empty where the corpus has none.
        namespace: number of the one that was looked in; None for all.
    """

    text: str
    answers: frozenset[int]
    namespace: int | None

    @property
    def kind(self) -> Literal["traffic"]:
        """Tells it from a planned query."""
        return "traffic"

    @property
    def entry(self) -> int:
        """-1: it was made of none."""
        return -1

    @property
    def is_outside(self) -> bool:
        """Whether no answer is right."""
        return not self.answers


def plan_queries(rows: Rows, *, outside_share: float, seed: int) -> list[Planned]:
    """Plan one query for each entry that has two variants or a reject, with a share of queries to be missed.

    There are at most 6,000: of each namespace as many as of any other, until it has no more entries. So a small
    namespace beside a large one has queries to certify it.

    Args:
        rows: what is indexed.
        outside_share: of queries without a right answer among all, 0 to 1.
        seed: of every choice.
    """
    by_entry = _rows_by_entry(rows)
    guards = _rows_by_entry(rows, guards=True)
    planned: list[Planned] = []
    for entry in _in_turn(rows, by_entry.keys() | guards.keys(), seed):
        if len(planned) >= _MAX_ENTRIES:
            break
        is_outside = draw(seed, "outside", entry) < outside_share
        own, rejects = by_entry.get(entry, []), guards.get(entry, [])
        query = _outside(rows, own, rejects, entry, seed) if is_outside else _inside(rows, own, entry, seed)
        if query is not None:
            planned.append(query)
    return planned


def _rows_by_entry(rows: Rows, *, guards: bool = False) -> dict[int, list[int]]:
    entries = ~rows.entries if guards else rows.entries
    found: dict[int, list[int]] = {}
    for row in np.flatnonzero((entries >= 0) & rows.vectors.any(axis=1)).tolist():
        found.setdefault(int(entries[row]), []).append(row)
    return found


def _in_turn(rows: Rows, entries: Iterable[int], seed: int) -> list[int]:
    """Return entries in an order that is drawn within each namespace, one of each namespace at a time."""
    owners = owners_of(rows.entries)
    namespace_of = dict(zip(owners.tolist(), rows.namespaces.tolist(), strict=True))
    drawn = sorted((draw(seed, "order", entry), entry) for entry in entries)
    rank_in, turns = Counter[int](), list[tuple[int, float, int]]()
    for order, entry in drawn:
        turns.append((rank_in[namespace_of[entry]], order, entry))
        rank_in[namespace_of[entry]] += 1
    return [entry for _, _, entry in sorted(turns)]


def _inside(rows: Rows, own: list[int], entry: int, seed: int) -> Planned | None:
    if len(own) < 2:
        return None
    row = own[int(draw(seed, "row", entry) * len(own))]
    text, answer = rows.texts[row], int(rows.answers[row])
    if draw(seed, "reworded", entry) < _REWORDED_SHARE and (others := harmless(text, seed=seed)):
        other = others[int(draw(seed, "harmless", entry) * len(others))]
        return Planned("reworded", other.text, row, entry, answer, is_new=True)
    return Planned("written", text, row, entry, answer)


def _outside(rows: Rows, own: list[int], rejects: list[int], entry: int, seed: int) -> Planned | None:
    """Three fifths are out of scope, a quarter rejects, the rest twins; what an entry has not becomes another."""
    choice = draw(seed, "kind", entry)
    if rejects and (choice >= 0.75 or not own):
        row = rejects[int(draw(seed, "row", entry) * len(rejects))]
        return Planned("reject", rows.texts[row], row, entry, int(rows.answers[row]))
    if not own:
        return None
    row = own[int(draw(seed, "row", entry) * len(own))]
    text, answer = rows.texts[row], int(rows.answers[row])
    if choice >= 0.6 and (others := twins(text, seed=seed)):
        other = others[int(draw(seed, "twin", entry) * len(others))]
        return Planned("twin", other.text, row, entry, answer, is_new=True)
    return Planned("outside", text, row, entry, answer)


def plan_fitting(rows: Rows, entries: set[int], *, seed: int) -> list[Planned]:
    """Plan queries of some entries to fit trees on: every variant, more of them to be missed. Not independent draws."""
    by_entry, guards = _rows_by_entry(rows), _rows_by_entry(rows, guards=True)
    planned: list[Planned] = []
    for entry in _in_turn(rows, entries, seed):
        if len(planned) >= _MAX_FITTING:
            break
        own = by_entry.get(entry, [])
        for row in own:
            text, answer = rows.texts[row], int(rows.answers[row])
            if len(own) > 1:
                planned.append(Planned("written", text, row, entry, answer))
            if draw(seed, "outside", row) < _OUT:
                planned.append(Planned("outside", text, row, entry, answer))
            if draw(seed, "twin", row) < _OUT and (others := twins(text, seed=seed)):
                other = others[int(draw(seed, "which", row) * len(others))]
                planned.append(Planned("twin", other.text, row, entry, answer, is_new=True))
            if draw(seed, "reworded", row) < _REWORDED_SHARE and (others := harmless(text, seed=seed)):
                other = others[int(draw(seed, "harmless", row) * len(others))]
                planned.append(Planned("reworded", other.text, row, entry, answer, is_new=True))
        planned += [
            Planned("reject", rows.texts[row], row, entry, int(rows.answers[row])) for row in guards.get(entry, [])
        ]
    return planned


def plan_twins(rows: Rows, *, seed: int) -> list[Planned]:
    """Plan near twins of indexed texts, to fit trees on beside labelled traffic: all of a text, 2,000 at most."""
    planned: list[Planned] = []
    indexed = np.flatnonzero((rows.entries >= 0) & rows.vectors.any(axis=1)).tolist()
    for row in sorted(indexed, key=lambda row: draw(seed, "twins", row)):
        entry, answer = int(rows.entries[row]), int(rows.answers[row])
        planned += [
            Planned("twin", twin.text, row, entry, answer, is_new=True) for twin in twins(rows.texts[row], seed=seed)
        ]
        if len(planned) >= _MAX_TWINS:
            break
    return planned[:_MAX_TWINS]
