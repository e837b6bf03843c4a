from __future__ import annotations

import dataclasses
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trusting import DAY, HOUR, LIMIT, NOW, PATH, FolderObjects, World

from semcache.config import KeysConfig
from semcache.errors import (
    ChangedMetadataError,
    ClockError,
    ExpiredError,
    MixedVersionsError,
    NotPublishedError,
    ObjectMissingError,
    RemoteUnavailableError,
    RollbackError,
    SignatureError,
    StorageError,
    UnsignedRemoteError,
)
from semcache.store.signing_keys import SigningKey, new_key
from semcache.store.trust import verify_remote
from semcache.store.trust_root import first_root, next_root, sign_root

METADATA = ["1.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Give a remote with one file."""
    world = World(tmp_path)
    world.publish(b"one")
    return world


def signed_anew(data: bytes, change: Callable[[dict[str, Any]], None], key: SigningKey) -> bytes:
    """Return metadata with its signed part changed, and signed again by one key."""
    from tuf.api.metadata import Metadata  # noqa: PLC0415 - for this one forgery

    document = json.loads(data)
    change(document["signed"])
    forged: Metadata[Any] = Metadata.from_dict(document)
    forged.sign(key.signer)
    return forged.to_bytes()


def flipped(data: bytes) -> bytes:
    """Change one digit in the middle of a signature or a hash: it still is JSON."""
    at = next(i for i in range(len(data) // 2, len(data)) if data[i : i + 1] in b"01234567")
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_what_was_published_is_read(world: World) -> None:
    """Its bytes, verified; and the reader learns which files there are."""
    remote = world.verify()
    assert (remote.paths, remote.read(PATH, limit_bytes=3)) == (["demo/release.json"], b"one")


def test_the_first_root_is_taken_from_the_remote_once(world: World) -> None:
    """The reader is told what it trusts, and that nothing vouched for it; the second time it is known."""
    first, second = world.verify().anchor, world.verify().anchor
    assert (first.version, first.key_ids, first.is_new) == (1, (world.keys["root"][0].id,), True)
    assert (second.fingerprint, second.is_new) == (first.fingerprint, False)


def test_a_root_that_is_given_is_known_from_then_on(world: World) -> None:
    """It is not asked for again, and nothing was taken on trust."""
    assert [world.verify(root=world.roots[0]).anchor.is_new, world.verify().anchor.is_new] == [False, False]


def test_a_remote_of_another_root_than_the_given_one_is_refused(world: World) -> None:
    """The publisher's name is not enough."""
    other = first_root({role: [new_key()] for role in world.keys}, KeysConfig(), now=NOW)
    with pytest.raises(
        SignatureError, match=r"^s3://bucket/metadata/timestamp\.json: not signed by those who may: .* 0/1 keys"
    ):
        world.verify(root=other)


def test_a_remote_that_begins_anew_with_other_keys_is_refused(world: World, tmp_path: Path) -> None:
    """A reader who pinned the first root never follows a second one."""
    world.read()
    other = World(tmp_path / "other")
    other.publish(b"evil")
    world.objects = other.objects
    with pytest.raises(SignatureError, match=r"not signed by those who may"):
        world.read()


def test_what_is_refused_at_first_use_is_not_remembered(world: World) -> None:
    """A later, genuine remote is trusted at first use as if nothing had been."""
    genuine = world.objects.bytes_of("metadata/timestamp.json")
    world.edit("metadata/timestamp.json", lambda _: b"{}")
    with pytest.raises(ChangedMetadataError):
        world.verify()
    world.edit("metadata/timestamp.json", lambda _: genuine)
    assert world.verify().anchor.is_new


@pytest.mark.parametrize("name", METADATA)
def test_a_changed_byte_is_refused_in_every_file(world: World, name: str) -> None:
    """Where the signature is what tells, as wrong signature; where a hash tells first, as changed."""
    world.edit(f"metadata/{name}", flipped)
    with pytest.raises(
        (SignatureError, ChangedMetadataError),
        match=r"^s3://bucket(/metadata/\S+)?: (not|its|the root to trust is not)",
    ):
        world.verify()


@pytest.mark.parametrize("name", METADATA)
@pytest.mark.parametrize("junk", [b"", b"<html>200 OK</html>", b'{"signed": {}}', b"[" * 100_000, b"\xff\xfe"])
def test_what_is_no_metadata_is_refused(world: World, name: str, junk: bytes) -> None:
    """Empty, a web page, too little, too deep, no text."""
    world.edit(f"metadata/{name}", lambda _: junk)
    with pytest.raises(ChangedMetadataError, match=r"not (the ones|what.* signed|a finished one)"):
        world.verify()


def test_a_file_of_another_role_is_refused(world: World) -> None:
    """Though it is genuine."""
    world.edit("metadata/timestamp.json", lambda _: world.objects.bytes_of("metadata/1.targets.json"))
    with pytest.raises(ChangedMetadataError, match=r"Expected 'timestamp', got 'targets'"):
        world.verify()


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_a_signature_by_another_key_is_refused(world: World, role: str) -> None:
    """Also by a key that may sign for another role."""
    stranger = world.keys["targets" if role == "timestamp" else "timestamp"][0]
    world.keys[role] = [stranger]
    path = "metadata/timestamp.json" if role == "timestamp" else f"metadata/1.{role}.json"
    world.edit(path, lambda data: signed_anew(data, lambda _: None, stranger))
    with pytest.raises((SignatureError, ChangedMetadataError), match=f"^s3://bucket/{path}"):
        world.verify()


def test_an_older_timestamp_is_refused(world: World) -> None:
    """A remote that goes back to what it offered before, by a reader who has seen more."""
    old = world.objects.bytes_of("metadata/timestamp.json")
    world.publish(b"two")
    assert world.read() == b"two"
    world.edit("metadata/timestamp.json", lambda _: old)
    with pytest.raises(
        RollbackError, match=r"^s3://bucket/metadata/timestamp\.json: older than .* timestamp version 1 must be >= 2"
    ):
        world.read()


def test_an_older_snapshot_under_a_newer_timestamp_is_refused(world: World) -> None:
    """As a stolen timestamp key could sign it."""
    world.publish(b"two")
    world.read()
    old = json.loads(world.objects.bytes_of("metadata/1.timestamp.json"))["signed"]["meta"]

    def go_back(signed: dict[str, Any]) -> None:
        signed["version"], signed["meta"] = 3, old

    world.edit("metadata/timestamp.json", lambda data: signed_anew(data, go_back, world.keys["timestamp"][0]))
    with pytest.raises(RollbackError, match=r"older than what this machine has seen"):
        world.read()


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_a_file_of_another_time_is_refused_as_mixed(world: World, role: str) -> None:
    """Genuine, but not what the rest belongs to."""
    world.publish(b"two")
    world.edit(f"metadata/2.{role}.json", lambda _: world.objects.bytes_of(f"metadata/1.{role}.json"))
    with pytest.raises(
        MixedVersionsError, match=rf"^s3://bucket/metadata/2\.{role}\.json: genuine, but version 1 is not"
    ):
        world.verify()


def test_a_root_under_another_number_is_refused_as_mixed(world: World) -> None:
    """The first root in the place of the second."""
    world.verify()
    world.objects.write("metadata/2.root.json", world.roots[0])
    with pytest.raises(MixedVersionsError, match=r"^s3://bucket/metadata/2\.root\.json: holds version 1"):
        world.verify()


@pytest.mark.parametrize(
    ("days", "role"),
    [({"timestamp_days": 2}, "timestamp"), ({"snapshot_days": 1}, "snapshot"), ({"targets_days": 1}, "targets")],
)
@pytest.mark.parametrize("seen", [False, True])
def test_metadata_that_nobody_renewed_is_refused(
    tmp_path: Path, days: dict[str, int], role: str, *, seen: bool
) -> None:
    """It says which, since when, what the clock says, and who has to do what; also what the reader had accepted."""
    world = World(tmp_path, KeysConfig(**{"timestamp_days": 20, **days}))
    world.publish(b"one")
    end = NOW + DAY * days[f"{role}_days"]
    if seen:
        world.verify()
    assert world.read(now=end - HOUR) == b"one"
    with pytest.raises(ExpiredError) as caught:
        world.verify(now=end)
    assert (caught.value.role, caught.value.expired) == (role, end)
    assert str(caught.value) == (
        f"s3://bucket: its {role} metadata expired at {end:%Y-%m-%d} 12:00 UTC, and this machine's clock says "
        f"{end:%Y-%m-%d} 12:00 UTC; if the clock "
        "is right, the publisher has to renew it (semcache keys sign); until then it may be old"
    )


def test_an_expired_root_is_refused(tmp_path: Path) -> None:
    """Its holders have to make another."""
    world = World(tmp_path, KeysConfig(root_days=1))
    world.publish(b"one")
    with pytest.raises(
        ExpiredError,
        match=r"^s3://bucket: its root metadata expired at 2026-11-26 12:00 UTC, .* \(semcache keys rotate root\)",
    ):
        world.verify(now=NOW + DAY)


def test_a_clock_that_is_ahead_shows_in_the_message(world: World) -> None:
    """What looks expired may be this machine's own fault."""
    with pytest.raises(ExpiredError, match=r"this machine's clock says 2031-11-24 12:00 UTC; if the clock is right"):
        world.verify(now=NOW + 1825 * DAY)


def test_a_clock_that_is_behind_is_refused(world: World) -> None:
    """It could not tell that something is old. An hour is forgiven."""
    with pytest.raises(ClockError) as caught:
        world.verify(now=NOW - DAY)
    assert str(caught.value) == (
        "s3://bucket/metadata/timestamp.json: signed at 2026-11-25 12:00 UTC, and this machine's clock says "
        "2026-11-24 12:00 UTC, which is earlier; set the clock of this machine, or the publisher's, and try again"
    )
    assert world.read(now=NOW - HOUR) == b"one"


def test_an_unsigned_remote_is_refused(tmp_path: Path) -> None:
    """With what its publisher can do."""
    with pytest.raises(
        UnsignedRemoteError, match=r"^s3://bucket/metadata/1\.root\.json: missing: nothing vouches .*keys init"
    ):
        World(tmp_path).verify()


def test_a_signed_remote_that_lost_its_metadata_is_not_taken_for_an_unsigned_one(world: World) -> None:
    """By a reader who knows it; deleting files gains nothing."""
    world.verify()
    (world.objects.folder / "metadata" / "timestamp.json").unlink()
    with pytest.raises(UnsignedRemoteError, match=r"^s3://bucket/metadata/timestamp\.json: missing: nothing vouches"):
        world.verify()


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_a_missing_file_is_named(world: World, role: str) -> None:
    """The remote is not whole."""
    (world.objects.folder / "metadata" / f"1.{role}.json").unlink()
    with pytest.raises(ObjectMissingError, match=rf"^s3://bucket/metadata/1\.{role}\.json: there is no such object"):
        world.verify()


@pytest.mark.parametrize("name", METADATA)
def test_an_endless_file_is_refused(world: World, name: str) -> None:
    """After a bounded number of bytes."""
    world.edit(f"metadata/{name}", lambda data: data + b" " * 6_000_000)
    with pytest.raises(ChangedMetadataError, match=rf"^s3://bucket/metadata/{name}: .*has more than \d"):
        world.verify()


def test_a_timestamp_has_less_room_than_targets(world: World) -> None:
    """Each role has a limit of its own."""
    world.edit("metadata/timestamp.json", lambda data: data + b" " * 20_000)
    with pytest.raises(
        ChangedMetadataError, match=r"^s3://bucket/metadata/timestamp\.json: .*maximum allowed length of 16384"
    ):
        world.verify()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data[:-1], "its 2 bytes are not the 3 that were signed"),
        (lambda data: data + b"x", "has more than the 3 bytes that were signed"),
        (lambda _: b"oNe", "its 3 bytes are not the 3 that were signed"),
    ],
    ids=["shorter", "longer", "other"],
)
def test_a_changed_target_is_refused(world: World, change: Callable[[bytes], bytes], says: str) -> None:
    """Shorter, longer (no more is read), or other bytes of the same length."""
    remote = world.verify()
    [place] = (world.objects.folder / "targets" / "demo").iterdir()
    place.write_bytes(change(place.read_bytes()))
    where = r"s3://bucket/targets/demo/[0-9a-f]{64}\.release\.json"
    with pytest.raises(ChangedMetadataError, match=f"^{where}: {says}; ask its publisher$"):
        remote.read(PATH, limit_bytes=LIMIT)


