"""Runs programs of these tests in a process of their own: a crash or a hang there is an exit code here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

HERE = Path(__file__).resolve().parent
CHILD_SECONDS = 15


def command_of(program: Callable[..., None], *arguments: str | Path) -> list[str]:
    """Give the command line that runs a function of a module in this folder with text arguments.

    Children that it forks are ended after `CHILD_SECONDS`, wherever they hang (other fork hooks come later).
    """
    module, name = program.__module__, program.__name__
    code = f"""
import os, signal, sys
os.register_at_fork(after_in_child=lambda: signal.alarm({CHILD_SECONDS}))
sys.path.insert(0, {str(HERE)!r})
import fork_pause, {module}
{module}.{name}(*sys.argv[1:])
"""
    return [sys.executable, "-X", "faulthandler", "-c", code, *map(str, arguments)]


def run_program(program: Callable[..., None], *arguments: str | Path, timeout_s: float = 60) -> Any:
    """Run a program to its end, which must be exit code 0 in time, and give what it reported."""
    process = subprocess.Popen(
        command_of(program, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its children too
        process.communicate()
        raise
    assert process.returncode == 0, f"exit code {process.returncode}\n{err.decode()}"
    return orjson.loads(out)


def report(document: object) -> None:
    """Say, inside a program, what it found."""
    sys.stdout.buffer.write(orjson.dumps(document) + b"\n")
    sys.stdout.flush()
