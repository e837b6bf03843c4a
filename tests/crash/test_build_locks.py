"""Several builds in one root at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from crash_corpora import (
    NEW,
    NEW_CORPUS,
    OLD,
    OLD_CORPUS,
    answers,
    build_pairs,
    debris,
    problems,
    write_pairs,
)
from crash_programs import build_waiting, finish, hold_lock, start

from semcache import Cache
from semcache.errors import BuildLockedError


def test_a_second_build_of_a_name_is_refused_while_the_first_runs(tmp_path: Path) -> None:
    """The second gets BuildLockedError with the lock's path and changes nothing; the first goes on and succeeds."""
    root = tmp_path / "indexes"
    build_pairs(root, OLD_CORPUS)
    corpus = write_pairs(tmp_path / "new.jsonl", NEW_CORPUS)
    first = start(build_waiting, corpus, root, "small", "publish")
    assert first.stdout is not None
    assert first.stdout.readline() == "publish\n"
    with pytest.raises(BuildLockedError) as caught:
        build_pairs(root, OLD_CORPUS)
    assert caught.value.path == root / "small" / "build.lock"
    assert answers(root) == OLD
    done = finish(first)
    assert done.code == 0, done.err
    assert (answers(root), problems(root), debris(root)) == (NEW, [], [])


@pytest.mark.parametrize("stage", ["export", "embed", "publish"])
def test_builds_of_two_names_in_one_root_both_succeed(tmp_path: Path, stage: str) -> None:
    """A first build of another name begins and ends while one is in the middle: neither hinders the other."""
    root = tmp_path / "indexes"
    corpus = write_pairs(tmp_path / "new.jsonl", NEW_CORPUS)
    slow = start(build_waiting, corpus, root, "small", stage)
    assert slow.stdout is not None
    assert slow.stdout.readline() == f"{stage}\n"
    build_pairs(root, OLD_CORPUS, name="other")
    done = finish(slow)
    assert done.code == 0, done.err
    assert (answers(root), problems(root), debris(root)) == (NEW, [], [])
    with Cache.open("other", root=root) as cache:
        assert cache.lookup("list all files").hit


def test_the_lock_of_a_dead_process_blocks_nobody(tmp_path: Path) -> None:
    """The system lets go of a killed holder's lock; the file it leaves means nothing."""
    root = tmp_path / "indexes"
    build_pairs(root, OLD_CORPUS)
    holder = start(hold_lock, root / "small" / "build.lock")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    with pytest.raises(BuildLockedError):
        build_pairs(root, NEW_CORPUS)
    holder.kill()
    assert finish(holder).code == -9
    build_pairs(root, NEW_CORPUS)
    assert answers(root) == NEW
