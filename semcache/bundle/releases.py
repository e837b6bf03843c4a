"""Which release each version here was built of or published as: `releases/<id>.json`, as it stands at the remote.

A removal keeps the chunks that they name, so that the next pull or publish moves only what is new. Nothing else needs
them: where one is missing or damaged, chunks are kept for a while only.
"""

from __future__ import annotations

from pathlib import Path

from semcache.bundle.layout import RELEASES_DIR
from semcache.bundle.locate import read_small
from semcache.core.fields import FieldError
from semcache.core.release import MAX_RELEASE_BYTES, Release, parse_release
from semcache.errors import StorageError
from semcache.store.fsio import FileSystem, replace_file

_SUFFIX = ".json"


def keep_release(fs: FileSystem, bundle_dir: Path, version: str, raw: bytes) -> None:
    """Note the release that a version stands for, durably. Called under the lock of the name.

    Raises:
        OSError: the system refuses.
    """
    path = _path(bundle_dir, version)
    if _read(path) != raw:
        fs.make_dir(path.parent)
        replace_file(fs, path, raw)


def release_of(bundle_dir: Path, version: str) -> Release | None:
    """Return the release that a version stands for; None where that is not known.

    Raises:
        StorageError: the system refuses.
    """
    path = _path(bundle_dir, version)
    try:
        return parse_release(_read(path))
    except FieldError:
        return None
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error


def releases_on_disk(bundle_dir: Path) -> dict[str, Path]:
    """Return the files that are here, by the version each is about."""
    return {path.stem: path for path in (bundle_dir / RELEASES_DIR).glob(f"*{_SUFFIX}")}


def _path(bundle_dir: Path, version: str) -> Path:
    return bundle_dir / RELEASES_DIR / f"{version}{_SUFFIX}"


def _read(path: Path) -> bytes:
    """Return what a file holds; nothing where it is not there."""
    try:
        return read_small(path, limit_bytes=MAX_RELEASE_BYTES)
    except FileNotFoundError:
        return b""
