"""Which generated variants a build indexes: those kept in the sidecars of its corpora, and rules of its own.

A generated text never makes a build fail: one that is a text of another answer, or is generated for two answers, or
is stale, is left out and counted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from semcache.build.filtering import Candidate, VariantFilter, written_texts
from semcache.build.scan import CorpusScan, answer_digest, read_again
from semcache.build.sidecar import GUARD, KEPT, NEW, Sidecar, Variant, digest_of, sidecar_path
from semcache.config import AugmentConfig, BuildConfig
from semcache.core.manifest import CorpusInfo
from semcache.core.rewrite import rewrites_of_entry
from semcache.core.text import exact_key, normalise
from semcache.embed.base import Embedder
from semcache.types import Entry, VariantKind

MORE_CANDIDATES = 3
"""So many candidates by rule for each variant that is wanted: the filters take some."""
_KINDS = {"rule": VariantKind.RULE, "llm": VariantKind.LLM}


@dataclass(slots=True)
class Generated:
    """The generated variants of a build.

    Attributes:
        counts: variants by kind ("rule", "llm", "guard"), and how many were left out and why ("stale", ...).
        corpora: the sidecars that were read.
    """

    counts: Counter[str] = field(default_factory=Counter)
    corpora: list[CorpusInfo] = field(default_factory=list)
    _sidecars: list[Sidecar] = field(default_factory=list)
    _ends: list[int] = field(default_factory=list)
    _n_rules: int = 0
    _seed: int = 0

    def of(self, entry: Entry, number: int) -> Iterator[tuple[VariantKind, str]]:
        """Yield kind and text of an entry's candidates; which of them are indexed, the scan knows."""
        yield from self.kept(entry, number)
        yield from ((VariantKind.RULE, candidate.text) for candidate in self.by_rule(entry))

    def kept(self, entry: Entry, number: int) -> Iterator[tuple[VariantKind, str]]:
        """Yield what the sidecar keeps for an entry."""
        for variant, is_stale in self._variants(entry, number):
            if variant.status in {KEPT, GUARD} and not is_stale:
                yield VariantKind.GUARD if variant.status == GUARD else _KINDS[variant.source], variant.text

    def count_unused(self, entry: Entry, number: int) -> None:
        """Count what the sidecar holds for an entry and cannot be used: stale, or not filtered yet."""
        for variant, is_stale in self._variants(entry, number):
            if variant.status in {KEPT, GUARD, NEW} and (is_stale or variant.status == NEW):
                self.counts["stale" if is_stale else "unfiltered"] += 1

    def by_rule(self, entry: Entry) -> list[Candidate]:
        """Return what the rules make of an entry's written texts."""
        return rule_candidates(entry, limit=MORE_CANDIDATES * self._n_rules, seed=self._seed)

    def _variants(self, entry: Entry, number: int) -> Iterator[tuple[Variant, bool]]:
        """Yield the variants of an entry in its sidecar, and whether they are stale."""
        if not self._sidecars:
            return
        made_of = {digest_of(text) for text in (entry.query, *entry.paraphrases)}
        for record in self._sidecars[bisect_right(self._ends, number)].of(entry.id):
            if isinstance(record, Variant):
                yield record, record.made_of not in made_of


def rule_candidates(entry: Entry, *, limit: int, seed: int) -> list[Candidate]:
    """Return paraphrases by rule of an entry's written texts, best first."""
    found = rewrites_of_entry((entry.query, *entry.paraphrases), limit=limit, seed=seed)
    return [Candidate(rewrite.text, made_of, "rule", rewrite.rule) for made_of, rewrite in found]


@contextmanager
def open_generated(paths: Sequence[Path], scan: CorpusScan, config: BuildConfig) -> Iterator[Generated | None]:
    """Open the sidecars of corpora; None where there is nothing generated to index.

    Raises:
        CorpusError: a sidecar has lines that are none.
        StorageError: it cannot be read.
    """
    files = [sidecar_path(path) for path in paths] if config.augment != "none" else []
    n_rules = config.n_rules if config.augment == "rules" else 0
    if not n_rules and not any(file.exists() for file in files):
        yield None
        return
    with ExitStack() as stack:
        sidecars = [stack.enter_context(closing(Sidecar(file))) for file in files]
        found = [CorpusInfo(sidecar.path.name, sidecar.sha256, 0) for sidecar in sidecars if sidecar.n_lines]
        ends = list(accumulate(info.entries for info in scan.corpora))
        yield Generated(Counter(), found, sidecars, ends, n_rules, config.seed)


def claim_generated(
    generated: Generated,
    paths: Sequence[Path],
    scan: CorpusScan,
    *,
    embedder: Embedder,
    config: BuildConfig,
    on_rows: Callable[[int, int], None],
) -> None:
    """Give every generated text that may be indexed its owner in the scan, and count what is left out.

    Raises:
        BuildError: a file changed since it was scanned.
        StorageError: the system refuses.
    """
    claims = _Claims(scan, generated.counts)
    for number, entry in enumerate(read_again(paths, scan)):
        generated.count_unused(entry, number)
        for kind, text in generated.kept(entry, number):
            claims.add(entry, number, kind, text)
    if config.augment == "rules" and config.n_rules:
        limits = AugmentConfig(per_entry=max(config.n_rules, 1))
        with written_texts(paths, scan, embedder, n_workers=config.n_workers, on_rows=on_rows) as texts:
            judge = VariantFilter(texts, scan, embedder, limits, n_workers=config.n_workers)
            with closing(judge):
                items = (
                    (number, entry, generated.by_rule(entry)) for number, entry in enumerate(read_again(paths, scan))
                )
                for number, entry, judged in judge.judge(items):
                    for candidate, dropped in judged:
                        if dropped is None:
                            claims.add(entry, number, VariantKind.RULE, candidate.text)
                        else:
                            generated.counts[dropped.value] += 1
    claims.settle()


class _Claims:
    """Who generated which text first, and which were generated for two answers."""

    def __init__(self, scan: CorpusScan, counts: Counter[str]) -> None:
        self._scan, self._counts = scan, counts
        self._claims: dict[tuple[str, bytes], tuple[int, int, VariantKind]] = {}
        self._contested = set[tuple[str, bytes]]()

    def add(self, entry: Entry, number: int, kind: VariantKind, text: str) -> None:
        """Note a text that an entry would index."""
        key = exact_key(normalise(text))
        place = (entry.namespace, key)
        owner = self._scan.owner(*place)
        answer = -1 if kind is VariantKind.GUARD else self._scan.answer_numbers[answer_digest(entry)]
        if owner is not None:
            self._counts["repeated" if owner == number else "taken"] += 1
        elif self._scan.guard_owner(*place) is not None:
            self._counts["taken"] += 1
        elif self._claims.setdefault(place, (number, answer, kind))[1] != answer:
            self._contested.add(place)
            self._counts["contested"] += 1
        elif self._claims[place][0] != number:
            self._counts["repeated"] += 1

    def settle(self) -> None:
        """Hand the claims to the scan."""
        for place, (number, _, kind) in self._claims.items():
            if place in self._contested:
                self._counts["contested"] += 1
            else:
                self._counts[kind.value] += 1
                self._scan.claim(*place, number, is_guard=kind is VariantKind.GUARD)
