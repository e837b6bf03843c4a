"""What `rebuild` does night after night: it builds what changed, judges it, and publishes what passes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NoReturn

import pytest
from rebuilding import NAME, PLAN, Nightly, at, reasons, states
from sharing import numbered

from semcache import BuildConfig, build_bundle, check_bundle
from semcache.build import pipeline
from semcache.bundle.locate import locate
from semcache.config import RecordConfig
from semcache.errors import BuildLockedError, ConfigError, CorpusError, RecallError
from semcache.lookup.cache import Cache
from semcache.rebuild.plan_file import read_plan
from semcache.rebuild.report import RebuildReport, StageReport, Target
from semcache.rebuild.run import rebuild
from semcache.remote.offers import UnsignedOffers
from semcache.remote.pull import pull
from semcache.remote.rollback import rollback
from semcache.store.lock import exclusive_lock

HASHING = BuildConfig(model="hashing", max_error=0.1, n_workers=1)
N = 20
WITH_HARVEST = (
    PLAN
    + """
[harvest]
record = ["traffic"]
candidates = "gaps.candidates.jsonl"
accept_into = "corpus.jsonl"
min_count = 1
"""
)


def find_too_little(*_: object, **__: object) -> NoReturn:
    """Fail as a build does whose index finds half."""
    raise RecallError(at_1=0.5, at_10=0.5, min_at_1=0.99, min_at_10=0.98)


@pytest.fixture
def night(tmp_path: Path) -> Nightly:
    """Give a nightly job that ran once."""
    nightly = Nightly(tmp_path)
    nightly.write(numbered(N))
    nightly.run(hour=1)
    return nightly


def changed(**fields: object) -> list[dict[str, Any]]:
    """Give the corpus with another first entry."""
    first, *others = numbered(N)
    return [{**first, **fields}, *others]


def test_the_first_night_builds_and_publishes(tmp_path: Path) -> None:
    """There is nothing to compare with, and everything to judge by itself."""
    night = Nightly(tmp_path)
    night.write(numbered(N))
    report = night.run()
    assert states(report) == {"build": "done", "gates": "done", "publish": "done", "gc": "done"}
    assert (report.before, report.version, report.refused) == (None, night.live, ())
    assert report.judgement is not None
    assert [gate.name for gate in report.judgement.gates if gate.found is not None] == [
        *("damage", "recall@1", "recall@10", "certified error", "lost versions")
    ]
    assert report.published is not None
    assert (report.published.number, report.published.version) == (1, night.live)


def test_a_night_without_a_change_builds_nothing(night: Nightly) -> None:
    """And says since when; the remote is looked at all the same."""
    before = night.live
    report = night.run()
    assert states(report) == {"build": "skipped", "publish": "done", "gc": "done"}
    assert reasons(report)["build"] == "nothing changed since 2026-11-25 01:00 UTC"
    assert (report.version, night.live) == (before, before)
    assert report.published is not None
    assert (report.published.is_new, report.published.sent_bytes) == (False, 0)


def test_a_night_with_a_change_says_what_changed(night: Nightly) -> None:
    """By file, and by entry."""
    new = {"id": "new", "query": "turn a widget", "answer": "left"}
    night.write([*changed(answer="another")[:-1], new])
    report = night.run()
    assert reasons(report)["build"] == "changed: corpus.jsonl"
    assert report.judgement is not None
    assert report.judgement.comparison is not None
    changes = report.judgement.comparison.changes
    assert [(change.id, change.what) for change in changes.changed] == [("e0", ("answer",))]
    assert [change.id for change in changes.added] == ["new"]
    assert [change.id for change in changes.removed] == ["e19"]
    assert changes.n_same == N - 2
    assert night.answer("turn a widget") == "left"
    assert report.published is not None
    assert report.published.number == 2


def test_force_runs_what_did_not_change(night: Nightly) -> None:
    """The build makes the version that is live, which is judged once more."""
    before = night.live
    report = night.run(force=True)
    assert states(report) == {"build": "done", "gates": "done", "publish": "done", "gc": "done"}
    assert reasons(report)["build"] == "forced"
    assert night.live == before


def test_a_dry_run_changes_nothing(night: Nightly) -> None:
    """It says which stages would run, and why."""
    night.write(changed(answer="another"))
    files = sorted(path for path in night.folder.rglob("*"))
    report = night.run(dry_run=True)
    assert states(report) == {"build": "would run", "publish": "would run", "gc": "would run"}
    assert sorted(path for path in night.folder.rglob("*")) == files
    assert states(night.run())["build"] == "done"


def refused_night(night: Nightly) -> tuple[str, list[str]]:
    """Take most entries away; return what is live and what the remote holds."""
    night.write(numbered(4))
    return night.live, sorted(night.store.sizes(""))


def test_a_refused_version_leaves_everything_as_it_was(night: Nightly) -> None:
    """It is deleted, nothing of it is published, and lookups get the answers of before."""
    live, offered = refused_night(night)
    versions = sorted(path.name for path in (night.root / NAME / "versions").iterdir())
    report = night.run()
    assert states(report) == {"build": "done", "gates": "refused", "publish": "done", "gc": "done"}
    assert report.refused == ("removed entries: 16 of 20 are gone",)
    assert (report.version, night.live) == (live, live)
    assert sorted(path.name for path in (night.root / NAME / "versions").iterdir()) == versions
    assert sorted(night.store.sizes("")) == offered
    assert night.answer("how to handle case 13 of item19") == "answer 19 of item19"


def test_the_same_inputs_are_refused_without_a_build(night: Nightly) -> None:
    """Until an input changes, a bound, or what is live."""
    refused_night(night)
    first = night.run(hour=3)
    again = night.run(hour=4)
    assert states(again)["build"] == "skipped"
    assert reasons(again)["build"] == "the same inputs were refused on 2026-11-25 03:00 UTC"
    assert again.refused == first.refused
    night.write(numbered(4), plan=PLAN + "[gates]\nmax_removed_share = 0.9\n")
    assert night.run().refused == ()
    assert night.answer("how to handle case 13 of item19") != "answer 19 of item19"


def test_what_was_rolled_back_stays_out(night: Nightly) -> None:
    """However many nights pass while nothing changes that it was made from, and after it was removed."""
    first = night.live
    night.write(changed(answer="a bad one"))
    night.run(hour=2)
    rollback(NAME, root=night.root)
    for hour in (3, 4, 5):
        report = night.run(hour=hour)
        assert states(report)["build"] == "skipped"
        assert reasons(report)["build"] == (
            "nothing changed since 2026-11-25 02:00 UTC, and somebody made another version live; "
            "--force builds it again"
        )
        assert night.live == first
        assert report.published is not None
        assert (report.published.version, report.published.is_new) == (first, hour == 3)
    night.write(changed(answer="a good one"))
    night.run(hour=6)
    assert night.answer("how to handle case 0 of item0") == "a good one"


def test_a_refused_night_after_a_rollback_publishes_what_is_live(night: Nightly) -> None:
    """It was published before: readers are not left with what was rolled back."""
    first = night.live
    night.write(changed(answer="a bad one"))
    night.run(hour=2)
    rollback(NAME, root=night.root)
    night.write(numbered(4))
    report = night.run(hour=3)
    assert report.refused == ("removed entries: 16 of 20 are gone",)
    assert report.published is not None
    assert (report.published.version, report.published.number) == (first, 3)


def test_what_was_built_by_hand_stays_and_is_not_published(night: Nightly) -> None:
    """Nobody judged it, and who built it knows why; forced, these inputs make their version again."""
    expected = night.live
    other = night.folder / "other.jsonl"
    other.write_text("".join(json.dumps(entry) + "\n" for entry in numbered(N - 1)), "utf-8")
    by_hand = build_bundle([other], name=NAME, root=night.root, config=HASHING)
    report = night.run()
    assert states(report) == {"build": "skipped", "publish": "skipped", "gc": "done"}
    assert reasons(report)["publish"] == "what is live was neither judged nor published before"
    assert night.live == by_hand.id
    night.run(force=True)
    assert night.answer("how to handle case 13 of item19") == "answer 19 of item19"
    assert expected != by_hand.id


def test_a_version_built_by_hand_is_judged_before_it_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the rebuild makes the very same one; what is refused stays live, and is not published."""
    night = Nightly(tmp_path)
    night.write(numbered(N))
    by_hand = build_bundle([tmp_path / "corpus.jsonl"], name=NAME, root=night.root, config=HASHING)
    monkeypatch.setattr("semcache.rebuild.judge.check_bundle", lambda _: ["index.faiss: other bytes"])
    for hour in (2, 3):
        report = night.run(hour=hour)
        assert report.refused == ("damage: index.faiss: other bytes",)
        assert reasons(report)["publish"] == "what is live was neither judged nor published before"
        assert night.live == by_hand.id
    assert not (tmp_path / "remote" / "unsigned").exists()
    monkeypatch.undo()
    assert night.run(hour=4).refused == ()
    assert night.live == by_hand.id
    assert (tmp_path / "remote" / "unsigned").exists()


