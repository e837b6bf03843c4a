"""A pull that dies at any durable step: what was live stays so until the new version is whole; the next one ends it."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from crash_steps import Crash, CrashingFileSystem, FailingFileSystem
from shared import HASHING
from sharing import NAME, Sharing, numbered
from trusting import NOW

from semcache import check_bundle
from semcache.bundle.locate import read_current
from semcache.bundle.release_note import read_note
from semcache.errors import BundleNotFoundError, StorageError

OLD, NEW = numbered(5), numbered(5, answer="other")
KINDS = {"flat": HASHING, "ivf": replace(HASHING, index="ivf", min_recall_at_1=0.0, min_recall_at_10=0.0)}
TEXT = str(OLD[2]["query"])
ANSWERS = ("answer 2 of item2", "other 2 of item2")
FILES = {"CURRENT", "build.lock", "history", "pulled.json", "releases", "versions"}


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


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_pull_that_dies_leaves_the_old_or_the_new(tmp_path: Path, kind: str) -> None:
    """The new one from one step on; and the next pull ends with the version that a first pull brings."""
    publisher = Sharing(tmp_path)
    publisher.publish(OLD, config=KINDS[kind])
    first = reader(publisher.folder / "first", publisher.folder / "remote")
    first.pull()
    publisher.publish([*NEW, *numbered(8)[5:]], config=KINDS[kind])
    whole = reader(publisher.folder / "whole", publisher.folder / "remote").pull().version
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
        assert sharing.pull().version == whole, stop_at
        assert (sharing.answer(TEXT), check_bundle(NAME, root=sharing.pulled_root)) == (ANSWERS[1], []), stop_at
        assert {path.name for path in (sharing.pulled_root / NAME).iterdir()} == FILES, stop_at
    assert seen == [ANSWERS[0]] * seen.count(ANSWERS[0]) + [ANSWERS[1]] * seen.count(ANSWERS[1])
    assert set(seen) == set(ANSWERS)


def test_a_pull_of_a_renewal_that_dies_is_ended_by_the_next(publisher: Sharing) -> None:
    """At each step the version stays, and the note is the old or the new one."""
    sharing = reader(publisher.folder / "reader", publisher.folder / "remote")
    version = sharing.pull().version
    shutil.copytree(sharing.pulled_root, publisher.folder / "before")
    publisher.publish_live(now=NOW + timedelta(days=1))
    for stop_at in count(1):
        shutil.rmtree(sharing.pulled_root)
        shutil.copytree(publisher.folder / "before", sharing.pulled_root)
        try:
            sharing.pull(fs=CrashingFileSystem(stop_at))
        except Crash:
            assert sharing.answer(TEXT) == ANSWERS[0], stop_at
        else:
            break
        report = sharing.pull()
        assert (report.version, report.number, report.is_new) == (version, 2, False), stop_at
        note = read_note(sharing.pulled_root / NAME)
        assert note is not None
        assert (note.number, note.version) == (2, version), stop_at
    assert stop_at >= 4


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
