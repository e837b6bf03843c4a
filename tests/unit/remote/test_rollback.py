"""versions and rollback: which version is live, which were before it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shared import ENTRIES

from semcache import BuildReport, Cache
from semcache.bundle.live import versions_that_were_live
from semcache.bundle.release_note import ReleaseNote, read_note, write_note
from semcache.errors import BuildLockedError, BundleCorruptError, BundleNotFoundError, ConfigError
from semcache.remote.rollback import rollback
from semcache.remote.versions import list_versions
from semcache.store.fsio import FileSystem
from semcache.store.lock import exclusive_lock

Build = Callable[..., BuildReport]


def build_labels(build: Build, *labels: str) -> list[str]:
    """Build a version for each label, one after another."""
    return [build(_labelled(label)).id for label in labels]


def _labelled(label: str) -> list[dict[str, Any]]:
    return [{**entry, "answer": f"{label} answer"} for entry in ENTRIES]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give the folder into which `build` builds."""
    return tmp_path / "indexes"


def live(root: Path) -> str:
    """Give the version that CURRENT names."""
    return (root / "small" / "CURRENT").read_text("ascii").strip()


def test_rollback_goes_one_version_back_each_time(build: Build, root: Path) -> None:
    """To what was live before, not back and forth."""
    one, two, three = build_labels(build, "one", "two", "three")
    assert rollback("small", root=root).version == two
    report = rollback("small", root=root)
    assert (report.version, report.before, report.release, live(root)) == (one, two, None, one)
    assert versions_that_were_live(root / "small") == [one, two, three]


def test_the_version_before_the_first_is_an_error(build: Build, root: Path) -> None:
    """The live one stays."""
    (one,) = build_labels(build, "one")
    with pytest.raises(BundleNotFoundError, match=f"no version was live before {one}"):
        rollback("small", root=root)
    assert live(root) == one


def test_a_version_is_named_by_its_beginning(build: Build, root: Path) -> None:
    """Forward too, to one that was rolled back."""
    _, two = build_labels(build, "one", "two")
    rollback("small", root=root)
    assert rollback("small", two[:8], root=root).version == two


def test_a_beginning_of_no_version_is_an_error(build: Build, root: Path) -> None:
    """And so is an empty one, or a path."""
    build_labels(build, "one")
    for version in ("", "zz", "../x"):
        with pytest.raises(BundleNotFoundError, match="has no version that begins with"):
            rollback("small", version, root=root)


def test_a_beginning_of_two_versions_is_an_error(build: Build, root: Path) -> None:
    """Both are named."""
    build_labels(build, "one")
    for end in ("0", "1"):
        (root / "small" / "versions" / ("f" * 31 + end)).mkdir()
    with pytest.raises(ConfigError, match=r"with which f{31}0 and f{31}1 begin"):
        rollback("small", "fff", root=root)


def test_what_is_built_after_a_rollback_goes_back_to_what_was_live(build: Build, root: Path) -> None:
    """Not to what had been rolled back."""
    one, two = build_labels(build, "one", "two")
    rollback("small", root=root)
    (three,) = build_labels(build, "three")
    assert versions_that_were_live(root / "small") == [two, one, three]
    assert rollback("small", root=root).version == one


def test_building_the_same_again_is_no_new_version_to_go_back_to(build: Build, root: Path) -> None:
    """The version before stays the one before."""
    one, _, _ = build_labels(build, "one", "two", "two")
    assert rollback("small", root=root).version == one


def test_a_damaged_version_does_not_go_live(build: Build, root: Path) -> None:
    """Every byte is checked first, also those that an open does not read."""
    one, two = build_labels(build, "one", "two")
    path = root / "small" / "versions" / one / "index.faiss"
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleCorruptError, match=r"is not made live, .*index\.faiss"):
        rollback("small", root=root)
    assert live(root) == two


def test_rollback_waits_for_nobody(build: Build, root: Path) -> None:
    """While the name is being built it is refused."""
    build_labels(build, "one", "two")
    with exclusive_lock(root / "small" / "build.lock"), pytest.raises(BuildLockedError):
        rollback("small", root=root)


