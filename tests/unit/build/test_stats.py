from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from semcache.build.stats import NearPair, corpus_stats
from semcache.embed.hashing import HashingEmbedder
from semcache.errors import CorpusError

EMBEDDER = HashingEmbedder()


def corpus(folder: Path, *entries: dict[str, Any]) -> list[Path]:
    """Write entries, each with an answer of its own where none is given."""
    lines = [json.dumps({"id": f"e{i}", "answer": f"answer {i}", **entry}) for i, entry in enumerate(entries)]
    (folder / "c.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return [folder / "c.jsonl"]


def pairs(paths: list[Path], *, min_score: float = 0.7) -> list[tuple[str, str]]:
    """Give the ids of near pairs, nearest first."""
    found = corpus_stats(paths, embedder=EMBEDDER, min_score=min_score).near_pairs
    return [(pair.entry_id, pair.other_entry_id) for pair in found]


def test_a_corpus_is_counted_without_a_model(tmp_path: Path) -> None:
    """Near questions are left out, the counts are not."""
    paths = corpus(tmp_path, {"query": "list files"}, {"query": "list file", "paraphrases": ["show files"]})
    stats = corpus_stats(paths, embedder=None, min_score=0.0)
    assert (stats.scan.n_entries, stats.scan.n_variants, stats.near_pairs) == (2, 3, ())


def test_near_questions_with_different_answers_are_found(tmp_path: Path) -> None:
    """With both texts, both entries and the score."""
    paths = corpus(tmp_path, {"query": "list all files"}, {"query": "list all file"}, {"query": "drop a table"})
    (pair,) = corpus_stats(paths, embedder=EMBEDDER, min_score=0.7).near_pairs
    assert pair == NearPair(pair.score, "list all files", "default:e0", "list all file", "default:e1")
    one, other = EMBEDDER.embed([pair.text, pair.other_text])
    assert pair.score == pytest.approx(float(one @ other), abs=1e-6)


def test_near_questions_with_one_answer_are_no_pair(tmp_path: Path) -> None:
    """They are paraphrases of each other."""
    answer = {"answer": "ls"}
    assert pairs(corpus(tmp_path, {"query": "list all files", **answer}, {"query": "list all file", **answer})) == []


def test_near_questions_of_two_namespaces_are_no_pair(tmp_path: Path) -> None:
    """They are never asked together."""
    paths = corpus(
        tmp_path, {"query": "list all files", "namespace": "n"}, {"query": "list all file", "namespace": "m"}
    )
    assert pairs(paths) == []


def test_only_pairs_from_the_least_score_on_are_near(tmp_path: Path) -> None:
    """Above their score, nothing is."""
    paths = corpus(tmp_path, {"query": "list all files"}, {"query": "list all file"})
    assert (pairs(paths, min_score=0.7), pairs(paths, min_score=0.999)) == ([("default:e0", "default:e1")], [])


def test_two_entries_are_one_pair_by_their_nearest_texts(tmp_path: Path) -> None:
    """Whichever of the two comes first."""
    paths = corpus(
        tmp_path,
        {"query": "how to list all files", "paraphrases": ["list all files"]},
        {"query": "list all file", "paraphrases": ["list all files now"]},
    )
    stats = corpus_stats(paths, embedder=EMBEDDER, min_score=0.1)
    (pair,) = stats.near_pairs
    texts = [["how to list all files", "list all files"], ["list all file", "list all files now"]]
    vectors = [EMBEDDER.embed(of_entry) for of_entry in texts]
    assert pair.score == pytest.approx(float((vectors[0] @ vectors[1].T).max()), abs=1e-6)


def test_the_nearest_pair_comes_first(tmp_path: Path) -> None:
    """The most dangerous one is at the top."""
    paths = corpus(
        tmp_path,
        {"query": "list all files of the user"},
        {"query": "list all files of a person"},
        {"query": "drop the table"},
        {"query": "drop the tables"},
    )
    assert pairs(paths, min_score=0.5) == [("default:e2", "default:e3"), ("default:e0", "default:e1")]


def test_a_corpus_with_problems_is_not_measured(tmp_path: Path) -> None:
    """It is told by its problems instead."""
    with pytest.raises(CorpusError):
        corpus_stats(corpus(tmp_path, {"query": "?"}), embedder=None, min_score=0.5)


def test_measuring_leaves_nothing_behind(tmp_path: Path) -> None:
    """Vectors go to a scratch file that is deleted."""
    paths = corpus(tmp_path, {"query": "list files"})
    corpus_stats(paths, embedder=EMBEDDER, min_score=0.5)
    assert [path.name for path in tmp_path.iterdir()] == ["c.jsonl"]
