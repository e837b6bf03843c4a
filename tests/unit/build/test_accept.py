from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from shared import ENTRIES, write_corpus

from semcache.build.accept import AcceptReport, accept_candidates
from semcache.build.corpus import parse_line
from semcache.build.scan import scan_corpora
from semcache.errors import BuildError, ConfigError, CorpusError, StorageError
from semcache.store.fsio import FileSystem
from semcache.store.lock import exclusive_lock

BREAD: dict[str, Any] = {
    "x_reviewed": True,
    "id": "harvested/1",
    "query": "how do I bake bread",
    "answer": "Knead.",
    "namespace": "web",
    "paraphrases": ["bake bread"],
    "x_count": 7,
    "x_first_seen": "2023-11-15T12:00:00Z",
    "x_last_seen": "2023-11-15T12:00:00Z",
    "x_nearest": None,
}
LOGIN: dict[str, Any] = {
    "x_reviewed": True,
    "x_paraphrase_of": "login/add",
    "id": "harvested/2",
    "query": "login page: add one",
    "paraphrases": ["Add login page!", "a login page please"],
    "x_count": 3,
}


class Accepts:
    """Accepts candidates into the small corpus."""

    def __init__(self, folder: Path) -> None:
        self.candidates = folder / "gaps.candidates.jsonl"
        self.corpus = write_corpus(folder / "small.jsonl", ENTRIES)

    def __call__(self, *candidates: dict[str, Any], **more: Any) -> AcceptReport:
        """Accept; the report."""
        write_corpus(self.candidates, candidates)
        return self.again(**more)

    def again(self, **more: Any) -> AcceptReport:
        """Accept what is in the file."""
        return accept_candidates(self.candidates, [self.corpus], **more)

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The entries of the corpus."""
        return [json.loads(line) for line in self.corpus.read_text("utf-8").splitlines()]

    @property
    def left(self) -> list[str]:
        """Ids of the lines that are left."""
        return [json.loads(line)["id"] for line in self.candidates.read_text("utf-8").splitlines()]


@pytest.fixture
def accepts(tmp_path: Path) -> Accepts:
    """Give a function that accepts candidates."""
    return Accepts(tmp_path)


def test_an_answered_and_reviewed_line_becomes_an_entry(accepts: Accepts) -> None:
    """With what somebody wrote, and that it comes from traffic; without what was said for the reader."""
    report = accepts(BREAD)
    assert (report.n_entries, report.n_paraphrases, report.n_left) == (1, 0, 0)
    assert accepts.entries[:-1] == ENTRIES
    assert accepts.entries[-1] == {
        "id": "harvested/1",
        "source": "harvested traffic",
        "x_reviewed": True,
        "query": "how do I bake bread",
        "answer": "Knead.",
        "namespace": "web",
        "paraphrases": ["bake bread"],
    }
    assert accepts.left == []


def test_fields_that_somebody_added_go_along(accepts: Accepts) -> None:
    """Whatever a corpus may hold, a source of their own included."""
    accepts({**BREAD, "tags": ["food"], "source": "our cook", "rejects": ["burn bread"], "x_team": 4})
    entry = accepts.entries[-1]
    assert [entry[name] for name in ("tags", "source", "rejects", "x_team")] == [
        ["food"],
        "our cook",
        ["burn bread"],
        4,
    ]


def test_a_reviewed_paraphrase_joins_its_entry(accepts: Accepts) -> None:
    """Texts that the entry has are not repeated, and all other lines keep their bytes."""
    before = accepts.corpus.read_bytes().splitlines()
    report = accepts(LOGIN)
    after = accepts.corpus.read_bytes().splitlines()
    assert (report.n_entries, report.n_paraphrases) == (0, 2)
    assert accepts.entries[0]["paraphrases"] == [
        "add login page",
        "put a sign-in page into my app",
        "login page: add one",
        "a login page please",
    ]
    assert after[1:] == before[1:]


def test_a_paraphrase_joins_its_entry_in_whichever_corpus(accepts: Accepts, tmp_path: Path) -> None:
    """New entries go to the first one."""
    first = write_corpus(tmp_path / "first.jsonl", [{"id": "x", "query": "x", "answer": "y"}])
    write_corpus(accepts.candidates, [BREAD, LOGIN])
    report = accept_candidates(accepts.candidates, [first, accepts.corpus])
    assert report.changed == [first, accepts.corpus]
    assert [json.loads(line)["id"] for line in first.read_text().splitlines()] == ["x", "harvested/1"]
    assert "login page: add one" in accepts.entries[0]["paraphrases"]


def test_an_answer_counts_more_than_a_paraphrase(accepts: Accepts) -> None:
    """Who answers a paraphrase says that it was none."""
    accepts({**LOGIN, "answer": "One line.", "query": "sign-up form", "paraphrases": []})
    assert accepts.entries[0] == ENTRIES[0]
    assert accepts.entries[-1]["answer"] == "One line."
    assert "x_paraphrase_of" not in accepts.entries[-1]


@pytest.mark.parametrize(
    "fields",
    [{"x_reviewed": False}, {"x_reviewed": False, "answer": None}, {"x_declined": True}],
)
def test_without_a_review_nothing_is_added(accepts: Accepts, fields: dict[str, Any]) -> None:
    """An answer alone is none: it may be a model's. A line that was declined stays, to be known."""
    before = accepts.corpus.read_bytes()
    report = accepts({**BREAD, **fields}, {**LOGIN, **fields})
    assert (report.n_entries, report.n_paraphrases, report.n_left) == (0, 0, 2)
    assert accepts.corpus.read_bytes() == before
    assert accepts.left == ["harvested/1", "harvested/2"]


