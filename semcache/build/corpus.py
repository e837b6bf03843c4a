"""Reads corpus files: one JSON object a line, every problem found with its place, none of them fatal to the rest.

Source: corpus/README.md and README.md, "The corpus format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from semcache.bundle.layout import NAME_PATTERN
from semcache.core.candidate_entry import REVIEWED
from semcache.core.fields import repeated_keys
from semcache.core.text import normalise
from semcache.errors import StorageError
from semcache.types import Entry

MAX_LINE_BYTES = 16 << 20
DEFAULT_NAMESPACE = "default"
_MAX_ID_CHARS = 256
_FIELDS = (
    *("id", "query", "answer", "paraphrases", "rejects"),
    *("namespace", "tags", "source", "licence", "valid_until"),
)
_EXTRA_PREFIX = "x_"
_UTF8_BOM = b"\xef\xbb\xbf"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_ID_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAX_DEPTH = 100
_EXACT_BELOW = 2.0**63  # beyond, JSON readers round whole numbers


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a corpus file: an entry, or what is wrong with it.

    Attributes:
        number: counts from 1.
        entry: None where the line has problems.
        problems: `field: what was found, what is allowed` each.
    """

    number: int
    entry: Entry | None
    problems: tuple[str, ...]


class CorpusFile:
    """A corpus file that is read line by line; after the end, its digest is known.

    Attributes:
        path: where it is.
        sha256: 64 hex digits of the file as read; empty before the end.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.sha256 = path, ""

    def __iter__(self) -> Iterator[Line]:
        """Yield every line that is not blank.

        Raises:
            StorageError: the file cannot be read.
        """
        digest = sha256()
        try:
            with self.path.open("rb") as file:
                number = 0
                while raw := file.readline(MAX_LINE_BYTES + 1):
                    number += 1
                    digest.update(raw)
                    if len(raw) > MAX_LINE_BYTES:
                        while raw and not raw.endswith(b"\n"):
                            raw = file.readline(MAX_LINE_BYTES)
                            digest.update(raw)
                        yield Line(number, None, (f"line: longer than {MAX_LINE_BYTES} bytes",))
                        continue
                    if number == 1:
                        raw = raw.removeprefix(_UTF8_BOM)
                    if raw.strip():
                        yield parse_line(raw, number)
        except OSError as error:
            raise StorageError.from_os_error(self.path, error) from error
        self.sha256 = digest.hexdigest()


def parse_line(raw: bytes, number: int) -> Line:
    """Read one line."""
    try:
        text = raw.decode("utf-8")
        document = orjson.loads(text)
    except UnicodeDecodeError as error:
        return Line(number, None, (f"line: not UTF-8 at byte {error.start} of the line",))
    except orjson.JSONDecodeError as error:
        return Line(number, None, (f"line: not JSON: {error}",))
    if not isinstance(document, dict):
        return Line(number, None, (f"line: found {_kind(document)}, allowed a JSON object",))
    problems = tuple(f"{name[:40]}: found {odd}" for name, value in document.items() if (odd := _oddity(value)))
    problems = problems or tuple(
        f"line: found the key {_short(name)} twice, allowed once" for name in repeated_keys(text)
    )
    if problems:
        return Line(number, None, problems)
    fields = _Fields(document)
    entry = fields.entry()
    return Line(number, None, tuple(fields.problems)) if fields.problems else Line(number, entry, ())


class _Fields:
    """Takes the fields of one entry, noting every problem."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self.problems: list[str] = []

    def entry(self) -> Entry:
        for name in self._document:
            if name not in _FIELDS and not name.startswith(_EXTRA_PREFIX):
                self.problems.append(f"{name[:40]}: unknown field, allowed {', '.join(_FIELDS)} or {_EXTRA_PREFIX}...")
        if self._document.get(REVIEWED, True) is not True:
            self._wrong(
                REVIEWED, self._document[REVIEWED], "true, once somebody has reviewed the entry, or no such field"
            )
        answer, answer_type = self._answer()
        query, paraphrases, rejects = self._query(), self._texts("paraphrases"), self._texts("rejects")
        own = {normalise(text) for text in (query, *paraphrases)}
        for i, text in enumerate(rejects):
            if normalise(text) in own:
                self.problems.append(f"rejects[{i}]: {_short(text)} is also the entry's query or a paraphrase")
        return Entry(
            id=self._id(),
            query=query,
            answer=answer,
            answer_type="json" if answer_type == "json" else "text",
            paraphrases=paraphrases,
            rejects=rejects,
            namespace=self._namespace(),
            valid_until=self._valid_until(),
            metadata=self._metadata(),
        )

    def _wrong(self, name: str, found: object, allowed: str) -> None:
        self.problems.append(f"{name}: found {_short(found)}, allowed {allowed}")

    def _id(self) -> str:
        value = self._document.get("id")
        if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID_CHARS or _ID_CONTROL.search(value):
            self._wrong("id", _missing(self._document, "id"), f"text of 1 to {_MAX_ID_CHARS} printable characters")
            return ""
        return value

    def _answer(self) -> tuple[bytes, str]:
        value = self._document.get("answer")
        if value is None or value == "":
            self._wrong("answer", _missing(self._document, "answer"), "text that is not empty, or any JSON but null")
        if isinstance(value, str):
            return value.encode("utf-8"), "text"
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS), "json"

    def _query(self) -> str:
        if "query" not in self._document:
            self._wrong("query", "nothing", "text with a word in it")
            return ""
        return self._text("query", self._document["query"])

    def _text(self, name: str, value: object) -> str:
        if not isinstance(value, str):
            self._wrong(name, _kind(value), "text with a word in it")
            return ""
        if _CONTROL.search(value):
            self._wrong(name, value, "text without control characters")
        elif not normalise(value):
            self._wrong(name, value, "text with a word in it")
        return value

    def _texts(self, name: str) -> tuple[str, ...]:
        value = self._document.get(name, [])
        if not isinstance(value, list):
            self._wrong(name, _kind(value), "a list of texts")
            return ()
        return tuple(self._text(f"{name}[{i}]", item) for i, item in enumerate(value))

    def _namespace(self) -> str:
        value = self._document.get("namespace", DEFAULT_NAMESPACE)
        if not isinstance(value, str) or not NAME_PATTERN.fullmatch(value):
            self._wrong("namespace", value, f"a name like {NAME_PATTERN.pattern}")
            return DEFAULT_NAMESPACE
        return value

    def _valid_until(self) -> int | None:
        value = self._document.get("valid_until")
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                return int(moment.timestamp())
        except (TypeError, ValueError, OverflowError):
            pass
        self._wrong("valid_until", value, "an RFC 3339 time with its offset, such as 2027-01-31T12:00:00Z")
        return None

    def _metadata(self) -> dict[str, Any]:
        tags = self._document.get("tags", [])
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            self._wrong("tags", tags, "a list of texts")
        for name in ("source", "licence"):
            if not isinstance(self._document.get(name, ""), str):
                self._wrong(name, self._document[name], "text")
        kept = ("tags", "source", "licence")
        return {k: v for k, v in self._document.items() if k in kept or k.startswith(_EXTRA_PREFIX)}


def _oddity(value: object, depth: int = 1) -> str | None:
    """Say what in a JSON value would not survive being stored, or None."""
    if depth > _MAX_DEPTH:
        return f"a value nested deeper than {_MAX_DEPTH} levels, allowed up to that"
    if isinstance(value, float) and abs(value) >= _EXACT_BELOW:
        return f"{value!r}, a number that may have been rounded; allowed below 2**63, or as text"
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return next((odd for item in value if (odd := _oddity(item, depth + 1))), None)
    return None


def _missing(document: dict[str, Any], name: str) -> object:
    return document.get(name, "nothing")


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return repr(text if len(text) <= 60 else text[:57] + "...")
