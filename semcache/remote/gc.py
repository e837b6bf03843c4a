"""Removes what nobody needs any more: old versions, what dead builds left, encoders, chunks. Never downloads' parts.

Each removal is a rename to a staging name, under which nothing is ever read, and then a deletion: killed in between,
it leaves debris that the next build or removal clears. All of it happens under the locks that builds and pulls take.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from semcache.bundle import layout
from semcache.bundle.live import locked_name
from semcache.bundle.locate import locate, read_current
from semcache.bundle.reader import read_manifest
from semcache.bundle.releases import release_of, releases_on_disk
from semcache.bundle.writer import debris
from semcache.config import DEFAULT_ROOT
from semcache.errors import BuildLockedError, BundleError, BundleFormatError, ConfigError, StorageError
from semcache.remote.versions import in_order, size_of
from semcache.store.chunks import ChunkFolder
from semcache.store.fsio import FileSystem
from semcache.store.lock import LockedError, exclusive_lock, own_folder

UNNAMED_CHUNK_S = 7 * 24 * 3600.0
"""How long a chunk stays that no release of a version here names: longer than any download takes, or is left off."""

MOST_KEPT = 1000

Kind = Literal["version", "debris", "encoder"]


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed, or would be.

    Attributes:
        kind: "version", "debris" of a build that died, or "encoder".
        path: where it is, or was.
        size_bytes: of its files.
    """

    kind: Kind
    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class GcReport:
    """What was removed, and what was left alone though it is old.

    Attributes:
        removed: versions, debris, encoders.
        chunk_bytes: of chunks that were removed.
        held: versions that a process has open.
        busy: bundles that are being built, pulled or rolled back; encoders are left alone then too.
    """

    removed: list[Removed]
    chunk_bytes: int
    held: list[Path]
    busy: list[str]

    @property
    def freed_bytes(self) -> int:
        """Of everything that was removed."""
        return self.chunk_bytes + sum(removed.size_bytes for removed in self.removed)


def collect(
    name: str | None = None,
    *,
    root: str | Path = DEFAULT_ROOT,
    keep: int = 2,
    dry_run: bool = False,
    fs: FileSystem | None = None,
) -> GcReport:
    """Remove old versions and what only they needed.

    Of each bundle stay: the live version, those that were live before it, and what a process has open. Encoders stay
    that a version of any bundle names; chunks, that the release of a version of any bundle is made of (an encoder that
    is here needs none), and those that a pull or a publish asked for in the last 7 days.

    Args:
        name: a bundle; None for all of the root.
        root: folder of bundles.
        keep: how many versions before the live one stay. 0 to 1,000.
        dry_run: say what would be removed.
        fs: durable steps; tests pass one that fails.

    Raises:
        BundleNotFoundError: there is no bundle of that name.
        ConfigError: keep is outside its range.
        StorageError: the system refuses.
    """
    if not 0 <= keep <= MOST_KEPT:
        msg = f"keep: found {keep}, allowed 0 to {MOST_KEPT}"
        raise ConfigError(msg)
    root = Path(root)
    chosen = _bundles(root) if name is None else [locate(name, root=root).bundle_dir]
    try:
        return _Sweep(root, keep=keep, dry_run=dry_run, fs=fs or FileSystem()).run(chosen)
    except OSError as error:
        raise StorageError.from_os_error(error.filename or root, error) from error


