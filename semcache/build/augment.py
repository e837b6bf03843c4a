"""Generates variants of the entries of corpora into the sidecars beside them: by rule, by a language model.

First the model is asked, and every answer is written down. Then all variants are judged together, and each sidecar is
replaced by one that says of every variant whether it is kept, and if not, why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from semcache.build.filtering import Candidate, VariantFilter, written_texts
from semcache.build.generated import MORE_CANDIDATES, rule_candidates
from semcache.build.llm import Asker, LlmTally, ask_for_variants, estimate
from semcache.build.scan import CorpusScan, read_again, scan_corpora
from semcache.build.sidecar import (
    GUARD,
    KEPT,
    Receipt,
    Record,
    Sidecar,
    SidecarLog,
    Variant,
    augment_lock,
    digest_of,
    replace_sidecar,
    sidecar_path,
)
from semcache.config import AugmentConfig, LlmConfig
from semcache.core.variant_filters import Dropped
from semcache.embed.base import Embedder
from semcache.errors import ConfigError
from semcache.store.fsio import FileSystem
from semcache.types import Entry

Progress = Callable[[str, int, int], None]
"""Called with a stage (llm, embed, filter), how much of it is done, and how much there is."""


@dataclass(slots=True)
class AugmentReport:
    """What was generated.

    Attributes:
        sidecars: the files, one a corpus.
        n_entries: entries of the corpora.
        counts: for each source, how many variants were kept, became a guard, or were dropped, and why.
        n_stale: variants whose text has gone from its entry; those of a model stay in the file, unused.
        asked: what the model was asked for in this run.
        paid: answers, tokens in and tokens out of all runs that the sidecars know of.
    """

    sidecars: list[Path] = field(default_factory=list)
    n_entries: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    n_stale: int = 0
    asked: LlmTally = field(default_factory=LlmTally)
    tokens_in_paid: int = 0
    tokens_out_paid: int = 0


def plan_augment(corpora: Sequence[Path], config: AugmentConfig, *, llm: LlmConfig | None) -> AugmentReport:
    """Return what `augment_corpora` would generate, before the filters; nothing is sent or written.

    Raises:
        CorpusError, StorageError: as `augment_corpora`.
    """
    scan = _scanned(corpora)
    report = AugmentReport([sidecar_path(path) for path in corpora], scan.n_entries)
    if config.rules:
        n = sum(len(_rules(entry, config)[: config.per_entry]) for entry in read_again(corpora, scan))
        report.counts["rule"] = Counter({"candidates": n})
    if llm is not None:
        for i, path in enumerate(corpora):
            with Sidecar(sidecar_path(path)) as sidecar:
                _add(report.asked, estimate(_entries_of(corpora, scan, i), sidecar, llm, per_entry=config.per_entry))
    return report


def augment_corpora(
    corpora: Sequence[Path],
    config: AugmentConfig,
    *,
    embedder: Embedder,
    asker: Asker | None = None,
    llm: LlmConfig | None = None,
    n_workers: int = 0,
    progress: Progress | None = None,
    fs: FileSystem | None = None,
) -> AugmentReport:
    """Generate variants of every entry into the sidecar beside each corpus.

    Killed at any point, the sidecars hold what was there before and every answer that had come; the next run goes on
    from there.

    Args:
        corpora: corpus files; a variant is held against the texts of all of them.
        config: which variants, and how strict.
        embedder: the one that the bundle will be built with.
        asker: asks a language model; None for none.
        llm: which one; where `asker` is given.
        n_workers: threads that embed; 0 means one a core.
        progress: is told how far it is.
        fs: durable steps; tests pass one that fails.

    Raises:
        ConfigError: there is nothing to do.
        CorpusError: the corpora, or a sidecar, have problems.
        BuildError: another run augments one of them, or a file changed meanwhile.
        LlmError: the endpoint refuses; what was answered is kept.
        StorageError: the system refuses.
    """
    if asker is None and not config.rules and not any(sidecar_path(path).exists() for path in corpora):
        msg = "nothing to do: no model is named, rules are off, and there is nothing to filter; give --llm or --rules"
        raise ConfigError(msg)
    scan = _scanned(corpora)
    run = _Run(
        corpora,
        scan,
        config=config,
        embedder=embedder,
        n_workers=n_workers,
        progress=progress or (lambda *_: None),
        fs=fs or FileSystem(),
    )
    with ExitStack() as stack:
        for path in corpora:
            stack.enter_context(augment_lock(path))
        if asker is not None and llm is not None:
            run.ask(asker, llm)
        run.judge()
    return run.report


class _Run:
    """One run; the locks are held."""

    def __init__(
        self,
        corpora: Sequence[Path],
        scan: CorpusScan,
        *,
        config: AugmentConfig,
        embedder: Embedder,
        n_workers: int,
        progress: Progress,
        fs: FileSystem,
    ) -> None:
        self.report = AugmentReport([sidecar_path(path) for path in corpora], scan.n_entries)
        self._corpora, self._scan, self._config, self._embedder = corpora, scan, config, embedder
        self._n_workers, self._progress, self._fs = n_workers, progress, fs

    def ask(self, asker: Asker, llm: LlmConfig) -> None:
        """Have the model write what is missing."""
        done, n_all = 0, 0

        def on_entries(n: int) -> None:
            nonlocal done
            done += n
            self._progress("llm", done, n_all)

        for i, path in enumerate(self.report.sidecars):
            with Sidecar(path) as sidecar, closing(SidecarLog(path, end=sidecar.end)) as log:
                n_all += estimate(self._entries(i), sidecar, llm, per_entry=self._config.per_entry).n_entries
                self._progress("llm", done, n_all)
                tally = ask_for_variants(
                    self._entries(i),
                    sidecar,
                    log,
                    asker=asker,
                    config=llm,
                    per_entry=self._config.per_entry,
                    on_entries=on_entries,
                )
                _add(self.report.asked, tally)

    def judge(self) -> None:
        """Judge every variant and write the sidecars anew."""
        with ExitStack() as stack:
            sidecars = [stack.enter_context(Sidecar(path)) for path in self.report.sidecars]
            embedding = written_texts(
                self._corpora,
                self._scan,
                self._embedder,
                n_workers=self._n_workers,
                on_rows=lambda done, n: self._progress("embed", done, n),
            )
            texts = stack.enter_context(embedding)
            judge = VariantFilter(texts, self._scan, self._embedder, self._config, n_workers=self._n_workers)
            stack.enter_context(closing(judge))
            first = 0
            for i, sidecar in enumerate(sidecars):
                replace_sidecar(self._fs, sidecar.path, self._records(judge, sidecar, i, first))
                first += self._scan.corpora[i].entries

    def _records(self, judge: VariantFilter, sidecar: Sidecar, i: int, first: int) -> Iterator[Record]:
        """Yield the new lines of a sidecar, in the order of its corpus; then the ones that no entry has a use for."""
        seen = set[str]()
        items = ((first + n, entry, self._candidates(entry, sidecar)) for n, entry in enumerate(self._entries(i)))
        for number, entry, judged in judge.judge(items):
            self._progress("filter", number + 1, self._scan.n_entries)
            seen.add(entry.id)
            yield from self._kept_anyway(entry, sidecar)
            yield from self._verdicts(entry, judged)
        for entry_id in sidecar.entries:
            if entry_id not in seen:
                yield from self._paid_for(sidecar.of(entry_id))

    def _candidates(self, entry: Entry, sidecar: Sidecar) -> list[Candidate]:
        """Return what a model wrote for an entry, then what the rules make of it."""
        texts = {digest_of(text): text for text in (entry.query, *entry.paraphrases)}
        written = [
            Candidate(record.text, texts[record.made_of], record.source, record.by)
            for record in sidecar.of(entry.id)
            if isinstance(record, Variant) and record.source == "llm" and record.made_of in texts
        ]
        return written + (_rules(entry, self._config) if self._config.rules else [])

    def _kept_anyway(self, entry: Entry, sidecar: Sidecar) -> Iterator[Record]:
        """Yield an entry's receipts, and what a model wrote for a text that the entry no longer has."""
        made_of = {digest_of(text) for text in (entry.query, *entry.paraphrases)}
        is_of_use = (r for r in sidecar.of(entry.id) if isinstance(r, Receipt) or r.made_of not in made_of)
        yield from self._paid_for(is_of_use)

    def _paid_for(self, records: Iterator[Record] | list[Record]) -> Iterator[Record]:
        for record in records:
            if isinstance(record, Receipt):
                self.report.tokens_in_paid += record.tokens_in
                self.report.tokens_out_paid += record.tokens_out
                yield record
            else:
                self.report.n_stale += 1
                if record.source == "llm":
                    yield record

    def _verdicts(self, entry: Entry, judged: list[tuple[Candidate, Dropped | None]]) -> Iterator[Record]:
        for candidate, dropped in judged:
            is_guard = dropped is Dropped.ROUND_TRIP and self._config.guards
            status = KEPT if dropped is None else GUARD if is_guard else dropped.value
            self.report.counts.setdefault(candidate.source, Counter())[status] += 1
            if candidate.source == "llm" or status != Dropped.SURPLUS:
                made_of = digest_of(candidate.made_of)
                yield Variant(entry.id, made_of, candidate.source, candidate.by, candidate.text, status)

    def _entries(self, i: int) -> Iterator[Entry]:
        return _entries_of(self._corpora, self._scan, i)


def _scanned(corpora: Sequence[Path]) -> CorpusScan:
    scan = scan_corpora(corpora)
    scan.raise_problems()
    return scan


def _entries_of(corpora: Sequence[Path], scan: CorpusScan, i: int) -> Iterator[Entry]:
    """Yield the entries of one of several corpora."""
    return read_again([corpora[i]], replace(scan, corpora=[scan.corpora[i]]))


def _rules(entry: Entry, config: AugmentConfig) -> list[Candidate]:
    return rule_candidates(entry, limit=MORE_CANDIDATES * config.per_entry, seed=config.seed)


def _add(total: LlmTally, more: LlmTally) -> None:
    for name in LlmTally.__dataclass_fields__:
        setattr(total, name, getattr(total, name) + getattr(more, name))
