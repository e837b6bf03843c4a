"""A bundle goes from one machine to another, and answers there as it did here."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from remote_servers import NGINX, nginx, s3
from sharing import NAME, Sharing, numbered
from trusting import DAY, NOW

from semcache import BuildConfig, Cache, check_bundle
from semcache.bundle.locate import read_current
from semcache.config import KeysConfig
from semcache.core.release import parse_release
from semcache.errors import (
    BuildLockedError,
    ConfigError,
    ExpiredError,
    NotPublishedError,
    PublishConflictError,
    UnsignedRemoteError,
)
from semcache.remote.keys import init_keys, publisher_of
from semcache.remote.offers import (
    SignedOffers,
    SigningOffers,
    UnsignedOffers,
    only_name,
    reading_offers,
    unsigned_offers,
)
from semcache.remote.publish import publish
from semcache.remote.pull import pull
from semcache.store.objects import ObjectStore
from semcache.store.trust import Anchor

ENTRIES = numbered(40)
TEXTS = [str(entry["query"]) for entry in ENTRIES]
KINDS = {
    "flat": BuildConfig(model="hashing"),
    "compressed": BuildConfig(model="hashing", compress=True),
    "ivf": BuildConfig(model="hashing", index="ivf", min_recall_at_1=0, min_recall_at_10=0),
    "hnsw": BuildConfig(model="hashing", index="hnsw", min_recall_at_1=0, min_recall_at_10=0),
}


@pytest.fixture
def sharing(tmp_path: Path) -> Sharing:
    """Give a publisher and a reader."""
    return Sharing(tmp_path)


def everything(root: Path) -> list[object]:
    """Return what a bundle says of known texts and of near ones: results and scores."""
    with Cache.open(NAME, root=root) as cache:
        texts = [*TEXTS, *(f"please {text}" for text in TEXTS)]
        results = cache.lookup_many(texts)
        return [
            (result.hit, result.text if result.hit else result.reason, result.score if result.hit else 0.0)
            for result in results
        ] + [[(near.entry_id, near.score) for near in cache.search(text, k=5)] for text in texts]


@pytest.mark.parametrize("kind", KINDS)
def test_a_pulled_bundle_is_the_publishers(sharing: Sharing, kind: str) -> None:
    """Whatever its index and its compression: every byte is checked, and it answers and finds the same."""
    published = sharing.publish(ENTRIES, config=KINDS[kind])
    report = sharing.pull()
    assert (report.number, report.is_new, report.fetched_bytes) == (1, True, report.size_bytes)
    assert report.version == published.version  # the same libraries here: the same bytes
    assert check_bundle(NAME, root=sharing.pulled_root) == []
    assert everything(sharing.pulled_root) == everything(sharing.root)


def test_nothing_new_moves_nothing(sharing: Sharing) -> None:
    """Neither published nor pulled a second time."""
    sharing.publish(ENTRIES)
    again = sharing.publish(ENTRIES)
    assert (again.is_new, again.number, again.sent_bytes) == (False, 1, 0)
    first, second = sharing.pull(), sharing.pull()
    assert (second.is_new, second.version, second.fetched_bytes) == (False, first.version, 0)


def test_a_dry_run_says_what_would_move(sharing: Sharing) -> None:
    """And moves nothing."""
    sharing.build(ENTRIES)
    offers = UnsignedOffers(sharing.store)
    dry = publish(NAME, sharing.store, offers, root=sharing.root, dry_run=True)
    assert (dry.sent_bytes, sharing.store.sizes()) == (0, {})
    assert sharing.publish(ENTRIES).sent_bytes == dry.new_bytes > 0
    would = sharing.pull(dry_run=True)
    assert (would.version, would.fetched_bytes, (sharing.pulled_root / NAME).exists()) == (None, 0, False)
    assert sharing.pull().fetched_bytes == would.missing_bytes > 0


def test_a_small_change_is_a_small_pull(sharing: Sharing) -> None:
    """Of 2,000 entries 40 get other answers: under 5 % comes (measured: 2.9 %). 40 go, 40 come: under 25 % (19.6 %)."""
    entries = numbered(2000)
    sharing.publish(entries)
    whole = sharing.pull().fetched_bytes
    entries = [
        {**entry, "answer": f"{entry['answer']}, new"} if i % 50 == 0 else entry for i, entry in enumerate(entries)
    ]
    published = sharing.publish(entries)
    report = sharing.pull()
    assert report.version == published.version
    assert report.fetched_bytes < 0.05 * whole
    assert sharing.answer(str(entries[50]["query"])) == "answer 50 of item50, new"
    assert sharing.answer(str(entries[51]["query"])) == "answer 51 of item51"
    added = [{**entry, "id": f"new-{entry['id']}", "query": f"{entry['query']} again"} for entry in entries[:40]]
    sharing.publish([*entries[:-40], *added])
    assert sharing.pull().fetched_bytes < 0.25 * whole
    assert sharing.answer(str(added[1]["query"])) == "answer 1 of item1"
    assert check_bundle(NAME, root=sharing.pulled_root) == []


def test_what_is_gone_is_gone_after_the_next_pull(sharing: Sharing) -> None:
    """An entry that was deleted is a miss; its neighbours stay."""
    sharing.publish(ENTRIES)
    sharing.pull()
    sharing.publish([*ENTRIES[:7], *ENTRIES[8:]])
    sharing.pull()
    assert [sharing.answer(text) for text in TEXTS[6:9]] == ["answer 6 of item6", None, "answer 8 of item8"]


def test_two_pulls_at_once_leave_a_whole_bundle(sharing: Sharing) -> None:
    """Each brings it, or is told that another one does."""
    sharing.publish(ENTRIES)

    def one(_: int) -> str | None:
        try:
            return sharing.pull().version
        except BuildLockedError:
            return None

    with ThreadPoolExecutor(2) as pool:
        versions = set(pool.map(one, range(2))) - {None}
    assert versions == {read_current(sharing.pulled_root / NAME)}
    assert check_bundle(NAME, root=sharing.pulled_root) == []


def test_what_is_published_during_a_pull_waits_for_the_next(sharing: Sharing) -> None:
    """The pull ends with the release that it began with."""
    sharing.publish(ENTRIES)
    later: list[int] = []

    def meanwhile(done_bytes: int, _: int) -> None:
        if done_bytes and not later:
            later.append(sharing.publish(ENTRIES[1:]).number)

    report = pull(
        NAME, sharing.store, UnsignedOffers(sharing.store), root=sharing.pulled_root, n_workers=1, progress=meanwhile
    )
    assert (report.number, later, sharing.answer(TEXTS[0])) == (1, [2], "answer 0 of item0")
    assert (sharing.pull().number, sharing.answer(TEXTS[0])) == (2, None)


def test_a_name_that_is_not_offered_is_said_to_be(sharing: Sharing) -> None:
    """With those that are."""
    sharing.publish(ENTRIES)
    with pytest.raises(NotPublishedError, match=r": offers no other; it has small$"):
        pull("other", sharing.store, UnsignedOffers(sharing.store), root=sharing.pulled_root)
    with pytest.raises(ConfigError, match=r"^name: found '\.\./x'"):
        pull("../x", sharing.store, UnsignedOffers(sharing.store), root=sharing.pulled_root)


def test_the_only_bundle_needs_no_name(sharing: Sharing) -> None:
    """Of several one has to be named."""
    sharing.publish(ENTRIES)
    offers = UnsignedOffers(sharing.store)
    assert only_name(offers, url="remote") == "small"
    offers.write("other", b"{}")
    with pytest.raises(ConfigError, match=r"^remote: offers other, small; name one of them$"):
        only_name(offers, url="remote")


@pytest.fixture
def signing(sharing: Sharing) -> Callable[..., SigningOffers]:
    """Give a function that returns the publisher's offers at a time after `NOW`."""
    keys_dir = sharing.folder / "keys"
    init_keys(keys_dir, config=KeysConfig(), passphrase=None, now=NOW)

    def at(later: timedelta = timedelta()) -> SigningOffers:
        publisher = publisher_of(sharing.store, keys_dir, url=sharing.store.url, passphrase=None)
        return SigningOffers(sharing.store, publisher, lambda: NOW + later)

    return at