def test_one_versions_folder_cannot_be_rolled_back(build: Build, root: Path) -> None:
    """It has no version before it."""
    (one,) = build_labels(build, "one")
    with pytest.raises(ConfigError, match="found the folder of one version"):
        rollback(root / "small" / "versions" / one, root=root)


def test_versions_are_listed_in_the_order_in_which_they_were_live(build: Build, root: Path) -> None:
    """With which is live, which is open, and how much is in it; a damaged one is listed as such."""
    one, two, three = build_labels(build, "one", "two", "three")
    (root / "small" / "versions" / one / "manifest.json").write_bytes(b"{}")
    rollback("small", root=root)
    with Cache.open("small", root=root):
        found = list_versions("small", root=root)
    assert [(state.id, state.is_live, state.is_held, state.n_entries, state.n_rows) for state in found] == [
        (one, False, False, None, None),
        (two, True, True, 5, 11),
        (three, False, False, 5, 11),
    ]
    sizes = [sum(path.stat().st_size for path in (root / "small" / "versions" / three).iterdir())]
    assert [state.size_bytes for state in found[2:]] == sizes


def test_a_version_that_never_was_live_is_listed_first(build: Build, root: Path) -> None:
    """A build that died before it named its version leaves one; no rollback without a name takes it."""
    one, two = build_labels(build, "one", "two")
    (root / "small" / "CURRENT").write_text(f"{one}\n", encoding="ascii")
    (root / "small" / "history").unlink()
    assert [(state.id, state.was_live) for state in list_versions("small", root=root)] == [(two, False), (one, True)]
    with pytest.raises(BundleNotFoundError, match="no version was live before"):
        rollback("small", root=root)


def test_a_history_that_is_not_one_is_none(build: Build, root: Path) -> None:
    """What it names is only looked for among the versions that are here."""
    one, two = build_labels(build, "one", "two")
    (root / "small" / "history").write_bytes(b"../../etc\n\xff" + b"0" * 32 + f"\n{one}\n".encode("ascii"))
    assert versions_that_were_live(root / "small") == [one, two]


def pulled(root: Path, version: str, *, number: int = 7) -> ReleaseNote:
    """Note that the live version is a release that was pulled."""
    found = ReleaseNote("small", "https://example.org/remote", number, 1_700_000_000, version, content_sha256="a" * 64)
    write_note(FileSystem(), root / "small", found)
    return found


def test_a_pulled_release_that_was_rolled_back_is_not_pulled_again(build: Build, root: Path) -> None:
    """pulled.json names what stands for the release now, which is what a pull compares with CURRENT; and both ids."""
    one, two = build_labels(build, "one", "two")
    pulled(root, two)
    assert rollback("small", root=root).release == 7
    noted = ReleaseNote("small", "https://example.org/remote", 7, 1_700_000_000, one, two, "a" * 64)
    assert read_note(root / "small") == noted
    assert json.loads((root / "small" / "pulled.json").read_bytes())["rolled_back"] == two
    assert [state.release for state in list_versions("small", root=root)] == [None, 7]


def test_a_release_that_is_taken_up_again_is_the_one_that_was_pulled(build: Build, root: Path) -> None:
    """Rolled back twice, and forward to where it began: as before."""
    _, _, three = build_labels(build, "one", "two", "three")
    before = pulled(root, three)
    rollback("small", root=root)
    rollback("small", root=root)
    assert rollback("small", three, root=root).release is None
    assert read_note(root / "small") == before
    assert "rolled_back" not in json.loads((root / "small" / "pulled.json").read_bytes())


def test_a_local_build_that_is_rolled_back_says_nothing_of_releases(build: Build, root: Path) -> None:
    """What was pulled before it becomes live again as it was pulled."""
    one, _ = build_labels(build, "one", "two")
    before = pulled(root, one)
    assert rollback("small", root=root).release is None
    assert read_note(root / "small") == before
