"""How old a pulled bundle may be."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from semcache import BuildReport, Cache
from semcache.bundle.release_note import ReleaseNote, write_note
from semcache.errors import BundleExpiredError, ConfigError
from semcache.store.fsio import FileSystem

DAY_S = 86_400
QUESTION = "add login page"


def note(bundle_dir: Path, *, days: float, version: str | None = None) -> ReleaseNote:
    """Say that the live version was pulled, as a release that was published some days ago."""
    live = (bundle_dir / "CURRENT").read_text("ascii").strip()
    published = int(time.time() - days * DAY_S)
    found = ReleaseNote("small", "https://example.org/remote", 7, published, version or live)
    write_note(FileSystem(), bundle_dir, found)
    return found


def test_a_bundle_that_was_built_here_has_no_age(bundle_dir: Path) -> None:
    """However old it is, nobody else has a newer one."""
    with Cache.open(bundle_dir, max_age_s=60, strict_age=True) as cache:
        assert (cache.info.release, cache.info.warning) == (None, None)


def test_a_young_release_is_served_without_a_word(bundle_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Up to 7 days; info says which it is."""
    found = note(bundle_dir, days=6.9)
    with Cache.open(bundle_dir, strict_age=True) as cache:
        assert cache.lookup(QUESTION).hit
        assert (cache.info.release, cache.info.warning, caplog.records) == (found, None, [])


def test_an_old_release_is_served_with_one_warning(bundle_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In the log once, and in info: which release, how old, from where."""
    note(bundle_dir, days=8)
    with caplog.at_level(logging.WARNING), Cache.open(bundle_dir) as cache:
        assert all(cache.lookup(QUESTION).hit for _ in range(3))
        warning = cache.info.warning
    assert warning is not None
    assert warning.startswith("release 7 was published ")
    assert warning.endswith(
        "8.0 days ago, which is more than is allowed; pull again, or ask the publisher of "
        "https://example.org/remote for a newer one"
    )
    assert [record.getMessage() for record in caplog.records] == [f"{bundle_dir}: {warning}"]


def test_an_old_release_is_refused_where_the_caller_is_strict(bundle_dir: Path) -> None:
    """By an error of its own, with the bundle."""
    note(bundle_dir, days=8)
    with pytest.raises(BundleExpiredError, match=r"release 7 was published .* 8\.0 days ago") as caught:
        Cache.open(bundle_dir, strict_age=True)
    assert caught.value.path == bundle_dir


def test_a_release_that_becomes_too_old_is_refused_from_then_on(
    bundle_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a process that opened it in time."""
    note(bundle_dir, days=6)
    with Cache.open(bundle_dir, strict_age=True) as cache:
        cache.lookup(QUESTION)
        later = time.time() + 2 * DAY_S
        monkeypatch.setattr(time, "time", lambda: later)
        with pytest.raises(BundleExpiredError):
            cache.lookup(QUESTION)
        with pytest.raises(BundleExpiredError):
            cache.lookup_many([QUESTION])


def test_any_age_is_allowed_where_the_caller_says_so(bundle_dir: Path) -> None:
    """None is no limit."""
    note(bundle_dir, days=4000)
    with Cache.open(bundle_dir, max_age_s=None, strict_age=True) as cache:
        assert (cache.lookup(QUESTION).hit, cache.info.warning) == (True, None)


def test_what_was_built_over_a_pulled_bundle_has_no_age(bundle_dir: Path, build: Callable[..., BuildReport]) -> None:
    """The note is of another version than the live one."""
    found = note(bundle_dir, days=8)
    assert build([{"id": "a", "query": "x y", "answer": "z"}]).id != found.version
    with Cache.open(bundle_dir, strict_age=True) as cache:
        assert cache.info.release is None


def test_a_refresh_takes_what_a_pull_noted_after_it_switched(bundle_dir: Path) -> None:
    """The version is the same, and its release is known now."""
    with Cache.open(bundle_dir, strict_age=True) as cache:
        note(bundle_dir, days=8)
        assert cache.refresh() is False
        with pytest.raises(BundleExpiredError):
            cache.lookup(QUESTION)


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"version": 7}', b"\xff" * 100])
def test_a_note_that_cannot_be_read_is_none(bundle_dir: Path, raw: bytes) -> None:
    """A bundle is served without it."""
    (bundle_dir / "pulled.json").write_bytes(raw)
    with Cache.open(bundle_dir, strict_age=True) as cache:
        assert cache.info.release is None


@pytest.mark.parametrize(("name", "value"), [("max_age_s", 59.0), ("refresh_every_s", 0.0)])
def test_ages_and_intervals_have_a_range(bundle_dir: Path, name: str, value: float) -> None:
    """0 is not "never"."""
    with pytest.raises(ConfigError, match=f"^{name}: found {value}, allowed "):
        Cache.open(bundle_dir, **{name: value})  # type: ignore[arg-type]  # two numbers
