"""`semcache corpus check` and `corpus stats`, and that a bad corpus builds nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import corpus_programs
import pytest
from running import Outcome, run_program, semcache
from shared import ENTRIES, write_corpus

BAD_LINES = (
    b'{"id": "good", "query": "a good question", "answer": "yes", "x_note": 1}',
    b'{"id": "broken", "query": "no end',
    b"[1, 2]",
    b'{"query": "no id", "answer": "a"}',
    b'{"id": "no-query", "answer": "a"}',
    b'{"id": "no-answer", "query": "what about this"}',
    b'{"id": "unknown", "query": "one field too many", "answer": "a", "anwser": "b"}',
    b'{"id": 7, "query": ["x"], "answer": "a", "paraphrases": "p", "tags": [1], "namespace": "a b"}',
    b'{"id": "good", "query": "the same id again", "answer": "a"}',
    b'{"id": "conflict", "query": "A GOOD question!", "answer": "no"}',
    b'{"id": "latin", "query": "caf\xe9", "answer": "a"}',
    b'{"id": "empty", "query": " ?! ", "answer": ""}',
    b'{"id": "late", "query": "when is it", "answer": "a", "valid_until": "2027-01-31"}',
    b"",
    b'{"id": "self", "query": "mine", "answer": "a", "rejects": ["Mine."]}',
    b'{"id": "control", "query": "bell \\u0007", "answer": "a"}',
    b'{"id": "surrogate", "query": "half \\ud800 pair", "answer": "a"}',
)
PROBLEMS = (
    (2, "line: not JSON: "),
    (3, "line: found a list, allowed a JSON object"),
    (4, "id: found 'nothing', allowed "),
    (5, "query: found 'nothing', allowed "),
    (6, "answer: found 'nothing', allowed "),
    (7, "anwser: unknown field, allowed id, query, answer, "),
    (8, "query: found 'a list', allowed "),
    (8, "paraphrases: found 'text', allowed a list of texts"),
    (8, "id: found '7', allowed "),
    (8, "namespace: found 'a b', allowed "),
    (8, "tags: found '[1]', allowed a list of texts"),
    (9, "id: 'good' is already the id of "),
    (10, "query: 'A GOOD question!' already has another answer, at "),
    (11, "line: not UTF-8 at byte "),
    (12, "answer: found '', allowed "),
    (12, "query: found ' ?! ', allowed "),
    (13, "valid_until: found '2027-01-31', allowed an RFC 3339 time with its offset"),
    (15, "rejects[0]: 'Mine.' is also the entry's query or a paraphrase"),
    (16, "query: found 'bell \\x07', allowed text without control characters"),
    (17, "line: not JSON: "),
)


@pytest.fixture
def bad_corpus(tmp_path: Path) -> Path:
    """Give a corpus file with every kind of problem."""
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b"\n".join(BAD_LINES) + b"\n")
    return path


def test_check_lists_every_problem_with_file_and_line(bad_corpus: Path) -> None:
    """All problems of a file come out in one run, in the order of its lines."""
    problems = semcache("corpus", "check", bad_corpus).out.splitlines()
    wanted = [f"{bad_corpus}:{line}: {text}" for line, text in PROBLEMS]
    assert len(problems) == len(wanted)
    by_line = zip(sorted(problems, key=line_of), sorted(wanted, key=line_of), strict=True)
    assert [(found, want) for found, want in by_line if not found.startswith(want)] == []


def line_of(problem: str) -> tuple[int, str]:
    """Sort problems by their line, then by their field."""
    _, line, rest = problem.split(":", 2)
    return int(line), rest


def test_check_of_a_bad_corpus_is_exit_code_1_and_counts(bad_corpus: Path) -> None:
    """The count goes to stderr, the problems to stdout."""
    outcome = semcache("corpus", "check", bad_corpus)
    assert (outcome.code, outcome.err) == (1, "20 problems\n")


def test_check_json_of_a_bad_corpus(bad_corpus: Path) -> None:
    """--json gives the same problems."""
    outcome = semcache("corpus", "check", bad_corpus, "--json")
    assert (outcome.code, outcome.json["ok"], outcome.json["n_problems"], len(outcome.json["problems"])) == (
        1,
        False,
        20,
        20,
    )


def test_problems_name_the_other_place(bad_corpus: Path) -> None:
    """A duplicate id and a conflicting answer name both lines."""
    problems = semcache("corpus", "check", bad_corpus).out.splitlines()
    assert f"{bad_corpus}:9: id: 'good' is already the id of {bad_corpus}:1" in problems
    assert f"{bad_corpus}:10: query: 'A GOOD question!' already has another answer, at {bad_corpus}:1" in problems


def test_a_conflict_between_two_files_names_both(corpus: Path, tmp_path: Path) -> None:
    """Files are checked together, as they are built together."""
    entry = {"id": "other", "query": "add login page", "answer": "another", "namespace": "web"}
    other = write_corpus(tmp_path / "other.jsonl", [entry])
    outcome = semcache("corpus", "check", corpus, other)
    assert outcome.out == f"{other}:1: query: 'add login page' already has another answer, at {corpus}:1\n"


def test_build_on_a_bad_corpus_is_exit_code_1_and_builds_nothing(bad_corpus: Path, tmp_path: Path) -> None:
    """Every problem stands on stderr, and the root is not even made."""
    root = tmp_path / "root"
    outcome = semcache("build", bad_corpus, "--name", "bad", "--root", root, "--model", "hashing")
    assert (outcome.code, outcome.out, len(outcome.err.splitlines())) == (1, "", 21)
    assert outcome.err.splitlines()[-1] == "semcache: 20 problems in the corpus; nothing was done"
    assert not root.exists()


def test_build_on_a_bad_corpus_keeps_the_live_version(bundle_dir: Path, bad_corpus: Path) -> None:
    """A bad corpus changes nothing for who looks up."""
    semcache("build", bad_corpus, "--name", "small", "--root", bundle_dir.parent, "--model", "hashing")
    assert semcache("lookup", bundle_dir, "add login page", "--json").json["entry_id"] == "login/add"


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_a_line_of_100_mb_is_a_problem_and_not_100_mb_of_memory(tmp_path: Path) -> None:
    """A corpus may hold anything; checking it takes bounded memory, and what follows is checked too."""
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as file:
        file.write(b'{"id": "huge", "query": "')
        for _ in range(100):
            file.write(b"a" * 1_000_000)
        file.write(b'", "answer": "a"}\n{"id": "b"}\n')
    found = run_program(corpus_programs.check_with_peak, path)
    path.unlink()
    assert found["peak_kib"] < 400 * 1024
    assert found["out"].splitlines() == [
        f"{path}:1: line: longer than 16777216 bytes",
        f"{path}:2: answer: found 'nothing', allowed text that is not empty, or any JSON but null",
        f"{path}:2: query: found 'nothing', allowed text with a word in it",
    ]
    assert found["code"] == 1


def test_five_thousand_problems_are_counted_and_the_first_thousand_shown(tmp_path: Path) -> None:
    """A file that is not a corpus at all does not drown the terminal."""
    path = tmp_path / "noise.jsonl"
    path.write_bytes(b"x\n" * 5_000)
    outcome = semcache("corpus", "check", path)
    assert (len(outcome.out.splitlines()), outcome.err) == (1000, "5000 problems\n")


def test_check_of_a_good_corpus(corpus: Path) -> None:
    """Nothing wrong is exit code 0 and a count, in both forms."""
    assert semcache("corpus", "check", corpus) == Outcome(0, "ok: 5 entries, 9 variants\n", "")
    assert semcache("corpus", "check", corpus, "--json").json == {"ok": True, "n_problems": 0, "problems": []}


def test_check_of_an_empty_corpus_is_a_problem(tmp_path: Path) -> None:
    """A corpus without an entry cannot be built, so the check says so."""
    path = write_corpus(tmp_path / "empty.jsonl", [])
    assert semcache("corpus", "check", path) == Outcome(1, "corpus: no entry in it\n", "1 problem\n")


def test_check_of_a_missing_file_is_one_line(tmp_path: Path) -> None:
    """A wrong path is not a problem of the corpus."""
    path = tmp_path / "no.jsonl"
    assert semcache("corpus", "check", path) == Outcome(1, "", f"semcache: {path}: No such file or directory\n")


def test_stats_count_only(corpus: Path) -> None:
    """--no-near counts without a model."""
    found = semcache("corpus", "stats", corpus, "--no-near", "--json").json
    assert found == {
        "entries": 5,
        "answers": 5,
        "variants": 9,
        "duplicates": 0,
        "rejects": 2,
        "guards": 2,
        "near_pairs": None,
        "namespaces": ["shell", "web"],
        "licences": ["Apache-2.0"],
        "pairs": [],
    }


def test_stats_for_a_person(corpus: Path) -> None:
    """A person sees the counts, one a line."""
    outcome = semcache("corpus", "stats", corpus, "--no-near")
    assert (outcome.code, outcome.err) == (0, "")
    assert [line.split(maxsplit=1) for line in outcome.out.splitlines()][:3] == [
        ["entries", "5"],
        ["answers", "5"],
        ["variants", "9"],
    ]


def test_stats_finds_near_questions_with_different_answers(tmp_path: Path) -> None:
    """Two questions that are nearly one text and have two answers are shown as a pair."""
    entries = [
        {"id": "a", "query": "install the command line tool", "answer": "1"},
        {"id": "b", "query": "uninstall the command line tool", "answer": "2"},
        {"id": "c", "query": "bake bread", "answer": "3"},
    ]
    path = write_corpus(tmp_path / "near.jsonl", entries)
    arguments = ("--model", "hashing", "--near", "0.8", "--root", tmp_path / "root", "--json")
    (pair,) = semcache("corpus", "stats", path, *arguments).json["pairs"]
    assert {pair["entry_id"], pair["other_entry_id"]} == {"default:a", "default:b"}


def test_stats_of_a_bad_corpus_lists_its_problems(bad_corpus: Path) -> None:
    """A corpus with problems is not counted."""
    outcome = semcache("corpus", "stats", bad_corpus, "--no-near")
    assert (outcome.code, outcome.out, len(outcome.err.splitlines())) == (1, "", 21)


def test_the_shipped_corpora_have_no_problem() -> None:
    """What ships can be built."""
    folder = Path(__file__).resolve().parents[2] / "corpus"
    assert semcache("corpus", "check", *sorted(folder.glob("*.jsonl"))).code == 0


def test_a_text_that_stands_twice_under_one_answer_is_counted_once(tmp_path: Path) -> None:
    """Duplicates are no problem; the statistics show them."""
    twice = {**ENTRIES[0], "paraphrases": ["add login page", "Add login page.", "ADD LOGIN PAGE"]}
    path = write_corpus(tmp_path / "twice.jsonl", [twice])
    found = semcache("corpus", "stats", path, "--no-near", "--json").json
    assert (found["variants"], found["duplicates"]) == (2, 2)
