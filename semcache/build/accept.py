"""Takes reviewed candidates over into corpus files: as entries of their own, or as paraphrases of entries there.

All of them or none: the corpora as they would be are scanned first. A crash leaves each file old or new, and what is
in a corpus already is not added again, so the command is simply run once more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from semcache.build.scan import scan_corpora
from semcache.build.sidecar import augment_lock
from semcache.core.candidate_entry import HARVESTED_FIELDS, PARAPHRASE_OF, has_answer, is_accepted, texts_of
from semcache.core.text import normalise
from semcache.errors import ConfigError, CorpusError, StorageError
from semcache.store.candidate_file import CandidateFile, CandidateLine
from semcache.store.fsio import FileSystem

_STAGED_PREFIX = ".accepting-"
_SOURCE = "harvested traffic"


@dataclass(slots=True)
class AcceptReport:
    """What went into the corpora.

    Attributes:
        n_entries: new ones.
        n_paraphrases: texts that were added to entries.
        n_left: lines that stay in the candidates file.
        changed: the corpus files that were written.
    """

    n_entries: int = 0
    n_paraphrases: int = 0
    n_left: int = 0
    changed: list[Path] = field(default_factory=list)


def accept_candidates(
    candidates: Path, corpora: Sequence[Path], *, dry_run: bool = False, fs: FileSystem | None = None
) -> AcceptReport:
    """Move the reviewed lines of a candidates file into corpora.

    A line with an answer becomes an entry at the end of the first corpus; one that names an entry (`x_paraphrase_of`)
    adds its texts to that entry, in whichever corpus it is. All other lines stay.

    Args:
        candidates: what `harvest` wrote and somebody edited.
        corpora: corpus files, one at least; all other lines of them keep their bytes.
        dry_run: check and count; write nothing.
        fs: durable steps; tests pass one that fails.

    Raises:
        ConfigError: no corpus is given.
        CorpusError: the candidates, or the corpora as they would be, have problems; nothing was changed.
        BuildError: another command writes one of the corpora.
        StorageError: the system refuses, or the candidates were edited meanwhile.
    """
    if not corpora:
        raise ConfigError("corpora: found none, allowed 1 or more corpus files")
    fs, report = fs or FileSystem(), AcceptReport()
    with ExitStack() as stack:
        for path in corpora:
            stack.enter_context(augment_lock(path))
        file = CandidateFile(candidates, must_exist=True)
        texts = [_CorpusText(path) for path in corpora]
        _add_all(file, texts, report)
        left = [line.document for line in file.lines if not is_accepted(line.document)]
        report.n_left, report.changed = len(left), [text.path for text in texts if text.is_changed]
        staged = [stack.enter_context(_Staged(text)) for text in texts]
        _check(staged)
        if not dry_run and len(left) < len(file.lines):
            for one in staged:
                one.publish(fs)
            file.replace(fs, left)
    return report


def _add_all(file: CandidateFile, texts: Sequence[_CorpusText], report: AcceptReport) -> None:
    problems = []
    for line in file.lines:
        if not is_accepted(line.document):
            continue
        if has_answer(line.document):
            report.n_entries += texts[0].add_entry(_entry(line.document), elsewhere=texts)
            continue
        owner = next((text for text in texts if line.document[PARAPHRASE_OF] in text), None)
        if owner is None:
            problems.append(_no_entry(file.path, line))
        else:
            report.n_paraphrases += owner.add_paraphrases(line.document[PARAPHRASE_OF], texts_of(line.document))
    if problems:
        raise CorpusError(problems)


def _entry(candidate: dict[str, Any]) -> dict[str, Any]:
    """Return the corpus entry of a candidate: without what was said for its reader, with where it comes from."""
    entry = {name: value for name, value in candidate.items() if name not in HARVESTED_FIELDS}
    return {"id": entry.pop("id"), "source": _SOURCE, **entry}


def _no_entry(path: Path, line: CandidateLine) -> str:
    found = line.document[PARAPHRASE_OF]
    return f"{path}:{line.number}: {PARAPHRASE_OF}: found {found!r}, allowed the id of an entry of the given corpora"


class _CorpusText:
    """The lines of a corpus file as they will be."""

    def __init__(self, path: Path) -> None:
        self.path, self.is_changed = path, False
        try:
            self._lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
        except OSError as error:
            raise StorageError.from_os_error(path, error) from error
        self._places = {entry["id"]: i for i, entry in self._entries()}

    def _entries(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for i, line in enumerate(self._lines):
            with suppress(ValueError, RecursionError):  # the scan will say what is wrong with it
                entry = json.loads(line.decode("utf-8-sig"))
                if isinstance(entry, dict) and isinstance(entry.get("id"), str):
                    yield i, entry

    def __contains__(self, entry_id: str) -> bool:
        return entry_id in self._places

    def add_entry(self, entry: dict[str, Any], *, elsewhere: Sequence[_CorpusText]) -> bool:
        """Append an entry, unless a run that was cut off has done so; return whether it is new."""
        if any(entry["id"] in text and text.entry(entry["id"]) == entry for text in elsewhere):
            return False
        self._places[entry["id"]] = len(self._lines)
        self._lines.append(_packed(entry))
        self.is_changed = True
        return True

    def add_paraphrases(self, entry_id: str, texts: Sequence[str]) -> int:
        """Add texts that the entry does not have yet; return how many."""
        entry = self.entry(entry_id)
        has = {normalise(text) for text in texts_of(entry)}
        new = [text for text in texts if normalise(text) not in has]
        if new:
            entry["paraphrases"] = [*entry.get("paraphrases", ()), *new]
            self._lines[self._places[entry_id]] = _packed(entry)
            self.is_changed = True
        return len(new)

    def entry(self, entry_id: str) -> dict[str, Any]:
        """Return an entry that is here."""
        entry: dict[str, Any] = json.loads(self._lines[self._places[entry_id]].decode("utf-8-sig"))
        return entry

    def content(self) -> bytes:
        """Return the whole file."""
        return b"\n".join(self._lines) + b"\n"


def _packed(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False).encode("utf-8")


class _Staged:
    """A corpus as it will be, in a file beside it that goes away unless it is published."""

    def __init__(self, text: _CorpusText) -> None:
        self._text = text
        self.path = text.path.with_name(_STAGED_PREFIX + text.path.name)

    def __enter__(self) -> Self:
        try:
            self.path.write_bytes(self._text.content())
        except OSError as error:
            raise StorageError.from_os_error(self.path, error) from error
        return self

    def publish(self, fs: FileSystem) -> None:
        """Put it in the place of the corpus."""
        if not self._text.is_changed:
            return
        try:
            self.path.chmod(self._text.path.stat().st_mode)
            fs.sync_file(self.path)
            fs.replace(self.path, self._text.path)
            fs.sync_dir(self.path.parent)
        except OSError as error:
            raise StorageError.from_os_error(self._text.path, error) from error

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)


def _check(staged: Sequence[_Staged]) -> None:
    """Refuse corpora that would have problems; places are those of the lines as they would be."""
    scan = scan_corpora([one.path for one in staged])
    if scan.n_problems:
        problems = [problem.replace(_STAGED_PREFIX, "") for problem in scan.problems]
        raise CorpusError(problems, n_problems=scan.n_problems)
