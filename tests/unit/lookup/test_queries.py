from __future__ import annotations

from pathlib import Path

import pytest

from semcache.errors import StorageError
from semcache.lookup.queries import MAX_LINE_BYTES, QueryFile, read_queries
from semcache.types import NO_SLICE, LabelledQuery


def read(tmp_path: Path, *lines: str | bytes) -> QueryFile:
    """Write lines as a file and read it."""
    raw = [line if isinstance(line, bytes) else line.encode() for line in lines]
    (tmp_path / "q.jsonl").write_bytes(b"".join(line + b"\n" for line in raw))
    return read_queries([tmp_path / "q.jsonl"])


def test_a_line_is_a_query_with_its_place(tmp_path: Path) -> None:
    """All fields are taken; blank lines count and are skipped."""
    line = '{"text": "add login", "entry_id": "a", "kind": "typo", "namespace": "web", "x_note": 1}'
    found = read(tmp_path, line, "", '{"text": "sign in", "group": "login"}')
    path = tmp_path / "q.jsonl"
    assert found.problems == ()
    assert found.queries == (
        LabelledQuery(f"{path}:1", "add login", "a", None, "typo", "web"),
        LabelledQuery(f"{path}:3", "sign in", None, "login", NO_SLICE, None),
    )


@pytest.mark.parametrize("label", ["entry_id", "group"])
def test_null_is_out_of_scope(tmp_path: Path, label: str) -> None:
    """Said on purpose: a label that is left out is a mistake."""
    (query,) = read(tmp_path, f'{{"text": "the weather", "{label}": null}}').queries
    assert query.is_out_of_scope


def test_a_mark_at_the_beginning_is_no_text(tmp_path: Path) -> None:
    """Files of some editors begin with a byte order mark."""
    assert read(tmp_path, b'\xef\xbb\xbf{"text": "a", "entry_id": "b"}').n_problems == 0


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line: not JSON: "),
        (b"\xff", "line: not UTF-8 at byte 0 of the line"),
        ("[]", "line: allowed a JSON object"),
        ("[" * 2000, "line: not JSON: "),
        ('{"entry_id": "a"}', "text: found 'nothing', allowed text with a word in it"),
        ('{"text": " ?", "entry_id": "a"}', "text: found ' ?', allowed text with a word in it"),
        ('{"text": 7, "entry_id": "a"}', "text: found '7', allowed text with a word in it"),
        ('{"text": "a"}', "entry_id, group: found 0 of them, allowed one (null where no stored answer is right)"),
        ('{"text": "a", "entry_id": "a", "group": "b"}', "entry_id, group: found 2 of them, allowed one"),
        ('{"text": "a", "entry_id": 5}', "entry_id: found '5', allowed text or null"),
        ('{"text": "a", "group": ""}', "group: found '', allowed text or null"),
        ('{"text": "a", "entry_id": "a", "kind": ["x"]}', "kind: found \"['x']\", allowed text or null"),
        ('{"text": "a", "entry_id": "a", "entry_id": "b"}', "line: found the key 'entry_id' twice, allowed once"),
        ('{"text": "a", "entry_id": "a", "x_y": ' + "[" * 1020 + "]" * 1020 + "}", "line: nested too deep"),
        ('{"text": "a", "entry_id": "a", "lang": "en"}', "lang: unknown field, allowed text, entry_id, group, kind"),
    ],
)
def test_a_bad_line_is_named_with_its_place(tmp_path: Path, line: str | bytes, problem: str) -> None:
    """And the lines around it are read."""
    good = '{"text": "a", "entry_id": "a"}'
    found = read(tmp_path, good, line, good)
    assert len(found.queries) == 2
    assert found.n_problems == 1
    assert found.problems[0].startswith(f"{tmp_path / 'q.jsonl'}:2: {problem}")


def test_a_line_without_end_is_one_problem(tmp_path: Path) -> None:
    """The next line is read as usual."""
    found = read(tmp_path, b"x" * (2 * MAX_LINE_BYTES + 5), '{"text": "a", "entry_id": "a"}')
    assert found.problems == (f"{tmp_path / 'q.jsonl'}:1: line: longer than {MAX_LINE_BYTES} bytes",)
    assert [query.place for query in found.queries] == [f"{tmp_path / 'q.jsonl'}:2"]


def test_a_thousand_problems_are_listed_and_all_are_counted(tmp_path: Path) -> None:
    """A file of something else does not fill the memory."""
    found = read(tmp_path, *["no"] * 1500)
    assert (len(found.problems), found.n_problems) == (1000, 1500)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(StorageError, match=r"none\.jsonl"):
        read_queries([tmp_path / "none.jsonl"])
