"""A publisher and a reader of one remote in a folder, for tests of publishing and pulling. No model is needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from shared import HASHING, write_corpus
from trusting import NOW

from semcache import BuildConfig, BuildReport, Cache, build_bundle
from semcache.config import KeysConfig
from semcache.remote.keys import init_keys, publisher_of
from semcache.remote.offers import Offers, OwnOffers, SignedOffers, SigningOffers, UnsignedOffers
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

    def own_offers(self, *, now: datetime = NOW) -> OwnOffers:
        """Return where the publisher says what the remote offers."""
        del now
        return UnsignedOffers(self.store)

    def offers(self, *, now: datetime = NOW) -> Offers:
        """Return where a reader learns what the remote offers."""
        del now
        return UnsignedOffers(self.store)

    def publish(
        self, entries: Sequence[dict[str, Any]], *, config: BuildConfig = HASHING, now: datetime = NOW
    ) -> PublishReport:
        """Build and publish."""
        self.build(entries, config=config)
        return self.publish_live(now=now)

    def publish_live(self, *, now: datetime = NOW, dry_run: bool = False) -> PublishReport:
        """Publish what was built last, by one worker: then all steps come in one order."""
        offers = self.own_offers(now=now)
        return publish(NAME, self.store, offers, root=self.root, dry_run=dry_run, n_workers=1, clock=lambda: now)

    def pull(
        self, *, fs: FileSystem | None = None, dry_run: bool = False, name: str = NAME, now: datetime = NOW
    ) -> PullReport:
        """Pull, by one worker."""
        offers = self.offers(now=now)
        return pull(name, self.store, offers, root=self.pulled_root, fs=fs, dry_run=dry_run, n_workers=1)

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


class SignedSharing(Sharing):
    """The same with a remote that is signed, once there are keys."""

    @property
    def keys_dir(self) -> Path:
        """The publisher's keys."""
        return self.folder / "keys"

    def make_keys(self) -> None:
        """Make them, for a root that counts since `NOW`."""
        init_keys(self.keys_dir, config=KeysConfig(), passphrase=None, now=NOW)

    def own_offers(self, *, now: datetime = NOW) -> OwnOffers:
        """Return where the publisher says what the remote offers."""
        publisher = publisher_of(self.store, self.keys_dir, url=self.store.url, passphrase=None)
        return SigningOffers(self.store, publisher, lambda: now)

    def offers(self, *, now: datetime = NOW) -> Offers:
        """Return where a reader learns what the remote offers."""
        return SignedOffers(self.store, self.folder / "trust", lambda: now)
