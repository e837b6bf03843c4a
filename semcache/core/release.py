"""The release: what a remote offers of a bundle, as a frozen value, and its one canonical spelling in bytes.

A version's files are built where they are used; what travels is what they are built of. Source: FORMAT.md, "Releases".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256

from semcache.core.chunk import ChunkRef
from semcache.core.features import N_WORDS
from semcache.core.fields import FieldError, Fields
from semcache.core.manifest import Counts, Manifest, NewerFormatError, parse_manifest

RELEASE_FORMAT = "semcache-release"
RELEASE_VERSION = 1
MAX_RELEASE_BYTES = 32 << 20
MOST_ITEMS = 4096
"""Most items of a piece."""
MAX_ENCODER_BYTES = 8 << 30
"""Of all files of an encoder, unpacked: nothing else bounds what they may fill a disk with."""

ROW_COLUMNS = ("variants", "vectors", "words")
COLUMNS = (*ROW_COLUMNS, "entries", "answers")
"""What grows at its end only: the items of a number never change while that number lives."""
FILES = (
    *("rows.npy", "entries.npy", "probes.npy", "records.sha256"),
    *("adapter.npy", "row_facts.npy", "rarity.npy", "trees.npy", "learned.npy"),
)
"""Files of a version that travel whole."""
FRAME_FILE, DICTIONARY_FILE = "index.frame", "dictionary"
"""The trained index without rows, and the dictionary of the answers; where there is one."""
_GROWS_INTO = {FRAME_FILE: "index.faiss", DICTIONARY_FILE: "values.mdb"}
"""The file of a version that each of them is a part of."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of items of a column: its chunk, and how many items it holds, 1 to 4,096."""

    ref: ChunkRef
    n_items: int


