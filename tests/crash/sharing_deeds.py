"""What is interrupted at every step: publishing, pulling, removing, going back, and what is done with keys.

Each deed says what the world must look like whatever happened to it, and once it was done again.
Run as `python sharing_deeds.py DEED HOW FOLDER`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from every_step import every_step, full_from, killed_at  # noqa: E402 - found by the lines above
from sharing import NAME, SignedSharing, numbered  # noqa: E402
from trusting import HOUR, NOW  # noqa: E402

from semcache import check_bundle  # noqa: E402
from semcache.bundle.live import versions_on_disk  # noqa: E402
from semcache.core.release import parse_release  # noqa: E402
from semcache.errors import KeyFileError, SemcacheError  # noqa: E402
from semcache.remote.gc import collect  # noqa: E402
from semcache.remote.keys import rotate_key, show_keys  # noqa: E402
from semcache.remote.offers import SignedOffers  # noqa: E402
from semcache.remote.rollback import rollback  # noqa: E402
from semcache.store.chunks import unpack  # noqa: E402

OLD, NEW = numbered(3), numbered(3, answer="other")
TEXT = str(OLD[2]["query"])
LATER = NOW + HOUR
TIMEOUT_S = 300

World = SignedSharing


@dataclass(frozen=True)
class Deed:
    """Something that may be interrupted.

    Attributes:
        prepare: makes the world before it.
        do: does it; does it again.
        seen: what of the world must be one of two things, as a word.
    """

    prepare: Callable[[World], object]
    do: Callable[[World], object]
    seen: Callable[[World], str]


def offered(world: World) -> str:
    """Say which release readers see: one who knows the remote, and a new one; and that it is whole."""
    numbers = set()
    for trust in ("trust", "new-trust"):
        offers = SignedOffers(world.store, world.folder / trust, lambda: LATER)
        release = parse_release(offers.read(NAME))
        for ref in release.chunks():
            unpack(ref, world.store.read(ref.path, limit_bytes=ref.size_bytes))
        numbers.add(release.number)
    shutil.rmtree(world.folder / "new-trust")
    return f"release {' and '.join(map(str, numbers))}"


def served(world: World) -> str:
    """Say what the reader's bundle answers, and that each of its bytes is right."""
    assert check_bundle(NAME, root=world.pulled_root) == []
    return str(world.answer(TEXT))


def kept(world: World) -> str:
    """Say what the reader's bundle answers, and how many versions are there."""
    return f"{served(world)}, versions: {len(versions_on_disk(world.pulled_root / NAME))}"


def usable(world: World) -> str:
    """Say which root the keys are of, after they signed something that readers took."""
    world.publish_live(now=LATER)
    assert offered(world) == "release 2"
    return f"root {show_keys(world.keys_dir).root.version}"


def usable_or_missing(world: World) -> str:
    """Say whether there are keys, that sign something that readers take."""
    try:
        show_keys(world.keys_dir)
    except KeyFileError:
        return "no keys"
    world.publish_live(now=LATER)
    return offered(world)


def first_release(world: World) -> None:
    """Publish and pull a release, and build what comes next."""
    world.make_keys()
    world.publish(OLD)
    world.pull()
    world.build(NEW)


def second_release(world: World) -> None:
    """Publish what comes next."""
    first_release(world)
    world.publish_live(now=LATER)


def second_pull(world: World) -> None:
    """Pull it."""
    second_release(world)
    world.pull(now=LATER)


def a_stranger(world: World) -> None:
    """Leave the reader without anything."""
    second_release(world)
    shutil.rmtree(world.pulled_root)
    shutil.rmtree(world.folder / "trust")


def make_keys(world: World) -> None:
    """Make keys where there are none."""
    if not list(world.keys_dir.glob("roots/*.root.json")):
        world.make_keys()


def go_back(world: World) -> None:
    """Make the first version live again, where it is not."""
    if served(world) != "answer 2 of item2":
        rollback(NAME, root=world.pulled_root)


def rotate(role: str) -> Callable[[World], object]:
    """Return what replaces the key of a role, where that was not done."""

    def once(world: World) -> None:
        if show_keys(world.keys_dir).root.version == 1:
            rotate_key(world.keys_dir, role, passphrase=None, now=LATER)

    return once


def served_or_nothing(world: World) -> str:
    """Say what the reader's bundle answers, if there is one."""
    return served(world) if (world.pulled_root / NAME / "CURRENT").exists() else "no bundle"


DEEDS = {
    "publish": Deed(first_release, lambda world: world.publish_live(now=LATER), offered),
    "first pull": Deed(a_stranger, lambda world: world.pull(now=LATER), served_or_nothing),
    "pull": Deed(second_release, lambda world: world.pull(now=LATER), served),
    "gc": Deed(second_pull, lambda world: collect(root=world.pulled_root, keep=0), kept),
    "rollback": Deed(second_pull, go_back, served),
    "keys init": Deed(lambda world: world.build(OLD), make_keys, usable_or_missing),
    "keys rotate": Deed(first_release, rotate("targets"), usable),
    "keys rotate root": Deed(first_release, rotate("root"), usable),
}


@dataclass(frozen=True)
class Outcome:
    """What came of one interruption.

    Attributes:
        step: that was not taken.
        ended: "killed", "done", or the error that was raised.
        seen: of the world afterwards.
        again: of the world after the deed was done again, undisturbed.
    """

    step: str
    ended: str
    seen: str
    again: str


def interrupted(deed: str, how: str, folder: Path) -> list[Outcome]:
    """Run a deed in a process of its own, interrupted at each of its steps in turn.

    Args:
        deed: one of `DEEDS`.
        how: "killed" or "full": from that step on the disk has no room.
        folder: an empty one.
    """
    command = [sys.executable, __file__, deed, how, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    return [Outcome(**one) for one in json.loads(done.stdout)]


def _main(name: str, how: str, folder: str) -> None:
    deed, template, top = DEEDS[name], Path(folder, "template"), Path(folder, "world")
    top.mkdir()
    with every_step():
        deed.prepare(World(top))
        top.rename(template)
        with every_step() as steps:
            deed.do(_world(template, top))
        outcomes = []
        for step in steps:
            world = _world(template, top)
            ended = (_killed if how == "killed" else _full)(deed, world, step.number)
            seen = deed.seen(world)
            deed.do(world)
            place = f"{step.number}: {step.name} {step.path.relative_to(top)}"
            outcomes.append({"step": place, "ended": ended, "seen": seen, "again": deed.seen(world)})
    sys.stdout.write(json.dumps(outcomes))


def _world(template: Path, top: Path) -> World:
    """Restore the world, in its own place: the remote's address is part of what is known of it."""
    shutil.rmtree(top, ignore_errors=True)
    shutil.copytree(template, top)
    return World(top)


def _killed(deed: Deed, world: World, number: int) -> str:
    child = os.fork()
    if child == 0:
        with every_step(killed_at(number)):
            deed.do(world)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return {-9: "killed", 0: "done"}[os.waitstatus_to_exitcode(status)]


def _full(deed: Deed, world: World, number: int) -> str:
    try:
        with every_step(full_from(number)):
            deed.do(world)
    except SemcacheError as error:
        return f"{type(error).__name__}: {error}"
    return "done"


if __name__ == "__main__":
    _main(*sys.argv[1:])
