"""A store over a folder, over fsspec's memory, and over a backend that fails as it is told."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from semcache.config import RemoteConfig
from semcache.errors import (
    ConfigError,
    MissingExtraError,
    ObjectExistsError,
    ObjectMissingError,
    ObjectTooLargeError,
    RemoteUnavailableError,
)
from semcache.store.fsio import FileSystem
from semcache.store.object_backend import Body, Stopped
from semcache.store.object_folder import ObjectFolder
from semcache.store.objects import ObjectStore

PASSING = RemoteUnavailableError("x://y/a", "timeout", may_pass=True)
LASTING = RemoteUnavailableError("x://y/a", "forbidden")
QUICK = RemoteConfig(n_retries=2, first_wait_s=0.0)


class Failing(ObjectFolder):
    """A folder whose steps fail a few times first; `arrives` does what was asked for and fails then."""

    def __init__(self, path: Path, *failures: Exception, arrives: bool = False) -> None:
        super().__init__(path)
        self.failures, self.arrives, self.n_steps = list(failures), arrives, 0

    @contextmanager
    def stream(self, path: str, *, offset: int, limit_bytes: int, stopping: threading.Event) -> Iterator[Body]:
        """Fail or read."""
        self._step()
        with super().stream(path, offset=offset, limit_bytes=limit_bytes, stopping=stopping) as body:
            yield body

    def write(self, path: str, data: bytes, *, only_new: bool, stopping: threading.Event) -> None:
        """Fail or write, or both."""
        if self.arrives and self.failures:
            super().write(path, data, only_new=only_new, stopping=stopping)
        self._step()
        super().write(path, data, only_new=only_new, stopping=stopping)

    def _step(self) -> None:
        self.n_steps += 1
        if self.failures:
            raise self.failures.pop(0)


class NoLinks(FileSystem):
    """As on a FAT stick."""

    def link(self, source: Path, target: Path) -> None:
        """Refuse."""
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), str(source), None, str(target))


class StopsAt(FileSystem):
    """Fails at one step."""

    def __init__(self, step: str) -> None:
        self._step = step

    def sync_file(self, path: Path) -> None:
        """Fail or sync."""
        self._reach("sync_file")
        super().sync_file(path)

    def link(self, source: Path, target: Path) -> None:
        """Fail or link."""
        self._reach("link")
        super().link(source, target)

    def replace(self, source: Path, target: Path) -> None:
        """Fail or replace."""
        self._reach("replace")
        super().replace(source, target)

    def _reach(self, step: str) -> None:
        if step == self._step:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def files(folder: Path) -> list[str]:
    """Give every file below a folder, hidden ones too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture(params=["folder", "file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """Give an empty remote of each kind that needs no server."""
    urls = {"folder": str(tmp_path / "a b"), "file": (tmp_path / "a b").as_uri(), "memory": f"memory:/{tmp_path}"}
    return ObjectStore.open(urls[request.param], config=QUICK)


def test_what_was_written_is_read(store: ObjectStore) -> None:
    """And replaced by what is written next."""
    store.write("metadata/1.json", b"one")
    store.write("metadata/1.json", b"two!")
    assert store.read("metadata/1.json", limit_bytes=4) == b"two!"
    assert (store.size("metadata/1.json"), store.exists("metadata/1.json")) == (4, True)


def test_what_must_be_new_replaces_nothing(store: ObjectStore) -> None:
    """The second writer is told, and what was there stays."""
    store.write("metadata/1.json", b"one", only_new=True)
    with pytest.raises(ObjectExistsError, match=r"metadata/1\.json: is there already"):
        store.write("metadata/1.json", b"one", only_new=True)
    assert store.read("metadata/1.json", limit_bytes=3) == b"one"


def test_what_is_too_large_is_not_read(store: ObjectStore) -> None:
    """One byte more than allowed is too much."""
    store.write("a", b"0123456789")
    with pytest.raises(ObjectTooLargeError, match="larger than the 9 bytes") as caught:
        store.read("a", limit_bytes=9)
    assert caught.value.limit_bytes == 9


def test_what_is_not_there_is_missing(store: ObjectStore) -> None:
    """Also where only its folder is there; deleting it is no failure."""
    store.write("a/b", b"1")
    for path in ("a", "a/c", "d/e"):
        with pytest.raises(ObjectMissingError):
            store.read(path, limit_bytes=9)
        assert (store.size(path), store.exists(path)) == (None, False)
    store.delete("a/c")


def test_a_stream_begins_where_it_is_asked_to(store: ObjectStore) -> None:
    """Or at the start, where the object ends before that."""
    store.write("a", b"0123456789")
    found = []
    for offset in (0, 4, 99):
        with store.stream("a", offset=offset, limit_bytes=10) as body:
            found.append((body.offset, b"".join(body.blocks)))
    assert found == [(0, b"0123456789"), (4, b"456789"), (0, b"0123456789")]


def test_a_large_object_comes_in_blocks(store: ObjectStore) -> None:
    """No block holds all of it."""
    data = os.urandom(9 << 20)
    store.write("a", data)
    with store.stream("a", limit_bytes=len(data)) as body:
        blocks = list(body.blocks)
    assert b"".join(blocks) == data
    assert max(map(len, blocks)) <= 4 << 20


def test_objects_are_listed_below_a_prefix(store: ObjectStore) -> None:
    """By path, with their sizes, all of them or those of a folder."""
    for path in ("b", "a/2", "a/1", "ab/3"):
        store.write(path, path.encode())
    assert list(store.sizes().items()) == [("a/1", 3), ("a/2", 3), ("ab/3", 4), ("b", 1)]
    assert store.sizes("a") == {"a/1": 3, "a/2": 3}
    assert store.sizes("none") == {}
    store.delete("a/1")
    assert store.sizes("a") == {"a/2": 3}


@pytest.mark.parametrize("path", ["../a", "/a", ".a", "", "a//b", "memory://a"])
def test_names_that_lead_elsewhere_are_refused(store: ObjectStore, path: str) -> None:
    """By every operation."""
    event = threading.Event()
    steps: list[Callable[[], object]] = [
        lambda: store.read(path, limit_bytes=1),
        lambda: store.write(path, b""),
        lambda: store.size(path),
        lambda: store.delete(path),
        lambda: store.sizes(path) if path else store.exists(path),
        lambda: store.stream(path, limit_bytes=1, stopping=event).__enter__(),
    ]
    for step in steps:
        with pytest.raises(ConfigError, match=r"^object: found "):
            step()


def test_a_name_that_no_object_may_have_is_not_listed(tmp_path: Path) -> None:
    """It came from somebody else."""
    for name in ("good", ".hidden", "a b", "-x", ".dir/inner"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert ObjectStore.open(str(tmp_path)).sizes() == {"good": 0}


def test_what_is_no_plain_file_is_no_object(tmp_path: Path) -> None:
    """A pipe would be waited for for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ObjectMissingError):
        ObjectStore.open(str(tmp_path)).read("pipe", limit_bytes=9)


@pytest.mark.parametrize("step", ["sync_file", "replace", "link"])
def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, step: str) -> None:
    """And nothing else."""
    ObjectStore(ObjectFolder(tmp_path)).write("a", b"old")
    store = ObjectStore(ObjectFolder(tmp_path, fs=StopsAt(step)))
    path = "b" if step == "link" else "a"
    with pytest.raises(RemoteUnavailableError, match="No space left on device; free some space there and run"):
        store.write(path, b"new", only_new=step == "link")
    assert (files(tmp_path), (tmp_path / "a").read_bytes()) == (["a"], b"old")


