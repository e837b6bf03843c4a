"""An embedder that remembers: what any build of a root has embedded before is read, not computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

import numpy as np

from semcache.core.vectors import FloatRows
from semcache.embed.base import Embedder
from semcache.store.lmdb_vectors import VectorStore


class KeptEmbedder:
    """Gives the vectors of another embedder, computing each text once. Safe to share between threads.

    Attributes:
        n_computed, n_kept: texts that were embedded, and that were known.
    """

    def __init__(self, embedder: Embedder, store: VectorStore) -> None:
        """Take the embedder and what is known of it."""
        self._embedder, self._store = embedder, store
        self.n_computed = self.n_kept = 0

    @property
    def fingerprint(self) -> str:
        """Digest of everything that changes the output."""
        return self._embedder.fingerprint

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._embedder.dim

    @property
    def max_tokens(self) -> int:
        """Longest text that is embedded."""
        return self._embedder.max_tokens

    def count_tokens(self, text: str) -> int:
        """Return the text's length in tokens."""
        return self._embedder.count_tokens(text)

    def embed(self, texts: Sequence[str]) -> FloatRows:
        """As `Embedder.embed`."""
        keys = [blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts]
        found = self._store.get(keys)
        missing = [place for place, vector in enumerate(found) if vector is None]
        if missing:
            computed = self._embedder.embed([texts[place] for place in missing])
            self._store.put((keys[place], vector) for place, vector in zip(missing, computed, strict=True))
            for place, vector in zip(missing, computed, strict=True):
                found[place] = vector
        self.n_computed, self.n_kept = self.n_computed + len(missing), self.n_kept + len(texts) - len(missing)
        return np.stack([vector for vector in found if vector is not None]) if texts else self._embedder.embed(texts)


@contextmanager
def keeping(embedder: Embedder, path: Path) -> Iterator[Embedder]:
    """Give an embedder that remembers in a file; the plain one where the file cannot be used, or is in use here."""
    try:
        store = VectorStore(path, dim=embedder.dim)
    except OSError:
        yield embedder
        return
    try:
        yield KeptEmbedder(embedder, store)
    finally:
        store.close()
