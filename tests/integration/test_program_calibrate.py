"""`semcache calibrate` as a person runs it, on a bundle of two namespaces of which the traffic reaches one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import semcache


@pytest.fixture
def traffic(tmp_path: Path) -> Path:
    """Give 400 wordings that lead to the login page."""
    path = tmp_path / "traffic.jsonl"
    texts = [f"now add login page {chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(400)]
    path.write_text("".join(json.dumps({"text": text, "entry_id": "login/add"}) + "\n" for text in texts), "utf-8")
    return path


def test_a_table_of_namespaces_says_what_is_proved_now(bundle_dir: Path, traffic: Path) -> None:
    """Before and now for each level, what is missing, and the default of each namespace."""
    outcome = semcache("calibrate", bundle_dir.name, "--root", bundle_dir.parent, "--traffic", traffic)
    lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert lines[0].startswith(f"calibrated {bundle_dir.name} ")
    assert lines[1] == "on 319 queries, 0 of them without a right answer; 81 others said where to try"
    assert lines[2] == "set aside: 0 exact hits, 0 queries that the bundle learned from"
    assert lines[3] == "namespace error before now hits wrong what is missing"
    assert [line.split()[:3] for line in lines[4:14:5]] == [["shell", "0.5", "%"], ["web", "0.5", "%"]]
    assert "web 2 % 0.9800 0.9526 319 0" in lines
    assert lines[-2:] == [
        "default shell: an error of at most 10 %; no query leads there: as before",
        "default web: an error of at most 10 %",
    ]


def test_json_holds_the_certificates(bundle_dir: Path, traffic: Path) -> None:
    """With those that were left as they were, and the wish of this calibration."""
    arguments = ("--root", bundle_dir.parent, "--traffic", traffic, "--max-error", "0.02", "--json")
    found = semcache("calibrate", bundle_dir.name, *arguments).json
    kept = {"shell": {"n_queries": 0, "n_certifying": 0, "n_contradicted": 0}}
    assert (found["kept"], found["wanted_error"]) == (kept, 0.02)
    assert (found["n_grid"], found["n_needed"], found["unknown"]) == (81, 149, [])
    assert [(one["namespace"], one["max_error"]) for one in found["certificates"]] == [("shell", 0.02), ("web", 0.02)]


def test_one_query_takes_nothing_away(bundle_dir: Path, tmp_path: Path) -> None:
    """It could prove nothing, and it contradicts nothing."""
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"text": "now add login page", "entry_id": "login/add"}) + "\n", "utf-8")
    before = semcache("info", bundle_dir.name, "--root", bundle_dir.parent, "--json").json
    outcome = semcache("calibrate", bundle_dir.name, "--root", bundle_dir.parent, "--traffic", path)
    lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert lines[0].startswith(f"unproved {bundle_dir.name} ")
    assert lines[1].startswith("too few queries for a proof: levels are as before")
    assert (
        lines[-1] == "default web: an error of at most 10 %; as before: 1 query there, 1 to certify, 29 can prove 10 %"
    )
    assert semcache("info", bundle_dir.name, "--root", bundle_dir.parent, "--json").json == before


def test_a_label_that_names_nothing_is_shown(bundle_dir: Path, tmp_path: Path) -> None:
    """Nothing is right for such a query: the levels that it contradicts are gone, and the reader sees why."""
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"text": "now add login page", "entry_id": "login/ad"}) + "\n", "utf-8")
    outcome = semcache("calibrate", bundle_dir.name, "--root", bundle_dir.parent, "--traffic", path)
    lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert lines[-3:] == ["", "1 label names nothing in the bundle:", f"{path}:1: login/ad"]
