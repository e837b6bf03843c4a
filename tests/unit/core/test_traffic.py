from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from semcache.core.traffic import DroppedLookups, RecordedLookup, pack, parse, recordable_name, recordable_text
from semcache.types import Kind, Reason

HIT = RecordedLookup(
    time=1700000000,
    bundle_id="ab" * 8,
    namespace="web",
    hit=True,
    reason=None,
    entry_id="login/add",
    kind=Kind.EXACT,
    score=1.0,
    confidence=1.0,
    text="add login page",
)
MISS = RecordedLookup(
    time=1700000001,
    bundle_id="ab" * 8,
    namespace=None,
    hit=False,
    reason=Reason.EMPTY,
    entry_id=None,
    kind=None,
    score=None,
    confidence=None,
    text_hash="cd" * 16,
)


def changed(**fields: Any) -> bytes:
    """Give the line of a hit with other fields."""
    return json.dumps({**json.loads(pack(HIT)), **fields}).encode()


def test_a_line_is_one_json_object() -> None:
    """With every field, whether it says something or not."""
    assert pack(HIT) == (
        b'{"time":1700000000,"bundle_id":"abababababababab","namespace":"web","hit":true,'
        b'"reason":null,"entry_id":"login/add","kind":"exact","score":1.0,"confidence":1.0,'
        b'"text":"add login page","text_hash":null}\n'
    )


@pytest.mark.parametrize("recorded", [HIT, MISS, DroppedLookups(1700000002, 17)])
def test_what_is_packed_is_read_back(recorded: RecordedLookup | DroppedLookups) -> None:
    """Types and all."""
    assert parse(pack(recorded)) == recorded


def test_what_is_not_unicode_is_left_out() -> None:
    """The rest of the line is worth having."""
    surrogates = replace(MISS, namespace="\udc80", text="a\ud800", reason=Reason.INVALID_TEXT)
    found = parse(pack(surrogates))
    assert isinstance(found, RecordedLookup)
    assert (found.namespace, found.text, found.reason) == (None, None, Reason.INVALID_TEXT)


def test_a_text_that_is_too_long_is_not_cut() -> None:
    """Two long texts with one beginning are not one question."""
    assert [recordable_text("a" * 4096), recordable_text("a" * 4097)] == ["a" * 4096, None]


def test_only_what_may_be_a_namespace_is_kept() -> None:
    """A caller may pass anything on."""
    assert [recordable_name(None), recordable_name("w" * 64), recordable_name("w" * 65)] == [None, "w" * 64, None]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"{",
        b"[]",
        b"17",
        b"null",
        b"\xff{}",
        b"{}",
        pack(HIT)[:-2],
        changed(time="now"),
        changed(time=-1),
        changed(time=1 << 34),
        changed(time=True),
        changed(hit=1),
        changed(reason="tired"),
        changed(kind="new"),
        changed(text=7),
        changed(score="1"),
        b'{"time": 1, "n_dropped": "many"}',
    ],
)
def test_what_is_no_line_is_none(raw: bytes) -> None:
    """A kill may cut a line off anywhere, and a file may hold anything."""
    assert parse(raw) is None


def test_fields_of_a_later_version_are_passed_over() -> None:
    """An older program reads what a newer one recorded."""
    assert parse(changed(user="7")) == HIT
