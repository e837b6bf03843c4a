from __future__ import annotations

from pathlib import Path

import pytest

from semcache.config import AugmentConfig, BuildConfig, GateConfig, HarvestConfig, LlmConfig
from semcache.errors import ConfigError, StorageError
from semcache.rebuild.plan import AugmentPlan, HarvestPlan, PublishPlan, RebuildPlan
from semcache.rebuild.plan_file import read_plan


def written(folder: Path, text: str) -> Path:
    """Write a plan, and the corpora that it may name."""
    for name in ("a.jsonl", "b.jsonl", "b.augmented.jsonl", "gaps.candidates.jsonl"):
        (folder / name).touch()
    path = folder / "night.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_plan_with_all_that_it_may_state(tmp_path: Path) -> None:
    """Each table becomes its config; paths are those beside the file."""
    path = written(
        tmp_path,
        """
        name = "team"
        root = "indexes"
        corpora = ["a.jsonl"]
        traffic = ["labelled.jsonl"]
        queries = ["/data/eval.jsonl"]
        report = "last.html"
        keep = 3
        [build]
        model = "hashing"
        max_error = 0.05
        compress = true
        [augment]
        per_entry = 4
        min_margin = -0.5
        [augment.llm]
        base_url = "http://localhost:1/v1"
        model = "small"
        concurrency = 2
        [harvest]
        record = ["traffic"]
        candidates = "gaps.candidates.jsonl"
        accept_into = "a.jsonl"
        min_count = 5
        [gates]
        max_growth = 2
        max_new_collisions = 3
        [publish]
        remote = "s3://bucket/caches"
        keys = "keys"
        """,
    )
    assert read_plan(path, api_key="secret") == RebuildPlan(
        name="team",
        root=tmp_path / "indexes",
        corpora=(tmp_path / "a.jsonl",),
        traffic=(tmp_path / "labelled.jsonl",),
        queries=(Path("/data/eval.jsonl"),),
        report=tmp_path / "last.html",
        keep=3,
        build=BuildConfig(model="hashing", max_error=0.05, compress=True),
        augment=AugmentPlan(
            AugmentConfig(per_entry=4, min_margin=-0.5),
            LlmConfig("http://localhost:1/v1", "small", api_key="secret", concurrency=2),
        ),
        harvest=HarvestPlan(
            (tmp_path / "traffic",),
            tmp_path / "gaps.candidates.jsonl",
            tmp_path / "a.jsonl",
            HarvestConfig(min_count=5),
        ),
        gates=GateConfig(max_growth=2.0, max_new_collisions=3),
        publish=PublishPlan("s3://bucket/caches", tmp_path / "keys"),
    )


def test_a_plan_with_what_it_must_state(tmp_path: Path) -> None:
    """The rest is left to defaults; nothing is augmented, harvested, published or removed."""
    plan = read_plan(written(tmp_path, 'name = "team"\ncorpora = ["a.jsonl"]\n'))
    assert plan == RebuildPlan("team", (tmp_path / "a.jsonl",), tmp_path / "indexes")


def test_a_plan_means_the_same_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However its own path is written."""
    path = written(tmp_path, 'name = "team"\ncorpora = ["a.jsonl"]\nroot = "indexes"\n')
    monkeypatch.chdir(tmp_path)
    assert read_plan(Path(path.name)) == read_plan(path)


def test_a_pattern_stands_for_corpora_only(tmp_path: Path) -> None:
    """In the order of their names, each once, without the files that lie beside a corpus."""
    plan = read_plan(written(tmp_path, 'name = "team"\ncorpora = ["b.jsonl", "*.jsonl"]\n'))
    assert [path.name for path in plan.corpora] == ["b.jsonl", "a.jsonl"]


def test_a_remote_in_a_folder_is_beside_the_plan(tmp_path: Path) -> None:
    """As every other path is; an address stays as it is."""
    plan = read_plan(written(tmp_path, 'name = "t"\ncorpora = ["a.jsonl"]\n[publish]\nremote = "out"\n'))
    assert plan.publish == PublishPlan(str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name = ", "Invalid value (at end of document)"),
        ('corpora = ["a.jsonl"]', "name: missing"),
        ('name = "a/b"\ncorpora = ["a.jsonl"]', "name: found 'a/b', allowed"),
        ('name = "t"\ncorpora = []', "corpora: found none, allowed 1 or more corpus files"),
        ('name = "t"\ncorpora = ["c*.jsonl"]', "corpora: found no file 'c*.jsonl'"),
        ('name = "t"\ncorpora = "a.jsonl"', "corpora: found 'a.jsonl', allowed a list of texts"),
        ('name = "t"\ncorpora = ["a.jsonl"]\nkeep = 1001', "keep: found 1001, allowed 0 to 1000"),
        ('name = "t"\ncorpora = ["a.jsonl"]\nreport = "no/r.html"', "report: found"),
        ('name = "t"\ncorpora = ["a.jsonl"]\nremotes = 1', "remotes: unknown field"),
        ('name = "t"\ncorpora = ["a.jsonl"]\n[build]\nseeds = 1', "build.seeds: unknown field"),
        ('name = "t"\ncorpora = ["a.jsonl"]\n[build]\nseed = "1"', "build.seed: found '1', allowed a whole number"),
        ('name = "t"\ncorpora = ["a.jsonl"]\n[build]\nmax_error = 0.3', "build.max_error: found 0.3, allowed 0.005"),
        (
            'name = "t"\ncorpora = ["a.jsonl"]\n[gates]\nmax_growth = nan',
            "gates.max_growth: found 'nan', allowed a number",
        ),
        ('name = "t"\ncorpora = ["a.jsonl"]\n[gates]\nmax_growth = 0.5', "gates.max_growth: found 0.5, allowed 1.0 to"),
        ('name = "t"\ncorpora = ["a.jsonl"]\n[publish]\nkeys = "k"', "publish.remote: missing"),
        ('name = "t"\ncorpora = ["a.jsonl"]\n[augment.llm]\nmodel = "m"', "augment.llm.base_url: missing"),
        (
            'name = "t"\ncorpora = ["a.jsonl"]\n[augment.llm]\nmodel = "m"\nbase_url = "http://h/v1"\napi_key = "k"',
            "augment.llm.api_key: never read from a file",
        ),
        (
            'name = "t"\ncorpora = ["a.jsonl"]\n[harvest]\nrecord = []\ncandidates = "c"\naccept_into = "b.jsonl"',
            "harvest.accept_into: found",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, problem: str) -> None:
    """With the file and the field, as a person wrote it."""
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_plan(path)
    assert str(caught.value).startswith(f"{path}: {problem}")


def test_a_plan_that_is_not_there(tmp_path: Path) -> None:
    """Is an error of the system's."""
    with pytest.raises(StorageError, match="No such file"):
        read_plan(tmp_path / "none.toml")
