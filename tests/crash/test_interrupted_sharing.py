"""Publishing, pulling, removing, going back, and what is done with keys: killed, or without room, at every step."""

from __future__ import annotations

from pathlib import Path

import pytest
from sharing_deeds import interrupted

OLD, NEW = "answer 2 of item2", "other 2 of item2"
PROMISES = {
    "publish": (60, {"release 1", "release 2"}, "release 2"),
    "first pull": (100, {"no bundle", NEW}, NEW),
    "pull": (40, {OLD, NEW}, NEW),
    "gc": (3, {f"{NEW}, versions: 2", f"{NEW}, versions: 1"}, f"{NEW}, versions: 1"),
    "rollback": (10, {NEW, OLD}, OLD),
    "keys init": (20, {"no keys", "release 1"}, "release 1"),
    "keys rotate": (8, {"root 1", "root 2"}, "root 2"),
    "keys rotate root": (8, {"root 1", "root 2"}, "root 2"),
}
"""Of each deed: the least number of its steps, what may be seen after it was interrupted, and after it was repeated."""


@pytest.mark.parametrize("deed", PROMISES)
def test_a_kill_at_any_step_leaves_what_was_or_what_was_to_be(tmp_path: Path, deed: str) -> None:
    """By SIGKILL: the new one from one step on, each whole; the same command, at once, ends what was begun."""
    n_least, allowed, wanted = PROMISES[deed]
    outcomes = interrupted(deed, "killed", tmp_path)
    assert len(outcomes) >= n_least
    assert {outcome.ended for outcome in outcomes} == {"killed"}
    assert {outcome.seen for outcome in outcomes} == allowed
    seen = [outcome.seen for outcome in outcomes]
    assert seen == sorted(seen, key=seen.index)
    assert {outcome.again for outcome in outcomes} == {wanted}


@pytest.mark.parametrize("deed", PROMISES)
def test_a_disk_without_room_from_any_step_on_is_said(tmp_path: Path, deed: str) -> None:
    """Where the publisher's, the remote's or the reader's disk is full; with room, the same command ends it."""
    _, allowed, wanted = PROMISES[deed]
    for outcome in interrupted(deed, "full", tmp_path):
        if not (outcome.ended == "done" and "remove_file" in outcome.step):  # only tidying was left
            assert outcome.ended.startswith(("StorageError: ", "RemoteUnavailableError: ")), outcome
            assert "No space left on device; free some space" in outcome.ended, outcome
        assert outcome.seen in allowed, outcome
        assert outcome.again == wanted, outcome
