"""Ctrl-C during a build."""

from __future__ import annotations

from pathlib import Path

from crash_corpora import NEW_CORPUS, OLD, OLD_CORPUS, answers, build_pairs, listing, write_pairs
from crash_programs import cli_interrupted, run


def test_ctrl_c_while_embedding_changes_nothing(tmp_path: Path) -> None:
    """Exit code 130, one line on stderr; every file is the one that was there before, and the old version answers."""
    root = tmp_path / "indexes"
    build_pairs(root, OLD_CORPUS)
    before = listing(root)
    corpus = write_pairs(tmp_path / "new.jsonl", NEW_CORPUS)
    done = run(cli_interrupted, "build", corpus, "--name", "small", "--root", root, "--model", "hashing")
    assert (done.code, done.out, done.err) == (130, "", "interrupted; nothing was changed\n")
    assert listing(root) == before
    assert answers(root) == OLD


def test_ctrl_c_in_a_first_build_leaves_no_bundle(tmp_path: Path) -> None:
    """Of the bundle only its lock file is left, which blocks nobody."""
    root = tmp_path / "indexes"
    corpus = write_pairs(tmp_path / "new.jsonl", NEW_CORPUS)
    done = run(cli_interrupted, "build", corpus, "--name", "small", "--root", root, "--model", "hashing")
    assert done.code == 130
    assert [path for path in listing(root) if path.startswith("small/")] == ["small/build.lock", "small/versions"]
    assert answers(root) is None
    build_pairs(root, OLD_CORPUS)
    assert answers(root) == OLD
