"""docs/harvest.md shows what really happens, from the first lookup to the corpus."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from shared import REPOSITORY

PAGE = (REPOSITORY / "docs" / "harvest.md").read_text("utf-8")
ANSWER = "git config --global commit.gpgsign true"
pytestmark = pytest.mark.model


def blocks(language: str) -> list[str]:
    """Return the page's fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def run(arguments: list[str], folder: Path) -> str:
    """Run Python in a folder and return what it prints."""
    environment = {**os.environ, "COLUMNS": "110"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    ).stdout


def follow(console: str, folder: Path) -> None:
    """Run the commands of a console block: each prints what stands below it."""
    for step in console.split("$ ")[1:]:
        command, _, shown = step.partition("\n")
        program, *arguments = shlex.split(command)
        assert program == "semcache"
        assert run(["-m", "semcache", *arguments], folder) == shown


def without_measures(candidate: dict[str, Any]) -> dict[str, Any]:
    """Give a candidate without times and score."""
    kept = {name: value for name, value in candidate.items() if name not in {"x_first_seen", "x_last_seen"}}
    return {**kept, "x_nearest": candidate["x_nearest"]["entry_id"]}


def test_the_page_is_what_happens(model_root: Path, tmp_path: Path) -> None:
    """Recording, harvesting, the candidate that is shown, and accepting what a person decided."""
    (tmp_path / "indexes").symlink_to(model_root)
    (tmp_path / "corpus").mkdir()
    shutil.copy(REPOSITORY / "corpus" / "speckit.jsonl", tmp_path / "corpus")
    (code,), (shown,), (harvesting, accepting) = blocks("python"), blocks("json"), blocks("console")
    run(["-c", code], tmp_path)
    follow(harvesting, tmp_path)
    file = tmp_path / "gaps.candidates.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert without_measures(lines[0]) == without_measures(json.loads(shown))
    decisions: list[dict[str, Any]] = [
        {"x_reviewed": True, "answer": ANSWER},
        {"x_reviewed": True},
        {"x_declined": True},
        {},
        {"answer": "of a model, not reviewed"},
    ]
    decided = [{**line, **decision} for line, decision in zip(lines, decisions, strict=True)]
    file.write_text("".join(json.dumps(line) + "\n" for line in decided), encoding="utf-8")
    follow(accepting, tmp_path)
    assert json.loads((tmp_path / "corpus" / "speckit.jsonl").read_text("utf-8").splitlines()[-1])["answer"] == ANSWER
