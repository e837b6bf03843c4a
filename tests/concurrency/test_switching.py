"""Four processes look up, by exact text and by meaning, while versions are pulled, rolled back and built."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import sharing_programs
from driving import command_of
from shared import HASHING, write_corpus
from sharing import NAME, SignedSharing, numbered

from semcache import build_bundle
from semcache.remote.gc import collect
from semcache.remote.rollback import rollback

N_READERS = 4
TIMEOUT_S = 60
EXACT = str(numbered(3)[2]["query"])
NEAR, FAR = f"please {EXACT}", "nothing like any of them"


@pytest.fixture
def sharing(tmp_path: Path) -> SignedSharing:
    """Give a reader's root with release 1."""
    sharing = SignedSharing(tmp_path)
    sharing.make_keys()
    sharing.publish(numbered(30, answer="one,"))
    sharing.pull()
    return sharing


@pytest.fixture
def readers(sharing: SignedSharing) -> Iterator[list[subprocess.Popen[str]]]:
    """Give processes that look up in the reader's root, whatever is live there."""
    command = command_of(sharing_programs.look_up, sharing.pulled_root, EXACT, NEAR, FAR)
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(N_READERS)]
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def seen_by(processes: list[subprocess.Popen[str]]) -> set[str]:
    """Wait until every reader answers from another version than before; return from which."""
    versions = set()
    for process in processes:
        assert process.stdout is not None
        versions.add(orjson.loads(process.stdout.readline()))
    return versions


def test_no_lookup_fails_or_answers_from_no_version(
    sharing: SignedSharing, readers: list[subprocess.Popen[str]]
) -> None:
    """Every reader sees every switch; every answer of a version is that version's own."""
    labels: dict[str, str] = {}

    def switched(version: str | None, label: str) -> None:
        assert version is not None
        assert seen_by(readers) == {version}
        labels[version] = label

    [first] = (path.name for path in (sharing.pulled_root / NAME / "versions").iterdir())
    switched(first, "one,")
    for label in ("two,", "three,"):
        sharing.publish(numbered(30, answer=label))
        switched(sharing.pull().version, label)
    switched(rollback(NAME, root=sharing.pulled_root).version, "two,")
    switched(rollback(NAME, root=sharing.pulled_root).version, "one,")
    corpus = write_corpus(sharing.folder / "own.jsonl", numbered(30, answer="own,"))
    switched(build_bundle([corpus], name=NAME, root=sharing.pulled_root, config=HASHING).id, "own,")
    collect(root=sharing.pulled_root, keep=0)
    sharing.publish(numbered(30, answer="four,"))
    switched(sharing.pull().version, "four,")
    for process in readers:
        out, _ = process.communicate("\n", timeout=TIMEOUT_S)
        assert process.returncode == 0
        assert {tuple(one) for one in orjson.loads(out)} == {
            answer
            for version, label in labels.items()
            for answer in (
                (version, EXACT, f"{label} 2 of item2"),
                (version, NEAR, f"{label} 2 of item2"),
                (version, FAR, "below_threshold"),
            )
        }
