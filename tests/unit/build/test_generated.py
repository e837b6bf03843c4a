from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shared import HASHING, write_corpus

from semcache import BuildConfig, BuildReport, Cache, Hit, build_bundle
from semcache.build.augment import AugmentReport, augment_corpora, plan_augment
from semcache.build.sidecar import (
    Receipt,
    Record,
    Sidecar,
    Variant,
    digest_of,
    replace_sidecar,
    sidecar_path,
)
from semcache.config import AugmentConfig
from semcache.embed.hashing import HASHING_SPEC, HashingEmbedder
from semcache.errors import CorpusError, StorageError
from semcache.store.fsio import FileSystem

ENTRIES: list[dict[str, Any]] = [
    {"id": "add", "query": "How do I add a page?", "answer": "add it", "rejects": ["drop a page"]},
    {"id": "sort", "query": "How do I sort a list?", "answer": "sort it", "paraphrases": ["order my items"]},
    {"id": "sort/2", "query": "sorting of lists", "answer": "sort it"},
]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Give a corpus."""
    return write_corpus(tmp_path / "c.jsonl", ENTRIES)


def variant(entry: str, text: str, status: str = "kept", *, of: str | None = None, source: Any = "llm") -> Variant:
    """Give a variant of an entry's query."""
    queries = {item["id"]: item["query"] for item in ENTRIES}
    return Variant(entry, digest_of(of or queries[entry]), source, "m", text, status)


def built(corpus: Path, *records: Record, config: BuildConfig = HASHING) -> BuildReport:
    """Build from a corpus with these generated variants."""
    if records:
        replace_sidecar(FileSystem(), sidecar_path(corpus), records)
    return build_bundle([corpus], name="c", root=corpus.parent / "indexes", config=config)


def kinds_of(corpus: Path) -> dict[str, str]:
    """Give the kind of every row, by its text."""
    with Cache.open(corpus.parent / "indexes" / "c") as cache:
        return {n.variant: str(n.kind) for n in cache.search("how do i add or sort a page or a list", k=99)}


def test_kept_variants_are_indexed_with_their_kind(corpus: Path) -> None:
    """Each with the entry it was made for; the exact tier knows them."""
    report = built(corpus, variant("add", "put in a page"), variant("sort", "how to sort a list", source="rule"))
    assert report.generated == {"llm": 1, "rule": 1}
    assert kinds_of(corpus).items() >= {("put in a page", "llm"), ("how to sort a list", "rule")}
    with Cache.open(corpus.parent / "indexes" / "c") as cache:
        hit = cache.lookup("Put in a page!")
    assert isinstance(hit, Hit)
    assert hit.entry_id == "add"


def test_a_generated_guard_has_no_answer(corpus: Path) -> None:
    """It is the near miss of the entry it was made for."""
    report = built(corpus, variant("add", "add a list page", "guard"))
    assert report.generated == {"guard": 1}
    assert report.manifest.counts.guards == 2
    assert kinds_of(corpus)["add a list page"] == "guard"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (variant("add", "how do i SORT a list"), "taken"),
        (variant("add", "drop a page"), "taken"),
        (variant("sort", "drop a page"), "taken"),
        (variant("sort", "Order my items."), "repeated"),
        (variant("sort/2", "order my items", "guard"), "taken"),
        (variant("add", "put in a page", of="another question"), "stale"),
        (variant("add", "put in a page", "new"), "unfiltered"),
    ],
)
def test_what_cannot_be_indexed_is_left_out_and_counted(corpus: Path, record: Variant, reason: str) -> None:
    """It never makes a build fail."""
    before = built(corpus).manifest.counts
    report = built(corpus, record)
    assert report.generated == {reason: 1}
    assert report.manifest.counts == before


@pytest.mark.parametrize("status", ["facts", "round_trip", "surplus", "diversity"])
def test_what_the_filters_dropped_is_not_indexed(corpus: Path, status: str) -> None:
    """Nor counted again."""
    assert built(corpus, variant("add", "put in a page", status)).generated == {}


def test_a_text_generated_for_two_answers_belongs_to_neither(corpus: Path) -> None:
    """Whichever comes first."""
    report = built(corpus, variant("add", "do it"), variant("sort", "Do it?"), variant("add", "do it", "guard"))
    assert set(report.generated) == {"contested"}
    assert "do it" not in kinds_of(corpus)


