from __future__ import annotations

import pytest

from semcache.core.stem import stem


@pytest.mark.parametrize(
    "forms",
    [
        "create creates created creating creation",
        "migrate migrates migrated migrating migration migrations",
        "install installs installed installing installation",
        "copy copies copied copying",
        "stop stops stopped stopping",
        "match matches matched matching",
        "class classes",
        "query queries",
        "permanent permanently",
        "automatic automatically",
        "deploy deployment deployments",
        "connect connection connecting",
        "notify notification notifies",
        "send sent sending",
        "index indices indexes",
        "configure configuration configured",
    ],
)
def test_forms_of_a_word_have_one_stem(forms: str) -> None:
    """Plural, tense, and the nouns and adverbs that are made of a verb or an adjective."""
    assert len({stem(form) for form in forms.split()}) == 1


@pytest.mark.parametrize(
    "words",
    ["import export", "valid validate", "state station", "string sting", "class clash", "new news"],
)
def test_different_words_keep_different_stems(words: str) -> None:
    """Words that mean something else are not thrown together."""
    assert len({stem(word) for word in words.split()}) == 2


@pytest.mark.parametrize(
    "word", ["", "a", "css", "redis", "aws", "\u00fcber", "3.12", "x" * 50, "kubernetes", "string"]
)
def test_short_foreign_and_known_words_stand_for_themselves(word: str) -> None:
    """No ending is cut from them."""
    assert stem(word) == word


def test_stems_are_stable() -> None:
    """They reach fitted weights and stored tables: these hold for ever."""
    assert [stem(word) for word in ("deleting", "databases", "caching", "logs", "temporarily", "settings")] == [
        "delet",
        "databas",
        "cach",
        "log",
        "temporary",
        "set",
    ]
