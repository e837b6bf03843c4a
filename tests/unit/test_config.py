from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from semcache.config import AugmentConfig, BuildConfig, KeysConfig, LlmConfig, OpenConfig, RemoteConfig
from semcache.errors import ConfigError

BUILD_RANGES: list[tuple[str, float, float]] = [
    ("seed", 0, 2_147_483_647),
    ("outside_share", 0.0, 0.9),
    ("n_neighbours", 2, 1024),
    ("min_recall_at_1", 0.0, 1.0),
    ("min_recall_at_10", 0.0, 1.0),
    ("n_workers", 0, 1024),
    ("batch_rows", 16, 65_536),
    ("n_rules", 0, 64),
]


def test_the_defaults_of_a_build_are_the_documented_ones() -> None:
    """What changes results has the value that the command line names."""
    config = BuildConfig()
    assert (config.model, config.index, config.seed, config.compress) == ("all-MiniLM-L6-v2", "auto", 0, False)
    assert (config.max_error, config.outside_share, config.adapter, config.n_neighbours) == (0.02, 0.4, True, 64)
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


@pytest.mark.parametrize("name", ["min_recall_at_1", "min_recall_at_10"])
def test_not_a_number_is_outside_every_range(name: str) -> None:
    """It would compare false with every score."""
    arguments: dict[str, Any] = {name: float("nan")}
    with pytest.raises(ConfigError, match=f"^{name}: found nan, allowed 0.0 to 1.0$"):
        BuildConfig(**arguments)


def test_every_number_of_a_build_has_a_range() -> None:
    """A new setting gets one, and a line in this test."""
    numbers = {field.name for field in fields(BuildConfig) if type(field.default) in {int, float}}
    assert numbers == {"max_error", *(name for name, _, _ in BUILD_RANGES)}


@pytest.mark.parametrize("level", [0.005, 0.01, 0.02, 0.05, 0.1])
def test_each_certified_error_may_be_promised(level: float) -> None:
    """The five levels that a certificate speaks of."""
    assert BuildConfig(max_error=level).max_error == level


@pytest.mark.parametrize("level", [0.0, 0.03, 1.0, -0.01, float("nan"), float("inf")])
def test_no_other_error_may_be_promised(level: float) -> None:
    """Nothing is ever certified for it."""
    with pytest.raises(ConfigError, match=f"^max_error: found {level}, allowed 0.005, 0.01, 0.02, 0.05, 0.1$"):
        BuildConfig(max_error=level)


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


@pytest.mark.parametrize("augment", ["", "RULES", "llm"])
def test_an_unknown_source_of_variants_says_what_is_allowed(augment: Any) -> None:
    """A build never asks a model."""
    message = f"augment: found {augment!r}, allowed none, sidecar or rules"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        BuildConfig(augment=augment)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"per_entry": 0}, "per_entry: found 0, allowed 1 to 64"),
        ({"min_margin": 1.5}, "min_margin: found 1.5, allowed -1.0 to 1.0"),
        ({"max_score": float("nan")}, "max_score: found nan, allowed -1.0 to 1.0"),
    ],
)
def test_a_limit_of_the_filters_has_a_range(values: dict[str, Any], message: str) -> None:
    """Scores are cosines."""
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        AugmentConfig(**values)


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://a/v1", "http://", "http://[::1", "http://a:port/v1"])
def test_an_endpoint_is_a_web_address(url: str) -> None:
    """The message does not repeat it: there may be a password in it."""
    with pytest.raises(ConfigError, match=r"^base_url: found no http or https address, allowed one such as ") as caught:
        LlmConfig(url, "m")
    assert "port" not in str(caught.value)


@pytest.mark.parametrize("values", [{"model": ""}, {"model": "a\nb"}, {"api_key": "a\nb"}, {"api_key": "caf\u00e9"}])
def test_what_no_header_can_hold_is_refused(values: dict[str, Any]) -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigError):
        LlmConfig(**{"base_url": "http://a/v1", "model": "m", **values})


def test_a_key_is_not_shown() -> None:
    """Neither it nor a password in the address."""
    config = LlmConfig("http://me:secret@host:1/v1?key=secret", "m", api_key="secret")
    assert "secret" not in repr(config)
    assert config.shown_url == "http://host:1/v1"


def test_the_defaults_of_keys_are_the_documented_ones() -> None:
    """One root key; the shortest that counts bounds how long a reader can be held back."""
    keys = KeysConfig()
    assert (keys.root_keys, keys.root_threshold) == (1, 1)
    assert (keys.root_days, keys.targets_days, keys.snapshot_days, keys.timestamp_days) == (365, 30, 7, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"root_keys": 0}, "root_keys: found 0, allowed 1 to 16"),
        ({"root_keys": 17}, "root_keys: found 17, allowed 1 to 16"),
        ({"root_keys": 3, "root_threshold": 4}, "root_threshold: found 4, allowed 1 to 3"),
        ({"root_threshold": 0}, "root_threshold: found 0, allowed 1 to 1"),
        ({"root_days": 0}, "root_days: found 0, allowed 1 to 3650"),
        ({"targets_days": 3651}, "targets_days: found 3651, allowed 1 to 3650"),
        ({"snapshot_days": 0}, "snapshot_days: found 0, allowed 1 to 3650"),
        ({"timestamp_days": 0}, "timestamp_days: found 0, allowed 1 to 3650"),
    ],
)
def test_keys_outside_their_range_say_found_and_allowed(settings: dict[str, int], message: str) -> None:
    """A threshold that nobody can meet among them."""
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        KeysConfig(**settings)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("connect_timeout_s", 0.1, 600.0),
        ("stall_timeout_s", 0.1, 3600.0),
        ("n_retries", 0, 20),
        ("first_wait_s", 0.0, 60.0),
    ],
)
def test_patience_with_a_remote_has_bounds(name: str, low: Any, high: Any) -> None:
    """Their ends are within, what is beyond is refused; nothing waits for ever."""
    assert [getattr(RemoteConfig(**{name: value}), name) for value in (low, high)] == [low, high]
    for value in (low - 0.01, high + 0.01):
        with pytest.raises(ConfigError, match=rf"^{name}: found {value}, allowed {low} to {high}"):
            RemoteConfig(**{name: value})
