from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import orjson
import pytest

from semcache import Cache, RecordConfig
from semcache.errors import ConfigError
from semcache.lookup.record import text_hash
from semcache.store.append_log import AppendLog

KEY = b"0123456789abcdef"


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """Give every line of a folder of recorded lookups."""
    return [orjson.loads(line) for path in sorted(folder.iterdir()) for line in path.read_bytes().splitlines()]


@pytest.fixture
def slow_disk() -> Any:
    """Give an append that waits until the event is set, and what came in until then."""
    goes_on, came = threading.Event(), threading.Event()

    def append(_: AppendLog, lines: bytes) -> None:
        del lines
        came.set()
        goes_on.wait(30)

    with mock.patch.object(AppendLog, "append", append):
        yield goes_on, came
        goes_on.set()


def test_nothing_is_recorded_unless_asked_for(bundle_dir: Path, tmp_path: Path) -> None:
    """No file and no thread."""
    before = threading.active_count()
    with Cache.open(bundle_dir) as cache:
        cache.lookup("add login page")
        assert threading.active_count() == before
    assert not list(tmp_path.rglob("traffic-*"))


def test_a_hit_says_what_was_served(bundle_dir: Path, tmp_path: Path) -> None:
    """One line, written when the cache is closed at the latest."""
    with mock.patch("time.time", return_value=1700000000.75), Cache.open(bundle_dir, record=tmp_path / "t") as cache:
        cache.lookup("Add  LOGIN page?", namespace="web")
        version = cache.info.id
    assert lines_of(tmp_path / "t") == [
        {
            "time": 1700000000,
            "bundle_id": version,
            "namespace": "web",
            "hit": True,
            "reason": None,
            "entry_id": "login/add",
            "kind": "exact",
            "score": 1.0,
            "confidence": 1.0,
            "text": "Add  LOGIN page?",
            "text_hash": None,
        }
    ]


def test_a_miss_says_why_and_what_was_nearest(bundle_dir: Path, tmp_path: Path) -> None:
    """What was not searched has no nearest entry."""
    with Cache.open(bundle_dir, record=str(tmp_path / "t")) as cache:
        cache.lookup("remove the login page")
        cache.lookup("?!")
    names = ("hit", "reason", "entry_id", "kind", "score", "confidence", "text")
    assert [tuple(line[name] for name in names) for line in lines_of(tmp_path / "t")] == [
        (False, "guard", "login/add", None, 1.0, None, "remove the login page"),
        (False, "empty", None, None, None, None, "?!"),
    ]


def test_each_lookup_is_one_line_whatever_its_way(bundle_dir: Path, tmp_path: Path) -> None:
    """One alone or several together, exact or not; searching and explaining are no lookups."""
    with Cache.open(bundle_dir, record=tmp_path / "t") as cache:
        cache.lookup("add login page")
        cache.lookup("add login page", max_error=0.01)
        cache.lookup("adding of login pages")
        cache.lookup_many(["list all files", "what is it", "?"])
        cache.search("add login page")
        cache.explain("add login page")
        cache.assess(["add login page"])
    texts = ["add login page", "add login page", "adding of login pages", "list all files", "what is it", "?"]
    assert [line["text"] for line in lines_of(tmp_path / "t")] == texts


@pytest.mark.parametrize(
    ("config", "text", "digest"),
    [
        ({"text": "plain"}, "Add login page!", None),
        ({"text": "none"}, None, None),
        ({"text": "hashed", "key": KEY}, None, "6283"),
    ],
)
def test_the_text_is_kept_as_far_as_was_asked(
    bundle_dir: Path, tmp_path: Path, config: dict[str, Any], text: str | None, digest: str | None
) -> None:
    """Plain, not at all, or as a digest under a key."""
    with Cache.open(bundle_dir, record=RecordConfig(tmp_path / "t", **config)) as cache:
        cache.lookup("Add login page!")
    (line,) = lines_of(tmp_path / "t")
    assert (line["text"], line["text_hash"] and line["text_hash"][:4]) == (text, digest)


