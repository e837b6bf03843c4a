"""Where a remote says what it offers: signed metadata, or, where that is allowed, a file that nothing vouches for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from semcache.core.fields import FieldError
from semcache.core.manifest import NewerFormatError
from semcache.core.release import MAX_RELEASE_BYTES, Release, parse_release
from semcache.errors import (
    ConfigError,
    NotPublishedError,
    ObjectMissingError,
    ReleaseError,
    ReleaseFormatError,
    ReleaseNameError,
    RemoteUnavailableError,
    UnsignedRemoteError,
)
from semcache.store.objects import ObjectStore
from semcache.store.signing import Publisher
from semcache.store.trust import METADATA_DIR, Anchor, VerifiedRemote, is_known, verify_remote

Clock = Callable[[], datetime]
"""The time, in UTC."""
_FIRST_ROOT = f"{METADATA_DIR}1.root.json"
_UNSIGNED_DIR = "unsigned"
_RELEASE_FILE = "release.json"


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class Offers(Protocol):
    """What a remote offers."""

    def names(self) -> list[str]:
        """Return the bundles there are, sorted."""

    def read(self, name: str) -> bytes:
        """Return the release of a bundle; raise NotPublishedError where there is none."""


class OwnOffers(Offers, Protocol):
    """What a remote offers, for whoever may change it."""

    def write(self, name: str, release: bytes) -> None:
        """Offer a release of a bundle."""

    def renew(self) -> None:
        """Sign anew what ends first, where anything is signed."""


@dataclass(frozen=True, slots=True)
class UnsignedOffers:
    """Releases that nothing vouches for. Of two publishers at once, the last one wins."""

    store: ObjectStore

    def names(self) -> list[str]:
        """Return the bundles there are; a web server cannot say it."""
        paths = self.store.sizes(_UNSIGNED_DIR)
        return sorted(path.removeprefix(f"{_UNSIGNED_DIR}/").removesuffix(".json") for path in paths)

    def read(self, name: str) -> bytes:
        """Return the release of a bundle."""
        try:
            return self.store.read(_unsigned(name), limit_bytes=MAX_RELEASE_BYTES)
        except ObjectMissingError as error:
            raise NotPublishedError(self.store.url, name, offered=self._names_if_told()) from error

    def write(self, name: str, release: bytes) -> None:
        """Offer a release of a bundle."""
        self.store.write(_unsigned(name), release)

    def renew(self) -> None:
        """Do nothing: what is not signed does not end."""

    def _names_if_told(self) -> list[str]:
        try:
            return self.names()
        except RemoteUnavailableError:
            return []


@dataclass(frozen=True, slots=True)
class SignedOffers:
    """Releases that TUF's metadata names.

    Attributes:
        store: the remote.
        metadata_dir: what this machine knows of it.
        clock: the time.
        root: the trusted root; None to take the remote's at first use.
        on_first_use: is told of the root that was taken so.
    """

    store: ObjectStore
    metadata_dir: Path
    clock: Clock = utc_now
    root: bytes | None = None
    on_first_use: Callable[[Anchor], None] | None = None

    def names(self) -> list[str]:
        """Return the bundles that are signed."""
        return _names(self._verified())

    def read(self, name: str) -> bytes:
        """Return the verified release of a bundle.

        Raises:
            TrustError: one of its kinds.
        """
        return _read(self._verified(), name)

    def _verified(self) -> VerifiedRemote:
        remote = verify_remote(self.store, metadata_dir=self.metadata_dir, now=self.clock(), root=self.root)
        if remote.anchor.is_new and self.on_first_use is not None:
            self.on_first_use(remote.anchor)
        return remote


@dataclass(frozen=True, slots=True)
class SigningOffers:
    """Releases of one's own remote, also where its metadata has ended: what is published signs it anew.

    What is written replaces what was read, or is refused: of two publishers at once, the slower one begins anew.
    """

    store: ObjectStore
    publisher: Publisher
    clock: Clock = utc_now
    _seen: dict[str, bytes | None] = field(default_factory=dict, init=False, repr=False)

    def names(self) -> list[str]:
        """Return the bundles that are signed."""
        remote = self._verified()
        return [] if remote is None else _names(remote)

    def read(self, name: str) -> bytes:
        """Return the verified release of a bundle."""
        self._seen[name] = None
        remote = self._verified()
        if remote is None:
            raise NotPublishedError(self.store.url, name, offered=[])
        release = self._seen[name] = _read(remote, name)
        return release

    def write(self, name: str, release: bytes) -> None:
        """Sign and offer a release of a bundle.

        Raises:
            PublishConflictError: somebody else has offered one since this one was read.
        """
        path = _signed(name)
        instead_of = {path: self._seen[name]} if name in self._seen else {}
        self.publisher.publish({path: release}, now=self.clock(), instead_of=instead_of)
        self._seen[name] = release

    def renew(self) -> None:
        """Sign anew what ends first."""
        self.publisher.renew(now=self.clock())

    def _verified(self) -> VerifiedRemote | None:
        """Return the remote; None where nothing was published to it yet."""
        publisher = self.publisher
        try:
            return verify_remote(
                self.store,
                metadata_dir=publisher.metadata_dir,
                now=self.clock(),
                root=publisher.roots[0],
                allow_expired=True,
            )
        except UnsignedRemoteError:
            return None  # where it had been signed, `publish` says so


def reading_offers(
    store: ObjectStore,
    *,
    metadata_dir: Path,
    root: bytes | None = None,
    allow_unsigned: bool = False,
    on_first_use: Callable[[Anchor], None] | None = None,
) -> SignedOffers | UnsignedOffers:
    """Return what a remote offers to a reader.

    Args:
        store: the remote.
        metadata_dir: what this machine knows of it.
        root: the trusted root; None to take the remote's at first use.
        allow_unsigned: take what nothing vouches for; only from a remote that has no signatures and never had any here.
        on_first_use: is told of a root that nothing but the remote vouches for.

    Raises:
        RemoteUnavailableError: the remote cannot be reached.
    """
    may_be_unsigned = allow_unsigned and root is None and not is_known(metadata_dir)
    if may_be_unsigned and not store.exists(_FIRST_ROOT):
        return UnsignedOffers(store)
    return SignedOffers(store, metadata_dir, root=root, on_first_use=on_first_use)


def unsigned_offers(store: ObjectStore) -> UnsignedOffers:
    """Return what a remote without signatures offers, to publish to.

    Raises:
        ConfigError: it is signed, so nobody would read what is published without.
    """
    if store.exists(_FIRST_ROOT):
        msg = f"{store.url}: is signed, so readers look at signed releases only; publish with its keys"
        raise ConfigError(msg)
    return UnsignedOffers(store)


def only_name(offers: Offers, *, url: str) -> str:
    """Return the name of the one bundle that a remote offers.

    Raises:
        NotPublishedError: it offers none.
        ConfigError: it offers several.
    """
    names = offers.names()
    if not names:
        raise NotPublishedError(url, "bundle", offered=[])
    if len(names) > 1:
        msg = f"{url}: offers {', '.join(names)}; name one of them"
        raise ConfigError(msg)
    return names[0]


def parsed(raw: bytes, *, name: str, url: str) -> Release:
    """Return a release that a remote offers.

    Raises:
        ReleaseFormatError: it is of a newer form.
        ReleaseError: it is not of its form.
        ReleaseNameError: it is another bundle's.
    """
    try:
        release = parse_release(raw)
    except NewerFormatError as error:
        raise ReleaseFormatError(url, f"its release of {name}: {error}") from error
    except FieldError as error:
        raise ReleaseError(url, f"its release of {name}: {error}") from error
    if release.name != name:
        raise ReleaseNameError(url, f"what it offers as {name} is a release of {release.name}; ask its publisher")
    return release


def _names(remote: VerifiedRemote) -> list[str]:
    ending = f"/{_RELEASE_FILE}"
    return [path.removesuffix(ending) for path in remote.paths if path.endswith(ending)]


def _read(remote: VerifiedRemote, name: str) -> bytes:
    try:
        return remote.read(_signed(name), limit_bytes=MAX_RELEASE_BYTES)
    except NotPublishedError as error:
        raise NotPublishedError(error.url, name, offered=_names(remote)) from error


def _signed(name: str) -> str:
    return f"{name}/{_RELEASE_FILE}"


def _unsigned(name: str) -> str:
    return f"{_UNSIGNED_DIR}/{name}.json"
