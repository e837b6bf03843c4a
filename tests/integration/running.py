"""Runs the command line, in this process where that is enough, and programs in processes of their own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import orjson

from semcache.cli.app import main

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended: exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return orjson.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        """The JSON documents on stdout, one a line."""
        return [orjson.loads(line) for line in self.out.splitlines()]


def semcache(*arguments: str | Path, stdin: bytes = b"") -> Outcome:
    """Run a command in this process, by the very function the `semcache` program calls."""
    out, err, source = (io.TextIOWrapper(io.BytesIO(data), "utf-8", write_through=True) for data in (b"", b"", stdin))
    code: object = 0
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        mock.patch.object(sys, "argv", ["semcache", *map(str, arguments)]),
        mock.patch.object(sys, "stdin", source),
    ):
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    texts = [stream.buffer.getvalue().decode("utf-8") for stream in (out, err)]
    assert isinstance(code, int), code
    return Outcome(code, *texts)


def run_module(
    *arguments: str | Path | bytes,
    stdin: bytes = b"",
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Outcome:
    """Run `python -m semcache` as a process of its own."""
    command = [sys.executable, "-m", "semcache", *(a if isinstance(a, bytes) else str(a) for a in arguments)]
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        check=False,
        cwd=folder,
        env={**os.environ, **(environ or {})},
        timeout=TIMEOUT_S,
    )
    return Outcome(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


def command_of(program: Callable[..., None], *arguments: str | Path) -> list[str]:
    """Give the command line that runs a function of a module in this folder with text arguments."""
    module, name = program.__module__, program.__name__
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); import {module}; {module}.{name}(*sys.argv[1:])"
    return [sys.executable, "-c", code, *map(str, arguments)]


def run_program(program: Callable[..., None], *arguments: str | Path, environ: Mapping[str, str] | None = None) -> Any:
    """Run a program of this folder to its end, which must be exit code 0, and give what it reported."""
    done = subprocess.run(
        command_of(program, *arguments), capture_output=True, check=False, env=environ, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stderr.decode()}"
    return orjson.loads(done.stdout)


def root_with_encoder(model_root: Path, folder: Path) -> Path:
    """Make a root of its own that shares the encoder of another one, so that nothing is exported again."""
    root = folder / "indexes"
    root.mkdir()
    (root / "encoders").symlink_to(model_root / "encoders")
    return root
