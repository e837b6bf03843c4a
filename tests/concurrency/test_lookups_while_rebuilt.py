"""Eight threads look up while the bundle is rebuilt and refreshed under them."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from shared import ENTRIES, HASHING, write_corpus

from semcache import Cache, Hit, Result, build_bundle

N_READERS = 8
LABELS = ("first", "second", "third", "fourth", "fifth")
QUESTIONS = (
    "how do i add a LOGIN page",  # exact
    "show every file in here",  # semantic
    "How to use database version nine",  # expired, exact
    "set up a postgresql database",  # ambiguous
    "remove the login page",  # guard, exact
    "set up a MySQL database now",  # guard, semantic
    "docker",  # far from everything
    "",
)
WAIT_S = 60


@dataclass
class Scene:
    """What was asked for and what came of it.

    Attributes:
        ids: the version each label was built as.
        seen: (version id, question, outcome) of every answer of every reader.
        ids_of_calls: how many versions answered within one call, of every call.
        n_changes: how often refresh() returned True.
        n_unchanged: how often it returned False.
    """

    ids: dict[str, str] = field(default_factory=dict)
    seen: set[tuple[str, str, str]] = field(default_factory=set)
    ids_of_calls: set[int] = field(default_factory=set)
    n_changes: int = 0
    n_unchanged: int = 0


class Rounds:
    """Counts the rounds each reader finished, and lets others wait for them."""

    def __init__(self) -> None:
        self._counts = [0] * N_READERS
        self._changed = threading.Condition()
        self.is_over = threading.Event()

    def finish_one(self, reader: int) -> None:
        """Count a round of a reader."""
        with self._changed:
            self._counts[reader] += 1
            self._changed.notify_all()

    def wait_for_two_each(self) -> None:
        """Wait until each reader began and ended a round after this call."""
        with self._changed:
            goals = [count + 2 for count in self._counts]
            assert self._changed.wait_for(
                lambda: all(count >= goal for count, goal in zip(self._counts, goals, strict=True)), timeout=WAIT_S
            )


def outcome(result: Result) -> str:
    """Give what a result says, without the version it came from."""
    return f"{result.kind} {result.text}" if isinstance(result, Hit) else f"miss {result.reason}"


def build_label(folder: Path, label: str) -> str:
    """Build the small corpus with answers that carry a label, and make it live."""
    entries = [{**entry, "answer": f"{label} answer of {entry['id']}"} for entry in ENTRIES]
    path = write_corpus(folder / "corpus.jsonl", entries)
    return build_bundle([path], name="small", root=folder / "indexes", config=HASHING).id


def read(cache: Cache, scene: Scene, rounds: Rounds, reader: int) -> None:
    """Ask every question, one at a time and all at once, until told to stop."""
    while not rounds.is_over.is_set():
        together = cache.lookup_many(QUESTIONS)
        scene.ids_of_calls.add(len({result.bundle_id for result in together}))
        for question, result in zip(QUESTIONS, together, strict=True):
            scene.seen.add((result.bundle_id, question, outcome(result)))
        for question in QUESTIONS:
            result = cache.lookup(question)
            scene.seen.add((result.bundle_id, question, outcome(result)))
        rounds.finish_one(reader)


def keep_refreshing(cache: Cache, scene: Scene, rounds: Rounds, changed: threading.Semaphore) -> None:
    """Call refresh() until told to stop; count what it returns."""
    while not rounds.is_over.is_set():
        if cache.refresh():
            scene.n_changes += 1
            changed.release()
        else:
            scene.n_unchanged += 1


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Let eight threads read and one refresh while four more versions are built."""
    folder = tmp_path_factory.mktemp("rebuilt")
    scene, rounds, changed = Scene(), Rounds(), threading.Semaphore(0)
    scene.ids["first"] = build_label(folder, "first")
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)  # the same scene with ten times as many switches
    try:
        with Cache.open("small", root=folder / "indexes") as cache, ThreadPoolExecutor(N_READERS + 1) as threads:
            tasks = [threads.submit(read, cache, scene, rounds, reader) for reader in range(N_READERS)]
            tasks.append(threads.submit(keep_refreshing, cache, scene, rounds, changed))
            try:
                rounds.wait_for_two_each()
                for label in LABELS[1:]:
                    scene.ids[label] = build_label(folder, label)
                    assert changed.acquire(timeout=WAIT_S)
                    rounds.wait_for_two_each()
            finally:
                rounds.is_over.set()
            for task in tasks:
                task.result()
    finally:
        sys.setswitchinterval(interval)
    return scene


def test_every_answer_is_the_one_of_the_version_it_names(scene: Scene) -> None:
    """Each answer, to each question, is whole and of exactly one version; none is lost, mixed or made up."""
    assert scene.seen == {
        (scene.ids[label], question, result)
        for label in LABELS
        for question, result in (
            ("how do i add a LOGIN page", f"exact {label} answer of login/add"),
            ("show every file in here", f"semantic {label} answer of files/list"),
            ("How to use database version nine", "miss expired"),
            ("set up a postgresql database", "miss ambiguous"),
            ("remove the login page", "miss guard"),
            ("set up a MySQL database now", "miss guard"),
            ("docker", "miss below_threshold"),
            ("", "miss empty"),
        )
    }


def test_the_answers_of_one_call_are_of_one_version(scene: Scene) -> None:
    """lookup_many ends on the version it began on, whatever refresh() does meanwhile."""
    assert scene.ids_of_calls == {1}


def test_refresh_returns_true_once_for_each_new_version(scene: Scene) -> None:
    """Four versions were published after the first one, so refresh() returned True four times."""
    assert scene.n_changes == 4


def test_refresh_returns_false_while_nothing_is_new(scene: Scene) -> None:
    """Between two versions refresh() has nothing to report, and says so."""
    assert scene.n_unchanged > 0
