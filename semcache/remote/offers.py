"""Where a remote says what it offers: signed metadata, or, where that is allowed, a file that nothing vouches for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from semcache.core.fields import FieldError
from semcache.core.release import MAX_RELEASE_BYTES, Release, parse_release
from semcache.errors import NotPublishedError, ObjectMissingError, ReleaseError, UnsignedRemoteError
from semcache.store.objects import ObjectStore
from semcache.store.signing import Publisher
from semcache.store.trust import verify_remote

Clock = Callable[[], datetime]
"""The time, in UTC."""


class Offers(Protocol):
    """What a remote offers."""

    def read(self, name: str) -> bytes | None:
        """Return the release of a bundle; None where there is none."""

    def write(self, name: str, release: bytes) -> None:
        """Offer a release of a bundle."""


@dataclass(frozen=True, slots=True)
class UnsignedOffers:
    """Releases that nothing vouches for. Of two publishers at once, the last one wins."""

    store: ObjectStore

    def read(self, name: str) -> bytes | None:
        """Return the release of a bundle; None where there is none."""
        try:
            return self.store.read(_unsigned(name), limit_bytes=MAX_RELEASE_BYTES)
        except ObjectMissingError:
            return None

    def write(self, name: str, release: bytes) -> None:
        """Offer a release of a bundle."""
        self.store.write(_unsigned(name), release)


@dataclass(frozen=True, slots=True)
class SignedOffers:
    """Releases that TUF's metadata names.

    Attributes:
        store: the remote.
        metadata_dir: what this machine knows of it.
        clock: the time.
        publisher: who signs; None to read only.
        root: the trusted root; None to take the remote's at first use.
    """

    store: ObjectStore
    metadata_dir: Path
    clock: Clock
    publisher: Publisher | None = None
    root: bytes | None = None

    def read(self, name: str) -> bytes | None:
        """Return the verified release of a bundle; None where there is none.

        Raises:
            TrustError: one of its kinds.
        """
        try:
            remote = verify_remote(self.store, metadata_dir=self.metadata_dir, now=self.clock(), root=self.root)
            return remote.read(_signed(name), limit_bytes=MAX_RELEASE_BYTES)
        except NotPublishedError:
            return None
        except UnsignedRemoteError:
            if self.publisher is None:
                raise
            return None  # the first thing that is published here

    def write(self, name: str, release: bytes) -> None:
        """Sign and offer a release of a bundle."""
        if self.publisher is None:
            raise UnsignedRemoteError(self.store.url, "no keys to sign with")
        self.publisher.publish({_signed(name): release}, now=self.clock())


def _signed(name: str) -> str:
    return f"{name}/release.json"


def _unsigned(name: str) -> str:
    return f"unsigned/{name}.json"


def parsed(raw: bytes, *, name: str, url: str) -> Release:
    """Return a release that a remote offers.

    Raises:
        ReleaseError: it is not of its form, of a newer one, or another bundle's.
    """
    try:
        release = parse_release(raw)
    except FieldError as error:
        raise ReleaseError(url, f"its release of {name}: {error}") from error
    if release.name != name:
        raise ReleaseError(url, f"what it offers as {name} is a release of {release.name}; ask its publisher")
    return release
