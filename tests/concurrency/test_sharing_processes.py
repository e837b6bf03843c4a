"""Real processes that pull, publish, or do both at the same time."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import sharing_programs
from driving import command_of
from sharing import NAME, SignedSharing, numbered
from sharing_programs import N_ENTRIES, N_RELEASES, TEXT

from semcache import check_bundle
from semcache.bundle.locate import read_current
from semcache.core.release import parse_release

TIMEOUT_S = 120


@pytest.fixture
def sharing(tmp_path: Path) -> SignedSharing:
    """Give a signed remote with release 1, which nobody has pulled yet."""
    sharing = SignedSharing(tmp_path)
    sharing.make_keys()
    sharing.publish(numbered(N_ENTRIES, answer="release 1,"))
    return sharing


def run_together(*programs: tuple[Callable[..., None], str | Path, *tuple[str, ...]]) -> list[Any]:
    """Start programs, let them go on once all of them are ready, and give what each reports."""
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(command_of(program, *arguments), stdin=pipe, stdout=pipe, text=True)
        for program, *arguments in programs
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == '"ready"\n'
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    outs = [process.communicate(timeout=TIMEOUT_S)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [orjson.loads(out) for out in outs]


def test_of_pulls_at_once_each_brings_the_release_or_is_told_of_the_other(sharing: SignedSharing) -> None:
    """Three of them; what is live in the end is whole, and a further pull finds nothing to do."""
    reports = run_together(*[(sharing_programs.pull_once, sharing.folder)] * 3)
    live = read_current(sharing.pulled_root / NAME)
    assert {"version": live} in reports
    assert all(report in ({"version": live}, {"refused": "BuildLockedError"}) for report in reports)
    assert (check_bundle(NAME, root=sharing.pulled_root), sharing.pull().is_new) == ([], False)


@pytest.mark.parametrize("round_number", range(3))
def test_of_publishers_at_once_one_publishes_and_no_number_is_given_twice(
    sharing: SignedSharing, round_number: int
) -> None:
    """The others are told, and readers see one whole release; who was refused publishes the next one."""
    del round_number
    for label in ("one", "two", "three"):
        sharing.build(numbered(N_ENTRIES, answer=f"{label},"))
        subprocess.run(["cp", "-r", sharing.root, sharing.folder / f"root-{label}"], check=True)
        subprocess.run(["cp", "-r", sharing.keys_dir, sharing.folder / f"keys-{label}"], check=True)
    reports = run_together(*[(sharing_programs.publish_as, sharing.folder, label) for label in ("one", "two", "three")])
    numbers = sorted(report["number"] for report in reports if "number" in report)
    assert numbers == list(range(2, 2 + len(numbers)))
    assert len(numbers) >= 1
    assert all(report in ({"refused": "PublishConflictError"}, *({"number": n} for n in numbers)) for report in reports)
    assert sharing.pull().number == numbers[-1]
    assert check_bundle(NAME, root=sharing.pulled_root) == []
    assert sharing.publish(numbered(N_ENTRIES, answer="four,")).number == numbers[-1] + 1
    assert (sharing.pull().number, sharing.answer(TEXT)) == (numbers[-1] + 1, "four, 0 of item0")


def test_a_reader_who_pulls_while_others_publish_gets_one_release_at_a_time(sharing: SignedSharing) -> None:
    """In their order, each with its own answers, and never an error."""
    numbers, seen = run_together(
        (sharing_programs.publish_often, sharing.folder), (sharing_programs.pull_until_the_last, sharing.folder)
    )
    assert numbers == list(range(2, N_RELEASES + 1))
    assert [number for number, _ in seen] == sorted(number for number, _ in seen)
    assert {(number, answer) for number, answer in seen} <= {
        (number, f"release {number}, 0 of item0") for number in range(1, N_RELEASES + 1)
    }
    assert parse_release(sharing.offers().read(NAME)).number == N_RELEASES
    assert check_bundle(NAME, root=sharing.pulled_root) == []
