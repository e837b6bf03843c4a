"""One text, one vector: whatever stands beside it, in whatever order, with however many threads."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from running import root_with_encoder
from shared import REPOSITORY, write_corpus

from semcache import Cache, Hit, Kind, Miss, Reason, build_bundle
from semcache.core.vectors import FloatRows
from semcache.embed.base import Embedder
from semcache.embed.registry import load_embedder

pytestmark = pytest.mark.model

HEAD = "Please read all of this before you answer, because every word of it matters to me. " * 25
LONG_TEXTS = (f"{HEAD} How do I add a login page?", f"{HEAD} How do I delete every table?")


def encoder_folder(model_root: Path) -> Path:
    """Give the one encoder of the root."""
    (path,) = (model_root / "encoders").glob("*/encoder.json")
    return path.parent


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Give 200 texts of the shipped corpus, short and long."""
    lines = (REPOSITORY / "corpus" / "speckit.jsonl").read_text("utf-8").splitlines()
    entries = [json.loads(line) for line in lines[:60]]
    found = [text for entry in entries for text in (entry["query"], *entry["paraphrases"])][:197]
    answers = [entry["answer"][:500] for entry in entries[:3]]
    return [*found, *answers]


@pytest.fixture(scope="module")
def embedder(model_root: Path) -> Embedder:
    """Give the encoder with one thread."""
    return load_embedder(encoder_folder(model_root), n_threads=1)


@pytest.fixture(scope="module")
def alone(embedder: Embedder, texts: list[str]) -> FloatRows:
    """Give the vector of each text, embedded by itself."""
    return np.concatenate([embedder.embed([text]) for text in texts])


def test_there_are_200_texts_with_a_vector_each(texts: list[str], alone: FloatRows) -> None:
    """The other tests of this file compare something."""
    norms = np.linalg.norm(alone, axis=1)
    assert (len(texts), alone.shape, bool(np.allclose(norms, 1, atol=1e-5))) == (200, (200, 384), True)


@pytest.mark.parametrize("n_texts", [2, 7, 64, 200])
def test_a_vector_is_the_same_in_any_batch(
    embedder: Embedder, texts: list[str], alone: FloatRows, n_texts: int
) -> None:
    """To the bit: alone, and in batches of 2, 7, 64 and all."""
    batches = [embedder.embed(texts[start : start + n_texts]) for start in range(0, 200, n_texts)]
    assert np.array_equal(np.concatenate(batches), alone)


def test_a_vector_is_the_same_in_another_order(embedder: Embedder, texts: list[str], alone: FloatRows) -> None:
    """To the bit: the place in a batch does not matter."""
    order = random.Random(3).sample(range(200), 200)
    assert np.array_equal(embedder.embed([texts[i] for i in order]), alone[order])


def test_a_vector_is_the_same_with_two_threads(model_root: Path, texts: list[str], alone: FloatRows) -> None:
    """To the bit: threads share the work, not the result."""
    two = load_embedder(encoder_folder(model_root), n_threads=2)
    one_by_one = np.concatenate([two.embed([text]) for text in texts[:40]])
    assert np.array_equal(two.embed(texts), alone)
    assert np.array_equal(one_by_one, alone[:40])


def test_a_vector_is_the_same_beside_a_text_that_is_too_long(
    embedder: Embedder, texts: list[str], alone: FloatRows
) -> None:
    """To the bit: a text that gets no vector leaves its neighbours alone."""
    mixed = embedder.embed([LONG_TEXTS[0], *texts[:10], LONG_TEXTS[1]])
    assert np.array_equal(mixed[1:11], alone[:10])


def test_a_text_that_is_too_long_has_a_zero_row(embedder: Embedder) -> None:
    """A text beyond the window is never cut and embedded."""
    assert not embedder.embed(LONG_TEXTS).any()


@pytest.fixture(scope="module")
def long_bundle(model_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    """Give a bundle with an entry that is too long for the encoder."""
    entries = [
        {"id": "long", "query": LONG_TEXTS[0], "answer": "the long answer"},
        {"id": "short", "query": "How do I add a login page?", "answer": "the short answer"},
    ]
    folder = tmp_path_factory.mktemp("long")
    root = root_with_encoder(model_root, folder)
    build_bundle([write_corpus(folder / "long.jsonl", entries)], name="long", root=root)
    with Cache.open("long", root=root) as opened:
        yield opened


def test_a_long_text_of_the_corpus_is_an_exact_hit(long_bundle: Cache) -> None:
    """What is too long for the encoder is not too long for the exact tier."""
    result = long_bundle.lookup(LONG_TEXTS[0].upper())
    assert isinstance(result, Hit)
    assert (result.entry_id, result.kind, result.text) == ("long", Kind.EXACT, "the long answer")


def test_two_long_texts_with_the_same_head_do_not_share_an_answer(long_bundle: Cache) -> None:
    """A long prompt that ends otherwise misses as too long; it is not taken for its head."""
    result = long_bundle.lookup(LONG_TEXTS[1])
    assert isinstance(result, Miss)
    assert (result.reason, result.score, result.nearest) == (Reason.TOO_LONG, None, None)


def test_long_texts_of_the_corpus_are_counted(long_bundle: Cache) -> None:
    """The manifest says how many texts only the exact tier knows."""
    counts = long_bundle.info.manifest.counts
    assert (counts.rows, counts.unindexed) == (2, 1)


def test_a_row_that_is_too_long_is_nobodys_neighbour_of_note(long_bundle: Cache) -> None:
    """The zero row of a long text scores 0 with everything."""
    scores = {row.entry_id: row.score for row in long_bundle.search("How do I add a login page?", 2)}
    assert scores["long"] == 0
    assert scores["short"] == pytest.approx(1, abs=1e-3)


def test_a_text_at_the_edge_of_the_window_is_embedded_whole(embedder: Embedder) -> None:
    """256 tokens fit, 257 do not; the last word of what fits still moves the vector."""
    fits, other, long = ("word " * 253 + last for last in ("cat", "dog", "cat dog"))
    assert [embedder.count_tokens(text) for text in (fits, other, long)] == [256, 256, 257]
    vectors = embedder.embed([fits, other, long])
    assert [bool(vector.any()) for vector in vectors] == [True, True, False]
    assert not np.array_equal(vectors[0], vectors[1])
