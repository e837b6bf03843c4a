"""Programs that publish, pull and look up at the same time as others: each in a process of its own.

Those that publish or pull say "ready" and go on when a line comes in.
"""

from __future__ import annotations

import select
import sys
from pathlib import Path

from driving import report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sharing import NAME, SignedSharing, numbered
from trusting import NOW

from semcache import Cache, Hit
from semcache.errors import SemcacheError
from semcache.remote.keys import publisher_of
from semcache.remote.offers import SigningOffers
from semcache.remote.publish import publish

N_ENTRIES, N_RELEASES = 12, 6
TEXT = str(numbered(1)[0]["query"])


def ready() -> None:
    """Wait for the others."""
    report("ready")
    sys.stdin.readline()


def publish_as(folder: str, publisher: str) -> None:
    """Publish a publisher's bundle with its own copy of the keys; report the number, or how it was refused."""
    sharing = SignedSharing(Path(folder))
    keys_dir, url = sharing.folder / f"keys-{publisher}", sharing.store.url
    offers = SigningOffers(sharing.store, publisher_of(sharing.store, keys_dir, url=url, passphrase=None), lambda: NOW)
    ready()
    try:
        done = publish(NAME, sharing.store, offers, root=sharing.folder / f"root-{publisher}")
    except SemcacheError as error:
        report({"refused": type(error).__name__})
    else:
        report({"number": done.number})


def publish_often(folder: str) -> None:
    """Build and publish one release after the other; each entry's answer names it."""
    sharing = SignedSharing(Path(folder))
    ready()
    numbers = [
        sharing.publish(numbered(N_ENTRIES, answer=f"release {number},")).number for number in range(2, N_RELEASES + 1)
    ]
    report(numbers)


def pull_once(folder: str) -> None:
    """Pull; report the version that is live, or how it was refused."""
    sharing = SignedSharing(Path(folder))
    ready()
    try:
        report({"version": sharing.pull().version})
    except SemcacheError as error:
        report({"refused": type(error).__name__})


def pull_until_the_last(folder: str) -> None:
    """Pull until the last release is here; report each release that was pulled, and what was answered then."""
    sharing = SignedSharing(Path(folder))
    ready()
    seen: list[tuple[int, str | None]] = []
    while not seen or seen[-1][0] < N_RELEASES:
        seen.append((sharing.pull().number, sharing.answer(TEXT)))
    report(seen)


def look_up(root: str, *questions: str) -> None:
    """Ask all questions over and over while versions change; say the id of each version that answered all of them.

    Ends when a line comes in. The last report holds (version, question, answer or reason) of every lookup, each once.
    """
    seen: set[tuple[str, str, str]] = set()
    last = ""
    with Cache.open(NAME, root=root, refresh_every_s=0.02) as cache:
        while not select.select([sys.stdin], [], [], 0)[0]:
            results = {question: cache.lookup(question) for question in questions}
            for question, found in results.items():
                seen.add((found.bundle_id, question, found.text if isinstance(found, Hit) else str(found.reason)))
            versions = {found.bundle_id for found in results.values()}
            if len(versions) == 1 and versions != {last}:
                [last] = versions
                report(last)
    report(sorted(seen))
