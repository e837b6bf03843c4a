"""Vectors of a set's texts, kept in a folder by set and encoder, so that a run embeds nothing twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.retrieval import Floats
from semcache.embed.base import Embedder
from semcache.embed.registry import load_embedder

BLOCK_TEXTS = 512


@dataclass(slots=True)
class Vectors:
    """Embeds with one encoder, through the folder.

    Attributes:
        cache_dir: holds <set>.<fingerprint>.npz: `texts` (JSON in bytes) and float16 `vectors`. Safe to delete.
        encoder_dir: an exported encoder; its name is the fingerprint. Loaded only when a text is not in the folder.
    """

    cache_dir: Path
    encoder_dir: Path

    def of(self, name: str, texts: Sequence[str]) -> Floats:
        """Return (n, dim) float32 unit rows of the texts of a set; zero rows where a text cannot be embedded.

        Rounded to float16 and normalised again, whether from the folder or not: a second run finds the same.
        """
        path = self.cache_dir / f"{name}.{self.encoder_dir.name}.npz"
        kept_texts, kept = _read(path)
        rows = {text: row for row, text in enumerate(kept_texts)}
        missing = [text for text in dict.fromkeys(texts) if text not in rows]
        if missing:
            new = _embed(self._embedder(), missing).astype(np.float16)
            kept = np.concatenate([kept.reshape(len(kept_texts), new.shape[1]), new])
            kept_texts += missing
            self.cache_dir.mkdir(parents=True, exist_ok=True)
            np.savez(path, texts=np.frombuffer(json.dumps(kept_texts).encode(), np.uint8), vectors=kept)
            rows = {text: row for row, text in enumerate(kept_texts)}
        return unit_rows(kept[[rows[text] for text in texts]].astype(np.float32))

    def _embedder(self) -> Embedder:
        return load_embedder(self.encoder_dir, n_threads=2)


def unit_rows(rows: Floats) -> Floats:
    """Return the rows with length 1; zero rows stay zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    result: Floats = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return result


def _read(path: Path) -> tuple[list[str], np.ndarray[tuple[int, ...], np.dtype[np.float16]]]:
    if not path.exists():
        return [], np.empty((0, 0), np.float16)
    with np.load(path, allow_pickle=False) as file:
        return json.loads(file["texts"].tobytes()), file["vectors"]


def _embed(embedder: Embedder, texts: Sequence[str]) -> Floats:
    """Embed in blocks of texts of like length: padding is what a block costs."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    vectors = np.zeros((len(texts), embedder.dim), np.float32)
    for start in range(0, len(order), BLOCK_TEXTS):
        block = order[start : start + BLOCK_TEXTS]
        vectors[block] = embedder.embed([texts[i] for i in block])
    return vectors
