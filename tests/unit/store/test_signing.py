from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trusting import DAY, HOUR, NOW, PATH, World

from semcache.config import KeysConfig
from semcache.errors import (
    ClockError,
    MixedVersionsError,
    PublishConflictError,
    RollbackError,
    SemcacheError,
    SignatureError,
    StorageError,
    UnsignedRemoteError,
)
from semcache.store.lock import exclusive_lock
from semcache.store.signing import CLAIM_LIFETIME


class CutOffError(Exception):
    """The publisher is gone."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Give a remote with one file."""
    world = World(tmp_path)
    world.publish(b"one")
    return world


def cut_off_before(step: int) -> Callable[[str, str], None]:
    """Return what ends a publisher before its n-th write, from 0."""
    left = iter(range(step))

    def cut(action: str, _path: str) -> None:
        if action == "write" and next(left, None) is None:
            raise CutOffError

    return cut


def unhindered(_action: str, _path: str) -> None:
    """Do nothing."""


def version_of(world: World, name: str) -> int:
    """Return the version that a metadata file says it has."""
    version: int = json.loads(world.objects.bytes_of(f"metadata/{name}.json"))["signed"]["version"]
    return version


def test_files_of_other_names_stay(world: World) -> None:
    """A remote holds many bundles; publishing one leaves the others."""
    world.publish(b"other", path="other/release.json")
    world.publish(b"two")
    assert world.verify().paths == ["demo/release.json", "other/release.json"]
    assert (world.read(), world.read(path="other/release.json")) == (b"two", b"other")


def test_several_files_are_published_at_once(world: World) -> None:
    """A reader sees all of them or none."""
    published = world.publisher().publish({"a/release.json": b"a", "b/release.json": b"b"}, now=NOW)
    assert (published.number, published.roles) == (2, ("targets", "snapshot", "timestamp"))
    assert world.verify().paths == ["a/release.json", "b/release.json", "demo/release.json"]


def test_what_is_published_says_when_it_ends(world: World) -> None:
    """By the days that the root states."""
    published = world.publisher().publish({PATH: b"two"}, now=NOW + DAY)
    assert {role: (end - NOW).days for role, end in published.expires.items()} == {
        "root": 365,
        "targets": 31,
        "snapshot": 8,
        "timestamp": 3,
    }


def test_files_are_written_in_the_order_that_readers_need(world: World) -> None:
    """The claim, what nobody names yet, and last what readers look at first."""
    log: list[str] = []
    world.objects.before = lambda action, path: log.append(path) if action == "write" else None
    world.publish(b"two")
    sha256 = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"
    assert log == [
        "metadata/2.timestamp.json",
        f"targets/demo/{sha256}.release.json",
        "metadata/2.targets.json",
        "metadata/2.snapshot.json",
        "metadata/timestamp.json",
    ]


@pytest.mark.parametrize("rotated", [None, "targets", "timestamp", "root"])
@pytest.mark.parametrize("step", range(6))
def test_a_publisher_cut_off_at_any_write_leaves_the_old_or_the_new(
    world: World, step: int, rotated: str | None
) -> None:
    """To a reader who was there before and to a new one; and the next try, at once, publishes."""
    world.read()
    old_key = world.rotate(rotated) if rotated else None
    publisher = world.publisher(
        keys=[key for keys in world.keys.values() for key in keys] + ([old_key] if old_key else [])
    )
    world.objects.before = cut_off_before(step)
    is_cut = step < (6 if rotated else 5)
    if is_cut:
        with pytest.raises(CutOffError):
            publisher.publish({PATH: b"two"}, now=NOW)
    else:
        publisher.publish({PATH: b"two"}, now=NOW)
    world.objects.before = unhindered
    seen = b"two" if step >= 5 else b"one"
    assert (world.read(), world.read(name="new reader")) == (seen, seen)
    publisher.publish({PATH: b"three"}, now=NOW)
    assert (world.read(), world.read(name="new reader"), world.read(name="third")) == (b"three",) * 3


@pytest.mark.parametrize("step", range(6))
def test_a_first_publish_cut_off_at_any_write_is_no_remote_yet(tmp_path: Path, step: int) -> None:
    """Readers are told that nothing vouches for it; the next try publishes."""
    world = World(tmp_path)
    world.objects.before = cut_off_before(step)
    with pytest.raises(CutOffError):
        world.publish(b"one")
    world.objects.before = unhindered
    with pytest.raises(UnsignedRemoteError):
        world.read()
    world.publish(b"one")
    assert world.read() == b"one"


