"""A build that tunes its encoder: on the corpus once, kept by the versions that follow, left where it does not help."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from running import semcache
from shared import REPOSITORY, write_corpus

from semcache import BuildConfig, BuildReport, Cache, Hit, build_bundle, check_bundle
from semcache.build import encoders, tune
from semcache.build.tune import OnStep, Phrasings, TuneConfig, Tuned
from semcache.config import DEFAULT_MODEL
from semcache.core.learned import are_learned
from semcache.embed.model_source import ModelSource

pytestmark = pytest.mark.model

CONFIG = BuildConfig(tune=True, adapter=False)
_tune = tune.tune


def entries(n: int) -> list[dict[str, Any]]:
    """Give entries of the shipped corpus with three phrasings or more."""
    lines = (REPOSITORY / "corpus" / "speckit.jsonl").read_text("utf-8").splitlines()
    found = [entry for entry in map(json.loads, lines) if len(entry.get("paraphrases", ())) >= 2]
    return found[:n]


def build(root: Path, n: int, **changes: Any) -> BuildReport:
    """Build so many of them."""
    corpus = write_corpus(root.parent / "some.jsonl", entries(n))
    return build_bundle([corpus], name="some", root=root, config=replace(CONFIG, **changes))


def short(source: ModelSource, phrasings: Phrasings, *, seed: int, on_step: OnStep) -> Tuned:
    """Tune for one epoch."""
    return _tune(source, phrasings, seed=seed, config=TuneConfig(max_epochs=1), on_step=on_step)


def never(*_: Any, **__: Any) -> NoReturn:
    """Stand in for tuning where there must be none."""
    raise AssertionError("tuned again")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, BuildReport]]:
    """Give a root with a tuned bundle, whether or not one epoch helps."""
    root = tmp_path_factory.mktemp("tuned") / "indexes"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoders, "tune", short)
        patch.setattr(tune, "_MIN_GAIN", -2.0)
        patch.setattr(tune, "_coverage", falling_then_rising())
        yield root, build(root, 40)


def falling_then_rising() -> Any:
    """Give coverages that make the first epoch the best."""
    found = iter([0.1, 0.2, 0.1, 0.2, 0.1, 0.2])
    return lambda *_: next(found)


def fingerprint(report: BuildReport) -> str:
    """Give the name of a version's encoder."""
    return report.manifest.encoder.fingerprint


def test_a_tuned_bundle_has_an_encoder_of_its_own(tuned: tuple[Path, BuildReport]) -> None:
    """It is whole, it answers, and the manifest says what it is."""
    root, report = tuned
    assert report.manifest.encoder.name.startswith(f"{DEFAULT_MODEL} tuned ")
    assert sorted(path.parent.name for path in root.glob("encoders/*/encoder.json")) != [fingerprint(report)]
    assert check_bundle(report.path) == []
    assert {one.calibration.source for one in report.manifest.decision.certificates} == {"generic"}
    with Cache.open(report.path) as cache:
        (near, *_) = cache.search(f"please, {entries(1)[0]['query']}", k=1)
        hit = cache.lookup(entries(1)[0]["query"])
    assert near.entry_id == entries(1)[0]["id"]
    assert isinstance(hit, Hit)
    assert "tune" in report.seconds


def test_the_same_corpus_is_tuned_on_once(tuned: tuple[Path, BuildReport], monkeypatch: pytest.MonkeyPatch) -> None:
    """Another name in the same root takes what is there, to the byte."""
    root, report = tuned
    monkeypatch.setattr(encoders, "tune", never)
    again = build(root, 40, fresh=True)
    assert again.id == report.id


def test_a_version_that_follows_keeps_the_encoder(
    tuned: tuple[Path, BuildReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So vectors stay; a fresh one is tuned on what is there now."""
    root, report = tuned
    monkeypatch.setattr(encoders, "tune", never)
    assert build(root, 40, fresh=True).id == report.id
    followed = build(root, 45)
    assert fingerprint(followed) == fingerprint(report)
    assert followed.manifest.counts.entries == 45
    with pytest.raises(AssertionError, match="tuned again"):
        build(root, 45, fresh=True)
    assert fingerprint(build(root, 45, tune=False)) != fingerprint(report)


def test_an_encoder_remembers_what_it_was_tuned_on_though_all_else_begins_anew(
    tuned: tuple[Path, BuildReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many rows are gone that no number stays; their texts come back as traffic some day, and must prove nothing."""
    root, report = tuned
    monkeypatch.setattr(encoders, "tune", never)
    assert build(root, 40, fresh=True).id == report.id
    few = build(root, 4)
    assert (fingerprint(few), few.manifest.counts.dead_rows) == (fingerprint(report), 0)
    assert build(root, 5, compress=True).manifest.decision.n_learned > 50
    with Cache.open(root / "some") as cache:
        learned = cache._current().reader.decision.learned
    rejected = {text for entry in entries(5) for text in entry.get("rejects", ())}
    gone = {text for entry in entries(40)[5:] for text in (entry["query"], *entry["paraphrases"])} - rejected
    assert len(gone) > 100
    assert are_learned(sorted(gone), learned).all()


def test_tuning_that_does_not_help_leaves_the_model(
    tuned: tuple[Path, BuildReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And that is remembered, so the next night does not try again."""
    root, report = tuned
    monkeypatch.setattr(encoders, "tune", short)
    monkeypatch.setattr(tune, "_MIN_GAIN", 0.01)
    monkeypatch.setattr(tune, "_coverage", lambda *_: 0.3)
    plain = build(root, 30, fresh=True)
    assert plain.manifest.encoder.name == DEFAULT_MODEL
    assert fingerprint(plain) != fingerprint(report)
    monkeypatch.setattr(encoders, "tune", never)
    assert build(root, 30, fresh=True).id == plain.id


def test_one_text_an_entry_has_nothing_to_teach(model_root: Path, tmp_path: Path) -> None:
    """The program says so by the encoder it takes."""
    alone = [{"id": entry["id"], "query": entry["query"], "answer": "a"} for entry in entries(3)]
    corpus = write_corpus(tmp_path / "alone.jsonl", [alone[0]])
    (tmp_path / "indexes").mkdir()
    (tmp_path / "indexes" / "encoders").symlink_to(model_root / "encoders")
    semcache("build", corpus, "--name", "alone", "--root", tmp_path / "indexes", "--tune", "--json")
    found = semcache("info", "alone", "--root", tmp_path / "indexes", "--json").json
    assert found["manifest"]["encoder"]["name"] == DEFAULT_MODEL
