"""What every embedder is: texts in, unit vectors out, the same text always the same vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from semcache.core.vectors import FloatRows

MAX_CHARS_PER_TOKEN = 64
"""A text of more characters than this a token is taken for too long without being tokenised."""


class Embedder(Protocol):
    """An encoder that is loaded and ready. Safe to share between threads."""

    @property
    def fingerprint(self) -> str:
        """Digest of everything that changes the output."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def max_tokens(self) -> int:
        """Longest text that is embedded."""

    def count_tokens(self, text: str) -> int:
        """Return the text's length in tokens; a bound above `max_tokens` where it is far too long."""

    def embed(self, texts: Sequence[str]) -> FloatRows:
        """Return (n, dim) float32 unit rows. One text, one vector: whatever stands beside it in the batch.

        A text of more than `max_tokens` tokens is never cut, and one with a word that is not in the vocabulary is
        never embedded (all such words are one token, so two texts would get the same vector): their rows are zero.
        """