@pytest.mark.parametrize("step", [0, 1, 2, 3, 4])
def test_of_two_publishers_at_once_one_is_refused(world: World, step: int) -> None:
    """The second one, from its start to the end of the first; no reader ever sees an error, and nothing is lost."""
    left = iter(range(step))
    first, second = world.publisher(), world.publisher(name="second publisher")
    outcomes = []

    def meanwhile(action: str, _path: str) -> None:
        if action == "write" and next(left, None) is None:
            world.objects.before = unhindered
            try:
                second.publish({PATH: b"by the second"}, now=NOW)
                outcomes.append("second")
            except PublishConflictError:
                outcomes.append("refused")
            assert world.read() in {b"one", b"by the second"}

    world.objects.before = meanwhile
    try:
        first.publish({"other/release.json": b"by the first"}, now=NOW)
        outcomes.append("first")
    except PublishConflictError as error:
        outcomes.append(str(error).partition(": ")[2])
    if step == 0:
        assert outcomes == ["second", "somebody else publishes at this moment; try again"]
        assert world.verify().paths == ["demo/release.json"]
    else:
        assert outcomes == ["refused", "first"]
        assert world.verify().paths == ["demo/release.json", "other/release.json"]


def test_what_another_publisher_left_is_waited_for_and_then_passed_over(world: World) -> None:
    """It may be alive; the message says until when."""
    world.objects.before = cut_off_before(3)
    with pytest.raises(CutOffError):
        world.publish(b"two")
    world.objects.before = unhindered
    other = world.publisher(name="other publisher")
    with pytest.raises(PublishConflictError) as caught:
        other.publish({PATH: b"three"}, now=NOW)
    assert str(caught.value) == (
        "s3://bucket: version 2 was claimed at 2026-11-25 12:00 UTC: somebody else publishes, or was cut off; try "
        "again after 12:15 UTC"
    )
    assert other.publish({PATH: b"three"}, now=NOW + CLAIM_LIFETIME).number == 3
    assert world.read(now=NOW + CLAIM_LIFETIME) == b"three"


def test_a_publisher_that_was_asleep_gives_up(world: World) -> None:
    """Before others pass over its claim: what they published is not replaced by something older."""
    seconds = iter([0.0, 301.0])
    slow = world.publisher()
    slow = type(slow)(slow.objects, slow.metadata_dir, slow.roots, slow.keys, lambda: next(seconds))
    with pytest.raises(PublishConflictError, match=r"^s3://bucket: publishing took more than 300 s; publish again$"):
        slow.publish({PATH: b"two"}, now=NOW)
    assert world.read() == b"one"


def test_a_timestamp_that_was_replaced_meanwhile_is_left_alone(world: World) -> None:
    """However it came there."""
    other = World(world.folder / "other")
    other.publish(b"other")

    def replace(action: str, path: str) -> None:
        if action == "write" and path == "metadata/2.snapshot.json":
            world.edit("metadata/timestamp.json", lambda _: other.objects.bytes_of("metadata/timestamp.json"))

    world.objects.before = replace
    with pytest.raises(PublishConflictError, match=r"changed by somebody else while this was published"):
        world.publish(b"two")


def test_two_programs_with_one_folder_of_keys_take_turns(world: World) -> None:
    """The second is told at once."""
    with (
        exclusive_lock(world.folder / "publisher" / "publish.lock"),
        pytest.raises(PublishConflictError, match=r"another program publishes with these keys"),
    ):
        world.publish(b"two")


def test_junk_in_the_place_of_a_claim_is_passed_over(world: World) -> None:
    """What is no claim of anybody keeps nobody from publishing."""
    world.objects.write("metadata/2.timestamp.json", b"junk")
    world.objects.write("metadata/3.timestamp.json", b" " * 6_000_000)
    assert world.publisher().publish({PATH: b"two"}, now=NOW).number == 4
    assert world.read() == b"two"


def test_a_timestamp_is_renewed_without_new_content(world: World) -> None:
    """It then counts for two more days; the rest stays as it is while half of its time is left."""
    published = world.publisher().renew(now=NOW + DAY)
    assert (published.number, published.roles) == (2, ("timestamp",))
    assert world.read(now=NOW + 3 * DAY - HOUR) == b"one"


def test_a_snapshot_is_renewed_when_half_of_its_time_is_over(world: World) -> None:
    """Without the key of targets."""
    keys = [*world.keys["snapshot"], *world.keys["timestamp"]]
    roles = [world.publisher(keys=keys).renew(now=NOW + n * DAY).roles for n in (3, 4)]
    assert roles == [("timestamp",), ("snapshot", "timestamp")]


def test_targets_are_renewed_when_their_key_is_at_hand(world: World) -> None:
    """Else they are left, and the publisher is told when they end."""
    keys = [*world.keys["snapshot"], *world.keys["timestamp"]]
    left = world.publisher(keys=keys).renew(now=NOW + 16 * DAY)
    assert (left.roles, left.expires["targets"]) == (("snapshot", "timestamp"), NOW + 30 * DAY)
    done = world.publisher().renew(now=NOW + 16 * DAY)
    assert (done.roles, done.expires["targets"]) == (("targets", "snapshot", "timestamp"), NOW + 46 * DAY)


def test_what_has_expired_is_renewed(world: World) -> None:
    """Readers refuse it; who publishes must be able to mend it."""
    late = NOW + 100 * DAY
    world.publisher().renew(now=late)
    assert world.read(now=late) == b"one"