@pytest.mark.parametrize("file", ["rows.npy", "values.mdb", "index.faiss"])
def test_a_damaged_live_version_is_mended(night: Nightly, file: str) -> None:
    """Wherever a byte of it is damaged: the same inputs make it again, and it passed before."""
    path = locate(NAME, root=night.root).version_dir(night.live) / file
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    report = night.run()
    assert reasons(report)["build"] == "the live version cannot be read; it makes a version that passed before"
    assert check_bundle(NAME, root=night.root) == []
    assert report.version == report.before


def test_a_damaged_live_version_is_replaced_against_the_one_before(night: Nightly) -> None:
    """What cannot be read cannot be compared with; the gates stay closed with the last one that can."""
    night.write(changed(answer="two"))
    night.run(hour=2)
    (locate(NAME, root=night.root).version_dir(night.live) / "values.mdb").write_bytes(b"damaged")
    night.write(numbered(4))
    report = night.run(hour=3)
    assert report.refused == ("removed entries: 16 of 20 are gone",)


@pytest.mark.parametrize("is_journal_lost", [False, True])
def test_without_anything_to_compare_with_nothing_passes(
    night: Nightly,
    is_journal_lost: bool,  # noqa: FBT001 - the parameter under test
) -> None:
    """A root that was lost is no first night: the journal knows, or the remote."""
    shutil.rmtree(night.root / NAME / "versions")
    (night.root / NAME / "CURRENT").unlink()
    if is_journal_lost:
        shutil.rmtree(night.root)
    night.write(numbered(4))
    report = night.run(hour=3)
    assert report.refused == (
        "lost versions: no version here can be read, though there was one: pull what was published last into this root",
    )
    pull(NAME, night.store, UnsignedOffers(night.store), root=night.root)
    assert night.run(hour=4).refused == ("removed entries: 16 of 20 are gone",)


