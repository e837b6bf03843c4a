"""A small deterministic embedder without a model: hashed words and letter trigrams.

It knows no meaning, only shared letters. It serves tests, the golden bundle and trying the format out; never
serve answers on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from semcache.core.text import normalise
from semcache.core.vectors import FloatRows, unit_rows
from semcache.embed.base import MAX_CHARS_PER_TOKEN
from semcache.embed.encoder_dir import EncoderSpec

HASHING_SPEC = EncoderSpec(kind="hashing", name="hashing", dim=64, max_tokens=256)


class HashingEmbedder:
    """See the module. Stateless, so it is safe to share between threads and across fork."""

    def __init__(self, spec: EncoderSpec = HASHING_SPEC) -> None:
        self._spec = spec

    @property
    def fingerprint(self) -> str:
        """Digest of the spec."""
        return self._spec.fingerprint

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._spec.dim

    @property
    def max_tokens(self) -> int:
        """Longest text that is embedded, in words."""
        return self._spec.max_tokens

    def count_tokens(self, text: str) -> int:
        """Return the number of words, or a bound above `max_tokens` for a text that is far too long."""
        if len(text) > self.max_tokens * MAX_CHARS_PER_TOKEN:
            return self.max_tokens + 1
        return len(text.split())

    def embed(self, texts: Sequence[str]) -> FloatRows:
        """Return (n, dim) float32 unit rows; zero for a text that is too long."""
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            if self.count_tokens(text) <= self.max_tokens:
                for feature in _features(normalise(text)):
                    place, sign = _bucket(feature, self.dim)
                    row[place] += sign
        return unit_rows(rows)


def _features(text: str) -> Iterator[str]:
    for word in text.split():
        yield word
        padded = f"<{word}>"
        yield from (padded[i : i + 3] for i in range(len(padded) - 2))


@lru_cache(maxsize=65_536)
def _bucket(feature: str, dim: int) -> tuple[int, float]:
    number = int.from_bytes(blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest(), "little")
    return (number >> 1) % dim, 1.0 if number & 1 else -1.0
