"""A publisher and a reader of one remote in a folder, for tests of publishing and pulling. No model is needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from shared import HASHING, write_corpus

from semcache import BuildConfig, BuildReport, Cache, build_bundle
from semcache.remote.offers import UnsignedOffers, utc_now
from semcache.remote.publish import PublishReport, publish
from semcache.remote.pull import PullReport, pull
from semcache.store.chunks import pack
from semcache.store.fsio import FileSystem
from semcache.store.objects import ObjectStore

NAME = "small"
RELEASE = f"unsigned/{NAME}.json"


def numbered(n: int, *, answer: str = "answer") -> list[dict[str, Any]]:
    """Return entries, each with words of its own."""
    return [
        {"id": f"e{i}", "query": f"how to handle case {i:x} of item{i}", "answer": f"{answer} {i} of item{i}"}
        for i in range(n)
    ]


@dataclass(frozen=True)
class Sharing:
    """A folder with the roots of a publisher and of a reader, and an unsigned remote between them."""

    folder: Path

    @property
    def store(self) -> ObjectStore:
        """The remote."""
        return ObjectStore.open(str(self.folder / "remote"))

    @property
    def root(self) -> Path:
        """Where bundles are built."""
        return self.folder / "publisher"

    @property
    def pulled_root(self) -> Path:
        """Where bundles are pulled to."""
        return self.folder / "reader"

    def build(self, entries: Sequence[dict[str, Any]], *, config: BuildConfig = HASHING) -> BuildReport:
        """Build the publisher's bundle."""
        corpus = write_corpus(self.folder / "corpus.jsonl", entries)
        return build_bundle([corpus], name=NAME, root=self.root, config=config)

    def publish(
        self, entries: Sequence[dict[str, Any]], *, config: BuildConfig = HASHING, later: timedelta = timedelta()
    ) -> PublishReport:
        """Build and publish, some time from now."""
        self.build(entries, config=config)
        return self.publish_again(later)

    def publish_again(self, later: timedelta = timedelta(), *, dry_run: bool = False) -> PublishReport:
        """Publish what was built, some time from now."""
        offers = UnsignedOffers(self.store)
        clock = lambda: utc_now() + later  # noqa: E731 - a name for an argument
        return publish(NAME, self.store, offers, root=self.root, dry_run=dry_run, clock=clock)

    def pull(self, *, fs: FileSystem | None = None, dry_run: bool = False) -> PullReport:
        """Pull."""
        return pull(NAME, self.store, UnsignedOffers(self.store), root=self.pulled_root, fs=fs, dry_run=dry_run)

    def answer(self, text: str) -> str | None:
        """Return what the reader's bundle answers; None for a miss."""
        with Cache.open(NAME, root=self.pulled_root) as cache:
            result = cache.lookup(text)
            return result.text if result.hit else None

    def tamper(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change what the remote offers, as somebody who can write there may."""
        path = self.folder / "remote" / RELEASE
        document = json.loads(path.read_bytes())
        change(document)
        path.write_text(json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n")

    def chunk(self, raw: bytes, **lies: int) -> dict[str, Any]:
        """Put a chunk into the remote, and return its reference, which may state something else."""
        ref, data = pack(raw)
        self.store.write(ref.path, data)
        return {"sha256": ref.sha256, "size_bytes": ref.size_bytes, "raw_bytes": ref.raw_bytes, **lies}
