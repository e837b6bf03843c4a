from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from semcache import BuildReport, Cache
from semcache.lookup.collisions import collisions_of

Build = Callable[..., BuildReport]
LOGIN = {"id": "a", "query": "how to add a login page", "answer": "one"}


def collisions(root: Path) -> list[tuple[str, str, str, str]]:
    """Return who collides with whom, of all rows of a bundle."""
    with Cache.open("small", root=root) as cache:
        rows = range(cache.info.manifest.counts.rows)
        found = collisions_of(cache, rows)
    return [(one.entry_id, one.text, one.other_entry_id, one.other_text) for one in found]


def test_the_same_words_with_another_answer_collide(build: Build, tmp_path: Path) -> None:
    """Two entries once, whichever was asked about."""
    build([LOGIN, {"id": "b", "query": "how to add the login page", "answer": "two"}])
    (found,) = collisions(tmp_path / "indexes")
    assert {found[0], found[2]} == {"a", "b"}


@pytest.mark.parametrize(
    "other",
    [
        {"query": "how to add the login page", "answer": "one"},
        {"query": "how to remove the login page", "answer": "two"},
        {"query": "how to add the login page", "answer": "two", "namespace": "other"},
        {"query": "an unlike question", "answer": "two", "rejects": ["how to add the login page"]},
    ],
)
def test_what_does_not_collide(build: Build, tmp_path: Path, other: dict[str, object]) -> None:
    """The same answer, another word, another namespace, a guard."""
    build([LOGIN, {"id": "b", **other}])
    assert collisions(tmp_path / "indexes") == []


def test_only_the_rows_that_are_named_are_looked_at(build: Build, tmp_path: Path) -> None:
    """What was there before is not told again."""
    build([LOGIN, {"id": "b", "query": "how to add the login page", "answer": "two"}])
    with Cache.open("small", root=tmp_path / "indexes") as cache:
        assert collisions_of(cache, []) == ()
        assert [one.entry_id for one in collisions_of(cache, [1])] == ["b"]
