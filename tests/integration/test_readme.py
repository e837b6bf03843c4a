"""The README shows what really happens."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
pytestmark = pytest.mark.model


def blocks(language: str) -> list[str]:
    """Return the README's fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README.read_text("utf-8"), flags=re.DOTALL)


def run(arguments: list[str], folder: Path) -> str:
    """Run Python beside the built bundles and return what it prints."""
    environment = {**os.environ, "COLUMNS": "110"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def without_measures(printed: str) -> list[str]:
    """Give the words of a text with # for scores, levels and counts of the certificate: trees are fitted anew."""
    return re.sub(r"-?\d+\.\d+|\d[\d.]*(?= %)|[\d,]+ of [\d,]+(?= calibration)", "#", printed).split()


def test_transcript_is_what_the_commands_print(model_root: Path) -> None:
    """Every command of the console block prints what stands below it, but for what is measured."""
    (transcript,) = blocks("console")
    steps = [step.split("\n", 1) for step in transcript.split("$ ")[1:]]
    assert len(steps) == 3
    for command, shown in steps:
        program, *arguments = shlex.split(command)
        assert program == "semcache"
        printed = run(["-m", "semcache", *arguments], model_root.parent)
        assert without_measures(printed) == without_measures(shown)


def test_six_lines_print_an_answer(model_root: Path) -> None:
    """The Python block runs as it stands and prints the stored answer."""
    (code,) = blocks("python")
    assert run(["-c", code], model_root.parent).startswith("Make it its own feature: `/speckit.specify`")
