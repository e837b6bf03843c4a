from __future__ import annotations

import json
from pathlib import Path

import pytest

from semcache.config import AugmentConfig, BuildConfig, GateConfig, LlmConfig
from semcache.errors import StorageError
from semcache.rebuild.inputs import augment_inputs, build_inputs, changed, gate_inputs
from semcache.rebuild.journal import Done, Journal
from semcache.rebuild.plan import AugmentPlan, PublishPlan, RebuildPlan
from semcache.store.fsio import FileSystem


def test_a_journal_remembers_the_last_run_of_each_stage(tmp_path: Path) -> None:
    """What is noted is read back, the later run instead of the earlier one."""
    journal = Journal.read(tmp_path / "small")
    assert journal.stages == {}
    journal.note(FileSystem(), "build", Done(1, {"a.jsonl": "0"}, version="v1"))
    journal.note(FileSystem(), "gates", Done(2, {}, reasons=("lost coverage: 3 points",)))
    journal.note(FileSystem(), "build", Done(3, {"a.jsonl": "1"}, version="v2"))
    assert Journal.read(tmp_path / "small").stages == {
        "build": Done(3, {"a.jsonl": "1"}, version="v2"),
        "gates": Done(2, {}, reasons=("lost coverage: 3 points",)),
    }


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"build": {"at": "late"}}', b"\xff"])
def test_a_damaged_journal_is_an_empty_one(tmp_path: Path, raw: bytes) -> None:
    """It is a memory only: without it, every stage runs."""
    (tmp_path / "rebuild.json").write_bytes(raw)
    assert Journal.read(tmp_path).stages == {}


def test_a_journal_that_cannot_be_read(tmp_path: Path) -> None:
    """Is an error, for its folder is at fault."""
    (tmp_path / "rebuild.json").mkdir()
    with pytest.raises(StorageError):
        Journal.read(tmp_path)


def test_changed_names_what_is_new_gone_or_other() -> None:
    """Sorted; everything where nothing is known."""
    assert changed({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"}) == ["b", "c", "d"]
    assert changed(None, {"b": "1", "a": "1"}) == ["a", "b"]
    assert changed({"a": "1"}, {"a": "1"}) == []


def test_a_build_depends_on_texts_and_settings(tmp_path: Path) -> None:
    """On corpora, sidecars and traffic by content, and on settings but those of speed."""
    corpus = tmp_path / "a.jsonl"
    corpus.write_text("one\n")
    plan = RebuildPlan("t", (corpus,), traffic=(tmp_path / "traffic.jsonl",))
    before = build_inputs(plan)
    assert build_inputs(RebuildPlan("t", (corpus,), traffic=plan.traffic, build=BuildConfig(n_workers=3))) == before
    other = build_inputs(RebuildPlan("t", (corpus,), traffic=plan.traffic, build=BuildConfig(seed=3)))
    assert changed(before, other) == ["settings"]
    (tmp_path / "a.augmented.jsonl").write_text("x")
    (tmp_path / "traffic.jsonl").write_text("x")
    corpus.write_text("two\n")
    assert changed(before, build_inputs(plan)) == [
        str(tmp_path / name) for name in ("a.augmented.jsonl", "a.jsonl", "traffic.jsonl")
    ]


def test_a_key_is_no_input(tmp_path: Path) -> None:
    """A new key of the same endpoint changes nothing, and leaves no trace in the journal."""
    plan = RebuildPlan("t", (tmp_path / "a.jsonl",))
    one, two = (
        augment_inputs(plan, AugmentPlan(AugmentConfig(), LlmConfig("http://h/v1", "m", api_key=key)))
        for key in ("secret", "other")
    )
    assert one == two
    assert "secret" not in json.dumps(one)


def test_a_verdict_depends_on_bounds_and_on_what_is_live(tmp_path: Path) -> None:
    """So a person who widens a bound, or rolls back, has the version judged anew."""
    plan = RebuildPlan("t", (tmp_path / "a.jsonl",))
    wider = RebuildPlan("t", plan.corpora, gates=GateConfig(max_growth=3))
    build = build_inputs(plan)
    before = gate_inputs(plan, build, live="v1")
    assert changed(before, gate_inputs(wider, build, live="v1")) == ["gates"]
    assert changed(before, gate_inputs(plan, build, live="v2")) == ["live version"]
    elsewhere = RebuildPlan("t", plan.corpora, publish=PublishPlan("s3://bucket"))
    assert changed(before, gate_inputs(elsewhere, build, live="v1")) == ["gates"]


def test_the_order_of_corpora_counts(tmp_path: Path) -> None:
    """Of two that hold the same text, the first has it."""
    one, two = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    assert changed(build_inputs(RebuildPlan("t", (one, two))), build_inputs(RebuildPlan("t", (two, one)))) == [
        "settings"
    ]
