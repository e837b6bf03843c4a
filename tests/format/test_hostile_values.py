"""Files of texts and answers that somebody made on purpose, everything else agreeing with them.

Nothing in them may end the process, and nothing that is not a record of the right form may be served.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from asking import ask, ask_in_a_process
from surgery import Records, file_of, patch, replace_bytes, reseal, rewrite_records

from semcache import check_bundle
from semcache.core.text import exact_key, normalise

LOGIN = exact_key(normalise("add login page"))
FIRST = bytes(4)
PAGE = 4096


def put(table: str, key: bytes, payload: bytes) -> Callable[[Records], None]:
    """Set one record."""
    return lambda records: records[table].update({key: payload})


def drop(table: str, key: bytes) -> Callable[[Records], None]:
    """Leave one record out."""

    def change(records: Records) -> None:
        del records[table][key]

    return change


UNSERVABLE = {
    "no rows": put("keys", LOGIN, b""),
    "half a row": put("keys", LOGIN, b"\0\0"),
    "a row and a half": put("keys", LOGIN, bytes(6)),
    "a row that is not there": put("keys", LOGIN, struct.pack("<I", 14)),
    "the last of all numbers": put("keys", LOGIN, struct.pack("<I", 2**32 - 1)),
    "no text": put("variants", b"\0\0\0\1", b""),
    "a text of no kind": put("variants", b"\0\0\0\1", b"\5text"),
    "a text of no letter": put("variants", b"\0\0\0\1", b"\1"),
    "a text that is not UTF-8": put("variants", b"\0\0\0\1", b"\1\xff\xfe"),
    "a value for a text": put("variants", b"\0\0\0\1", b"\0\0\0\0docker run postgres"),
    "text is missing": drop("variants", b"\0\0\0\1"),
    "no entry": put("entries", FIRST, b""),
    "an entry without an id": put("entries", FIRST, b"\0{}"),
    "an entry without metadata": put("entries", FIRST, b"login/add\0"),
    "an entry that is not UTF-8": put("entries", FIRST, b"\xff\0{}"),
    "a value for an entry": put("entries", FIRST, b"\0\0\0\0docker run postgres"),
    "a JSON value for an entry": put("entries", FIRST, b"\1\1\0\0{}"),
    "a text for an entry": put("entries", FIRST, b"\0add login page"),
    "entry is missing": drop("entries", FIRST),
    "no value": put("values", FIRST, b""),
    "half a head": put("values", FIRST, b"\0\0"),
    "an unknown codec": put("values", FIRST, b"\2\0\0\0answer"),
    "an unknown type": put("values", FIRST, b"\0\2\0\0answer"),
    "a head that is not zero": put("values", FIRST, b"\0\0\1\0answer"),
    "a text for a value": put("values", FIRST, b"\0add login page"),
    "an entry for a value": put("values", FIRST, b"login/add\0{}"),
    "nothing compressed": put("values", FIRST, b"\1\0\0\0"),
    "garbage compressed": put("values", FIRST, b"\1\0\0\0garbage, not a frame"),
    "a frame cut short": put("values", FIRST, b"\1\0\0\0" + bytes.fromhex("28b52ffd2005")),
    "a frame of unknown size": put("values", FIRST, b"\1\0\0\0" + bytes.fromhex("28b52ffd00580900006869")),
    "a frame of 4 GB": put("values", FIRST, b"\1\0\0\0" + bytes.fromhex("28b52ffda0ffffffff0900006869")),
    "value is missing": drop("values", FIRST),
}


@pytest.mark.parametrize("change", UNSERVABLE.values(), ids=UNSERVABLE)
def test_a_record_of_the_wrong_form_is_corrupt(bundle: Path, change: Callable[[Records], None]) -> None:
    """Its checksum is right; it is refused all the same, by the lookup that would serve it and by the full check."""
    right = ask(bundle)
    rewrite_records(bundle, change)
    found = ask(bundle)
    assert found[1] == "error BundleCorruptError"  # "add login page"
    assert found[7] == right[7]  # another entry, with other records
    assert check_bundle(bundle) != []


@pytest.mark.parametrize("dictionary", [b"\x37\xa4\x30\xec" + b"garbage" * 20, b"", b"plain content " * 100])
def test_another_dictionary_gives_no_other_answer(root: Path, dictionary: bytes) -> None:
    """Values that were packed with the right one cannot be read with it; raw ones can."""
    other = root / "other"
    questions = [("what is step number 0 of open entry", None), ("what is step number 4 of tree encoder", None)]
    (packed, raw) = ask(other, questions)
    assert packed.startswith("hit step/0")
    rewrite_records(other, put("meta", b"dictionary", dictionary))
    assert ask(other, questions) == ["error BundleCorruptError", raw]


def test_a_lost_key_costs_the_exact_path_only(bundle: Path) -> None:
    """The semantic tier answers by its own rule; the full check says which row no key leads to."""
    rewrite_records(bundle, drop("keys", LOGIN))
    assert ask(bundle)[1].startswith("hit login/add")
    problems = check_bundle(bundle)
    assert any("keys: 12 records, the manifest says 13" in problem for problem in problems)


def test_a_key_of_another_text_is_found_by_the_full_check(bundle: Path) -> None:
    """A key must lead to the rows whose texts it is the key of."""
    rewrite_records(bundle, put("keys", LOGIN, struct.pack("<I", 4)))
    assert any("keys: no key leads to row 1" in problem for problem in check_bundle(bundle))


def leaf_of(data: bytes, key: bytes) -> int:
    """Give the place of the leaf page that holds a key, by looking for it."""
    return data.index(key) // PAGE * PAGE


BROKEN_PAGES: dict[str, Callable[[bytes], bytes]] = {
    "no bytes but zero": lambda data: bytes(len(data)),
    "not LMDB": lambda data: b"SQLite format 3\0" * (len(data) // 16),
    "one page": lambda data: data[:PAGE],
    "two pages": lambda data: data[: 2 * PAGE],
    "one byte short of a page": lambda data: data[:-1],
    "more pages than it says": lambda data: data + bytes(PAGE),
    "fewer pages than it says": lambda data: data[:-PAGE],
    "page size 0": lambda data: spliced(data, 16 + 24, "I", 0),
    "page size 1 MB": lambda data: spliced(data, 16 + 24, "I", 1 << 20),
    "page size 8192": lambda data: spliced(data, 16 + 24, "I", 8192),
    "magic": lambda data: spliced(data, PAGE + 16, "I", 1),
    "version 2": lambda data: spliced(data, PAGE + 20, "I", 2),
    "last page beyond the file": lambda data: spliced(data, PAGE + 16 + 120, "Q", 2**40),
    "last page before the file's end": lambda data: spliced(data, PAGE + 16 + 120, "Q", 3),
    "root beyond the file": lambda data: spliced(data, PAGE + 16 + 112, "Q", 9),
    "root far beyond the file": lambda data: spliced(data, PAGE + 16 + 112, "Q", 2**47),
    "root is a meta page": lambda data: spliced(data, PAGE + 16 + 112, "Q", 1),
    "no root": lambda data: spliced(data, PAGE + 16 + 112, "Q", 2**64 - 1),
    "main table of duplicates": lambda data: spliced(data, PAGE + 16 + 76, "H", 4),
    "main table of numbers": lambda data: spliced(data, PAGE + 16 + 76, "H", 8),
    "newest meta page is the empty one": lambda data: spliced(data, 16 + 128, "Q", 2**63),
    "page of another number": lambda data: spliced(data, leaf_of(data, LOGIN), "Q", 2**40),
    "leaf that is an overflow page": lambda data: spliced(data, leaf_of(data, LOGIN) + 10, "H", 4),
    "leaf that is a branch": lambda data: spliced(data, leaf_of(data, LOGIN) + 10, "H", 1),
    "leaf of fixed keys": lambda data: spliced(data, leaf_of(data, LOGIN) + 10, "H", 0x22),
    "leaf that is dirty": lambda data: spliced(data, leaf_of(data, LOGIN) + 10, "H", 0x12),
    "no node": lambda data: spliced(data, leaf_of(data, LOGIN) + 12, "H", 16),
    "lower bound below the head": lambda data: spliced(data, leaf_of(data, LOGIN) + 12, "H", 2),
    "lower bound above the upper": lambda data: spliced(data, leaf_of(data, LOGIN) + 12, "H", 4000),
    "upper bound beyond the page": lambda data: spliced(data, leaf_of(data, LOGIN) + 14, "H", 65_534),
    "offset in the head": lambda data: spliced(data, leaf_of(data, LOGIN) + 16, "H", 8),
    "offset at the page's end": lambda data: spliced(data, leaf_of(data, LOGIN) + 16, "H", 4094),
    "offset beyond the page": lambda data: spliced(data, leaf_of(data, LOGIN) + 16, "H", 65_534),
    "odd offset": lambda data: spliced(data, leaf_of(data, LOGIN) + 16, "H", 4001),
    "size beyond the page": lambda data: spliced(data, data.index(LOGIN) - 8, "I", 4096),
    "size beyond the file": lambda data: spliced(data, data.index(LOGIN) - 8, "I", 2**32 - 1),
    "no record": lambda data: spliced(data, data.index(LOGIN) - 8, "I", 0),
    "key beyond the page": lambda data: spliced(data, data.index(LOGIN) - 2, "H", 65_535),
    "duplicates": lambda data: spliced(data, data.index(LOGIN) - 4, "H", 4),
    "a table in a table": lambda data: spliced(data, data.index(LOGIN) - 4, "H", 2),
    "on pages of its own that are not there": lambda data: spliced(data, data.index(LOGIN) - 4, "H", 1),
    "overflow run beyond the file": lambda data: spliced(data, overflow_of(data) + 12, "I", 2**32 - 1),
    "overflow run too short": lambda data: spliced(data, overflow_of(data) + 12, "I", 0),
    "table's record too short": lambda data: spliced(data, data.index(b"keys") - 8, "I", 40),
    "table's record on pages of its own": lambda data: spliced(data, data.index(b"keys") - 4, "H", 1),
    "table of duplicates": lambda data: spliced(data, data.index(b"keys") + 4 + 4, "H", 4),
    "table of numbers": lambda data: spliced(data, data.index(b"keys") + 4 + 4, "H", 8),
    "table in reverse": lambda data: spliced(data, data.index(b"keys") + 4 + 4, "H", 2),
    "table of great depth": lambda data: spliced(data, data.index(b"keys") + 4 + 6, "H", 65_535),
    "table with more keys": lambda data: spliced(data, data.index(b"keys") + 4 + 32, "Q", 14),
    "table with the main table's root": lambda data: spliced(data, data.index(b"keys") + 44, "Q", main_root(data)),
    "table with another table's root": lambda data: spliced(data, data.index(b"keys") + 44, "Q", main_root(data) - 1),
    "table that is gone": lambda data: data.replace(b"keys", b"kexs", 1),
}  # fmt: skip
"""Each gives the bytes of a values.mdb that LMDB should not be asked to follow."""


def spliced(data: bytes, at: int, layout: str, value: int) -> bytes:
    """Overwrite one number."""
    changed = bytearray(data)
    struct.pack_into("<" + layout, changed, at, value)
    return bytes(changed)


def main_root(data: bytes) -> int:
    """Give the number of the page that holds the tables' names."""
    root: int = struct.unpack_from("<Q", data, PAGE + 16 + 112)[0]
    return root


