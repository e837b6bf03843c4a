"""A pull that dies at any durable step: what was live stays so until the new version is whole; the next one ends it."""

from __future__ import annotations

import errno
import shutil
from itertools import count
from pathlib import Path

import pytest
from crash_steps import Crash, CrashingFileSystem, FailingFileSystem
from sharing import NAME, Sharing, numbered

from semcache import check_bundle
from semcache.bundle.locate import read_current
from semcache.errors import BundleNotFoundError, StorageError

OLD, NEW = numbered(5), numbered(5, answer="other")
TEXT = str(OLD[2]["query"])
ANSWERS = ("answer 2 of item2", "other 2 of item2")


def answer_or_none(sharing: Sharing) -> str | None:
    """Return what the reader's bundle answers; None where there is none."""
    try:
        read_current(sharing.pulled_root / NAME)
    except BundleNotFoundError:
        return None
    return sharing.answer(TEXT)


def reader(folder: Path, remote: Path) -> Sharing:
    """Return a new reader of a remote."""
    folder.mkdir()
    (folder / "remote").symlink_to(remote)
    return Sharing(folder)


@pytest.fixture
def publisher(tmp_path: Path) -> Sharing:
    """Give a publisher of the old release."""
    sharing = Sharing(tmp_path)
    sharing.publish(OLD)
    return sharing


def test_a_first_pull_that_dies_leaves_nothing_half(publisher: Sharing) -> None:
    """Encoder, version, CURRENT, pulled.json: at each step there is no bundle or a whole one."""
    for stop_at in count(1):
        sharing = reader(publisher.folder / str(stop_at), publisher.folder / "remote")
        try:
            sharing.pull(fs=CrashingFileSystem(stop_at))
        except Crash:
            assert answer_or_none(sharing) in {None, ANSWERS[0]}, stop_at
        else:
            break
        sharing.pull()
        assert (sharing.answer(TEXT), check_bundle(NAME, root=sharing.pulled_root)) == (ANSWERS[0], []), stop_at
    assert stop_at >= 20


def test_a_later_pull_that_dies_leaves_the_old_or_the_new(publisher: Sharing) -> None:
    """The new one from one step on; and the next pull ends with it."""
    first = reader(publisher.folder / "first", publisher.folder / "remote")
    first.pull()
    publisher.publish(NEW)
    seen: list[str | None] = []
    for stop_at in count(1):
        sharing = reader(publisher.folder / str(stop_at), publisher.folder / "remote")
        shutil.copytree(first.pulled_root, sharing.pulled_root)
        try:
            sharing.pull(fs=CrashingFileSystem(stop_at))
        except Crash:
            seen.append(answer_or_none(sharing))
        else:
            break
        sharing.pull()
        assert (sharing.answer(TEXT), check_bundle(NAME, root=sharing.pulled_root)) == (ANSWERS[1], []), stop_at
    assert seen == [ANSWERS[0]] * seen.count(ANSWERS[0]) + [ANSWERS[1]] * seen.count(ANSWERS[1])
    assert set(seen) == set(ANSWERS)


def test_a_full_disk_is_said_and_changes_nothing(publisher: Sharing) -> None:
    """At every step; with room, the next pull succeeds."""
    sharing = reader(publisher.folder / "full", publisher.folder / "remote")
    sharing.pull()
    publisher.publish(NEW)
    for fail_at in range(1, 8):
        with pytest.raises(StorageError, match="No space left on device"):
            sharing.pull(fs=FailingFileSystem(errno.ENOSPC, fail_at, for_good=True))
        assert sharing.answer(TEXT) == ANSWERS[0]
    sharing.pull()
    assert sharing.answer(TEXT) == ANSWERS[1]
