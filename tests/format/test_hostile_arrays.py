"""Array files that somebody made on purpose, everything else agreeing with them: refused, and never evaluated."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking import ask
from surgery import file_of, replace_bytes, reseal

from semcache import check_bundle
from semcache.bundle import layout

Array = np.ndarray[Any, np.dtype[Any]]


def saved(values: Array, *, allow_pickle: bool = False) -> bytes:
    """Give the bytes of an array file."""
    file = io.BytesIO()
    np.save(file, values, allow_pickle=allow_pickle)
    return file.getvalue()


def headed(head: bytes, values: Array) -> bytes:
    """Give an array file with a head of one's own."""
    padded = head.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + values.tobytes()


def zipped(values: Array) -> bytes:
    """Give a zip of arrays, which NumPy opens by the same call."""
    file = io.BytesIO()
    np.savez(file, values)
    return file.getvalue()


class Dangerous:
    """Ends the process where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        """Name what a reader that unpickles would call."""
        return (_end, (3,))


def _end(code: int) -> None:
    raise SystemExit(code)


HEAD = b"{'descr': '<i4', 'fortran_order': False, 'shape': (14,), }"
OTHERS: dict[str, Callable[[Array], bytes]] = {
    "other type": lambda rows: saved(rows.astype("<i8")),
    "other byte order": lambda rows: saved(rows.astype(">i4")),
    "unsigned": lambda rows: saved(rows.astype("<u4")),
    "floats": lambda rows: saved(rows.astype("<f4")),
    "objects": lambda rows: saved(rows.astype(object), allow_pickle=True),
    "a pickle that is dangerous": lambda rows: saved(np.array([Dangerous()] * len(rows)), allow_pickle=True),
    "a bare pickle": lambda rows: pickle.dumps([Dangerous()] * len(rows)),
    "a zip": zipped,
    "a broken zip": lambda rows: b"PK\x03\x04" + rows.tobytes(),
    "two dimensions": lambda rows: saved(rows.reshape(2, 7)),
    "columns first": lambda rows: headed(HEAD.replace(b"False", b"True"), rows),
    "one row less": lambda rows: saved(rows[:-1]),
    "one row more": lambda rows: saved(np.append(rows, rows[:1])),
    "a head that promises more": lambda rows: headed(HEAD.replace(b"14", b"15"), rows),
    "a head that promises everything": lambda rows: headed(HEAD.replace(b"14", b"1" + b"0" * 18), rows),
    "a head without an end": lambda rows: headed(HEAD[:-1], rows),
    "a head of nested brackets": lambda rows: headed(b"(" * 100, rows),
    "a head that is Python": lambda rows: headed(b"__import__('os').abort()", rows),
    "a head of an older Python": lambda rows: headed(HEAD.replace(b"14", b"14L"), rows),
    "a head with another key": lambda rows: headed(HEAD.replace(b"}", b"'a': 1}"), rows),
    "a head with a list for a key": lambda rows: headed(b"{[]: 1}", rows),
    "no head": lambda rows: b"\x93NUMPY\x01\x00\x00\x00" + rows.tobytes(),
    "a head beyond the file": lambda rows: b"\x93NUMPY\x01\x00\xff\xff" + rows.tobytes(),
    "version 2": lambda rows: saved(rows).replace(b"\x93NUMPY\x01", b"\x93NUMPY\x02", 1),
    "version 9": lambda rows: saved(rows).replace(b"\x93NUMPY\x01", b"\x93NUMPY\x09", 1),
    "nothing but a magic": lambda _: b"\x93NUMPY",
    "nothing": lambda _: b"",
    "a row of no entry": lambda rows: saved(np.append(rows[:-1], np.int32(8)).astype("<i4")),
    "a guard of no entry": lambda rows: saved(np.append(rows[:-1], np.int32(-9)).astype("<i4")),
    "the least of all numbers": lambda rows: saved(np.append(rows[:-1], np.int32(-(2**31))).astype("<i4")),
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_another_array_is_corrupt(bundle: Path, change: Callable[[Array], bytes]) -> None:
    """rows.npy holds 14 numbers of 4 bytes, each an entry that is there; nothing else is let through."""
    path = file_of(bundle, "rows.npy")
    replace_bytes(path, change(np.load(path)))
    reseal(bundle)
    assert ask(bundle) == ["error BundleCorruptError"]
    (problem,) = check_bundle(bundle)
    assert "rows.npy: " in problem


FIELDS = {
    "a namespace that is not there": ("namespace", 2),
    "a namespace below 0": ("namespace", -1),
    "an answer that is not there": ("answer", 8),
    "an answer below 0": ("answer", -1),
}


@pytest.mark.parametrize(("field", "value"), FIELDS.values(), ids=FIELDS)
def test_an_entry_that_leads_nowhere_is_corrupt(bundle: Path, field: str, value: int) -> None:
    """Every number in entries.npy is held against the manifest's counts at open."""
    path = file_of(bundle, "entries.npy")
    entries = np.load(path)
    entries[field][3] = value
    replace_bytes(path, saved(entries.astype(layout.ENTRY_DTYPE)))
    reseal(bundle)
    assert ask(bundle) == ["error BundleCorruptError"]


@pytest.mark.parametrize("moment", [-(2**63), -1, 0])
def test_an_end_in_the_past_is_a_miss(bundle: Path, moment: int) -> None:
    """However far: the entry has expired, and nothing overflows."""
    path = file_of(bundle, "entries.npy")
    entries = np.load(path)
    entries["valid_until"] = moment
    replace_bytes(path, saved(entries.astype(layout.ENTRY_DTYPE)))
    reseal(bundle)
    assert {word for word in ask(bundle) if "guard" not in word} == {
        "miss expired",
        "miss ambiguous",
        "miss below_threshold",
    }


def test_probes_that_are_no_numbers_are_a_mismatch(bundle: Path) -> None:
    """No comparison with them is true, so none may be taken for a pass; the full check says which."""
    path = file_of(bundle, "probes.npy")
    replace_bytes(path, saved(np.full((8, 64), np.nan, "<f4")))
    reseal(bundle)
    found = ask(bundle)
    assert (found[0][:13], found[2]) == ("hit login/add", "error EncoderMismatchError")
    problems = check_bundle(bundle)
    assert len(problems) == 8
    assert "probes.npy: probe 0: cosine nan" in problems[0]
