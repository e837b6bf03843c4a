"""The same corpus, settings and encoder give the same version, however the work is cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import encoder_programs
import pytest
from running import Outcome, root_with_encoder, run_module, run_program
from shared import REPOSITORY

from semcache import BuildConfig, BuildReport, build_bundle

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the first 30 entries of the shipped corpus as a file."""
    lines = (REPOSITORY / "corpus" / "speckit.jsonl").read_text("utf-8").splitlines(keepends=True)
    path = tmp_path_factory.mktemp("thirty") / "thirty.jsonl"
    path.write_text("".join(lines[:30]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def build_thirty(
    model_root: Path, thirty: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[BuildConfig], BuildReport]:
    """Give a function that builds the 30 entries in a root of their own, with the encoder that is there already."""

    def run(config: BuildConfig) -> BuildReport:
        root = root_with_encoder(model_root, tmp_path_factory.mktemp("thirty"))
        return build_bundle([thirty], name="thirty", root=root, config=config)

    return run


@pytest.fixture(scope="module")
def first_id(build_thirty: Callable[[BuildConfig], BuildReport]) -> str:
    """Give the id of a build with one worker."""
    return build_thirty(BuildConfig(n_workers=1)).id


@pytest.mark.parametrize(
    "config",
    [
        BuildConfig(n_workers=1),
        BuildConfig(n_workers=2, batch_rows=16),
        BuildConfig(n_workers=1, batch_rows=37),
    ],
    ids=["again", "two workers, small batches", "odd batches"],
)
def test_the_same_corpus_gives_the_same_id(
    build_thirty: Callable[[BuildConfig], BuildReport], first_id: str, config: BuildConfig
) -> None:
    """A new root, more workers and other batches change nothing that is written."""
    report = build_thirty(config)
    assert (report.is_new, report.id) == (True, first_id)


def test_another_seed_is_another_version(build_thirty: Callable[[BuildConfig], BuildReport], first_id: str) -> None:
    """What is in the manifest is in the id: the test above can fail."""
    assert build_thirty(BuildConfig(n_workers=1, seed=1)).id != first_id


@pytest.fixture(scope="module")
def exported_again(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    """Build two entries from nothing, export included, by the program; give what it said, and the root."""
    folder = tmp_path_factory.mktemp("fresh")
    corpus = folder / "two.jsonl"
    corpus.write_text(
        '{"id": "a", "query": "first question", "answer": "1"}\n{"id": "b", "query": "second thing", "answer": "2"}\n',
        encoding="utf-8",
    )
    return run_module("build", corpus, "--name", "two", "--root", folder / "indexes"), folder / "indexes"


def test_exporting_again_gives_the_same_encoder(exported_again: tuple[Outcome, Path], model_root: Path) -> None:
    """The encoder that another process exports has the same fingerprint, and so the same bytes."""
    roots = (exported_again[1], model_root)
    first, second = ([path.parent.name for path in (root / "encoders").glob("*/encoder.json")] for root in roots)
    assert (first, len(first)) == (second, 1)


def test_a_build_that_exports_is_silent_on_stderr(exported_again: tuple[Outcome, Path]) -> None:
    """The libraries that load and trace a model keep quiet where stderr is not a terminal."""
    outcome, _ = exported_again
    assert (outcome.code, outcome.err) == (0, "")


def test_building_with_a_known_encoder_loads_no_torch(model_root: Path, thirty: Path, tmp_path: Path) -> None:
    """Once a root has the encoder, a build exports nothing."""
    found = run_program(encoder_programs.build_again, thirty, root_with_encoder(model_root, tmp_path))
    assert found["torch"] is False
