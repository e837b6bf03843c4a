"""gc: what goes, what stays, and what a removal that dies leaves."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shared import ENTRIES
from sharing import NAME, Sharing, numbered

from semcache import BuildReport, Cache, check_bundle
from semcache.bundle.releases import release_of, releases_on_disk
from semcache.core.release import Release
from semcache.errors import BundleNotFoundError, ConfigError, StorageError
from semcache.remote.gc import collect
from semcache.remote.rollback import rollback
from semcache.store.chunks import ChunkFolder, pack
from semcache.store.lock import exclusive_lock

Build = Callable[..., BuildReport]


def build_labels(build: Build, *labels: str, name: str = "small") -> list[Path]:
    """Build a version for each label, one after another; give their folders."""
    return [build([{**entry, "answer": label} for entry in ENTRIES], name=name).path for label in labels]


def versions(root: Path, name: str = "small") -> list[Path]:
    """Give the folders of the versions that are there."""
    return sorted((root / name / "versions").iterdir())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give the folder into which `build` builds."""
    return tmp_path / "indexes"


def test_the_live_version_and_those_before_it_stay(build: Build, root: Path) -> None:
    """By default two of them; the oldest go, with their bytes."""
    one, two, three, four, five = build_labels(build, "one", "two", "three", "four", "five")
    size = sum(path.stat().st_size for folder in (one, two) for path in folder.iterdir())
    report = collect(root=root)
    assert [(removed.kind, removed.path) for removed in report.removed] == [("version", one), ("version", two)]
    assert report.freed_bytes == size
    assert versions(root) == sorted([three, four, five])
    assert check_bundle("small", root=root) == []


def test_nothing_is_left_to_remove_after_a_removal(build: Build, root: Path) -> None:
    """The second one finds nothing."""
    build_labels(build, "one", "two", "three")
    collect(root=root, keep=0)
    assert collect(root=root, keep=0).removed == []


def test_a_dry_run_removes_nothing(build: Build, root: Path) -> None:
    """And says what the real one does."""
    one, two, three = build_labels(build, "one", "two", "three")
    (root / "small" / "versions" / ".staging-1").mkdir()
    (root / "encoders" / ("0" * 32)).mkdir()
    dry = collect(root=root, keep=1, dry_run=True)
    assert versions(root)[1:] == sorted([one, two, three])
    assert dry == collect(root=root, keep=1)
    assert [removed.kind for removed in dry.removed] == ["debris", "version", "encoder"]


def test_what_was_rolled_back_goes_and_what_is_live_stays(build: Build, root: Path) -> None:
    """Versions count from the live one, wherever that stands in the order."""
    one, two, _ = build_labels(build, "one", "two", "three")
    rollback("small", root=root)
    collect(root=root, keep=1)
    assert versions(root) == sorted([one, two])


def test_a_version_that_is_open_stays_until_it_is_closed(build: Build, root: Path) -> None:
    """In this process as in any other."""
    (one,) = build_labels(build, "one")
    with Cache.open("small", root=root) as cache:
        (two,) = build_labels(build, "two")
        report = collect(root=root, keep=0)
        assert (report.removed, report.held, versions(root)) == ([], [one], sorted([one, two]))
        assert cache.lookup("add login page").hit
    collect(root=root, keep=0)
    assert versions(root) == [two]


def test_debris_of_dead_builds_goes(build: Build, root: Path) -> None:
    """Staging folders and files that were to replace others."""
    build_labels(build, "one")
    folder = root / "small" / "versions" / ".staging-99999"
    folder.mkdir()
    (folder / "values.mdb.scratch").write_bytes(b"12345")
    for name in ("CURRENT.new", "history.new", "pulled.json.new"):
        (root / "small" / name).touch()
    report = collect(root=root)
    assert {removed.kind for removed in report.removed} == {"debris"}
    assert (len(report.removed), report.freed_bytes, folder.exists()) == (4, 5, False)


def test_a_bundle_that_is_being_built_is_left_alone(build: Build, root: Path) -> None:
    """With all encoders: one of them may be the build's. The other bundles are swept."""
    build_labels(build, "one", "two")
    _, other = build_labels(build, "one", "two", name="other")
    encoder = root / "encoders" / ("0" * 32)
    encoder.mkdir()
    with exclusive_lock(root / "small" / "build.lock"):
        report = collect(root=root, keep=0)
    assert (report.busy, encoder.exists()) == (["small"], True)
    assert (len(versions(root)), versions(root, "other")) == (2, [other])


def test_one_bundle_can_be_swept_alone(build: Build, root: Path) -> None:
    """The others keep their versions; nothing that they need goes."""
    build_labels(build, "one", "two")
    build_labels(build, "one", "two", name="other")
    collect("small", root=root, keep=0)
    assert (len(versions(root)), len(versions(root, "other"))) == (1, 2)
    assert check_bundle("other", root=root) == []


def test_encoders_that_no_version_names_go(build: Build, root: Path) -> None:
    """The one that the bundle needs stays."""
    build_labels(build, "one")
    unused = root / "encoders" / ("0" * 32)
    unused.mkdir()
    (unused / "model.onnx").write_bytes(b"123")
    report = collect(root=root)
    assert [(removed.kind, removed.path, removed.size_bytes) for removed in report.removed] == [("encoder", unused, 3)]
    assert check_bundle("small", root=root) == []


def test_an_encoder_goes_with_the_last_version_that_names_it(build: Build, root: Path) -> None:
    """In one removal."""
    build_labels(build, "one")
    (encoder,) = (path for path in (root / "encoders").iterdir() if len(path.name) == 32)
    shutil.rmtree(root / "small")
    build_labels(build, "one")
    manifest = versions(root)[0] / "manifest.json"
    manifest.write_bytes(b"{}")  # cannot be opened, so it needs nothing
    report = collect(root=root)
    assert [removed.path for removed in report.removed] == [encoder]


