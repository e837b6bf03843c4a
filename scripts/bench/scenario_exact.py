"""Scenario `exact`: a hit on the very same text, beside the least that reading one record from LMDB costs."""

# ruff: noqa: SLF001 - LMDB lets a process open a file once, so the floor is measured on the reader's own environment

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from measure import Report, Rounds, Target, summary_of_rounds, take_turns, timed
from scratch import Scratch

from semcache import Cache
from semcache.bundle.layout import ENTRIES_TABLE, KEYS_TABLE, VALUES_TABLE, VARIANTS_TABLE
from semcache.bundle.records import number_key
from semcache.core.text import exact_key, normalise
from semcache.lookup.version import Version

_N_TEXTS = 5000
_N_ROUNDS = 12
_N_FIRST = 200  # lookups before the first counted one, so that the interpreter is warm


def run(scratch: Scratch) -> Report:
    """Measure exact hits, the floor, and the parts of a hit, in turns on the same texts."""
    warm = (
        "every page and the interpreter: a first round over the same texts is not counted; "
        f"{_N_TEXTS:,} different texts spread over the bundle, so no CPU cache holds all records"
    )
    report = Report("exact", warm, scratch.seed, {"rows": scratch.n_rows, "texts": _N_TEXTS})
    with scratch.open(scratch.large) as cache:
        texts = scratch.known_texts(_N_TEXTS)
        assert all(cache.lookup(text).hit for text in texts[:100])
        version = cache._current()
        whole = take_turns(
            {"exact_hit": cache.lookup, "floor_one_get": _one_get(version), "floor_four_gets": _four_gets(version)},
            texts,
            n_rounds=_N_ROUNDS,
        )
        parts = take_turns(_parts(cache, version), texts, n_rounds=_N_ROUNDS // 2)
        del version
    rounds = {
        "exact_hit": whole.pop("exact_hit"),
        "exact_hit_first_time": _first_times(scratch, texts),
        **whole,
        **parts,
    }
    report.figures = {name: summary_of_rounds(found, "us") for name, found in rounds.items()}
    hit, floor = report.figures["exact_hit"]["p50"], report.figures["floor_one_get"]["p50"]
    report.figures["ratio_hit_to_floor"] = hit / floor
    report.figures["ratio_hit_to_four_gets"] = hit / report.figures["floor_four_gets"]["p50"]
    first = report.figures["exact_hit_first_time"]["p50"]
    rows = f"{scratch.n_rows:,} rows, p50"
    report.targets = [
        Target(f"exact hit, {rows} (one LMDB get in the same run: {floor:.2f} us)", hit, 15, "us"),
        Target(f"exact hit on a text not asked for before, {rows}", first, 15, "us"),
    ]
    return report


def _first_times(scratch: Scratch, texts: Sequence[str]) -> Rounds:
    """Time each text once after an open: nothing the reader may keep about a record is there yet."""
    rounds = []
    for _ in range(_N_ROUNDS // 2):
        with scratch.open(scratch.large) as cache:
            for text in texts[:_N_FIRST]:
                cache.lookup(text)
            rounds.append(timed(cache.lookup, texts[_N_FIRST:]))
        del cache
    return rounds


def _one_get(version: Version) -> Callable[[Any], object]:
    """Return the floor: one get in its own transaction on the same file. Takes a text, spends nothing on it."""
    tables = version.reader._tables
    begin, keys = tables._env.begin, tables._dbs[KEYS_TABLE]
    known: dict[str, bytes] = _Keys()

    def get(text: str) -> object:
        with begin(buffers=True) as txn:
            return txn.get(known[text], db=keys)

    return get


def _four_gets(version: Version) -> Callable[[Any], object]:
    """Return the floor of the four records that a hit consists of, in one transaction."""
    tables = version.reader._tables
    begin, dbs = tables._env.begin, tables._dbs
    keys, entries, variants, values = (dbs[t] for t in (KEYS_TABLE, ENTRIES_TABLE, VARIANTS_TABLE, VALUES_TABLE))
    known = _Keys()
    places = _Places(version)

    def get(text: str) -> object:
        row, entry, answer = places[text]
        with begin(buffers=True) as txn:
            get = txn.get
            return get(known[text], db=keys), get(entry, db=entries), get(row, db=variants), get(answer, db=values)

    return get


class _Keys(dict[str, bytes]):
    """The exact keys of texts, worked out at first use: in the round that is not counted."""

    def __missing__(self, text: str) -> bytes:
        key = self[text] = exact_key(normalise(text))
        return key


class _Places(dict[str, tuple[bytes, bytes, bytes]]):
    """The LMDB keys of a text's row, entry and answer, worked out at first use."""

    def __init__(self, version: Version) -> None:
        super().__init__()
        self._reader = version.reader

    def __missing__(self, text: str) -> tuple[bytes, bytes, bytes]:
        row = self._reader.exact_rows(exact_key(normalise(text)))[0]
        entry = int(self._reader.rows[row])
        numbers = (row, entry, self._reader.answer_of(entry))
        place = self[text] = (number_key(numbers[0]), number_key(numbers[1]), number_key(numbers[2]))
        return place


def _parts(cache: Cache, version: Version) -> dict[str, Callable[[Any], object]]:
    """Return the steps of a hit, each alone. They contain each other: lookup > exact > the others."""
    reader, now = version.reader, time.time()
    keys = _Keys()
    places: dict[str, tuple[int, int]] = {}

    def place(text: str) -> tuple[int, int]:
        if text not in places:
            row = reader.exact_rows(keys[text])[0]
            places[text] = (row, int(reader.rows[row]))
        return places[text]

    return {
        "part_lookup": cache.lookup,
        "part_version_exact": lambda text: version.exact(text, namespace=None, now=now),
        "part_normalise": normalise,
        "part_normalise_and_key": lambda text: exact_key(normalise(text)),
        "part_exact_rows": lambda text: reader.exact_rows(keys[text]),
        "part_fetch": lambda text: reader.fetch(*place(text)),
        "part_place_overhead": place,
        "part_timer_alone": lambda _text: None,
    }
