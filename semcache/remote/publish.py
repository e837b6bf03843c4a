"""Publishes the live version of a bundle: cuts it into chunks, uploads those the remote lacks, then offers it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from semcache.bundle import layout
from semcache.bundle.columns import VersionColumns
from semcache.bundle.live import locked_name
from semcache.bundle.locate import BundleLocation, locate
from semcache.bundle.reader import VersionReader
from semcache.bundle.releases import keep_release
from semcache.config import DEFAULT_ROOT, OpenConfig
from semcache.core.chunk import ChunkRef
from semcache.core.manifest import Manifest
from semcache.core.release import COLUMNS, DICTIONARY_FILE, FILES, FRAME_FILE, MOST_ITEMS, ROW_COLUMNS, Piece, Release
from semcache.embed.encoder_dir import ENCODER_FILE, read_spec, verify_digest
from semcache.errors import BuildLockedError, NotPublishedError, ReleaseError, StorageError
from semcache.remote.offers import Clock, OwnOffers, parsed, utc_now
from semcache.store.chunks import TEXT_LEVEL, VECTOR_LEVEL, ChunkFolder, pack
from semcache.store.faiss_index import trained_frame
from semcache.store.fsio import FileSystem
from semcache.store.objects import ObjectStore
from semcache.store.transfer import Progress, fetch_all, store_all

FILE_PIECE_BYTES = 4 << 20
"""Content of a chunk of a file that travels whole."""
MERGED_ITEMS = 512
"""Pieces at a column's end are joined while they hold no more than this together: small nights do not pile up."""
RENEWED_AFTER_S = 20 * 3600
"""After how long a release of the same version is renewed: a job that runs every day renews it every time."""
_COMPARED = {"variants": ROW_COLUMNS, "entries": ("entries",), "answers": ("answers",)}
"""Columns whose items are held against those of the last release, and what follows from them."""


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What was published.

    Attributes:
        version: id of the version.
        number: of the release.
        is_new: False where the remote offered this very version already; then no chunk was written.
        is_renewed: whether it is offered once more, under a new number and as of now.
        size_bytes: of all its chunks.
        new_bytes: of those that the release before did not have: what a client of it must fetch.
        sent_bytes: what went over the wire.
    """

    version: str
    number: int
    is_new: bool
    is_renewed: bool
    size_bytes: int
    new_bytes: int
    sent_bytes: int


def publish(
    name: str,
    store: ObjectStore,
    offers: OwnOffers,
    *,
    root: str | Path = DEFAULT_ROOT,
    dry_run: bool = False,
    n_workers: int = 8,
    progress: Progress | None = None,
    clock: Clock = utc_now,
) -> PublishReport:
    """Publish the live version of a bundle under its name.

    Until the last write, which names it, readers of the remote see the release before. A version that is offered
    already is renewed after most of a day, so that readers can tell that nothing changed from that nobody publishes.

    Args:
        name: the bundle, or a path to it.
        store: the remote.
        offers: where the remote says what it offers.
        root: folder of bundles.
        dry_run: say what would be sent, send nothing.
        n_workers: uploads at once.
        progress: is told bytes done and all bytes.
        clock: the time.

    Raises:
        BundleError, EncoderError: there is no such bundle, or it is damaged.
        RemoteError: one of its kinds.
        StorageError: the system refuses.
    """
    location = locate(name, root=Path(root))
    reader = VersionReader(location, location.live_id(), OpenConfig(verify="full", prefault=False))
    folder = ChunkFolder(reader.root / layout.CHUNKS_DIR)
    before = _last_release(reader.manifest.name, store, offers)
    release = _release(reader, before, folder, store, now=int(clock().timestamp()))
    had = set() if before is None else set(before.chunks())
    new = [ref for ref in set(release.chunks()) if ref not in had]
    is_new, sent = before is None or before.manifest != release.manifest, 0
    if not dry_run:
        sent = store_all(store, new, folder, n_workers=n_workers, progress=progress).moved_bytes
        if release != before:
            offers.write(release.name, release.to_bytes())
        _keep(location, reader.id, release)
    is_renewed = not is_new and release != before
    return PublishReport(reader.id, release.number, is_new, is_renewed, _size(release.chunks()), _size(new), sent)


def _release(
    reader: VersionReader, before: Release | None, folder: ChunkFolder, store: ObjectStore, *, now: int
) -> Release:
    """Return the release to be offered: the last one, or that renewed, where it is of this version."""
    if before is None or before.manifest != reader.manifest:
        return _Cut(reader, before, folder, store).release(published=now)
    return before.renewed(now) if now - before.published > RENEWED_AFTER_S else before


def _last_release(name: str, store: ObjectStore, offers: OwnOffers) -> Release | None:
    try:
        return parsed(offers.read(name), name=name, url=store.url)
    except NotPublishedError:
        return None


def _keep(location: BundleLocation, version: str, release: Release) -> None:
    """Note what the version was published as, unless its name is being worked on: then the next publish does."""
    try:
        with suppress(BuildLockedError), locked_name(location.bundle_dir):
            keep_release(FileSystem(), location.bundle_dir, version, release.to_bytes())
    except OSError as error:
        raise StorageError.from_os_error(error.filename or location.bundle_dir, error) from error


def _size(refs: Iterator[ChunkRef] | Sequence[ChunkRef]) -> int:
    return sum(ref.size_bytes for ref in set(refs))


@dataclass
class _Cut:
    """Cuts one version into chunks, as those of the release before as can be."""

    reader: VersionReader
    before: Release | None
    folder: ChunkFolder
    store: ObjectStore
    columns: VersionColumns = field(init=False)

    def __post_init__(self) -> None:
        self.columns = VersionColumns(self.reader)

    def release(self, *, published: int) -> Release:
        manifest = self.reader.manifest
        pieces: dict[str, tuple[Piece, ...]] = {}
        for column, following in _COMPARED.items():
            n_kept = self._n_kept(column)
            for each in following:
                is_kept = self.before is not None and _is_alike(each, self.before.manifest, manifest)
                pieces[each] = self._extended(each, self._pieces_before(each)[:n_kept] if is_kept else ())
        return Release(
            name=manifest.name,
            number=1 if self.before is None else self.before.number + 1,
            published=published,
            manifest=manifest,
            columns={column: pieces[column] for column in COLUMNS},
            files=dict(self._files()),
            encoder=dict(self._encoder(manifest)),
        )

    def _n_kept(self, column: str) -> int:
        """Return how many pieces of the release before may stay: up to the first in which a live item differs."""
        pieces = self._pieces_before(column)
        fetch_all(self.store, [piece.ref for piece in pieces], self.folder)
        first = n_kept = 0
        for piece in pieces:
            last = first + piece.n_items
            if last > self.columns.n_items(column) or not self._agrees(column, first, last, piece):
                break
            first, n_kept = last, n_kept + 1
        return self._without_small(column, pieces[:n_kept])

    def _pieces_before(self, column: str) -> tuple[Piece, ...]:
        return () if self.before is None else self.before.columns[column]

    def _agrees(self, column: str, first: int, last: int, piece: Piece) -> bool:
        try:
            return self.columns.agrees(column, first, last, self.folder.read(piece.ref))
        except ValueError as error:
            reason = f"the last release has a piece of {column} that is of no known form: {error}"
            raise ReleaseError(self.store.url, reason) from error

    def _without_small(self, column: str, pieces: Sequence[Piece]) -> int:
        """Return how many pieces stay when those at the end are left out that can be joined with what is new."""
        n_kept, n_new = len(pieces), self.columns.n_items(column) - sum(piece.n_items for piece in pieces)
        while n_new and n_kept and pieces[n_kept - 1].n_items + n_new <= MERGED_ITEMS:
            n_kept -= 1
            n_new += pieces[n_kept].n_items
        return n_kept

    def _extended(self, column: str, kept: Sequence[Piece]) -> tuple[Piece, ...]:
        """Return pieces of the whole column: those kept, then new ones."""
        first, n = sum(piece.n_items for piece in kept), self.columns.n_items(column)
        level = VECTOR_LEVEL if column == "vectors" else TEXT_LEVEL
        return (
            *kept,
            *(
                Piece(self._add(self.columns.raw(column, start, stop), level), stop - start)
                for start in range(first, n, MOST_ITEMS)
                for stop in [min(start + MOST_ITEMS, n)]
            ),
        )

    def _add(self, raw: bytes, level: int = TEXT_LEVEL) -> ChunkRef:
        ref, data = pack(raw, level=level)
        self.folder.add(ref, data)
        return ref

    def _files(self) -> Iterator[tuple[str, tuple[ChunkRef, ...]]]:
        folder = self.reader.folder
        for name in FILES:
            yield name, self._whole(folder / name)
        if frame := trained_frame(folder / layout.INDEX_FILE):
            yield FRAME_FILE, self._cut(frame)
        if dictionary := self.reader.dictionary:
            yield DICTIONARY_FILE, self._cut(dictionary)

    def _encoder(self, manifest: Manifest) -> Iterator[tuple[str, tuple[ChunkRef, ...]]]:
        folder = layout.encoder_dir(self.reader.root, manifest.encoder.fingerprint)
        digests = read_spec(folder).digests
        for name, digest in digests.items():
            verify_digest(folder, name, digest)
        if self.before is not None and self.before.manifest.encoder.fingerprint == manifest.encoder.fingerprint:
            yield from self.before.encoder.items()
            return
        for name in (ENCODER_FILE, *digests):
            yield name, self._whole(folder / name)

    def _whole(self, path: Path) -> tuple[ChunkRef, ...]:
        try:
            return self._cut(path.read_bytes())
        except OSError as error:
            raise StorageError.from_os_error(path, error) from error

    def _cut(self, raw: bytes) -> tuple[ChunkRef, ...]:
        return tuple(self._add(raw[at : at + FILE_PIECE_BYTES]) for at in range(0, len(raw), FILE_PIECE_BYTES))


def _is_alike(column: str, before: Manifest, after: Manifest) -> bool:
    """Say whether items of a column are the same in both where the texts or records that they stand for are."""
    if column == "vectors":
        adapters = [manifest.files[layout.ADAPTER_FILE] for manifest in (before, after)]
        return before.encoder.fingerprint == after.encoder.fingerprint and adapters[0] == adapters[1]
    return column != "words" or before.producer == after.producer
