from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared import ENTRIES

from semcache import BuildReport
from semcache.bundle.compare import Changes, EntryChange, compare_entries, entries_of_version
from semcache.bundle.locate import locate
from semcache.bundle.reader import VersionReader
from semcache.config import OpenConfig
from semcache.types import VariantKind

Build = Callable[..., BuildReport]


def reader_of(report: BuildReport) -> VersionReader:
    """Open a version."""
    return VersionReader(locate(report.path, root=Path()), report.id, OpenConfig(prefault=False))


def changes(build: Build, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> tuple[Changes, VersionReader]:
    """Build two versions, the second of which follows the first, and compare them."""
    readers = [reader_of(build(entries)) for entries in (before, after)]
    return compare_entries(*map(entries_of_version, readers)), readers[1]


def test_an_entry_is_read_whole(build: Build) -> None:
    """With every indexed text, guards too, and its question."""
    entry = entries_of_version(reader_of(build()))["login/add"]
    assert (entry.query, entry.namespace) == ("How do I add a login page?", "web")
    assert {text: indexed.kind for text, indexed in entry.texts.items()} == {
        "How do I add a login page?": VariantKind.QUERY,
        "add login page": VariantKind.PARAPHRASE,
        "put a sign-in page into my app": VariantKind.PARAPHRASE,
        "remove the login page": VariantKind.GUARD,
    }


def test_equal_versions_differ_in_nothing(build: Build) -> None:
    """Whatever their ids."""
    found, _ = changes(build, ENTRIES, ENTRIES)
    assert found == Changes((), (), (), n_same=5, new_rows=())


def test_each_change_is_named(build: Build) -> None:
    """What came, what went, and of what changed each thing that did; a text with another answer is a new one."""
    first, second, _, fourth, last = ENTRIES
    after = [
        {**first, "answer": "Another.", "paraphrases": ["add login page", "one more way to a login"]},
        {**second, "valid_until": "2998-01-01T00:00:00Z", "tags": ["db"]},
        {**fourth, "namespace": "files"},
        last,
        {"id": "new", "query": "stop the server", "answer": "Press Ctrl+C."},
    ]
    found, reader = changes(build, ENTRIES, after)
    assert found.added == (EntryChange("new", "stop the server"),)
    assert found.removed == (EntryChange("db/old", "How to use database version nine"),)
    assert found.changed == (
        EntryChange("db/setup", "Set up a PostgreSQL database", ("valid_until", "metadata")),
        EntryChange("files/list", "list all files", ("namespace",)),
        EntryChange("login/add", "How do I add a login page?", ("answer", "+1 text", "-1 text")),
    )
    assert found.n_same == 1
    assert sorted(reader.text_of(row) for row in found.new_rows) == [
        *("How do I add a login page?", "add login page", "list all files", "one more way to a login"),
        *("show every file here", "stop the server"),
    ]


def test_a_guard_that_becomes_a_paraphrase_is_new(build: Build) -> None:
    """It gets an answer now; the other way round it gets none any more."""
    first, *others = ENTRIES
    asked = {**first, "paraphrases": [*first["paraphrases"], "remove the login page"], "rejects": []}
    found, reader = changes(build, ENTRIES, [asked, *others])
    assert [change.what for change in found.changed] == [("+1 text", "-1 text")]
    assert [reader.text_of(row) for row in found.new_rows] == ["remove the login page"]
    found, _ = changes(build, [asked, *others], ENTRIES)
    assert found.new_rows == ()
