"""What tests share that is no fixture: a small corpus, how to write one, and how to build without a model."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from semcache import BuildConfig

REPOSITORY = Path(__file__).resolve().parent.parent
HASHING = BuildConfig(model="hashing", max_error=0.1)
ENTRIES: list[dict[str, Any]] = [
    {
        "id": "login/add",
        "query": "How do I add a login page?",
        "answer": "Write the spec of the login first.\nThen plan it.",
        "paraphrases": ["add login page", "put a sign-in page into my app"],
        "rejects": ["remove the login page"],
        "namespace": "web",
        "tags": ["auth"],
        "source": "tests",
        "licence": "Apache-2.0",
    },
    {
        "id": "db/setup",
        "query": "Set up a PostgreSQL database",
        "answer": "docker run postgres",
        "paraphrases": ["postgres setup please"],
        "rejects": ["set up a MySQL database"],
        "namespace": "web",
        "valid_until": "2999-01-01T00:00:00Z",
    },
    {
        "id": "db/old",
        "query": "How to use database version nine",
        "answer": "It is gone.",
        "namespace": "web",
        "valid_until": "2001-01-01T00:00:00Z",
    },
    {
        "id": "files/list",
        "query": "list all files",
        "answer": {"command": "ls -la", "safe": True},
        "paraphrases": ["show every file here"],
        "namespace": "shell",
    },
    {"id": "shell/setup", "query": "set up a postgresql database", "answer": "createdb app", "namespace": "shell"},
]


def write_corpus(path: Path, entries: Sequence[dict[str, Any]]) -> Path:
    """Write entries as a corpus file."""
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return path


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Give a folder that is made once a test run, however many processes share the tests: nobody may change it.

    Args:
        factory: pytest's.
        name: of the folder.
        make: fills it; is called by whoever comes first.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, done = base / name, base / f"{name}.done"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # whoever came first may have failed
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