def test_lost_coverage_is_refused(night: Nightly) -> None:
    """On queries that both versions know; one point is the default bound."""
    night.write(changed(query="something else entirely", paraphrases=[]))
    report = night.run()
    assert report.refused == ("lost coverage: 100.0 % answered rightly before, 95.0 % now, of 20 queries",)


def test_queries_about_removed_entries_are_not_lost_coverage(night: Nightly) -> None:
    """What the new version does not hold is not asked of it."""
    night.write(numbered(N - 2))
    report = night.run()
    assert report.refused == ()
    assert report.judgement is not None
    assert report.judgement.comparison is not None
    assert report.judgement.comparison.evaluations is not None
    assert [each.n_queries for each in report.judgement.comparison.evaluations] == [N - 2, N - 2]


def test_a_new_collision_is_refused(night: Nightly) -> None:
    """A new text of the same words as another entry's, with another answer."""
    night.write([*numbered(N), {"id": "twin", "query": "how to handle case 3 of item3?!", "answer": "otherwise"}])
    with pytest.raises(CorpusError):  # the very same text once it is normalised
        night.run()
    night.write([*numbered(N), {"id": "twin", "query": "how to handle the case 3 of item3", "answer": "otherwise"}])
    report = night.run()
    (reason,) = report.refused
    assert reason == (
        "new collisions: no word tells 'how to handle the case 3 of item3' of twin and 'how to handle case 3 of item3' "
        "of e3"
    )
    assert report.judgement is not None
    assert report.judgement.comparison is not None
    (collision,) = report.judgement.comparison.collisions
    assert (collision.entry_id, collision.other_entry_id) == ("twin", "e3")


def test_an_answer_that_becomes_another_collides_too(night: Nightly) -> None:
    """Two near questions of one answer are fine, until one of the answers is changed."""
    twin = {"id": "twin", "query": "how to handle the case 3 of item3", "answer": "answer 3 of item3"}
    night.write([*numbered(N), twin])
    assert night.run(hour=2).refused == ()
    night.write([*numbered(N), {**twin, "answer": "otherwise"}])
    assert night.run(hour=3).refused[0].startswith("new collisions: no word tells")


def test_more_wrong_answers_are_refused(night: Nightly) -> None:
    """Though no right one is lost, and though the certificate is not contradicted for certain."""
    labels: dict[str, str | None] = {entry["query"]: entry["id"] for entry in numbered(N)}
    night.ask({**labels, "turn a widget": None})
    night.run(hour=2, force=True)
    night.write([*numbered(N), {"id": "new", "query": "turn a widget", "answer": "left"}])
    assert night.run(hour=3).refused == ("new wrong answers: 0 answered wrongly before, 1 now, of 21 queries",)


