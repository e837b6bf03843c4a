"""refresh(): what it returns, and that no fault of the new version touches the old one."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from shared import ENTRIES

from semcache import BuildReport, Cache, Hit
from semcache.embed.base import Embedder
from semcache.errors import BundleCorruptError, BundleError, BundleNotFoundError, CacheClosedError, EncoderMismatchError
from semcache.lookup import cache as cache_module
from semcache.lookup import version as version_module
from semcache.lookup.version import Version

Build = Callable[..., BuildReport]
NEW_ENTRIES: list[dict[str, Any]] = [{**entry, "answer": "the new answer"} for entry in ENTRIES]
QUESTION = "add login page"
NEAR = "now add login page"
OLD_ANSWER = "Write the spec of the login first.\nThen plan it."


def never(*_: object, **__: object) -> None:
    """Stand for what must not be called."""
    pytest.fail("called")


def answer(cache: Cache) -> str:
    """Give the answer to the one question of this file."""
    result = cache.lookup(QUESTION)
    assert isinstance(result, Hit)
    return result.text


def test_refresh_returns_false_where_nothing_was_published(bundle_dir: Path) -> None:
    """A cache that is up to date has nothing to switch to."""
    with Cache.open(bundle_dir) as cache:
        assert cache.refresh() is False


def test_refresh_returns_true_for_a_new_version(bundle_dir: Path, build: Build) -> None:
    """A published version that is not the open one is a change."""
    with Cache.open(bundle_dir) as cache:
        build(NEW_ENTRIES)
        assert cache.refresh() is True


def test_refresh_returns_true_only_once_for_a_new_version(bundle_dir: Path, build: Build) -> None:
    """The second refresh() after one publication finds nothing new."""
    with Cache.open(bundle_dir) as cache:
        build(NEW_ENTRIES)
        cache.refresh()
        assert cache.refresh() is False


def test_refresh_serves_the_new_answers(bundle_dir: Path, build: Build) -> None:
    """A lookup that begins after refresh() asks the new version."""
    with Cache.open(bundle_dir) as cache:
        build(NEW_ENTRIES)
        cache.refresh()
        assert answer(cache) == "the new answer"


def test_without_refresh_the_old_answers_stay(bundle_dir: Path, build: Build) -> None:
    """Publishing alone changes nothing for who has the bundle open."""
    with Cache.open(bundle_dir) as cache:
        build(NEW_ENTRIES)
        assert answer(cache) == OLD_ANSWER


def test_building_the_same_corpus_again_is_no_new_version(bundle_dir: Path, build: Build) -> None:
    """The same corpus is the same version, so refresh() returns False."""
    with Cache.open(bundle_dir) as cache:
        build()
        assert cache.refresh() is False


def test_refresh_goes_back_with_current(bundle_dir: Path, build: Build) -> None:
    """CURRENT decides: where it names the older version again, refresh() switches to that."""
    before = (bundle_dir / "CURRENT").read_bytes()
    with Cache.open(bundle_dir) as cache:
        build(NEW_ENTRIES)
        cache.refresh()
        (bundle_dir / "CURRENT").write_bytes(before)
        assert (cache.refresh(), answer(cache)) == (True, OLD_ANSWER)


def test_a_cache_of_one_version_never_changes(bundle_dir: Path, build: Build) -> None:
    """Who opened a version by its own folder stays on it."""
    version_dir = next((bundle_dir / "versions").iterdir())
    with Cache.open(version_dir) as cache:
        build(NEW_ENTRIES)
        assert (cache.refresh(), answer(cache)) == (False, OLD_ANSWER)


def test_eight_threads_that_refresh_at_once_see_one_change(bundle_dir: Path, build: Build) -> None:
    """However many threads call refresh(), a new version is reported once."""
    start = Barrier(8, timeout=30)
    with Cache.open(bundle_dir) as cache, ThreadPoolExecutor(8) as threads:
        build(NEW_ENTRIES)

        def refresh() -> bool:
            start.wait()
            return cache.refresh()

        changes = [task.result() for task in [threads.submit(refresh) for _ in range(8)]]
    assert sorted(changes) == [False] * 7 + [True]


def test_a_lookup_ends_on_the_version_it_began_on(
    bundle_dir: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refresh() in the middle of a lookup does not mix two versions in one answer."""
    load = Version.embedder
    with Cache.open(bundle_dir) as cache:
        old_id = cache.info.id
        build(NEW_ENTRIES)

        def refresh_first(version: Version) -> Embedder:
            cache.refresh()
            return load(version)

        monkeypatch.setattr(Version, "embedder", refresh_first)
        result = cache.lookup("now add login page")
        assert isinstance(result, Hit)
        assert (result.bundle_id, result.text, cache.info.id == old_id) == (old_id, OLD_ANSWER, False)