def signed(sharing: Sharing, later: timedelta = timedelta()) -> SignedOffers:
    """Return a reader's view of a signed remote."""
    return SignedOffers(sharing.store, sharing.folder / "trust", lambda: NOW + later)


def test_a_signed_bundle_is_pulled_by_its_name(sharing: Sharing, signing: Callable[..., SigningOffers]) -> None:
    """The first root is shown once; then it is known."""
    sharing.build(ENTRIES)
    publish(NAME, sharing.store, signing(), root=sharing.root)
    seen: list[Anchor] = []
    offers = SignedOffers(sharing.store, sharing.folder / "trust", lambda: NOW, on_first_use=seen.append)
    assert only_name(offers, url="remote") == NAME
    assert pull(NAME, sharing.store, offers, root=sharing.pulled_root).is_new
    assert (len(seen), sharing.answer(TEXTS[0])) == (1, "answer 0 of item0")


def test_a_publisher_goes_on_after_its_metadata_has_ended(
    sharing: Sharing, signing: Callable[..., SigningOffers]
) -> None:
    """A reader is refused until then."""
    sharing.build(ENTRIES)
    publish(NAME, sharing.store, signing(), root=sharing.root)
    with pytest.raises(ExpiredError):
        pull(NAME, sharing.store, signed(sharing, 3 * DAY), root=sharing.pulled_root)
    sharing.build(ENTRIES[1:])
    publish(NAME, sharing.store, signing(3 * DAY), root=sharing.root)
    assert pull(NAME, sharing.store, signed(sharing, 3 * DAY), root=sharing.pulled_root).number == 2


