from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from semcache.build import corpus
from semcache.build.corpus import CorpusFile, Line, parse_line
from semcache.errors import StorageError
from semcache.types import Entry

LEAST: dict[str, Any] = {"id": "a", "query": "list files", "answer": "ls"}
FIELDS = "id, query, answer, paraphrases, rejects, namespace, tags, source, licence, valid_until"


def parsed(**fields: object) -> Line:
    """Read a line with the least an entry needs, and these fields."""
    return parse_line(json.dumps({**LEAST, **fields}).encode(), 1)


def entry_of(**fields: object) -> Entry:
    """Give the entry of a line without problems."""
    line = parsed(**fields)
    assert line.problems == ()
    assert line.entry is not None
    return line.entry


def test_the_least_entry_has_defaults() -> None:
    """Id, query and answer are enough."""
    assert entry_of() == Entry(
        id="a",
        query="list files",
        answer=b"ls",
        answer_type="text",
        paraphrases=(),
        rejects=(),
        namespace="default",
        valid_until=None,
        metadata={},
    )


def test_a_full_entry_keeps_every_field() -> None:
    """Nothing that the corpus says is lost."""
    entry = entry_of(
        paraphrases=["show files"],
        rejects=["delete files"],
        namespace="shell",
        tags=["unix"],
        source="me",
        licence="MIT",
        valid_until="2027-01-31T12:00:00Z",
        x_note={"a": [1]},
    )
    assert entry == Entry(
        id="a",
        query="list files",
        answer=b"ls",
        answer_type="text",
        paraphrases=("show files",),
        rejects=("delete files",),
        namespace="shell",
        valid_until=1_801_396_800,
        metadata={"tags": ["unix"], "source": "me", "licence": "MIT", "x_note": {"a": [1]}},
    )


@pytest.mark.parametrize(
    ("answer", "stored", "answer_type"),
    [
        ("ls -la", b"ls -la", "text"),
        ("na\u00efve \u4f60", "na\u00efve \u4f60".encode(), "text"),
        ('{"a": 1}', b'{"a": 1}', "text"),
        ("two\nlines\u0000", b"two\nlines\0", "text"),
        ({"b": 1, "a": [True, None]}, b'{"a":[true,null],"b":1}', "json"),
        ([], b"[]", "json"),
        ({}, b"{}", "json"),
        (0, b"0", "json"),
        (False, b"false", "json"),
        (1.5, b"1.5", "json"),
    ],
)
def test_an_answer_is_text_or_any_json(answer: object, stored: bytes, answer_type: str) -> None:
    """A string is stored as it is, anything else as JSON with sorted keys; empty and 0 are answers."""
    entry = entry_of(answer=answer)
    assert (entry.answer, entry.answer_type) == (stored, answer_type)


def test_a_whole_number_of_any_size_is_kept_or_refused() -> None:
    """An answer is never changed on the way: 23 digits are not rounded to a float in silence."""
    line = parse_line(b'{"id": "a", "query": "q", "answer": {"n": 12345678901234567890123}}', 1)
    assert line.entry is None or b"12345678901234567890123" in line.entry.answer


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2027-01-31T12:00:00Z", 1_801_396_800),
        ("2027-01-31T14:00:00+02:00", 1_801_396_800),
        ("2027-01-31T12:00:00.9Z", 1_801_396_800),
        ("1969-12-31T23:59:59Z", -1),
    ],
)
def test_valid_until_is_read_as_unix_seconds(text: str, seconds: int) -> None:
    """With its offset; parts of a second are dropped."""
    assert entry_of(valid_until=text).valid_until == seconds


def test_a_valid_until_of_null_is_never() -> None:
    """Null is the same as leaving it out."""
    assert entry_of(valid_until=None).valid_until is None


