from __future__ import annotations

import pytest

from semcache.core.rewrite import FAMILIES, MAX_CHARS, Rewrite, rewrites, rewrites_of_entry
from semcache.core.text import normalise


def texts(text: str, *families: str, limit: int = 99) -> list[str]:
    """Give the paraphrases of some families."""
    return [rewrite.text for rewrite in rewrites(text, limit=limit, families=families)]


@pytest.mark.parametrize(
    "text",
    [
        "How do I add a login page?",
        "how can we add a login page",
        "How to add a login page",
        "What's the best way to add a login page?",
        "I'd like to add a login page",
        "Is there a way to add a login page?",
        "Could you please help me to add a login page?",
        "Add a login page",
    ],
)
def test_what_is_to_be_done_is_asked_for_in_every_form(text: str) -> None:
    """Question, how to, order, way: but not the form that the text has already."""
    forms = {"how do i add a login page", "how to add a login page", "add a login page", "i want to add a login page"}
    forms |= {"what is the way to add a login page", "is there a way to add a login page"}
    found = {normalise(form) for form in texts(text, "form")}
    assert found == forms - {normalise(text)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What is a spec?", ["explain a spec", "tell me about a spec", "a spec"]),
        ("where can I find my invoices", ["Where do I find my invoices?", "where to find my invoices"]),
        ("git merge vs rebase", ["What is the difference between git merge and rebase?"]),
        ("How is a list different from a tuple?", ["What is the difference between a list and a tuple?"]),
    ],
)
def test_other_questions_have_forms_of_their_own(text: str, found: list[str]) -> None:
    """Meaning, place and time, difference."""
    assert texts(text, "form")[: len(found)] == found


@pytest.mark.parametrize(
    "text",
    [
        "My PIN isn't working.",
        "I lost my card. How do I get a new one?",
        "strikethrough on github",
        "What is it for?",
        "",
    ],
)
def test_what_does_not_parse_has_no_other_form(text: str) -> None:
    """A statement, several sentences, a bare noun: nothing is guessed."""
    assert texts(text, "form") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("How do I add a login page?", ["add login page"]),
        ("How do I upgrade PostgreSQL 15 to 16?", ["upgrade PostgreSQL 15 to 16"]),
        ("copy a file if it does not exist", ["copy file if not exist"]),
        ("add login page", []),
        ("what is it", []),
    ],
)
def test_keywords_keep_what_carries_meaning(text: str, found: list[str]) -> None:
    """Also "not", "if", and the "to" between two things."""
    assert texts(text, "keyword") == found


def test_one_word_is_exchanged_at_a_time() -> None:
    """In the spelling of the word it stands for."""
    assert texts("Delete the folder", "synonym")[:2] == ["Remove the folder", "Erase the folder"]


@pytest.mark.parametrize(
    "text",
    ['count "delete" in a text', "run `delete` twice", "call my_delete", "read delete.txt", "use --delete", "DELETE"],
)
def test_quotes_names_and_flags_are_not_exchanged(text: str) -> None:
    """An identifier means itself."""
    assert [found for found in texts(text, "synonym", "typo") if "delete" not in found.lower()] == []


def test_contractions_are_made_and_undone() -> None:
    """In either direction, with a leading capital kept."""
    assert texts("What is it if it isn't there", "contraction") == [
        "What's it if it isn't there",
        "What is it if it is not there",
    ]


def test_chat_wraps_the_whole_question() -> None:
    """The words of the question stay as they are."""
    assert all("reset my password" in text for text in texts("How do I reset my password?", "chat"))


def test_a_typing_error_changes_one_word_inside() -> None:
    """Never its first or last letter, and never a short word."""
    for text in texts("reset password", "typo"):
        (wrong,) = set(text.split()) - {"reset", "password"}
        right = "reset" if wrong[0] == "r" else "password"
        assert (wrong[0], wrong[-1]) == (right[0], right[-1])
        assert abs(len(wrong) - len(right)) <= 1


def test_one_seed_gives_one_result() -> None:
    """And another seed other typing errors."""
    text = "How do I configure the connection settings?"
    assert rewrites(text, limit=9, seed=1) == rewrites(text, limit=9, seed=1)
    one, two = (rewrites(text, limit=9, families=["typo"], seed=seed) for seed in (1, 2))
    assert one != two


def test_the_families_take_turns() -> None:
    """So that few variants already differ in kind."""
    rules = [rewrite.rule.split(":")[0] for rewrite in rewrites("How do I delete a folder?", limit=5)]
    assert rules == ["form", "keyword", "synonym", "chat", "typo"]


def test_the_limit_is_kept() -> None:
    """Zero is a limit."""
    assert [len(rewrites("How do I delete a folder?", limit=limit)) for limit in (0, 1, 7)] == [0, 1, 7]


def test_a_long_text_is_left_alone() -> None:
    """It is no question."""
    assert rewrites("how to " + "x" * MAX_CHARS, limit=5) == ()


def test_the_texts_of_an_entry_take_turns() -> None:
    """The best of each first; nothing that the entry has already."""
    found = rewrites_of_entry(
        ["How do I sort a list?", "how to sort a list", "order my list"], limit=3, families=["form"]
    )
    assert found == (
        ("How do I sort a list?", Rewrite("sort a list", "form:order")),
        ("order my list", Rewrite("How do I order my list?", "form:how_do_i")),
        ("How do I sort a list?", Rewrite("What is the way to sort a list?", "form:way")),
    )


def test_every_family_has_rules() -> None:
    """None of the names is without effect."""
    text = "What is the way to delete a folder?"
    assert {rule.rule.split(":")[0] for rule in rewrites(text, limit=99)} == set(FAMILIES)
