"""docs/corpus.md shows what really happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from running import run_module

PAGE = Path(__file__).resolve().parents[2] / "docs" / "corpus.md"
pytestmark = pytest.mark.model


def block(language: str) -> str:
    """Return the page's fenced block of a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    return str(found)


def without_scores(printed: str) -> str:
    """Give a text with # for what an encoder measures."""
    return re.sub(r"-?\d\.\d{3}", "#", printed)


def test_the_transcript_is_what_lint_prints_of_the_corpus_above_it(model_root: Path, tmp_path: Path) -> None:
    """Line by line, in a terminal of 100 columns, but for scores."""
    (tmp_path / "shop.jsonl").write_text(block("json"), encoding="utf-8")
    command, shown = block("console").split("\n", 1)
    assert command == "$ semcache corpus lint shop.jsonl"
    environ = {"COLUMNS": "100", "SEMCACHE_ROOT": str(model_root)}
    outcome = run_module("corpus", "lint", "shop.jsonl", folder=tmp_path, environ=environ)
    assert (outcome.code, outcome.err) == (0, "")
    assert without_scores(outcome.out) == without_scores(shown)
