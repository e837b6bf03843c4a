from __future__ import annotations

import numpy as np
import pytest

from semcache.embed.hashing import HASHING_SPEC, HashingEmbedder


@pytest.fixture
def embedder() -> HashingEmbedder:
    """Give the embedder of the tests and the golden bundle."""
    return HashingEmbedder()


def test_the_fingerprint_is_stable(embedder: HashingEmbedder) -> None:
    """The golden bundle names its encoder by it."""
    assert embedder.fingerprint == HASHING_SPEC.fingerprint == "7fbf617d842cae750b0a0b9343af8030"


def test_the_sizes_are_those_of_the_spec(embedder: HashingEmbedder) -> None:
    """64 numbers a vector, 256 words a text."""
    assert (embedder.dim, embedder.max_tokens) == (64, 256)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a", {8: -1, 32: -1}),
        ("list files", {2: 1, 10: 1, 16: -1, 20: 1, 30: -1, 46: 1, 52: -1, 54: -1, 59: 1}),
    ],
)
def test_vectors_are_stable(embedder: HashingEmbedder, text: str, places: dict[int, int]) -> None:
    """Words and trigrams go to places by their BLAKE2b digest; the golden bundle depends on it."""
    vector = embedder.embed([text])[0]
    assert {int(i): int(np.sign(vector[i])) for i in np.nonzero(vector)[0]} == places


def test_vectors_are_unit_rows_of_float32(embedder: HashingEmbedder) -> None:
    """An inner product of two is their cosine."""
    vectors = embedder.embed(["list files", "a", "How do I add a login page?"])
    assert vectors.dtype == np.float32
    assert np.abs((vectors**2).sum(axis=1) - 1).max() < 1e-6


def test_a_text_has_one_vector_whatever_stands_beside_it(embedder: HashingEmbedder) -> None:
    """To the bit: alone, first, last."""
    alone = embedder.embed(["list files"])[0]
    assert embedder.embed(["list files", "x"])[0].tolist() == alone.tolist()
    assert embedder.embed(["some longer text", "list files"])[1].tolist() == alone.tolist()


def test_texts_that_are_normalised_alike_have_one_vector(embedder: HashingEmbedder) -> None:
    """Case and closing punctuation carry nothing."""
    one, other = embedder.embed(["List  files?", "list files"])
    assert one.tolist() == other.tolist()


def test_shared_letters_make_texts_near(embedder: HashingEmbedder) -> None:
    """That is all the meaning it knows."""
    query, near, far = embedder.embed(["list all files", "listing all the files", "postgres database"])
    assert query @ near > 0.5 > abs(query @ far)


def test_a_text_of_the_largest_length_is_embedded(embedder: HashingEmbedder) -> None:
    """256 words fit."""
    assert embedder.embed(["word " * 256]).any()


def test_a_longer_text_is_never_cut(embedder: HashingEmbedder) -> None:
    """Its row is zero: two long texts with one head must not get one vector."""
    assert not embedder.embed(["word " * 257]).any()


def test_tokens_are_words(embedder: HashingEmbedder) -> None:
    """White space of any kind parts them."""
    assert embedder.count_tokens("one two\tthree\n") == 3


def test_an_endless_text_is_too_long_without_being_counted(embedder: HashingEmbedder) -> None:
    """One word of too many characters counts as more than fit."""
    assert [embedder.count_tokens("x" * n) for n in (256 * 64, 256 * 64 + 1)] == [1, 257]


def test_no_text_gives_no_vector(embedder: HashingEmbedder) -> None:
    """An empty batch is a batch."""
    assert embedder.embed([]).shape == (0, 64)


def test_an_empty_text_has_the_zero_vector(embedder: HashingEmbedder) -> None:
    """Nothing is near to it."""
    assert not embedder.embed([""]).any()


def test_an_unpaired_surrogate_is_embedded_like_any_letter(embedder: HashingEmbedder) -> None:
    """Bad input raises nothing here."""
    assert embedder.embed(["a \ud800"]).any()
