from __future__ import annotations

import re

import pytest

from semcache.core.chunk import ChunkRef

SHA256 = "0123456789abcdef" * 4


def test_a_chunk_stands_below_the_first_two_digits_of_its_name() -> None:
    """No folder of a remote holds all of them."""
    assert ChunkRef(SHA256, 10, 20).path == f"chunks/01/{SHA256}"


@pytest.mark.parametrize("name", ["", SHA256[:-1], SHA256 + "0", SHA256.upper(), "../" + SHA256[3:], SHA256 + "\n"])
def test_a_name_that_is_no_digest_makes_no_chunk(name: str) -> None:
    """It comes from a remote and becomes a path."""
    message = f"sha256: found {name!r}, allowed 64 hex digits"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ChunkRef(name, 10, 20)


@pytest.mark.parametrize("size", [1, 134_217_728])
def test_the_ends_of_the_range_of_sizes_are_within(size: int) -> None:
    """1 byte to 128 MiB, packed or unpacked."""
    ref = ChunkRef(SHA256, size, size)
    assert (ref.size_bytes, ref.raw_bytes) == (size, size)


@pytest.mark.parametrize("size", [0, -1, 134_217_729, 10.0, True])
@pytest.mark.parametrize("name", ["size_bytes", "raw_bytes"])
def test_a_size_outside_its_range_makes_no_chunk(name: str, size: int) -> None:
    """What may be allocated for a chunk is bounded before any of it is there."""
    sizes = {"size_bytes": 10, "raw_bytes": 20, name: size}
    with pytest.raises(ValueError, match=rf"^{name}: found {size}, allowed 1 to 134217728$"):
        ChunkRef(SHA256, **sizes)
