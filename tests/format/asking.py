"""Opens a bundle, asks it every question, and tells what came of it; here, or in a process of its own.

As a program it reads paths of bundles from stdin, one a line, and answers each with one line of JSON: what kills the
process is then seen by its exit code.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from semcache import Cache, Hit
from semcache.errors import SemcacheError

Questions = Sequence[tuple[str, str | None]]
Outcome = list[str]
"""One word or answer for each question; one word only where the bundle does not open."""

QUESTIONS: Questions = [
    ("How do I add a login page?", None),
    ("add login page", "web"),
    ("now add login page", None),
    ("put a sign-in page into my app", None),
    ("remove the login page", None),
    ("please remove the login page", None),
    ("set up a PostgreSQL database", None),
    ("set up a PostgreSQL database", "web"),
    ("set up a PostgreSQL database", "shell"),
    ("set up a postgresql database now", "shell"),
    ("set up the MySQL database", None),
    ("How to use database version nine", None),
    ("list all files", None),
    ("list all the files", "shell"),
    ("show every file here", None),
    ("C\u00f3mo A\u00d1ADO una base de datos", None),
    ("strasse und strasse 1", None),
    ("copy a folder with everything in it", None),
    ("copy the folder with everything in it", None),
    (" ".join(f"word{i}" for i in range(300)), None),
    ("what is the weather", None),
]


def ask(bundle_dir: Path, questions: Questions = QUESTIONS) -> Outcome:
    """Ask a bundle everything: an answer in full, `miss <reason>` or `error <class>` for each question."""
    try:
        with Cache.open(bundle_dir) as cache:
            return [_ask_one(cache, text, namespace) for text, namespace in questions]
    except SemcacheError as error:
        return [f"error {type(error).__name__}"]


def _ask_one(cache: Cache, text: str, namespace: str | None) -> str:
    try:
        result = cache.lookup(text, namespace=namespace)
    except SemcacheError as error:
        return f"error {type(error).__name__}"
    if isinstance(result, Hit):
        return f"hit {result.entry_id} {result.text} {result.variant} {result.metadata} {result.namespace}"
    return f"miss {result.reason}"


def wrong_answers(found: Outcome, right: Outcome) -> list[tuple[str, str]]:
    """Give every answer that is not the one of the bundle before it was damaged."""
    if len(found) != len(right):
        return []
    return [(one, other) for one, other in zip(found, right, strict=True) if one.startswith("hit") and one != other]


def ask_in_a_process(bundle_dirs: Iterable[Path], questions_path: Path | None = None) -> list[Outcome]:
    """Ask bundles in a process of their own; fails where it does not end by itself."""
    paths = list(bundle_dirs)
    done = subprocess.run(
        [sys.executable, __file__, *([str(questions_path)] if questions_path else [])],
        input="".join(f"{path}\n" for path in paths),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    outcomes: list[Outcome] = [json.loads(line) for line in done.stdout.splitlines()]
    killer = str(paths[len(outcomes)]) if len(outcomes) < len(paths) else "no bundle"
    assert done.returncode == 0, f"exit code {done.returncode} on {killer}: {done.stderr[-2000:]}"
    return outcomes


def main() -> None:
    """Answer each path on stdin with one line."""
    questions = json.loads(Path(sys.argv[1]).read_text("utf-8")) if len(sys.argv) > 1 else QUESTIONS
    for line in sys.stdin:
        sys.stdout.write(json.dumps(ask(Path(line.rstrip("\n")), questions)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
