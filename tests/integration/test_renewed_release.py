"""A publisher whose corpus does not change says so every day; a reader notes it, and moves and builds nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sharing import NAME, RELEASE, Sharing, numbered
from trusting import DAY, NOW

from semcache import Cache
from semcache.bundle.locate import read_current
from semcache.bundle.release_note import ReleaseNote, read_note
from semcache.config import KeysConfig
from semcache.core.release import Release, parse_release
from semcache.errors import BuildLockedError, BundleCorruptError
from semcache.remote.keys import init_keys, publisher_of
from semcache.remote.offers import SignedOffers, SigningOffers
from semcache.remote.publish import publish
from semcache.remote.pull import pull
from semcache.remote.rollback import rollback
from semcache.store.lock import exclusive_lock

ENTRIES = numbered(5)
OTHERS = numbered(5, answer="other")
TEXT = str(ENTRIES[2]["query"])


@pytest.fixture
def sharing(tmp_path: Path) -> Sharing:
    """Give a publisher and a reader who pulled its release."""
    sharing = Sharing(tmp_path)
    sharing.publish(ENTRIES)
    sharing.pull()
    return sharing


def offered(sharing: Sharing) -> Release:
    """Return what the remote offers."""
    return parse_release((sharing.folder / "remote" / RELEASE).read_bytes())


def noted(sharing: Sharing) -> ReleaseNote:
    """Return what the reader knows of its last pull."""
    note = read_note(sharing.pulled_root / NAME)
    assert note is not None
    return note


def live(sharing: Sharing) -> str:
    """Return the reader's live version."""
    return read_current(sharing.pulled_root / NAME)


@pytest.mark.parametrize(("hours", "number"), [(19, 1), (21, 2), (240, 2)])
def test_an_unchanged_version_is_renewed_after_most_of_a_day(sharing: Sharing, hours: int, number: int) -> None:
    """The same chunks under a new number and the time of now; before that, nothing is written."""
    before, objects = offered(sharing), sharing.store.sizes()
    report = sharing.publish_live(now=NOW + timedelta(hours=hours))
    after = offered(sharing)
    assert (report.number, report.is_new, report.is_renewed) == (number, False, number == 2)
    assert (report.new_bytes, report.sent_bytes) == (0, 0)
    assert after.number == number
    assert round((after.published - before.published) / 3600) == (hours if number == 2 else 0)
    assert after.content_sha256() == before.content_sha256()
    assert sharing.store.sizes().keys() == objects.keys()


def test_a_dry_run_renews_nothing(sharing: Sharing) -> None:
    """It says that it would."""
    report = sharing.publish_live(now=NOW + timedelta(days=1), dry_run=True)
    assert (report.number, report.is_renewed, offered(sharing).number) == (2, True, 1)


def test_a_publishers_clock_that_went_back_renews_nothing(sharing: Sharing) -> None:
    """A release is not made older."""
    assert not sharing.publish_live(now=NOW + timedelta(days=-3)).is_renewed


