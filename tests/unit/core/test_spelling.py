from __future__ import annotations

import pytest

from semcache.core.spelling import misspelt


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("branch", "brnach"),
        ("install", "instal"),
        ("databas", "databs"),
        ("postgr", "postgrs"),
        ("test", "tset"),
        ("test", "tesst"),
        ("kubernetes", "kuberntes"),
        ("authentic", "autentik"),
        ("etst", "test"),
    ],
)
def test_a_typing_error_is_seen(left: str, right: str) -> None:
    """One edit or swap, two in a long word; whichever is the wrong one."""
    assert misspelt(left, right)
    assert misspelt(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("test", "text"),
        ("light", "right"),
        ("ram", "rom"),
        ("add", "and"),
        ("merge", "marges"),
        ("12345678", "12345679"),
        ("foo_bar", "foo_baz"),
        ("install", "uninstall"),
        ("a" * 50, "a" * 51),
        ("", ""),
        ("", "a"),
    ],
)
def test_another_word_is_none(left: str, right: str) -> None:
    """Short words, another first letter, more than two edits, and whatever is no word."""
    assert not misspelt(left, right)
    assert not misspelt(right, left)
