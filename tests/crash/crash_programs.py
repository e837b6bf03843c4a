"""Programs that die, are interrupted or run out of room: each in a process of its own.

Run as `python crash_programs.py NAME ARGUMENT...`.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import resource
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from unittest import mock

from crash_corpora import HASHING
from crash_steps import KillingFileSystem

from semcache import build_bundle
from semcache.cli.app import main
from semcache.embed.hashing import HashingEmbedder
from semcache.store.lock import exclusive_lock

TIMEOUT_S = 120
_NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended."""

    code: int
    out: str
    err: str


def start(program: Callable[..., None], *arguments: str | Path) -> subprocess.Popen[str]:
    """Start a program of this file."""
    command = [sys.executable, __file__, program.__name__, *map(str, arguments)]
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environ)


def finish(process: subprocess.Popen[str]) -> Outcome:
    """Wait for a program; it is ended where it hangs."""
    try:
        out, err = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Outcome(process.returncode, out, err)


def run(program: Callable[..., None], *arguments: str | Path) -> Outcome:
    """Run a program of this file to its end."""
    return finish(start(program, *arguments))


def kill_at_every_step(template: str, corpus: str, folder: str) -> None:
    """Build over a copy of a folder, once a step, each in a process that is killed before that step.

    The copies are `<folder>/1` and so on. Prints how each process ended; the last one got to its end.
    """
    codes: list[int] = []
    for number in count(1):
        top = shutil.copytree(template, Path(folder) / str(number), dirs_exist_ok=False)
        child = os.fork()
        if child == 0:
            build_bundle([corpus], name="small", root=top / "indexes", config=HASHING, fs=KillingFileSystem(number))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        codes.append(os.waitstatus_to_exitcode(status))
        if codes[-1] != -signal.SIGKILL:
            break
    sys.stdout.write(json.dumps(codes))


def build_timed(corpus: str, root: str, kill_after_s: str = "") -> None:
    """Build, be killed after some seconds where they are given, and print how many it took."""
    if kill_after_s:
        timer = threading.Timer(float(kill_after_s), os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    began = time.perf_counter()
    build_bundle([corpus], name="small", root=root, config=HASHING)
    sys.stdout.write(json.dumps(time.perf_counter() - began))


def build_waiting(corpus: str, root: str, name: str, stage: str) -> None:
    """Build; say when a stage begins, and go on when a line comes in."""

    def progress(reached: str, done: int, total: int) -> None:
        del done
        if reached == stage and not total:
            _say_and_wait(reached)

    build_bundle([corpus], name=name, root=root, config=HASHING, progress=progress)


def hold_lock(path: str) -> None:
    """Hold a lock until a line comes in."""
    with exclusive_lock(Path(path)):
        _say_and_wait("locked")


def cli(*arguments: str) -> None:
    """Run `python -m semcache`."""
    sys.argv = ["semcache", *arguments]
    runpy.run_module("semcache", run_name="__main__", alter_sys=True)


def cli_interrupted(*arguments: str) -> None:
    """Run it, and press Ctrl-C while the first texts are embedded."""
    embed = HashingEmbedder.embed

    def interrupted(self: HashingEmbedder, texts: Sequence[str]) -> object:
        os.kill(os.getpid(), signal.SIGINT)
        return embed(self, texts)

    HashingEmbedder.embed = interrupted  # type: ignore[assignment,method-assign]
    cli(*arguments)


def cli_with_file_limit(limit_bytes: str, *arguments: str) -> None:
    """Run it where no file may grow over a size."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit_bytes), int(limit_bytes)))
    cli(*arguments)


def cli_as_nobody(scratch: str, corpus: str, *arguments: str) -> None:
    """Run it as a user who owns nothing here. Run once before, as that user may not be allowed to import Python."""
    warm_up = ["build", corpus, "--name", "small", "--root", scratch, "--model", "hashing"]
    for code, warm in ((0, warm_up), (1, [*warm_up, "--max-error", "2"])):
        with (
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
            mock.patch.object(sys, "argv", ["", *warm]),
        ):
            try:
                main()
            except SystemExit as stop:
                assert (stop.code or 0) == code, stop.code  # noqa: PT017 - not a test
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    sys.argv = ["semcache", *arguments]
    main()


def _say_and_wait(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    sys.stdin.readline()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    importlib.import_module("deciding").install()
    globals()[sys.argv[1]](*sys.argv[2:])
