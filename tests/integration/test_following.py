"""A version that follows another one: what stays keeps its numbers, and answers are those of a build from scratch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from looking import answers, live_rows

from semcache import BuildConfig, Cache, build_bundle
from semcache.bundle.check import check_bundle
from semcache.bundle.layout import DEAD_ROW, ROWS_FILE
from semcache.lookup.candidates import entries_of
from semcache.lookup.evaluate import evaluate
from semcache.types import LabelledQuery

CONFIG = BuildConfig(model="hashing")
Document = dict[str, Any]


def entry(number: int, *, n_texts: int = 4, answer: str | None = None) -> Document:
    """Give an entry of a corpus."""
    texts = [f"question {number} about topic {number * 7919 % 1009} in form {form}" for form in range(n_texts)]
    return {
        "id": f"e{number}",
        "query": texts[0],
        "paraphrases": texts[1:],
        "rejects": [f"not question {number} at all"] if number % 3 == 0 else [],
        "answer": answer or f"answer {number // 2}",
        "namespace": f"n{number % 2}",
    }


def build(root: Path, documents: list[Document], *, name: str = "b", config: BuildConfig = CONFIG) -> Any:
    """Build a bundle of these entries."""
    path = root / "corpus.jsonl"
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return build_bundle([path], name=name, root=root, config=config)


def texts_by_row(cache: Cache) -> dict[int, tuple[str, str]]:
    """Give entry and text of each live row."""
    return {row: (near.entry_id, near.variant) for row, near in live_rows(cache)}


def test_what_is_in_both_versions_keeps_its_row(tmp_path: Path) -> None:
    """Whatever was added before it, removed or changed."""
    first = [entry(number) for number in range(40)]
    build(tmp_path, first)
    with Cache.open("b", root=tmp_path) as cache:
        before = texts_by_row(cache)
    changed = [entry(100), *first[:7], *first[8:20], {**first[20], "answer": "other"}, *first[21:]]
    counts = build(tmp_path, changed).manifest.counts
    with Cache.open("b", root=tmp_path) as cache:
        after = texts_by_row(cache)
    gone = {row for row, (entry_id, _) in before.items() if entry_id == "e7"}
    assert {row: pair for row, pair in before.items() if row not in gone} == {
        row: pair for row, pair in after.items() if row < len(before)
    }
    assert {pair[0] for row, pair in after.items() if row >= len(before)} == {"e100"}
    assert (counts.dead_rows, counts.dead_entries, counts.dead_answers) == (4, 1, 0)
    assert check_bundle("b", root=tmp_path) == []


def test_an_unchanged_corpus_gives_the_same_version(tmp_path: Path) -> None:
    """Following oneself changes nothing."""
    documents = [entry(number) for number in range(12)]
    assert build(tmp_path, documents).id == build(tmp_path, documents).id


def test_a_version_that_follows_answers_like_one_from_scratch(tmp_path: Path) -> None:
    """Every text of either corpus, and others, gets the same answer, score and confidence."""
    first = [entry(number) for number in range(30)]
    build(tmp_path, first)
    second = [*first[2:9], entry(50), entry(51, n_texts=6), *first[10:], entry(9, answer="answer of another kind")]
    build(tmp_path, second)
    build(tmp_path, second, name="scratch")
    asked = [text for one in (*first, *second) for text in (one["query"], *one["paraphrases"], *one["rejects"])]
    asked += [f"{text} please" for text in asked[::5]] + ["nothing like any of them"]
    with Cache.open("b", root=tmp_path) as following, Cache.open("scratch", root=tmp_path) as scratch:
        assert following.info.manifest.counts.dead_rows > 0
        assert answers(following, asked) == answers(scratch, asked)


def test_fresh_numbers_everything_anew(tmp_path: Path) -> None:
    """As if there had been no version before."""
    first = [entry(number) for number in range(20)]
    scratch = build(tmp_path, first[3:], name="scratch").manifest
    build(tmp_path, first)
    followed = build(tmp_path, first[3:]).manifest
    fresh = build(tmp_path, first[3:], config=BuildConfig(model="hashing", fresh=True)).manifest
    assert (followed.counts.dead_rows, fresh.counts.dead_rows) == (13, 0)
    assert fresh.files == scratch.files


def test_a_damaged_version_is_not_followed(tmp_path: Path) -> None:
    """A build must be able to replace it."""
    documents = [entry(number) for number in range(10)]
    report = build(tmp_path, documents)
    (report.path / ROWS_FILE).write_bytes(b"nothing")
    again = build(tmp_path, documents[1:])
    assert again.manifest.counts.dead_rows == 0
    assert check_bundle("b", root=tmp_path) == []


def test_no_namespace_finds_a_dead_row(tmp_path: Path) -> None:
    """Filters leave dead rows out."""
    documents = [entry(number) for number in range(20)]
    build(tmp_path, documents)
    build(tmp_path, documents[2:])
    with Cache.open("b", root=tmp_path) as cache:
        reader = cache._version.reader  # type: ignore[union-attr]
        dead = set(np.flatnonzero(reader.rows == DEAD_ROW).tolist())
        found = {near.row for name in ("n0", "n1") for near in cache.search(entry(0)["query"], 64, namespace=name)}
    assert len(dead) == 9
    assert found
    assert not dead & found


def test_every_entry_of_a_version_that_follows_can_be_evaluated(tmp_path: Path) -> None:
    """Dead rows and dead entries among them belong to no entry: `eval` and `calibrate` read them all."""
    documents = [entry(number) for number in range(20)]
    build(tmp_path, documents)
    build(tmp_path, documents[2:])
    with Cache.open("b", root=tmp_path) as cache:
        found = evaluate(cache, [LabelledQuery("q:1", one["query"], one["id"]) for one in documents[2:]])
        assert sorted(entries_of(cache)) == sorted(one["id"] for one in documents[2:])
    assert found.n_queries == 18


@pytest.mark.parametrize("compress", [False, True])
def test_answers_stay_readable_and_in_place(tmp_path: Path, *, compress: bool) -> None:
    """Compressed or not, with dead answers among them."""
    config = BuildConfig(model="hashing", compress=compress)
    documents = [entry(number, answer=f"a long answer, number {number} " * 40) for number in range(12)]
    build(tmp_path, documents, config=config)
    del documents[1]
    counts = build(tmp_path, documents, config=config).manifest.counts
    with Cache.open("b", root=tmp_path) as cache:
        found = {one["id"]: cache.lookup(one["query"]).text for one in documents}  # type: ignore[union-attr]
    assert counts.dead_answers == 1
    assert found == {one["id"]: one["answer"] for one in documents}
