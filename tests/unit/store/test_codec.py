from __future__ import annotations

import random
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard

from semcache.store import codec
from semcache.store.codec import CodecError, ValueCodec, pack_frame, train_dictionary, unpack_frame

SAMPLES = [f"Answer {i}: write the spec of feature {i % 7} first, then plan it.\n".encode() * 8 for i in range(64)]
MAGIC = b"\x28\xb5\x2f\xfd"
BOMB = MAGIC + b"\xa0" + (1 << 30).to_bytes(4, "little") + b"\x03\x00\x00\x00"
"""A frame of 13 bytes: one segment that declares 1 GB, one repeated byte."""
NO_SIZE = MAGIC + b"\x00\x58" + b"\x09\x00\x00a"
"""A frame that does not say how long its content is."""


@pytest.mark.parametrize("dictionary", [b"", b"some text that is repeated in values"])
@pytest.mark.parametrize("value", [b"", b"a", b"some text that is repeated in values, twice", bytes(100_000)])
def test_a_value_survives_the_round_trip(value: bytes, dictionary: bytes) -> None:
    """What was compressed comes back, with a dictionary and without."""
    codec = ValueCodec(dictionary)
    assert codec.decompress(codec.compress(value)) == value


def test_a_view_is_decompressed_like_bytes() -> None:
    """Values are read from a map, as views."""
    codec = ValueCodec(b"")
    assert codec.decompress(memoryview(codec.compress(b"hello"))) == b"hello"


def test_a_trained_dictionary_makes_values_smaller() -> None:
    """That is what it is for: short values have little to refer back to."""
    trained = train_dictionary(SAMPLES)
    value = b"Answer 99: write the spec of feature 3 first, then plan it.\n"
    assert len(ValueCodec(trained).compress(value)) < len(ValueCodec(b"").compress(value)) / 2


def test_a_trained_dictionary_is_the_same_every_time() -> None:
    """The same corpus gives the same bundle."""
    trained = train_dictionary(SAMPLES)
    assert trained == train_dictionary(SAMPLES) != b""


def test_the_least_to_learn_from_gives_a_dictionary() -> None:
    """Sixteen samples of 8 KiB together."""
    samples = [sample.ljust(512, b".")[:512] for sample in SAMPLES[:16]]
    assert train_dictionary(samples) != b""
    assert train_dictionary([*samples[:15], samples[15][:-8]]) == b""


def test_a_dictionary_has_64_kib_at_most() -> None:
    """However large the corpus is."""
    noise = random.Random(0)
    assert len(train_dictionary([noise.randbytes(10_000) for _ in range(64)])) == 65_536


def test_a_frame_does_not_name_its_dictionary() -> None:
    """There is one a bundle: four bytes a value are saved."""
    frame = ValueCodec(train_dictionary(SAMPLES)).compress(SAMPLES[0])
    assert zstandard.get_frame_parameters(frame).dict_id == 0


@pytest.mark.parametrize("samples", [[], [b"a" * 100_000] * 15, [b"short"] * 64, [b""] * 64])
def test_too_little_to_learn_from_gives_no_dictionary(samples: list[bytes]) -> None:
    """Few or short samples are no error."""
    assert train_dictionary(samples) == b""


def test_samples_that_cannot_be_trained_on_give_no_dictionary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where zstandard refuses, values are compressed without a dictionary."""

    def refuse(*_: object, **__: object) -> None:
        raise zstandard.ZstdError

    monkeypatch.setattr(zstandard, "train_dictionary", refuse)
    assert train_dictionary(SAMPLES) == b""


def test_a_frame_that_declares_a_gigabyte_is_refused_unread() -> None:
    """A bomb costs nothing but its header."""
    message = "content size: found 1073741824, allowed 0 to 67108864"
    with pytest.raises(CodecError, match=f"^{re.escape(message)}$"):
        ValueCodec(b"").decompress(BOMB)


def test_the_largest_value_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound itself is within."""
    monkeypatch.setattr(codec, "MAX_VALUE_BYTES", 10)
    values = ValueCodec(b"")
    assert values.decompress(values.compress(b"0123456789")) == b"0123456789"