def test_a_reader_notes_a_renewal_and_does_nothing_else(sharing: Sharing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched or built, the version stays, and its release is young again."""
    before = noted(sharing)
    sharing.publish_live(now=NOW + timedelta(days=1))
    for name in ("assemble", "fetch_all", "open_staging"):
        monkeypatch.setattr(f"semcache.remote.pull.{name}", None)
    assert sharing.pull(dry_run=True).is_renewed
    assert noted(sharing) == before
    report = sharing.pull()
    assert (report.version, report.number, report.is_new, report.is_renewed) == (before.version, 2, False, True)
    assert report.fetched_bytes == 0
    after = noted(sharing)
    assert (after.number, after.version, after.rolled_back) == (2, before.version, "")
    assert after.published - before.published >= 86_400
    again = sharing.pull()
    assert (again.number, again.is_new, again.is_renewed) == (2, False, False)


def test_an_open_cache_takes_up_the_age_of_a_renewal(sharing: Sharing) -> None:
    """With its next refresh, though its version stays."""
    with Cache.open(NAME, root=sharing.pulled_root) as cache:
        sharing.publish_live(now=NOW + timedelta(days=1))
        sharing.pull()
        cache.refresh()
        release = cache.info.release
        assert release is not None
        assert release.number == 2


def test_a_change_after_renewals_is_pulled(sharing: Sharing) -> None:
    """Its number follows theirs."""
    sharing.publish_live(now=NOW + timedelta(days=1))
    sharing.publish_live(now=NOW + timedelta(days=2))
    assert sharing.publish(OTHERS, now=NOW + timedelta(days=3)).number == 4
    assert (sharing.pull().number, sharing.answer(TEXT)) == (4, "other 2 of item2")


def test_a_renewal_mends_a_damaged_version(sharing: Sharing) -> None:
    """What stands for it is not whole, so it is built anew."""
    path = sharing.pulled_root / NAME / "versions" / live(sharing) / "values.mdb"
    path.write_bytes(path.read_bytes()[:-4096])
    sharing.publish_live(now=NOW + timedelta(days=1))
    report = sharing.pull()
    assert (report.is_new, sharing.answer(TEXT)) == (True, "answer 2 of item2")


@pytest.fixture
def rolled_back(sharing: Sharing) -> Sharing:
    """Give a reader who went back from the second release to the first."""
    sharing.publish(OTHERS)
    sharing.pull()
    rollback(NAME, root=sharing.pulled_root)
    return sharing


def test_what_was_rolled_back_is_not_brought_by_its_renewal(rolled_back: Sharing) -> None:
    """The version before stays live; the note says that the newest is known and left out."""
    first = live(rolled_back)
    for days in (1, 2):
        rolled_back.publish_live(now=NOW + timedelta(days=days))
        report = rolled_back.pull()
        assert (report.version, report.number, report.is_new, report.is_renewed) == (first, 2 + days, False, True)
    note = noted(rolled_back)
    assert (live(rolled_back), note.version, note.number) == (first, first, 4)
    assert note.rolled_back not in {"", first}
    assert rolled_back.answer(TEXT) == "answer 2 of item2"


def test_what_was_rolled_back_stays_out_of_a_damaged_bundle(rolled_back: Sharing) -> None:
    """Nobody can serve the live version, and a pull says so instead of bringing what its user sent away."""
    first = live(rolled_back)
    path = rolled_back.pulled_root / NAME / "versions" / first / "index.faiss"
    path.write_bytes(path.read_bytes()[:-1])
    for days in (0, 1):
        rolled_back.publish_live(now=NOW + timedelta(days=days))
        with pytest.raises(BundleCorruptError, match=rf"{first}: is live and damaged .* release 2 was rolled back"):
            rolled_back.pull()
        assert live(rolled_back) == first
    rolled_back.publish([*OTHERS, *numbered(6)[5:]], now=NOW + timedelta(days=2))
    assert (rolled_back.pull().is_new, rolled_back.answer(TEXT)) == (True, "other 2 of item2")


def test_what_was_rolled_back_and_damaged_since_is_left_alone(rolled_back: Sharing) -> None:
    """No pull mends it, and no pull makes it live."""
    first, note = live(rolled_back), noted(rolled_back)
    path = rolled_back.pulled_root / NAME / "versions" / note.rolled_back / "values.mdb"
    path.write_bytes(b"damaged")
    for days in (0, 1):
        rolled_back.publish_live(now=NOW + timedelta(days=days))
        assert not rolled_back.pull().is_new
    assert (live(rolled_back), path.read_bytes()) == (first, b"damaged")


def test_what_is_offered_once_more_after_another_release_is_new(rolled_back: Sharing) -> None:
    """A publisher that goes back to the first corpus, and on to the second, means it."""
    rolled_back.publish(ENTRIES)
    assert (rolled_back.pull().is_new, rolled_back.answer(TEXT)) == (True, "answer 2 of item2")
    rolled_back.publish(OTHERS)
    assert (rolled_back.pull().is_new, rolled_back.answer(TEXT)) == (True, "other 2 of item2")


def test_a_renewal_waits_for_nobody(sharing: Sharing) -> None:
    """While the name is worked on it is refused, and nothing is noted."""
    sharing.publish_live(now=NOW + timedelta(days=1))
    lock = sharing.pulled_root / NAME / "build.lock"
    with exclusive_lock(lock), pytest.raises(BuildLockedError, match="a build, pull, rollback or gc of this name"):
        sharing.pull()
    assert noted(sharing).number == 1


def test_a_renewal_is_signed_anew(tmp_path: Path) -> None:
    """So a reader takes it when the signatures of the day before have ended."""
    sharing = Sharing(tmp_path)
    init_keys(tmp_path / "keys", config=KeysConfig(), passphrase=None, now=NOW)
    sharing.build(ENTRIES)
    publisher = publisher_of(sharing.store, tmp_path / "keys", url=sharing.store.url, passphrase=None)
    for later in (timedelta(), 1.5 * DAY):
        clock = lambda later=later: NOW + later  # noqa: E731 - a name for two arguments
        publish(NAME, sharing.store, SigningOffers(sharing.store, publisher, clock), root=sharing.root, clock=clock)
    offers = SignedOffers(sharing.store, tmp_path / "trust", lambda: NOW + 3 * DAY)
    assert pull(NAME, sharing.store, offers, root=sharing.pulled_root).number == 2
