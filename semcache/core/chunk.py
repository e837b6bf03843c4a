"""What a chunk is: a piece of what travels as one zstd frame, named by the sha256 of the frame's bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_CHUNK_BYTES = 128 << 20
"""The most a chunk may hold, packed or unpacked: 4,096 rows of 4,096 dimensions need a quarter of it."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """Names a chunk, and says what may be read for it. One that exists is within bounds.

    Attributes:
        sha256: of its bytes, the zstd frame; 64 hex digits.
        size_bytes: of the frame, 1 to 128 MiB.
        raw_bytes: of its content, 1 to 128 MiB.
    """

    sha256: str
    size_bytes: int
    raw_bytes: int

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            msg = f"sha256: found {self.sha256!r:.80}, allowed 64 hex digits"
            raise ValueError(msg)
        for name, value in (("size_bytes", self.size_bytes), ("raw_bytes", self.raw_bytes)):
            if type(value) is not int or not 1 <= value <= MAX_CHUNK_BYTES:
                msg = f"{name}: found {value!r:.80}, allowed 1 to {MAX_CHUNK_BYTES}"
                raise ValueError(msg)

    @property
    def path(self) -> str:
        """Where a remote has it."""
        return f"chunks/{self.sha256[:2]}/{self.sha256}"
