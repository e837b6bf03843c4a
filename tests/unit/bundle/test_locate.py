from __future__ import annotations

import re
from pathlib import Path

import pytest

from semcache.bundle.locate import BundleLocation, locate, read_current
from semcache.errors import BundleCorruptError, BundleNotFoundError, StorageError

LIVE = "0123456789abcdef" * 2
OTHER = "f" * 32


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a root with a bundle `demo` of two versions."""
    for version in (LIVE, OTHER):
        folder = tmp_path / "indexes" / "demo" / "versions" / version
        folder.mkdir(parents=True)
        (folder / "manifest.json").touch()
    (tmp_path / "indexes" / "demo" / "CURRENT").write_text(f"{LIVE}\n")
    return tmp_path / "indexes"


def test_a_bundle_is_found_by_its_name(root: Path) -> None:
    """In the root, following CURRENT."""
    location = locate("demo", root=root)
    assert location == BundleLocation(root, root / "demo", None)
    assert location.live_id() == LIVE


@pytest.mark.parametrize("as_text", [True, False])
def test_a_bundle_is_found_by_its_folder(root: Path, tmp_path: Path, as_text: bool) -> None:  # noqa: FBT001 - a case
    """As text or as a path; its root is the folder above, whatever root was given."""
    bundle = root / "demo"
    location = locate(str(bundle) if as_text else bundle, root=tmp_path / "elsewhere")
    assert location == BundleLocation(root, root / "demo", None)


def test_the_folder_of_a_version_pins_it(root: Path, tmp_path: Path) -> None:
    """That version stays open, whatever CURRENT says."""
    location = locate(root / "demo" / "versions" / OTHER, root=tmp_path)
    assert location == BundleLocation(root, root / "demo", OTHER)
    assert location.live_id() == OTHER


def test_a_version_is_in_the_folder_of_versions(root: Path) -> None:
    """By its id."""
    assert locate("demo", root=root).version_dir(OTHER) == root / "demo" / "versions" / OTHER


def test_a_relative_path_is_made_absolute(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that changes its folder later still finds the bundle."""
    monkeypatch.chdir(root)
    assert locate("./demo", root=Path("none")) == BundleLocation(root, root / "demo", None)


def test_a_name_in_the_root_comes_before_a_folder_here(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare word is a name first."""
    (tmp_path / "here" / "demo" / "versions").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert locate("demo", root=root).bundle_dir == root / "demo"


def test_a_word_that_is_no_name_in_the_root_is_a_folder_here(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare word is a path second."""
    monkeypatch.chdir(root)
    assert locate("demo", root=root / "none").bundle_dir == root / "demo"


def test_a_bundle_whose_current_is_lost_is_found(root: Path) -> None:
    """It is there, but has no live version: the file that is missing is named."""
    (root / "demo" / "CURRENT").unlink()
    message = f"{root / 'demo' / 'CURRENT'}: missing: no version was published here; build the bundle again"
    with pytest.raises(BundleNotFoundError, match=f"^{re.escape(message)}$"):
        locate("demo", root=root).live_id()


@pytest.mark.parametrize("bundle", ["none", "demo/none", "../indexes", "", "a\0b", "encoders"])
def test_no_bundle_says_where_and_what_to_do(root: Path, bundle: str) -> None:
    """The place that was looked at, and the command that makes one."""
    with pytest.raises(BundleNotFoundError, match=re.escape("build one with `semcache build ... --name NAME`")):
        locate(bundle, root=root)


def test_a_name_that_is_nowhere_lists_both_places(tmp_path: Path) -> None:
    """As a name in the root, and as a path."""
    with pytest.raises(BundleNotFoundError, match=f"{re.escape(str(tmp_path / 'none'))} nor none"):
        locate("none", root=tmp_path)


def test_a_path_without_a_bundle_is_not_said_to_have_one(tmp_path: Path) -> None:
    """The message tells what is missing, not the opposite."""
    with pytest.raises(BundleNotFoundError) as caught:
        locate(tmp_path, root=tmp_path)
    assert f"({tmp_path} has a CURRENT)" not in str(caught.value)


def test_a_path_too_long_for_the_system_is_no_bundle(tmp_path: Path) -> None:
    """A name that no file can have is answered like any other that is not there, not by a bare OSError."""
    with pytest.raises((BundleNotFoundError, StorageError)):
        locate("a" * 300, root=tmp_path)


@pytest.mark.parametrize("content", [LIVE, f"{LIVE}\n"])
def test_current_holds_a_version_id(root: Path, content: str) -> None:
    """With its line feed or without."""
    (root / "demo" / "CURRENT").write_text(content)
    assert read_current(root / "demo") == LIVE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        LIVE.encode() + b"\n\n",
        LIVE.upper().encode(),
        b"../../../etc",
        b"\xff" * 32,
        LIVE.encode() + bytes(1 << 20),
    ],
)
def test_a_current_that_holds_anything_else_is_corrupt(root: Path, content: bytes) -> None:
    """It never becomes a path; the error names the file and shows no more than its head."""
    path = root / "demo" / "CURRENT"
    path.write_bytes(content)
    with pytest.raises(BundleCorruptError, match=f"^{re.escape(str(path))}: found .*, allowed 32 lower-case") as caught:
        read_current(root / "demo")
    assert len(caught.value.reason) < 300


def test_a_current_that_cannot_be_read_is_a_storage_error(root: Path) -> None:
    """A folder in its place: the system's reason, with the path."""
    (root / "demo" / "CURRENT").unlink()
    (root / "demo" / "CURRENT").mkdir()
    with pytest.raises(StorageError, match=f"^{re.escape(str(root / 'demo' / 'CURRENT'))}: Is a directory"):
        read_current(root / "demo")
