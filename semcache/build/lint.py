"""Looks a corpus over before it is built: what may be served wrong, what stands wrong, what is hard to find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from semcache.build.findings import SEVERITIES, Finding, FindingKind, LeftOutCount, LintReport
from semcache.build.left_out import Answered, LeftOut, certified_levels
from semcache.build.lint_entries import isolated, missed, not_embedded, odd_rejects
from semcache.build.lint_rivals import claimed, misplaced, overruled, same_vectors, same_words
from semcache.build.scan import scan_corpora
from semcache.build.written import WrittenRows, read_written
from semcache.core.differences import SAME_WORDS_SCORE
from semcache.embed.base import Embedder

Progress = Callable[[str, int, int], None]
"""Called with a stage (embed, lint), how many texts of it are done, and how many there are."""

_KINDS = list(FindingKind)


def lint_corpora(
    paths: Sequence[Path],
    *,
    embedder: Embedder,
    n_workers: int = 0,
    progress: Progress = lambda _stage, _done, _n: None,
) -> LintReport:
    """Find what is odd in corpora that have no problems. Deterministic; each namespace is looked at by itself.

    Only what is written is looked at, not generated variants. Most of the time goes into embedding; the rest grows
    with the square of the texts of a namespace.

    Args:
        paths: corpus files.
        embedder: of the bundle to be.
        n_workers: threads that embed; 0 means one a core.
        progress: is told how far it is.

    Raises:
        CorpusError: the corpora have problems.
        StorageError: a file cannot be read.
    """
    scan = scan_corpora(paths)
    scan.raise_problems()
    rows = read_written(paths, scan, embedder, n_workers=n_workers, on_rows=lambda done, n: progress("embed", done, n))
    findings = list(not_embedded(rows, embedder))
    outcomes = list[tuple[bool, float]]()
    n_done = 0
    for part in rows.namespaces():
        progress("lint", n_done, len(rows.texts))
        found, asked = _lint(part)
        n_done += len(part.texts)
        findings += found
        outcomes += [(answered.answer == part.answers[answered.row], answered.confidence) for answered in asked]
    return LintReport(
        n_entries=scan.n_entries,
        n_variants=scan.n_variants,
        n_guards=scan.n_guards,
        left_out=tuple(_count(outcomes, *level) for level in certified_levels()),
        findings=tuple(sorted(findings, key=_order)),
    )


def _lint(rows: WrittenRows) -> tuple[list[Finding], list[Answered]]:
    """Return what is found in one namespace, each thing once, and what its texts get without themselves."""
    left_out = LeftOut(rows)
    asked = left_out.without_text()
    rivals = list(rows.rivals(SAME_WORDS_SCORE))
    equal = list(same_vectors(rows, rivals))
    same = _apart(same_words(rows, rivals), equal)
    wrong = _apart(overruled(rows, asked, left_out), [*equal, *same])
    near = _apart(claimed(rows, left_out.without_answer()), [*equal, *same, *wrong])
    stray = _without(misplaced(rows, asked, left_out), wrong)
    lone = _without(isolated(rows, left_out), [*wrong, *stray])
    return [*equal, *same, *wrong, *near, *stray, *odd_rejects(rows), *missed(rows, asked), *lone], asked


def _apart(findings: Iterable[Finding], told: Sequence[Finding]) -> list[Finding]:
    """Return the findings about two entries that nothing was told of."""
    pairs = {_entries(finding) for finding in told}
    return [finding for finding in findings if _entries(finding) not in pairs]


def _without(findings: Iterable[Finding], told: Sequence[Finding]) -> list[Finding]:
    """Return the findings about texts that nothing was told of."""
    texts = {finding.texts[0] for finding in told}
    return [finding for finding in findings if finding.texts[0] not in texts]


def _entries(finding: Finding) -> frozenset[str]:
    return frozenset(text.entry_id for text in finding.texts)


def _order(finding: Finding) -> tuple[int, int, float]:
    return _KINDS.index(finding.kind), SEVERITIES.index(finding.severity), -finding.rank


def _count(outcomes: Iterable[tuple[bool, float]], max_error: float, threshold: float) -> LeftOutCount:
    counts = Counter("missed" if confidence < threshold else is_right for is_right, confidence in outcomes)
    return LeftOutCount(max_error, threshold, counts[True], counts[False], counts["missed"])
