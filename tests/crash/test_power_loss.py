"""The power fails at every step of a build, on a disk that keeps nothing it was not asked to keep."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crash_corpora import (
    NEW,
    NEW_CORPUS,
    OLD,
    OLD_CORPUS,
    Answers,
    answers,
    build_pairs,
    debris,
    problems,
)
from crash_disk import Disk, PowerLossFileSystem, Tree, restore
from crash_steps import Crash, Step, is_tearable

from semcache.errors import SemcacheError

MakeFileSystem = Callable[..., PowerLossFileSystem]


def nothing(root: Path) -> None:
    """Leave the root to the first build."""
    del root


def an_older_version(root: Path) -> None:
    """Leave one version, live."""
    build_pairs(root, OLD_CORPUS)


def the_same_version(root: Path) -> None:
    """Leave the version that will be built, whole and not live."""
    build_pairs(root, NEW_CORPUS)
    build_pairs(root, OLD_CORPUS)


def the_same_version_damaged(root: Path) -> None:
    """Leave the version that will be built, damaged and not live."""
    path = build_pairs(root, NEW_CORPUS).path / "values.mdb"
    build_pairs(root, OLD_CORPUS)
    path.write_bytes(path.read_bytes()[:-1])


def a_killed_build(root: Path) -> None:
    """Leave a live version and what builds that died at three places left."""
    build_pairs(root, OLD_CORPUS)
    (root / "small" / "CURRENT.new").write_bytes(b"0123")
    for folder in (root / "small" / "versions", root / "encoders"):
        staged = folder / ".staging-1"
        staged.mkdir()
        (staged / "one").write_bytes(b"1")
        (staged / "two").write_bytes(b"2")


class Losses:
    """Builds the new version over a prepared root, again and again, and says where a loss of power does harm."""

    def __init__(self, folder: Path, prepare: Callable[[Path], None], make_fs: MakeFileSystem) -> None:
        self._folder, self._make_fs = folder, make_fs
        self._template = folder / "template"
        self._template.mkdir()
        prepare(self._template / "indexes")
        (self._template / "small.jsonl").unlink(missing_ok=True)
        self._before = OLD if (self._template / "indexes").exists() else None
        self._verdicts: dict[tuple[Tree, bool], str] = {}
        self._states: set[tuple[object, ...]] = set()
        self._n_runs = 0

    def harm(self) -> Iterator[str]:
        """Yield what goes wrong after each stop, the last step first."""
        steps, found = self._run_to_the_end()
        yield from found
        for step in reversed(steps):
            yield from self._stop_at(step, is_torn=False)
            if is_tearable(step):
                yield from self._stop_at(step, is_torn=True)

    def _run_to_the_end(self) -> tuple[list[Step], list[str]]:
        top = self._copy()
        with Disk(top) as disk:
            fs = self._make_fs(disk)
            build_pairs(top / "indexes", NEW_CORPUS, fs=fs, corpora_dir=self._folder)
            return fs.steps, [f"a finished build: {text}" for text in self._check_all(disk, is_finished=True)]

    def _stop_at(self, step: Step, *, is_torn: bool) -> Iterator[str]:
        top, where = self._copy(), f"{step}{' (torn)' if is_torn else ''}"
        with Disk(top) as disk:
            fs = self._make_fs(disk, step.number, is_torn=is_torn)
            with pytest.raises(Crash):
                build_pairs(top / "indexes", NEW_CORPUS, fs=fs, corpora_dir=self._folder)
            state = disk.state()
            if state in self._states:
                return
            self._states.add(state)
            yield from (f"{where}: {text}" for text in self._check_all(disk, is_finished=False))
            build_pairs(top / "indexes", NEW_CORPUS, fs=self._make_fs(disk), corpora_dir=self._folder)
            yield from (f"{where}, built again: {text}" for text in self._check_all(disk, is_finished=True))

    def _check_all(self, disk: Disk, *, is_finished: bool) -> list[str]:
        """Check every tree that the disk may hold now; each different one once."""
        verdicts = []
        for tree in disk.outcomes():
            key = tree, is_finished
            if key not in self._verdicts:
                self._verdicts[key] = self._check(tree, {NEW} if is_finished else {self._before, NEW})
            verdicts.append(self._verdicts[key])
        return [verdict for verdict in verdicts if verdict]

    def _check(self, tree: Tree, allowed: set[Answers | None]) -> str:
        """Open what was left, check it, and build once more. Returns what is wrong, or nothing."""
        top = self._next()
        restore(tree, top)
        root = top / "indexes"
        try:
            found = answers(root)
            if found not in allowed:
                return f"answers {found}"
            if found is not None and problems(root):
                return f"check_bundle: {problems(root)}"
            build_pairs(root, NEW_CORPUS)
            if answers(root) != NEW or problems(root) or debris(root):
                return f"a later build leaves {answers(root)}, {problems(root)}, {debris(root)}"
        except SemcacheError as error:
            return repr(error)
        shutil.rmtree(top)
        return ""

    def _copy(self) -> Path:
        return Path(shutil.copytree(self._template, self._next()))

    def _next(self) -> Path:
        self._n_runs += 1
        return self._folder / f"run-{self._n_runs}"


@pytest.mark.parametrize(
    "prepare", [nothing, an_older_version, the_same_version, the_same_version_damaged, a_killed_build]
)
def test_a_power_loss_at_any_step_leaves_the_old_or_the_new_version(
    tmp_path: Path, prepare: Callable[[Path], None]
) -> None:
    """After every stop, whatever the disk lost: old or new answers, a sound bundle, and the next build cleans up."""
    assert "\n".join(Losses(tmp_path, prepare, PowerLossFileSystem).harm()) == ""


FORGETTABLE = [
    ("sync_file", "manifest.json"),
    ("sync_file", "index.faiss"),
    ("sync_file", "values.mdb"),
    ("sync_file", "rows.npy"),
    ("sync_file", "entries.npy"),
    ("sync_file", "probes.npy"),
    ("sync_file", "records.sha256"),
    ("sync_file", "CURRENT.new"),
    ("sync_file", "encoder.json"),
    ("sync_dir", "top"),
    ("sync_dir", "indexes"),
    ("sync_dir", "small"),
    ("sync_dir", "versions"),
    ("sync_dir", "encoders"),
    ("sync_dir", f".staging-{os.getpid()}"),
]


@pytest.mark.parametrize(("name", "file"), FORGETTABLE, ids=[f"{name}-{i}" for i, (name, _) in enumerate(FORGETTABLE)])
def test_a_build_that_forgets_one_fsync_is_found_out(tmp_path: Path, name: str, file: str) -> None:
    """The test above fails for a build that leaves out any one fsync: it does not pass by being blind."""

    class Forgetful(PowerLossFileSystem):
        def done(self, step: Step) -> None:
            is_top = file == "top" and step.path.name.startswith("run-")
            if step.name != name or not (step.path.name == file or is_top):
                super().done(step)

    assert next(Losses(tmp_path, nothing, Forgetful).harm(), None) is not None


def test_a_build_that_names_a_version_before_it_is_there_is_found_out(tmp_path: Path) -> None:
    """The test above fails for a build that replaces CURRENT first and publishes the version after."""

    class Hasty(PowerLossFileSystem):
        late: tuple[Path, Path] | None = None

        def rename(self, source: Path, target: Path) -> None:
            if target.parent.name == "versions":
                self.late = source, target
            else:
                super().rename(source, target)

        def replace(self, source: Path, target: Path) -> None:
            super().replace(source, target)
            if self.late is not None and target.name == "CURRENT":
                super().rename(*self.late)
                super().sync_dir(self.late[1].parent)

    harm = Losses(tmp_path, an_older_version, Hasty).harm()
    assert any("answers None" in text or "missing" in text for text in harm)


def test_a_build_that_overwrites_current_in_place_is_found_out(tmp_path: Path) -> None:
    """The test above fails for a build that writes CURRENT itself instead of replacing it."""

    class Overwriting(PowerLossFileSystem):
        def write_bytes(self, path: Path, data: bytes) -> None:
            super().write_bytes(path.with_name("CURRENT") if path.name == "CURRENT.new" else path, data)

        def sync_file(self, path: Path) -> None:
            super().sync_file(path.with_name("CURRENT") if path.name == "CURRENT.new" else path)

        def replace(self, source: Path, target: Path) -> None:
            del source, target

    assert next(Losses(tmp_path, an_older_version, Overwriting).harm(), None) is not None
