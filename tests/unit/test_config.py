from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from semcache.config import BuildConfig, OpenConfig
from semcache.errors import ConfigError

BUILD_RANGES: list[tuple[str, float, float]] = [
    ("seed", 0, 2_147_483_647),
    ("threshold", 0.0, 1.0),
    ("margin", 0.0, 1.0),
    ("n_neighbours", 2, 1024),
    ("min_recall_at_1", 0.0, 1.0),
    ("min_recall_at_10", 0.0, 1.0),
    ("n_workers", 0, 1024),
    ("batch_rows", 16, 65_536),
]


def test_the_defaults_of_a_build_are_the_documented_ones() -> None:
    """What changes results has the value that the command line names."""
    config = BuildConfig()
    assert (config.model, config.index, config.seed, config.compress) == ("all-MiniLM-L6-v2", "auto", 0, False)
    assert (config.threshold, config.margin, config.n_neighbours) == (0.80, 0.10, 64)
    assert (config.min_recall_at_1, config.min_recall_at_10) == (0.99, 0.98)


@pytest.mark.parametrize(("name", "low", "high"), BUILD_RANGES)
def test_both_ends_of_a_range_are_allowed(name: str, low: float, high: float) -> None:
    """A bound is within."""
    values: list[dict[str, Any]] = [{name: low}, {name: high}]
    assert [getattr(BuildConfig(**value), name) for value in values] == [low, high]


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize(("name", "low", "high"), BUILD_RANGES)
def test_a_value_outside_its_range_says_found_and_allowed(name: str, low: float, high: float, end: int) -> None:
    """On either side."""
    step = 0.5 if type(low) is float else 1
    value = (low - step, high + step)[end]
    arguments: dict[str, Any] = {name: value}
    message = f"{name}: found {value}, allowed {low} to {high}"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        BuildConfig(**arguments)


@pytest.mark.parametrize("name", ["threshold", "margin", "min_recall_at_1", "min_recall_at_10"])
def test_not_a_number_is_outside_every_range(name: str) -> None:
    """It would compare false with every score."""
    arguments: dict[str, Any] = {name: float("nan")}
    with pytest.raises(ConfigError, match=f"^{name}: found nan, allowed 0.0 to 1.0$"):
        BuildConfig(**arguments)


def test_every_number_of_a_build_has_a_range() -> None:
    """A new setting gets one, and a line in this test."""
    numbers = {field.name for field in fields(BuildConfig) if type(field.default) in {int, float}}
    assert numbers == {name for name, _, _ in BUILD_RANGES}


@pytest.mark.parametrize("index", ["", "FLAT", "lsh"])
def test_an_unknown_index_says_what_is_allowed(index: Any) -> None:
    """The kinds are named."""
    message = f"index: found {index!r}, allowed auto, flat, ivf or hnsw"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        BuildConfig(index=index)


@pytest.mark.parametrize("config", [BuildConfig(), OpenConfig()])
def test_a_config_cannot_be_changed(config: Any) -> None:
    """What was checked stays as it was checked."""
    name = fields(config)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(config, name, None)


def test_the_defaults_of_opening_are_the_documented_ones() -> None:
    """Prefault, one core, the fast check."""
    assert OpenConfig() == OpenConfig(prefault=True, embed_threads=1, verify="frame")


@pytest.mark.parametrize("n", [1, 256])
def test_the_bounds_of_embedding_threads_are_allowed(n: int) -> None:
    """One core, up to 256."""
    assert OpenConfig(embed_threads=n).embed_threads == n


@pytest.mark.parametrize("n", [0, 257, -1])
def test_other_numbers_of_embedding_threads_are_refused(n: int) -> None:
    """0 does not mean all of them here."""
    with pytest.raises(ConfigError, match=f"^embed_threads: found {n}, allowed 1 to 256$"):
        OpenConfig(embed_threads=n)


def test_an_unknown_check_says_what_is_allowed() -> None:
    """The two are named."""
    wrong: Any = "none"
    with pytest.raises(ConfigError, match=r"^verify: found 'none', allowed 'frame' or 'full'$"):
        OpenConfig(verify=wrong)
