"""Where an ONNX graph keeps its weights, read from its bytes before onnxruntime reads them.

A graph may name any file, any place in one, and (to onnxruntime) an address in memory as the home of a tensor. Ours
name one file beside the graph and places within it; everything else is refused here. A walk over the protocol
buffer's fields that can hold a tensor, so that lookups need no onnx package.

Source: onnx/onnx.proto (ModelProto to TensorProto); protobuf.dev, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BYTES = 10
_MAX_DEPTH = 64
_HOLDS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
"""Message: its fields that lead to tensors, and what they are."""
_EXTERNAL_DATA = 13
_KEY, _VALUE = 1, 2
_PLACE = {b"location", b"offset", b"length"}


def check_external_weights(graph: bytes, *, file: str, size_bytes: int) -> None:
    """Hold every tensor that is kept outside the graph against the one file that may keep it.

    Args:
        graph: the bytes of model.onnx.
        file: the only location allowed.
        size_bytes: of that file.

    Raises:
        ValueError: a tensor lies elsewhere or beyond the file's end, or this is no ONNX graph.
    """
    for place in _external(memoryview(graph), "model", 0):
        if place.keys() != _PLACE or place[b"location"] != file.encode():
            msg = f"a tensor is kept at {_shown(place)}, allowed location, offset and length in {file}"
            raise ValueError(msg)
        if not (place[b"offset"].isdigit() and place[b"length"].isdigit()):
            msg = f"a tensor is kept at {_shown(place)}, allowed numbers"
            raise ValueError(msg)
        end = int(place[b"offset"]) + int(place[b"length"])
        if end > size_bytes:
            msg = f"a tensor ends at {end} in {file}, which has {size_bytes} bytes"
            raise ValueError(msg)


def _shown(place: dict[bytes, bytes]) -> str:
    return ", ".join(f"{key[:40]!r}: {value[:200]!r}" for key, value in sorted(place.items()))


def _external(message: memoryview, kind: str, depth: int) -> Iterator[dict[bytes, bytes]]:
    """Yield what every external tensor below a message says about its place."""
    if depth > _MAX_DEPTH:
        msg = f"graphs nested deeper than {_MAX_DEPTH} messages"
        raise ValueError(msg)
    if kind == "tensor":
        entries = [dict(_fields(entry)) for field, entry in _fields(message) if field == _EXTERNAL_DATA]
        place = {bytes(entry.get(_KEY, b"")): bytes(entry.get(_VALUE, b"")) for entry in entries}
        if len(place) != len(entries):
            msg = f"a tensor states its place twice: {_shown(place)}"
            raise ValueError(msg)
        if entries:
            yield place
        return
    inner = _HOLDS[kind]
    for field, value in _fields(message):
        if field in inner:
            yield from _external(value, inner[field], depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of every field that has one of stated length; the others are numbers."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        wire = tag & 7
        if wire == _BYTES:
            length, at = _varint(message, at)
            if length > end - at:
                raise ValueError("not an ONNX graph: a field ends beyond its message")
            yield tag >> 3, message[at : at + length]
            at += length
        elif wire == _VARINT:
            _, at = _varint(message, at)
        elif wire in _FIXED_BYTES:
            at += _FIXED_BYTES[wire]
        else:
            msg = f"not an ONNX graph: wire type {wire}"
            raise ValueError(msg)


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    value = 0
    for i, byte in enumerate(message[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:  # the high bit says: more follows
            return value, at + i + 1
    raise ValueError("not an ONNX graph: a number without an end")
