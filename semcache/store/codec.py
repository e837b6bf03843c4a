"""zstandard: values, with a dictionary trained on the corpus and contexts that are reused a thread; whole frames."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import zstandard

MAX_VALUE_BYTES = 64 << 20
DICTIONARY_BYTES = 64 << 10
_LEVEL = 12
_MIN_SAMPLES = 16
_MIN_WINDOW_BYTES = 1 << 10


class CodecError(ValueError):
    """The bytes are not what this codec wrote."""


def train_dictionary(samples: Sequence[bytes]) -> bytes:
    """Train a dictionary on values. Deterministic. Empty where there is too little to learn from."""
    size = min(DICTIONARY_BYTES, sum(map(len, samples)) // 8)
    if len(samples) < _MIN_SAMPLES or size < 1024:
        return b""
    try:
        return zstandard.train_dictionary(size, list(samples), level=_LEVEL, threads=1).as_bytes()
    except zstandard.ZstdError:
        return b""


class ValueCodec:
    """Compresses and decompresses single values with one dictionary. Safe to share between threads."""

    def __init__(self, dictionary: bytes) -> None:
        self._dictionary = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
        self._local = threading.local()

    def compress(self, value: bytes) -> bytes:
        """Return one zstd frame with its content size."""
        if not hasattr(self._local, "compressor"):
            self._local.compressor = zstandard.ZstdCompressor(
                level=_LEVEL, dict_data=self._dictionary, write_dict_id=False, write_content_size=True
            )
        frame: bytes = self._local.compressor.compress(value)
        return frame

    def decompress(self, frame: memoryview | bytes) -> bytes:
        """Return the value of one frame.

        Raises:
            CodecError: not a frame of this dictionary, no dictionary, or more than 64 MiB once unpacked.
        """
        try:
            if not hasattr(self._local, "decompressor"):
                self._local.decompressor = zstandard.ZstdDecompressor(dict_data=self._dictionary)
            declared = zstandard.frame_content_size(frame)
            if not 0 <= declared <= MAX_VALUE_BYTES:
                msg = f"content size: found {declared}, allowed 0 to {MAX_VALUE_BYTES}"
                raise CodecError(msg)
            value: bytes = self._local.decompressor.decompress(frame)
        except zstandard.ZstdError as error:
            raise CodecError(str(error)) from error
        return value


def pack_frame(raw: bytes, *, level: int) -> bytes:
    """Return one zstd frame with content size and checksum. The same bytes every time, for a version of zstandard."""
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=True)
    frame: bytes = compressor.compress(raw)
    return frame


def unpack_frame(frame: bytes, *, raw_bytes: int) -> bytes:
    """Return the content of one frame, which must be all of the bytes and have the size that is stated, 1 or more.

    No more than that size is ever allocated for it, beside a window of no more than the size rounded up.

    Raises:
        CodecError: no frame, another size, bytes after its end, or a wrong checksum.
    """
    try:
        head = zstandard.get_frame_parameters(frame)
        if head.content_size != raw_bytes:
            msg = f"content size: found {_shown_size(head.content_size)}, allowed {raw_bytes}"
            raise CodecError(msg)
        window_bytes = max(1 << raw_bytes.bit_length(), _MIN_WINDOW_BYTES)
        if head.window_size > window_bytes:
            msg = f"window: found {head.window_size}, allowed 0 to {window_bytes}"
            raise CodecError(msg)
        decompressor = zstandard.ZstdDecompressor(max_window_size=window_bytes)
        raw: bytes = decompressor.decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise CodecError(str(error)) from error
    if len(raw) != raw_bytes:  # a frame that zstandard skips
        msg = f"content: found {len(raw)} bytes, allowed {raw_bytes}"
        raise CodecError(msg)
    return raw


def _shown_size(size: int) -> str:
    return "none" if size == zstandard.CONTENTSIZE_UNKNOWN else str(size)
