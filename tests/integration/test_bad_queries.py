"""No query, however strange, is an exception: it is a Hit, or a Miss that says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from semcache import Cache, Hit, Miss, Reason
from semcache.errors import ConfigError

MEGABYTE = 1_000_000
STRANGE = {
    "nothing": ("", Reason.EMPTY),
    "spaces": (" \t\r\n\u00a0\u3000 ", Reason.EMPTY),
    "closing punctuation": ("?!...\u3002\uff1f", Reason.EMPTY),
    "separators of ASCII": ("\x1c\x1d\x1e\x1f", Reason.EMPTY),
    "a megabyte of spaces": (" " * MEGABYTE, Reason.EMPTY),
    "a megabyte of question marks": ("?" * MEGABYTE, Reason.EMPTY),
    "other punctuation": ("--- *** ///", Reason.BELOW_THRESHOLD),
    "brackets": ("()", Reason.BELOW_THRESHOLD),
    "a megabyte of one word": ("a" * MEGABYTE, Reason.TOO_LONG),
    "a megabyte of words": ("add login page " * (MEGABYTE // 15), Reason.TOO_LONG),
    "a megabyte of NUL bytes": ("\0" * MEGABYTE, Reason.TOO_LONG),
    "a megabyte of emoji": ("\U0001f600" * MEGABYTE, Reason.TOO_LONG),
    "control characters": ("\x07\x08", Reason.BELOW_THRESHOLD),
    "a terminal's escape": ("\x1b[2J\x1b[31m", Reason.BELOW_THRESHOLD),
    "marks of right-to-left text": ("\u200f\u200e", Reason.BELOW_THRESHOLD),
    "emoji": ("\U0001f600", Reason.BELOW_THRESHOLD),
    "a high surrogate": ("\ud800 hello", Reason.INVALID_TEXT),
    "a low surrogate": ("add login page\udfff", Reason.INVALID_TEXT),
    "surrogates in the wrong order": ("\udc00\ud800", Reason.INVALID_TEXT),
    "a byte that was not decoded": (b"caf\xe9".decode("utf-8", "surrogateescape"), Reason.INVALID_TEXT),
    "a megabyte and one surrogate": ("a" * MEGABYTE + "\ud800", Reason.INVALID_TEXT),
    "a quoted known text": ('"Add login page"', None),
    "a known text in wide letters": ("\uff41\uff44\uff44 login page", None),
    "a known text in odd spaces": ("\u2003add\u00a0login\n\npage\t", None),
    "the last characters of Unicode": ("\U0010ffff\ufffe\uffff", Reason.BELOW_THRESHOLD),
    "stacked accents": ("e" + "\u0301" * 5000, Reason.BELOW_THRESHOLD),
}


@pytest.fixture
def cache(bundle_dir: Path) -> Iterator[Cache]:
    """Give an open cache of the small corpus."""
    with Cache.open(bundle_dir) as opened:
        yield opened


@pytest.mark.parametrize(("text", "reason"), STRANGE.values(), ids=STRANGE)
def test_a_strange_text_has_the_right_result(cache: Cache, text: str, reason: Reason | None) -> None:
    """Each strange text misses for the reason that is true of it, or hits where only its form is strange."""
    result = cache.lookup(text)
    assert (result.reason if isinstance(result, Miss) else None) == reason


def test_strange_texts_hit_the_entry_they_spell(cache: Cache) -> None:
    """Quotes, wide letters and odd spaces around a known text lead to its answer."""
    texts = ['"Add login page"', "\uff41\uff44\uff44 login page", "\u2003add\u00a0login\n\npage\t"]
    found = cache.lookup_many(texts)
    assert [result.entry_id for result in found if isinstance(result, Hit)] == ["login/add"] * 3


def test_strange_texts_together_are_what_they_are_alone(cache: Cache) -> None:
    """One strange text in a batch does not change another's result."""
    texts = [text for text, _ in STRANGE.values()]
    assert cache.lookup_many(texts) == [cache.lookup(text) for text in texts]


def test_a_miss_of_a_strange_text_says_why_in_a_sentence(cache: Cache) -> None:
    """The detail of each miss is a short sentence that can be printed."""
    misses = [cache.lookup(text) for text, reason in STRANGE.values() if reason]
    details = [miss.detail for miss in misses if isinstance(miss, Miss)]
    assert len(details) == len(misses)
    assert all(0 < len(detail) < 200 and detail.isprintable() for detail in details)


@pytest.mark.parametrize("text", [text for text, _ in STRANGE.values()], ids=STRANGE)
def test_a_strange_text_can_be_explained(cache: Cache, text: str) -> None:
    """Explain gives the result of lookup for any text."""
    assert cache.explain(text).result == cache.lookup(text)


@pytest.mark.parametrize("text", ["\ud800", "add login page\udfff"])
def test_search_refuses_a_surrogate(cache: Cache, text: str) -> None:
    """What is no Unicode cannot be embedded, and search has no miss to say so with."""
    with pytest.raises(ConfigError, match="unpaired surrogate"):
        cache.search(text)


def test_embed_refuses_a_surrogate_and_says_where(cache: Cache) -> None:
    """The error names the character."""
    with pytest.raises(ConfigError, match="unpaired surrogate at character 4"):
        cache.embed(["fine", "not \ud800"])


def test_search_refuses_a_text_that_is_too_long(cache: Cache) -> None:
    """A text that is never embedded has no neighbours."""
    with pytest.raises(ConfigError, match="longer than the encoder's 256 tokens"):
        cache.search("word " * 300)


def test_embed_gives_a_zero_row_for_a_text_that_is_too_long(cache: Cache) -> None:
    """A text that does not fit is not cut: its row is zero, its neighbours in the batch are not."""
    vectors = cache.embed(["short", "word " * 300, "short"])
    assert [bool(vector.any()) for vector in vectors] == [True, False, True]


def test_a_guard_that_is_nearest_is_the_reason_however_far(cache: Cache) -> None:
    """Where a guard is nearest, no confidence in another answer can make a hit: the guard is named."""
    result = cache.lookup("what is the weather in paris")
    assert isinstance(result, Miss)
    assert result.nearest is not None
    assert (result.nearest.kind, result.reason) == ("guard", Reason.GUARD)


@pytest.mark.parametrize("max_error", [0, -1, 1.5, float("nan"), float("inf")])
def test_an_error_that_nobody_can_accept_is_refused(cache: Cache, max_error: float) -> None:
    """max_error outside its range is the caller's mistake, for exact texts too."""
    with pytest.raises(ConfigError, match="allowed over 0 and up to 1"):
        cache.lookup("add login page", max_error=max_error)


def test_no_texts_are_no_results(cache: Cache) -> None:
    """An empty batch is an empty list."""
    assert cache.lookup_many([]) == []


@pytest.mark.model
@pytest.mark.parametrize(
    "text",
    [text for text, reason in STRANGE.values() if reason],
    ids=[name for name, (_, reason) in STRANGE.items() if reason],
)
def test_no_strange_text_hits_with_the_real_encoder(model_root: Path, text: str) -> None:
    """Whatever a real tokenizer makes of it, a text without meaning gets nobody's answer."""
    with Cache.open("speckit", root=model_root) as cache:
        assert not cache.lookup(text).hit
