"""What an open bundle holds and what it answers, to be compared with another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from semcache import Cache
from semcache.types import Hit, Neighbour


def live_rows(cache: Cache) -> Iterator[tuple[int, Neighbour]]:
    """Yield the live rows, as neighbours."""
    reader = cache._version.reader  # type: ignore[union-attr]
    for row in np.flatnonzero(~reader.is_dead).tolist():
        yield row, reader.neighbour(row, 1.0)


def answers(cache: Cache, texts: list[str]) -> list[Any]:
    """Give what a person sees of a lookup of each text."""
    return [
        (found.entry_id, found.text, found.kind, found.score, found.confidence, found.variant, found.namespace)
        if isinstance(found, Hit)
        else (found.reason, found.score, found.nearest and (found.nearest.entry_id, found.nearest.variant))
        for found in (cache.lookup(text) for text in texts)
    ]
