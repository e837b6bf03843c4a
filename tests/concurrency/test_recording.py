"""Lookups are recorded by many threads and processes at a time, and whatever ends them."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import record_programs
from driving import command_of, run_program

from semcache.core.traffic import RecordedLookup
from semcache.lookup.recorded import Traffic


def read(folder: Path) -> tuple[list[RecordedLookup], Traffic]:
    """Give all recorded lookups, and what was counted."""
    traffic = Traffic()
    return list(traffic.read([folder])), traffic


def test_four_processes_of_four_threads_share_a_folder(bundle_dir: Path, tmp_path: Path) -> None:
    """Every lookup is one whole line, while files fill up and rotate."""
    folder = tmp_path / "t"
    commands = [
        command_of(record_programs.look_up_often, bundle_dir, folder, "1000", namespace)
        for namespace in ("web", "shell", "web", "shell")
    ]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
    assert [process.communicate(timeout=120)[0] for process in processes] == [b'"done"\n'] * 4
    lookups, traffic = read(folder)
    assert Counter(lookup.namespace for lookup in lookups) == {"web": 8000, "shell": 8000}
    assert (traffic.n_broken, traffic.n_dropped) == (0, 0)
    assert traffic.n_files > 4


def test_a_killed_process_leaves_one_broken_line_at_most(bundle_dir: Path, tmp_path: Path) -> None:
    """And the next one goes on in its file: what it writes is whole."""
    folder = tmp_path / "t"
    for _ in range(3):
        process = subprocess.Popen(
            command_of(record_programs.look_up_without_end, bundle_dir, folder), stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b'"recording"\n'
        process.kill()
        process.communicate()
    run_program(record_programs.end_without_closing, bundle_dir, folder)
    lookups, traffic = read(folder)
    assert traffic.n_broken <= 3
    assert {lookup.text for lookup in lookups} == {"add login page"}
    assert lookups[-1].hit


def test_a_program_that_does_not_close_is_recorded(bundle_dir: Path, tmp_path: Path) -> None:
    """What waits is written when it ends."""
    run_program(record_programs.end_without_closing, bundle_dir, tmp_path / "t")
    assert len(read(tmp_path / "t")[0]) == 1


def test_a_fork_writes_nothing_twice(bundle_dir: Path, tmp_path: Path) -> None:
    """What waited in the parent is the parent's; the child records its own cache only."""
    found = run_program(record_programs.fork_while_recording, bundle_dir, tmp_path / "t")
    texts = Counter(lookup.text for lookup in read(tmp_path / "t")[0])
    assert found["exit"] == 0
    assert texts == {"list all files": 1, "add login page": 1, "show every file here": 1}


def test_a_child_does_not_hold_its_parents_file(bundle_dir: Path, tmp_path: Path) -> None:
    """When the parent has closed it, another process takes it up, however long the child lives."""
    found = run_program(record_programs.fork_after_the_first_line, bundle_dir, tmp_path / "t")
    assert found == ["traffic-00000001.jsonl"]
    assert len(read(tmp_path / "t")[0]) == 2