def test_a_file_system_without_links_still_refuses_what_is_there(tmp_path: Path) -> None:
    """It is looked for instead."""
    store = ObjectStore(ObjectFolder(tmp_path, fs=NoLinks()))
    store.write("a", b"one", only_new=True)
    with pytest.raises(ObjectExistsError):
        store.write("a", b"two", only_new=True)
    assert (files(tmp_path), (tmp_path / "a").read_bytes()) == (["a"], b"one")


def test_what_may_pass_is_tried_again(tmp_path: Path) -> None:
    """As often as the config allows."""
    (tmp_path / "a").write_bytes(b"1")
    backend = Failing(tmp_path, PASSING, PASSING)
    assert ObjectStore(backend, config=QUICK).read("a", limit_bytes=1) == b"1"
    backend = Failing(tmp_path, PASSING, PASSING, PASSING)
    with pytest.raises(RemoteUnavailableError, match="timeout"):
        ObjectStore(backend, config=QUICK).read("a", limit_bytes=1)
    assert backend.n_steps == 3


def test_what_will_not_pass_is_not_tried_again(tmp_path: Path) -> None:
    """It would only take longer."""
    backend = Failing(tmp_path, LASTING)
    with pytest.raises(RemoteUnavailableError, match="forbidden"):
        ObjectStore(backend, config=QUICK).read("a", limit_bytes=1)
    assert backend.n_steps == 1