def test_chunks_of_no_version_stay_for_a_week_after_they_were_asked_for(build: Build, root: Path) -> None:
    """Then they go, with parts that nobody loads; a download that is under way stays however slow it is."""
    build_labels(build, "one")
    folder = ChunkFolder(root / "chunks")
    refs = [folder_add(folder, raw) for raw in (b"old", b"new")]
    loading, _ = pack(b"loading")
    age(folder.path_of(refs[0]), days=7.1)
    age(folder.path_of(refs[1]), days=6.9)
    with folder.part(loading) as part:
        part.append(b"1")
        age(part.path, days=7.1)
        assert collect(root=root).chunk_bytes == refs[0].size_bytes
        assert part.path.exists()
    assert [folder.has(ref) for ref in refs] == [False, True]
    assert collect(root=root).chunk_bytes == 1


@pytest.fixture
def sharing(tmp_path: Path) -> Sharing:
    """Give a publisher of two releases and a reader who pulled both; all chunks that are here are old."""
    sharing = Sharing(tmp_path)
    sharing.publish(numbered(5))
    sharing.pull()
    sharing.publish(numbered(5, answer="other"))
    sharing.pull()
    for path in [*chunk_files(sharing.root), *chunk_files(sharing.pulled_root)]:
        age(path, days=8)
    return sharing


def chunk_files(root: Path) -> list[Path]:
    """Give the chunks of a root."""
    return sorted((root / "chunks").glob("??/*"))


def named(*releases: Release) -> set[str]:
    """Give the chunks that the versions of releases are built of."""
    return {ref.sha256 for release in releases for ref in release.version_chunks()}


def released(root: Path) -> list[Release]:
    """Give the releases that a root knows of, in the order of their numbers."""
    found = [release_of(root / NAME, version) for version in releases_on_disk(root / NAME)]
    return sorted((release for release in found if release is not None), key=lambda release: release.number)


@pytest.mark.parametrize("who", ["root", "pulled_root"])
def test_chunks_that_a_version_here_is_built_of_stay_however_old(sharing: Sharing, who: str) -> None:
    """The publisher's and the reader's; those of the encoder, which is here, go. The next night costs what is new."""
    root = getattr(sharing, who)
    first, second = released(root)
    collect(root=root)
    assert {path.name for path in chunk_files(root)} == named(first, second)
    collect(root=root, keep=0)
    assert {path.name for path in chunk_files(root)} == named(second) < named(first, second)
    assert released(root) == [second]
    sharing.publish([*numbered(5, answer="other"), *numbered(6)[5:]])
    report = sharing.pull()
    assert (report.fetched_bytes, sharing.answer("how to handle case 5 of item5")) == (
        report.missing_bytes,
        "answer 5 of item5",
    )
    assert report.missing_bytes < 0.9 * report.size_bytes


def test_a_dry_run_says_which_chunks_would_go(sharing: Sharing) -> None:
    """As many bytes as then go, also with the version that named them."""
    dry = collect(root=sharing.pulled_root, keep=0, dry_run=True)
    assert len(released(sharing.pulled_root)) == 2
    assert dry == collect(root=sharing.pulled_root, keep=0)
    assert [removed.kind for removed in dry.removed] == ["version", "debris"]


def test_a_release_that_cannot_be_read_keeps_nothing(sharing: Sharing) -> None:
    """Its chunks are fetched again where they are needed."""
    for path in releases_on_disk(sharing.pulled_root / NAME).values():
        path.write_bytes(b"{}")
    collect(root=sharing.pulled_root)
    assert chunk_files(sharing.pulled_root) == []
    assert check_bundle(NAME, root=sharing.pulled_root) == []


def test_a_publisher_that_was_cut_off_learns_its_release_from_the_next_publish(sharing: Sharing) -> None:
    """Though that one has nothing new to offer."""
    known = released(sharing.root)
    for path in releases_on_disk(sharing.root / NAME).values():
        path.unlink()
    assert not sharing.publish(numbered(5, answer="other")).is_new
    assert released(sharing.root) == known[1:]


def folder_add(folder: ChunkFolder, raw: bytes) -> Any:
    """Add a chunk; give its reference."""
    ref, data = pack(raw)
    folder.add(ref, data)
    return ref


def age(path: Path, *, days: float) -> None:
    """Make a file look older."""
    moment = time.time() - days * 86_400
    os.utime(path, (moment, moment))


def test_a_bundle_without_a_live_version_is_left_alone(build: Build, root: Path) -> None:
    """Nobody can say which of its versions is needed."""
    one, two = build_labels(build, "one", "two")
    (root / "small" / "CURRENT").unlink()
    assert (collect(root=root, keep=0).removed, versions(root)) == ([], sorted([one, two]))


def test_no_bundle_of_a_name_is_an_error(root: Path) -> None:
    """A typing error removes nothing. A folder that is not there has nothing to remove."""
    with pytest.raises(BundleNotFoundError):
        collect("small", root=root)
    assert collect(root=root).freed_bytes == 0


@pytest.mark.parametrize("keep", [-1, 1001])
def test_how_many_stay_has_a_range(root: Path, keep: int) -> None:
    """None fewer than none."""
    with pytest.raises(ConfigError, match=f"^keep: found {keep}, allowed 0 to 1000$"):
        collect(root=root, keep=keep)


def test_what_the_system_refuses_is_a_storage_error(build: Build, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the file."""
    build_labels(build, "one", "two")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(StorageError, match=r"\.staging-removed-.*: Permission denied; check the owner"):
        collect(root=root, keep=0)
