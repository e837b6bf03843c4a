"""A set-up drawn with one seed, embedded, split and searched; and what thresholds give on its test part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eval.certificate import certified_threshold, grid_of
from eval.embeddings import Vectors
from eval.retrieval import Bools, Found, Labelled, Scores, numbered, search
from eval.splits import Parts, SetUp, draw, split
from eval.texts import Item, read_items
from eval.thresholds import row, widest_threshold
from semcache.core.metrics import served_at

LEVELS = (0.01, 0.02, 0.05, 0.10)


@dataclass(frozen=True, slots=True)
class Judged:
    """A confidence for every query, and whether the answer it speaks of is right."""

    confidence: Scores
    is_right: Bools

    def at(self, indices: npt.NDArray[np.intp]) -> Judged:
        """Return some of them."""
        return Judged(self.confidence[indices], self.is_right[indices])


@dataclass(frozen=True, slots=True)
class Problem:
    """A set-up with one seed, searched.

    Attributes:
        known: the entries.
        queries: what is asked.
        parts: of the queries.
        found: nearest entries of the queries.
        seed: that it was drawn with.
    """

    known: Labelled
    queries: Labelled
    parts: Parts
    found: Found
    seed: int
    folder: str


def prepare(set_up: SetUp, data_dir: Path, vectors: Vectors, *, seed: int) -> Problem:
    """Draw, embed, split and search."""
    drawn = draw(read_items(data_dir / set_up.folder), set_up, seed=seed)
    known, queries = labelled(set_up.folder, drawn.known, drawn.queries, vectors)
    return Problem(known, queries, split(len(queries), seed=seed), search(known, queries), seed, set_up.folder)


def labelled(name: str, known: Sequence[Item], queries: Sequence[Item], vectors: Vectors) -> tuple[Labelled, Labelled]:
    """Return texts with their vectors, and groups and namespaces as numbers."""
    both = (known, queries)
    groups = numbered(*([f"{item.context}\t{item.group}" for item in items] for items in both))
    contexts = numbered(*([item.context for item in items] for items in both))
    rows = vectors.of(name, [item.text for items in both for item in items])
    known_texts, query_texts = (tuple(item.text for item in items) for items in both)
    return (
        Labelled(known_texts, rows[: len(known)], groups[0], contexts[0]),
        Labelled(query_texts, rows[len(known) :], groups[1], contexts[1]),
    )


def levels(judged: Judged, parts: Parts) -> list[dict[str, Any]]:
    """Return, for each allowed error, what thresholds of three origins give on the test part."""
    fit, calibration, test = judged.at(parts.fit), judged.at(parts.calibration), judged.at(parts.test)
    grid = grid_of(fit.confidence)
    rows = []
    for error in LEVELS:
        best = widest_threshold(test.confidence, test.is_right, error=error)
        chosen = widest_threshold(calibration.confidence, calibration.is_right, error=error)
        proved = certified_threshold(calibration.confidence, calibration.is_right, grid=grid, error=error)
        rows.append(
            {
                "level": error,
                "best": row(served_at(test.confidence, test.is_right, best)),
                "chosen": row(served_at(test.confidence, test.is_right, chosen)),
                "certified": row(served_at(test.confidence, test.is_right, proved)),
            }
        )
    return rows
