from __future__ import annotations

import json

import pytest
from trusting import DAY, NOW, ROLES

from semcache.config import KeysConfig
from semcache.errors import ChangedMetadataError
from semcache.store.signing_keys import SigningKey, new_key
from semcache.store.trust_root import days_of, first_root, next_root, parse_root, root_state, sign_root

KEYS = {role: [new_key() for _ in range(3 if role == "root" else 1)] for role in ROLES}
CONFIG = KeysConfig(root_keys=3, root_threshold=2, timestamp_days=1)
ROOT = first_root(KEYS, CONFIG, now=NOW)


def ids(keys: list[SigningKey]) -> tuple[str, ...]:
    """Return the ids of keys, sorted."""
    return tuple(sorted(key.id for key in keys))


def test_a_first_root_says_who_may_sign_what_and_for_how_long() -> None:
    """It is signed by all its holders, who were there when it was made."""
    state = root_state(ROOT, None)
    assert (state.version, state.expires, state.n_missing, state.may_sign) == (1, NOW + 365 * DAY, 0, ())
    assert state.thresholds == {"root": 2, "targets": 1, "snapshot": 1, "timestamp": 1}
    assert state.days == {"root": 365, "targets": 30, "snapshot": 7, "timestamp": 1}
    assert state.key_ids == {role: ids(keys) for role, keys in KEYS.items()}
    assert state.signed_by == ids(KEYS["root"])


def test_it_holds_no_private_key() -> None:
    """It is read by everybody."""
    private = [key.signer.private_bytes for keys in KEYS.values() for key in keys]
    assert not [key for key in private if key.splitlines()[1] in ROOT]
    assert all(set(key["keyval"]) == {"public"} for key in json.loads(ROOT)["signed"]["keys"].values())


def test_a_new_online_key_takes_the_signatures_of_the_threshold() -> None:
    """Not of the new key; and each counts once."""
    root = next_root(ROOT, role="targets", add=[new_key()], drop=[KEYS["targets"][0].id], now=NOW + DAY)
    missing = []
    for key in [KEYS["targets"][0], KEYS["root"][0], KEYS["root"][0], KEYS["root"][2]]:
        root = sign_root(root, [key])
        missing.append(root_state(root, ROOT).n_missing)
    assert missing == [2, 1, 1, 0]
    assert root_state(root, ROOT).may_sign == (KEYS["root"][1].id,)
    assert root_state(root, ROOT).expires == NOW + 366 * DAY


def test_a_new_root_key_takes_the_signatures_of_both_thresholds() -> None:
    """Of those who counted before, and of those who count now."""
    new = new_key()
    [gone, *stay] = KEYS["root"]
    root = next_root(ROOT, role="root", add=[new], drop=[gone.id], now=NOW)
    assert root_state(sign_root(root, [gone, stay[0]]), ROOT).n_missing == 1
    assert root_state(sign_root(root, [new, stay[0]]), ROOT).n_missing == 1
    assert root_state(sign_root(root, [new, gone, stay[0]]), ROOT).n_missing == 0
    assert root_state(sign_root(root, stay), ROOT).n_missing == 0


def test_a_root_is_renewed_with_the_same_keys() -> None:
    """A year from now."""
    state = root_state(next_root(ROOT, role=None, add=[], drop=[], now=NOW + 300 * DAY), ROOT)
    assert (state.version, state.key_ids, state.expires) == (2, root_state(ROOT, None).key_ids, NOW + 665 * DAY)


def test_roots_that_do_not_follow_each_other_are_refused() -> None:
    """A gap cannot be verified."""
    second = next_root(ROOT, role=None, add=[], drop=[], now=NOW)
    third = next_root(second, role=None, add=[], drop=[], now=NOW)
    with pytest.raises(ChangedMetadataError, match=r"^root: Expected sequential root versions, got v1 and v3"):
        root_state(third, ROOT)


@pytest.mark.parametrize("data", [b"", b"{}", b"<html>"])
def test_what_is_no_root_is_refused(data: bytes) -> None:
    """As it may be given by a flag."""
    with pytest.raises(ChangedMetadataError, match=r"^root: is no metadata"):
        parse_root(data)


@pytest.mark.parametrize("stated", [None, 5, {"targets": 0, "snapshot": "x", "timestamp": True, "other": 1}])
def test_days_that_are_none_are_the_default_ones(stated: object) -> None:
    """A root of another program says none, or something else."""
    root = parse_root(ROOT).signed
    root.unrecognized_fields["x-semcache-days"] = stated
    assert days_of(root) == {"root": 365, "targets": 30, "snapshot": 7, "timestamp": 2}