PROBLEMS: list[tuple[dict[str, object], str]] = [
    ({"id": 1}, "id: found '1', allowed text of 1 to 256 printable characters"),
    ({"id": ""}, "id: found '', allowed text of 1 to 256 printable characters"),
    ({"id": "a\nb"}, "id: found 'a\\nb', allowed text of 1 to 256 printable characters"),
    ({"id": "a\u0000b"}, "id: found 'a\\x00b', allowed text of 1 to 256 printable characters"),
    ({"id": "x" * 257}, f"id: found '{'x' * 57}...', allowed text of 1 to 256 printable characters"),
    ({"query": 1}, "query: found 'a number', allowed text with a word in it"),
    ({"query": None}, "query: found 'null', allowed text with a word in it"),
    ({"query": ["a"]}, "query: found 'a list', allowed text with a word in it"),
    ({"query": ""}, "query: found '', allowed text with a word in it"),
    ({"query": "?!"}, "query: found '?!', allowed text with a word in it"),
    ({"query": "a\u0007b"}, "query: found 'a\\x07b', allowed text without control characters"),
    ({"query": "a\rb"}, "query: found 'a\\rb', allowed text without control characters"),
    ({"answer": ""}, "answer: found '', allowed text that is not empty, or any JSON but null"),
    ({"paraphrases": "a"}, "paraphrases: found 'text', allowed a list of texts"),
    ({"paraphrases": {}}, "paraphrases: found 'an object', allowed a list of texts"),
    ({"paraphrases": None}, "paraphrases: found 'null', allowed a list of texts"),
    ({"paraphrases": ["a", True]}, "paraphrases[1]: found 'true or false', allowed text with a word in it"),
    ({"paraphrases": ["a", " "]}, "paraphrases[1]: found ' ', allowed text with a word in it"),
    ({"rejects": ["b", {}]}, "rejects[1]: found 'an object', allowed text with a word in it"),
    ({"rejects": ["b", "List files?"]}, "rejects[1]: 'List files?' is also the entry's query or a paraphrase"),
    ({"namespace": ""}, "namespace: found '', allowed a name like [A-Za-z0-9][A-Za-z0-9._-]{0,63}"),
    ({"namespace": "a b"}, "namespace: found 'a b', allowed a name like [A-Za-z0-9][A-Za-z0-9._-]{0,63}"),
    ({"namespace": 1}, "namespace: found '1', allowed a name like [A-Za-z0-9][A-Za-z0-9._-]{0,63}"),
    ({"tags": "a"}, "tags: found 'a', allowed a list of texts"),
    ({"tags": [1]}, "tags: found '[1]', allowed a list of texts"),
    ({"source": 1}, "source: found '1', allowed text"),
    ({"licence": ["MIT"]}, "licence: found \"['MIT']\", allowed text"),
    ({"notes": 1}, f"notes: unknown field, allowed {FIELDS} or x_..."),
    ({"y" * 50: 1}, f"{'y' * 40}: unknown field, allowed {FIELDS} or x_..."),
]


@pytest.mark.parametrize(("fields", "problem"), PROBLEMS)
def test_a_problem_says_field_found_and_allowed(fields: dict[str, object], problem: str) -> None:
    """One field wrong, one problem, and no entry."""
    assert parsed(**fields) == Line(1, None, (problem,))


@pytest.mark.parametrize(
    "value", ["2027-01-31", "2027-01-31T12:00:00", "tomorrow", "", "2027-02-30T00:00:00Z", 1_801_396_800, []]
)
def test_a_valid_until_without_its_offset_is_a_problem(value: object) -> None:
    """A time means another second in each zone, so the zone must be said."""
    (problem,) = parsed(valid_until=value).problems
    assert problem.startswith("valid_until: found ")
    assert problem.endswith(", allowed an RFC 3339 time with its offset, such as 2027-01-31T12:00:00Z")


@pytest.mark.parametrize("field", ["id", "query", "answer"])
def test_a_missing_field_is_a_problem(field: str) -> None:
    """It is found as nothing."""
    (problem,) = parse_line(json.dumps({k: v for k, v in LEAST.items() if k != field}).encode(), 1).problems
    assert problem.startswith(f"{field}: found ")
    assert "nothing" in problem


def test_every_problem_of_a_line_is_told() -> None:
    """Not only the first."""
    problems = parsed(id=1, query=2, tags=3, licence=4, valid_until=5, namespace=6, what=7).problems
    assert [problem.split(":")[0] for problem in problems] == [
        *("what", "query", "id", "namespace", "valid_until", "tags", "licence"),
    ]


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b'{"id": "\xff"}', "line: not UTF-8 at byte 8 of the line"),
        (b"[1]", "line: found a list, allowed a JSON object"),
        (b'"a"', "line: found text, allowed a JSON object"),
        (b"null", "line: found null, allowed a JSON object"),
        (b"3", "line: found a number, allowed a JSON object"),
    ],
)
def test_a_line_that_is_no_object_is_a_problem(raw: bytes, problem: str) -> None:
    """Told as what it is."""
    assert parse_line(raw, 7) == Line(7, None, (problem,))


@pytest.mark.parametrize("raw", [b"{", b"{'a': 1}", b'{"a": NaN}', b'{"a": "\\ud800"}', b"{}{}", b"[" * 5000])
def test_a_line_that_is_not_json_is_a_problem(raw: bytes) -> None:
    """With the reason of the parser."""
    (problem,) = parse_line(raw, 1).problems
    assert problem.startswith("line: not JSON: ")


@pytest.mark.parametrize(("depth", "is_allowed"), [(100, True), (101, False)])
def test_json_may_be_a_hundred_levels_deep(*, depth: int, is_allowed: bool) -> None:
    """Whoever reads the answer must be able to parse it."""
    raw = b'{"id": "a", "query": "q", "answer": ' + b"[" * depth + b"]" * depth + b"}"
    assert (parse_line(raw, 1).entry is not None) == is_allowed


