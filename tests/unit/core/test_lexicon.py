from __future__ import annotations

from collections import Counter

from semcache.core import lexicon
from semcache.core.words import SET_OF, term_of


def test_a_word_is_in_one_synonym_set_only() -> None:
    """Otherwise what it stands for would hang on the order of the table."""
    counts = Counter(word for words in lexicon.SYNONYMS for word in words)
    assert [word for word, n in counts.items() if n > 1] == []


def test_a_word_is_in_one_exclusive_set_only() -> None:
    """Otherwise what it excludes would hang on the order of the table."""
    counts = Counter(word for words in lexicon.EXCLUSIVE.values() for word in words)
    assert [word for word, n in counts.items() if n > 1] == []


def test_members_of_an_exclusive_set_are_no_synonyms() -> None:
    """Two names that a synonym set throws together could never be told apart."""
    for members in lexicon.EXCLUSIVE.values():
        terms = Counter(map(term_of, members))
        assert [term for term, n in terms.items() if n > 1] == []


def test_opposites_are_no_synonyms() -> None:
    """No word is the opposite of what it stands for."""
    assert [pair for pair in lexicon.OPPOSITES if term_of(pair[0]) == term_of(pair[1])] == []


def test_the_tables_are_large_enough_to_matter() -> None:
    """Synonyms, opposites and exclusive sets of software and of everyday questions."""
    assert len(lexicon.SYNONYMS) >= 120
    assert len(set(lexicon.OPPOSITES)) >= 250
    assert len(lexicon.EXCLUSIVE) >= 30
    assert len(SET_OF) >= 250


def test_no_function_word_undoes_or_is_a_verb() -> None:
    """A word without weight cannot be an unmatched verb."""
    assert not lexicon.UNDOING & lexicon.FUNCTION_WORDS
