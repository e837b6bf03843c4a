"""A real build process is killed."""

from __future__ import annotations

import json
import random
import shutil
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
    many_pairs,
    problems,
    write_pairs,
)
from crash_programs import build_timed, finish, kill_at_every_step, run, start

KILLED = -9


def test_a_kill_at_any_step_leaves_the_old_or_the_new_version(tmp_path: Path) -> None:
    """Killed before each step of a first build and of an update: old or new answers, sound; then a build cleans up."""
    corpus = write_pairs(tmp_path / "small.jsonl", NEW_CORPUS)
    befores = {"first": None, "update": OLD}
    for name in befores:
        (tmp_path / name / "template").mkdir(parents=True)
    build_pairs(tmp_path / "update" / "template" / "indexes", OLD_CORPUS)
    processes = {
        name: start(kill_at_every_step, tmp_path / name / "template", corpus, tmp_path / name) for name in befores
    }
    for name, process in processes.items():
        done = finish(process)
        assert done.code == 0, done.err
        *killed, last = json.loads(done.out)
        assert last == 0
        assert len(killed) >= 15
        assert set(killed) == {KILLED}
        for number in range(1, len(killed) + 1):
            root = tmp_path / name / str(number) / "indexes"
            assert answers(root) in (befores[name], NEW), (name, number)
            assert answers(root) is None or problems(root) == [], (name, number)
            build_pairs(root, NEW_CORPUS)
            assert (answers(root), problems(root), debris(root)) == (NEW, [], []), (name, number)


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Give a folder with a corpus of 3,000 entries and an older version, and the seconds a build takes."""
    folder = tmp_path_factory.mktemp("big")
    corpus = write_pairs(folder / "big.jsonl", many_pairs(3000))
    build_pairs(folder / "indexes", OLD_CORPUS)
    done = run(build_timed, corpus, folder / "whole")
    assert done.code == 0, done.err
    return folder, float(done.out)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_kill_at_a_random_moment_leaves_the_old_or_the_new_version(
    tmp_path: Path, big: tuple[Path, float], seed: int
) -> None:
    """Killed in the middle of whatever it does, also inside FAISS and LMDB: as after a kill at a step."""
    folder, seconds = big
    root = Path(shutil.copytree(folder / "indexes", tmp_path / "indexes"))
    moment_s = random.Random(seed).uniform(0.0, seconds)
    done = run(build_timed, folder / "big.jsonl", root, str(moment_s))
    assert done.code in (KILLED, 0), done.err
    # The large corpus certifies no error, so only its exact hits tell that it is the new version.
    new = (NEW[0], "uncertified", NEW[2])
    assert answers(root) in ((OLD, NEW, new) if done.code == KILLED else (NEW, new))
    assert problems(root) == []
    build_pairs(root, NEW_CORPUS)
    assert (answers(root), problems(root), debris(root)) == (NEW, [], [])
