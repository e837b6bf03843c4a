"""Paths at which there is no bundle, or none that we may read or write."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from surgery import file_of, version_dir

from semcache import BuildConfig, Cache, build_bundle, check_bundle
from semcache.errors import BundleNotFoundError, SemcacheError, StorageError

DATA = Path(__file__).resolve().parent.parent / "data"
NOWHERE = {
    "nothing is there": "nothing",
    "a file": "file",
    "an empty folder": "empty",
    "a folder of other things": "other",
    "below a file": "file/bundle",
    "the root of the bundles": ".",
    "a name that the system does not allow": "a" * 5000,
    "a zero byte": "a\0b",
    "no name": "",
    "an unpaired surrogate": "\ud800",
}


@pytest.mark.parametrize("name", NOWHERE.values(), ids=NOWHERE)
@pytest.mark.parametrize("as_path", [True, False])
def test_a_place_without_a_bundle_is_said(tmp_path: Path, name: str, *, as_path: bool) -> None:
    """As a path and as a name in a root, to open and to check: an error of semcache's own with the place in it."""
    (tmp_path / "file").write_bytes(b"not a bundle")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_bytes(b"{}")
    place: str | Path = tmp_path / name if as_path else name
    with pytest.raises((BundleNotFoundError, StorageError)):
        Cache.open(place, root=tmp_path)
    with pytest.raises((BundleNotFoundError, StorageError)):
        check_bundle(place, root=tmp_path)


def test_a_version_of_its_own_opens_without_current(bundle: Path) -> None:
    """The folder of a version is a bundle too; CURRENT is not asked."""
    folder = version_dir(bundle)
    (bundle / "CURRENT").unlink()
    with Cache.open(folder) as cache:
        assert cache.lookup("add login page").hit


def test_a_version_under_another_name_is_no_bundle(bundle: Path) -> None:
    """A version is what its folder's name says it is."""
    folder = version_dir(bundle)
    other = folder.rename(folder.with_name("0123456789abcdef0123456789abcdef"))
    with pytest.raises(SemcacheError, match=r"manifest\.json: is not the manifest that was written"):
        Cache.open(other)


@pytest.mark.parametrize("blocked", ["root", "root/name", "root/name/versions", "root/encoders"])
def test_a_build_into_a_file_is_a_storage_error(tmp_path: Path, blocked: str) -> None:
    """Where a folder should be there is a file: said with its path, and the file is left alone."""
    (tmp_path / blocked).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / blocked).write_bytes(b"mine")
    config = BuildConfig(model="hashing")
    with pytest.raises(StorageError, match=r"(File exists|Not a directory)"):
        build_bundle([DATA / "golden_plain.jsonl"], name="name", root=tmp_path / "root", config=config)
    assert (tmp_path / blocked).read_bytes() == b"mine"


def test_a_build_under_a_missing_corpus_is_a_storage_error(tmp_path: Path) -> None:
    """And makes nothing."""
    with pytest.raises(StorageError, match="No such file or directory"):
        build_bundle([tmp_path / "none.jsonl"], name="name", root=tmp_path / "root")
    assert not (tmp_path / "root").exists()


@pytest.fixture
def open_dir(bundle: Path) -> Iterator[Path]:
    """Give a folder that every user can reach, with a corpus and a bundle `flat` in it."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path(tempfile.mkdtemp(prefix="semcache-open-", dir="/tmp"))  # pytest's own folders are private
    folder.chmod(0o755)
    shutil.copytree(bundle.parent, folder / "indexes")
    shutil.copyfile(DATA / "golden_plain.jsonl", folder / "corpus.jsonl")
    yield folder
    shutil.rmtree(folder)


def as_nobody(warm: Path, *actions: tuple[str, Path]) -> list[str]:
    """Open, check or build as the user 65534, and give what came of each."""
    program = Path(__file__).with_name("dropping.py")
    words = [str(word) for action in actions for word in action]
    done = subprocess.run(
        [sys.executable, str(program), str(warm), *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.replace(str(warm), "").splitlines()


def test_a_bundle_that_may_be_read_is_opened_by_another_user(open_dir: Path) -> None:
    """Reading needs no right to write: no lock, no scratch file, nothing beside the bundle."""
    bundle = open_dir / "indexes" / "flat"
    assert as_nobody(open_dir, ("open", bundle), ("check", bundle)) == ["done Hit", "0 problems"]


def test_a_file_that_may_not_be_read_is_a_storage_error(open_dir: Path) -> None:
    """It names the file and what to look at."""
    names = ["CURRENT", "manifest.json", "index.faiss", "values.mdb", "rows.npy", "entries.npy", "records.sha256"]
    copies = [shutil.copytree(open_dir / "indexes" / "flat", open_dir / "indexes" / f"no-{name}") for name in names]
    paths = [file_of(copy, name) for copy, name in zip(copies, names, strict=True)]
    for path in paths:
        path.chmod(0)
    found = as_nobody(open_dir, *(("open", copy) for copy in copies))
    assert found == [
        f"StorageError: {str(path).removeprefix(str(open_dir))}: Permission denied; "
        "check the owner and the permissions of this folder"
        for path in paths
    ]


def test_a_folder_that_may_not_be_entered_is_an_error(open_dir: Path) -> None:
    """Wherever on the way it stands; the full check lists it or raises it."""
    indexes, found = open_dir / "indexes", []
    for folder in (indexes / "flat" / "versions", indexes / "flat", indexes):
        folder.chmod(0)
        found.append(as_nobody(open_dir, ("open", indexes / "flat"), ("check", indexes / "flat")))
        folder.chmod(0o755)
    opened, checked = zip(*found, strict=True)
    assert [line.split(": ")[0] for line in opened] == ["StorageError"] * 3
    assert [line.split(": ")[0] for line in checked] == ["1 problems", "StorageError", "StorageError"]


def test_a_build_into_a_folder_that_may_not_be_written_is_a_storage_error(open_dir: Path) -> None:
    """Nothing is made there, and the message says what to look at."""
    (line,) = as_nobody(open_dir, ("build", open_dir / "indexes"))
    assert line.startswith("StorageError: /indexes/new: Permission denied; check the owner and the permissions")
    assert not (open_dir / "indexes" / "new").exists()


def test_a_build_beside_an_encoder_that_may_not_be_written_is_a_storage_error(open_dir: Path) -> None:
    """The root may be written, its encoders may not: an error, and no half version."""
    (open_dir / "indexes").chmod(0o777)
    (line,) = as_nobody(open_dir, ("build", open_dir / "indexes"))
    assert line.startswith("StorageError: /indexes/encoders")
    assert list((open_dir / "indexes" / "new" / "versions").iterdir()) == []