def test_a_value_above_the_largest_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte more is too much."""
    monkeypatch.setattr(codec, "MAX_VALUE_BYTES", 10)
    values = ValueCodec(b"")
    with pytest.raises(CodecError, match="found 11, allowed 0 to 10"):
        values.decompress(values.compress(b"0123456789a"))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"a",
        b"plain text, never compressed",
        MAGIC,
        NO_SIZE,
        ValueCodec(b"").compress(b"hello hello hello")[:-3],
        MAGIC + b"\x20\x05" + b"\xff" * 20,
    ],
)
def test_foreign_bytes_are_a_codec_error(frame: bytes) -> None:
    """Whatever the bytes are, no error of the library leaves the file."""
    with pytest.raises(CodecError):
        ValueCodec(b"").decompress(frame)


def test_a_frame_that_unpacks_to_more_than_it_declares_is_refused() -> None:
    """The declared size is what was checked, so it must be the true one."""
    frame = bytearray(ValueCodec(b"").compress(b"0123456789"))
    assert frame[5] == 10
    frame[5] = 9
    with pytest.raises(CodecError):
        ValueCodec(b"").decompress(bytes(frame))


def test_a_damaged_dictionary_is_a_codec_error() -> None:
    """A dictionary that zstandard cannot load fails as a value that cannot be read, not as a foreign error."""
    damaged = b"\x37\xa4\x30\xec" + b"garbage" * 20
    with pytest.raises(CodecError):
        ValueCodec(damaged).decompress(ValueCodec(b"").compress(b"hello"))


def test_one_codec_serves_many_threads() -> None:
    """Contexts are not shared between threads: every value comes back as itself."""
    shared = ValueCodec(train_dictionary(SAMPLES))
    with ThreadPoolExecutor(4) as pool:
        back = list(pool.map(lambda value: shared.decompress(shared.compress(value)), SAMPLES * 20))
    assert back == SAMPLES * 20


@pytest.mark.parametrize("level", [1, 9])
@pytest.mark.parametrize("raw", [b"a", b"some text", bytes(300_000), random.Random(1).randbytes(300_000)])
def test_a_frame_gives_back_what_was_packed(raw: bytes, level: int) -> None:
    """Whatever it is, at each level."""
    assert unpack_frame(pack_frame(raw, level=level), raw_bytes=len(raw)) == raw


def test_a_frame_is_the_same_every_time() -> None:
    """What is published again has the name it had."""
    assert pack_frame(b"abc" * 1000, level=9) == pack_frame(b"abc" * 1000, level=9)


def test_a_frame_says_its_size_and_has_a_checksum() -> None:
    """So that it can be bounded before it is unpacked, and checked after."""
    head = zstandard.get_frame_parameters(pack_frame(b"0123456789", level=9))
    assert (head.content_size, head.has_checksum) == (10, True)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (BOMB, "content size: found 1073741824, allowed 10"),
        (NO_SIZE, "content size: found none, allowed 10"),
        (pack_frame(b"0123456789a", level=9), "content size: found 11, allowed 10"),
        (pack_frame(b"012345678", level=9), "content size: found 9, allowed 10"),
    ],
)
def test_a_frame_of_another_size_is_refused_unread(frame: bytes, message: str) -> None:
    """Larger, smaller, or silent about it."""
    with pytest.raises(CodecError, match=f"^{re.escape(message)}$"):
        unpack_frame(frame, raw_bytes=10)


def test_a_frame_that_wants_a_large_window_is_refused_unread() -> None:
    """A window is memory too: ten bytes need none of 2 GB."""
    frame = MAGIC + b"\x40" + b"\xa8" + (10).to_bytes(2, "little") + pack_frame(b"0123456789", level=1)[6:]
    with pytest.raises(CodecError, match=r"^window: found 2147483648, allowed 0 to 1024$"):
        unpack_frame(frame, raw_bytes=266)


@pytest.mark.parametrize(
    "frame",
    [
        *(b"", b"plain text", MAGIC),
        pack_frame(b"0123456789", level=9)[:-1],
        pack_frame(b"0123456789", level=9) + b"x",
        pack_frame(b"0123456789", level=9) * 2,
        b"\x50\x2a\x4d\x18\x0a\x00\x00\x00" + bytes(10),
    ],
    ids=["empty", "text", "magic", "cut", "one byte more", "two frames", "skippable"],
)
def test_what_is_not_one_whole_frame_is_refused(frame: bytes) -> None:
    """Nothing may hide behind it."""
    with pytest.raises(CodecError):
        unpack_frame(frame, raw_bytes=10)


def test_a_frame_whose_content_was_changed_is_refused() -> None:
    """By its checksum."""
    frame = bytearray(pack_frame(b"0123456789", level=9))
    assert frame[-5:-4] == b"9"
    frame[-5:-4] = b"8"
    with pytest.raises(CodecError):
        unpack_frame(bytes(frame), raw_bytes=10)