def test_a_corpus_that_is_mended_while_it_is_judged_is_built_the_next_night(night: Nightly) -> None:
    """What was refused is what was read, not what stands there afterwards."""
    night.write(numbered(4))
    target = Target(night.store, UnsignedOffers(night.store))

    def mend(stage: StageReport, report: RebuildReport) -> None:
        del report
        if stage.name == "build":
            night.write(changed(answer="good"))

    first = rebuild(read_plan(night.plan), target=target, on_stage=mend, clock=lambda: at(2))
    assert first.refused == ("removed entries: 16 of 20 are gone",)
    assert night.run(hour=3).refused == ()
    assert night.answer("how to handle case 0 of item0") == "good"


def test_an_index_that_finds_too_little_is_refused(night: Nightly) -> None:
    """The build itself fails, which is remembered as any refusal."""
    night.write(changed(answer="two"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "build_measured", find_too_little)
        report = night.run(hour=2)
    assert states(report)["build"] == "refused"
    assert report.refused[0].startswith("index recall@1 0.5000")
    assert reasons(night.run(hour=3))["build"] == "the same inputs were refused on 2026-11-25 02:00 UTC"


def test_named_files_without_a_query_are_an_error(night: Nightly) -> None:
    """Else two gates would be off without a word."""
    (night.folder / "queries.jsonl").write_text("", "utf-8")
    with pytest.raises(ConfigError, match=r"queries: found no query in .*queries.jsonl, allowed 1 or more"):
        night.run()


def test_what_certifies_may_not_evaluate(night: Nightly) -> None:
    """A query that stands in both would flatter the certificate."""
    night.ask({"How to handle case 1 of item1?": "e1"}, file="traffic.jsonl")
    night.write(numbered(N), plan='traffic = ["traffic.jsonl"]\n' + PLAN)
    with pytest.raises(ConfigError, match=r"queries.jsonl:2: evaluates what .*traffic.jsonl:1 certifies"):
        night.run()


def test_broken_queries_stop_the_night_before_it_builds(night: Nightly) -> None:
    """Every problem is named with its place."""
    (night.folder / "queries.jsonl").write_text('{"text": "x"}\n', "utf-8")
    with pytest.raises(CorpusError, match=r"queries.jsonl:1: entry_id, group"):
        night.run()


def test_one_rebuild_of_a_name_at_a_time(night: Nightly) -> None:
    """The second one is refused at once."""
    with exclusive_lock(night.root / NAME / "rebuild.lock"), pytest.raises(BuildLockedError):
        night.run()


def test_traffic_becomes_candidates_and_reviewed_ones_become_entries(night: Nightly) -> None:
    """One night writes down what was missed; the next takes in what a person answered."""
    night.write(numbered(N), plan=WITH_HARVEST)
    assert reasons(night.run(hour=2))["harvest"] == "nothing was recorded yet"
    with Cache.open(NAME, root=night.root, record=RecordConfig(night.folder / "traffic")) as cache:
        cache.lookup("zebra quux frobnication")
    first = night.run(hour=3)
    assert reasons(first) | {"gc": "", "publish": ""} == reasons(first)
    assert states(first)["harvest"] == "done"
    assert states(night.run(hour=4))["harvest"] == "skipped"
    file = night.folder / "gaps.candidates.jsonl"
    (line,) = (json.loads(line) for line in file.read_text("utf-8").splitlines())
    file.write_text(json.dumps({**line, "answer": "not reviewed"}) + "\n", "utf-8")
    assert states(night.run(hour=5))["build"] == "skipped"
    file.write_text(json.dumps({**line, "answer": "striped", "x_reviewed": True}) + "\n", "utf-8")
    report = night.run(hour=6)
    assert report.accepted is not None
    assert report.accepted.n_entries == 1
    assert reasons(report)["build"] == "changed: corpus.jsonl"
    assert night.answer("zebra quux frobnication") == "striped"


def test_gc_keeps_as_many_versions_as_the_plan_says(night: Nightly) -> None:
    """One before the live one, here."""
    for label in ("two", "three", "four"):
        night.write(changed(answer=label))
        night.run()
    assert len(list((night.root / NAME / "versions").iterdir())) == 2


def test_no_remote_no_publishing(tmp_path: Path) -> None:
    """A plan without one builds and judges."""
    night = Nightly(tmp_path)
    night.write(numbered(N), plan=PLAN.partition("[publish]")[0])
    assert states(night.run()) == {"build": "done", "gates": "done", "gc": "done"}
    assert not (tmp_path / "remote").exists()


def test_a_lost_journal_costs_a_build_and_no_version(night: Nightly) -> None:
    """The build runs, and finds that its version is live."""
    before = night.live
    (night.root / NAME / "rebuild.json").unlink()
    report = night.run()
    assert reasons(report)["build"] == "it never ran before"
    assert states(report)["gates"] == "done"
    assert night.live == before
    assert report.began == int(at(2).timestamp())