def test_a_target_that_is_too_large_is_not_loaded(world: World) -> None:
    """The metadata says so before a byte is read."""
    with pytest.raises(ChangedMetadataError, match=r"^s3://bucket: demo/release\.json has 3 bytes, allowed 2"):
        world.verify().read(PATH, limit_bytes=2)


@pytest.mark.parametrize("hashes", [{"sha512": "0" * 128}, {"sha256": "../../secret"}])
def test_a_target_without_a_sha256_is_not_looked_for(world: World, hashes: dict[str, str]) -> None:
    """Also one that its publisher signed: the hash is part of a path."""
    remote = world.verify()
    document = json.loads(remote.metadata["targets"])
    document["signed"]["targets"][PATH]["hashes"] = hashes
    signed = dataclasses.replace(remote, metadata={**remote.metadata, "targets": json.dumps(document).encode()})
    with pytest.raises(ChangedMetadataError, match=r"^s3://bucket: demo/release\.json is named with no sha256"):
        signed.read(PATH, limit_bytes=LIMIT)


def test_a_target_that_is_not_there_is_said_with_those_that_are(world: World) -> None:
    """A wrong name is a likely mistake."""
    with pytest.raises(NotPublishedError, match=r"^s3://bucket: offers no other/release\.json; it has demo/release"):
        world.read(path="other/release.json")


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_a_reader_who_was_away_follows_rotated_keys(world: World, role: str) -> None:
    """From the root it pinned to the last one, through every one between."""
    world.read()
    for i in range(3):
        world.rotate(role)
        world.publish(b"new %d" % i)
    assert world.read() == b"new 2"
    assert world.read(name="another reader") == b"new 2"


