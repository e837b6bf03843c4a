from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.core.text import exact_key, normalise

BOUNDED = settings(max_examples=150, deadline=None, derandomize=True, database=None)
ANY_TEXT = st.text(st.characters(exclude_categories=()))
"""Every code point, unpaired surrogates too."""
PUNCTUATED = st.text(
    "ab \t\u00a0\u0301?!.,;:\u2026\u3002\uff1f\u00bf\u00a1)]}\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb%"
)
"""What the rules are about, close together."""


@BOUNDED
@given(ANY_TEXT | PUNCTUATED)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    """A text found in a bundle has the key it was stored under; and no text at all raises."""
    once = normalise(text)
    assert normalise(once) == once


@BOUNDED
@given(ANY_TEXT | PUNCTUATED)
def test_a_normalised_text_has_single_spaces_inside_only(text: str) -> None:
    """White space of any kind and number is one space, and none at the ends."""
    normalised = normalise(text)
    assert normalised == " ".join(normalised.split())


@BOUNDED
@given(
    st.text(max_size=20),
    st.sampled_from(["?", "!", "??", " ?", ".", "...", "\uff1f"]),
    st.sampled_from(["", " ", "\n\t"]),
)
def test_a_closing_mark_after_a_word_never_changes_the_text(text: str, mark: str, space: str) -> None:
    """Whatever stands before the word, and white space around the whole."""
    assert normalise(f"{space}{text}word{mark}{space}") == normalise(f"{text}word")


@BOUNDED
@given(st.text(st.characters(max_codepoint=127)))
def test_case_never_changes_an_ascii_text(text: str) -> None:
    """Upper, lower and mixed are one text."""
    assert normalise(text.upper()) == normalise(text.lower()) == normalise(text)


@BOUNDED
@given(ANY_TEXT)
def test_a_key_is_sixteen_bytes_or_the_text_is_not_unicode(text: str) -> None:
    """There is a key exactly where there are UTF-8 bytes."""
    is_unicode = not any("\ud800" <= c <= "\udfff" for c in normalise(text))
    try:
        key = exact_key(normalise(text))
    except UnicodeEncodeError:
        assert not is_unicode
    else:
        assert is_unicode
        assert len(key) == 16
