"""Which version is live and which were before it: all that changes CURRENT, under the lock of the bundle's name.

`history` names the versions that were live, oldest first. It is written before CURRENT, and the live version counts as
its last where it is not in it: so a crash between the two loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from semcache.bundle import layout
from semcache.bundle.locate import read_current, read_small
from semcache.errors import BuildLockedError, BundleError, StorageError
from semcache.store.fsio import FileSystem, replace_file
from semcache.store.lock import LockedError, exclusive_lock

_MAX_HISTORY_BYTES = 1 << 20


@contextmanager
def locked_name(bundle_dir: Path) -> Iterator[None]:
    """Hold the lock of a bundle's name, which builds, pulls, rollbacks and removals take.

    Raises:
        BuildLockedError: somebody else holds it.
        OSError: it cannot be opened.
    """
    path = bundle_dir / layout.LOCK_FILE
    try:
        with exclusive_lock(path):
            yield
    except LockedError as error:
        raise BuildLockedError(path) from error


def versions_on_disk(bundle_dir: Path) -> list[str]:
    """Return the ids of the versions that are here, in no order.

    Raises:
        StorageError: the system does not let us look.
    """
    folder = bundle_dir / layout.VERSIONS_DIR
    try:
        return [path.name for path in folder.iterdir() if layout.is_version_id(path.name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError.from_os_error(folder, error) from error


def versions_that_were_live(bundle_dir: Path) -> list[str]:
    """Return the versions that were live, in the order in which they became so; the live one too.

    Those that are not here any more are left out.

    Raises:
        StorageError: the system does not let us look.
    """
    return _on_disk(bundle_dir, _with_live(_read_history(bundle_dir), _live(bundle_dir)))


def go_live(fs: FileSystem, bundle_dir: Path, version: str) -> None:
    """Make a new version the live one, durably; the one that was live is the one before it. Called under the lock.

    Raises:
        OSError: the system refuses; the version that was live still is, unless only CURRENT's folder was not synced.
    """
    live = _live(bundle_dir)
    if live is not None and live != version:
        before = [each for each in _read_history(bundle_dir) if each not in (live, version)]
        _write_history(fs, bundle_dir, [*before, live])
    _write_current(fs, bundle_dir, version)


def go_back(fs: FileSystem, bundle_dir: Path, version: str) -> None:
    """Make a version that is here the live one, durably; the order of versions stays. Called under the lock.

    Raises:
        OSError: as `go_live`.
    """
    history = _read_history(bundle_dir)
    if (order := _with_live(history, _live(bundle_dir))) != history:
        _write_history(fs, bundle_dir, order)
    _write_current(fs, bundle_dir, version)


def _live(bundle_dir: Path) -> str | None:
    try:
        return read_current(bundle_dir)
    except BundleError:
        return None  # a bundle whose CURRENT is lost is mended by whoever publishes next


def _with_live(history: list[str], live: str | None) -> list[str]:
    return history if live is None or live in history else [*history, live]


def _read_history(bundle_dir: Path) -> list[str]:
    path = bundle_dir / layout.HISTORY_FILE
    try:
        lines = read_small(path, limit_bytes=_MAX_HISTORY_BYTES).decode("ascii", "replace").split()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error
    return [line for line in lines if layout.is_version_id(line)]


def _write_history(fs: FileSystem, bundle_dir: Path, order: list[str]) -> None:
    text = "".join(f"{version}\n" for version in _on_disk(bundle_dir, order))
    replace_file(fs, bundle_dir / layout.HISTORY_FILE, text.encode("ascii"))


def _write_current(fs: FileSystem, bundle_dir: Path, version: str) -> None:
    replace_file(fs, bundle_dir / layout.CURRENT_FILE, f"{version}\n".encode("ascii"))


def _on_disk(bundle_dir: Path, order: list[str]) -> list[str]:
    here = set(versions_on_disk(bundle_dir))
    return [version for version in order if version in here]
