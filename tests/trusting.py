"""A remote in a folder, and a publisher of it, for tests of trust."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from semcache.config import KeysConfig
from semcache.errors import ObjectExistsError, ObjectMissingError, ObjectTooLargeError
from semcache.store.signing import Publisher
from semcache.store.signing_keys import SigningKey, new_key
from semcache.store.trust import VerifiedRemote, verify_remote
from semcache.store.trust_root import first_root, next_root, sign_root

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ROLES = ("root", "targets", "snapshot", "timestamp")
PATH = "demo/release.json"
LIMIT = 1 << 20


@dataclass
class FolderObjects:
    """Objects in a folder. `before` is called with what is about to happen ("read", "write") and the path."""

    folder: Path
    before: Callable[[str, str], None] = lambda _action, _path: None

    @property
    def url(self) -> str:
        """Say where they are; not where they really are."""
        return "s3://bucket"

    def read(self, path: str, *, limit_bytes: int) -> bytes:
        """Return an object."""
        self.before("read", path)
        try:
            data = (self.folder / path).read_bytes()
        except FileNotFoundError as error:
            raise ObjectMissingError(f"{self.url}/{path}") from error
        if len(data) > limit_bytes:
            raise ObjectTooLargeError(f"{self.url}/{path}", limit_bytes=limit_bytes)
        return data

    def write(self, path: str, data: bytes, *, only_new: bool = False) -> None:
        """Write an object."""
        self.before("write", path)
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if only_new and target.exists():
            raise ObjectExistsError(f"{self.url}/{path}")
        staged = target.with_name(f"{target.name}.new")
        staged.write_bytes(data)
        staged.replace(target)

    def bytes_of(self, path: str) -> bytes:
        """Return an object as it stands."""
        return (self.folder / path).read_bytes()


@dataclass
class World:
    """A remote, its keys, and its readers."""

    folder: Path
    config: KeysConfig = field(default_factory=KeysConfig)

    def __post_init__(self) -> None:
        n_keys = {role: self.config.root_keys if role == "root" else 1 for role in ROLES}
        self.keys = {role: [new_key() for _ in range(n)] for role, n in n_keys.items()}
        self.roots = [first_root(self.keys, self.config, now=NOW)]
        self.objects = FolderObjects(self.folder / "remote")

    def publisher(self, *, keys: Sequence[SigningKey] | None = None, name: str = "publisher") -> Publisher:
        """Return a publisher; by default with all keys."""
        every = [key for role_keys in self.keys.values() for key in role_keys]
        return Publisher(self.objects, self.folder / name, self.roots, every if keys is None else keys)

    def publish(self, data: bytes, *, path: str = PATH, now: datetime = NOW) -> None:
        """Publish one file."""
        self.publisher().publish({path: data}, now=now)

    def rotate(self, role: str, *, now: datetime = NOW) -> SigningKey:
        """Replace the only key of a role; return the old one, which is no longer at hand."""
        [old], new = self.keys[role], new_key()
        signing = [*self.keys["root"], *([new] if role == "root" else [])]
        root = next_root(self.roots[-1], role=role, add=[new], drop=[old.id], now=now)
        self.roots.append(sign_root(root, signing))
        self.keys[role] = [new]
        return old

    def verify(self, *, now: datetime = NOW, root: bytes | None = None, name: str = "reader") -> VerifiedRemote:
        """Have a reader verify the remote."""
        return verify_remote(self.objects, metadata_dir=self.folder / name, now=now, root=root)

    def read(self, *, now: datetime = NOW, name: str = "reader", path: str = PATH) -> bytes:
        """Return what a reader gets."""
        return self.verify(now=now, name=name).read(path, limit_bytes=LIMIT)

    def edit(self, path: str, change: Callable[[bytes], bytes]) -> None:
        """Tamper with an object."""
        place = self.objects.folder / path
        place.write_bytes(change(place.read_bytes()))
