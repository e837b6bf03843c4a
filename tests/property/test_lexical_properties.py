from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.core.lexical import FEATURES, MISMATCHES, TokenRarity, analyse, compare, mismatches, token_slot
from semcache.core.spelling import misspelt
from semcache.core.stem import stem
from semcache.core.twins import harmless, twins
from semcache.core.words import PIECES

BOUNDED = settings(max_examples=150, deadline=None, derandomize=True, database=None)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)
"""Every code point, unpaired surrogates too."""
TABLE = """
how do i the a to from with without into add remove delete enable disable log in out turn on off not never no 5 10k
minutes GB % $5 python 3.12 v2 MySQL 8 Postgres foo_bar fooBar --flag -R *.py /etc/x `code` 'x' "y" first last all only
at least most than more monday 2019 10:30 May today why what is it production staging if unless repo repository instead
of rather auto scaling autoscaling databse database , . ? ! -> () ... Falcon Anna non-empty don't users'
"""
WORDS = st.sampled_from(TABLE.split())
SENTENCES = st.lists(WORDS, max_size=12).map(" ".join)
TEXTS = ANY_TEXT | SENTENCES
RARITY = TokenRarity([0.5 + slot % 7 for slot in range(1024)]).__getitem__
SYMMETRIC = (
    *("unit", "quantifier", "time", "negation", "antonym", "undoing", "exclusive", "question", "direction"),
    *("relation", "disorder", "length_gap", "brevity", "verb_changed", "number_changed", "version_changed"),
    *("date_changed", "qualifier_changed", "name_changed", "identifier_changed"),
)


@BOUNDED
@given(TEXTS, TEXTS)
def test_features_are_finite_numbers_for_any_two_texts(query: str, variant: str) -> None:
    """Nothing raises; shares and flags lie between 0 and 1, rarities are not negative."""
    found = dict(zip(FEATURES, compare(analyse(query), analyse(variant), RARITY), strict=True))
    assert all(math.isfinite(value) and value >= 0.0 for value in found.values())
    assert all(value <= 1.0 for name, value in found.items() if not name.endswith("_rarest"))


@BOUNDED
@given(TEXTS)
def test_a_text_against_itself_is_all_clear(text: str) -> None:
    """Nothing is unmatched and no fact differs."""
    found = dict(zip(FEATURES, compare(analyse(text), analyse(text), RARITY), strict=True))
    assert {name for name, value in found.items() if value} <= {"brevity"}


@BOUNDED
@given(SENTENCES, SENTENCES)
def test_what_is_extra_on_one_side_is_missing_on_the_other(query: str, variant: str) -> None:
    """Two texts change places: flags of both sides stay, flags of one side change places."""
    ahead = dict(zip(FEATURES, compare(analyse(query), analyse(variant), RARITY), strict=True))
    back = dict(zip(FEATURES, compare(analyse(variant), analyse(query), RARITY), strict=True))
    assert {name: ahead[name] for name in SYMMETRIC} == {name: back[name] for name in SYMMETRIC}
    for name in FEATURES:
        if name.endswith("_extra"):
            assert ahead[name] == back[name.replace("_extra", "_missing")]


@BOUNDED
@given(TEXTS)
def test_reading_a_text_again_reads_the_same(text: str) -> None:
    """Also when what is known of its pieces was thrown away."""
    first = analyse(text)
    PIECES.clear()
    assert analyse(text) == first


@BOUNDED
@given(TEXTS, TEXTS)
def test_mismatches_are_the_flags_that_are_set(query: str, variant: str) -> None:
    """By name, none that is 0, and only those that tell of a fact."""
    features = compare(analyse(query), analyse(variant), RARITY)
    found = mismatches(features)
    assert found.keys() <= MISMATCHES
    assert all(
        found.get(name, 0.0) == value for name, value in zip(FEATURES, features, strict=True) if name in MISMATCHES
    )


@BOUNDED
@given(ANY_TEXT, st.integers(1, 100_000))
def test_a_slot_lies_in_its_table(token: str, n_slots: int) -> None:
    """For any token, unpaired surrogates too."""
    assert 0 <= token_slot(token, n_slots) < n_slots


@BOUNDED
@given(st.text("abcdeinst", max_size=12), st.text("abcdeinst", max_size=12))
def test_misspelling_is_symmetric(left: str, right: str) -> None:
    """Neither word is the right one."""
    assert misspelt(left, right) == misspelt(right, left)


@BOUNDED
@given(TEXTS)
def test_any_word_has_a_stem(word: str) -> None:
    """Never longer than the word by more than the letter that an ending hid."""
    assert len(stem(word)) <= len(word) + 1


@BOUNDED
@given(TEXTS, st.integers())
def test_twins_are_other_texts_and_the_same_each_time(text: str, seed: int) -> None:
    """Any text and any seed; at most one of a kind, none equal to the text."""
    for make in (twins, harmless):
        made = make(text, seed=seed)
        assert made == make(text, seed=seed)
        assert text not in {twin.text for twin in made}
        assert len({twin.kind for twin in made}) == len(made)
