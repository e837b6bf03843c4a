"""Which versions a process holds, and for how long."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lease_programs
import pytest
from driving import command_of, run_program
from shared import ENTRIES

from semcache import BuildReport, Cache
from semcache.bundle.lease import is_held
from semcache.errors import BundleCorruptError
from semcache.remote.gc import collect

Build = Callable[..., BuildReport]
QUESTION = "add login page"


def labelled(label: str) -> list[dict[str, Any]]:
    """Give the small corpus with other answers."""
    return [{**entry, "answer": f"{label} answer"} for entry in ENTRIES]


@pytest.fixture
def holder(bundle_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a process that has the bundle open."""
    command = command_of(lease_programs.hold, bundle_dir)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == '"open"\n'
        yield process
        process.kill()


def test_an_open_cache_holds_its_version(bundle_dir: Path) -> None:
    """Until it is closed."""
    with Cache.open(bundle_dir) as cache:
        folder = cache.info.path
        assert is_held(folder)
    assert not is_held(folder)


def test_refresh_lets_go_of_the_version_before(bundle_dir: Path, build: Build) -> None:
    """And holds the new one."""
    with Cache.open(bundle_dir) as cache:
        old = cache.info.path
        build(labelled("new"))
        cache.refresh()
        assert (is_held(old), is_held(cache.info.path)) == (False, True)


def test_an_open_that_fails_holds_nothing(bundle_dir: Path) -> None:
    """Whatever is wrong with the version."""
    (folder,) = (bundle_dir / "versions").iterdir()
    (folder / "rows.npy").unlink()
    with pytest.raises(BundleCorruptError):
        Cache.open(bundle_dir)
    assert not is_held(folder)


def test_a_version_is_held_without_a_file_for_it(bundle_dir: Path) -> None:
    """Opening writes nothing, so a bundle on a read-only file system is held too."""
    before = sorted(bundle_dir.rglob("*"))
    with Cache.open(bundle_dir) as cache:
        assert is_held(cache.info.path)
        assert sorted(bundle_dir.rglob("*")) == before


def test_another_process_is_seen_and_a_killed_one_is_not(bundle_dir: Path, holder: subprocess.Popen[str]) -> None:
    """The system drops the lease with the process."""
    (folder,) = (bundle_dir / "versions").iterdir()
    assert is_held(folder)
    holder.kill()
    holder.wait()
    assert not is_held(folder)


def test_a_forked_child_holds_nothing(bundle_dir: Path) -> None:
    """It cannot use what its parent opened: when the parent closes it, the version is free."""
    assert run_program(lease_programs.fork_and_close, bundle_dir) == {"before": True, "after": False}


def test_a_child_that_closes_leaves_the_parent_its_lease(bundle_dir: Path) -> None:
    """Both have one lock; only who opened it lets go of it."""
    assert run_program(lease_programs.child_closes, bundle_dir) == {"held": True}


def test_a_reader_outlives_two_switches_and_a_removal(
    bundle_dir: Path, build: Build, holder: subprocess.Popen[str]
) -> None:
    """Its version stays while another process has it open, and answers; after that process it goes."""
    (old,) = (bundle_dir / "versions").iterdir()
    second = build(labelled("second")).path
    third = build(labelled("third")).path
    report = collect(root=bundle_dir.parent, keep=0)
    assert [removed.path for removed in report.removed] == [second]
    assert report.held == [old]
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write("\n")
    holder.stdin.flush()
    answer = '{"answer":"Write the spec of the login first.\\nThen plan it.","new":true}\n'
    assert holder.stdout.readline() == answer
    report = collect(root=bundle_dir.parent, keep=0)
    assert [removed.path for removed in report.removed] == [old]
    assert sorted((bundle_dir / "versions").iterdir()) == [third]


def test_an_open_that_lost_its_version_takes_the_live_one(
    bundle_dir: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that is replaced and removed between CURRENT and its first file is no error."""
    from semcache.lookup import cache as cache_module  # noqa: PLC0415 - what is replaced here

    open_version, seen = cache_module._open_version, list[Path]()

    def lose_first(*arguments: Any) -> Any:
        if not seen:
            seen.append(build(labelled("new")).path)
            collect(root=bundle_dir.parent, keep=0)
        return open_version(*arguments)

    monkeypatch.setattr(cache_module, "_open_version", lose_first)
    with Cache.open(bundle_dir) as cache:
        assert cache.info.path == seen[0]