@dataclass(frozen=True, slots=True)
class Release:
    """What a remote offers under a bundle's name.

    Attributes:
        name: of the bundle.
        number: 1 for the first release of the name, rising.
        published: Unix seconds.
        manifest: of the version that was published.
        columns: pieces of each of `COLUMNS`, from the first item to the last.
        files: chunks of each file that travels whole, in order.
        encoder: chunks of each file of the encoder's folder, in order.
    """

    name: str
    number: int
    published: int
    manifest: Manifest
    columns: Mapping[str, tuple[Piece, ...]]
    files: Mapping[str, tuple[ChunkRef, ...]]
    encoder: Mapping[str, tuple[ChunkRef, ...]]

    def chunks(self) -> Iterator[ChunkRef]:
        """Yield every chunk that it takes; one may come twice."""
        yield from self.version_chunks()
        for refs in self.encoder.values():
            yield from refs

    def version_chunks(self) -> Iterator[ChunkRef]:
        """Yield the chunks that the version is built of, where its encoder is there already."""
        for pieces in self.columns.values():
            yield from (piece.ref for piece in pieces)
        for refs in self.files.values():
            yield from refs

    def renewed(self, published: int) -> Release:
        """Return the release that offers the same as this one later."""
        return replace(self, number=self.number + 1, published=published)

    def content_sha256(self) -> str:
        """Return the digest of what is offered: all but number and time, which a renewal changes."""
        return sha256(replace(self, number=1, published=0).to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """Return the canonical bytes: ASCII JSON, sorted keys, no spaces, one final line feed."""
        document = {
            "format": RELEASE_FORMAT,
            "format_version": RELEASE_VERSION,
            "name": self.name,
            "number": self.number,
            "published": self.published,
            "manifest": self.manifest.to_bytes().decode("ascii"),
            "columns": {
                name: [{**asdict(piece.ref), "n_items": piece.n_items} for piece in pieces]
                for name, pieces in self.columns.items()
            },
            "files": {name: [asdict(ref) for ref in refs] for name, refs in self.files.items()},
            "encoder": {name: [asdict(ref) for ref in refs] for name, refs in self.encoder.items()},
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return f"{text}\n".encode("ascii")


def parse_release(raw: bytes) -> Release:
    """Read a release, strictly.

    Raises:
        NewerFormatError: its format, or its manifest's, is newer than this program knows.
        FieldError: anything else is wrong; says which field.
    """
    take = Fields.parse(raw)
    take.one_of("format", RELEASE_FORMAT)
    version = take.count("format_version")
    if version != RELEASE_VERSION:
        msg = f"format_version: found {version}, this program reads {RELEASE_VERSION}; upgrade semcache"
        raise NewerFormatError(msg)
    release = Release(
        name=take.text("name"),
        number=take.count("number"),
        published=take.count("published"),
        manifest=parse_manifest(take.text("manifest").encode("ascii", "replace")),
        columns=_columns(take.fields("columns")),
        files=_files(take.fields("files")),
        encoder=_files(take.fields("encoder")),
    )
    take.nothing_left()
    _check(release)
    return release


def _columns(take: Fields) -> dict[str, tuple[Piece, ...]]:
    columns = {name: tuple(map(_piece, take.list_of_fields(name))) for name in COLUMNS}
    take.nothing_left()
    return columns


def _piece(take: Fields) -> Piece:
    n_items = take.count("n_items")
    if not 1 <= n_items <= MOST_ITEMS:
        msg = f"columns: n_items: found {n_items}, allowed 1 to {MOST_ITEMS}"
        raise FieldError(msg)
    return Piece(_ref(take), n_items)


def _files(take: Fields) -> dict[str, tuple[ChunkRef, ...]]:
    return {name: tuple(map(_ref, take.list_of_fields(name))) for name in take.names()}


def _ref(take: Fields) -> ChunkRef:
    try:
        ref = ChunkRef(take.hex("sha256", 64), take.count("size_bytes"), take.count("raw_bytes"))
    except ValueError as error:
        raise FieldError(str(error)) from error
    take.nothing_left()
    return ref


def _check(release: Release) -> None:
    """Hold what travels against what the manifest says there is."""
    if release.number < 1:
        msg = f"number: found {release.number}, allowed 1 or more"
        raise FieldError(msg)
    if release.name != release.manifest.name:
        msg = f"name: found {release.name!r:.80}, the manifest says {release.manifest.name!r:.80}"
        raise FieldError(msg)
    for name, pieces in release.columns.items():
        _check_column(release.manifest, name, pieces)
    _check_files(release)
    found = sum(ref.raw_bytes for refs in release.encoder.values() for ref in refs)
    if found > MAX_ENCODER_BYTES:
        msg = f"encoder: found {found} bytes, allowed {MAX_ENCODER_BYTES}"
        raise FieldError(msg)


def _check_column(manifest: Manifest, name: str, pieces: Sequence[Piece]) -> None:
    found, allowed = sum(piece.n_items for piece in pieces), n_items(manifest.counts, name)
    if found != allowed:
        msg = f"columns: {name}: found {found} items, the manifest says {allowed}"
        raise FieldError(msg)
    item_bytes = {"vectors": 2 * manifest.encoder.dim, "words": 2 * N_WORDS}.get(name)
    for piece in pieces:
        if item_bytes is not None and piece.ref.raw_bytes != piece.n_items * item_bytes:
            msg = f"columns: {name}: found {piece.ref.raw_bytes} bytes, {piece.n_items} items of {item_bytes} allowed"
            raise FieldError(msg)


def _check_files(release: Release) -> None:
    """Hold each file against its size in the manifest; what is not in it may be no larger than what it becomes."""
    manifest, files = release.manifest, release.files
    wanted = {*FILES, *([FRAME_FILE] if manifest.index.kind == "ivf" else [])}
    if set(files) - {DICTIONARY_FILE} != wanted:
        msg = f"files: found {', '.join(sorted(files))}, allowed {', '.join(sorted(wanted))} and {DICTIONARY_FILE}"
        raise FieldError(msg)
    for name, refs in files.items():
        found, grows_into = sum(ref.raw_bytes for ref in refs), _GROWS_INTO.get(name)
        info = manifest.files.get(grows_into or name)
        allowed = 0 if info is None else info.size_bytes
        if info is None or found > allowed or (found < allowed and grows_into is None):
            msg = f"files: {name}: found {found} bytes, allowed {allowed}"
            raise FieldError(msg)


def n_items(counts: Counts, column: str) -> int:
    """Return how many items a column of a version has."""
    if column == "entries":
        return counts.all_entries
    return counts.all_answers if column == "answers" else counts.all_rows
