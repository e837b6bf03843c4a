"""`semcache rebuild`: what a person and a nightly job see."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rebuilding import PLAN, Nightly
from running import semcache
from shared import REPOSITORY
from sharing import numbered

N = 20
ALL_EXACT = "20 are texts of the corpus and prove nothing"
HOSTILE = '<script>alert(1)</script><img src="https://example.invalid/x.png">'


@pytest.fixture
def night(tmp_path: Path) -> Nightly:
    """Give a plan that never ran."""
    nightly = Nightly(tmp_path)
    nightly.write(numbered(N))
    return nightly


def masked(text: str, folder: Path) -> list[str]:
    """Return lines without what differs from run to run."""
    text = text.replace(str(folder), "")
    text = re.sub(r"\b[0-9a-f]{32}\b", "ID", re.sub(r"\d+\.\d s\b", "0.0 s", text))
    return re.sub(r"\d[\d.]* (kB|MB|B)", "SIZE", re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "WHEN", text)).splitlines()


def test_the_first_night(night: Nightly) -> None:
    """A line a stage, what it found below it, and what is live."""
    outcome = semcache("rebuild", night.plan)
    assert outcome.code == 0
    assert masked(outcome.out, night.folder) == [
        "build    done       0.0 s, it never ran before",
        "gates    done       0.0 s, 12 of 12 passed",
        "         ok      damage 0 (at most 0): every byte, record and probe was checked",
        "         ok      recall@1 100 % (at least 99 %): of a flat index, on 20 rows",
        "         ok      recall@10 100 % (at least 98 %): of a flat index, on 20 rows",
        f"         ok      certified error 0 (at most 0): 0 of 20 hits wrong, 95 % interval 0.0 to 16.8 %; {ALL_EXACT}",
        "         ok      lost versions 0 (at most 0): it is the first",
        "         ok      weaker promises: no live version to compare with",
        "         ok      lost coverage: no live version to compare with",
        "         ok      new wrong answers: no live version to compare with",
        "         ok      new collisions: no live version to compare with",
        "         ok      removed entries: no live version to compare with",
        "         ok      growth: no live version to compare with",
        "         ok      update: the first release, SIZE",
        "publish  done       0.0 s",
        "         release 1 of small is at /remote: SIZE, of which SIZE are new to readers; SIZE sent",
        "gc       done       0.0 s",
        "         0 removed, SIZE freed",
        "report   /indexes/small/rebuild.html",
        "live     ID",
    ]
    assert outcome.err == f"{night.folder}/remote: unsigned; whoever can write there can change the answers\n"


def test_a_night_without_a_change(night: Nightly) -> None:
    """Is four lines, and leaves the last report."""
    semcache("rebuild", night.plan)
    page = (night.root / "small" / "rebuild.html").read_bytes()
    outcome = semcache("rebuild", night.plan)
    assert masked(outcome.out, night.folder) == [
        "build    skipped    nothing changed since WHEN UTC",
        "publish  done       0.0 s",
        "         release 1 of small is this version already: SIZE, nothing sent to /remote",
        "gc       done       0.0 s",
        "         0 removed, SIZE freed",
        "live     ID, as before",
    ]
    assert (night.root / "small" / "rebuild.html").read_bytes() == page


def test_a_refusal_has_an_exit_code_of_its_own(night: Nightly) -> None:
    """And says why, in the log, on the page and as JSON."""
    live = semcache("rebuild", night.plan, "--json").json["version"]
    night.write(numbered(4))
    outcome = semcache("rebuild", night.plan)
    assert outcome.code == 4
    assert masked(outcome.out, night.folder)[-3:] == [
        "report   /indexes/small/rebuild.html",
        "refused  ID stays live",
        "         removed entries: 16 of 20 are gone",
    ]
    page = (night.root / "small" / "rebuild.html").read_text("utf-8")
    assert f"Refused (removed entries): {live} stays live, and nothing was published." in page
    again = semcache("rebuild", night.plan, "--json")
    assert (again.code, again.json["version"]) == (4, live)
    assert again.json["refused"] == ["removed entries: 16 of 20 are gone"]


def test_the_json_document_says_what_happened(night: Nightly) -> None:
    """Every key is always there."""
    semcache("rebuild", night.plan)
    night.write([*numbered(N), {"id": "new", "query": "turn a widget", "answer": "left"}])
    found = semcache("rebuild", night.plan, "--json").json
    assert sorted(found) == [
        *("accepted", "before", "candidates", "changes", "collisions", "dry_run", "freed_bytes", "gates", "name"),
        *("published", "refused", "report", "seconds", "stages", "version"),
    ]
    assert [(stage["name"], stage["state"]) for stage in found["stages"]] == [
        *(("build", "done"), ("gates", "done"), ("publish", "done"), ("gc", "done"))
    ]
    assert [change["id"] for change in found["changes"]["added"]] == ["new"]
    assert all(gate["passed"] for gate in found["gates"])


def test_a_stage_that_fails_later_leaves_the_page(night: Nightly) -> None:
    """What was judged is to be seen, whatever came after it."""
    (night.folder / "traffic").mkdir()
    (night.folder / "traffic" / "traffic-1.jsonl").mkdir()
    more = '[harvest]\nrecord = ["traffic"]\ncandidates = "gaps.candidates.jsonl"\n'
    night.write(numbered(N), plan=PLAN + more)
    outcome = semcache("rebuild", night.plan)
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].endswith("traffic-1.jsonl: Is a directory")
    assert "is live, the first version" in (night.root / "small" / "rebuild.html").read_text("utf-8")


def test_broken_candidates_stop_the_night_before_it_builds(night: Nightly) -> None:
    """With file, line and field."""
    (night.folder / "gaps.candidates.jsonl").write_text("{}\n", "utf-8")
    more = '[harvest]\nrecord = ["traffic"]\ncandidates = "gaps.candidates.jsonl"\n'
    night.write(numbered(N), plan=PLAN + more)
    outcome = semcache("rebuild", night.plan)
    assert (outcome.code, outcome.out) == (1, "")
    assert "gaps.candidates.jsonl:1" in outcome.err


def test_a_first_night_that_is_refused_shows_what_is_wrong(night: Nightly, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each false hit is on the page, though there is nothing to compare with."""
    monkeypatch.setattr("semcache.rebuild.judge.check_bundle", lambda _: ["index.faiss: other bytes"])
    night.ask({entry["query"]: "e0" for entry in numbered(N)})
    assert semcache("rebuild", night.plan).code == 4
    page = (night.root / "small" / "rebuild.html").read_text("utf-8")
    assert "nothing is live, and nothing was published" in page
    assert page.count("how to handle case 13 of item19") == 2


