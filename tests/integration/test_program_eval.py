"""`semcache eval`: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from running import Outcome, semcache
from shared import HASHING

from semcache import BuildReport, Cache, evaluate, read_queries

LINES: list[dict[str, Any]] = [
    {"text": "add login page", "entry_id": "login/add", "namespace": "web"},
    {"text": "now add login page", "group": "auth", "kind": "typo"},
    {"text": "put a sign-in page into my new app", "group": "login/add", "kind": "typo"},
    {"text": "list all the files", "entry_id": "db/setup"},
    {"text": "docker", "entry_id": None},
]


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    """Give labelled queries of the small corpus."""
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES), encoding="utf-8")
    return path


def test_json_says_what_was_served_and_what_was_wrong(bundle_dir: Path, queries: Path) -> None:
    """Entry, tag and own id as labels; levels, kinds, slices, misses and the false hit."""
    found = semcache("eval", bundle_dir, "--queries", queries, "--json").json
    at_ten = [level for level in found["levels"] if level["max_error"] == 0.1]
    assert [(level["namespace"], level["n_hits"], level["n_wrong"]) for level in at_ten] == [
        ("shell", 1, 1),
        ("web", 3, 0),
    ]
    assert (found["n_hits"], found["n_wrong"], found["error"]) == (4, 1, 0.25)
    assert found["shown_max_error"] == {"shell": 0.1, "web": 0.1}
    assert {row["name"]: (row["n_hits"], row["n_wrong"]) for row in found["kinds"]} == {
        "exact": (1, 0),
        "semantic": (3, 1),
    }
    assert {row["name"]: row["n_queries"] for row in found["slices"]} == {"unnamed": 3, "typo": 2}
    assert found["misses"] == {"below_threshold": 1}
    assert [(hit["text"], hit["expected"], hit["entry_id"]) for hit in found["false_hits"]] == [
        ("list all the files", "db/setup", "files/list")
    ]
    assert (found["n_queries"], found["n_out_of_scope"], found["unknown"]) == (5, 1, [])


def test_the_library_measures_the_same(bundle_dir: Path, queries: Path) -> None:
    """What the command does is two calls."""
    with Cache.open(bundle_dir) as cache:
        found = evaluate(cache, read_queries([queries]).queries)
    assert [hit.query.text for hit in found.false_hits] == ["list all the files"]
    assert (found.name, found.n_queries, len(found.levels)) == ("small", 5, 10)


def test_a_person_sees_the_summary_first(bundle_dir: Path, queries: Path) -> None:
    """Then the tables and the false hit; nothing on stderr."""
    outcome = semcache("eval", bundle_dir, "--queries", queries)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("Certified for at most 10 % error, the bundle served 80.0 % of 5 queries; 25.0 % of ")
    assert "0.5 %          -" in outcome.out
    assert "1 false hit, the surest first:" in outcome.out


def test_files_are_written_and_read_together(bundle_dir: Path, queries: Path, tmp_path: Path) -> None:
    """--queries may be given several times; --html and --png write what they are told to."""
    html, png = tmp_path / "r.html", tmp_path / "r.png"
    outcome = semcache(
        "eval", bundle_dir, "--queries", queries, "--queries", queries, "--json", "--html", html, "--png", png
    )
    assert outcome.json["n_queries"] == 10
    assert html.read_text("utf-8").startswith('<!doctype html><html lang="en">')
    assert png.read_bytes()[:4] == b"\x89PNG"


def test_max_error_chooses_what_is_shown(bundle_dir: Path, queries: Path) -> None:
    """0.5 % is not certified: only the very same text is served, and nothing is wrong."""
    found = semcache("eval", bundle_dir, "--queries", queries, "--json", "--max-error", "0.005").json
    assert (found["shown_max_error"], found["false_hits"]) == ({}, [])
    stricter = semcache("eval", bundle_dir, "--queries", queries, "--json", "--max-error", "0.03").json
    assert (stricter["shown_max_error"], stricter["false_hits"]) == ({"shell": 0.02, "web": 0.02}, [])


def test_the_summary_says_which_error_it_is_about(
    build: Callable[..., BuildReport], bundle_dir: Path, queries: Path
) -> None:
    """Of one that is not certified nothing is said of others; one over the default is what no lookup serves."""
    out = semcache("eval", bundle_dir, "--queries", queries, "--max-error", "0.005").out
    assert out.startswith("No error of at most 0.5 % is certified: only the very same text is served, 1 of 5 queries.")
    strict = build(name="strict", config=replace(HASHING, max_error=0.02)).path
    out = semcache("eval", strict, "--queries", queries, "--max-error", "0.1").out
    assert " No lookup serves so much: it is held to the default error." in out.splitlines()[0]
    assert "over the default, shown below" in out
    out = semcache("eval", strict, "--queries", queries).out
    assert "No lookup serves so much" not in out


def test_the_summary_says_how_many_labels_name_nothing(bundle_dir: Path, queries: Path) -> None:
    """They are counted as wrong where they hit, which is not the bundle's fault."""
    with queries.open("a", encoding="utf-8") as file:
        file.write('{"text": "add a login page now", "entry_id": "login/ad"}\n')
    out = semcache("eval", bundle_dir, "--queries", queries).out
    assert out.splitlines()[0].endswith(" 1 label names nothing here: a hit there counts as wrong.")


