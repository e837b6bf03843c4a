from __future__ import annotations

import errno
import os
import random
import re
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from semcache.core.chunk import ChunkRef
from semcache.errors import ChunkError, StorageError
from semcache.store.chunks import ChunkFolder, pack, unpack
from semcache.store.codec import pack_frame
from semcache.store.fsio import FileSystem
from semcache.store.lock import LockedError

RAW = random.Random(7).randbytes(5000)
REF, DATA = pack(RAW)
DAY_S = 24 * 3600


class FullDisk(FileSystem):
    """Has no room for what is to be synced."""

    def sync_file(self, path: Path) -> None:
        """Refuse."""
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def age(path: Path, seconds: float) -> None:
    """Make a file older."""
    found = path.stat()
    os.utime(path, (found.st_atime - seconds, found.st_mtime - seconds))


def names(folder: Path) -> list[str]:
    """Give every file below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_chunk_is_named_by_its_bytes() -> None:
    """Their sha256, their size, and that of the content."""
    assert (REF.sha256, REF.size_bytes, REF.raw_bytes) == (sha256(DATA).hexdigest(), len(DATA), 5000)
    assert unpack(REF, DATA) == RAW


def test_the_same_content_makes_the_same_chunk() -> None:
    """Unchanged rows cost nothing to publish again."""
    assert pack(RAW) == (REF, DATA)


@pytest.mark.parametrize("data", [DATA[:-1], DATA + b"x", b"", bytes(len(DATA)), DATA[:-1] + b"x"])
def test_other_bytes_are_no_chunk(data: bytes) -> None:
    """Cut, longer, none, or changed."""
    with pytest.raises(ChunkError, match=f"allowed {REF.sha256} of {len(DATA)} bytes$"):
        unpack(REF, data)


def test_a_chunk_that_unpacks_to_more_than_it_states_is_refused_unread() -> None:
    """Its name may be right: whoever wrote the release may be hostile."""
    data = pack_frame(bytes(100_000_000), level=1)
    ref = ChunkRef(sha256(data).hexdigest(), len(data), 10)
    message = "chunk: is no chunk of 10 bytes: content size: found 100000000, allowed 10; publish it again"
    with pytest.raises(ChunkError, match=f"^{re.escape(message)}$"):
        unpack(ref, data)


def test_a_chunk_that_was_added_is_there(tmp_path: Path) -> None:
    """Under its name, readable by others, and nothing beside it."""
    folder = ChunkFolder(tmp_path / "chunks")
    assert not folder.has(REF)
    folder.add(REF, DATA)
    assert (folder.has(REF), folder.load(REF), folder.read(REF)) == (True, DATA, RAW)
    assert names(tmp_path) == [f"chunks/{REF.sha256[:2]}/{REF.sha256}"]
    assert stat.S_IMODE(folder.path_of(REF).stat().st_mode) & 0o600 == 0o600
    assert list(folder.chunks()) == [(REF.sha256, len(DATA))]


def test_adding_a_chunk_twice_changes_nothing(tmp_path: Path) -> None:
    """It is the same."""
    folder = ChunkFolder(tmp_path)
    folder.add(REF, DATA)
    before = folder.path_of(REF).stat()
    folder.add(REF, DATA)
    assert folder.path_of(REF).stat().st_ino == before.st_ino


def test_bytes_that_are_not_the_chunk_are_not_kept(tmp_path: Path) -> None:
    """Not even under another name."""
    with pytest.raises(ChunkError):
        ChunkFolder(tmp_path).add(REF, DATA + b"x")
    assert names(tmp_path) == []


def test_a_chunk_that_is_not_there_says_where_it_would_be(tmp_path: Path) -> None:
    """And to pull again."""
    with pytest.raises(ChunkError, match=rf"^{tmp_path}/{REF.sha256[:2]}/{REF.sha256}: is not there; pull again$"):
        ChunkFolder(tmp_path).read(REF)


def test_a_damaged_chunk_is_never_given_and_is_fetched_anew(tmp_path: Path) -> None:
    """It is an error, and it is gone."""
    folder = ChunkFolder(tmp_path)
    folder.add(REF, DATA)
    folder.path_of(REF).write_bytes(DATA[:-1] + b"x")
    with pytest.raises(ChunkError, match=r"was damaged and is removed; pull again$"):
        folder.read(REF)
    assert not folder.has(REF)


def test_a_sound_chunk_of_a_wrong_release_stays(tmp_path: Path) -> None:
    """Its bytes are right; what is said of its content is not."""
    folder = ChunkFolder(tmp_path)
    folder.add(REF, DATA)
    with pytest.raises(ChunkError, match="is no chunk of 4999 bytes"):
        folder.read(ChunkRef(REF.sha256, REF.size_bytes, 4999))
    assert folder.has(REF)


def test_a_cut_chunk_is_not_there(tmp_path: Path) -> None:
    """So it is fetched anew."""
    folder = ChunkFolder(tmp_path)
    folder.add(REF, DATA)
    os.truncate(folder.path_of(REF), 10)
    assert not folder.has(REF)


def test_a_full_disk_leaves_nothing_under_the_chunks_name(tmp_path: Path) -> None:
    """And says what to do."""
    with pytest.raises(StorageError, match="No space left on device; free some space and run the command again"):
        ChunkFolder(tmp_path, fs=FullDisk()).add(REF, DATA)
    assert names(tmp_path) == []


def test_a_part_is_gone_on_with(tmp_path: Path) -> None:
    """What came before an interruption is still there, and only all of it gets the name."""
    folder = ChunkFolder(tmp_path)
    with folder.part(REF) as part:
        part.append(DATA[:1000])
        assert not part.finish()
    assert not folder.has(REF)
    with folder.part(REF) as part:
        assert part.size_bytes == 1000
        part.append(DATA[1000:])
        assert part.finish()
    assert folder.load(REF) == DATA


def test_a_wrong_part_is_begun_anew(tmp_path: Path) -> None:
    """It does not get the name; after a restart it can."""
    folder = ChunkFolder(tmp_path)
    with folder.part(REF) as part:
        part.append(bytes(len(DATA)))
        assert not part.finish()
        part.restart()
        part.append(DATA)
        assert part.finish()
    assert folder.load(REF) == DATA


def test_a_part_has_one_loader_at_a_time(tmp_path: Path) -> None:
    """Another one is refused, or begins a part of its own, of which nothing stays."""
    folder = ChunkFolder(tmp_path)
    with folder.part(REF) as part:
        part.append(DATA[:1000])
        with pytest.raises(LockedError), folder.part(REF):
            pass
        with folder.part(REF, is_private=True) as own:
            own.append(DATA[:10])
        assert len(names(tmp_path)) == 1
        folder.add(REF, DATA)
        part.append(DATA[1000:])
        assert part.finish()
    assert folder.load(REF) == DATA
    assert len(names(tmp_path)) == 1


def test_an_empty_part_leaves_no_file(tmp_path: Path) -> None:
    """A remote that does not answer costs nothing."""
    with ChunkFolder(tmp_path).part(REF):
        pass
    assert names(tmp_path) == []


def test_sweeping_removes_what_nobody_names_and_is_old(tmp_path: Path) -> None:
    """What is named stays, what is new stays, what is being loaded stays; the freed bytes are counted."""
    folder = ChunkFolder(tmp_path)
    chunks = [pack(bytes([i]) * 5000) for i in range(5)]
    (kept, _), (new, _), (old, old_data), (dropped, _), (loading, _) = chunks
    for ref, data in chunks[:3]:
        folder.add(ref, data)
    for ref in (dropped, loading):
        with folder.part(ref) as part:
            part.append(b"0123456789")
    for path in tmp_path.rglob("*"):
        age(path, DAY_S + 60)
    os.utime(folder.path_of(new))
    with folder.part(loading):
        assert folder.sweep({kept.sha256}) == len(old_data) + 10
    assert {name for name, _ in folder.chunks()} == {kept.sha256, new.sha256}
    assert [name for name in names(tmp_path) if name.endswith(".part")] == [
        f"{loading.sha256[:2]}/{loading.sha256}.part"
    ]
    assert (folder.has(old), folder.sweep({kept.sha256})) == (False, 10)


def test_a_chunk_that_is_about_to_be_used_is_not_swept(tmp_path: Path) -> None:
    """A download counts on what it found."""
    folder = ChunkFolder(tmp_path)
    assert not folder.touch(REF)
    folder.add(REF, DATA)
    age(folder.path_of(REF), DAY_S + 60)
    assert folder.touch(REF)
    assert (folder.sweep(set()), folder.has(REF)) == (0, True)


def test_sweeping_leaves_foreign_files_alone(tmp_path: Path) -> None:
    """Only what has a chunk's name is one."""
    for name in ("ab/notes.txt", "README", "ab/0123"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"mine")
    folder = ChunkFolder(tmp_path)
    assert (folder.sweep(set(), grace_s=-60), list(folder.chunks())) == (0, [])
    assert names(tmp_path) == ["README", "ab/0123", "ab/notes.txt"]


def test_a_folder_that_is_not_there_has_no_chunks(tmp_path: Path) -> None:
    """And is not made by looking."""
    folder = ChunkFolder(tmp_path / "none")
    assert (folder.has(REF), list(folder.chunks()), folder.sweep(set())) == (False, [], 0)
    assert not folder.path.exists()
