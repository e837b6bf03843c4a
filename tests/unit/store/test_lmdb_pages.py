from __future__ import annotations

import struct
from pathlib import Path

import pytest

from semcache.store.lmdb_pages import PageError, check_pages
from semcache.store.lmdb_values import TableWriter

PAGE = 4096


def sealed(folder: Path, n_records: int, *, payload_bytes: int = 20) -> bytes:
    """Give the bytes of a sealed file with one table."""
    writer = TableWriter(folder / "scratch", ["one", "none"])
    for i in range(n_records):
        writer.put("one", struct.pack(">I", i), bytes(payload_bytes))
    writer.finish(folder / "sealed")
    raw = (folder / "sealed").read_bytes()
    (folder / "sealed").unlink()
    return raw


@pytest.mark.parametrize(
    ("n_records", "payload_bytes"), [(0, 1), (1, 0), (1, 20), (2, 3000), (500, 20), (3, 100_000), (30_000, 8)]
)
def test_every_file_that_is_written_is_sound(tmp_path: Path, n_records: int, payload_bytes: int) -> None:
    """Empty, one leaf, a tree of branches, records on pages of their own."""
    check_pages(memoryview(sealed(tmp_path, n_records, payload_bytes=payload_bytes)))


@pytest.mark.parametrize("content", [b"", b"x", bytes(PAGE), b"x" * 3 * PAGE, bytes(200)])
def test_a_foreign_file_is_refused(content: bytes) -> None:
    """Whatever its length."""
    with pytest.raises(PageError):
        check_pages(memoryview(content))


def test_a_file_without_its_last_pages_is_refused(tmp_path: Path) -> None:
    """At every page, and between pages."""
    raw = memoryview(sealed(tmp_path, 500))
    for n in range(0, len(raw), PAGE // 2):
        with pytest.raises(PageError):
            check_pages(raw[:n])


def test_a_file_with_a_page_too_many_is_refused(tmp_path: Path) -> None:
    """The file is as long as its meta page says."""
    with pytest.raises(PageError, match="bytes of all pages"):
        check_pages(memoryview(sealed(tmp_path, 500) + bytes(PAGE)))


def test_each_page_number_belongs_to_its_page(tmp_path: Path) -> None:
    """A page that was swapped with another one is found."""
    raw = bytearray(sealed(tmp_path, 500))
    raw[2 * PAGE : 3 * PAGE], raw[3 * PAGE : 4 * PAGE] = raw[3 * PAGE : 4 * PAGE], raw[2 * PAGE : 3 * PAGE]
    with pytest.raises(PageError):
        check_pages(memoryview(raw))


@pytest.mark.parametrize(
    ("what", "at", "layout", "value"),
    [
        ("magic", 16, "I", 0),
        ("version", 20, "I", 2),
        ("page size", 40, "I", 512),
        ("page size 0", 40, "I", 0),
        ("page number of the meta page", 0, "Q", 1),
        ("kind of the meta page", 10, "H", 2),
    ],
)
def test_a_wrong_meta_page_is_refused(tmp_path: Path, what: str, at: int, layout: str, value: int) -> None:
    """LMDB chooses between two, so both must be sound."""
    original = sealed(tmp_path, 10)
    for page in (0, 1):
        raw = bytearray(original)
        struct.pack_into("<" + layout, raw, page * PAGE + at, value + (page if what[:11] == "page number" else 0))
        if bytes(raw) != original:
            with pytest.raises(PageError):
                check_pages(memoryview(raw))


@pytest.mark.parametrize(
    ("at", "value"),
    [
        pytest.param(10, 0, id="no kind"),
        pytest.param(10, 8, id="kind of a meta page"),
        pytest.param(12, 17, id="lower bound odd"),
        pytest.param(12, PAGE, id="lower bound above the upper one"),
        pytest.param(12, 0, id="lower bound below the head"),
        pytest.param(14, PAGE + 2, id="upper bound past the page"),
        pytest.param(16, PAGE, id="offset past the page"),
        pytest.param(16, 2, id="offset into the head"),
        pytest.param(16, 4001, id="offset odd"),
    ],
)
def test_a_wrong_number_in_a_page_is_refused(tmp_path: Path, at: int, value: int) -> None:
    """On every page of the trees: where LMDB would read outside the map."""
    original = sealed(tmp_path, 500)
    for page in range(2, len(original) // PAGE):
        raw = bytearray(original)
        struct.pack_into("<H", raw, page * PAGE + at, value)
        with pytest.raises(PageError):
            check_pages(memoryview(raw))


@pytest.mark.parametrize("at", [pytest.param(0, id="record, or page of a branch"), pytest.param(6, id="key")])
def test_a_size_that_leads_past_the_page_is_refused(tmp_path: Path, at: int) -> None:
    """In the first node of every page."""
    original = sealed(tmp_path, 500)
    for page in range(2, len(original) // PAGE):
        (offset,) = struct.unpack_from("<H", original, page * PAGE + 16)
        raw = bytearray(original)
        struct.pack_into("<H", raw, page * PAGE + offset + at, 0xFFF0)
        with pytest.raises(PageError):
            check_pages(memoryview(raw))


def test_a_record_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A table within a table, or sorted duplicates, are never written: the flags of the first node of every page."""
    original = sealed(tmp_path, 500)
    for page in range(2, len(original) // PAGE):
        (offset,) = struct.unpack_from("<H", original, page * PAGE + 16)
        for flags in (4, 6, 8):
            raw = bytearray(original)
            struct.pack_into("<H", raw, page * PAGE + offset + 4, flags)
            with pytest.raises(PageError):
                check_pages(memoryview(raw))


def test_an_overflow_run_past_the_file_is_refused(tmp_path: Path) -> None:
    """A large record lies on as many pages as it needs, and they are there."""
    raw = bytearray(sealed(tmp_path, 1, payload_bytes=50_000))
    (page,) = [p for p in range(2, len(raw) // PAGE) if raw[p * PAGE + 8 : p * PAGE + 12] == b"\0\0\4\0"][:1]
    for n_pages in (0, 1, 1000, 2**31):
        struct.pack_into("<I", raw, page * PAGE + 12, n_pages)
        with pytest.raises(PageError, match="overflow run"):
            check_pages(memoryview(raw))
