from __future__ import annotations

from pathlib import Path

import pytest
from shared import ENTRIES, write_corpus

from semcache.build.scan import scan_corpora
from semcache.build.written import WrittenRows, read_written
from semcache.embed.hashing import HashingEmbedder

EMBEDDER = HashingEmbedder()


@pytest.fixture
def rows(tmp_path: Path) -> WrittenRows:
    """Give the rows of the small corpus."""
    paths = [write_corpus(tmp_path / "small.jsonl", ENTRIES)]
    return read_written(paths, scan_corpora(paths), EMBEDDER)


def test_every_text_that_a_build_indexes_is_a_row_with_its_place(rows: WrittenRows, tmp_path: Path) -> None:
    """File, line and field; a guard has the complement of its entry for entry and answer."""
    found = [(text.place.removeprefix(f"{tmp_path}/"), text.field, text.text) for text in rows.texts[:7]]
    assert found == [
        ("small.jsonl:1", "query", "How do I add a login page?"),
        ("small.jsonl:1", "paraphrases[0]", "add login page"),
        ("small.jsonl:1", "paraphrases[1]", "put a sign-in page into my app"),
        ("small.jsonl:1", "rejects[0]", "remove the login page"),
        ("small.jsonl:2", "query", "Set up a PostgreSQL database"),
        ("small.jsonl:2", "paraphrases[0]", "postgres setup please"),
        ("small.jsonl:2", "rejects[0]", "set up a MySQL database"),
    ]
    assert rows.entries.tolist() == [0, 0, 0, -1, 1, 1, -2, 2, 3, 3, 4]
    assert rows.answers.tolist() == [0, 0, 0, -1, 1, 1, -2, 2, 3, 3, 4]


def test_the_vectors_are_those_of_the_texts(rows: WrittenRows) -> None:
    """Row by row."""
    assert (rows.vectors == EMBEDDER.embed([text.text for text in rows.texts])).all()


def test_rejects_can_be_left_out(tmp_path: Path) -> None:
    """They are not embedded either."""
    paths = [write_corpus(tmp_path / "small.jsonl", ENTRIES)]
    rows = read_written(paths, scan_corpora(paths), EMBEDDER, with_guards=False)
    assert rows.answers.tolist() == [0, 0, 0, 1, 1, 2, 3, 3, 4]


def test_a_namespace_has_its_own_rows(rows: WrittenRows) -> None:
    """In the order of their names."""
    assert [part.entries.tolist() for part in rows.namespaces()] == [[3, 3, 4], [0, 0, 0, -1, 1, 1, -2, 2]]


def test_only_what_has_an_answer_is_asked(rows: WrittenRows) -> None:
    """Guards are not."""
    assert rows.asked() == [0, 1, 2, 4, 5, 7, 8, 9, 10]


def test_the_nearest_of_some_rows_leaves_the_row_itself_out(rows: WrittenRows) -> None:
    """Best first, at most as many as asked for."""
    found, scores = rows.nearest(1, rows.entries * 0 + range(len(rows.texts)), n=2)
    cosines = (rows.vectors @ rows.vectors[1]).tolist()
    order = sorted((row for row in range(len(cosines)) if row != 1), key=lambda row: -cosines[row])
    assert found.tolist() == order[:2]
    assert scores.tolist() == pytest.approx([cosines[row] for row in order[:2]])


def test_rivals_are_near_texts_of_other_answers(rows: WrittenRows) -> None:
    """No guards, and nothing under the least score."""
    found = {(row, other) for _, row, other in rows.rivals(0.5)}
    assert (4, 10) in found
    assert all(rows.answers[row] != rows.answers[other] and rows.answers[other] >= 0 for row, other in found)
    assert all(float(rows.vectors[row] @ rows.vectors[other]) >= 0.499 for row, other in found)
