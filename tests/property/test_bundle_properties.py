from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from semcache import BuildConfig, Cache, Kind, Reason, build_bundle, check_bundle
from semcache.build.scan import scan_corpora
from semcache.core.text import normalise
from semcache.errors import CorpusError
from semcache.store.fsio import FileSystem

BOUNDED = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
CONFIG = BuildConfig(model="hashing", max_error=0.1, n_workers=1)
LETTERS = st.characters(exclude_categories=["Cs", "Cc"])
TEXT = st.text(LETTERS, min_size=1, max_size=12).filter(normalise) | st.sampled_from(["C#", "C", "cd ..", "cd .", ".."])
ANSWER = st.sampled_from(["one", "two", "caf\u00e9 \u4f60", {"a": [1, None]}, [], 0, False])

Entries = list[dict[str, Any]]


class NoSync(FileSystem):
    """Leaves out what only a crash would tell: many bundles are built here."""

    def sync_file(self, path: Path) -> None:
        """Do nothing."""

    def sync_dir(self, path: Path) -> None:
        """Do nothing."""


@st.composite
def corpora(draw: st.DrawFn) -> Entries:
    """Draw entries whose texts are mostly apart; rejects are fresh texts, or texts of other entries."""
    texts = draw(st.lists(TEXT.filter(normalise), min_size=2, max_size=12, unique_by=normalise))
    own: list[list[str]] = [[] for _ in range(draw(st.integers(1, 4)))]
    for i, text in enumerate(texts[: max(len(own), len(texts) // 2)]):
        own[i % len(own)].append(text)
    entries: Entries = []
    for i, mine in enumerate(own):
        if mine:
            others = [text for text in texts if normalise(text) not in {normalise(m) for m in mine}]
            rejects = draw(st.lists(st.sampled_from(others), max_size=3)) if others else []
            entry = {"id": f"e{i}", "query": mine[0], "paraphrases": mine[1:], "rejects": rejects}
            entries.append({**entry, "answer": draw(ANSWER), "namespace": draw(st.sampled_from(["n", "m"]))})
    return entries


@contextmanager
def written(entries: Entries) -> Iterator[Path]:
    """Give a corpus file of its own for each example."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "c.jsonl"
        path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        yield path


@BOUNDED
@given(entries=corpora(), compress=st.booleans())
def test_every_variant_finds_its_answer_and_every_guard_misses(entries: Entries, *, compress: bool) -> None:
    """Whatever scans clean builds, checks clean, and answers as it was written; no guard is ever served."""
    with written(entries) as path:
        assume(not scan_corpora([path]).n_problems)
        config = BuildConfig(model="hashing", max_error=0.1, n_workers=1, compress=compress)
        build_bundle([path], name="p", root=path.parent, config=config, fs=NoSync())
        assert check_bundle("p", root=path.parent) == []
        with Cache.open("p", root=path.parent) as cache:
            answers = {}
            for entry in entries:
                for text in (entry["query"], *entry["paraphrases"]):
                    hit = cache.lookup(text, namespace=entry["namespace"])
                    assert hit.hit
                    assert (hit.kind, hit.json(), hit.score) == (Kind.EXACT, entry["answer"], 1.0)
                    answers[entry["namespace"], normalise(text)] = entry["answer"]
            for entry in entries:
                for text in entry["rejects"]:
                    result = cache.lookup(text, namespace=entry["namespace"])
                    place = entry["namespace"], normalise(text)
                    if result.hit:
                        assert result.json() == answers[place]
                    else:
                        assert (place in answers, result.reason) == (False, Reason.GUARD)


@BOUNDED
@given(corpora())
def test_the_same_corpus_is_the_same_version(entries: Entries) -> None:
    """Same corpus, config and seed: same id, also in another folder, built by other threads."""
    with written(entries) as path:
        assume(not scan_corpora([path]).n_problems)
        one = build_bundle([path], name="p", root=path.parent / "one", config=CONFIG, fs=NoSync())
        again = build_bundle([path], name="p", root=path.parent / "one", config=CONFIG, fs=NoSync())
        threads = BuildConfig(model="hashing", max_error=0.1, n_workers=3, batch_rows=16)
        other = build_bundle([path], name="p", root=path.parent / "other", config=threads, fs=NoSync())
    assert (again.id, again.is_new, other.id) == (one.id, False, one.id)


@BOUNDED
@given(corpora(), st.text(st.characters(exclude_categories=()), max_size=30))
def test_any_text_is_a_hit_or_a_miss(entries: Entries, text: str) -> None:
    """A lookup raises for no text at all: empty, unpaired surrogates, control characters."""
    with written(entries) as path:
        assume(not scan_corpora([path]).n_problems)
        build_bundle([path], name="p", root=path.parent, config=CONFIG, fs=NoSync())
        with Cache.open("p", root=path.parent) as cache:
            result = cache.lookup(text)
            explained = cache.explain(text).result
    assert result == explained
    assert result.hit or result.detail


@BOUNDED
@given(corpora(), TEXT)
def test_one_text_with_two_answers_never_builds(entries: Entries, text: str) -> None:
    """Whatever else is in the corpus, and leaves nothing behind."""
    for i in range(2):
        entries.append({"id": f"x{i}", "query": text, "answer": f"answer {i}", "namespace": "n"})
    with written(entries) as path:
        with pytest.raises(CorpusError):
            build_bundle([path], name="p", root=path.parent, config=CONFIG, fs=NoSync())
        assert [p.name for p in path.parent.iterdir()] == ["c.jsonl"]