def test_nothing_is_renewed_where_nothing_was_published(tmp_path: Path) -> None:
    """The remote stays empty."""
    world = World(tmp_path)
    with pytest.raises(UnsignedRemoteError, match=r"^s3://bucket: nothing was ever published here"):
        world.publisher().renew(now=NOW)
    assert not world.objects.folder.exists()


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_without_a_key_nothing_is_written(world: World, role: str) -> None:
    """It says which key it takes."""
    log: list[str] = []
    keys = [key for other, keys in world.keys.items() for key in keys if other != role]
    world.objects.before = lambda action, path: log.append(path) if action == "write" else None
    wanted = world.keys[role][0].id[:8]
    with pytest.raises(
        SignatureError, match=rf"^s3://bucket: {role} was signed by 0/1 keys; it takes the private key {wanted}"
    ):
        world.publisher(keys=keys).publish({PATH: b"two"}, now=NOW)
    assert log == []


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_a_rotated_key_is_brought_to_the_remote_by_the_next_renewal(world: World, role: str) -> None:
    """With what the old one had signed signed anew; readers of the old root and of the new one go on at every step."""
    world.read(name="away")
    old = world.rotate(role)
    keys = [*(key for keys in world.keys.values() for key in keys), old]
    seen: list[bytes] = []

    def look(action: str, _path: str) -> None:
        if action == "write":
            world.objects.before = unhindered
            seen.append(world.read(name=f"reader {len(seen)}"))
            world.objects.before = look

    world.objects.before = look
    world.publisher(keys=keys).renew(now=NOW)
    assert set(seen) == {b"one"}
    assert (world.read(name="away"), version_of(world, "2.root")) == (b"one", 2)


def test_a_remote_of_other_keys_is_left_alone(world: World) -> None:
    """Two publishers who each made keys do not take a remote from each other."""
    stranger = World(world.folder / "stranger")
    stranger.objects = world.objects
    with pytest.raises(SignatureError):
        stranger.publish(b"evil")
    assert world.read() == b"one"


def test_two_roots_of_one_version_are_refused(world: World) -> None:
    """Two holders who each rotated a key have to talk."""
    first = World(world.folder / "elsewhere")
    first.keys, first.roots, first.objects = dict(world.keys), list(world.roots), world.objects
    first.rotate("timestamp")
    first.publish(b"two")
    world.rotate("snapshot")
    with pytest.raises(MixedVersionsError, match=r"^s3://bucket/metadata/2\.root\.json: is not the root that is among"):
        world.publish(b"three")
    assert first.read() == b"two"


def test_a_publisher_builds_on_nothing_that_was_tampered_with(world: World) -> None:
    """An older state that is put back is refused, not signed again."""
    old = world.objects.bytes_of("metadata/timestamp.json")
    world.publish(b"two")
    world.publish(b"three")
    world.edit("metadata/timestamp.json", lambda _: old)
    with pytest.raises(RollbackError):
        world.publish(b"four")


def test_a_remote_that_was_emptied_is_not_begun_anew(world: World) -> None:
    """Readers would refuse it: what they have seen is newer."""
    world.publish(b"two")
    (world.objects.folder / "metadata" / "timestamp.json").unlink()
    with pytest.raises(UnsignedRemoteError, match=r"missing: nothing vouches for what this remote holds now"):
        world.publish(b"three")


def test_a_publisher_whose_clock_is_behind_is_refused(world: World) -> None:
    """It would sign what is expired for everybody else."""
    with pytest.raises(ClockError):
        world.publish(b"two", now=NOW - DAY)


def test_days_of_the_root_are_those_of_the_publisher(tmp_path: Path) -> None:
    """Whoever publishes later keeps to what the root's holders chose."""
    world = World(tmp_path, KeysConfig(timestamp_days=1, snapshot_days=3, targets_days=9))
    ends = world.publisher().publish({PATH: b"one"}, now=NOW).expires
    assert {role: (end - NOW).days for role, end in ends.items()} == {
        "timestamp": 1,
        "snapshot": 3,
        "targets": 9,
        "root": 365,
    }


def test_a_folder_that_cannot_be_written_says_so(world: World) -> None:
    """As the system says it; nothing was published."""
    (world.folder / "blocked").write_text("a file")
    with pytest.raises(StorageError, match=r"blocked"):
        world.publisher(name="blocked").publish({PATH: b"two"}, now=NOW)
    assert world.read() == b"one"


def test_every_refusal_is_one_of_ours(world: World) -> None:
    """Whatever byte is changed in what the publisher builds on."""

    def shortened(data: bytes) -> bytes:
        return data[: len(data) // 2]

    for name in ("timestamp", "1.snapshot", "1.targets"):
        genuine: Any = world.objects.bytes_of(f"metadata/{name}.json")
        world.edit(f"metadata/{name}.json", shortened)
        with pytest.raises(SemcacheError):
            world.publisher(name=f"publisher of {name}").publish({PATH: b"two"}, now=NOW)
        world.objects.write(f"metadata/{name}.json", genuine)
