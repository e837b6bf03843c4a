"""After fork the child cannot use the parent's cache, and everything else works in both."""

from __future__ import annotations

import os
from pathlib import Path

import fork_programs
import pytest
from driving import run_program

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

ANSWER = "Write the spec of the login first.\nThen plan it."


def test_the_child_gets_cache_forked_error_from_every_method(bundle_dir: Path) -> None:
    """A cache from before fork() refuses every question in the child; closing it there is allowed."""
    assert run_program(fork_programs.child_uses_every_method, bundle_dir) == {
        "found": {
            "lookup": "CacheForkedError",
            "lookup_many": "CacheForkedError",
            "search": "CacheForkedError",
            "embed": "CacheForkedError",
            "explain": "CacheForkedError",
            "info": "CacheForkedError",
            "refresh": "CacheForkedError",
            "close": "no error",
            "lookup after close": "CacheForkedError",
        },
        "exit": 0,
    }


def test_a_cache_closed_before_fork_is_closed_in_the_child(bundle_dir: Path) -> None:
    """The child is told the first reason why the cache cannot be used."""
    found = run_program(fork_programs.child_of_a_closed_cache, bundle_dir)
    assert found == {"found": "CacheClosedError", "exit": 0}


def test_the_child_opens_the_bundle_anew(bundle_dir: Path) -> None:
    """The child opens the bundle its parent has open, more than once, and gets exact and semantic answers."""
    assert run_program(fork_programs.child_opens_anew, bundle_dir) == {"found": [ANSWER] * 4, "exit": 0}


def test_a_child_of_a_child_opens_the_bundle_anew(bundle_dir: Path) -> None:
    """Fork after fork: each process refuses what is older than itself and opens its own."""
    assert run_program(fork_programs.child_of_a_child_opens_anew, bundle_dir) == {
        "found": {"found": ["CacheForkedError", "CacheForkedError", ANSWER], "exit": 0, "own": ANSWER},
        "exit": 0,
    }


def test_the_child_reads_values_from_before_the_fork(bundle_dir: Path) -> None:
    """A Hit that was held over fork() has the same text in the child."""
    assert run_program(fork_programs.child_reads_held_values, bundle_dir) == {"found": [ANSWER, ANSWER], "exit": 0}


def test_the_parent_goes_on_after_its_child(bundle_dir: Path) -> None:
    """Whatever the child does with its copy of the cache, the parent's answers and refreshes as before."""
    assert run_program(fork_programs.parent_goes_on, bundle_dir) == {
        "exit": 0,
        "answers": [ANSWER, ANSWER],
        "new": False,
    }


def test_fork_while_other_threads_look_up_and_open(bundle_dir: Path) -> None:
    """No lock that another thread held at the fork is missing in the child: ten children open, answer and end."""
    children = run_program(fork_programs.fork_under_threads, bundle_dir)
    assert children == [{"found": [ANSWER, ANSWER], "exit": 0}] * 10


def test_fork_in_eight_threads_at_once(bundle_dir: Path) -> None:
    """Threads may fork at the same time under lookups; each child opens anew, answers, and can fork itself."""
    children = run_program(fork_programs.fork_in_eight_threads, bundle_dir)
    assert children == [{"found": [ANSWER, {"found": ANSWER, "exit": 0}], "exit": 0}] * 40


def test_the_end_of_one_fork_lets_no_lookup_into_the_next(bundle_dir: Path) -> None:
    """A fork keeps other threads out of LMDB until it is done, also where another fork ends while it begins."""
    assert run_program(fork_programs.two_forks_that_meet, bundle_dir) == {
        "children": [{"found": ANSWER, "exit": 0}] * 2,
        "looked up just before the second fork": [False],
    }


def test_multiprocessing_fork_children_work(bundle_dir: Path) -> None:
    """A child of multiprocessing's fork is refused the old cache, opens its own, and ends with code 0."""
    found = run_program(fork_programs.multiprocessing_fork, bundle_dir)
    assert found == {"found": ["CacheForkedError", ANSWER], "exit": 0}


def test_multiprocessing_spawn_children_open_the_same_bundle(bundle_dir: Path) -> None:
    """Three spawned processes and their parent have one bundle open and give the same answers."""
    assert run_program(fork_programs.multiprocessing_spawn, bundle_dir) == [[ANSWER, ANSWER]] * 7


@pytest.mark.model
@pytest.mark.parametrize("embed_threads", ["1", "2"])
def test_a_child_of_a_process_with_the_real_encoder_ends_normally(model_root: Path, embed_threads: str) -> None:
    """The threads of the parent's encoder do not exist in the child, and it does not wait for them at its end."""
    program = fork_programs.child_after_the_real_encoder
    found = run_program(program, model_root / "speckit", embed_threads, "whats the way to put login into my app")
    assert found == {"found": "CacheForkedError", "exit": 0, "before": True, "after": True}


@pytest.mark.model
@pytest.mark.parametrize("embed_threads", ["1", "2"])
def test_a_child_loads_the_real_encoder_itself(model_root: Path, embed_threads: str) -> None:
    """A child whose parent has the encoder loaded opens the bundle, loads its own and looks up semantically."""
    program = fork_programs.child_loads_the_real_encoder
    found = run_program(program, model_root / "speckit", embed_threads, "whats the way to put login into my app")
    assert found == {"found": [True, False], "exit": 0}
