from __future__ import annotations

import re

import pytest

from semcache.errors import ConfigError
from semcache.store.object_paths import check_object_path, is_object_path, shown


@pytest.mark.parametrize("path", ["a", "metadata/1.root.json", "chunks/ab/" + "0" * 64, "targets/my-name_2/x.json"])
def test_names_of_objects_are_allowed(path: str) -> None:
    """All that this product writes."""
    check_object_path(path)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/etc/passwd", "a/", "a//b", "..", "a/../b", "../a", ".hidden", "a/.b", "a/.", "-a"),
        *("a b", "a\\b", "a\nb", "a\n", "http://a", "c:/a", "caf\u00e9", "a%2e%2e/b", "a?b", "a#b", "~/a", "a\0b"),
        *("a" * 201, "/".join(["abcdefg"] * 65)),
    ],
)
def test_names_that_may_lead_elsewhere_are_refused(path: str) -> None:
    """Up, out, to another scheme, to something hidden, or to what a server reads otherwise."""
    assert not is_object_path(path)
    with pytest.raises(ConfigError, match=re.escape("allowed parts of letters, digits and ._- joined by /")):
        check_object_path(path)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://me:secret@host:1/a?token=secret#secret", "https://host:1/a"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("/a/folder", "/a/folder"),
        ("http://[secret", "http"),
    ],
)
def test_an_address_is_shown_without_what_is_secret(url: str, text: str) -> None:
    """User, password, query and fragment; what cannot be read is not shown."""
    assert shown(url) == text
