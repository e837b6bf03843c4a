"""Makes an earlier version of a bundle live again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from semcache.bundle.check import check_bundle
from semcache.bundle.live import go_back, locked_name, versions_on_disk, versions_that_were_live
from semcache.bundle.locate import BundleLocation, locate, read_current
from semcache.bundle.release_note import read_note, write_note
from semcache.config import DEFAULT_ROOT
from semcache.errors import BundleCorruptError, BundleNotFoundError, ConfigError, StorageError
from semcache.store.fsio import FileSystem


@dataclass(frozen=True, slots=True)
class RollbackReport:
    """What is live now.

    Attributes:
        version: the live version.
        before: the one that was live.
        release: number of the pulled release that is left out until a newer one is there; None where there is none.
    """

    version: str
    before: str
    release: int | None


def rollback(
    name: str | Path, version: str | None = None, *, root: str | Path = DEFAULT_ROOT, fs: FileSystem | None = None
) -> RollbackReport:
    """Make a version that is still here the live one, after every byte of it was checked.

    A release that was pulled and rolled back stays so: no pull brings it again, only a newer one.

    Args:
        name: the bundle.
        version: its id, or the beginning of it; None for the one that was live before the live one.
        root: folder of bundles.
        fs: durable steps; tests pass one that fails.

    Raises:
        BundleNotFoundError: there is no such bundle, or no such version of it here.
        BundleCorruptError: the version is damaged; the live one stays.
        ConfigError: several versions begin like this, or the bundle is given as one version's folder.
        BuildLockedError: a build, a pull, another rollback or a removal of this name is running.
        StorageError: the system refuses.
    """
    location, fs = locate(name, root=Path(root)), fs or FileSystem()
    if location.pinned_id is not None:
        msg = f"name: found the folder of one version, allowed a bundle such as {location.bundle_dir}"
        raise ConfigError(msg)
    bundle_dir = location.bundle_dir
    try:
        with locked_name(bundle_dir):
            live = read_current(bundle_dir)
            chosen = _before(bundle_dir, live) if version is None else _named(bundle_dir, version)
            _check(location, chosen)
            release = _note(fs, bundle_dir, live, chosen)
            go_back(fs, bundle_dir, chosen)
    except OSError as error:
        raise StorageError.from_os_error(error.filename or bundle_dir, error) from error
    return RollbackReport(chosen, live, release)


def _before(bundle_dir: Path, live: str) -> str:
    order = versions_that_were_live(bundle_dir)
    at = order.index(live) if live in order else len(order)
    if at == 0:
        reason = f"no version was live before {live}, or it was removed; `semcache versions` lists what is here"
        raise BundleNotFoundError(bundle_dir, reason)
    return order[at - 1]


def _named(bundle_dir: Path, version: str) -> str:
    found = [each for each in versions_on_disk(bundle_dir) if version and each.startswith(version)]
    if not found:
        reason = f"has no version that begins with {version!r}; `semcache versions` lists what is here"
        raise BundleNotFoundError(bundle_dir, reason)
    if len(found) > 1:
        msg = f"version: found {version!r}, with which {' and '.join(sorted(found))} begin; allowed more of one of them"
        raise ConfigError(msg)
    return found[0]


def _check(location: BundleLocation, version: str) -> None:
    folder = location.version_dir(version)
    if problems := check_bundle(folder):
        raise BundleCorruptError(folder, f"is not made live, {'; '.join(problems)}; the live version stays")


def _note(fs: FileSystem, bundle_dir: Path, live: str, chosen: str) -> int | None:
    """Note, for pulls, that a release was rolled back or is taken up again. Returns the one that is left out now.

    It comes before CURRENT: after a crash between the two the release is live, and the next pull notes it anew.
    """
    note = read_note(bundle_dir)
    if note is None or live != note.version:
        return None
    is_back = chosen == note.built
    write_note(fs, bundle_dir, replace(note, version=chosen, rolled_back="" if is_back else note.built))
    return None if is_back else note.number
