from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PACKAGE_DIR = Path(__file__).resolve().parents[2] / "semcache"
IMPURE_MODULES = {
    *("os", "io", "sys", "time", "random", "secrets", "uuid", "socket", "ssl", "pathlib", "datetime", "tempfile"),
    *("shutil", "subprocess", "threading", "multiprocessing", "asyncio", "urllib", "http", "logging", "mmap", "glob"),
}
IMPURE_CALLS = {"open", "input", "print", "eval", "exec", "__import__", "import_module"}
IMPURE_ATTRIBUTES = {
    *("random", "now", "today", "utcnow", "environ", "getenv"),
    *("load", "save", "savez", "memmap", "fromfile", "tofile"),
}
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}


def imports_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and top-level name of every import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, (node.module or "").split(".")[0]


def impurities(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield what makes a module impure: files, sockets, clock, environment, threads, unseeded randomness."""
    yield from ((line, f"import {name}") for line, name in imports_of(tree) if name in IMPURE_MODULES)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            yield node.lineno, f"{node.func.id}()"
        elif isinstance(node, ast.Attribute) and node.attr in IMPURE_ATTRIBUTES:
            is_json = isinstance(node.value, ast.Name) and node.value.id == "json"
            if not is_json:
                yield node.lineno, f".{node.attr}"


def pickles(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield every import of a library that runs what it reads, and every array load that may."""
    yield from ((line, f"import {name}") for line, name in imports_of(tree) if name in PICKLES)
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                yield node.value.lineno, "allow_pickle"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "load":
            is_numpy = isinstance(node.func.value, ast.Name) and node.func.value.id in {"np", "numpy"}
            if is_numpy and "allow_pickle" not in {keyword.arg for keyword in node.keywords}:
                yield node.lineno, "np.load without allow_pickle=False"


def prints(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield every print."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield node.lineno, "print()"


def asserts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield every assert: python -O drops them."""
    yield from ((node.lineno, "assert") for node in ast.walk(tree) if isinstance(node, ast.Assert))


Rule = Callable[[ast.Module], Iterator[tuple[int, str]]]


def breaches(rule: Rule, folder: Path) -> list[str]:
    """Return every breach of a rule in a folder, as file:line: what."""
    return [
        f"{path.relative_to(folder).as_posix()}:{line}: {what}"
        for path in sorted(folder.rglob("*.py"))
        for line, what in rule(ast.parse(path.read_text("utf-8"), str(path)))
    ]


def test_core_is_pure() -> None:
    """Values in, values out: time, seed and paths are arguments."""
    assert breaches(impurities, PACKAGE_DIR / "core") == []


def test_nothing_is_pickled() -> None:
    """A hostile bundle can say nothing that is run."""
    assert breaches(pickles, PACKAGE_DIR) == []


def test_nothing_prints_but_the_command_line() -> None:
    """Standard output belongs to the program that uses the library."""
    assert [breach for breach in breaches(prints, PACKAGE_DIR) if not breach.startswith("cli/")] == []


def test_no_promise_rests_on_an_assert() -> None:
    """With python -O every check still runs."""
    assert breaches(asserts, PACKAGE_DIR) == []


@pytest.mark.parametrize(
    ("rule", "text", "found"),
    [
        (impurities, "import os.path", "a.py:1: import os"),
        (impurities, "def f():\n    from time import monotonic", "a.py:2: import time"),
        (impurities, "from datetime import datetime", "a.py:1: import datetime"),
        (impurities, "x = open('a')", "a.py:1: open()"),
        (impurities, "x = np.random.default_rng()", "a.py:1: .random"),
        (impurities, "x = datetime.now()", "a.py:1: .now"),
        (impurities, "x = np.load('a')", "a.py:1: .load"),
        (pickles, "import pickle", "a.py:1: import pickle"),
        (pickles, "from joblib import load", "a.py:1: import joblib"),
        (pickles, "x = np.load('a')", "a.py:1: np.load without allow_pickle=False"),
        (pickles, "x = np.load('a', allow_pickle=True)", "a.py:1: allow_pickle"),
        (prints, "if x:\n    print('a')", "a.py:2: print()"),
        (asserts, "def f():\n    assert x", "a.py:2: assert"),
    ],
)
def test_a_breach_is_found(tmp_path: Path, rule: Rule, text: str, found: str) -> None:
    """With file and line."""
    (tmp_path / "a.py").write_text(text)
    assert breaches(rule, tmp_path) == [found]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (
            impurities,
            "import json, hashlib, unicodedata\nx = json.loads(b'{}')\nfrom semcache.core.text import normalise",
        ),
        (pickles, "import numpy as np\nx = np.load('a', allow_pickle=False)\ny = model.load('a')"),
        (prints, "typer.echo('a')\nx = 'print()'"),
        (asserts, "x = 'assert'"),
    ],
)
def test_what_is_allowed_is_no_breach(tmp_path: Path, rule: Rule, text: str) -> None:
    """A rule finds nothing in code that keeps it."""
    (tmp_path / "a.py").write_text(text)
    assert breaches(rule, tmp_path) == []