def test_a_false_hit_shows_what_it_was_made_of(bundle_dir: Path, queries: Path) -> None:
    """The features are those that explain shows for the same text."""
    (false,) = semcache("eval", bundle_dir, "--queries", queries, "--json").json["false_hits"]
    explained = semcache("explain", bundle_dir, "list all the files", "--json").json
    assert false["confidence"] == pytest.approx(explained["confidence"], abs=1e-4)
    assert false["features"] == {name: pytest.approx(value) for name, value in explained["features"].items()}


def test_an_expired_entry_is_no_candidate(bundle_dir: Path) -> None:
    """What a lookup would not serve for its age is not counted as served."""
    with Cache.open(bundle_dir) as cache:
        near, exact = cache.assess(["how to use database version nine again", "How to use database version nine"])
    assert (near.reason, near.confidence, near.entry_id) == ("expired", None, "db/old")
    assert (exact.reason, exact.confidence) == ("expired", None)


def test_bad_lines_are_printed_with_their_place(bundle_dir: Path, queries: Path) -> None:
    """All of them, and nothing is evaluated."""
    queries.write_text('{"text": "a"}\n{"text": "a", "entry_id": "a"}\nno\n', encoding="utf-8")
    outcome = semcache("eval", bundle_dir, "--queries", queries)
    lines = outcome.err.splitlines()
    assert (outcome.code, outcome.out, len(lines)) == (1, "", 3)
    assert lines[0].startswith(f"{queries}:1: entry_id, group: found 0 of them")
    assert lines[1].startswith(f"{queries}:3: line: not JSON")
    assert lines[2] == "2 problems; nothing was done"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--queries", "none.jsonl"], "semcache: none.jsonl: No such file or directory"),
        (["--queries", "q.jsonl", "--max-error", "2"], "semcache: max_error: found 2.0, allowed over 0 and up to 1"),
        (
            ["--queries", "q.jsonl", "--html", "gone/r.html"],
            "semcache: gone/r.html: its folder is not there; make it, and run the command again",
        ),
        (["--queries", "q.jsonl", "--png", "no"], "semcache: no: is a folder; give the name of a file"),
        (["--queries", "empty.jsonl"], "semcache: queries: found none, allowed 1 or more"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    bundle_dir: Path, queries: Path, arguments: list[str], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, and nothing on stdout."""
    monkeypatch.chdir(queries.parent)
    (queries.parent / "empty.jsonl").touch()
    (queries.parent / "no").mkdir()
    assert semcache("eval", bundle_dir, *arguments) == Outcome(1, "", line + "\n")


def test_png_without_matplotlib_names_the_extra(
    bundle_dir: Path, queries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exact pip line."""
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    outcome = semcache("eval", bundle_dir, "--queries", queries, "--png", queries.with_suffix(".png"))
    assert outcome.code == 1
    assert outcome.err.endswith('install it with: pip install "semcache[plots]"\n')
