from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sharing import NAME, RELEASE, Sharing, numbered

from semcache.bundle.assemble import assemble
from semcache.bundle.layout import INDEX_FILE, VALUES_FILE, VERSION_FILES
from semcache.core.chunk import ChunkRef
from semcache.core.release import Piece, Release, parse_release
from semcache.errors import ReleaseError
from semcache.store.chunks import ChunkFolder


@pytest.fixture
def sharing(tmp_path: Path) -> Sharing:
    """Give a publisher of a release with dead numbers."""
    sharing = Sharing(tmp_path)
    sharing.publish(numbered(12))
    sharing.publish(numbered(12)[1:])
    (tmp_path / "staged").mkdir()
    return sharing


def release_of(sharing: Sharing) -> tuple[Release, ChunkFolder]:
    """Return what is offered, and the publisher's chunks."""
    release = parse_release((sharing.folder / "remote" / RELEASE).read_bytes())
    return release, ChunkFolder(sharing.root / "chunks")


def test_what_is_built_is_what_was_published(sharing: Sharing) -> None:
    """All files but the two that are built here are the publisher's to the byte, and the manifest says so."""
    release, chunks = release_of(sharing)
    manifest = assemble(sharing.folder / "staged", release, chunks.read)
    assert sorted(path.name for path in (sharing.folder / "staged").iterdir()) == sorted(VERSION_FILES)
    built_here = {VALUES_FILE, INDEX_FILE}
    published = release.manifest.files
    assert {name for name, info in manifest.files.items() if info != published[name]} <= built_here
    assert replace(manifest, files=published, index=release.manifest.index) == release.manifest
    assert manifest.counts.dead_entries == 1


def test_a_dead_item_of_an_old_piece_is_left_out(sharing: Sharing) -> None:
    """What was deleted is in no file that is built of it, though its chunk still travels."""
    release, chunks = release_of(sharing)
    assemble(sharing.folder / "staged", release, chunks.read)
    assert any(b"item0" in chunks.read(piece.ref) for piece in release.columns["variants"])
    assert b"item0" not in (sharing.folder / "staged" / VALUES_FILE).read_bytes()


@pytest.mark.parametrize("column", ["variants", "vectors", "words", "entries", "answers"])
def test_a_piece_of_another_size_is_refused(sharing: Sharing, column: str) -> None:
    """In every column: nothing is read beyond it, nothing is made up."""
    release, chunks = release_of(sharing)
    wrong = ChunkRef("f" * 64, 1, 3)
    pieces = tuple(Piece(wrong, piece.n_items) for piece in release.columns[column])
    hostile = replace(release, columns={**release.columns, column: pieces})
    with pytest.raises(ReleaseError, match=rf"^{NAME}: release 2 does not fit together: "):
        assemble(sharing.folder / "staged", hostile, lambda ref: b"abc" if ref == wrong else chunks.read(ref))


def test_an_entry_that_is_not_there_is_refused(sharing: Sharing) -> None:
    """As rows that belong to entry 1,000 of twelve."""
    release, chunks = release_of(sharing)
    [ref] = release.files["rows.npy"]
    raw = bytearray(chunks.read(ref))
    raw[-4:] = (1000).to_bytes(4, "little")
    with pytest.raises(ReleaseError, match="does not fit together"):
        assemble(sharing.folder / "staged", release, lambda asked: bytes(raw) if asked == ref else chunks.read(asked))


def test_the_release_names_every_chunk_once_per_use(sharing: Sharing) -> None:
    """So that what may be deleted can be told from it."""
    release, _ = release_of(sharing)
    document = json.loads(release.to_bytes())
    named = [
        ref["sha256"] for part in ("columns", "files", "encoder") for refs in document[part].values() for ref in refs
    ]
    assert sorted(ref.sha256 for ref in release.chunks()) == sorted(named)
