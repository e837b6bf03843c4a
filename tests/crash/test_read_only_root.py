"""A root that its user may not write."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_corpora import NEW_CORPUS, OLD, OLD_CORPUS, answers, build_pairs, listing, write_pairs
from crash_programs import cli_as_nobody, run


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder that every user may enter; pytest's own are private."""
    folder = Path(tempfile.mkdtemp(prefix="semcache-read-only-"))
    folder.chmod(0o755)
    yield folder
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def _make_read_only(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def test_a_read_only_root_is_one_line_and_exit_code_1(open_folder: Path) -> None:
    """An update there says "Permission denied" and what to do, and changes nothing."""
    root = open_folder / "indexes"
    build_pairs(root, OLD_CORPUS)
    before = listing(root)
    _make_read_only(root)
    corpus = write_pairs(open_folder / "new.jsonl", NEW_CORPUS)
    arguments = ("build", corpus, "--name", "small", "--root", root, "--model", "hashing")
    done = run(cli_as_nobody, open_folder / "scratch", corpus, *arguments)
    assert (done.code, done.out) == (1, ""), done.err
    lock = root / "small" / "build.lock"
    assert done.err == f"semcache: {lock}: Permission denied; check the owner and the permissions of this folder\n"
    assert answers(root) == OLD
    assert listing(root) == before


def test_a_first_build_in_a_read_only_root_is_one_line_and_exit_code_1(open_folder: Path) -> None:
    """The folder of the bundle cannot be made; nothing is left."""
    root = open_folder / "indexes"
    root.mkdir()
    _make_read_only(root)
    corpus = write_pairs(open_folder / "new.jsonl", NEW_CORPUS)
    arguments = ("build", corpus, "--name", "small", "--root", root, "--model", "hashing")
    done = run(cli_as_nobody, open_folder / "scratch", corpus, *arguments)
    assert (done.code, done.out) == (1, ""), done.err
    folder = root / "small"
    assert done.err == f"semcache: {folder}: Permission denied; check the owner and the permissions of this folder\n"
    assert listing(root) == {}
