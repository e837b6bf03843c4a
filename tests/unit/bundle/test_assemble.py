from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from shared import HASHING
from sharing import NAME, RELEASE, Sharing, numbered

from semcache.bundle.assemble import assemble
from semcache.bundle.layout import INDEX_FILE, MANIFEST_FILE, VALUES_FILE, VERSION_FILES
from semcache.bundle.reader import read_manifest
from semcache.bundle.writer import file_info
from semcache.core.chunk import ChunkRef
from semcache.core.manifest import version_id
from semcache.core.release import Piece, Release, parse_release
from semcache.errors import ReleaseError
from semcache.store.chunks import ChunkFolder
from semcache.store.faiss_index import frame_of


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


@pytest.fixture
def two_nights(tmp_path: Path) -> tuple[Release, ChunkFolder, Path]:
    """Give the second release of a bundle of kind ivf, its chunks, and the version that a reader had before it."""
    sharing = Sharing(tmp_path)
    config = replace(HASHING, index="ivf", min_recall_at_1=0.0, min_recall_at_10=0.0)
    sharing.publish(numbered(60), config=config)
    version = sharing.pull().version
    sharing.publish([*numbered(61)[1:30], *numbered(70)[31:]], config=config)
    return *release_of(sharing), sharing.pulled_root / NAME / "versions" / str(version)


def assembled(folder: Path, two_nights: tuple[Release, ChunkFolder, Path], *, alone: bool = False) -> dict[str, bytes]:
    """Return the files that come out, and their manifest."""
    release, chunks, before = two_nights
    folder.mkdir()
    manifest = assemble(folder, release, chunks.read, before=None if alone else before)
    return {path.name: path.read_bytes() for path in folder.iterdir()} | {MANIFEST_FILE: manifest.to_bytes()}


def test_the_version_before_saves_encoding_and_changes_no_byte(
    tmp_path: Path, two_nights: tuple[Release, ChunkFolder, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No index is built anew, and all files and so the version are those that come out without it."""
    alone = assembled(tmp_path / "alone", two_nights, alone=True)
    monkeypatch.setattr("semcache.bundle.assemble.build_index", None)
    assert assembled(tmp_path / "following", two_nights) == alone


def flip_a_code(before: Path) -> None:
    """Damage the index."""
    path = before / INDEX_FILE
    raw = bytearray(path.read_bytes())
    raw[-100] ^= 1
    path.write_bytes(raw)


def lose_the_index(before: Path) -> None:
    """Delete it."""
    (before / INDEX_FILE).unlink()


def lose_the_manifest(before: Path) -> None:
    """Nothing vouches for the index any more."""
    (before / MANIFEST_FILE).write_bytes(b"{}")


def lose_all(before: Path) -> None:
    """As if it had been removed meanwhile."""
    shutil.rmtree(before)


@pytest.mark.parametrize("harm", [flip_a_code, lose_the_index, lose_the_manifest, lose_all])
def test_a_damaged_version_before_is_no_help_and_no_harm(
    tmp_path: Path, two_nights: tuple[Release, ChunkFolder, Path], harm: Callable[[Path], None]
) -> None:
    """Everything is built anew, to the same bytes."""
    harm(two_nights[2])
    assert assembled(tmp_path / "following", two_nights) == assembled(tmp_path / "alone", two_nights, alone=True)


def test_an_index_before_with_other_codes_is_found_out(
    tmp_path: Path, two_nights: tuple[Release, ChunkFolder, Path]
) -> None:
    """As another library may have made them: what comes of them is not the publisher's, so it is built anew."""
    release, chunks, before = two_nights
    path = before / INDEX_FILE
    raw, at = bytearray(path.read_bytes()), frame_of(path)[0].frame_bytes
    first_code = at + 8 + 8 * int.from_bytes(raw[at : at + 8], "little") + 8
    raw[first_code : first_code + 64] = bytes(64)
    path.write_bytes(raw)
    manifest = read_manifest(before)
    lying = replace(manifest, files={**manifest.files, INDEX_FILE: file_info(path)})
    (before / MANIFEST_FILE).write_bytes(lying.to_bytes())
    two_nights = release, chunks, before.rename(before.with_name(version_id(lying.to_bytes())))
    assert read_manifest(two_nights[2]) == lying
    assert assembled(tmp_path / "following", two_nights) == assembled(tmp_path / "alone", two_nights, alone=True)


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