def test_a_stolen_key_is_worth_nothing_once_it_is_rotated(world: World) -> None:
    """To a reader who has seen the new root."""
    stolen = world.rotate("timestamp")
    world.publish(b"two")
    world.read()

    def count(signed: dict[str, Any]) -> None:
        signed["version"] += 1

    world.edit("metadata/timestamp.json", lambda data: signed_anew(data, count, stolen))
    with pytest.raises(SignatureError, match=r"^s3://bucket/metadata/timestamp\.json: not signed by those who may"):
        world.read()


def test_too_few_signatures_of_a_threshold_are_refused(tmp_path: Path) -> None:
    """One of three where it takes two: a single stolen root key changes nothing. Two are enough."""
    world = World(tmp_path, KeysConfig(root_keys=3, root_threshold=2))
    world.publish(b"one")
    world.read()
    keys = world.keys["root"]
    unsigned = next_root(world.roots[0], role="timestamp", add=[new_key()], drop=[], now=NOW)
    world.objects.write("metadata/2.root.json", sign_root(unsigned, keys[:1]))
    with pytest.raises(
        SignatureError, match=r"^s3://bucket/metadata/2\.root\.json: not signed by those who may: root was .* 1/2"
    ):
        world.read()
    world.objects.write("metadata/2.root.json", sign_root(unsigned, keys[1:]))
    assert world.read() == b"one"


