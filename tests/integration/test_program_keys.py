"""The commands about keys."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from running import run_module, semcache


@pytest.fixture(autouse=True)
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the passphrase of all keys by the environment."""
    monkeypatch.setenv("SEMCACHE_KEYS_PASSPHRASE", "a passphrase")


def test_keys_are_made_and_shown(tmp_path: Path) -> None:
    """Both print the same; making them says where each private key is, and what to do with those of the root."""
    made = semcache("keys", "init", "--keys", tmp_path / "keys", "--root-keys", "2", "--timestamp-days", "1")
    shown = semcache("keys", "show", "--keys", tmp_path / "keys")
    assert (made.code, shown.code, made.err) == (0, 0, "")
    assert made.out.startswith(shown.out)
    rest = made.out.removeprefix(shown.out).splitlines()
    assert [line.partition("  ")[0] for line in rest[:-1]] == ["made"] * 5
    assert rest[-1].startswith("Move the private root keys to a place that is not online (and keep a copy)")
    assert re.search(r"^timestamp +1 of 1 +1 days +([0-9a-f]{8}) +private/timestamp-\1\.pem$", shown.out, re.MULTILINE)
    assert re.search(r"^fingerprint [0-9a-f]{64}$", shown.out, re.MULTILINE)


def test_keys_are_shown_as_json(tmp_path: Path) -> None:
    """With whole ids and times; no private key in it."""
    made = semcache("keys", "init", "--keys", tmp_path / "keys", "--json").json
    assert sorted(made) == ["fingerprint", "made", "path", "pending", "private", "root"]
    assert (made["root"]["version"], made["root"]["n_missing"], made["pending"]) == (1, 0, None)
    assert made["root"]["days"] == {"root": 365, "targets": 30, "snapshot": 7, "timestamp": 2}
    assert {role: len(ids[0]) for role, ids in made["root"]["key_ids"].items()} == dict.fromkeys(made["private"], 64)
    assert "PRIVATE" not in json.dumps(made)


def test_a_key_is_rotated_by_two_holders(tmp_path: Path) -> None:
    """The first is told who has to sign; the second signs, and the new root counts."""
    keys, stick = tmp_path / "keys", tmp_path / "stick.pem"
    semcache("keys", "init", "--keys", keys, "--root-keys", "2", "--root-threshold", "2")
    root_key = next((keys / "private").glob("root-*.pem"))
    key_id = root_key.stem.removeprefix("root-")
    root_key.rename(stick)
    rotated = semcache("keys", "rotate", "timestamp", "--keys", keys)
    assert f"pending     version 2 takes 1 more signature, by {key_id}; give their holders this folder" in rotated.out
    signed = semcache("keys", "sign", "--keys", keys, "--key", stick, "--json").json
    assert (signed["root"]["version"], signed["pending"]) == (2, None)


def test_a_root_is_renewed_with_the_same_keys(tmp_path: Path) -> None:
    """No key is made."""
    before = semcache("keys", "init", "--keys", tmp_path / "keys", "--json").json
    after = semcache("keys", "rotate", "root", "--same-keys", "--keys", tmp_path / "keys", "--json").json
    assert (after["root"]["version"], after["root"]["key_ids"], after["made"]) == (2, before["root"]["key_ids"], [])


@pytest.mark.parametrize("arguments", [["timestamp"], ["root", "--drop", "a"]])
def test_same_keys_goes_with_root_alone(tmp_path: Path, arguments: list[str]) -> None:
    """Anything else is wrong usage."""
    outcome = semcache("keys", "rotate", *arguments, "--same-keys", "--keys", tmp_path)
    assert (outcome.code, "goes with ROLE root and without --drop" in outcome.err) == (2, True)


def test_without_a_passphrase_no_key_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is nobody to ask, it has to be given, or declined."""
    monkeypatch.delenv("SEMCACHE_KEYS_PASSPHRASE")
    outcome = semcache("keys", "init", "--keys", tmp_path / "keys")
    assert (outcome.code, "set SEMCACHE_KEYS_PASSPHRASE, or give --no-passphrase" in outcome.err) == (2, True)
    assert not (tmp_path / "keys").exists()
    assert semcache("keys", "init", "--keys", tmp_path / "keys", "--no-passphrase").code == 0


def test_keys_within_the_folder_of_bundles_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line; what is there may be copied to anybody."""
    monkeypatch.setenv("SEMCACHE_ROOT", str(tmp_path))
    outcome = semcache("keys", "init", "--keys", tmp_path / "keys")
    assert (outcome.code, outcome.out, len(outcome.err.splitlines())) == (1, "", 1)
    assert "whose content is shared; name another folder" in outcome.err


def test_a_folder_without_keys_is_one_line(tmp_path: Path) -> None:
    """It says how to make some; as the program itself does."""
    outcome = run_module("keys", "show", "--keys", tmp_path)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == (
        f"semcache: {tmp_path}: no keys here; make some with semcache keys init, or name their folder\n"
    )
