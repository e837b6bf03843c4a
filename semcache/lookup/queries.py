"""Reads files of labelled queries: one JSON object a line, every problem found with its place.

Source: README.md, "Measuring on your own queries".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from semcache.core.fields import repeated_keys
from semcache.core.text import normalise
from semcache.errors import StorageError
from semcache.types import NO_SLICE, LabelledQuery

MAX_LINE_BYTES = 16 << 20
_MAX_PROBLEMS = 1000
_FIELDS = ("text", "entry_id", "group", "kind", "namespace")
_EXTRA_PREFIX = "x_"
_UTF8_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class QueryFile:
    """Labelled queries, and what is wrong with the lines that are none.

    Attributes:
        queries: in file order.
        problems: `file:line: field: what was found, what is allowed` each; the first 1,000.
        n_problems: how many there are.
    """

    queries: tuple[LabelledQuery, ...]
    problems: tuple[str, ...]
    n_problems: int


def read_queries(paths: Sequence[Path]) -> QueryFile:
    """Read files of labelled queries. Blank lines are skipped.

    Raises:
        StorageError: a file cannot be read.
    """
    queries: list[LabelledQuery] = []
    problems: list[str] = []
    n_problems = 0
    for path in paths:
        for number, raw in _lines(path):
            found = _parse(raw, f"{path}:{number}")
            if isinstance(found, LabelledQuery):
                queries.append(found)
            else:
                n_problems += len(found)
                problems += [f"{path}:{number}: {problem}" for problem in found[: _MAX_PROBLEMS - len(problems)]]
    return QueryFile(tuple(queries), tuple(problems), n_problems)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                rest = raw if len(raw) > MAX_LINE_BYTES else b""
                while rest and not rest.endswith(b"\n"):
                    rest = file.readline(MAX_LINE_BYTES)
                if number == 1:
                    raw = raw.removeprefix(_UTF8_BOM)
                if raw.strip():
                    yield number, raw
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error


def _parse(raw: bytes, place: str) -> LabelledQuery | list[str]:
    """Read one line: a query, or its problems."""
    if len(raw) > MAX_LINE_BYTES:
        return [f"line: longer than {MAX_LINE_BYTES} bytes"]
    try:
        line = raw.decode("utf-8")
        document = orjson.loads(line)
    except UnicodeDecodeError as error:
        return [f"line: not UTF-8 at byte {error.start} of the line"]
    except orjson.JSONDecodeError as error:
        return [f"line: not JSON: {error}"]
    if not isinstance(document, dict):
        return ["line: allowed a JSON object"]
    if problems := list(_problems(document, line)):
        return problems
    return LabelledQuery(
        place=place,
        text=document["text"],
        entry_id=document.get("entry_id"),
        group=document.get("group"),
        slice=document.get("kind") or NO_SLICE,
        namespace=document.get("namespace"),
    )


def _problems(document: dict[str, Any], line: str) -> Iterator[str]:
    try:
        yield from (f"line: found the key {name[:40]!r} twice, allowed once" for name in repeated_keys(line))
    except RecursionError:
        yield "line: nested too deep"
    for name in document:
        if name not in _FIELDS and not name.startswith(_EXTRA_PREFIX):
            yield f"{name[:40]}: unknown field, allowed {', '.join(_FIELDS)} or {_EXTRA_PREFIX}..."
    text = document.get("text")
    if not isinstance(text, str) or not normalise(text):
        yield f"text: found {_short(document.get('text', 'nothing'))}, allowed text with a word in it"
    labels = [name for name in ("entry_id", "group") if name in document]
    if len(labels) != 1:
        yield f"entry_id, group: found {len(labels)} of them, allowed one (null where no stored answer is right)"
    for name in (*labels, "kind", "namespace"):
        value = document.get(name)
        if value is not None and not (isinstance(value, str) and value):
            yield f"{name}: found {_short(value)}, allowed text or null"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return repr(text if len(text) <= 60 else text[:57] + "...")