def test_equal_texts_have_one_digest_under_one_key() -> None:
    """As exact matching sees them; another key gives another digest."""
    assert text_hash("Add login page!", KEY) == text_hash("add  login page", KEY)
    assert text_hash("add login page", KEY) != text_hash("add login page", KEY[::-1])
    assert text_hash("add login page", KEY) != text_hash("add logout page", KEY)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": "short"}, "text: found 'short', allowed 'plain', 'hashed' or 'none'"),
        ({"text": "hashed"}, "bytes of key: found 0, allowed 16 to 64"),
        ({"key": KEY}, "key: found one with text 'plain', allowed with 'hashed' only"),
        ({"max_files": 0}, "max_files: found 0, allowed 1 to 10000"),
        ({"max_file_bytes": 65_535}, "max_file_bytes: found 65535, allowed 65536 to 1073741824"),
        ({"queue_lines": 15}, "queue_lines: found 15, allowed 16 to 1048576"),
    ],
)
def test_what_is_outside_its_range_is_refused(fields: dict[str, Any], message: str) -> None:
    """A digest without a key is no protection, so there is none."""
    with pytest.raises(ConfigError, match=f"^{message}$"):
        RecordConfig(Path("t"), **fields)


def test_the_key_is_never_shown() -> None:
    """Not in a traceback either."""
    assert "0123" not in repr(RecordConfig(Path("t"), text="hashed", key=KEY))


def test_lookups_go_on_where_the_disk_does_not(bundle_dir: Path, tmp_path: Path, slow_disk: Any) -> None:
    """A full queue takes no more, and nothing waits for it."""
    goes_on, came = slow_disk
    cache = Cache.open(bundle_dir, record=RecordConfig(tmp_path / "t", queue_lines=16))
    cache.lookup("add login page")
    recorder = cache._recorder
    assert recorder is not None
    recorder._wake.set()
    assert came.wait(30)
    assert all(cache.lookup("add login page").hit for _ in range(100))
    assert len(recorder._queue) == 16
    assert recorder._n_dropped == 84
    goes_on.set()
    cache.close()


def test_what_was_dropped_is_counted(bundle_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A disk that refuses fails no lookup and is told once; once it takes lines again, one says how many lack."""
    folder = tmp_path / "t"
    folder.touch()  # a file where the folder should be
    with caplog.at_level(logging.WARNING), Cache.open(bundle_dir, record=folder) as cache:
        recorder = cache._recorder
        assert recorder is not None
        for _ in range(3):
            assert cache.lookup("add login page").hit
            recorder._write_all()
        folder.unlink()
        cache.lookup("list all files")
    first, second = sorted(lines_of(folder), key=len)
    assert first["n_dropped"] == 3
    assert second["text"] == "list all files"
    assert len(caplog.messages) == 1
    assert str(folder) in caplog.messages[0]


def test_a_cache_that_nobody_closed_is_written(bundle_dir: Path, tmp_path: Path) -> None:
    """When it is garbage, as at the program's end."""
    cache = Cache.open(bundle_dir, record=tmp_path / "t")
    cache.lookup("add login page")
    del cache
    gc.collect()
    assert len(lines_of(tmp_path / "t")) == 1


def test_closing_ends_the_thread(bundle_dir: Path, tmp_path: Path) -> None:
    """Twice is once."""
    before = threading.active_count()
    cache = Cache.open(bundle_dir, record=tmp_path / "t")
    cache.lookup("add login page")
    cache.close()
    cache.close()
    assert threading.active_count() == before
    assert len(lines_of(tmp_path / "t")) == 1


def test_a_recorder_keeps_no_answer_alive(bundle_dir: Path, tmp_path: Path, slow_disk: Any) -> None:
    """What waits in the queue is small, whatever was served."""
    with Cache.open(bundle_dir, record=tmp_path / "t") as cache:
        cache.lookup("add login page")
        assert cache._recorder is not None
        kept = [value for seen in cache._recorder._queue for value in seen]
        slow_disk[0].set()
    assert "add login page" in kept
    assert not any(isinstance(value, memoryview) for value in kept)


def test_a_full_file_is_followed_by_the_next(build: Callable[..., Any], tmp_path: Path) -> None:
    """Many lookups take bounded space, and the last ones are there."""
    bundle_dir = build().path.parent.parent
    config = RecordConfig(tmp_path / "t", max_file_bytes=65_536, max_files=2)
    with Cache.open(bundle_dir, record=config) as cache:
        for i in range(3000):
            cache.lookup("add login page", namespace="web" if i < 2999 else "shell")
    sizes = [path.stat().st_size for path in (tmp_path / "t").iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 65_536
    assert lines_of(tmp_path / "t")[-1]["namespace"] == "shell"
    assert (tmp_path / "t").stat().st_mode & 0o777 == 0o700
