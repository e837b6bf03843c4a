from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from semcache.build import scan as scan_module
from semcache.build.scan import CorpusScan, answer_digest, read_again, scan_corpora
from semcache.core.manifest import CorpusInfo
from semcache.core.text import exact_key
from semcache.errors import BuildError, CorpusError, StorageError

Corpus = Callable[..., Path]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Give a function that writes entries, each with the fields given, into a file."""

    def write(*entries: dict[str, Any], name: str = "c.jsonl") -> Path:
        path = tmp_path / name
        lines = [json.dumps({"id": f"e{i}", "answer": f"answer {i}", **entry}) for i, entry in enumerate(entries)]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write


def test_everything_is_counted_once(corpus: Corpus) -> None:
    """Entries, distinct texts, duplicates, rejects, guards."""
    path = corpus(
        {"query": "a", "paraphrases": ["A?", "b"], "rejects": ["x", "c"], "licence": "MIT", "namespace": "n"},
        {"query": "c", "rejects": ["X!"], "licence": "Apache-2.0"},
        {"query": "d", "answer": "answer 0", "licence": "MIT", "namespace": "n"},
    )
    scan = scan_corpora([path])
    assert (scan.n_entries, scan.n_variants, scan.n_duplicates, scan.n_problems) == (3, 4, 1, 0)
    assert (scan.n_rejects, scan.n_guards) == (3, 3)
    assert (scan.namespaces, scan.licences) == (["default", "n"], ["Apache-2.0", "MIT"])
    assert sorted(scan.answer_numbers.values()) == [0, 1]


def test_a_corpus_file_is_described_for_the_manifest(corpus: Corpus) -> None:
    """Name without folder, digest, and how many entries."""
    path = corpus({"query": "a"}, {"query": "b"})
    digest = sha256(path.read_bytes()).hexdigest()
    assert scan_corpora([path]).corpora == [CorpusInfo(file="c.jsonl", sha256=digest, entries=2)]


def test_several_files_are_one_corpus(corpus: Corpus) -> None:
    """In the order given, with numbers that go on counting."""
    one, other = corpus({"query": "a"}, name="1.jsonl"), corpus({"id": "z", "query": "b"}, name="2.jsonl")
    scan = scan_corpora([one, other])
    assert [(info.file, info.entries) for info in scan.corpora] == [("1.jsonl", 1), ("2.jsonl", 1)]
    assert [scan.owner("default", exact_key(text)) for text in ("a", "b", "c")] == [0, 1, None]


def test_an_id_that_stands_twice_names_both_places(corpus: Corpus) -> None:
    """Also across files."""
    one = corpus({"query": "a"}, {"id": "same", "query": "b"}, name="1.jsonl")
    other = corpus({"id": "same", "query": "c"}, name="2.jsonl")
    assert scan_corpora([one, other]).problems == [f"{other}:1: id: 'same' is already the id of {one}:2"]


def test_one_text_with_two_answers_names_both_places(corpus: Corpus) -> None:
    """After normalisation, as a query or as a paraphrase."""
    path = corpus({"query": "a"}, {"query": "List files"}, {"query": "c", "paraphrases": ["d", "list  files?"]})
    problem = f"{path}:3: paraphrases[1]: 'list  files?' already has another answer, at {path}:2"
    assert scan_corpora([path]).problems == [problem]


def test_a_text_and_json_of_the_same_bytes_are_two_answers(corpus: Corpus) -> None:
    """The text "1" is not the number 1."""
    path = corpus({"query": "a", "answer": "1"}, {"query": "A", "answer": 1})
    assert scan_corpora([path]).problems == [f"{path}:2: query: 'A' already has another answer, at {path}:1"]


def test_one_text_twice_under_one_answer_is_a_duplicate(corpus: Corpus) -> None:
    """Within an entry or across entries: no problem, one row; the first entry owns it."""
    path = corpus({"query": "a", "paraphrases": ["A"], "answer": "x"}, {"query": "a", "answer": "x"})
    scan = scan_corpora([path])
    assert (scan.problems, scan.n_variants, scan.n_duplicates) == ([], 1, 2)
    assert scan.owner("default", exact_key("a")) == 0


def test_one_text_may_have_another_answer_in_another_namespace(corpus: Corpus) -> None:
    """Namespaces do not know of each other."""
    path = corpus({"query": "a", "namespace": "n"}, {"query": "a", "namespace": "m"})
    scan = scan_corpora([path])
    assert scan.problems == []
    assert [scan.owner(namespace, exact_key("a")) for namespace in ("n", "m", "k")] == [0, 1, None]


def test_a_reject_that_is_another_entrys_text_is_no_guard(corpus: Corpus) -> None:
    """That text has an answer of its own, wherever in the corpus it stands."""
    path = corpus({"query": "a", "rejects": ["b"]}, {"query": "b", "rejects": ["a", "c"]})
    scan = scan_corpora([path])
    assert (scan.problems, scan.n_rejects, scan.n_guards) == ([], 3, 1)


def test_a_reject_in_one_namespace_is_a_guard_there(corpus: Corpus) -> None:
    """An entry of another namespace with that text does not lift it."""
    path = corpus({"query": "a", "rejects": ["b"], "namespace": "n"}, {"query": "b", "namespace": "m"})
    scan = scan_corpora([path])
    assert scan.n_guards == 1
    assert [scan.guard_owner(namespace, exact_key("b")) for namespace in ("n", "m")] == [0, None]


def test_a_guard_of_two_entries_belongs_to_the_first(corpus: Corpus) -> None:
    """It is one row."""
    scan = scan_corpora([corpus({"query": "a", "rejects": ["x"]}, {"query": "b", "rejects": ["X?"]})])
    assert (scan.n_rejects, scan.n_guards, scan.guard_owner("default", exact_key("x"))) == (2, 1, 0)


def test_equal_answers_share_a_number(corpus: Corpus) -> None:
    """Numbers count up in the order of first use."""
    path = corpus(*({"query": f"q{i}", "answer": answer} for i, answer in enumerate("xyxzy")))
    scan = scan_corpora([path])
    numbers = [scan.answer_numbers[answer_digest(entry)] for entry in read_again([path], scan)]
    assert numbers == [0, 1, 0, 2, 1]


def test_problems_of_lines_come_with_their_place(corpus: Corpus) -> None:
    """File and line before the field, in the order of the file."""
    path = corpus({"query": "a"}, {"query": "?", "tags": 1}, {"query": "b", "id": 5})
    assert scan_corpora([path]).problems == [
        f"{path}:2: query: found '?', allowed text with a word in it",
        f"{path}:2: tags: found '1', allowed a list of texts",
        f"{path}:3: id: found '5', allowed text of 1 to 256 printable characters",
    ]


def test_problems_are_all_counted_and_the_first_ones_kept(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of another kind does not fill the memory with its problems."""
    monkeypatch.setattr(scan_module, "MAX_PROBLEMS_KEPT", 2)
    scan = scan_corpora([corpus(*({"query": "?"} for _ in range(5)))])
    assert (scan.n_problems, [problem.split(":")[1] for problem in scan.problems]) == (5, ["1", "2"])


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_corpus_without_an_entry_is_a_problem(tmp_path: Path, content: str) -> None:
    """An empty bundle would miss everything."""
    (tmp_path / "c.jsonl").write_text(content)
    assert scan_corpora([tmp_path / "c.jsonl"]).problems == ["corpus: no entry in it"]


