"""`semcache versions`, `rollback` and `gc`, and `--strict-age`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from running import run_module, semcache
from shared import ENTRIES

from semcache import BuildReport, Cache
from semcache.bundle.release_note import ReleaseNote, write_note
from semcache.store.fsio import FileSystem

Build = Callable[..., BuildReport]


@pytest.fixture
def ids(build: Build) -> list[str]:
    """Give four versions, the last of them live."""
    return [build([{**entry, "answer": label} for entry in ENTRIES]).id for label in ("1", "2", "3", "4")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give the folder into which `build` builds."""
    return tmp_path / "indexes"


def test_versions_lists_them_latest_first(ids: list[str], root: Path) -> None:
    """With the live one, what is open, and what is in each."""
    with Cache.open("small", root=root):
        lines = semcache("versions", "small", "--root", root).out.splitlines()
    assert lines[0].split() == ["version", "made", "here", "(UTC)", "entries", "rows", "MB", "open", "release"]
    assert [line.split()[0] for line in lines[1:]] == ids[::-1]
    assert [line.split()[1] == "live" for line in lines[1:]] == [True, False, False, False]
    assert ["open" in line.split() for line in lines[1:]] == [True, False, False, False]


def test_versions_as_json(ids: list[str], root: Path) -> None:
    """Every key is always there."""
    found = semcache("versions", "small", "--root", root, "--json").json
    assert [version["id"] for version in found] == ids[::-1]
    assert {name: found[0][name] for name in found[0].keys() - {"made", "size_bytes"}} == {
        "id": ids[3],
        "is_live": True,
        "was_live": True,
        "is_held": False,
        "n_entries": 5,
        "n_rows": 11,
        "release": None,
    }


def test_rollback_says_what_is_live_now(ids: list[str], root: Path) -> None:
    """And lookups get its answers."""
    outcome = semcache("rollback", "small", "--root", root)
    assert (outcome.code, outcome.out) == (0, f"live  {ids[2]}\n      instead of {ids[3]}\n")
    assert semcache("lookup", "small", "add login page", "--root", root, "--json").json["value"] == "3"


def test_rollback_to_a_version_as_json(ids: list[str], root: Path) -> None:
    """Named by its beginning."""
    found = semcache("rollback", "small", ids[0][:12], "--root", root, "--json").json
    assert found == {"version": ids[0], "before": ids[3], "release": None}


def test_rollback_of_a_pulled_release_says_that_it_stays_out(ids: list[str], root: Path) -> None:
    """Until a newer one."""
    write_note(FileSystem(), root / "small", ReleaseNote("small", "https://example.org", 7, int(time.time()), ids[3]))
    outcome = semcache("rollback", "small", "--root", root)
    assert outcome.out.splitlines()[2] == "      release 7 stays out until a newer one is pulled"


def test_nothing_to_roll_back_to_is_one_line_and_exit_code_1(build: Build, root: Path) -> None:
    """It says where to look."""
    build()
    outcome = run_module("rollback", "small", "--root", root)
    assert outcome.code == 1
    assert outcome.err.endswith("or it was removed; `semcache versions` lists what is here\n")


def test_gc_says_what_it_removed(ids: list[str], root: Path) -> None:
    """Two versions before the live one stay."""
    with Cache.open(root / "small" / "versions" / ids[1]):
        lines = semcache("gc", "--root", root, "--keep", "1").out.splitlines()
    versions_dir = root / "small" / "versions"
    assert lines[0].startswith(f"removed version {versions_dir / ids[0]}  0.")
    assert lines[1] == f"kept version {versions_dir / ids[1]}: a process has it open"
    assert lines[2].startswith("removed 0.")
    assert sorted(path.name for path in versions_dir.iterdir()) == sorted(ids[1:])


def test_gc_as_json_and_dry(ids: list[str], root: Path) -> None:
    """Nothing is removed, and what would be is listed with its bytes."""
    found = semcache("gc", "small", "--root", root, "--dry-run", "--json").json
    folder = root / "small" / "versions" / ids[0]
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert found == {
        "removed": [{"kind": "version", "path": str(folder), "size_bytes": size}],
        "chunk_bytes": 0,
        "held": [],
        "busy": [],
        "freed_bytes": size,
        "dry_run": True,
    }


@pytest.mark.parametrize("command", [("lookup", "small", "add login page"), ("info", "small")])
def test_an_old_release_is_refused_with_strict_age_only(ids: list[str], root: Path, command: tuple[str, ...]) -> None:
    """Exit code 1, and which release it is."""
    old = int(time.time()) - 8 * 86_400
    write_note(FileSystem(), root / "small", ReleaseNote("small", "https://example.org", 7, old, ids[3]))
    assert semcache(*command, "--root", root).code == 0
    outcome = run_module(*command, "--root", root, "--strict-age")
    assert (outcome.code, outcome.out) == (1, "")
    assert "release 7 was published" in outcome.err


def test_info_shows_the_release_and_the_warning(ids: list[str], root: Path) -> None:
    """For a person and as JSON."""
    write_note(FileSystem(), root / "small", ReleaseNote("small", "https://example.org", 7, 1_700_000_000, ids[3]))
    lines = semcache("info", "small", "--root", root).out.splitlines()
    assert "pulled      release 7 of 2023-11-14 22:13 UTC, from https://example.org" in lines
    assert any(line.startswith("warning     release 7 was published 2023-11-14 22:13 UTC, ") for line in lines)
    found = semcache("info", "small", "--root", root, "--json").json
    assert found["release"]["number"] == 7
    assert found["warning"].startswith("release 7 was published")
