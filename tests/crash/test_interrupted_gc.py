"""A removal or a rollback that dies, or is refused, at any step."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from crash_corpora import NEW, NEW_CORPUS, OLD, OLD_CORPUS, answers, build_pairs, debris, problems
from crash_disk import Disk, PowerLossFileSystem, restore
from crash_steps import Crash, CrashingFileSystem, FailingFileSystem, SteppedFileSystem, is_tearable

from semcache.errors import StorageError
from semcache.remote.gc import collect
from semcache.remote.rollback import rollback
from semcache.store.fsio import FileSystem

Action = Callable[[Path, FileSystem], object]
MIDDLE = {"middle": "version"}


def remove(root: Path, fs: FileSystem) -> object:
    """Remove all but the live version."""
    return collect(root=root, keep=0, fs=fs)


def back(root: Path, fs: FileSystem) -> object:
    """Make the first version live again."""
    return rollback("small", root=root, fs=fs)


ACTIONS = [(remove, (NEW,)), (back, (OLD, NEW))]


def three_versions(root: Path) -> None:
    """Build three versions, the last of them new, and leave debris and an encoder that nobody needs."""
    for corpus in (MIDDLE, OLD_CORPUS, NEW_CORPUS):
        build_pairs(root, corpus)
    (root / "small" / "versions" / ".staging-1").mkdir()
    (root / "encoders" / ("0" * 32)).mkdir()
    (root / "encoders" / ("0" * 32) / "model.onnx").write_bytes(b"123")


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """Give a folder to copy, with a root in it."""
    root = tmp_path / "template" / "indexes"
    root.parent.mkdir()
    three_versions(root)
    return root.parent


def settle(root: Path) -> None:
    """Remove what is left, and see that the bundle is as good as new."""
    collect(root=root, keep=0)
    build_pairs(root, NEW_CORPUS)
    assert (answers(root), problems(root), debris(root)) == (NEW, [], [])


@pytest.mark.parametrize(("action", "allowed"), ACTIONS)
@pytest.mark.parametrize("is_torn", [False, True])
def test_death_at_any_step_leaves_a_sound_live_version(
    tmp_path: Path,
    template: Path,
    action: Action,
    allowed: tuple[object, ...],
    is_torn: bool,  # noqa: FBT001 - the parameter under test
) -> None:
    """Killed before a step or in the middle of it: the live version is whole; the next removal clears the rest."""
    counting = SteppedFileSystem()
    action(Path(shutil.copytree(template, tmp_path / "count")) / "indexes", counting)
    steps = [step for step in counting.steps if not is_torn or is_tearable(step)]
    assert len(steps) >= 2
    for step in steps:
        root = Path(shutil.copytree(template, tmp_path / str(step.number))) / "indexes"
        with pytest.raises(Crash):
            action(root, CrashingFileSystem(step.number, is_torn=is_torn))
        assert answers(root) in allowed, step
        assert problems(root) == [], step
        settle(root)


@pytest.mark.parametrize(("action", "allowed"), ACTIONS)
def test_a_refusal_at_any_step_is_a_storage_error(
    tmp_path: Path, template: Path, action: Action, allowed: tuple[object, ...]
) -> None:
    """And leaves a live version that is whole."""
    counting = SteppedFileSystem()
    action(Path(shutil.copytree(template, tmp_path / "count")) / "indexes", counting)
    for step in counting.steps:
        root = Path(shutil.copytree(template, tmp_path / str(step.number))) / "indexes"
        with pytest.raises(StorageError) as caught:
            action(root, FailingFileSystem(errno.EIO, step.number, for_good=False))
        assert caught.value.errno == errno.EIO, step
        assert answers(root) in allowed, step
        assert problems(root) == [], step
        settle(root)


@pytest.mark.parametrize(("action", "allowed"), ACTIONS)
def test_a_power_loss_at_any_step_leaves_a_sound_live_version(
    tmp_path: Path, template: Path, action: Action, allowed: tuple[object, ...]
) -> None:
    """Whatever the disk lost of what it was not asked to keep."""
    counting = SteppedFileSystem()
    action(Path(shutil.copytree(template, tmp_path / "count")) / "indexes", counting)
    n_outcomes = 0
    for step in counting.steps:
        top = Path(shutil.copytree(template, tmp_path / str(step.number)))
        with Disk(top) as disk:
            with pytest.raises(Crash):
                action(top / "indexes", PowerLossFileSystem(disk, step.number))
            for outcome in disk.outcomes():
                n_outcomes += 1
                found = tmp_path / f"outcome-{n_outcomes}"
                restore(outcome, found)
                assert answers(found / "indexes") in allowed, step
                assert problems(found / "indexes") == [], step
    assert n_outcomes > len(counting.steps)
