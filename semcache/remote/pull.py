"""Pulls a bundle: fetches the chunks that are missing here, builds the version of them, and makes it the live one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from semcache.bundle import layout
from semcache.bundle.assemble import assemble
from semcache.bundle.check import check_vectors
from semcache.bundle.live import locked_name
from semcache.bundle.locate import BundleLocation
from semcache.bundle.reader import VersionReader
from semcache.bundle.release_note import ReleaseNote, read_note, write_note
from semcache.bundle.releases import keep_release
from semcache.bundle.writer import Staging, check_name, open_staging
from semcache.config import DEFAULT_ROOT, OpenConfig
from semcache.core.chunk import ChunkRef
from semcache.core.release import Release
from semcache.embed.encoder_dir import ENCODER_FILE, read_spec, verify_digest
from semcache.embed.registry import load_embedder
from semcache.errors import (
    BundleCorruptError,
    BundleError,
    EncoderError,
    ReleaseEncoderError,
    ReleaseError,
    RollbackError,
    StorageError,
)
from semcache.remote.offers import Offers, parsed
from semcache.store.chunks import ChunkFolder
from semcache.store.fsio import FileSystem, publish_dir
from semcache.store.lock import exclusive_lock
from semcache.store.objects import ObjectStore
from semcache.store.transfer import Progress, fetch_all


@dataclass(frozen=True, slots=True)
class PullReport:
    """What was pulled.

    Attributes:
        version: id of the version that is live now; None after a dry run that found something new.
        number: of the release.
        is_new: False where what it offers was pulled before.
        is_renewed: whether only its number and its time are new, which are noted.
        size_bytes: of all its chunks that are needed here.
        missing_bytes: of those that were not here yet.
        fetched_bytes: what came over the wire.
    """

    version: str | None
    number: int
    is_new: bool
    is_renewed: bool
    size_bytes: int
    missing_bytes: int
    fetched_bytes: int


def pull(
    name: str,
    store: ObjectStore,
    offers: Offers,
    *,
    root: str | Path = DEFAULT_ROOT,
    dry_run: bool = False,
    n_workers: int = 8,
    progress: Progress | None = None,
    fs: FileSystem | None = None,
) -> PullReport:
    """Bring the release that a remote offers of a bundle, and make it the live version here.

    Whatever happens on the way, the version that is live stays so until the new one is whole and checked. What was
    fetched stays for the next attempt. A release that was rolled back is not brought again, nor are its renewals.

    Args:
        name: the bundle.
        store: the remote.
        offers: where it says what it offers.
        root: folder of bundles; created where it is missing.
        dry_run: say what would be fetched, fetch nothing.
        n_workers: downloads at once.
        progress: is told bytes done and all bytes.
        fs: durable steps; tests pass one that fails.

    Raises:
        NotPublishedError: the remote offers no such bundle.
        RollbackError: it offers an older release than the one that was pulled before.
        BundleCorruptError: the live version is damaged, and the release that would replace it was rolled back.
        RemoteError: another of its kinds.
        BuildLockedError: a build, another pull, a rollback or a removal of this name is running.
        ConfigError: the name is not allowed.
        EncoderError: the encoder cannot be loaded here.
        StorageError: the system refuses.
    """
    check_name(name)
    raw, root, fs = offers.read(name), Path(root), fs or FileSystem()
    release = parsed(raw, name=name, url=store.url)
    before = _last_pull(root, release, store.url)
    folder = ChunkFolder(root / layout.CHUNKS_DIR)
    has_encoder = _has_encoder(root, release)
    refs = sorted(set(release.version_chunks() if has_encoder else release.chunks()), key=lambda ref: ref.sha256)
    size, missing = sum(r.size_bytes for r in refs), sum(r.size_bytes for r in refs if not folder.has(r))
    if before is not None and before.content_sha256 == release.content_sha256() and _stands(root, before):
        is_renewed = before.number < release.number
        if is_renewed and not dry_run:
            _note_renewal(fs, root, release, store.url)
        return PullReport(before.version, release.number, False, is_renewed, size, 0, 0)
    if dry_run:
        return PullReport(None, release.number, True, False, size, missing, 0)
    fetched = fetch_all(store, refs, folder, n_workers=n_workers, progress=progress)
    with open_staging(fs, root, name) as staging:
        _last_pull(root, release, store.url)  # another pull may have been faster
        if not has_encoder:
            _install_encoder(fs, root, release, folder)
        version = _install(root, release, staging, folder)
        keep_release(fs, staging.bundle_dir, version, raw)
        write_note(fs, staging.bundle_dir, _note_of(release, store.url, version))
    return PullReport(version, release.number, True, False, size, missing, fetched.moved_bytes)


def _last_pull(root: Path, release: Release, url: str) -> ReleaseNote | None:
    """Return what was pulled from this remote last.

    Raises:
        RollbackError: it is newer than this release.
    """
    pulled = read_note(root / release.name)
    if pulled is None or pulled.url != url:
        return None
    if release.number < pulled.number:
        reason = (
            f"offers release {release.number} of {release.name}, and {pulled.number} was pulled before; ask its "
            f"publisher, or delete {root / release.name / layout.PULLED_FILE} to take it"
        )
        raise RollbackError(url, reason)
    return pulled


def _note_of(release: Release, url: str, version: str) -> ReleaseNote:
    return ReleaseNote(
        release.name,
        url,
        release.number,
        release.published,
        version,
        content_sha256=release.content_sha256(),
    )


def _stands(root: Path, pulled: ReleaseNote) -> bool:
    """Say whether the version that stands for the last pull is live and whole.

    Raises:
        BundleCorruptError: it is live and damaged, and what would be built instead was rolled back.
    """
    location = BundleLocation(root, root / pulled.name, None)
    if _live_dir(location) != location.version_dir(pulled.version):
        return False
    try:
        VersionReader(location, pulled.version, OpenConfig(verify="full", prefault=False))
    except BundleError as error:
        if not pulled.rolled_back:
            return False
        reason = (
            f"is live and damaged ({error}), and release {pulled.number} was rolled back and stays out; roll back to "
            "another version (`semcache versions` lists them), or pull when there is a newer release"
        )
        raise BundleCorruptError(location.version_dir(pulled.version), reason) from error
    return True


def _note_renewal(fs: FileSystem, root: Path, release: Release, url: str) -> None:
    """Note number and time of a release that offers what stands here; what was rolled back stays so."""
    bundle_dir = root / release.name
    try:
        with locked_name(bundle_dir):
            pulled = _last_pull(root, release, url)  # another pull, or a rollback, may have been faster
            if pulled is not None and pulled.content_sha256 == release.content_sha256():
                write_note(fs, bundle_dir, replace(pulled, number=release.number, published=release.published))
    except OSError as error:
        raise StorageError.from_os_error(error.filename or bundle_dir, error) from error


def _has_encoder(root: Path, release: Release) -> bool:
    folder = layout.encoder_dir(root, release.manifest.encoder.fingerprint)
    try:
        for name, digest in read_spec(folder).digests.items():
            verify_digest(folder, name, digest)
    except (EncoderError, StorageError):
        return False
    return True


def _install(root: Path, release: Release, staging: Staging, folder: ChunkFolder) -> str:
    location = BundleLocation(root, staging.bundle_dir, None)
    manifest = assemble(staging.folder, release, folder.read, before=_live_dir(location))

    def check(version: str) -> None:
        embedder = load_embedder(layout.encoder_dir(root, release.manifest.encoder.fingerprint))
        reader = VersionReader(location, version, OpenConfig(prefault=False))  # all files were hashed just now
        if problems := check_vectors(reader, embedder):
            raise ReleaseError(release.name, f"release {release.number}: {'; '.join(problems)}")

    version, _ = staging.publish(manifest, check=check)
    return version


def _live_dir(location: BundleLocation) -> Path | None:
    """Return the folder of the live version; None where there is none."""
    try:
        return location.version_dir(location.live_id())
    except BundleError:
        return None


def _install_encoder(fs: FileSystem, root: Path, release: Release, folder: ChunkFolder) -> None:
    """Write the encoder's folder, under the lock that exports of it take."""
    encoders = root / layout.ENCODERS_DIR
    target = layout.encoder_dir(root, release.manifest.encoder.fingerprint)
    staged = encoders / f"{layout.STAGING_PREFIX}{os.getpid()}" / target.name
    try:
        fs.make_dir(encoders)
        with exclusive_lock(encoders / layout.EXPORT_LOCK_FILE, wait=True):
            fs.make_dir(staged)
            try:
                _write_encoder(staged, release, folder)
                aside = target.with_name(f"{layout.STAGING_PREFIX}damaged-{target.name}")
                publish_dir(fs, staged, target, aside=aside if target.exists() else None)
            finally:
                fs.remove_tree(staged.parent)
    except OSError as error:
        raise StorageError.from_os_error(error.filename or encoders, error) from error


def _write_encoder(staged: Path, release: Release, folder: ChunkFolder) -> None:
    """Write the files that the first one names; only what it vouches for."""
    try:
        _write(staged / ENCODER_FILE, release.encoder.get(ENCODER_FILE, ()), folder)
        digests = read_spec(staged).digests
        for name, digest in digests.items():
            _write(staged / name, release.encoder.get(name, ()), folder)
            verify_digest(staged, name, digest)
    except EncoderError as error:
        reason = f"release {release.number} has another encoder than its manifest says: {error}"
        raise ReleaseEncoderError(release.name, reason) from error


def _write(path: Path, refs: Sequence[ChunkRef], folder: ChunkFolder) -> None:
    with path.open("wb") as file:
        for ref in refs:
            file.write(folder.read(ref))
