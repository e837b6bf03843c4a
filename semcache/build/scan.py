"""Reads whole corpora once before anything is built: finds every problem, and what the second reading must know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from semcache.build.corpus import CorpusFile
from semcache.build.sidecar import SIDECAR_SUFFIX
from semcache.core.candidate_entry import CANDIDATES_SUFFIX
from semcache.core.manifest import CorpusInfo
from semcache.core.text import exact_key, normalise
from semcache.errors import BuildError, CorpusError
from semcache.types import Entry, VariantKind

MAX_PROBLEMS_KEPT = 1000
_SAMPLE_BYTES = 8 << 20
_SAMPLE_EVERY = 16


@dataclass(slots=True)
class CorpusScan:
    """What a reading of all corpora found.

    Attributes:
        corpora: the files, in the order given.
        n_entries, n_variants: entries, and distinct texts that are indexed for them.
        n_duplicates: texts that stood twice under one answer and are indexed once.
        n_rejects, n_guards: texts in `rejects`, and those that become guards.
        namespaces, licences: sorted.
        answer_numbers: digest of an answer -> its number, in the order of first use.
        answer_samples: some answers, to train a dictionary on.
        n_problems, problems: all of them counted, the first ones kept.
    """

    corpora: list[CorpusInfo] = field(default_factory=list)
    n_entries: int = 0
    n_variants: int = 0
    n_duplicates: int = 0
    n_rejects: int = 0
    n_guards: int = 0
    namespaces: list[str] = field(default_factory=list)
    licences: list[str] = field(default_factory=list)
    answer_numbers: dict[bytes, int] = field(default_factory=dict)
    answer_samples: list[bytes] = field(default_factory=list)
    n_problems: int = 0
    problems: list[str] = field(default_factory=list)
    _owners: dict[bytes, int] = field(default_factory=dict)
    _guards: dict[bytes, int] = field(default_factory=dict)

    def owner(self, namespace: str, key: bytes) -> int | None:
        """Return the number of the entry that the text of a key is indexed for in a namespace, or None."""
        return self._owners.get(_place(namespace, key))

    def guard_owner(self, namespace: str, key: bytes) -> int | None:
        """Return the number of the first entry that rejects the text of a key in a namespace, or None."""
        return self._guards.get(_place(namespace, key))

    def claim(self, namespace: str, key: bytes, number: int, *, is_guard: bool) -> None:
        """Note that a text which nobody has or rejects is indexed for an entry, or as a guard of it."""
        if is_guard:
            self._guards[_place(namespace, key)] = number
            self.n_guards += 1
        else:
            self._owners[_place(namespace, key)] = number
            self.n_variants += 1

    def raise_problems(self) -> None:
        """Raise CorpusError where there are problems."""
        if self.n_problems:
            raise CorpusError(self.problems, n_problems=self.n_problems)


def scan_corpora(paths: Sequence[Path]) -> CorpusScan:
    """Read all corpora and find every problem.

    Memory grows by about 200 bytes a text, a fifth of its vector or less; texts and answers are not kept.

    Raises:
        StorageError: a file cannot be read.
    """
    scan = CorpusScan()
    scanner = _Scanner(scan)
    for path in paths:
        if path.name.endswith(SIDECAR_SUFFIX):
            scanner.problem(f"{path}: holds generated variants, allowed corpus files; they are found by themselves")
        elif path.name.endswith(CANDIDATES_SUFFIX):
            scanner.problem(
                f"{path}: holds candidates, allowed corpus files; `semcache accept` takes reviewed ones over"
            )
        else:
            scanner.read(path)
    scan.namespaces, scan.licences = sorted(scanner.namespaces), sorted(scanner.licences)
    scan.n_guards = sum(key not in scan._owners for key in scan._guards)  # noqa: SLF001 - one module, two halves
    if not scan.n_entries and not scan.n_problems:
        scanner.problem("corpus: no entry in it")
    return scan


def read_again(paths: Iterable[Path], scan: CorpusScan) -> Iterator[Entry]:
    """Yield the entries of corpora that were scanned without a problem.

    Raises:
        BuildError: a file changed since it was scanned.
    """
    return (entry for _, entry in read_placed(paths, scan))


def read_placed(paths: Iterable[Path], scan: CorpusScan) -> Iterator[tuple[str, Entry]]:
    """Yield the same entries, each with its place, `file:line`."""
    for path, info in zip(paths, scan.corpora, strict=True):
        file = CorpusFile(path)
        for line in file:
            if line.entry is None:
                break
            yield f"{path}:{line.number}", line.entry
        if file.sha256 != info.sha256:
            msg = f"{path}: changed while it was read; build again"
            raise BuildError(msg)


def indexed_texts(
    entry: Entry, number: int, scan: CorpusScan, generated: Iterable[tuple[VariantKind, str]] = ()
) -> Iterator[tuple[VariantKind, str, bytes]]:
    """Yield the texts that this entry gets rows for, each once, with their exact keys."""
    written = ((VariantKind.QUERY, entry.query), *((VariantKind.PARAPHRASE, text) for text in entry.paraphrases))
    variants = (*written, *generated)
    seen: set[bytes] = set()
    for kind, text in (*variants, *((VariantKind.GUARD, text) for text in entry.rejects)):
        key = exact_key(normalise(text))
        owner = scan.owner(entry.namespace, key)
        if kind is VariantKind.GUARD:
            is_mine = owner is None and scan.guard_owner(entry.namespace, key) == number
        else:
            is_mine = owner == number
        if is_mine and key not in seen:
            seen.add(key)
            yield kind, text, key


class _Scanner:
    """The state of one scan that nobody needs afterwards."""

    def __init__(self, scan: CorpusScan) -> None:
        self.scan = scan
        self.namespaces: set[str] = set()
        self.licences: set[str] = set()
        self._ids: dict[bytes, int] = {}
        self._places: list[tuple[int, int]] = []  # of each entry: file, line
        self._answers: list[int] = []  # of each entry
        self._files: list[Path] = []
        self._sampled_bytes = 0

    def read(self, path: Path) -> None:
        self._files.append(path)
        file, n_before = CorpusFile(path), self.scan.n_entries
        for line in file:
            where = f"{path}:{line.number}"
            for problem in line.problems:
                self.problem(f"{where}: {problem}")
            if line.entry is not None:
                self._add(line.entry, where, line.number)
        entries = self.scan.n_entries - n_before
        self.scan.corpora.append(CorpusInfo(file=path.name, sha256=file.sha256, entries=entries))

    def problem(self, text: str) -> None:
        self.scan.n_problems += 1
        if len(self.scan.problems) < MAX_PROBLEMS_KEPT:
            self.scan.problems.append(text)

    def _add(self, entry: Entry, where: str, line_number: int) -> None:
        scan, number = self.scan, self.scan.n_entries
        first = self._ids.setdefault(_digest(entry.id.encode()), number)
        if first != number:
            self.problem(f"{where}: id: {entry.id!r} is already the id of {self._place(first)}")
        scan.n_entries += 1
        self._places.append((len(self._files) - 1, line_number))
        self._answers.append(self._answer(entry))
        self.namespaces.add(entry.namespace)
        if licence := entry.metadata.get("licence"):
            self.licences.add(licence)
        names = ["query", *(f"paraphrases[{i}]" for i in range(len(entry.paraphrases)))]
        for name, text in zip(names, (entry.query, *entry.paraphrases), strict=True):
            self._claim(entry, number, text, f"{where}: {name}")
        for text in entry.rejects:
            scan.n_rejects += 1
            scan._guards.setdefault(_place(entry.namespace, exact_key(normalise(text))), number)  # noqa: SLF001

    def _claim(self, entry: Entry, number: int, text: str, where: str) -> None:
        owners = self.scan._owners  # noqa: SLF001
        owner = owners.setdefault(_place(entry.namespace, exact_key(normalise(text))), number)
        if owner == number and len(owners) > self.scan.n_variants:
            self.scan.n_variants += 1
        elif self._answers[owner] == self._answers[number]:
            self.scan.n_duplicates += 1
        else:
            self.problem(f"{where}: {text[:60]!r} already has another answer, at {self._place(owner)}")

    def _answer(self, entry: Entry) -> int:
        numbers = self.scan.answer_numbers
        n_before = len(numbers)
        number = numbers.setdefault(answer_digest(entry), n_before)
        if number == n_before and number % _SAMPLE_EVERY < 4 and self._sampled_bytes < _SAMPLE_BYTES:
            self.scan.answer_samples.append(entry.answer)
            self._sampled_bytes += len(entry.answer)
        return number

    def _place(self, number: int) -> str:
        file, line = self._places[number]
        return f"{self._files[file]}:{line}"


def answer_digest(entry: Entry) -> bytes:
    """Return what tells one answer from another: its bytes and their type."""
    return _digest(entry.answer_type.encode() + b"\0" + entry.answer)


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def _place(namespace: str, key: bytes) -> bytes:
    return namespace.encode() + b"\0" + key