def test_a_deeply_nested_answer_is_a_problem_or_an_answer() -> None:
    """A JSON answer may be as deep as it likes; it never ends the scan with an error of the JSON library."""
    raw = b'{"id": "a", "query": "q", "answer": ' + b"[" * 300 + b"]" * 300 + b"}"
    line = parse_line(raw, 1)
    assert (line.entry is None) == bool(line.problems)


@pytest.mark.parametrize("field", ["tags", "source", "id", "namespace", "valid_until"])
def test_a_deeply_nested_field_is_a_problem(field: str) -> None:
    """A value that is too deep even to be printed is still told as a problem of its line."""
    raw = b'{"id": "a", "query": "q", "answer": "x", "%s": ' % field.encode() + b"[" * 1020 + b"]" * 1020 + b"}"
    problems = parse_line(raw, 1).problems
    assert any(problem.startswith(f"{field}: found ") for problem in problems)


def test_lines_count_from_one_and_blank_ones_count(tmp_path: Path) -> None:
    """A problem's number is the one an editor shows."""
    path = tmp_path / "c.jsonl"
    path.write_bytes(b"\n  \n" + json.dumps(LEAST).encode() + b"\r\n\n{")
    assert [(line.number, line.entry is not None) for line in CorpusFile(path)] == [(3, True), (5, False)]


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    """Some editors write one; it is not part of the first line."""
    path = tmp_path / "c.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(LEAST).encode())
    assert [line.problems for line in CorpusFile(path)] == [()]


def test_a_byte_order_mark_further_down_is_a_problem(tmp_path: Path) -> None:
    """There it is a character that JSON does not allow."""
    path = tmp_path / "c.jsonl"
    path.write_bytes(b"\n\xef\xbb\xbf" + json.dumps(LEAST).encode())
    assert [len(line.problems) for line in CorpusFile(path)] == [1]


def test_the_digest_of_a_file_is_known_after_its_end(tmp_path: Path) -> None:
    """Of all its bytes: blank lines, mark and line ends too."""
    path = tmp_path / "c.jsonl"
    content = b"\xef\xbb\xbf\n" + json.dumps(LEAST).encode() + b"\r\n{\n"
    path.write_bytes(content)
    file = CorpusFile(path)
    assert file.sha256 == ""
    list(file)
    assert file.sha256 == sha256(content).hexdigest()


def test_a_line_that_is_too_long_is_one_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is skipped to its end without being held in memory; the lines after it are read."""
    monkeypatch.setattr(corpus, "MAX_LINE_BYTES", 100)
    path = tmp_path / "c.jsonl"
    content = b"x" * 350 + b"\n" + json.dumps(LEAST).encode() + b"\n" + b"y" * 101
    path.write_bytes(content)
    file = CorpusFile(path)
    problem = ("line: longer than 100 bytes",)
    assert [(line.number, line.problems) for line in file] == [(1, problem), (2, ()), (3, problem)]
    assert file.sha256 == sha256(content).hexdigest()


def test_a_line_of_the_largest_length_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound itself is within."""
    raw = json.dumps(LEAST).encode() + b"\n"
    monkeypatch.setattr(corpus, "MAX_LINE_BYTES", len(raw))
    (tmp_path / "c.jsonl").write_bytes(raw)
    assert [line.problems for line in CorpusFile(tmp_path / "c.jsonl")] == [()]


def test_a_file_that_is_missing_is_a_storage_error(tmp_path: Path) -> None:
    """With its path and what the system says."""
    with pytest.raises(StorageError, match=f"^{tmp_path / 'c.jsonl'}: No such file or directory$"):
        list(CorpusFile(tmp_path / "c.jsonl"))


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        (b'{"id": "a", "query": "q", "answer": "x", "answer": "y"}', ["answer"]),
        (b'{"id": "a", "query": "q", "answer": {"b": {"n": 1, "m": 2, "n": 1}}}', ["n"]),
        (b'{"id": "a", "id": "a", "query": "q", "query": "r", "answer": "x"}', ["id", "query"]),
        (b'{"id": "a", "query": "q", "answer": "x", "ans\\u0077er": "y"}', ["answer"]),
    ],
)
def test_a_key_that_stands_twice_is_a_problem(line: bytes, keys: list[str]) -> None:
    """In the line or in an answer: the last one would win in silence."""
    problems = tuple(f"line: found the key {key!r} twice, allowed once" for key in keys)
    assert parse_line(line, 7) == Line(7, None, problems)


def test_a_key_may_stand_in_two_objects() -> None:
    """They are two keys."""
    line = parse_line(b'{"id": "a", "query": "q", "answer": [{"n": 1}, {"n": {"n": 2}}]}', 1)
    assert line.problems == ()
