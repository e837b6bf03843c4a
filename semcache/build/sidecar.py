"""The file of generated variants beside a corpus: reading it, and adding to it so that no kill loses a line.

It holds one JSON object a line: variants, and a receipt for every entry of every answer that a language model was
paid for. A last line without its line feed was cut off by a kill: it is not read, and dropped before the next one
is written.
Source: corpus/README.md, "Generated variants".
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Literal, Self

import orjson

from semcache.core.text import exact_key, normalise
from semcache.core.variant_filters import Dropped
from semcache.errors import BuildError, CorpusError, StorageError
from semcache.store.fsio import FileSystem
from semcache.store.lock import LockedError, exclusive_lock

SIDECAR_SUFFIX = ".augmented.jsonl"
NEW, KEPT, GUARD = "new", "kept", "guard"
STATUSES = frozenset({NEW, KEPT, GUARD, *(reason.value for reason in Dropped)})
MAX_LINE_BYTES = 1 << 20
_MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Variant:
    """One generated text.

    Attributes:
        entry: id of the entry.
        made_of: `digest_of` the text that it paraphrases; where the entry has no such text, the variant is stale.
        source: "rule" or "llm".
        by: the rule, or model and digest of the prompt.
        text: the variant.
        status: "new" (not filtered yet), "kept", "guard", or why it was dropped (`Dropped`).
    """

    entry: str
    made_of: str
    source: Literal["rule", "llm"]
    by: str
    text: str
    status: str = NEW


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a language model was asked for one entry, and what it gave.

    Attributes:
        entry, made_of, by: as of a variant.
        asked, given: texts.
        tokens_in, tokens_out: this entry's share of what the answer cost.
    """

    entry: str
    made_of: str
    by: str
    asked: int
    given: int
    tokens_in: int
    tokens_out: int


Record = Variant | Receipt


def sidecar_path(corpus: Path) -> Path:
    """Return where the generated variants of a corpus file are."""
    return corpus.with_name(corpus.name.removesuffix(".jsonl") + SIDECAR_SUFFIX)


def digest_of(text: str) -> str:
    """Return 32 hex digits that tell the text a variant was made of."""
    return exact_key(normalise(text)).hex()


def pack(record: Record) -> bytes:
    """Return a record as a line."""
    return orjson.dumps(asdict(record)) + b"\n"


def parse(raw: bytes) -> Record:
    """Read what `pack` wrote.

    Raises:
        ValueError: it is no such line; says why.
    """
    document = orjson.loads(raw)
    if not isinstance(document, dict):
        msg = "not a JSON object"
        raise ValueError(msg)  # noqa: TRY004 - a value of a file, not of a caller
    kind: type[Record] = Variant if "text" in document else Receipt
    names = {field.name: int if field.type == "int" else str for field in fields(kind)}
    if set(document) != set(names):
        msg = f"found the fields {sorted(document)}, allowed {sorted(names)}"
        raise ValueError(msg)
    for name, wanted in names.items():
        if type(document[name]) is not wanted or (wanted is int and document[name] < 0):
            msg = f"{name}: found {document[name]!r}, allowed {'a number from 0' if wanted is int else 'text'}"
            raise ValueError(msg)
    record = kind(**document)
    if isinstance(record, Variant) and (record.source not in {"rule", "llm"} or record.status not in STATUSES):
        msg = f"source {record.source!r}, status {record.status!r}"
        raise ValueError(msg)
    return record


