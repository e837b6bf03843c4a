"""Has a language model write paraphrases of entries: what is missing is asked for, what was answered is kept.

An entry is asked about until it has as many texts as wanted, or three answers gave too few. Every answer goes to the
sidecar before the next step, so a run that is interrupted goes on where it was and pays for nothing twice; only what
was under way when the process was killed is asked for again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

from semcache.build.llm_http import ChatAnswer
from semcache.build.sidecar import Receipt, Record, Sidecar, SidecarLog, Variant, digest_of
from semcache.config import LlmConfig
from semcache.core.llm_prompt import PROMPT_DIGEST, Question, messages, read_answer
from semcache.types import Entry

_MAX_SHORT_ANSWERS = 3
_MAX_KNOWN_TEXTS = 12
_CHARS_PER_TOKEN = 4


class Asker(Protocol):
    """What asks a language model."""

    def ask(self, messages: Sequence[dict[str, str]]) -> ChatAnswer:
        """Return its answer, or raise LlmError."""

    def stop(self) -> None:
        """Begin no further attempt."""


@dataclass(slots=True)
class LlmTally:
    """What was asked for and given.

    Attributes:
        n_entries: entries that lacked variants.
        n_answers: answers that came.
        n_given: usable texts in them.
        n_short: entries that still have fewer than asked for.
        tokens_in, tokens_out: what the answers cost, as far as the endpoint says.
    """

    n_entries: int = 0
    n_answers: int = 0
    n_given: int = 0
    n_short: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(slots=True)
class _Job:
    """One entry that lacks variants."""

    entry: str
    made_of: str
    question: str
    known: list[str]
    n_missing: int
    n_short_answers: int

    @property
    def is_open(self) -> bool:
        return self.n_missing > 0 and self.n_short_answers < _MAX_SHORT_ANSWERS


def author(config: LlmConfig) -> str:
    """Return what a variant says of who wrote it: the model, and a digest of the prompt."""
    return f"{config.model} {PROMPT_DIGEST}"


def estimate(entries: Iterable[Entry], sidecar: Sidecar, config: LlmConfig, *, per_entry: int) -> LlmTally:
    """Return what `ask_for_variants` would send at least, in tokens of about four characters; nothing is sent."""
    tally = LlmTally()
    for batch in _batches(_jobs(entries, sidecar, config, per_entry), config.entries_per_request):
        sent = sum(len(message["content"]) for message in _messages(batch))
        wanted = sum(len(job.question) * job.n_missing for job in batch)
        tally.n_entries += len(batch)
        tally.n_answers += 1
        tally.tokens_in += sent // _CHARS_PER_TOKEN
        tally.tokens_out += wanted // _CHARS_PER_TOKEN
    return tally


def ask_for_variants(
    entries: Iterable[Entry],
    sidecar: Sidecar,
    log: SidecarLog,
    *,
    asker: Asker,
    config: LlmConfig,
    per_entry: int,
    on_entries: Callable[[int], None],
) -> LlmTally:
    """Ask for what entries lack, and write down every answer.

    Interrupted, it waits for the requests under way and writes their answers down too.

    Args:
        entries: of one corpus.
        sidecar: what is there already.
        log: takes the answers.
        asker: asks the model.
        config: batches, concurrency.
        per_entry: texts wanted of each entry.
        on_entries: called with a number of entries each time that many are done.

    Raises:
        LlmError: the endpoint refuses; what was answered is kept.
        StorageError: an answer cannot be written.
    """
    run = _Run(log, asker, author(config), on_entries)
    running = set[Future[None]]()
    with ThreadPoolExecutor(config.concurrency) as pool:
        try:
            for batch in _batches(_jobs(entries, sidecar, config, per_entry), config.entries_per_request):
                run.tally.n_entries += len(batch)
                running.add(pool.submit(run.batch, batch))
                if len(running) > config.concurrency:
                    running = _settle(running, all_of_them=False)
            _settle(running, all_of_them=True)
        except BaseException:
            asker.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return run.tally


def _settle(running: set[Future[None]], *, all_of_them: bool) -> set[Future[None]]:
    """Wait for one request, or for all; raise what one failed with."""
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        if not all_of_them:
            break
    return running


class _Run:
    """What the threads of one run share."""

    def __init__(self, log: SidecarLog, asker: Asker, by: str, on_entries: Callable[[int], None]) -> None:
        self.tally = LlmTally()
        self._log, self._asker, self._by, self._on_entries = log, asker, by, on_entries
        self._lock = threading.Lock()

    def batch(self, jobs: list[_Job]) -> None:
        """Ask until every entry of a batch has what it lacks, or no more is to be had."""
        still = jobs
        while still:
            answer = self._asker.ask(_messages(still))
            self._keep(still, answer)
            still = [job for job in still if job.is_open]
        with self._lock:
            self.tally.n_short += sum(job.n_missing > 0 for job in jobs)
            self._on_entries(len(jobs))

    def _keep(self, jobs: list[_Job], answer: ChatAnswer) -> None:
        """Write an answer down: the texts of each entry, then its receipt."""
        n = _wanted(jobs)
        try:
            given = read_answer(answer.content, _questions(jobs), n=n)
        except (ValueError, RecursionError):  # garbage, and paid for
            given = [[] for _ in jobs]
        records = list[Record]()
        shares = zip(_shares(answer.tokens_in, len(jobs)), _shares(answer.tokens_out, len(jobs)), strict=True)
        for job, texts, (tokens_in, tokens_out) in zip(jobs, given, shares, strict=True):
            records += [Variant(job.entry, job.made_of, "llm", self._by, text) for text in texts]
            asked = job.n_missing
            records.append(Receipt(job.entry, job.made_of, self._by, asked, len(texts), tokens_in, tokens_out))
            job.known += texts
            job.n_short_answers += len(texts) < asked
            job.n_missing -= len(texts)
        with self._lock:
            self._log.add(records)
            self.tally.n_answers += 1
            self.tally.n_given += sum(map(len, given))
            self.tally.tokens_in += answer.tokens_in
            self.tally.tokens_out += answer.tokens_out


def _jobs(entries: Iterable[Entry], sidecar: Sidecar, config: LlmConfig, per_entry: int) -> Iterator[_Job]:
    """Yield the entries that lack variants of this model and prompt."""
    by = author(config)
    for entry in entries:
        made_of = digest_of(entry.query)
        records = [record for record in sidecar.of(entry.id) if record.made_of == made_of and record.by == by]
        texts = [record.text for record in records if isinstance(record, Variant)]
        n_short = sum(record.given < record.asked for record in records if isinstance(record, Receipt))
        known = [*entry.paraphrases[:_MAX_KNOWN_TEXTS], *texts]
        job = _Job(entry.id, made_of, entry.query, known, per_entry - len(texts), n_short)
        if job.is_open:
            yield job


def _batches(jobs: Iterator[_Job], size: int) -> Iterator[list[_Job]]:
    batch = list[_Job]()
    for job in jobs:
        batch.append(job)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _messages(jobs: Sequence[_Job]) -> list[dict[str, str]]:
    return messages(_questions(jobs), n=_wanted(jobs))


def _questions(jobs: Sequence[_Job]) -> list[Question]:
    return [Question(job.question, tuple(job.known)) for job in jobs]


def _wanted(jobs: Sequence[_Job]) -> int:
    return max(job.n_missing for job in jobs)


def _shares(total: int, n: int) -> list[int]:
    """Split a whole number into n that add up to it."""
    return [total // n + (i < total % n) for i in range(n)]
