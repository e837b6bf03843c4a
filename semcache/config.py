"""Frozen settings of each stage, with default, range and effect. Checked on construction.

What changes results is written into the manifest and read from there at lookup.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from semcache.errors import ConfigError

IndexChoice = Literal["auto", "flat", "ivf", "hnsw"]

DEFAULT_ROOT = "indexes"
DEFAULT_MODEL = "all-MiniLM-L6-v2"


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        msg = f"{name}: found {value}, allowed {low} to {high}"
        raise ConfigError(msg)


@dataclass(frozen=True, slots=True)
class BuildConfig:
    """How a bundle is built.

    Changes results:
        model: encoder to use: "all-MiniLM-L6-v2" (from the `minilm` extra), "package:NAME" for an installed
            package that carries weights, a local folder, a name sentence-transformers knows, or "hashing"
            (for tests: no meaning, only shared letters).
        index: "flat" is exact; "ivf" and "hnsw" are approximate and gated by recall; "auto" chooses by size.
        seed: of every random choice (k-means, samples). 0 to 2**31 - 1.
        threshold: least score of a semantic hit. 0 to 1.
        margin: least distance in score between a hit and the best different answer. 0 to 1.
        n_neighbours: rows that are looked at for a decision. 2 to 1024.
        min_recall_at_1, min_recall_at_10: the build fails below these. 0 to 1.
        compress: store values zstd-compressed with a trained dictionary (smaller; no longer zero-copy).

    Changes speed or memory:
        n_workers: threads that embed; 0 means one a core.
        batch_rows: texts in flight per worker. 16 to 65,536.
    """

    model: str = DEFAULT_MODEL
    index: IndexChoice = "auto"
    seed: int = 0
    threshold: float = 0.80
    margin: float = 0.10
    n_neighbours: int = 64
    min_recall_at_1: float = 0.99
    min_recall_at_10: float = 0.98
    compress: bool = False
    n_workers: int = 0
    batch_rows: int = 512

    def __post_init__(self) -> None:
        if self.index not in ("auto", "flat", "ivf", "hnsw"):
            msg = f"index: found {self.index!r}, allowed auto, flat, ivf or hnsw"
            raise ConfigError(msg)
        _check_range("seed", self.seed, 0, 2**31 - 1)
        _check_range("threshold", self.threshold, 0.0, 1.0)
        _check_range("margin", self.margin, 0.0, 1.0)
        _check_range("n_neighbours", self.n_neighbours, 2, 1024)
        _check_range("min_recall_at_1", self.min_recall_at_1, 0.0, 1.0)
        _check_range("min_recall_at_10", self.min_recall_at_10, 0.0, 1.0)
        _check_range("n_workers", self.n_workers, 0, 1024)
        _check_range("batch_rows", self.batch_rows, 16, 65_536)


@dataclass(frozen=True, slots=True)
class OpenConfig:
    """How a bundle is opened. Changes speed or memory only.

    Attributes:
        prefault: bring the index's pages in at open, so that the first lookup is as fast as the second.
        embed_threads: cores one embedding may use. 1 to 256; more than 1 starts a thread pool.
        verify: "frame" checks sizes, the manifest and every byte that is parsed (milliseconds); "full" checks
            every byte of the bundle (about 1 s a GB), as for one that comes from elsewhere.
    """

    prefault: bool = True
    embed_threads: int = 1
    verify: Literal["frame", "full"] = "frame"

    def __post_init__(self) -> None:
        _check_range("embed_threads", self.embed_threads, 1, 256)
        if self.verify not in ("frame", "full"):
            msg = f"verify: found {self.verify!r}, allowed 'frame' or 'full'"
            raise ConfigError(msg)
