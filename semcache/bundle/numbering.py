"""Numbers that stay: what was in the version before keeps its row, its entry number and its answer number.

A bundle is built in the order of its corpora. Where it follows another version, what is equal in both gets the
numbers that it had, what is new gets numbers behind all others, and the numbers of what is gone die. So most of a
column of rows is the same bytes every night, and only its end must travel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from semcache.bundle.contents import Contents

Ints = npt.NDArray[np.int64]

MOST_DEAD, MOST_NEW = 0.15, 0.5
"""Largest shares of dead and of new rows; with more, all numbers are given out anew."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """The numbers of a version that follows another one.

    Attributes:
        rows, entries, answers: (n,) of each that lives, in the order of the corpora: its number.
        n_rows, n_entries, n_answers: how many numbers there are, with the dead ones.
        n_new_rows: rows that the version before did not have.
    """

    rows: Ints
    entries: Ints
    answers: Ints
    n_rows: int
    n_entries: int
    n_answers: int
    n_new_rows: int

    @property
    def is_plain(self) -> bool:
        """Whether every number is the place in the corpora, so that nothing must be moved."""
        pairs = ((self.rows, self.n_rows), (self.entries, self.n_entries), (self.answers, self.n_answers))
        return all(len(numbers) == n and np.array_equal(numbers, np.arange(n)) for numbers, n in pairs)

    @property
    def is_worth_keeping(self) -> bool:
        """Whether few enough rows are dead, and few enough are new."""
        n_dead = self.n_rows - len(self.rows)
        return n_dead <= MOST_DEAD * self.n_rows and self.n_new_rows <= MOST_NEW * len(self.rows)


def plain_numbering(staged: Contents) -> Numbering:
    """Return the numbering of a version that follows none."""
    n_rows, n_entries, n_answers = staged.n_rows, staged.n_entries, staged.n_answers
    return Numbering(
        np.arange(n_rows), np.arange(n_entries), np.arange(n_answers), n_rows, n_entries, n_answers, n_new_rows=n_rows
    )


def number_like(base: Contents, staged: Contents) -> Numbering:
    """Return the numbers of a staged version that follows another one.

    Answers are equal where their bytes and type are; entries where their id and metadata are; rows where their text
    and kind are, those of the same entry first.

    Raises:
        BundleCorruptError: a record is damaged.
    """
    answers = _Free(base.answers, map(_digest, base.answer_records()))
    entries = _Free(base.entries, map(_digest, base.entry_records()))
    of_answer = _appended(answers.take(map(_digest, staged.answer_records())), base.n_answers)
    of_entry = _appended(entries.take(map(_digest, staged.entry_records())), base.n_entries)
    found = _rows_like(base, staged, of_entry)
    n_new_rows = int((found < 0).sum())
    of_row = _appended(found, base.n_rows)
    return Numbering(
        of_row,
        of_entry,
        of_answer,
        n_rows=max(base.n_rows, int(of_row.max(initial=-1)) + 1),
        n_entries=max(base.n_entries, int(of_entry.max(initial=-1)) + 1),
        n_answers=max(base.n_answers, int(of_answer.max(initial=-1)) + 1),
        n_new_rows=n_new_rows,
    )


def _rows_like(base: Contents, staged: Contents, of_entry: Ints) -> Ints:
    """Return the row in the base of each staged one; -1 where it is new."""
    old, new = list(map(_digest, base.variant_records())), list(map(_digest, staged.variant_records()))
    owners = of_entry[staged.owners]
    same_entry = _Free(base.rows, map(_owned, old, base.owners.tolist()))
    found = same_entry.take(map(_owned, new, owners.tolist()))
    is_free = ~np.isin(base.rows, found)
    any_entry = _Free(base.rows[is_free], (old[place] for place in np.flatnonzero(is_free).tolist()))
    missing = np.flatnonzero(found < 0)
    found[missing] = any_entry.take(new[place] for place in missing.tolist())
    return found


class _Free:
    """Numbers that equal things may take over, by digest; the lowest first."""

    def __init__(self, numbers: Ints, digests: Iterable[bytes]) -> None:
        self._numbers: dict[bytes, list[int]] = {}
        for number, digest in zip(numbers.tolist(), digests, strict=True):
            self._numbers.setdefault(digest, []).append(number)
        for equal in self._numbers.values():
            equal.reverse()

    def take(self, digests: Iterable[bytes]) -> Ints:
        """Take a number for each digest; -1 where there is none left."""
        return np.fromiter((self._one(digest) for digest in digests), np.int64)

    def _one(self, digest: bytes) -> int:
        equal = self._numbers.get(digest)
        return equal.pop() if equal else -1


def _appended(found: Ints, n_known: int) -> Ints:
    """Give new numbers, behind all known ones, where none was found."""
    is_new = found < 0
    found[is_new] = n_known + np.arange(int(is_new.sum()))
    return found


def _owned(digest: bytes, entry: int) -> bytes:
    return digest + entry.to_bytes(8, "little")


def _digest(record: bytes) -> bytes:
    return blake2b(record, digest_size=16).digest()