def test_the_same_key_does_not_count_twice(tmp_path: Path) -> None:
    """Two signatures by one key are one."""
    world = World(tmp_path, KeysConfig(root_keys=2, root_threshold=2))
    document = json.loads(world.roots[0])
    document["signatures"][1] = document["signatures"][0]
    world.roots = [json.dumps(document).encode()]
    with pytest.raises(ChangedMetadataError, match=r"^s3://bucket: the root to trust is not a finished one"):
        world.verify(root=world.roots[0])


def test_a_remote_that_cannot_be_reached_says_so(world: World) -> None:
    """The error of the objects comes through as it is."""

    def refuse(_action: str, path: str) -> None:
        if path.endswith("snapshot.json"):
            raise RemoteUnavailableError("http://x", "no answer in 10 s")

    world.objects.before = refuse
    with pytest.raises(RemoteUnavailableError, match=r"^http://x: no answer in 10 s$"):
        world.verify()


def test_a_folder_that_cannot_be_written_says_so(world: World) -> None:
    """As the system says it."""
    (world.folder / "reader").write_text("a file")
    with pytest.raises(StorageError, match=r"reader: "):
        world.verify()


@pytest.mark.parametrize("step", range(6))
def test_a_reader_killed_at_any_read_leaves_nothing_in_the_way(world: World, step: int) -> None:
    """A real kill -9, in the middle of following a new root; the next reader gets what there is."""
    world.read()
    world.rotate("targets")
    world.publish(b"two")
    child = os.fork()
    if child == 0:
        left = iter(range(step))

        def die(_action: str, _path: str) -> None:
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)

        world.objects.before = die
        world.read()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert world.read() == b"two"


