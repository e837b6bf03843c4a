from __future__ import annotations

from pathlib import Path

import pytest
from sharing import NAME, RELEASE, Sharing, numbered

from semcache.bundle.releases import keep_release, release_of, releases_on_disk
from semcache.bundle.writer import debris
from semcache.core.release import parse_release
from semcache.store.fsio import FileSystem

VERSION = "0" * 32


@pytest.fixture
def raw(tmp_path: Path) -> bytes:
    """Give the bytes of a release."""
    sharing = Sharing(tmp_path)
    sharing.publish(numbered(3))
    return (tmp_path / "remote" / RELEASE).read_bytes()


def test_what_is_kept_is_found_by_its_version(tmp_path: Path, raw: bytes) -> None:
    """To the byte; of another version nothing is known."""
    keep_release(FileSystem(), tmp_path / NAME, VERSION, raw)
    assert release_of(tmp_path / NAME, VERSION) == parse_release(raw)
    assert release_of(tmp_path / NAME, "1" * 32) is None
    assert releases_on_disk(tmp_path / NAME) == {VERSION: tmp_path / NAME / "releases" / f"{VERSION}.json"}


def test_a_later_one_replaces_it(tmp_path: Path, raw: bytes) -> None:
    """Of a version that was published again."""
    later = parse_release(raw).renewed(1_900_000_000)
    for each in (raw, later.to_bytes()):
        keep_release(FileSystem(), tmp_path / NAME, VERSION, each)
    assert release_of(tmp_path / NAME, VERSION) == later


def test_what_is_kept_already_is_not_written_again(tmp_path: Path, raw: bytes) -> None:
    """As nothing may be written where nothing changes."""
    keep_release(FileSystem(), tmp_path / NAME, VERSION, raw)
    path = tmp_path / NAME / "releases" / f"{VERSION}.json"
    before = path.stat().st_ino
    keep_release(FileSystem(), tmp_path / NAME, VERSION, raw)
    assert path.stat().st_ino == before


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff"])
def test_what_is_no_release_says_nothing(tmp_path: Path, raw: bytes, content: bytes) -> None:
    """A torn or a newer one is as none."""
    keep_release(FileSystem(), tmp_path / NAME, VERSION, raw)
    (tmp_path / NAME / "releases" / f"{VERSION}.json").write_bytes(content)
    assert release_of(tmp_path / NAME, VERSION) is None


def test_what_was_about_to_replace_one_is_debris(tmp_path: Path) -> None:
    """The next build or removal clears it."""
    staged = tmp_path / NAME / "releases" / f"{VERSION}.json.new"
    staged.parent.mkdir(parents=True)
    staged.touch()
    assert debris(tmp_path / NAME) == [staged]
    assert releases_on_disk(tmp_path / NAME) == {}
