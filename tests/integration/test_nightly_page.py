"""docs/nightly.md shows what really happens, and its examples are of their form."""

from __future__ import annotations

import configparser
import re
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with moto
from running import root_with_encoder, run_module
from shared import REPOSITORY, write_corpus

from semcache.config import AugmentConfig, BuildConfig, GateConfig, HarvestConfig
from semcache.rebuild.plan import RebuildPlan
from semcache.rebuild.plan_file import read_plan

PAGE = (REPOSITORY / "docs" / "nightly.md").read_text("utf-8")
REMOTE = "/srv/semcache"
WORDS = {"SEMCACHE_KEYS_PASSPHRASE": "correct horse battery staple", "COLUMNS": "110"}
TEAM: list[dict[str, Any]] = [
    {
        "id": "vpn",
        "query": "How do I set up the VPN?",
        "answer": "Install the client, then import your profile.",
        "paraphrases": ["vpn setup", "connect to the company network from home"],
    },
    {"id": "wiki", "query": "Where is our wiki?", "answer": "https://wiki.example.com"},
    {"id": "leave", "query": "How do I ask for a day off?", "answer": "In the calendar, under absences."},
]
QUERIES: list[dict[str, Any]] = [
    {"text": "vpn setup", "entry_id": "vpn"},
    {"text": "where is our wiki", "entry_id": "wiki"},
    {"text": "what is for lunch today", "entry_id": None},
]


def blocks(language: str) -> list[str]:
    """Return the page's fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def without_measures(text: str) -> str:
    """Give a text with # for sizes, times, figures that depend on them, and ids."""
    text = re.sub(r"\b[0-9a-f]{32}\b|\d{4}-\d\d-\d\d \d\d:\d\d|[\d.]+ ([kMG]?B|s)\b", "#", text)
    return re.sub(r"(update|growth) [\d.]+", r"\1 #", text)


@pytest.mark.model
def test_the_page_is_what_happens(model_root: Path, tmp_path: Path) -> None:
    """A first night, one without a change, and one whose version is refused."""
    remote = tmp_path / "remote"
    root_with_encoder(model_root, tmp_path)
    (tmp_path / "corpus").mkdir()
    write_corpus(tmp_path / "corpus" / "team.jsonl", TEAM)
    write_corpus(tmp_path / "evaluation.jsonl", QUERIES)
    (tmp_path / "team.toml").write_text(blocks("toml")[0].replace(REMOTE, str(remote)), "utf-8")
    assert run_module("keys", "init", "--keys", tmp_path / "keys", environ=WORDS).code == 0
    (change,) = blocks("sh")
    for step in blocks("console"):
        command, _, shown = step.removeprefix("$ ").partition("\n")
        if "refused" in shown:
            subprocess.run(["bash", "-ec", change], cwd=tmp_path, check=True)
        outcome = run_module(*command.split()[1:], folder=tmp_path, environ=WORDS)
        assert (outcome.code, outcome.err) == (4 if "refused" in shown else 0, "")
        assert without_measures(outcome.out.replace(str(remote), REMOTE)) == without_measures(shown)


def test_the_plans_are_read_as_they_stand(tmp_path: Path) -> None:
    """The second one is a part to add to the first."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "team.jsonl").touch()
    first, more = blocks("toml")
    (tmp_path / "team.toml").write_text(first + more, "utf-8")
    plan = read_plan(tmp_path / "team.toml")
    assert plan.harvest is not None
    assert plan.augment is not None
    assert plan.augment.llm is not None
    assert (plan.gates.max_coverage_loss, plan.gates.max_delta_share) == (0.02, 0.1)
    assert plan.harvest.accept_into == tmp_path / "corpus" / "team.jsonl"


def test_every_field_of_a_plan_is_in_the_table() -> None:
    """And nothing else is; so are all bounds of the gates, with their defaults."""
    rows = re.findall(
        r"^\| (.+?) \| .*?\| ?.*?\|$", PAGE.partition("## All that")[2].partition("## Stages")[0], re.MULTILINE
    )
    named = set(re.findall(r"`\[?(\w+)\]?`", " ".join(rows)))
    assert named == set(RebuildPlan.__dataclass_fields__)
    for kind in (BuildConfig, AugmentConfig, HarvestConfig):
        assert f"`{kind.__name__}`" in PAGE
    bounds = dict(re.findall(r"`(max_\w+)` = ([\d.]+)", PAGE))
    assert {name: float(bound) for name, bound in bounds.items()} == {
        name: float(bound) for name, bound in asdict(GateConfig()).items()
    }


def test_the_examples_are_of_their_form() -> None:
    """YAML, unit files and a crontab line are parsed, and run a command that there is."""
    actions, job = (yaml.safe_load(text) for text in blocks("yaml"))
    steps: list[dict[str, Any]] = actions["jobs"]["rebuild"]["steps"]
    assert [step["run"] for step in steps if "semcache rebuild" in step.get("run", "")] == [
        "semcache rebuild team.toml --keys keys"
    ]
    container = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["semcache", "rebuild", "/data/team.toml"]
    service, timer = (configparser.ConfigParser(strict=True) for _ in range(2))
    for parser, text in zip((service, timer), blocks("ini"), strict=True):
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # names of systemd keep their case
        parser.read_string(text)
    assert service["Service"]["ExecStart"] == "/opt/semcache/scripts/nightly.sh /srv/caches/team.toml"
    assert timer["Timer"]["OnCalendar"] == "*-*-* 02:00:00"
    (cron,) = blocks("cron")
    assert re.fullmatch(r"(\S+ ){5}(\w+=\S.* )?/opt/semcache/scripts/nightly.sh /srv/caches/team.toml\n", cron)


@pytest.mark.parametrize("extra", ["build", "minilm", "publish", "s3"])
def test_the_extras_of_the_example_exist(extra: str) -> None:
    """As pyproject.toml names them."""
    assert re.search(rf"^{extra} = \[", (REPOSITORY / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
