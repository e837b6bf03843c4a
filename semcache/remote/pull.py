"""Pulls a bundle: fetches the chunks that are missing here, builds the version of them, and makes it the live one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from semcache.bundle import layout
from semcache.bundle.assemble import assemble
from semcache.bundle.check import check_vectors
from semcache.bundle.locate import BundleLocation
from semcache.bundle.reader import VersionReader
from semcache.bundle.release_note import ReleaseNote, read_note, write_note
from semcache.bundle.writer import Staging, check_name, open_staging
from semcache.config import DEFAULT_ROOT, OpenConfig
from semcache.core.chunk import ChunkRef
from semcache.core.release import Release
from semcache.embed.encoder_dir import ENCODER_FILE, read_spec, verify_digest
from semcache.embed.registry import load_embedder
from semcache.errors import BundleError, EncoderError, ReleaseEncoderError, ReleaseError, RollbackError, StorageError
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
        is_new: False where this release was pulled before.
        size_bytes: of all its chunks that are needed here.
        missing_bytes: of those that were not here yet.
        fetched_bytes: what came over the wire.
    """

    version: str | None
    number: int
    is_new: bool
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
    fetched stays for the next attempt.

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
        RemoteError: another of its kinds.
        BuildLockedError: a build or a pull of this name is running.
        ConfigError: the name is not allowed.
        EncoderError: the encoder cannot be loaded here.
        StorageError: the system refuses.
    """
    check_name(name)
    raw = offers.read(name)
    release, root, digest = parsed(raw, name=name, url=store.url), Path(root), sha256(raw).hexdigest()
    before = _last_pull(root, release, store.url)
    folder = ChunkFolder(root / layout.CHUNKS_DIR)
    has_encoder = _has_encoder(root, release)
    refs = sorted(_needed(release, has_encoder=has_encoder), key=lambda ref: ref.sha256)
    size, missing = sum(r.size_bytes for r in refs), sum(r.size_bytes for r in refs if not folder.has(r))
    if before is not None and before.sha256 == digest and _is_live(root, before):
        return PullReport(before.version, release.number, False, size, 0, 0)
    if dry_run:
        return PullReport(None, release.number, True, size, missing, 0)
    fetched = fetch_all(store, refs, folder, n_workers=n_workers, progress=progress)
    fs = fs or FileSystem()
    with open_staging(fs, root, name) as staging:
        _last_pull(root, release, store.url)  # another pull may have been faster
        if not has_encoder:
            _install_encoder(fs, root, release, folder)
        version = _install(root, release, staging, folder)
        note = ReleaseNote(name, store.url, release.number, release.published, version, sha256=digest)
        write_note(fs, staging.bundle_dir, note)
    return PullReport(version, release.number, True, size, missing, fetched.moved_bytes)


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


def _is_live(root: Path, pulled: ReleaseNote) -> bool:
    """Say whether the version that was pulled is the live one, and all of its files are there."""
    location = BundleLocation(root, root / pulled.name, None)
    try:
        return location.live_id() == pulled.version and bool(_opened(location, pulled.version))
    except BundleError:
        return False


def _opened(location: BundleLocation, version: str) -> VersionReader:
    return VersionReader(location, version, OpenConfig(verify="full", prefault=False))


def _needed(release: Release, *, has_encoder: bool) -> set[ChunkRef]:
    """Return the chunks of a release; those of its encoder only where the encoder is not here."""
    refs = set(release.chunks())
    if has_encoder:
        encoder = {ref for refs in release.encoder.values() for ref in refs}
        refs -= encoder - {piece.ref for pieces in release.columns.values() for piece in pieces}
    return refs


def _has_encoder(root: Path, release: Release) -> bool:
    folder = layout.encoder_dir(root, release.manifest.encoder.fingerprint)
    try:
        for name, digest in read_spec(folder).digests.items():
            verify_digest(folder, name, digest)
    except (EncoderError, StorageError):
        return False
    return True


def _install(root: Path, release: Release, staging: Staging, folder: ChunkFolder) -> str:
    manifest = assemble(staging.folder, release, folder.read)
    location = BundleLocation(root, staging.bundle_dir, None)

    def check(version: str) -> None:
        embedder = load_embedder(layout.encoder_dir(root, release.manifest.encoder.fingerprint))
        if problems := check_vectors(_opened(location, version), embedder):
            raise ReleaseError(release.name, f"release {release.number}: {'; '.join(problems)}")

    version, _ = staging.publish(manifest, check=check)
    return version


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
