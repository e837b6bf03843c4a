"""Turns recorded misses into candidates: entries that traffic asks for, for a person to answer and to review.

Nothing here reaches a corpus or a bundle. What looks personal is dropped before it is counted, embedded or written.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np

from semcache.config import DEFAULT_ROOT, HarvestConfig
from semcache.core.candidate_entry import CandidateEntry, NearestEntry, is_touched, texts_of
from semcache.core.grouping import group_texts, medoid, same_question
from semcache.core.personal import personal_kinds
from semcache.core.text import normalise
from semcache.core.traffic import RecordedLookup
from semcache.lookup.cache import Cache
from semcache.lookup.recorded import Traffic
from semcache.store.candidate_file import CandidateFile
from semcache.store.fsio import FileSystem
from semcache.types import Miss, Reason, VariantKind

_NOT_MISSING = frozenset(
    {Reason.EMPTY, Reason.INVALID_TEXT, Reason.NO_NAMESPACE, Reason.AMBIGUOUS, Reason.EXPIRED}
)  # no answer is missing there: there is nothing to answer, or an answer to choose or to renew
_BATCH_TEXTS = 256
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_personal = lru_cache(maxsize=65_536)(personal_kinds)


@dataclass(slots=True)
class HarvestReport:
    """What became of the recorded lookups.

    Every miss is counted in one of n_without_text, left_out, n_personal, n_known, n_beyond, n_answered, n_rare and the
    candidates' counts.

    Attributes:
        traffic: what was read.
        n_hits, n_misses: of the lookups.
        n_without_text: misses whose text was not recorded.
        left_out: misses to which no new entry is an answer, by reason.
        n_personal, personal: misses that look personal, and what was found in them (a text may hold several).
        n_known: misses that a line asks for which somebody answered, reviewed or declined.
        n_beyond: misses beyond `max_texts` different texts.
        n_answered: misses that the bundle answers by now.
        n_rare: misses of groups that were asked for less often than `min_count`.
        n_kept: lines that somebody answered, reviewed or declined; they stay as they are.
        candidates: the new lines, asked for most often first.
    """

    traffic: Traffic = field(default_factory=Traffic)
    n_hits: int = 0
    n_misses: int = 0
    n_without_text: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    n_personal: int = 0
    personal: Counter[str] = field(default_factory=Counter)
    n_known: int = 0
    n_beyond: int = 0
    n_answered: int = 0
    n_rare: int = 0
    n_kept: int = 0
    candidates: tuple[CandidateEntry, ...] = ()


@dataclass(slots=True)
class _Question:
    """A text that was missed, however it was spelled: the spellings, when, and what a lookup says of it now."""

    namespace: str | None
    spellings: Counter[str]
    first: int
    last: int
    miss: Miss | None = None

    @property
    def count(self) -> int:
        return self.spellings.total()

    @property
    def text(self) -> str:
        """The spelling used most often; of equal ones the first by its letters."""
        return min(self.spellings, key=lambda text: (-self.spellings[text], text))


def harvest(
    name: str,
    records: Sequence[Path],
    out: Path,
    *,
    root: str | Path = DEFAULT_ROOT,
    config: HarvestConfig | None = None,
    fs: FileSystem | None = None,
) -> HarvestReport:
    """Write the questions that recorded lookups missed to a candidates file.

    Lines of the file that somebody answered, reviewed or declined are kept, and their texts are not proposed again;
    all others are replaced.

    Args:
        name: the bundle that is asked which of them it answers by now; its encoder groups them.
        records: folders that `Cache.open(record=)` wrote to, or files of them.
        out: the candidates file; its name ends in `.candidates.jsonl`.
        root: folder of bundles.
        config: which misses become candidates.
        fs: durable steps; tests pass one that fails.

    Raises:
        ConfigError: `out` has another name.
        CorpusError: the file that is there has problems.
        StorageError: a file cannot be read or written, or somebody changed `out` meanwhile.
        BundleError, EncoderError: as `Cache.open` and `Cache.lookup_many`.
    """
    config = config or HarvestConfig()
    file, report = CandidateFile(out), HarvestReport()
    kept = [line.document for line in file.lines if is_touched(line.document)]
    known = {normalise(text) for document in kept for text in texts_of(document)}
    with Cache.open(name, root=root) as cache:
        questions = _questions(records, known, report, home=_only(cache.info.manifest.namespaces))
        asked = _most_asked(questions, config, report)
        missed = _still_missed(cache, asked, report)
        found = [
            candidate for alike in _by_namespace(missed) for candidate in _candidates(cache, alike, config, report)
        ]
    report.n_kept = len(kept)
    report.candidates = tuple(sorted(found, key=lambda candidate: (-candidate.count, candidate.query, candidate.id)))
    file.replace(fs or FileSystem(), [*kept, *(candidate.document() for candidate in report.candidates)])
    return report


def _only(namespaces: Sequence[str]) -> str | None:
    """Return the namespace that everywhere is, where a bundle has one only."""
    return namespaces[0] if len(namespaces) == 1 else None


def _questions(records: Sequence[Path], known: set[str], report: HarvestReport, *, home: str | None) -> list[_Question]:
    """Read all misses that may be proposed, as one question a normalised text and namespace (`home` for none)."""
    questions: dict[tuple[str | None, str], _Question] = {}
    for lookup in report.traffic.read(records):
        text = _proposable(lookup, known, report)
        if text is None:
            continue
        namespace = home if lookup.namespace is None else lookup.namespace
        question = questions.setdefault(
            (namespace, normalise(text)), _Question(namespace, Counter(), first=lookup.time, last=lookup.time)
        )
        question.spellings[text] += 1
        question.first, question.last = min(question.first, lookup.time), max(question.last, lookup.time)
    return list(questions.values())


def _proposable(lookup: RecordedLookup, known: set[str], report: HarvestReport) -> str | None:
    """Return the text of a miss that an entry could answer, as one printable line; None where it is none."""
    if lookup.hit:
        report.n_hits += 1
        return None
    report.n_misses += 1
    if lookup.reason in _NOT_MISSING:
        report.left_out[str(lookup.reason)] += 1
    elif lookup.text is None:
        report.n_without_text += 1
    elif kinds := _personal(lookup.text):
        report.n_personal += 1
        report.personal.update(kind.value for kind in kinds)
    elif normalise(text := " ".join(_CONTROL.sub(" ", lookup.text).split())) in known:
        report.n_known += 1
    else:
        return text
    return None


def _most_asked(questions: list[_Question], config: HarvestConfig, report: HarvestReport) -> list[_Question]:
    questions.sort(key=lambda question: (-question.count, question.text, question.namespace or ""))
    report.n_beyond = sum(question.count for question in questions[config.max_texts :])
    return questions[: config.max_texts]


def _still_missed(cache: Cache, questions: Iterable[_Question], report: HarvestReport) -> list[_Question]:
    """Ask the bundle anew; return what it does not answer by now, each with its miss."""
    missed = []
    for alike in _by_namespace(questions):
        for start in range(0, len(alike), _BATCH_TEXTS):
            batch = alike[start : start + _BATCH_TEXTS]
            results = cache.lookup_many([question.text for question in batch], namespace=batch[0].namespace)
            for question, result in zip(batch, results, strict=True):
                if result.hit:
                    report.n_answered += question.count
                elif result.reason in _NOT_MISSING:
                    report.left_out[str(result.reason)] += question.count
                else:
                    question.miss = result
                    missed.append(question)
    return missed


def _by_namespace(questions: Iterable[_Question]) -> list[list[_Question]]:
    found: dict[str | None, list[_Question]] = {}
    for question in questions:
        found.setdefault(question.namespace, []).append(question)
    return list(found.values())


def _candidates(
    cache: Cache, questions: list[_Question], config: HarvestConfig, report: HarvestReport
) -> Iterator[CandidateEntry]:
    """Yield the groups of one namespace that were asked for often enough."""
    texts, counts = [question.text for question in questions], [question.count for question in questions]
    batches = [cache.embed(texts[i : i + _BATCH_TEXTS]) for i in range(0, len(texts), _BATCH_TEXTS)]
    vectors = np.concatenate(batches)
    for group in group_texts(texts, vectors, counts, min_score=config.near):
        count = sum(counts[i] for i in group)
        if count < config.min_count:
            report.n_rare += count
            continue
        middle = medoid(group, vectors, counts)
        others = [questions[i] for i in group if i != middle]
        yield _candidate(questions[middle], others, count, near=config.near)


def _candidate(question: _Question, others: Sequence[_Question], count: int, *, near: float) -> CandidateEntry:
    members, nearest = [question, *others], question.miss.nearest if question.miss else None
    is_paraphrase = (
        nearest is not None
        and nearest.kind is not VariantKind.GUARD
        and nearest.score >= near
        and same_question(question.text, nearest.variant)
    )
    return CandidateEntry(
        query=question.text,
        paraphrases=tuple(other.text for other in others),
        namespace=question.namespace,
        count=count,
        first_seen=_moment(min(member.first for member in members)),
        last_seen=_moment(max(member.last for member in members)),
        nearest=None if nearest is None else NearestEntry(nearest.entry_id, nearest.variant, round(nearest.score, 4)),
        is_paraphrase=is_paraphrase,
    )


def _moment(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