def test_a_dry_run_needs_no_keys(night: Nightly) -> None:
    """It touches neither the bundle nor the remote."""
    night.write(numbered(N), plan=PLAN.replace("allow_unsigned = true", 'keys = "none"'))
    outcome = semcache("rebuild", night.plan, "--dry-run")
    assert (outcome.code, outcome.out.splitlines()) == (
        0,
        ["build    would run  it never ran before", "publish  would run", "gc       would run"],
    )
    assert not night.root.exists()


def test_missing_keys_stop_the_night_before_it_builds(night: Nightly) -> None:
    """An hour of building for a version that cannot be published helps nobody."""
    night.write(numbered(N), plan=PLAN.replace("allow_unsigned = true", 'keys = "none"'))
    outcome = semcache("rebuild", night.plan)
    assert outcome.code == 1
    assert "no keys here" in outcome.err
    assert not night.root.exists()


def test_a_wrong_plan_is_one_line(night: Nightly) -> None:
    """With file, field, and what is allowed."""
    night.plan.write_text('name = "small"\ncorpora = ["corpus.jsonl"]\n[gates]\nmax_growth = "much"\n', "utf-8")
    outcome = semcache("rebuild", night.plan)
    assert outcome.code == 1
    assert outcome.err == f"semcache: {night.plan}: gates.max_growth: found 'much', allowed a number\n"


def test_the_page_is_harmless_and_fetches_nothing(night: Nightly) -> None:
    """Whatever stands in a corpus or in queries."""
    semcache("rebuild", night.plan)
    night.write([*numbered(N), {"id": HOSTILE, "query": HOSTILE, "answer": "x"}])
    assert semcache("rebuild", night.plan).code == 0
    page = (night.root / "small" / "rebuild.html").read_text("utf-8")
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<img" not in page
    assert "default-src &#x27;none&#x27;" in page


def test_the_script_of_the_nightly_job(night: Nightly) -> None:
    """It keeps a log of each night, gives the program's exit code, and tells somebody where that is not 0."""
    environment = {
        **os.environ,
        "SEMCACHE": f"{sys.executable} -m semcache",
        "KEEP_LOGS": "2",
        "ON_FAILURE": "echo failed:",
    }

    def run(*options: str) -> tuple[int, str]:
        command = [str(REPOSITORY / "scripts" / "nightly.sh"), str(night.plan), *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    assert run()[0] == 0
    night.write(numbered(4))
    code, out = run("--force")
    log = max((night.folder / "logs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert (code, out) == (4, f"{log.read_text('utf-8')}failed: {log} 4\n")
    assert "removed entries: 16 of 20 are gone" in out
    run()
    assert len(list((night.folder / "logs").glob("night-*.log"))) == 2
