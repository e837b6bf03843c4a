"""Payloads of the records in values.mdb, both directions. Constants here reach the disk (FORMAT.md)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Literal

from semcache.types import VariantKind

number_key = struct.Struct(">I").pack
"""Return the key of an entry, an answer or a row: 4 bytes, big-endian, so that they sort by number."""
_ROW = struct.Struct("<I")
_VALUE_HEAD = struct.Struct("<BBH")
_RAW, _ZSTD = 0, 1
_VALUE_TYPES: tuple[Literal["text", "json"], ...] = ("text", "json")
_VARIANT_KINDS = (
    *(VariantKind.QUERY, VariantKind.PARAPHRASE, VariantKind.GUARD),
    *(VariantKind.RULE, VariantKind.LLM),
)


class RecordError(ValueError):
    """A payload has a form that no writer of this format gives it."""


def pack_rows(rows: Iterable[int]) -> bytes:
    """Pack the rows under an exact key: 4 bytes each, little-endian."""
    numbers = list(rows)
    return struct.pack(f"<{len(numbers)}I", *numbers)


def unpack_rows(payload: bytes) -> tuple[int, ...]:
    """Read what `pack_rows` wrote."""
    if len(payload) == _ROW.size:
        return _ROW.unpack(payload)
    if not payload or len(payload) % _ROW.size:
        msg = f"{len(payload)} bytes of rows"
        raise RecordError(msg)
    return struct.unpack(f"<{len(payload) // 4}I", payload)


def pack_value(content: bytes, *, is_compressed: bool, value_type: Literal["text", "json"]) -> bytes:
    """Pack a value: codec (1 byte), type (1), zero (2), then its bytes."""
    head = _VALUE_HEAD.pack(_ZSTD if is_compressed else _RAW, _VALUE_TYPES.index(value_type), 0)
    return head + content


DEAD_ANSWER = pack_value(b"", is_compressed=False, value_type="text")
"""Stands in the place of a dead answer, so that an answer's place in its table is its number."""


def unpack_value(payload: memoryview) -> tuple[memoryview, bool, Literal["text", "json"]]:
    """Read what `pack_value` wrote, without a copy: content, whether it is compressed, type."""
    if len(payload) < _VALUE_HEAD.size:
        msg = f"{len(payload)} bytes of value"
        raise RecordError(msg)
    codec, value_type, zero = _VALUE_HEAD.unpack_from(payload)
    if codec not in (_RAW, _ZSTD) or value_type >= len(_VALUE_TYPES) or zero:
        msg = f"value head {codec}, {value_type}, {zero}"
        raise RecordError(msg)
    return payload[_VALUE_HEAD.size :], codec == _ZSTD, _VALUE_TYPES[value_type]


def pack_entry(entry_id: str, metadata_json: bytes) -> bytes:
    """Pack an entry: its id, a zero byte, its metadata as JSON."""
    return entry_id.encode("utf-8") + b"\0" + metadata_json


def unpack_entry(payload: bytes) -> tuple[str, bytes]:
    """Read what `pack_entry` wrote."""
    entry_id, _, metadata = payload.partition(b"\0")
    if not entry_id or not metadata.startswith(b"{"):  # true of no payload of another table
        msg = "entry without an id, or without metadata"
        raise RecordError(msg)
    return entry_id.decode(), metadata


def pack_variant(kind: VariantKind, text: str) -> bytes:
    """Pack an indexed text: its kind (1 byte), then UTF-8."""
    return bytes((_VARIANT_KINDS.index(kind),)) + text.encode("utf-8")


def unpack_variant(payload: bytes) -> tuple[VariantKind, str]:
    """Read what `pack_variant` wrote."""
    if len(payload) < 2 or payload[0] >= len(_VARIANT_KINDS) or b"\0" in payload[1:4]:  # NUL: a value's head
        msg = f"variant that begins with {payload[:4].hex()}"
        raise RecordError(msg)
    return _VARIANT_KINDS[payload[0]], payload[1:].decode()