def test_what_a_killed_reader_left_is_cleared(world: World) -> None:
    """Half-written files do not gather."""
    world.read()
    (world.folder / "reader" / "tmpabcdef").write_bytes(b"{")
    world.read()
    assert sorted(path.name for path in (world.folder / "reader").iterdir()) == [
        *("lock", "pinned.root.json", "root.json", "root_history", "snapshot.json", "targets.json", "timestamp.json"),
    ]


@pytest.mark.parametrize("name", ["root.json", "root_history/1.root.json", "timestamp.json", "snapshot.json"])
def test_a_damaged_file_of_a_reader_is_replaced(world: World, name: str) -> None:
    """Only the pinned root is needed."""
    world.read()
    (world.folder / "reader" / name).unlink()
    (world.folder / "reader" / name).write_bytes(b"\0")
    assert world.read() == b"one"


def test_readers_share_a_folder(world: World) -> None:
    """Many at once, while versions come: each gets one of them, none an error."""
    found: list[bytes] = []

    def read_often() -> None:
        for _ in range(5):
            found.append(world.read())  # noqa: PERF401 - each as it comes

    readers = [threading.Thread(target=read_often) for _ in range(4)]
    for reader in readers:
        reader.start()
    for i in range(5):
        world.publish(b"%d" % i)
    for reader in readers:
        reader.join()
    assert len(found) == 20
    assert set(found) <= {b"one", b"0", b"1", b"2", b"3", b"4"}


def test_a_reader_needs_four_objects_and_then_one(world: World) -> None:
    """What has not changed is not loaded again, besides the timestamp and a look for a new root."""
    log: list[str] = []
    objects = FolderObjects(world.objects.folder, before=lambda _action, path: log.append(path))
    for _ in range(2):
        verify_remote(objects, metadata_dir=world.folder / "reader", now=NOW)
        log.append("-")
    assert log == [
        *("metadata/1.root.json", "metadata/2.root.json", "metadata/timestamp.json"),
        *("metadata/1.snapshot.json", "metadata/1.targets.json", "-"),
        *("metadata/2.root.json", "metadata/timestamp.json", "-"),
    ]
