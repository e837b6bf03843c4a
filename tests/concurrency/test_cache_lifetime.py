"""What may be closed, deleted or forgotten, when, and what stays readable."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lifetime_programs
import orjson
import pytest
from driving import command_of, run_program
from shared import ENTRIES, write_corpus

from semcache import BuildReport, Cache, Hit
from semcache.errors import CacheClosedError

QUESTION = "add login page"
ANSWER = "Write the spec of the login first.\nThen plan it."


def text_of(cache: Cache) -> str:
    """Give the answer to the one question of this file."""
    result = cache.lookup(QUESTION)
    assert isinstance(result, Hit)
    return result.text


@pytest.fixture
def cache(bundle_dir: Path) -> Iterator[Cache]:
    """Give an open cache of the small corpus."""
    with Cache.open(bundle_dir) as opened:
        yield opened


def test_a_bundle_opens_twice_in_one_process(bundle_dir: Path) -> None:
    """LMDB allows one open a process and file; two caches of one bundle work all the same."""
    with Cache.open(bundle_dir) as first, Cache.open(bundle_dir) as second:
        assert [text_of(first), text_of(second)] == [ANSWER, ANSWER]


def test_closing_one_of_two_leaves_the_other_open(bundle_dir: Path) -> None:
    """The file stays open for as long as any cache of the process needs it."""
    with Cache.open(bundle_dir) as first:
        Cache.open(bundle_dir).close()
        assert text_of(first) == ANSWER


def test_fifty_caches_of_one_bundle_close_in_any_order(bundle_dir: Path) -> None:
    """After each close, every cache that is still open answers, and the bundle opens anew at the end."""
    assert run_program(lifetime_programs.open_fifty_times, bundle_dir) == [ANSWER]


def test_close_under_lookups_gives_a_result_or_cache_closed_error(bundle_dir: Path) -> None:
    """close() while eight threads look up: each call ends with the right answer or with CacheClosedError."""
    outcomes = run_program(lifetime_programs.close_while_threads_look_up, bundle_dir)
    assert outcomes == ["CacheClosedError", ANSWER]


def test_a_program_may_end_while_threads_look_up(bundle_dir: Path) -> None:
    """The end of a program under daemon threads is exit code 0 and no crash."""
    assert run_program(lifetime_programs.exit_while_threads_look_up, bundle_dir) == ANSWER


@pytest.mark.parametrize("event", ["close", "refresh", "delete", "garbage", "everything"])
def test_a_held_value_stays_readable(bundle_dir: Path, tmp_path: Path, event: str) -> None:
    """A Hit.value is equal and read-only after close(), refresh(), loss of the folder and of the cache itself."""
    corpus = write_corpus(tmp_path / "other.jsonl", [{**ENTRIES[0], "answer": "the new answer"}])
    found = run_program(lifetime_programs.hold_a_value, bundle_dir, corpus, event)
    assert found == {"before": ANSWER, "after": ANSWER, "read_only": True, "n_maps": 64}


def test_with_closes(bundle_dir: Path) -> None:
    """The cache of a with statement is closed at its end."""
    with Cache.open(bundle_dir) as cache:
        pass
    with pytest.raises(CacheClosedError):
        cache.lookup(QUESTION)


def test_with_closes_after_an_error_and_lets_it_through(bundle_dir: Path) -> None:
    """An error inside a with statement closes the cache and is not swallowed."""
    cache = Cache.open(bundle_dir)
    with pytest.raises(ZeroDivisionError), cache:
        raise ZeroDivisionError
    with pytest.raises(CacheClosedError):
        cache.lookup(QUESTION)


def test_close_twice_is_one_close(cache: Cache) -> None:
    """The second close() does nothing, and no error."""
    cache.close()
    cache.close()
    with pytest.raises(CacheClosedError):
        cache.lookup(QUESTION)


@pytest.mark.parametrize(
    "use",
    [
        lambda cache: cache.lookup(QUESTION),
        lambda cache: cache.lookup_many([QUESTION]),
        lambda cache: cache.lookup_many([]),
        lambda cache: cache.search(QUESTION),
        lambda cache: cache.embed([QUESTION]),
        lambda cache: cache.explain(QUESTION),
        lambda cache: cache.info,
        lambda cache: cache.refresh(),
    ],
    ids=["lookup", "lookup_many", "lookup_none", "search", "embed", "explain", "info", "refresh"],
)
def test_use_after_close_is_cache_closed_error(cache: Cache, use: Callable[[Cache], Any]) -> None:
    """Every method of a closed cache raises CacheClosedError."""
    cache.close()
    with pytest.raises(CacheClosedError):
        use(cache)


def test_use_after_close_says_what_to_do(cache: Cache) -> None:
    """The error of a closed cache names the way to a new one."""
    cache.close()
    with pytest.raises(CacheClosedError, match=r"closed; open it again with Cache\.open"):
        cache.lookup(QUESTION)


def test_a_closed_bundle_opens_anew(bundle_dir: Path, cache: Cache) -> None:
    """close() is of the cache object, not of the bundle."""
    cache.close()
    with Cache.open(bundle_dir) as again:
        assert text_of(again) == ANSWER


def test_another_process_keeps_its_version_when_a_new_one_is_published(
    bundle_dir: Path, build: Callable[..., BuildReport]
) -> None:
    """A reader in another process serves what it mapped, the old folder gone, until it calls refresh()."""
    old_version = next((bundle_dir / "versions").iterdir())
    with subprocess.Popen(
        command_of(lifetime_programs.read_when_told, bundle_dir), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert orjson.loads(reader.stdout.readline()) == "open"
        build([{**ENTRIES[0], "answer": "the new answer"}])
        shutil.rmtree(old_version)
        out, _ = reader.communicate(b"ask\nrefresh\n", timeout=30)
    assert (reader.returncode, [orjson.loads(line) for line in out.splitlines()]) == (
        0,
        [{"answer": ANSWER, "semantic": True}, {"answer": "the new answer", "semantic": True}, ANSWER],
    )