@pytest.mark.parametrize(
    ("candidate", "problem"),
    [
        ({**BREAD, "answer": None}, "gaps.candidates.jsonl:2: answer: found nothing in a reviewed line"),
        ({**BREAD, "answer": ""}, "gaps.candidates.jsonl:2: answer: found nothing in a reviewed line"),
        (
            {**LOGIN, "x_paraphrase_of": "gone"},
            "gaps.candidates.jsonl:2: x_paraphrase_of: found 'gone', allowed the id",
        ),
        ({**BREAD, "tag": 1}, "small.jsonl:7: tag: unknown field"),
        (
            {**BREAD, "query": "list all files", "namespace": "shell"},
            "small.jsonl:7: query: 'list all files' already has",
        ),
        ({**LOGIN, "query": "remove the login page"}, "small.jsonl:1: rejects[0]: 'remove the login page' is also"),
        ({**BREAD, "id": "login/add"}, "small.jsonl:7: id: 'login/add' is already the id of"),
    ],
)
def test_one_problem_keeps_everything_as_it_was(accepts: Accepts, candidate: dict[str, Any], problem: str) -> None:
    """All or none; the place is that of the line as it would be."""
    before = accepts.corpus.read_bytes()
    good = {**BREAD, "id": "harvested/0", "query": "boil an egg", "paraphrases": []}
    with pytest.raises(CorpusError) as caught:
        accepts(good, candidate)
    assert problem in str(caught.value)
    assert accepts.corpus.read_bytes() == before
    assert len(accepts.left) == 2
    assert sorted(path.name for path in accepts.corpus.parent.iterdir()) == ["gaps.candidates.jsonl", "small.jsonl"]


def test_a_dry_run_writes_nothing(accepts: Accepts) -> None:
    """It counts the same."""
    before = accepts.corpus.read_bytes()
    report = accepts(BREAD, LOGIN, dry_run=True)
    assert (report.n_entries, report.n_paraphrases) == (1, 2)
    assert accepts.corpus.read_bytes() == before
    assert accepts.left == ["harvested/1", "harvested/2"]


class Refusing(FileSystem):
    """Refuses to put a file of some name in its place."""

    def __init__(self, name: str) -> None:
        self._name = name

    def replace(self, source: Path, target: Path) -> None:
        """Move a file over another one, unless it is the one."""
        if target.name == self._name:
            raise OSError(28, "No space left on device")
        super().replace(source, target)


@pytest.mark.parametrize("name", ["small.jsonl", "gaps.candidates.jsonl"])
def test_a_run_that_was_cut_off_is_repeated(accepts: Accepts, name: str) -> None:
    """Before or after the corpus was written: nothing is lost, and nothing is added twice."""
    with pytest.raises(StorageError):
        accepts(BREAD, LOGIN, fs=Refusing(name))
    accepts.again()
    assert [entry["id"] for entry in accepts.entries].count("harvested/1") == 1
    assert accepts.entries[0]["paraphrases"].count("a login page please") == 1
    assert accepts.left == []


def test_two_commands_do_not_write_one_corpus(accepts: Accepts) -> None:
    """The second one says so."""
    with exclusive_lock(accepts.corpus), pytest.raises(BuildError, match="another process"):
        accepts(BREAD)


def test_a_corpus_is_needed(accepts: Accepts) -> None:
    """Where else should they go."""
    write_corpus(accepts.candidates, [BREAD])
    with pytest.raises(ConfigError, match="corpora: found none"):
        accept_candidates(accepts.candidates, [])


def test_no_build_takes_a_candidates_file(accepts: Accepts) -> None:
    """Its name tells; also where every line of it is answered and reviewed."""
    path = write_corpus(accepts.candidates, [BREAD])
    assert scan_corpora([path]).problems == [
        f"{path}: holds candidates, allowed corpus files; `semcache accept` takes reviewed ones over"
    ]
    with pytest.raises(CorpusError, match="holds candidates"):
        accept_candidates(path, [path])


def test_no_build_takes_a_line_that_nobody_reviewed() -> None:
    """Under whatever name its file is."""
    raw = json.dumps({"id": "a", "query": "b", "answer": "c", "x_reviewed": False}).encode()
    assert parse_line(raw, 1).problems == (
        "x_reviewed: found 'False', allowed true, once somebody has reviewed the entry, or no such field",
    )
    assert parse_line(raw.replace(b"false", b"true"), 1).problems == ()
