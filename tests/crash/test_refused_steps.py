"""The operating system refuses one step of a build."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
from crash_corpora import NEW, NEW_CORPUS, OLD, OLD_CORPUS, answers, build_pairs, debris, problems
from crash_steps import FailingFileSystem, SteppedFileSystem

from semcache.errors import StorageError


@pytest.mark.parametrize(
    ("number", "for_good"),
    [(errno.ENOSPC, True), (errno.EACCES, False), (errno.EIO, False), (errno.EROFS, True)],
    ids=["ENOSPC", "EACCES", "EIO", "EROFS"],
)
def test_an_error_at_any_step_is_a_storage_error_and_keeps_the_old_version(
    tmp_path: Path, number: int, *, for_good: bool
) -> None:
    """StorageError with the system's number; old answers, or new ones once CURRENT was replaced; then a clean build."""
    template = tmp_path / "template"
    template.mkdir()
    build_pairs(template / "indexes", OLD_CORPUS)
    counting = SteppedFileSystem()
    build_pairs(Path(shutil.copytree(template, tmp_path / "count")) / "indexes", NEW_CORPUS, fs=counting)
    replaced_at = max(step.number for step in counting.steps if step.name == "replace")
    assert replaced_at == len(counting.steps) - 1  # only the sync of the folder comes after it
    for step in counting.steps:
        root = Path(shutil.copytree(template, tmp_path / str(step.number))) / "indexes"
        with pytest.raises(StorageError) as caught:
            build_pairs(root, NEW_CORPUS, fs=FailingFileSystem(number, step.number, for_good=for_good))
        assert caught.value.errno == number, step
        assert answers(root) == (OLD if step.number <= replaced_at else NEW), step
        assert problems(root) == [], step
        if not for_good:
            assert debris(root) == [], step
        build_pairs(root, NEW_CORPUS)
        assert (answers(root), problems(root), debris(root)) == (NEW, [], []), step


def test_an_error_at_any_step_of_a_first_build_leaves_no_bundle(tmp_path: Path) -> None:
    """StorageError, and no bundle until CURRENT is there; a later build succeeds and cleans up."""
    (tmp_path / "count").mkdir()
    counting = SteppedFileSystem()
    build_pairs(tmp_path / "count" / "indexes", NEW_CORPUS, fs=counting)
    for step in counting.steps:
        root = tmp_path / str(step.number) / "indexes"
        root.parent.mkdir()
        with pytest.raises(StorageError) as caught:
            build_pairs(root, NEW_CORPUS, fs=FailingFileSystem(errno.ENOSPC, step.number, for_good=True))
        assert caught.value.errno == errno.ENOSPC, step
        assert answers(root) == (NEW if step is counting.steps[-1] else None), step
        build_pairs(root, NEW_CORPUS)
        assert (answers(root), problems(root), debris(root)) == (NEW, [], []), step