def test_the_first_semantic_lookup_after_a_refresh_waits_for_nothing(
    bundle_dir: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encoder, probes and codes were loaded and checked before the switch, as the version before had them."""
    with Cache.open(bundle_dir) as cache:
        cache.lookup(NEAR)
        build(NEW_ENTRIES)
        cache.refresh()
        for owner, name in ((version_module, "load_embedder"), (Version, "_check_probes"), (zlib, "crc32")):
            monkeypatch.setattr(owner, name, never)
        result = cache.lookup(NEAR)
    assert isinstance(result, Hit)
    assert result.text == "the new answer"


def test_a_cache_that_is_only_asked_exactly_loads_no_encoder_at_a_refresh(
    bundle_dir: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it never needed it does not need then."""
    monkeypatch.setattr(version_module, "load_embedder", never)
    with Cache.open(bundle_dir) as cache:
        build(NEW_ENTRIES)
        assert (cache.refresh(), answer(cache)) == (True, "the new answer")


def test_a_version_whose_encoder_gives_other_vectors_is_not_switched_to(
    bundle_dir: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before goes on answering."""
    with Cache.open(bundle_dir) as cache:
        before = cache.lookup(NEAR)
        build(NEW_ENTRIES)
        monkeypatch.setattr(version_module, "worst_cosine", lambda *_: 0.5)
        with pytest.raises(EncoderMismatchError):
            cache.refresh()
        assert cache.lookup(NEAR) == before


def cut_manifest(bundle_dir: Path, folder: Path) -> None:
    """Lose the end of manifest.json."""
    del bundle_dir
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes()[:-10])


def cut_values(bundle_dir: Path, folder: Path) -> None:
    """Lose the end of values.mdb."""
    del bundle_dir
    path = folder / "values.mdb"
    path.write_bytes(path.read_bytes()[:-4096])


def overwrite_index(bundle_dir: Path, folder: Path) -> None:
    """Turn the parsed part of index.faiss into zeros."""
    del bundle_dir
    path = folder / "index.faiss"
    path.write_bytes(bytes(32) + path.read_bytes()[32:])


def remove_rows(bundle_dir: Path, folder: Path) -> None:
    """Lose rows.npy."""
    del bundle_dir
    (folder / "rows.npy").unlink()


def remove_version(bundle_dir: Path, folder: Path) -> None:
    """Lose the whole new version."""
    del bundle_dir
    shutil.rmtree(folder)


def scribble_current(bundle_dir: Path, folder: Path) -> None:
    """Put something else than a version's id into CURRENT."""
    del folder
    (bundle_dir / "CURRENT").write_text("../../etc\n", encoding="ascii")


def remove_current(bundle_dir: Path, folder: Path) -> None:
    """Lose CURRENT."""
    del folder
    (bundle_dir / "CURRENT").unlink()


Damage = Callable[[Path, Path], None]
DAMAGES: list[tuple[Damage, type[BundleError]]] = [
    (cut_manifest, BundleCorruptError),
    (cut_values, BundleCorruptError),
    (overwrite_index, BundleCorruptError),
    (remove_rows, BundleCorruptError),
    (remove_version, BundleNotFoundError),
    (scribble_current, BundleCorruptError),
    (remove_current, BundleNotFoundError),
]


@pytest.mark.parametrize(("damage", "error"), DAMAGES)
def test_refresh_refuses_a_broken_version(
    bundle_dir: Path, build: Build, damage: Damage, error: type[BundleError]
) -> None:
    """A new version that cannot be opened is an error that says what is wrong with it."""
    with Cache.open(bundle_dir) as cache:
        damage(bundle_dir, build(NEW_ENTRIES).path)
        with pytest.raises(error):
            cache.refresh()


@pytest.mark.parametrize("damage", [damage for damage, _ in DAMAGES])
def test_the_old_version_stays_in_use_where_the_new_one_is_broken(
    bundle_dir: Path, build: Build, damage: Damage
) -> None:
    """After a refresh() that failed, lookups go on with the answers they had."""
    with Cache.open(bundle_dir) as cache:
        damage(bundle_dir, build(NEW_ENTRIES).path)
        with pytest.raises(BundleError):
            cache.refresh()
        assert answer(cache) == OLD_ANSWER


@pytest.mark.parametrize("damage", [damage for damage, _ in DAMAGES])
def test_a_broken_version_that_is_built_again_is_taken(bundle_dir: Path, build: Build, damage: Damage) -> None:
    """Building again mends the bundle, and the next refresh() switches to it."""
    with Cache.open(bundle_dir) as cache:
        damage(bundle_dir, build(NEW_ENTRIES).path)
        with pytest.raises(BundleError):
            cache.refresh()
        build(NEW_ENTRIES)
        assert (cache.refresh(), answer(cache)) == (True, "the new answer")


def test_close_during_refresh_wins(bundle_dir: Path, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that another thread closes while refresh() opens the new version stays closed."""
    cache = Cache.open(bundle_dir)
    build(NEW_ENTRIES)
    open_live = cache_module._open_live

    def close_meanwhile(*arguments: Any) -> Version:
        version = open_live(*arguments)
        cache.close()
        return version

    monkeypatch.setattr(cache_module, "_open_live", close_meanwhile)
    with suppress(CacheClosedError):  # as good an answer as False
        cache.refresh()
    with pytest.raises(CacheClosedError):
        cache.lookup(QUESTION)
