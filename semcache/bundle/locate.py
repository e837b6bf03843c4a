"""Where a bundle is, and which of its versions is live."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from semcache.bundle import layout
from semcache.errors import BundleCorruptError, BundleNotFoundError, StorageError

_CURRENT_BYTES_LIMIT = 256


@dataclass(frozen=True, slots=True)
class BundleLocation:
    """A bundle, or one version of it.

    Attributes:
        root: holds bundles and their encoders.
        bundle_dir: `<root>/<name>`.
        pinned_id: the version where a version's own folder was given; None to follow CURRENT.
    """

    root: Path
    bundle_dir: Path
    pinned_id: str | None

    def live_id(self) -> str:
        """Return the id of the version to open.

        Raises:
            BundleNotFoundError: there is no bundle.
            BundleCorruptError: CURRENT does not hold a version id.
        """
        return self.pinned_id or read_current(self.bundle_dir)

    def version_dir(self, version: str) -> Path:
        """Return the folder of a version."""
        return self.bundle_dir / layout.VERSIONS_DIR / version


def locate(bundle: str | Path, *, root: Path) -> BundleLocation:
    """Find a bundle by path (its folder, or a folder in versions/) or by its name in a root.

    A path is anything with a separator in it, or an absolute one; a bare word is a name where the root has it,
    else a path.

    Raises:
        BundleNotFoundError: there is none.
        StorageError: the system does not let us look.
    """
    try:
        return _locate(bundle, root)
    except OSError as error:
        raise StorageError.from_os_error(error.filename or bundle, error) from error


def _locate(bundle: str | Path, root: Path) -> BundleLocation:
    path = Path(bundle)
    is_name = isinstance(bundle, str) and layout.is_name(bundle)
    if is_name and (root / path).is_dir():
        path = root / path
    if (path / layout.MANIFEST_FILE).is_file() and layout.is_version_id(path.name):
        bundle_dir = path.absolute().parent.parent
        return BundleLocation(bundle_dir.parent, bundle_dir, path.name)
    if (path / layout.CURRENT_FILE).is_file() or (path / layout.VERSIONS_DIR).is_dir():
        return BundleLocation(path.absolute().parent, path.absolute(), None)
    where = f"neither {root / bundle} nor {path} holds one" if is_name else f"it has no {layout.CURRENT_FILE}"
    reason = f"no bundle here: {where}; build one with `semcache build ... --name NAME`"
    raise BundleNotFoundError(path, reason)


def read_small(path: Path, *, limit_bytes: int) -> bytes:
    """Return the first bytes of a file, without waiting where it is a pipe.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        return file.read(limit_bytes)


def read_current(bundle_dir: Path) -> str:
    """Return the live version's id.

    Raises:
        BundleNotFoundError: no version was ever published here.
        BundleCorruptError: CURRENT does not hold a version id.
        StorageError: it cannot be read.
    """
    path = bundle_dir / layout.CURRENT_FILE
    try:
        raw = read_small(path, limit_bytes=_CURRENT_BYTES_LIMIT)
    except FileNotFoundError as error:
        raise BundleNotFoundError(path, "missing: no version was published here; build the bundle again") from error
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error
    version = raw.decode("ascii", "replace").removesuffix("\n")
    if not layout.is_version_id(version):
        raise BundleCorruptError(path, f"found {version[:40]!r}, allowed 32 lower-case hex digits; build again")
    return version
