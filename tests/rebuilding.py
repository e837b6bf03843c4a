"""A folder with a plan, a corpus and a remote, for tests of rebuilding. No model is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared import write_corpus

from semcache import Cache
from semcache.rebuild.plan_file import read_plan
from semcache.rebuild.report import RebuildReport, Target
from semcache.rebuild.run import rebuild
from semcache.remote.offers import UnsignedOffers
from semcache.store.fsio import FileSystem
from semcache.store.objects import ObjectStore

NAME = "small"
PLAN = """
name = "small"
root = "indexes"
corpora = ["corpus.jsonl"]
queries = ["queries.jsonl"]
keep = 1

[build]
model = "hashing"
max_error = 0.1
n_workers = 1

[publish]
remote = "remote"
allow_unsigned = true
"""


def at(hour: int) -> datetime:
    """Give an hour of a night."""
    return datetime(2026, 11, 25, hour, tzinfo=UTC)


@dataclass(frozen=True)
class Nightly:
    """What a nightly job works with."""

    folder: Path

    @property
    def root(self) -> Path:
        """Where bundles are built."""
        return self.folder / "indexes"

    @property
    def plan(self) -> Path:
        """The file of the rebuild."""
        return self.folder / "night.toml"

    @property
    def store(self) -> ObjectStore:
        """The remote."""
        return ObjectStore.open(str(self.folder / "remote"))

    @property
    def live(self) -> str:
        """The id of the live version."""
        return (self.root / NAME / "CURRENT").read_text().strip()

    def write(self, entries: Sequence[dict[str, Any]], *, plan: str = PLAN) -> None:
        """Write the corpus, the plan, and evaluation queries where there are none."""
        write_corpus(self.folder / "corpus.jsonl", entries)
        self.plan.write_text(plan, "utf-8")
        if not (self.folder / "queries.jsonl").exists():
            self.ask({entry["query"]: entry["id"] for entry in entries})

    def ask(self, labels: Mapping[str, str | None], *, file: str = "queries.jsonl") -> None:
        """Write labelled queries."""
        lines = [json.dumps({"text": text, "entry_id": entry_id}) for text, entry_id in labels.items()]
        (self.folder / file).write_text("".join(f"{line}\n" for line in lines), "utf-8")

    def run(
        self, *, hour: int = 2, force: bool = False, dry_run: bool = False, fs: FileSystem | None = None
    ) -> RebuildReport:
        """Rebuild."""
        plan = read_plan(self.plan)
        target = None if plan.publish is None else Target(self.store, UnsignedOffers(self.store))
        return rebuild(plan, target=target, force=force, dry_run=dry_run, fs=fs, clock=lambda: at(hour))

    def answer(self, text: str) -> str | None:
        """Return what the live version answers; None for a miss."""
        with Cache.open(NAME, root=self.root) as cache:
            result = cache.lookup(text)
            return result.text if result.hit else None


def states(report: RebuildReport) -> dict[str, str]:
    """Return what became of each stage."""
    return {stage.name: stage.state for stage in report.stages}


def reasons(report: RebuildReport) -> dict[str, str]:
    """Return why."""
    return {stage.name: stage.why for stage in report.stages}
