"""Reads the public data sets: texts with their groups, and labelled pairs. Knows nothing of splits or vectors."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semcache.core.text import normalise

OUT_OF_SCOPE = "oos"
"""Prefix of the groups of queries that no answer fits (CLINC150)."""


@dataclass(frozen=True, slots=True)
class Item:
    """A text of a set.

    Attributes:
        text: as published.
        group: texts of one group may share an answer.
        split: of the publisher; empty where there is none.
        context: database or product that the text is asked of, the namespace of a lookup; mostly empty.
    """

    text: str
    group: str
    split: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts; label 1: a stored answer of `a` may be served to `b`."""

    a: str
    b: str
    label: int
    context: str = ""


def read_items(folder: Path) -> list[Item]:
    """Return the texts of a set, in the order of its file."""
    items = []
    for row in _rows(folder, "queries"):
        fields = {name: str(row.get(name) or "") for name in ("split", "context")}
        items.append(Item(row["text"], str(row["group"]), **fields))
    return items


def read_pairs(folder: Path) -> list[Pair]:
    """Return the labelled pairs of a set, in the order of its file."""
    return [Pair(row["a"], row["b"], int(row["label"]), row.get("context") or "") for row in _rows(folder, "pairs")]


def _rows(folder: Path, stem: str) -> Iterator[dict[str, Any]]:
    path = next(folder.glob(f"{stem}.jsonl*"))
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def unambiguous(items: Iterable[Item]) -> list[Item]:
    """Leave out every text that stands in two groups of one context: which hit on it is right cannot be said."""
    items = list(items)
    groups: dict[tuple[str, str], set[str]] = defaultdict(set)
    for item in items:
        groups[item.context, normalise(item.text)].add(item.group)
    return [item for item in items if len(groups[item.context, normalise(item.text)]) == 1]
