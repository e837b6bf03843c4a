from __future__ import annotations

import pytest

from semcache.build.fit_queries import Asked
from semcache.build.traffic import Traffic
from semcache.core.text import exact_key, normalise
from semcache.types import LabelledQuery

NAMESPACES = ("shell", "web")


def met(*queries: LabelledQuery) -> Traffic:
    """Let queries meet two entries: login (answer 0, tagged auth, in web) and list (answer 1, in shell)."""
    traffic = Traffic(queries)
    traffic.take_entry("login", 0, {"tags": ["auth"]})
    traffic.take_variant(exact_key(normalise("how do I log in")), "web")
    traffic.take_entry("list", 1, {"x_group": "files"})
    traffic.take_variant(exact_key(normalise("list all files")), "shell")
    return traffic


@pytest.mark.parametrize(
    ("entry_id", "group", "answers"),
    [("login", None, {0}), (None, "auth", {0}), (None, "files", {1}), (None, "list", {1}), (None, None, set())],
)
def test_a_label_is_an_entry_a_group_or_nothing(entry_id: str | None, group: str | None, answers: set[int]) -> None:
    """The same as when a bundle is measured."""
    query = LabelledQuery("q:1", "sign me in", entry_id, group)
    assert met(query).asked(NAMESPACES) == [Asked("sign me in", frozenset(answers), None)]


@pytest.mark.parametrize(
    ("text", "namespace", "is_asked"),
    [
        ("How do I log in?", None, False),
        ("how do i log in", "web", False),
        ("how do i log in", "shell", True),
        ("how can I log in", None, True),
        ("how can I log in", "nowhere", False),
        ("?!", None, False),
        ("broken \udc80", None, False),
    ],
)
def test_only_what_a_lookup_searches_for_is_asked(text: str, namespace: str | None, *, is_asked: bool) -> None:
    """A variant is hit exactly where it is found; nobody searches for nothing, or nowhere."""
    asked = met(LabelledQuery("q:1", text, "login", namespace=namespace)).asked(NAMESPACES)
    assert bool(asked) == is_asked


def test_a_namespace_is_asked_by_its_number() -> None:
    """As rows know it."""
    (asked,) = met(LabelledQuery("q:1", "show files", "list", namespace="web")).asked(NAMESPACES)
    assert asked.namespace == 1


def test_labels_that_name_nothing_are_told() -> None:
    """Nothing is right for them; a query that has no right answer on purpose is not among them."""
    lost = LabelledQuery("q:1", "sign me in", "gone")
    traffic = met(lost, LabelledQuery("q:2", "sing", None), LabelledQuery("q:3", "files", None, "files"))
    assert traffic.unknown() == ("q:1: gone",)
    assert [asked.is_outside for asked in traffic.asked(NAMESPACES)] == [True, True, False]


def test_without_queries_there_is_no_traffic() -> None:
    """A build without any keeps nothing of the corpus for it."""
    assert not met()
    assert met().asked(NAMESPACES) == []
    assert met(LabelledQuery("q:1", "x", None))