def test_a_text_generated_for_one_answer_twice_is_indexed_once(corpus: Path) -> None:
    """Two entries may share an answer."""
    report = built(corpus, variant("sort", "sort it now"), variant("sort/2", "Sort it now"))
    assert report.generated == {"llm": 1, "repeated": 1}


def test_a_variant_of_a_paraphrase_is_not_stale(corpus: Path) -> None:
    """Any written text of the entry may be what it was made of."""
    assert built(corpus, variant("sort", "arrange my items", of="order my items")).generated == {"llm": 1}


def test_the_sidecar_is_part_of_what_went_in(corpus: Path) -> None:
    """Named in the manifest; one byte of it makes another version, and the same bytes the same."""
    one = built(corpus, variant("add", "put in a page"))
    again = built(corpus)
    other = built(corpus, variant("add", "put in a page"), Receipt("add", "0" * 32, "m", 1, 1, 5, 5))
    assert (one.id, again.is_new) == (again.id, False)
    assert other.id != one.id
    assert [(info.file, info.entries) for info in one.manifest.corpora] == [("c.jsonl", 3), ("c.augmented.jsonl", 0)]


def test_a_sidecar_with_other_lines_is_a_corpus_error(corpus: Path) -> None:
    """With the place; nothing is built."""
    sidecar_path(corpus).write_text('{"id": "add"}\n')
    with pytest.raises(CorpusError, match=r"c\.augmented\.jsonl:1: not a generated variant"):
        built(corpus)


def test_a_sidecar_is_no_corpus(corpus: Path) -> None:
    """A shell pattern names it too; it is told once, not for every line."""
    sidecar_path(corpus).write_text('{"id": "add"}\n')
    with pytest.raises(CorpusError) as caught:
        build_bundle([corpus, sidecar_path(corpus)], name="c", root=corpus.parent / "indexes", config=HASHING)
    (problem,) = caught.value.problems
    assert problem.endswith("holds generated variants, allowed corpus files; they are found by themselves")


def test_a_build_makes_rules_of_its_own_where_asked(corpus: Path) -> None:
    """As many an entry as asked for, the same ones each time, on any number of threads."""
    config = replace(HASHING, augment="rules", n_rules=2)
    one = built(corpus, config=config)
    again = built(corpus, config=replace(config, n_workers=3, batch_rows=16))
    assert (one.id, again.is_new) == (again.id, False)
    assert one.generated["rule"] == sum(kind == "rule" for kind in kinds_of(corpus).values()) <= 6
    assert not sidecar_path(corpus).exists()


def test_each_corpus_has_its_own_sidecar(tmp_path: Path, corpus: Path) -> None:
    """The entries of one never take variants of another."""
    other = write_corpus(
        tmp_path / "d.jsonl", [{"id": "del", "query": "How do I delete a row?", "answer": "delete it"}]
    )
    replace_sidecar(
        FileSystem(),
        sidecar_path(other),
        [Variant("del", digest_of("How do I delete a row?"), "llm", "m", "rm a row", "kept")],
    )
    replace_sidecar(
        FileSystem(),
        sidecar_path(corpus),
        [Variant("del", digest_of("How do I delete a row?"), "llm", "m", "not mine", "kept")],
    )
    report = build_bundle([corpus, other], name="c", root=tmp_path / "indexes", config=HASHING)
    assert report.generated == {"llm": 1}
    assert kinds_of(corpus)["rm a row"] == "llm"


def augmented(corpus: Path, *records: Record, config: AugmentConfig) -> AugmentReport:
    """Judge what a sidecar holds."""
    if records:
        replace_sidecar(FileSystem(), sidecar_path(corpus), records)
    return augment_corpora([corpus], config, embedder=HashingEmbedder(HASHING_SPEC))


def statuses(corpus: Path) -> dict[str, str]:
    """Give the status of every variant."""
    with Sidecar(sidecar_path(corpus)) as sidecar:
        records = [record for entry in sidecar.entries for record in sidecar.of(entry)]
    return {record.text: record.status for record in records if isinstance(record, Variant)}


CONFIG = AugmentConfig(per_entry=2, min_margin=0.0, min_score=0.3)


