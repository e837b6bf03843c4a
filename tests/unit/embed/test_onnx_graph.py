from __future__ import annotations

import re

import pytest

from semcache.embed.onnx_graph import check_external_weights

PLACE = {b"location": b"model.weights", b"offset": b"64", b"length": b"36"}


def varint(value: int) -> bytes:
    """Give a number as protocol buffers write it."""
    head = b""
    while value > 127:
        head += bytes([value & 127 | 128])
        value >>= 7
    return head + bytes([value])


def field(number: int, content: bytes) -> bytes:
    """Give a field that holds bytes or a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(place: dict[bytes, bytes]) -> bytes:
    """Give a TensorProto of nine float32 that is kept outside the graph."""
    entries = b"".join(field(13, field(1, key) + field(2, value)) for key, value in place.items())
    return b"\x08\x09\x10\x01" + field(8, b"weight") + entries + b"\x70\x01"


def nested(content: bytes, *numbers: int) -> bytes:
    """Give a message within fields, the innermost number first."""
    for number in numbers:
        content = field(number, content)
    return content


WAYS = {
    "initializer": (5, 7),
    "constant": (5, 5, 1, 7),
    "list of constants": (10, 5, 1, 7),
    "branch": (5, 6, 5, 1, 7),
    "list of branches": (5, 11, 5, 1, 7),
    "sparse values": (1, 15, 7),
    "sparse indices": (2, 15, 7),
    "sparse constant": (1, 22, 5, 1, 7),
    "list of sparse constants": (1, 23, 5, 1, 7),
    "function": (5, 5, 7, 25),
    "function's default": (5, 11, 25),
    "training, first": (5, 1, 20),
    "training": (5, 2, 20),
}
"""Where a tensor can stand in a model: the fields from TensorProto up to ModelProto."""


@pytest.mark.parametrize("way", WAYS)
def test_a_tensor_in_the_file_of_weights_is_allowed(way: str) -> None:
    """To its last byte."""
    check_external_weights(nested(tensor(PLACE), *WAYS[way]), file="model.weights", size_bytes=100)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({b"location": b"../secret"}, "a tensor is kept at b'length': b'36', b'location': b'../secret', b'offset'"),
        ({b"location": b"*/_ORT_MEM_ADDR_/*"}, "a tensor is kept at"),
        ({b"location": b"./model.weights"}, "a tensor is kept at"),
        ({b"prepacked_0": b"a|0;64;h"}, "a tensor is kept at"),
        ({b"offset": b"-64"}, "allowed numbers"),
        ({b"length": b"0x10"}, "allowed numbers"),
        ({b"offset": b"65"}, "a tensor ends at 101 in model.weights, which has 100 bytes"),
        ({b"length": b"18446744073709551615"}, "a tensor ends at 18446744073709551679 in model.weights"),
    ],
)
def test_a_tensor_anywhere_else_is_refused(way: str, other: dict[bytes, bytes], message: str) -> None:
    """Wherever in the model it stands: no other file, no memory, no byte past the end."""
    graph = nested(tensor(PLACE | other), *WAYS[way])
    with pytest.raises(ValueError, match=re.escape(message)):
        check_external_weights(graph, file="model.weights", size_bytes=100)


@pytest.mark.parametrize("missing", PLACE)
def test_a_place_is_stated_whole(missing: bytes) -> None:
    """What is left out would be guessed by whoever reads it."""
    place = {key: value for key, value in PLACE.items() if key != missing}
    with pytest.raises(ValueError, match=r"^a tensor is kept at"):
        check_external_weights(nested(tensor(place), 5, 7), file="model.weights", size_bytes=100)


def test_a_place_is_stated_once() -> None:
    """Of two, readers may take either."""
    twice = tensor(PLACE) + field(13, field(1, b"location") + field(2, b"../secret"))
    with pytest.raises(ValueError, match=r"^a tensor states its place twice: "):
        check_external_weights(nested(twice, 5, 7), file="model.weights", size_bytes=100)


def test_tensors_inside_the_graph_need_no_file() -> None:
    """A small model has an empty file of weights."""
    inside = b"\x08\x01\x10\x01" + field(9, b"\0\0\x80\x3f")
    check_external_weights(nested(inside, 5, 7), file="model.weights", size_bytes=0)


def test_fields_that_hold_no_tensor_are_passed_over() -> None:
    """Numbers of all widths, names, and fields of a later ONNX."""
    other = b"\x08\x0a\x15\0\0\0\0\x19\0\0\0\0\0\0\0\0" + field(99, b"\xff\xff")
    check_external_weights(other + nested(tensor(PLACE), 5, 7), file="model.weights", size_bytes=100)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (b"\x3a\x05\x2a", "a field ends beyond its message"),
        (b"\x3a", "a number without an end"),
        (b"\x08" + b"\xff" * 11, "a number without an end"),
        (b"\x3b\x3c", "wire type 3"),
        (nested(b"", 5, *(6, 5, 1) * 40, 7), "nested deeper than 64"),
    ],
)
def test_what_is_no_graph_is_refused(graph: bytes, message: str) -> None:
    """Before onnxruntime sees it."""
    with pytest.raises(ValueError, match=message):
        check_external_weights(graph, file="model.weights", size_bytes=100)


@pytest.mark.parametrize("cut", range(1, 60, 3))
def test_a_cut_graph_is_refused_or_whole(cut: int) -> None:
    """Never another error."""
    graph = nested(tensor(PLACE), 5, 7)
    with pytest.raises(ValueError, match="ONNX graph"):
        check_external_weights(graph[:-cut], file="model.weights", size_bytes=100)