class Sidecar:
    """A sidecar that is open for reading, with the places of each entry's lines.

    What is appended later is not seen, and where the file is replaced, the old one is read on.

    Attributes:
        path: where it is.
        n_lines: whole lines.
        end: bytes up to the last whole line.
        sha256: 64 hex digits of these bytes; of none where there is no file.
    """

    def __init__(self, path: Path) -> None:
        """Read every line once.

        Raises:
            CorpusError: lines that no writer of this program wrote.
            StorageError: the file cannot be read; one that is missing is empty.
        """
        self.path = path
        self.n_lines = self.end = 0
        self.sha256 = sha256().hexdigest()
        self._places: dict[bytes, list[int]] = {}
        self._file: BinaryIO | None = None
        try:
            self._file = path.open("rb")
            self._index(self._file)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError.from_os_error(path, error) from error

    def _index(self, file: BinaryIO) -> None:
        problems, digest = list[str](), sha256()
        while (raw := file.readline(MAX_LINE_BYTES + 1)).endswith(b"\n"):
            self.n_lines += 1
            try:
                record = parse(raw)
            except ValueError as error:
                problems.append(f"{self.path}:{self.n_lines}: not a generated variant: {error}")
                if len(problems) >= _MAX_PROBLEMS:
                    break
            else:
                self._places.setdefault(_key(record.entry), []).append(self.end)
            self.end += len(raw)
            digest.update(raw)
        self.sha256 = digest.hexdigest()
        if len(raw) > MAX_LINE_BYTES and not problems:
            problems.append(f"{self.path}:{self.n_lines + 1}: longer than {MAX_LINE_BYTES} bytes")
        if problems:
            self.close()
            raise CorpusError(problems)

    @property
    def entries(self) -> list[str]:
        """Ids of every entry that has a line, in the order of the file."""
        return [key.decode("utf-8") for key in self._places]

    def of(self, entry: str) -> list[Record]:
        """Return the records of an entry, in the order of the file."""
        return list(self._read(self._places.get(_key(entry), ())))

    def _read(self, places: Iterable[int]) -> Iterator[Record]:
        if self._file is None:
            return
        try:
            for place in places:
                self._file.seek(place)
                yield parse(self._file.readline())
        except (OSError, ValueError) as error:
            msg = f"{self.path}: changed while it was read: {error}"
            raise BuildError(msg) from error

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SidecarLog:
    """Adds records at the end of a sidecar. What `add` returned from survives the death of process and machine."""

    def __init__(self, path: Path, *, end: int) -> None:
        """Open the file for appending, dropping what a kill cut off after `end`.

        Raises:
            StorageError: the system refuses.
        """
        self.path = path
        try:
            is_new = not path.exists()
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.ftruncate(self._descriptor, end)
            os.lseek(self._descriptor, end, os.SEEK_SET)
        except OSError as error:
            raise StorageError.from_os_error(path, error) from error
        if is_new:
            _sync_names(FileSystem(), path)

    def add(self, records: Iterable[Record]) -> None:
        """Append records, durably.

        Raises:
            StorageError: the system refuses.
        """
        data = memoryview(b"".join(map(pack, records)))
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
            os.fsync(self._descriptor)
        except OSError as error:
            raise StorageError.from_os_error(self.path, error) from error

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


@contextmanager
def augment_lock(corpus: Path) -> Iterator[None]:
    """Hold the right to write a corpus's sidecar; the lock is on the corpus, which nobody replaces meanwhile.

    Raises:
        BuildError: another process augments it.
        StorageError: the system refuses.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive_lock(corpus))
        except LockedError as error:
            msg = f"{corpus}: another process augments this corpus; wait for it to end"
            raise BuildError(msg) from error
        except OSError as error:
            raise StorageError.from_os_error(corpus, error) from error
        yield


def replace_sidecar(fs: FileSystem, path: Path, records: Iterable[Record]) -> None:
    """Write a whole sidecar anew: a reader, and a crash, see the old one or the new one.

    Raises:
        StorageError: the system refuses.
    """
    staged = path.with_name(path.name + ".new")
    try:
        with staged.open("wb") as file:
            for record in records:
                file.write(pack(record))
        fs.sync_file(staged)
        fs.replace(staged, path)
    except BaseException as error:
        with suppress(OSError):  # the reason why we are here matters more
            fs.remove_file(staged)
        if isinstance(error, OSError):
            raise StorageError.from_os_error(path, error) from error
        raise
    _sync_names(fs, path)


def _sync_names(fs: FileSystem, path: Path) -> None:
    try:
        fs.sync_dir(path.parent)
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error


def _key(entry: str) -> bytes:
    return entry.encode("utf-8")