def pages_of(data: bytes) -> list[int]:
    """Give the kind of each page: 1 branch, 2 leaf, 4 overflow, 8 meta."""
    return [struct.unpack_from("<H", data, page * PAGE + 10)[0] for page in range(len(data) // PAGE)]


def overflow_of(data: bytes) -> int:
    """Give the place of the first overflow page."""
    return pages_of(data).index(4) * PAGE


def with_a_branch(bundle: Path) -> Path:
    """Give a table so many keys that it has more than one page; return the path of values.mdb."""
    many = {i.to_bytes(16): bytes(4) for i in range(1, 2000)}
    rewrite_records(bundle, lambda records: records["keys"].update(many))
    return file_of(bundle, "values.mdb")


def test_the_pages_that_are_broken_here_are_there(bundle: Path) -> None:
    """The offsets below are those of LMDB's pages, so that each case breaks what it says."""
    data = file_of(bundle, "values.mdb").read_bytes()
    assert struct.unpack_from("<II", data, PAGE + 16) == (0xBEEFC0DE, 1)
    assert struct.unpack_from("<I", data, 16 + 24) == (4096,)
    assert struct.unpack_from("<Q", data, PAGE + 16 + 120) == (len(data) // PAGE - 1,)
    assert struct.unpack_from("<H", data, leaf_of(data, LOGIN) + 10) == (2,)
    assert struct.unpack_from("<IHH", data, data.index(LOGIN) - 8) == (8, 0, 16)
    assert struct.unpack_from("<IHH", data, data.index(b"keys") - 8) == (48, 2, 4)
    assert struct.unpack_from("<Q", data, data.index(b"keys") + 4 + 32) == (13,)
    assert struct.unpack_from("<I", data, overflow_of(data) + 12) == (1,)


def test_no_broken_page_ends_the_process(root: Path) -> None:
    """All of them in one process: each is refused at open."""
    copies = []
    for i, change in enumerate(BROKEN_PAGES.values()):
        copy = shutil.copytree(root / "flat", root / f"copy{i}")
        path = file_of(copy, "values.mdb")
        replace_bytes(path, change(path.read_bytes()))
        reseal(copy)
        copies.append(copy)
    outcomes = dict(zip(BROKEN_PAGES, ask_in_a_process(copies), strict=True))
    assert outcomes == {case: ["error BundleCorruptError"] for case in BROKEN_PAGES}


def test_pages_that_lead_in_a_circle_are_refused(root: Path) -> None:
    """A branch whose child is the branch itself, in a table of more than one page."""
    path = with_a_branch(root / "flat")
    data = path.read_bytes()
    branch = pages_of(data).index(1)
    (offset,) = struct.unpack_from("<H", data, branch * PAGE + 18)
    patch(path, branch * PAGE + offset, "I", branch)
    reseal(root / "flat")
    assert ask_in_a_process([root / "flat"]) == [["error BundleCorruptError"]]


def test_a_branch_of_one_child_is_refused(root: Path) -> None:
    """LMDB ends the process over it (an assertion); it must not be asked."""
    path = with_a_branch(root / "flat")
    patch(path, pages_of(path.read_bytes()).index(1) * PAGE + 12, "H", 18)
    reseal(root / "flat")
    assert ask_in_a_process([root / "flat"]) == [["error BundleCorruptError"]]


def test_the_full_check_reports_pages_that_opening_does_not_follow(bundle: Path) -> None:
    """A page that no tree leads to is not read by a lookup; LMDB's own verifier sees that it is lost."""
    path = file_of(bundle, "values.mdb")
    data = path.read_bytes()
    right = ask(bundle)
    grown = spliced(data + bytes(PAGE), PAGE + 16 + 120, "Q", len(data) // PAGE)
    replace_bytes(path, grown)
    reseal(bundle)
    assert ask(bundle) == right
    assert any("values.mdb" in problem for problem in check_bundle(bundle))
