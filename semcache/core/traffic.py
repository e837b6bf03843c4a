"""The lines of recorded traffic: what one says of a lookup, and how it is read back.

Source: docs/harvest.md, "The lines".
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import orjson

from semcache.types import Kind, Reason

MAX_TEXT_CHARS = 4096
"""A longer text is not recorded: cut off it would be another question."""
_MAX_NAME_CHARS = 64
_LAST_TIME = 1 << 34  # far beyond what a clock says, and a date all the same
_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,), "float": (float, int)}


@dataclass(frozen=True, slots=True)
class RecordedLookup:
    """One lookup.

    Attributes:
        time: Unix time in whole seconds.
        bundle_id: the version that was asked.
        namespace: the one asked for; None for everywhere, and for what cannot be a name.
        hit: whether an answer was served.
        reason: why not; None for a hit.
        entry_id: the entry that was served; of a miss the nearest, None where nothing was searched.
        kind: exact or semantic; None for a miss.
        score: of the hit or the nearest row; None where nothing was searched.
        confidence: of a hit; None for a miss.
        text: what was asked; None where it is not recorded, too long or not Unicode.
        text_hash: keyed digest of the normalised text, 32 hex digits; None where it is not recorded.
    """

    time: int
    bundle_id: str
    namespace: str | None
    hit: bool
    reason: Reason | None
    entry_id: str | None
    kind: Kind | None
    score: float | None
    confidence: float | None
    text: str | None = None
    text_hash: str | None = None


@dataclass(frozen=True, slots=True)
class DroppedLookups:
    """Lookups that were not recorded: the queue was full, or the disk refused.

    Attributes:
        time: Unix time in whole seconds when they were counted.
        n_dropped: how many.
    """

    time: int
    n_dropped: int


Recorded = RecordedLookup | DroppedLookups


def pack(recorded: Recorded) -> bytes:
    """Return a line. It may hold any text: what is not Unicode is left out."""
    try:
        return orjson.dumps(recorded) + b"\n"
    except TypeError:  # an unpaired surrogate in what the caller gave
        if isinstance(recorded, DroppedLookups):
            raise
        return orjson.dumps(replace(recorded, text=None, namespace=None)) + b"\n"


def recordable_text(text: str) -> str | None:
    """Return a text that a line may hold; None for one that is too long."""
    return text if len(text) <= MAX_TEXT_CHARS else None


def recordable_name(namespace: str | None) -> str | None:
    """Return a namespace as it was asked for; None for one that no bundle can have."""
    return namespace if namespace is None or len(namespace) <= _MAX_NAME_CHARS else None


def parse(raw: bytes) -> Recorded | None:
    """Read a line; None for one that `pack` did not write, or that a kill cut off. Unknown fields are passed over."""
    try:
        document = orjson.loads(raw)
        kind: type[Recorded] = DroppedLookups if "n_dropped" in document else RecordedLookup
        values = {field.name: _value(document, field.name, str(field.type)) for field in fields(kind)}
        return kind(**values) if 0 <= values["time"] < _LAST_TIME else None
    except (ValueError, TypeError, KeyError):
        return None


def _value(document: dict[str, Any], name: str, wanted: str) -> Any:
    """Take a field of the type that its dataclass states."""
    value = document[name]
    wanted, _, optional = wanted.partition(" | ")
    if value is None and optional:
        return None
    if wanted == "Reason":
        return Reason(value)
    if wanted == "Kind":
        return Kind(value)
    if type(value) not in _TYPES[wanted]:
        raise TypeError(name)
    return value
