"""Two corpora, what a bundle of each answers, and what may lie in a root when nobody builds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from semcache import BuildConfig, BuildReport, Cache, Hit, build_bundle, check_bundle
from semcache.bundle.layout import MANIFEST_FILE, VERSION_FILES
from semcache.errors import BundleNotFoundError
from semcache.store.fsio import FileSystem

NAME = "small"
HASHING = BuildConfig(model="hashing", max_error=0.1, n_workers=1)

OLD_CORPUS = {"add login page": "Write the spec first.", "list all files": "ls -la"}
NEW_CORPUS = {"add login page": "Use the wizard.", "list all files": "ls -la", "stop the server": "Press Ctrl+C."}
QUESTIONS = ("add login page", "now add login page", "stop the server")
"""The first is found by its exact text, the second by its vector, the third only in the new version."""

Answers = tuple[str, ...]
OLD: Answers = ("Write the spec first.", "Write the spec first.", "below_threshold")
NEW: Answers = ("Use the wizard.", "Use the wizard.", "Press Ctrl+C.")

_ID = "[0-9a-f]{32}"
_FILES = "|".join(re.escape(name) for name in (MANIFEST_FILE, *VERSION_FILES))
_ALLOWED = re.compile(
    "|".join(
        (
            rf"encoders(/sources|/export\.lock|/{_ID}|/{_ID}/encoder\.json)?",
            r"[a-z]+(/CURRENT|/history|/build\.lock|/versions)?",
            rf"[a-z]+/versions/{_ID}(/({_FILES}))?",
        )
    )
)


def write_pairs(path: Path, pairs: Mapping[str, str]) -> Path:
    """Write questions and answers as a corpus file."""
    lines = [
        json.dumps({"id": f"entry/{i}", "query": query, "answer": answer})
        for i, (query, answer) in enumerate(pairs.items())
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def many_pairs(n: int) -> dict[str, str]:
    """Give the new corpus and n more entries, each with an answer of some 250 bytes."""
    return NEW_CORPUS | {f"question {i} about part {i * 7919 % 1000}": f"answer {i} " * 20 for i in range(n)}


def build_pairs(
    root: Path,
    pairs: Mapping[str, str],
    *,
    name: str = NAME,
    fs: FileSystem | None = None,
    corpora_dir: Path | None = None,
) -> BuildReport:
    """Build questions and answers into a root; the corpus file goes beside the root, or where it is said."""
    corpus = write_pairs((corpora_dir or root.parent) / f"{name}.jsonl", pairs)
    return build_bundle([corpus], name=name, root=root, config=HASHING, fs=fs)


def answers(root: Path) -> Answers | None:
    """Give what the live version answers to each question, or why it misses; None where there is no bundle."""
    try:
        cache = Cache.open(NAME, root=root)
    except BundleNotFoundError:
        return None
    with cache:
        found = [cache.lookup(question) for question in QUESTIONS]
    return tuple(result.text if isinstance(result, Hit) else str(result.reason) for result in found)


def problems(root: Path) -> list[str]:
    """Give what a full check of the live version finds."""
    return check_bundle(NAME, root=root)


def debris(root: Path) -> list[str]:
    """Give every path in a root that no finished build leaves there."""
    return [path for path in listing(root) if not _ALLOWED.fullmatch(path)]


def listing(root: Path) -> dict[str, bytes | None]:
    """Give every path under a root with a file's bytes; None for a folder."""
    return dict(_walk(root, root))


def _walk(root: Path, folder: Path) -> Iterator[tuple[str, bytes | None]]:
    for path in sorted(folder.iterdir()):
        yield str(path.relative_to(root)), None if path.is_dir() else path.read_bytes()
        if path.is_dir():
            yield from _walk(root, path)