def test_no_corpus_is_a_problem() -> None:
    """No file, no entry."""
    assert scan_corpora([]).problems == ["corpus: no entry in it"]


def test_a_corpus_of_problems_only_is_told_by_them(corpus: Corpus) -> None:
    """That no entry is left goes without saying."""
    assert scan_corpora([corpus({"query": "?"})]).n_problems == 1


def test_problems_are_raised_together(corpus: Corpus) -> None:
    """With the true number, however many were kept."""
    scan = scan_corpora([corpus({"query": "?"}, {"query": "!"})])
    with pytest.raises(CorpusError) as caught:
        scan.raise_problems()
    assert (caught.value.problems, caught.value.n_problems) == (scan.problems, 2)


def test_no_problem_raises_nothing() -> None:
    """A clean scan goes on."""
    CorpusScan().raise_problems()


def test_a_missing_file_is_a_storage_error(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(StorageError, match=f"^{tmp_path / 'none'}: "):
        scan_corpora([tmp_path / "none"])


def test_reading_again_gives_the_same_entries(corpus: Corpus) -> None:
    """In the order of the scan, from file to file."""
    paths = [corpus({"query": "a"}, {"query": "b"}, name="1.jsonl"), corpus({"id": "z", "query": "c"}, name="2.jsonl")]
    assert [entry.query for entry in read_again(paths, scan_corpora(paths))] == ["a", "b", "c"]


@pytest.mark.parametrize("content", ['{"id": "e0", "query": "b", "answer": "x"}\n', "{\n", ""])
def test_a_file_that_changed_since_the_scan_stops_the_build(corpus: Corpus, content: str) -> None:
    """What was checked is what is built."""
    path = corpus({"query": "a"})
    scan = scan_corpora([path])
    path.write_text(content)
    with pytest.raises(BuildError, match=f"^{path}: changed while it was read; build again$"):
        list(read_again([path], scan))


def test_samples_of_answers_are_bounded(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dictionary is trained on some of them, not on a corpus in memory."""
    monkeypatch.setattr(scan_module, "_SAMPLE_BYTES", 20)
    entries = ({"query": f"q{i}", "answer": f"answer {i:03}"} for i in range(64))
    assert [len(sample) for sample in scan_corpora([corpus(*entries)]).answer_samples] == [10, 10]


def test_samples_hold_each_answer_once(corpus: Corpus) -> None:
    """An answer of a thousand entries does not rule the dictionary."""
    entries = ({"query": f"q{i}", "answer": "the same"} for i in range(64))
    assert scan_corpora([corpus(*entries)]).answer_samples == [b"the same"]