def test_a_write_whose_answer_was_lost_is_no_conflict(tmp_path: Path) -> None:
    """The object that is there is ours."""
    ObjectStore(Failing(tmp_path, PASSING, arrives=True), config=QUICK).write("a", b"mine", only_new=True)
    assert (tmp_path / "a").read_bytes() == b"mine"


@pytest.mark.parametrize("other", [b"theirs", b"their", b"longer than mine"])
def test_a_write_that_lost_against_another_is_a_conflict(tmp_path: Path, other: bytes) -> None:
    """Also where its first attempt failed."""
    (tmp_path / "a").write_bytes(other)
    with pytest.raises(ObjectExistsError):
        ObjectStore(Failing(tmp_path, PASSING), config=QUICK).write("a", b"mine!!", only_new=True)
    assert (tmp_path / "a").read_bytes() == other


def test_waiting_for_another_attempt_can_be_stopped(tmp_path: Path) -> None:
    """At once."""
    stopping = threading.Event()
    stopping.set()
    store = ObjectStore(Failing(tmp_path, PASSING), config=RemoteConfig(first_wait_s=60.0))
    with pytest.raises(Stopped):
        store.write("a", b"1", stopping=stopping)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "remote: found '', allowed a folder, or file:// and its whole path, without options"),
        ("file://host/a", "remote: found 'file://host/a', allowed a folder"),
        ("simplecache::http://a/b", "remote: found several addresses joined by ::, allowed one"),
        ("nope://a/b", "remote: nope://a/b cannot be used: Protocol not known: nope"),
        ("http://me:secret@a/b?c=secret", "remote: found http://a/b with a query"),
    ],
)
def test_an_address_that_is_none_is_refused(url: str, message: str) -> None:
    """Before anything is sent, and without what is secret in it."""
    with pytest.raises(ConfigError) as caught:
        ObjectStore.open(url)
    assert str(caught.value).startswith(message)
    assert "secret" not in str(caught.value)


def test_a_folder_takes_no_options(tmp_path: Path) -> None:
    """They would be for another remote."""
    with pytest.raises(ConfigError, match="without options"):
        ObjectStore.open(str(tmp_path), storage_options={"key": "a"})


def test_a_kind_of_remote_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the pip line."""
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    with pytest.raises(MissingExtraError) as caught:
        ObjectStore.open("gs://bucket/a")
    assert caught.value.pip_line == 'pip install "semcache[gcs]"'


def test_opening_makes_nothing(tmp_path: Path) -> None:
    """A folder is made by the first write."""
    store = ObjectStore.open(str(tmp_path / "none"))
    assert (store.sizes(), store.exists("a"), (tmp_path / "none").exists()) == ({}, False, False)