class _Sweep:
    """One removal. Its methods raise OSError as the system does."""

    def __init__(self, root: Path, *, keep: int, dry_run: bool, fs: FileSystem) -> None:
        self._root, self._keep, self._dry_run, self._fs = root, keep, dry_run, fs
        self._removed: list[Removed] = []
        self._held: list[Path] = []

    def run(self, chosen: Sequence[Path]) -> GcReport:
        """Take the locks of all bundles that are not busy, then remove."""
        locked, busy = set(), []
        with ExitStack() as locks:
            for bundle_dir in sorted({*_bundles(self._root), *chosen}):
                try:
                    locks.enter_context(locked_name(bundle_dir))
                    locked.add(bundle_dir)
                except BuildLockedError:
                    busy.append(bundle_dir.name)
            for bundle_dir in chosen:
                if bundle_dir in locked:
                    self._sweep_bundle(bundle_dir)
            self._sweep_encoders(locked)
        return GcReport(self._removed, self._sweep_chunks(), self._held, busy)

    def _sweep_bundle(self, bundle_dir: Path) -> None:
        for path in debris(bundle_dir):
            self._remove("debris", path)
        for version in _unneeded(bundle_dir, keep=self._keep):
            folder = bundle_dir / layout.VERSIONS_DIR / version
            try:
                with own_folder(folder):
                    self._remove("version", folder)
            except LockedError:
                self._held.append(folder)
        for version, path in releases_on_disk(bundle_dir).items():
            folder = bundle_dir / layout.VERSIONS_DIR / version
            if not folder.is_dir() or folder in self._gone():
                self._remove("debris", path)

    def _sweep_encoders(self, locked: AbstractSet[Path]) -> None:
        """Remove encoders that no version names. Who builds holds a name's lock before it asks for an encoder."""
        encoders = self._root / layout.ENCODERS_DIR
        if not encoders.is_dir():
            return
        with exclusive_lock(encoders / layout.EXPORT_LOCK_FILE, wait=True):
            for folder in sorted(encoders.glob(f"{layout.STAGING_PREFIX}*")):
                self._remove("debris", folder)
            named = self._named_encoders()
            if named is None or set(_bundles(self._root)) - locked:
                return
            for folder in sorted(encoders.iterdir()):
                if layout.is_version_id(folder.name) and folder.name not in named:
                    self._remove("encoder", folder)

    def _named_encoders(self) -> set[str] | None:
        """Return the encoders of all versions that stay; None where one is of a format that this reader cannot tell."""
        named = set()
        for folder in self._versions():
            try:
                named.add(read_manifest(folder).encoder.fingerprint)
            except BundleFormatError:
                return None
            except BundleError:
                continue  # nobody can open it
        return named

    def _sweep_chunks(self) -> int:
        folder = ChunkFolder(self._root / layout.CHUNKS_DIR, fs=self._fs)
        releases = [release_of(version.parent.parent, version.name) for version in self._versions()]
        named = {ref.sha256 for release in releases if release is not None for ref in release.version_chunks()}
        return folder.sweep(named, grace_s=UNNAMED_CHUNK_S, dry_run=self._dry_run)

    def _versions(self) -> list[Path]:
        """Return the versions of all bundles that stay."""
        folders, gone = self._root.glob(f"*/{layout.VERSIONS_DIR}/*"), self._gone()
        return [folder for folder in folders if folder not in gone and layout.is_version_id(folder.name)]

    def _gone(self) -> set[Path]:
        return {removed.path for removed in self._removed}

    def _remove(self, kind: Kind, path: Path) -> None:
        """Remove a file or a folder and note it. A folder loses its name first: it is never seen in part."""
        self._removed.append(Removed(kind, path, size_of(path)))
        if self._dry_run:
            return
        if not path.is_dir():
            self._fs.remove_file(path)
            return
        aside = path
        if not path.name.startswith(layout.STAGING_PREFIX):
            aside = path.with_name(f"{layout.STAGING_PREFIX}removed-{path.name}")
            self._fs.rename(path, aside)
            self._fs.sync_dir(path.parent)
        self._fs.remove_tree(aside)


def _bundles(root: Path) -> list[Path]:
    """Return the folders of a root that are bundles, or are about to be."""
    return [path for path in root.glob("*") if layout.is_name(path.name) and (path / layout.VERSIONS_DIR).is_dir()]


def _unneeded(bundle_dir: Path, *, keep: int) -> list[str]:
    """Return the versions that are neither live nor one of those before it; none where it is unknown what is live."""
    try:
        live = read_current(bundle_dir)
    except BundleError:
        return []
    order = in_order(bundle_dir)
    at = order.index(live) if live in order else len(order)
    needed = {live, *order[max(0, at - keep) : at]}
    return [version for version in order if version not in needed]
