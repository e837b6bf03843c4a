from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest

from semcache.bundle.records import (
    RecordError,
    number_key,
    pack_entry,
    pack_rows,
    pack_value,
    pack_variant,
    unpack_entry,
    unpack_rows,
    unpack_value,
    unpack_variant,
)
from semcache.types import VariantKind


@pytest.mark.parametrize(("number", "key"), [(0, "00000000"), (1, "00000001"), (258, "00000102"), (2**32 - 1, "f" * 8)])
def test_a_number_is_a_key_of_four_bytes(number: int, key: str) -> None:
    """Big-endian, as on disk."""
    assert number_key(number).hex() == key


def test_keys_sort_as_their_numbers() -> None:
    """LMDB sorts bytes; records must come in order of their numbers."""
    numbers = [0, 1, 255, 256, 65_535, 65_536, 2**31]
    assert sorted(number_key(number) for number in reversed(numbers)) == [number_key(number) for number in numbers]


@pytest.mark.parametrize(("rows", "payload"), [((7,), "07000000"), ((1, 258), "0100000002010000")])
def test_rows_are_packed_little_endian(rows: tuple[int, ...], payload: str) -> None:
    """As on disk, both directions."""
    assert pack_rows(rows).hex() == payload
    assert unpack_rows(bytes.fromhex(payload)) == rows


@pytest.mark.parametrize(("is_compressed", "value_type", "head"), [(False, "text", 0), (True, "json", 0x0101)])
def test_a_value_has_a_head_of_four_bytes(
    *, is_compressed: bool, value_type: Literal["text", "json"], head: int
) -> None:
    """Codec, type, and two bytes of zero, as on disk; both directions."""
    payload = pack_value(b"answer", is_compressed=is_compressed, value_type=value_type)
    assert payload == head.to_bytes(4, "little") + b"answer"
    content, *kind = unpack_value(memoryview(payload))
    assert (bytes(content), kind) == (b"answer", [is_compressed, value_type])


def test_a_value_is_read_without_a_copy() -> None:
    """Its content is a part of the view that was given."""
    payload = memoryview(pack_value(b"answer", is_compressed=False, value_type="text"))
    assert unpack_value(payload)[0].obj is payload.obj


def test_an_empty_value_is_a_value() -> None:
    """A head and nothing after it."""
    assert bytes(unpack_value(memoryview(bytes(4)))[0]) == b""


def test_an_entry_is_its_id_and_its_metadata() -> None:
    """Parted by the first zero byte, as on disk; both directions."""
    assert pack_entry("caf\u00e9", b'{"a":1}') == b'caf\xc3\xa9\0{"a":1}'
    assert unpack_entry(b'caf\xc3\xa9\0{"a":"\0"}') == ("caf\u00e9", b'{"a":"\0"}')


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (VariantKind.QUERY, b"\x00caf\xc3\xa9"),
        (VariantKind.PARAPHRASE, b"\x01caf\xc3\xa9"),
        (VariantKind.GUARD, b"\x02caf\xc3\xa9"),
        (VariantKind.RULE, b"\x03caf\xc3\xa9"),
        (VariantKind.LLM, b"\x04caf\xc3\xa9"),
    ],
)
def test_a_variant_is_its_kind_and_its_text(kind: VariantKind, payload: bytes) -> None:
    """As on disk, both directions."""
    assert pack_variant(kind, "caf\u00e9") == payload
    assert unpack_variant(payload) == (kind, "caf\u00e9")


@pytest.mark.parametrize(
    ("unpack", "payload", "message"),
    [
        (unpack_rows, b"", "^0 bytes of rows$"),
        (unpack_rows, b"abc", "^3 bytes of rows$"),
        (unpack_rows, b"abcde", "^5 bytes of rows$"),
        (unpack_entry, b"", "^entry "),
        (unpack_entry, b"id only", "^entry "),
        (unpack_variant, b"", "^variant "),
        (unpack_variant, b"\0", "^variant "),
        (unpack_variant, b"\x05text", "^variant .*05"),
        (unpack_variant, b"\0\0\0\0answer", "^variant "),
        (unpack_variant, b"\0ab\0", "^variant "),
        (unpack_entry, b"\0{}", "^entry "),
        (unpack_entry, b"id\0text", "^entry "),
    ],
)
def test_a_payload_of_no_form_is_a_record_error(
    unpack: Callable[[bytes], object], payload: bytes, message: str
) -> None:
    """Only what a writer gives is read."""
    with pytest.raises(RecordError, match=message):
        unpack(payload)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "^0 bytes of value$"),
        (b"\0\0\0", "^3 bytes of value$"),
        (b"\2\0\0\0", "^value head 2, 0, 0$"),
        (b"\0\2\0\0", "^value head 0, 2, 0$"),
        (b"\0\0\1\0", "^value head 0, 0, 1$"),
    ],
)
def test_a_value_with_another_head_is_a_record_error(payload: bytes, message: str) -> None:
    """An unknown codec or type is never guessed."""
    with pytest.raises(RecordError, match=message):
        unpack_value(memoryview(payload))


@pytest.mark.parametrize(("unpack", "payload"), [(unpack_entry, b"\xff\0{}"), (unpack_variant, b"\0\xff")])
def test_a_text_that_is_not_utf_8_is_a_decode_error(unpack: Callable[[bytes], object], payload: bytes) -> None:
    """The reader turns it into corruption."""
    with pytest.raises(UnicodeDecodeError):
        unpack(payload)
