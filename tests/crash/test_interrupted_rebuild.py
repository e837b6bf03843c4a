"""A rebuild that dies, or is refused, at any step, from accepting candidates to removing old versions."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest
from crash_steps import Crash, CrashingFileSystem, FailingFileSystem, SteppedFileSystem, is_tearable
from rebuilding import NAME, PLAN, Nightly, states
from sharing import numbered

from semcache import check_bundle
from semcache.errors import StorageError
from semcache.remote.offers import UnsignedOffers, parsed

N = 6
HARVESTING = """
[harvest]
record = ["traffic"]
candidates = "gaps.candidates.jsonl"
accept_into = "corpus.jsonl"
min_count = 1
"""
TRAFFIC = {
    "time": 1,
    "bundle_id": "0" * 32,
    "namespace": None,
    "hit": False,
    "reason": "below_threshold",
    "entry_id": None,
    "kind": None,
    "score": 0.1,
    "confidence": None,
    "text": "zebra quux frobnication",
    "text_hash": None,
}
OLD, NEW = "answer 0 of item0", "changed 0"


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """Give a folder to copy: two versions, a changed corpus, an answered candidate, and recorded traffic."""
    night = Nightly(tmp_path / "template")
    night.folder.mkdir()
    for label in ("first", "answer"):
        night.write(numbered(N, answer=label), plan=PLAN.replace("keep = 1", "keep = 0") + HARVESTING)
        night.run(hour=1)
    first, *others = numbered(N)
    night.write([{**first, "answer": NEW}, *others], plan=night.plan.read_text("utf-8"))
    line = json.dumps({"id": "harvested/1", "query": "stripe a zebra", "answer": "black", "x_reviewed": True})
    (night.folder / "gaps.candidates.jsonl").write_text(f"{line}\n", "utf-8")
    (night.folder / "traffic").mkdir()
    (night.folder / "traffic" / "traffic-1.jsonl").write_text(json.dumps(TRAFFIC) + "\n", "utf-8")
    return night.folder


def copied(template: Path, folder: Path) -> Nightly:
    """Give a nightly job of its own."""
    return Nightly(Path(shutil.copytree(template, folder)))


def assert_sound(night: Nightly) -> None:
    """The live version is whole, and one of the two."""
    assert check_bundle(NAME, root=night.root) == []
    assert night.answer("how to handle case 0 of item0") in (OLD, NEW)


def settle(night: Nightly) -> None:
    """Run again: now all is done, and the night after has nothing to do."""
    night.run(hour=3, fs=SteppedFileSystem())
    assert check_bundle(NAME, root=night.root) == []
    assert (night.answer("how to handle case 0 of item0"), night.answer("stripe a zebra")) == (NEW, "black")
    corpus = (night.folder / "corpus.jsonl").read_text("utf-8")
    assert corpus.count("stripe a zebra") == 1
    offered = parsed(UnsignedOffers(night.store).read(NAME), name=NAME, url=night.store.url)
    assert offered.manifest.counts.entries == N + 1
    assert "zebra quux" in (night.folder / "gaps.candidates.jsonl").read_text("utf-8")
    assert [path.name for path in (night.root / NAME / "versions").iterdir()] == [night.live]
    assert states(night.run(hour=4, fs=SteppedFileSystem()))["build"] == "skipped"


@pytest.mark.parametrize("is_torn", [False, True])
def test_death_at_any_step_is_made_good_the_next_night(
    tmp_path: Path,
    template: Path,
    is_torn: bool,  # noqa: FBT001 - the parameter under test
) -> None:
    """Killed before a step or in the middle of it: nothing is lost, nothing is done twice."""
    counting = SteppedFileSystem()
    copied(template, tmp_path / "count").run(fs=counting)
    steps = [step for step in counting.steps if not is_torn or is_tearable(step)]
    assert len(steps) >= 8
    for step in steps:
        night = copied(template, tmp_path / str(step.number))
        with pytest.raises(Crash):
            night.run(fs=CrashingFileSystem(step.number, is_torn=is_torn))
        assert_sound(night)
        settle(night)
        shutil.rmtree(night.folder)


def test_a_full_disk_at_any_step_is_a_storage_error(tmp_path: Path, template: Path) -> None:
    """It names the file, and the next night makes it good."""
    counting = SteppedFileSystem()
    copied(template, tmp_path / "count").run(fs=counting)
    for step in counting.steps:
        night = copied(template, tmp_path / str(step.number))
        with pytest.raises(StorageError, match="No space left"):
            night.run(fs=FailingFileSystem(errno.ENOSPC, step.number, for_good=True))
        assert_sound(night)
        settle(night)
        shutil.rmtree(night.folder)
