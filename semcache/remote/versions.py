"""Lists the versions of a bundle that are here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from semcache.bundle.lease import is_held
from semcache.bundle.live import versions_on_disk, versions_that_were_live
from semcache.bundle.locate import BundleLocation, locate
from semcache.bundle.reader import read_manifest
from semcache.bundle.release_note import ReleaseNote, read_note
from semcache.config import DEFAULT_ROOT
from semcache.core.manifest import Manifest
from semcache.errors import BundleError, StorageError


@dataclass(frozen=True, slots=True)
class VersionState:
    """A version that is on this disk.

    Attributes:
        id: the version.
        is_live: whether CURRENT names it.
        was_live: whether it is live or was.
        is_held: whether a process has it open.
        made: when its folder was written here; no part of the version, which is the same wherever it is built.
        n_entries, n_rows: that live in it; None where its manifest cannot be read.
        size_bytes: of its files.
        release: the number of the release that it was built of, where that is the one pulled last.
    """

    id: str
    is_live: bool
    was_live: bool
    is_held: bool
    made: datetime
    n_entries: int | None
    n_rows: int | None
    size_bytes: int
    release: int | None


def list_versions(name: str | Path, *, root: str | Path = DEFAULT_ROOT) -> list[VersionState]:
    """Return the versions of a bundle in the order in which they became live; those that never were come first.

    Raises:
        BundleNotFoundError: there is no such bundle.
        StorageError: the system refuses.
    """
    location = locate(name, root=Path(root))
    try:
        live = location.live_id()
    except BundleError:
        live = ""
    was_live = versions_that_were_live(location.bundle_dir)
    note = read_note(location.bundle_dir)
    return [
        _state(location, version, is_live=version == live, was_live=version in was_live, note=note)
        for version in in_order(location.bundle_dir)
    ]


def in_order(bundle_dir: Path) -> list[str]:
    """Return the versions on disk: those that never were live by age, then the others as they became live."""
    was_live = versions_that_were_live(bundle_dir)
    others = [version for version in versions_on_disk(bundle_dir) if version not in was_live]
    return [*sorted(others, key=lambda version: _made(_folder(bundle_dir, version))), *was_live]


def size_of(folder: Path) -> int:
    """Return how many bytes a file has, or the files in a folder.

    Raises:
        StorageError: the system refuses.
    """
    try:
        files = folder.rglob("*") if folder.is_dir() else [folder]
        return sum(path.stat().st_size for path in files if path.is_file())
    except OSError as error:
        raise StorageError.from_os_error(folder, error) from error


def _folder(bundle_dir: Path, version: str) -> Path:
    return BundleLocation(bundle_dir.parent, bundle_dir, None).version_dir(version)


def _made(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError as error:
        raise StorageError.from_os_error(folder, error) from error


def _state(
    location: BundleLocation, version: str, *, is_live: bool, was_live: bool, note: ReleaseNote | None
) -> VersionState:
    folder = location.version_dir(version)
    manifest = _manifest(folder)
    return VersionState(
        id=version,
        is_live=is_live,
        was_live=was_live,
        is_held=is_held(folder),
        made=datetime.fromtimestamp(_made(folder), UTC),
        n_entries=None if manifest is None else manifest.counts.entries,
        n_rows=None if manifest is None else manifest.counts.rows,
        size_bytes=size_of(folder),
        release=note.number if note is not None and note.built == version else None,
    )


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except BundleError:
        return None
