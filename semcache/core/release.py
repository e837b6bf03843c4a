"""The release: what a remote offers of a bundle, as a frozen value, and its one canonical spelling in bytes.

A version's files are built where they are used; what travels is what they are built of. Source: FORMAT.md, "Releases".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from semcache.core.chunk import ChunkRef
from semcache.core.fields import FieldError, Fields
from semcache.core.manifest import Counts, Manifest, NewerFormatError, parse_manifest

RELEASE_FORMAT = "semcache-release"
RELEASE_VERSION = 1
MAX_RELEASE_BYTES = 32 << 20
MOST_ITEMS = 4096
"""Most items of a piece."""

ROW_COLUMNS = ("variants", "vectors", "words")
COLUMNS = (*ROW_COLUMNS, "entries", "answers")
"""What grows at its end only: the items of a number never change while that number lives."""
FILES = (
    *("rows.npy", "entries.npy", "probes.npy", "records.sha256"),
    *("adapter.npy", "row_facts.npy", "rarity.npy", "trees.npy"),
)
"""Files of a version that travel whole."""
FRAME_FILE, DICTIONARY_FILE = "index.frame", "dictionary"
"""The trained index without rows, and the dictionary of the answers; where there is one."""
_OPTIONAL_FILES = (FRAME_FILE, DICTIONARY_FILE)


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
        for pieces in self.columns.values():
            yield from (piece.ref for piece in pieces)
        for refs in (*self.files.values(), *self.encoder.values()):
            yield from refs

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
    counts = release.manifest.counts
    for name, pieces in release.columns.items():
        found, allowed = sum(piece.n_items for piece in pieces), n_items(counts, name)
        if found != allowed:
            msg = f"columns: {name}: found {found} items, the manifest says {allowed}"
            raise FieldError(msg)
    missing = [name for name in FILES if name not in release.files]
    unknown = [name for name in release.files if name not in (*FILES, *_OPTIONAL_FILES)]
    if missing or unknown or release.number < 1 or release.name != release.manifest.name:
        msg = f"files: missing {missing}, unknown {unknown}; number {release.number}; name {release.name!r:.80}"
        raise FieldError(msg)


def n_items(counts: Counts, column: str) -> int:
    """Return how many items a column of a version has."""
    if column == "entries":
        return counts.all_entries
    return counts.all_answers if column == "answers" else counts.all_rows
