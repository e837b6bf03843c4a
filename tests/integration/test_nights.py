"""Night after night a corpus changes, is built, published and pulled: 20 nights here, 200 with `make soak`."""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from looking import answers, live_rows
from sharing import NAME, SignedSharing
from trusting import DAY, NOW

from semcache import BuildConfig, Cache, build_bundle, check_bundle
from semcache.remote.gc import collect

CONFIG = BuildConfig(model="hashing", max_error=0.1, adapter=False)
"""An adapter is kept from night to night, so that vectors stay: scores with it are of the night that learned it."""
N_NIGHTS = int(os.environ.get("SEMCACHE_SOAK_NIGHTS", "20"))
REPORT = os.environ.get("SEMCACHE_SOAK_REPORT")
"""Where the figures go, if anywhere."""
N_ENTRIES = 300
EVERY = 20
"""So many nights lie between two comparisons with a build from scratch."""
MOST_FETCHED = 0.4
"""Share of a release that a pull may fetch where numbers stay; at this size files that travel whole are most of it."""
Document = dict[str, Any]
Numbers = dict[tuple[str, str], tuple[int, int]]
"""Row and entry number of each text of each entry."""


@dataclass
class Corpus:
    """Entries that change at random, a few each night."""

    draw: random.Random
    documents: list[Document] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    n_made: int = 0

    def night(self) -> None:
        """Add, remove, answer anew, reword and move some entries."""
        for _ in range(self.draw.randint(0, 6)):
            self.add()
        for _ in range(self.draw.randint(0, 6)):
            self.gone.append(self.documents.pop(self.draw.randrange(len(self.documents)))["query"])
        for document in self.draw.sample(self.documents, self.draw.randint(0, 4)):
            document["answer"] = f"changed {self.draw.random()}"
        for document in self.draw.sample(self.documents, self.draw.randint(0, 4)):
            document["paraphrases"][0] = f"reworded {self.draw.randrange(10**6)} as {document['id']}"
        self.documents.insert(0, self.documents.pop(self.draw.randrange(len(self.documents))))

    def add(self) -> None:
        """Put a new entry somewhere; now and then with a guard, or an answer that others have."""
        number = self.n_made
        self.n_made += 1
        texts = [f"question {number} about topic {number * 7919 % 1009} in form {form}" for form in range(3)]
        document = {"id": f"e{number}", "query": texts[0], "paraphrases": texts[1:], "namespace": f"n{number % 2}"}
        document["answer"] = f"answer {number // 2}"
        document["rejects"] = [f"not question {number} at all"] if number % 3 == 0 else []
        self.documents.insert(self.draw.randint(0, len(self.documents)), document)

    def texts(self) -> list[str]:
        """Return every text that is in it, some near them, and some that were."""
        known = [text for one in self.documents for text in (one["query"], *one["paraphrases"], *one["rejects"])]
        return [*known, *(f"{text} please" for text in known[::7]), *self.gone[-20:]]


def numbers_of(root: Path) -> Numbers:
    """Return the numbers of a bundle's texts."""
    with Cache.open(NAME, root=root) as cache:
        rows = cache._version.reader.rows  # type: ignore[union-attr]
        return {
            (near.entry_id, near.variant): (row, max(int(rows[row]), ~int(rows[row]))) for row, near in live_rows(cache)
        }


def everything(root: Path, texts: list[str]) -> tuple[set[Any], list[Any]]:
    """Return what a bundle holds, whatever its numbers, and what a person sees of a lookup of each text."""
    with Cache.open(NAME, root=root) as cache:
        held = {(near.entry_id, near.variant, near.kind, near.namespace) for _, near in live_rows(cache)}
        return held, answers(cache, texts)


@dataclass(frozen=True)
class Night:
    """What one night did.

    Attributes:
        is_compacted: numbers were given out anew, because too many were dead.
        fetched_share: of the release's bytes that the reader's pull fetched.
    """

    is_compacted: bool
    fetched_share: float


@dataclass
class Nights:
    """A publisher and a reader, one night after the other."""

    sharing: SignedSharing
    corpus: Corpus
    n_dead: int = 0
    numbers: Numbers = field(default_factory=dict)

    def run(self, number: int) -> Night:
        """Change the corpus, build, publish, pull and remove; hold the numbers against those of the night before."""
        self.corpus.night()
        now = NOW + number * DAY
        n_dead = self.sharing.build(self.corpus.documents, config=CONFIG).manifest.counts.dead_rows
        sent = self.sharing.publish_live(now=now)
        pulled = self.sharing.pull(now=now)
        assert (pulled.number, pulled.is_new) == (sent.number, True)
        for root in (self.sharing.root, self.sharing.pulled_root):
            assert check_bundle(NAME, root=root) == []
            collect(root=root, keep=1)
        night = Night(n_dead < self.n_dead, pulled.fetched_bytes / pulled.size_bytes)
        numbers = numbers_of(self.sharing.pulled_root)
        if not night.is_compacted:
            assert [text for text in self.numbers.keys() & numbers if self.numbers[text] != numbers[text]] == []
        self.n_dead, self.numbers = n_dead, numbers
        return night


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    """Give the first night's publisher and reader."""
    corpus = Corpus(random.Random(5))
    for _ in range(N_ENTRIES):
        corpus.add()
    sharing = SignedSharing(tmp_path)
    sharing.make_keys()
    sharing.publish(corpus.documents, config=CONFIG)
    sharing.pull()
    return Nights(sharing, corpus, numbers=numbers_of(sharing.pulled_root))


def test_after_many_nights_a_reader_has_what_a_build_from_scratch_has(nights: Nights) -> None:
    """Same texts, entries and answers, with scores; numbers stay between compactions, and little is fetched."""
    done: list[Night] = []
    for number in range(1, N_NIGHTS + 1):
        done.append(nights.run(number))
        if number % EVERY == 0:
            folder, texts = nights.sharing.folder / f"scratch-{number}", nights.corpus.texts()
            build_bundle([nights.sharing.folder / "corpus.jsonl"], name=NAME, root=folder, config=CONFIG)
            assert everything(nights.sharing.pulled_root, texts) == everything(folder, texts)
    shares = sorted(night.fetched_share for night in done if not night.is_compacted)
    if REPORT:
        figures: dict[str, float] = {
            "nights": N_NIGHTS,
            "compactions": N_NIGHTS - len(shares),
            "entries": len(nights.corpus.documents),
        }
        figures |= {"median_fetched_share": round(median(shares), 3), "most_fetched_share": round(shares[-1], 3)}
        Path(REPORT).write_text(json.dumps(figures, indent=2) + "\n")
    assert shares[-1] < MOST_FETCHED
    assert 1 <= N_NIGHTS - len(shares) <= N_NIGHTS / 10
