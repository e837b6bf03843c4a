from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = [
    *("numpy", "faiss", "lmdb", "zstandard", "orjson", "onnxruntime", "tokenizers", "fsspec", "aiohttp"),
    *("torch", "transformers", "sentence_transformers", "onnx", "huggingface_hub", "typer", "tqdm"),
    *("tuf", "securesystemslib", "cryptography", "urllib3"),
]
NOT_FOR_LOOKUPS = [
    *("onnxruntime", "tokenizers", "torch", "transformers", "sentence_transformers", "onnx", "huggingface_hub"),
    *("typer", "tqdm", "tuf", "semcache.build", "semcache.cli", "semcache.remote", "semcache.settings"),
]
SPY = """
import os
read = []
original = type(os.environ).__getitem__
def spy(self, key):
    read.append(key)
    return original(self, key)
type(os.environ).__getitem__ = spy
"""
"""Notes every variable that is asked for: get, in and getenv all come by here."""


def fresh(code: str, *arguments: str) -> Any:
    """Run code in a new process and return the JSON that it prints last."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def loaded(code: str, names: list[str], *arguments: str) -> list[str]:
    """Return which of some modules are loaded after code has run in a new process."""
    ask = f"\nimport json, sys\nprint(json.dumps([name for name in {names!r} if name in sys.modules]))"
    found: list[str] = fresh(code + ask, *arguments)
    return found


LOOKUP = """
import sys
from semcache import Cache
with Cache.open(sys.argv[1]) as cache:
    result = cache.lookup(sys.argv[2], namespace="web")
"""


def test_importing_loads_no_library() -> None:
    """It costs what a few small modules of Python cost."""
    assert loaded("import semcache", HEAVY) == []


def test_importing_loads_no_module_of_its_own() -> None:
    """Each name loads what it needs when it is first used."""
    code = "import semcache, json, sys\nprint(json.dumps(sorted(m for m in sys.modules if m[:9] == 'semcache.')))"
    assert fresh(code) == []


def test_a_name_loads_what_it_needs() -> None:
    """The check above sees libraries that are loaded."""
    assert "numpy" in loaded("from semcache import Cache", HEAVY)


def test_errors_and_configs_load_no_library() -> None:
    """A program can name what it catches, and what it asks for, for nothing."""
    assert loaded("from semcache import SemcacheError, BuildConfig, OpenConfig", HEAVY) == []


def test_importing_starts_no_thread() -> None:
    """Neither Python's nor the system's."""
    code = """
import semcache, json, os, threading
folder = "/proc/self/task"
n_tasks = len(os.listdir(folder)) if os.path.isdir(folder) else 1
print(json.dumps([threading.active_count(), n_tasks]))
"""
    assert fresh(code) == [1, 1]


def test_an_exact_lookup_starts_no_thread(bundle_dir: Path) -> None:
    """Beyond those that the libraries start when they are imported."""
    code = """
import faiss, lmdb, numpy, zstandard
import json, os, sys, threading
folder = "/proc/self/task"
tasks = lambda: len(os.listdir(folder)) if os.path.isdir(folder) else 1
before = tasks()
from semcache import Cache
with Cache.open(sys.argv[1]) as cache:
    hit = cache.lookup(sys.argv[2], namespace="web").hit
    print(json.dumps([hit, threading.active_count(), tasks() - before]))
"""
    assert fresh(code, str(bundle_dir), "Set up a PostgreSQL database?") == [True, 1, 0]


@pytest.mark.parametrize("text", ["add login page", "remove the login page", "?!"])
def test_an_exact_result_loads_no_encoder_and_no_build_side(bundle_dir: Path, text: str) -> None:
    """A hit on the very text, a guard, an empty text: nothing is embedded for them."""
    assert loaded(LOOKUP, NOT_FOR_LOOKUPS, str(bundle_dir), text) == []


def test_a_semantic_lookup_with_hashing_loads_no_model(bundle_dir: Path) -> None:
    """An encoder loads its own library and no other."""
    assert loaded(LOOKUP, NOT_FOR_LOOKUPS, str(bundle_dir), "add a new login page") == []


@pytest.mark.model
def test_an_exact_lookup_beside_a_model_does_not_load_it(model_root: Path) -> None:
    """100 ms that an exact hit never pays."""
    code = """
import json, sys
from semcache import Cache
with Cache.open("speckit", root=sys.argv[1]) as cache:
    exact = cache.lookup("how do i remove login from my app")
    before = "onnxruntime" in sys.modules
    cache.lookup("whats the way to put login into my app")
    print(json.dumps([exact.reason, before, "onnxruntime" in sys.modules, "torch" in sys.modules]))
"""
    assert fresh(code, str(model_root)) == ["guard", False, True, False]


def test_the_library_reads_no_setting_from_the_environment(bundle_dir: Path, corpus: Path) -> None:
    """Only the command line does: import, build, open and look up take arguments."""
    code = (
        SPY
        + """
import json, sys
import semcache
from pathlib import Path
config = semcache.BuildConfig(model="hashing")
semcache.build_bundle([sys.argv[2]], name="other", root=Path(sys.argv[1]).parent, config=config)
semcache.check_bundle("other", root=Path(sys.argv[1]).parent)
with semcache.Cache.open(sys.argv[1]) as cache:
    cache.lookup("add a new login page", namespace="web")
    cache.explain("add login page")
print(json.dumps([key for key in read if key.upper().startswith("SEMCACHE")]))
"""
    )
    assert fresh(code, str(bundle_dir), str(corpus)) == []


def test_the_spy_sees_what_is_read() -> None:
    """Every way of asking for a variable is noted, also that of the command line."""
    code = (
        SPY
        + """
import json
from semcache.settings import resolve_root
resolve_root(None)
os.environ.get("SEMCACHE_A"), "SEMCACHE_B" in os.environ, os.getenv("SEMCACHE_C")
print(json.dumps([key for key in read if key.startswith("SEMCACHE")]))
"""
    )
    assert fresh(code) == ["SEMCACHE_ROOT", "SEMCACHE_A", "SEMCACHE_B", "SEMCACHE_C"]
