"""Holds a version that is about to go live against the one that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from semcache.bundle.compare import Changes, EntryContent, compare_entries, entries_of_version
from semcache.bundle.locate import locate
from semcache.bundle.reader import VersionReader
from semcache.config import OpenConfig
from semcache.core.manifest import Manifest
from semcache.lookup.cache import Cache
from semcache.lookup.collisions import Collision, collisions_of
from semcache.lookup.evaluate import Evaluation, evaluate
from semcache.types import LabelledQuery


@dataclass(frozen=True, slots=True)
class Comparison:
    """What tells a new version from the live one.

    Attributes:
        live: manifest of the live version.
        changes: of entries.
        collisions: of texts that are new.
        evaluations: of the live version and of the new one, on the queries whose labels both know: a question that only
            one of them can answer tells nothing of the other. None where there are none.
    """

    live: Manifest
    changes: Changes
    collisions: tuple[Collision, ...]
    evaluations: tuple[Evaluation, Evaluation] | None


def compare(live: Path, new: Path, queries: Sequence[LabelledQuery]) -> Comparison:
    """Compare two versions of a bundle.

    Args:
        live: folder of one version.
        new: folder of the one that would replace it.
        queries: to evaluate both on; may be none.

    Raises:
        BundleError, EncoderError: one of them cannot be read or asked.
    """
    changes = compare_entries(_entries(live), _entries(new))
    with Cache.open(live) as old, Cache.open(new) as cache:
        return Comparison(
            live=old.info.manifest,
            changes=changes,
            collisions=collisions_of(cache, changes.new_rows),
            evaluations=_evaluations(old, cache, queries) if queries else None,
        )


def _entries(folder: Path) -> dict[str, EntryContent]:
    location = locate(folder, root=folder)
    return entries_of_version(VersionReader(location, location.live_id(), OpenConfig(prefault=False)))


def _evaluations(old: Cache, new: Cache, queries: Sequence[LabelledQuery]) -> tuple[Evaluation, Evaluation] | None:
    before, after = evaluate(old, queries), evaluate(new, queries)
    unknown = {*before.unknown, *after.unknown}
    if not unknown:
        return before, after
    common = [query for query in queries if f"{query.place}: {query.label}" not in unknown]
    return (evaluate(old, common), evaluate(new, common)) if common else None
