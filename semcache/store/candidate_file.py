"""Candidates files: read whole with every problem found, replaced whole. A person edits them between two commands."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semcache.core.candidate_entry import CANDIDATES_SUFFIX, candidate_problems
from semcache.errors import ConfigError, CorpusError, StorageError
from semcache.store.fsio import FileSystem, replace_file


@dataclass(frozen=True, slots=True)
class CandidateLine:
    """A line and its number, which counts from 1."""

    number: int
    document: dict[str, Any]


class CandidateFile:
    """A candidates file as it was read.

    Attributes:
        path: where it is.
        lines: those that are not blank; none of a file that is missing.
    """

    def __init__(self, path: Path, *, must_exist: bool = False) -> None:
        """Read the file.

        Raises:
            ConfigError: its name is not that of a candidates file.
            CorpusError: it has problems.
            StorageError: it cannot be read.
        """
        if not path.name.endswith(CANDIDATES_SUFFIX):
            msg = f"{path}: found this name, allowed one that ends in {CANDIDATES_SUFFIX}, so that no build takes it"
            raise ConfigError(msg)
        self.path = path
        self._content = _content(path, must_exist=must_exist)
        self.lines = _lines(path, self._content)

    def replace(self, fs: FileSystem, documents: Iterable[dict[str, Any]]) -> None:
        """Write the file anew: a reader, and a crash, see the old one or the new one.

        Raises:
            StorageError: somebody changed it since it was read, or the system refuses.
        """
        if _content(self.path, must_exist=False) != self._content:
            raise StorageError(self.path, "changed meanwhile; nothing was written to it, run the command again")
        lines = "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)
        try:
            replace_file(fs, self.path, lines.encode("utf-8"))
        except OSError as error:
            raise StorageError.from_os_error(self.path, error) from error


def _content(path: Path, *, must_exist: bool) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not must_exist:
            return b""
        raise StorageError.from_os_error(path, error) from error


def _lines(path: Path, content: bytes) -> tuple[CandidateLine, ...]:
    lines, problems = list[CandidateLine](), list[str]()
    for number, raw in enumerate(content.split(b"\n"), 1):
        if not raw.strip():
            continue
        try:
            document = json.loads(raw.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            problems.append(f"{path}:{number}: line: not JSON: {error}")
            continue
        problems += [f"{path}:{number}: {problem}" for problem in candidate_problems(document)]
        lines.append(CandidateLine(number, document))
    if problems:
        raise CorpusError(problems)
    return tuple(lines)