def test_every_variant_is_judged_and_says_why(corpus: Path) -> None:
    """By its words, then by its vector; counts tell the same."""
    report = augmented(
        corpus,
        variant("add", "how to add a page", "new"),
        variant("add", "how do i add a page", "new"),
        variant("add", "sorting of lists", "new"),
        variant("add", "how do I sort the lists", "kept"),
        variant("add", "zzz qqq", "new"),
        variant("add", "how to add page 7", "new"),
        variant("add", "adding a page how", "new"),
        variant("add", "page add how do", "new"),
        config=CONFIG,
    )
    assert statuses(corpus) == {
        "how to add a page": "kept",
        "how do i add a page": "repeated",
        "sorting of lists": "taken",
        "how do I sort the lists": "round_trip",
        "zzz qqq": "relevance",
        "how to add page 7": "facts",
        "adding a page how": "kept",
        "page add how do": "surplus",
    }
    assert report.counts["llm"].total() == 8
    assert report.counts["llm"]["kept"] == 2


def test_a_near_miss_becomes_a_guard_where_asked(corpus: Path) -> None:
    """It is nearer to another answer than to its own."""
    text = "how do I sort a page list"
    for guards, status in ((False, "round_trip"), (True, "guard")):
        augmented(corpus, variant("add", text, "new"), config=replace(CONFIG, guards=guards, facts=False))
        assert statuses(corpus) == {text: status}


def test_what_was_paid_for_stays_in_the_file(corpus: Path) -> None:
    """Receipts, variants of a text that was changed, and those of an entry that is gone; rules are made anew."""
    gone = Variant("gone", "0" * 32, "llm", "m", "text of nobody", "kept")
    old = variant("add", "text of before", of="before")
    rule = variant("add", "old rule", of="before", source="rule")
    paid = Receipt("add", "0" * 32, "m", 3, 3, 10, 20)
    report = augmented(corpus, gone, old, rule, paid, config=CONFIG)
    with Sidecar(sidecar_path(corpus)) as sidecar:
        assert (sidecar.of("add"), sidecar.of("gone")) == ([old, paid], [gone])
    assert (report.n_stale, report.tokens_in_paid, report.tokens_out_paid) == (3, 10, 20)


def test_rules_are_written_and_taken_back(corpus: Path) -> None:
    """They follow the flag."""
    first = augmented(corpus, config=replace(CONFIG, rules=True))
    assert 0 < first.counts["rule"]["kept"] <= 6
    augmented(corpus, config=CONFIG)
    assert statuses(corpus) == {}


def test_judging_twice_changes_nothing(corpus: Path) -> None:
    """The file is the same to the byte."""
    config = replace(CONFIG, rules=True)
    augmented(corpus, variant("add", "adding some page", "new"), config=config)
    before = sidecar_path(corpus).read_bytes()
    augmented(corpus, config=config)
    assert sidecar_path(corpus).read_bytes() == before


class BrokenDisk(FileSystem):
    """Fails at one step."""

    def __init__(self, step: str) -> None:
        self._step = step

    def sync_file(self, path: Path) -> None:
        """Fail where asked."""
        self._fail("sync_file")
        super().sync_file(path)

    def replace(self, source: Path, target: Path) -> None:
        """Fail where asked."""
        self._fail("replace")
        super().replace(source, target)

    def _fail(self, step: str) -> None:
        if step == self._step:
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["sync_file", "replace"])
def test_a_full_disk_leaves_the_sidecar_that_was_there(corpus: Path, step: str) -> None:
    """And nothing beside it."""
    replace_sidecar(FileSystem(), sidecar_path(corpus), [variant("add", "adding some page", "new")])
    before, files = sidecar_path(corpus).read_bytes(), sorted(corpus.parent.iterdir())
    with pytest.raises(StorageError, match="No space left"):
        augment_corpora([corpus], CONFIG, embedder=HashingEmbedder(HASHING_SPEC), fs=BrokenDisk(step))
    assert (sidecar_path(corpus).read_bytes(), sorted(corpus.parent.iterdir())) == (before, files)


def test_a_plan_writes_nothing(corpus: Path) -> None:
    """It counts what the rules would make."""
    assert plan_augment([corpus], replace(CONFIG, rules=True), llm=None).counts["rule"]["candidates"] == 6
    assert not sidecar_path(corpus).exists()
