"""`semcache corpus lint`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from running import Outcome, semcache
from shared import write_corpus

ENTRIES: list[dict[str, Any]] = [
    {
        "id": "list",
        "query": "list every file of the project folder",
        "paraphrases": ["list my project files of the folder"],
        "answer": "ls",
        "rejects": ["fry an egg"],
    },
    {
        "id": "dir",
        "query": "list every file of a project folder",
        "paraphrases": ["old project files of a folder"],
        "answer": "dir",
    },
    {"id": "one", "query": "bake a loaf of fresh bread", "answer": "knead"},
    {"id": "two", "query": "wash your hands", "answer": "soap"},
]


@pytest.fixture
def corpus_path(tmp_path: Path) -> Path:
    """Give a corpus with a collision and texts that stand alone."""
    return write_corpus(tmp_path / "c.jsonl", ENTRIES)


def lint(corpus: Path, *arguments: str) -> Outcome:
    """Lint without a model."""
    return semcache("corpus", "lint", corpus, "--model", "hashing", "--root", corpus.parent / "root", *arguments)


def test_a_person_sees_findings_by_kind_with_their_places(corpus_path: Path) -> None:
    """Texts, file:line, entry, field, what was measured and what to do; nothing on stderr."""
    outcome = lint(corpus_path)
    assert (outcome.code, outcome.err) == (0, "")
    blocks = outcome.out.split("\n\n")
    assert blocks[0].splitlines()[:2] == [
        "4 entries, 6 variants, 1 guards",
        "each text asked as if it were not written, judged by the verifier that ships:",
    ]
    (collision,) = [block for block in blocks if block.startswith("collision: 1 error")]
    lines = collision.splitlines()
    assert lines[0] == "collision: 1 error (two entries so near that one may be served for the other)"
    assert lines[1:5] == [
        "  error    list every file of the project folder",
        f"             {corpus_path}:1  list  query",
        "           list every file of a project folder",
        f"             {corpus_path}:2  dir  query",
    ]
    assert lines[5].endswith(", no word tells them apart")
    assert lines[6].startswith("           merge the two entries where one answer serves both")


def test_only_as_many_of_a_kind_are_shown_as_asked_for(corpus_path: Path) -> None:
    """The rest is counted; 0 shows all."""
    few, every = lint(corpus_path, "--limit", "1").out, lint(corpus_path, "--limit", "0").out
    assert "isolated: 2 notes" in few
    assert "  ... and 1 more (--limit 0 shows all)" in few.splitlines()
    assert "bake a loaf of fresh bread" in few
    assert "wash your hands" not in few
    assert "wash your hands" in every
    assert "more (--limit" not in every


def test_json_holds_every_finding(corpus_path: Path) -> None:
    """Whatever the limit, with numbers by name."""
    report = lint(corpus_path, "--json", "--limit", "1").json
    assert (report["n_entries"], report["n_variants"], report["n_guards"]) == (4, 6, 1)
    assert [x["max_error"] for x in report["left_out"]] == [0.05, 0.1]
    kinds = [finding["kind"] for finding in report["findings"]]
    assert kinds.count("isolated") == 2
    (collision,) = [finding for finding in report["findings"] if finding["kind"] == "collision"]
    assert collision["texts"][1] == {
        "text": "list every file of a project folder",
        "place": f"{corpus_path}:2",
        "field": "query",
        "entry_id": "dir",
        "namespace": "default",
    }
    assert (collision["severity"], collision["differs"], list(collision["numbers"])) == ("error", [], ["score"])


@pytest.mark.parametrize(
    ("kinds", "code"),
    [(("collision",), 1), (("same-vector",), 0), (("same-vector", "collision"), 1), ((), 0)],
)
def test_a_kind_can_fail_the_command(corpus_path: Path, kinds: tuple[str, ...], code: int) -> None:
    """For CI: exit 1 where there is one, after the whole report."""
    outcome = lint(corpus_path, *(word for kind in kinds for word in ("--fail-on", kind)))
    assert outcome.code == code
    assert outcome.out == lint(corpus_path).out


def test_an_unknown_kind_is_wrong_usage(corpus_path: Path) -> None:
    """Exit 2, with the kinds that there are."""
    outcome = lint(corpus_path, "--fail-on", "everything")
    assert outcome.code == 2
    assert "same-vector" in outcome.err


def test_a_bad_corpus_lists_its_problems(tmp_path: Path) -> None:
    """And is not linted."""
    path = write_corpus(tmp_path / "c.jsonl", [{"id": "a", "query": "?", "answer": "x"}])
    outcome = lint(path)
    assert (outcome.code, outcome.out, len(outcome.err.splitlines())) == (1, "", 2)


def test_lint_writes_nothing_beside_the_corpus(corpus_path: Path) -> None:
    """The encoder goes where builds have it, vectors to a scratch file that is deleted."""
    lint(corpus_path)
    names = sorted(path.name for path in corpus_path.parent.iterdir())
    assert names == ["c.jsonl", "root"]
    assert [path.name for path in (corpus_path.parent / "root").iterdir()] == ["encoders"]