def test_of_two_publishers_at_once_the_slower_one_begins_anew(
    sharing: Sharing, signing: Callable[..., SigningOffers]
) -> None:
    """Else two releases would have one number, and the first one would be lost; also where there was none before."""
    sharing.build(ENTRIES)
    for entries in (ENTRIES[1:], ENTRIES[2:]):
        slow, fast = signing(), signing()
        with suppress(NotPublishedError):
            slow.read(NAME)
        first = publish(NAME, sharing.store, fast, root=sharing.root)
        with pytest.raises(PublishConflictError, match=r"offers another small/release\.json meanwhile; publish again$"):
            slow.write(NAME, b"what was cut of the release before")
        assert parse_release(signed(sharing).read(NAME)).number == first.number
        sharing.build(entries)


def test_a_signed_remote_is_never_taken_unsigned(sharing: Sharing, signing: Callable[..., SigningOffers]) -> None:
    """Not while it has a root, not after somebody deleted that, and nothing unsigned is published to it."""
    sharing.build(ENTRIES)
    publish(NAME, sharing.store, signing(), root=sharing.root)
    trust = sharing.folder / "trust"
    assert isinstance(reading_offers(sharing.store, metadata_dir=trust, allow_unsigned=True), SignedOffers)
    with pytest.raises(ConfigError, match="is signed, so readers look at signed releases only"):
        unsigned_offers(sharing.store)
    signed(sharing).names()
    for path in sharing.store.sizes("metadata"):
        sharing.store.delete(path)
    offers = reading_offers(sharing.store, metadata_dir=trust, allow_unsigned=True)
    with pytest.raises(UnsignedRemoteError):
        offers.read(NAME)


def test_an_unsigned_remote_is_taken_where_that_is_allowed(sharing: Sharing) -> None:
    """And refused otherwise."""
    sharing.publish(ENTRIES)
    trust = sharing.folder / "trust"
    assert reading_offers(sharing.store, metadata_dir=trust, allow_unsigned=True).names() == [NAME]
    with pytest.raises(UnsignedRemoteError, match="--allow-unsigned takes it as it is"):
        reading_offers(sharing.store, metadata_dir=trust).read(NAME)


def test_a_bundle_comes_over_a_web_server(sharing: Sharing) -> None:
    """As from a folder; what cannot be listed is not guessed."""
    if NGINX is None:
        pytest.skip("needs nginx: apt-get install nginx-light")
    sharing.publish(ENTRIES)
    with nginx(sharing.folder / "remote", sharing.folder / "nginx") as server:
        store = ObjectStore.open(server.url)
        pull(NAME, store, UnsignedOffers(store), root=sharing.pulled_root)
        with pytest.raises(NotPublishedError, match=r"offers no other; check the name, and that it was published$"):
            UnsignedOffers(store).read("other")
    assert everything(sharing.pulled_root) == everything(sharing.root)


def test_a_signed_bundle_goes_over_s3(sharing: Sharing) -> None:
    """Published to a bucket and pulled from it."""
    sharing.build(ENTRIES)
    init_keys(sharing.folder / "keys", config=KeysConfig(), passphrase=None, now=NOW)
    with s3() as bucket:
        store = ObjectStore.open(f"{bucket.url}/shared", storage_options=bucket.options)
        publisher = publisher_of(store, sharing.folder / "keys", url=store.url, passphrase=None)
        publish(NAME, store, SigningOffers(store, publisher, lambda: NOW), root=sharing.root)
        offers = SignedOffers(store, sharing.folder / "trust", lambda: NOW)
        pull(NAME, store, offers, root=sharing.pulled_root)
    assert everything(sharing.pulled_root) == everything(sharing.root)


def test_what_was_pulled_is_noted(sharing: Sharing) -> None:
    """The remote, the release and the version."""
    sharing.publish(ENTRIES)
    report = sharing.pull()
    noted = json.loads((sharing.pulled_root / NAME / "pulled.json").read_bytes())
    assert (noted["number"], noted["version"], noted["url"]) == (1, report.version, sharing.store.url)
    assert noted["name"] == NAME
