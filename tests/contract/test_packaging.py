from __future__ import annotations

import ast
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import semcache
from semcache.store.object_server import EXTRAS

REPOSITORY = Path(__file__).resolve().parents[2]
NO_BUILD_FILES = {".venv", ".git", "tests", "corpus", "indexes", "dist"}
BASE = {
    "faiss-cpu",
    "fsspec",
    "lmdb",
    "numpy",
    "onnxruntime",
    "orjson",
    "platformdirs",
    "threadpoolctl",
    "tokenizers",
    "tqdm",
    "typer",
    "zstandard",
}


@pytest.fixture
def pyproject() -> dict[str, Any]:
    """Give pyproject.toml."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))


def torch_pins(root: Path) -> list[str]:
    """Return every place in a checkout's build files that says which torch to install, as file:line."""
    names = ("*.toml", "*.cfg", "*.txt", "*.in", "*.lock", "*.yml", "*.yaml", "*.sh", "Makefile", "Dockerfile", "run")
    pin = re.compile(r"(?<![\w-])torch\s*(\[[^]]*\])?\s*(==|~=|>=|<=|!=|<|>|@)")
    folders = [p for p in root.iterdir() if p.is_dir() and p.name not in NO_BUILD_FILES and p.name[-6:] != "_cache"]
    paths = [p for name in names for p in (*root.glob(name), *(q for d in folders for q in d.rglob(name)))]
    return [
        f"{path.relative_to(root).as_posix()}:{number}"
        for path in sorted(paths)
        if path.is_file()
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if pin.search(line)
    ]


def names_of(requirements: list[str]) -> set[str]:
    """Return the project names of requirements."""
    return {re.split(r"[\s\[<>=!~;@]", requirement, maxsplit=1)[0] for requirement in requirements}


def test_torch_is_pinned_in_exactly_one_place() -> None:
    """An unpinned torch may bring gigabytes of CUDA, and two pins drift apart."""
    places = torch_pins(REPOSITORY)
    assert [place.split(":")[0] for place in places] == ["pyproject.toml"]


def test_torch_is_pinned_to_one_version(pyproject: dict[str, Any]) -> None:
    """In the extra that exports models."""
    extras = pyproject["project"]["optional-dependencies"]
    pins = [requirement for requirement in extras["build"] if names_of([requirement]) == {"torch"}]
    assert [bool(re.fullmatch(r"torch==\d+\.\d+\.\d+", pin)) for pin in pins] == [True]


def test_the_base_install_brings_no_torch(pyproject: dict[str, Any]) -> None:
    """What looks up is exactly this; a new dependency is added on purpose."""
    assert names_of(pyproject["project"]["dependencies"]) == BASE


def test_the_extras_of_error_messages_exist(pyproject: dict[str, Any]) -> None:
    """The pip lines that errors print can be run."""
    text = "".join(path.read_text("utf-8") for path in (REPOSITORY / "semcache").rglob("*.py"))
    named = set(re.findall(r'extra="(\w+)"', text)) | set(EXTRAS.values())
    assert named >= {"build", "llm", "minilm", "http", "s3", "gcs", "hf", "publish", "remote"}
    assert named == set(pyproject["project"]["optional-dependencies"]) - {"dev"}


def test_the_version_is_written_once(pyproject: dict[str, Any]) -> None:
    """As a literal in the package, which the build reads and the installation shows."""
    tree = ast.parse((REPOSITORY / "semcache" / "__init__.py").read_text("utf-8"))
    literals = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__version__"
    ]
    assert pyproject["tool"]["hatch"]["version"]["path"] == "semcache/__init__.py"
    assert "version" in pyproject["project"]["dynamic"]
    assert literals == [semcache.__version__]
    assert version("semcache") == semcache.__version__


def test_the_version_is_a_release_number() -> None:
    """Major, minor, patch."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", semcache.__version__)


def test_the_package_says_that_it_is_typed() -> None:
    """Type checkers read its annotations."""
    assert (REPOSITORY / "semcache" / "py.typed").is_file()


def test_a_second_pin_is_found(tmp_path: Path) -> None:
    """In whatever file it hides; names that only begin or end alike are none."""
    (tmp_path / "pyproject.toml").write_text(
        'dependencies = [\n  "torch==2.0.0",\n  "torchvision==1", "pytorch>=1",\n]'
    )
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "dev.txt").write_text("numpy\ntorch >= 2\n")
    (tmp_path / "Makefile").write_text("install:\n\tpip install torch\n\tpip install 'torch<3'\n")
    assert torch_pins(tmp_path) == ["Makefile:3", "pyproject.toml:2", "requirements/dev.txt:2"]
