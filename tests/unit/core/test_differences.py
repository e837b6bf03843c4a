from __future__ import annotations

import pytest

from semcache.core.differences import differences
from semcache.core.lexical import analyse


def told(one: str, other: str) -> tuple[str, ...]:
    """Give what tells two texts apart."""
    return differences(analyse(one), analyse(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("list files", "list the files"),
        ("How do I delete a table?", "delete a table"),
        ("remove the folder", "delete the folder"),
        ("sort a dictoinary", "sort a dictionary"),
    ],
)
def test_the_same_words_tell_no_difference(one: str, other: str) -> None:
    """Function words, synonyms and typing errors aside."""
    assert told(one, other) == ()


@pytest.mark.parametrize(
    ("one", "other", "names"),
    [
        ("list files", "list users", ("word",)),
        ("wait 5 minutes", "wait 6 minutes", ("word", "number")),
        ("convert js to ts", "convert ts to js", ("direction", "disorder")),
        ("enable two-factor", "disable two-factor", ("word", "verb", "antonym", "undoing")),
        ("files that exist", "files that do not exist", ("negation",)),
    ],
)
def test_what_differs_is_named_once(one: str, other: str, names: tuple[str, ...]) -> None:
    """Without the side it is on."""
    assert told(one, other) == names


@pytest.mark.parametrize(("one", "other"), [("delete it", "delete"), ("list files", "list all users now")])
def test_a_difference_is_seen_from_either_side(one: str, other: str) -> None:
    """It does not matter which of the two is asked."""
    assert told(one, other) == told(other, one) != ()
