from __future__ import annotations

import pytest

from semcache.core.text import KEY_BYTES, exact_key, normalise

NORMALISED = [
    # case and compatibility forms
    ("How do I list files", "how do i list files"),
    ("Stra\u00dfe", "strasse"),
    ("\u1e9e", "ss"),
    ("\u017ftop", "stop"),
    ("\u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3", "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3"),
    ("\u0130", "i\u0307"),
    ("\u212a", "k"),
    ("\ufb01le", "file"),
    ("x\u00b2", "x2"),
    ("\u2460", "1"),
    ("\uff21\u3000\uff22", "a b"),
    ("e\u0301", "\u00e9"),
    ("\u0345", "\u03b9"),
    # white space
    ("  a  ", "a"),
    ("\u3000a\u2028b\u00a0c\td\ne\x1cf\x85g\r\nh", "a b c d e f g h"),
    ("a\u200bb", "a\u200bb"),
    # closing punctuation that says nothing
    ("list files?", "list files"),
    ("list files.", "list files"),
    ("list files!!!", "list files"),
    ("list files...", "list files"),
    ("list files\u2026", "list files"),
    ("list files ?", "list files"),
    ("a;", "a"),
    ("a:", "a"),
    ("a,", "a"),
    ("\u597d\u3002", "\u597d"),
    ("\u597d\uff1f\uff01", "\u597d"),
    ("50%.", "50%"),
    ("f(x).", "f(x)"),
    ("a[0].", "a[0]"),
    ("{a}.", "{a}"),
    ("what's `ls`?", "what's `ls`"),
    ("C++?", "c++"),
    # closing punctuation that carries meaning
    ("cd ..", "cd .."),
    ("cd .", "cd ."),
    ("list files in .", "list files in ."),
    ("cd ../..?", "cd ../..?"),
    ("C++.", "c++."),
    # inner and leading punctuation stays
    ("node.js", "node.js"),
    (".NET", ".net"),
    ("!important", "!important"),
    ("don't", "don't"),
    # one pair of quotes around the whole
    ('"list files"', "list files"),
    ("'list files'", "list files"),
    ("`ls -la`", "ls -la"),
    ("\u201clist files\u201d", "list files"),
    ("\u2018list files\u2019", "list files"),
    ("\u00ablist files\u00bb", "list files"),
    ('"list files?"', "list files"),
    ('"list files"?', "list files"),
    ("\"say 'hi'\"", "say 'hi'"),
    ('"a" or "b"?', '"a" or "b"'),
    ('say "hi"', 'say "hi"'),
    ('\u201clist files"', '\u201clist files"'),
    ('"x"', "x"),
    ('""', '""'),
    ('""a"', '""a"'),
    ('"a""', '"a""'),
    ("'", "'"),
    # inverted marks
    ("\u00bfQu\u00e9 es?", "qu\u00e9 es"),
    ("\u00a1Hola!", "hola"),
    ("a\u00bfb", "a\u00bfb"),
    # nothing is left
    ("", ""),
    (" \t\n\u3000", ""),
    ("?!", ""),
    ("...", ""),
    ("\u00bf?", ""),
    ("\u3002", ""),
]


@pytest.mark.parametrize(("text", "expected"), NORMALISED)
def test_normalise_gives_the_documented_form(text: str, expected: str) -> None:
    """The rules reach the disk, so each of them keeps its result for ever."""
    assert normalise(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [("C#", "C"), ("C++", "C"), ("cd ..", "cd ."), (".NET", "net"), ("x > y", "x < y"), ("-v", "v"), ("a+b", "ab")],
)
def test_normalise_keeps_texts_apart_that_mean_different_things(one: str, other: str) -> None:
    """A sign that carries meaning is never dropped: a wrong answer is worse than a miss."""
    assert normalise(one) != normalise(other)


def test_normalise_takes_unpaired_surrogates() -> None:
    """Text that is not Unicode is normalised like any other; only its key cannot be made."""
    assert normalise("A \ud800 B?") == "a \ud800 b"


@pytest.mark.parametrize(
    ("normalised", "digest"),
    [
        ("", "cae66941d9efbd404e4d88758ea67670"),
        ("c", "caec17f4b8159d486ca352209a0fc2d5"),
        ("c#", "16605fe2c3ff91390d000758b2361310"),
        ("how do i list files", "cea2f4e7dec2139b7a93ded7cf301ac1"),
        ("qu\u00e9 es \u65e5\u672c\u8a9e", "1c8f037f13a50d8ef4f33f5effbaeac4"),
    ],
)
def test_exact_key_is_stable_for_ever(normalised: str, digest: str) -> None:
    """Keys are on disks: they are what `b2sum -l 128` prints for the UTF-8 bytes."""
    assert exact_key(normalised).hex() == digest


def test_exact_key_has_sixteen_bytes() -> None:
    """The length of a key is part of the format."""
    assert (KEY_BYTES, len(exact_key("a"))) == (16, 16)


def test_exact_key_refuses_an_unpaired_surrogate() -> None:
    """Text without UTF-8 bytes has no key, and says so instead of getting the key of another text."""
    with pytest.raises(UnicodeEncodeError):
        exact_key("a \ud800")
