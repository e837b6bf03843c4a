"""From a miss to an answer by the command line: record, harvest, edit, accept, build."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import Outcome, semcache
from shared import ENTRIES, write_corpus

MISSES = "rotate the signing keys\nRotate the signing keys?\nrotate the signing keys\nwhy has a@acme.io no mail\n"
ANSWER = "keys rotate"


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a built corpus and its folder as the current one."""
    monkeypatch.setenv("SEMCACHE_MODEL", "hashing")
    monkeypatch.setenv("SEMCACHE_MAX_ERROR", "0.1")
    monkeypatch.chdir(tmp_path)
    path = write_corpus(tmp_path / "small.jsonl", ENTRIES)
    assert semcache("build", path, "--name", "small").code == 0
    return path


def recorded() -> None:
    """Record the misses."""
    done = semcache("lookup", "small", "--namespace", "web", "--record", "traffic", stdin=MISSES.encode())
    assert [line["hit"] for line in done.json_lines] == [False] * 4


def harvested(*options: str) -> Outcome:
    """Harvest what was recorded."""
    return semcache("harvest", "small", "--record", "traffic", "--out", "gaps.candidates.jsonl", *options)


def test_a_miss_becomes_an_answer(corpus: Path) -> None:
    """Once somebody has written and reviewed one, and the corpus was built again; not before."""
    recorded()
    assert harvested().code == 0
    gaps = Path("gaps.candidates.jsonl")
    (line,) = [json.loads(raw) for raw in gaps.read_text().splitlines()]
    gaps.write_text(json.dumps({**line, "answer": ANSWER}) + "\n")
    assert semcache("accept", gaps, "--corpus", corpus).out.startswith("accepted  new entries: 0,")
    gaps.write_text(json.dumps({**line, "answer": ANSWER, "x_reviewed": True}) + "\n")
    assert semcache("accept", gaps, "--corpus", corpus).out.startswith("accepted  new entries: 1,")
    assert not semcache("lookup", "small", "rotate the signing keys", "--json").json["hit"]
    assert semcache("build", corpus, "--name", "small").code == 0
    assert semcache("lookup", "small", "rotate the signing keys", "--json").json["value"] == ANSWER
    again = harvested("--json").json
    assert (again["n_answered"], again["candidates"]) == (3, [])


def test_the_report_says_what_became_of_every_miss(corpus: Path) -> None:
    """For a person, and as JSON."""
    del corpus
    recorded()
    assert harvested().out == (
        "read    4 lookups: 0 hits, 4 misses\n"
        "            3  asked for a candidate below\n"
        "            1  look personal, dropped: 1 email\n"
        "wrote   gaps.candidates.jsonl: 1 candidate\n"
        "asked  texts  what is missing  question\n"
        "    3      1  an answer        rotate the signing keys\n"
    )
    found = harvested("--json", "--min-count", "4").json
    assert (found["n_misses"], found["n_rare"], found["personal"]) == (4, 3, {"email": 1})
    assert found["traffic"] == {"n_broken": 0, "n_dropped": 0, "n_files": 1, "n_lookups": 4}


@pytest.mark.parametrize("command", [["build", "a.candidates.jsonl", "--name", "x"], ["corpus", "check"]])
def test_a_candidates_file_is_no_corpus(corpus: Path, command: list[str]) -> None:
    """Neither for a build nor for a check."""
    path = write_corpus(corpus.with_name("a.candidates.jsonl"), ENTRIES)
    done = semcache(*command, *([path] if command[0] == "corpus" else []))
    assert done.code == 1
    assert "holds candidates, allowed corpus files" in done.out + done.err


def test_known_errors_are_one_line(corpus: Path) -> None:
    """With exit code 1, and nothing is written."""
    done = harvested()
    assert (done.code, done.out) == (1, "")
    assert done.err == "semcache: traffic: No such file or directory\n"
    done = semcache("accept", "none.candidates.jsonl", "--corpus", corpus)
    assert (done.code, done.err) == (1, "semcache: none.candidates.jsonl: No such file or directory\n")
    assert not Path("gaps.candidates.jsonl").exists()
