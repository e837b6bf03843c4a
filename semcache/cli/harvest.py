"""`semcache harvest` and `semcache accept`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from semcache.build.accept import AcceptReport, accept_candidates
from semcache.cli.lookup import AsJson, Root
from semcache.cli.output import print_json, print_table
from semcache.config import HarvestConfig
from semcache.core.candidate_entry import CandidateEntry
from semcache.lookup.harvest import HarvestReport
from semcache.lookup.harvest import harvest as harvest_misses
from semcache.settings import resolve_root

_SHOWN = 20


def harvest(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a bundle, or a path to one.")],
    record: Annotated[
        list[Path], typer.Option(help="Folder of recorded lookups, or a file of it; may be given several times.")
    ],
    out: Annotated[Path, typer.Option(help="Candidates file to write: *.candidates.jsonl.")],
    min_count: Annotated[int, typer.Option(help="Drop groups asked for less often.")] = 3,
    near: Annotated[float, typer.Option(help="Score from which two texts are one question.")] = 0.8,
    max_texts: Annotated[int, typer.Option(help="Different texts looked at, the most asked first.")] = 20_000,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Write the questions that recorded lookups missed to a file, for somebody to answer and review."""
    config = HarvestConfig(min_count=min_count, near=near, max_texts=max_texts)
    report = harvest_misses(name, record, out, root=resolve_root(root), config=config)
    if as_json:
        print_json(_document(report, out))
    else:
        _print_harvest(report, out, config)


def accept(
    candidates: Annotated[Path, typer.Argument(metavar="CANDIDATES", help="File that harvest wrote and you edited.")],
    corpus: Annotated[
        list[Path], typer.Option(help="Corpus file; may be given several times. New entries go to the first.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and count; write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Move reviewed candidates into corpus files: those with an answer, and paraphrases of entries there."""
    report = accept_candidates(candidates, corpus, dry_run=dry_run)
    if as_json:
        print_json({**asdict(report), "changed": [str(path) for path in report.changed], "dry_run": dry_run})
    else:
        _print_accepted(report, candidates, dry_run=dry_run)


def _document(report: HarvestReport, out: Path) -> dict[str, Any]:
    counts = {field.name: getattr(report, field.name) for field in fields(report)}
    candidates = [candidate.document() for candidate in report.candidates]
    return {**counts, "traffic": asdict(report.traffic), "candidates": candidates, "out": str(out)}


def _print_harvest(report: HarvestReport, out: Path, config: HarvestConfig) -> None:
    traffic = report.traffic
    typer.echo(f"read    {traffic.n_lookups:,} lookups: {report.n_hits:,} hits, {report.n_misses:,} misses")
    n_candidates = sum(candidate.count for candidate in report.candidates)
    fates = (
        (n_candidates, "asked for a candidate below"),
        (report.n_rare, f"rare: asked for less than {config.min_count} times"),
        (report.n_personal, f"look personal, dropped: {_listed(report.personal)}"),
        (report.n_answered, "answered by now"),
        (report.n_known, "asked for a line that you have answered, reviewed or declined"),
        (report.left_out.total(), f"lack no answer: {_listed(report.left_out)}"),
        (report.n_without_text, "recorded without their text"),
        (report.n_beyond, f"beyond the {config.max_texts:,} texts asked most often"),
        (traffic.n_dropped, "were never recorded: the queue was full, or the disk"),
        (traffic.n_broken, "lines cut off or damaged, passed over"),
    )
    for n, what in fates:
        if n:
            typer.echo(f"{n:>13,}  {what}")
    n_new = len(report.candidates)
    kept = f", beside {report.n_kept:,} of yours" if report.n_kept else ""
    typer.secho(f"wrote   {out}: {n_new:,} candidate{'' if n_new == 1 else 's'}{kept}", fg="green", bold=True)
    if report.candidates:
        head = ("asked", "texts", "what is missing", "question")
        print_table(head, [_row(candidate) for candidate in report.candidates[:_SHOWN]], align=">>")


def _row(candidate: CandidateEntry) -> tuple[str, ...]:
    missing = "an answer"
    if candidate.is_paraphrase and candidate.nearest is not None:
        missing = f"a paraphrase of {candidate.nearest.entry_id}"
    return f"{candidate.count:,}", f"{1 + len(candidate.paraphrases):,}", missing, candidate.query


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in sorted(counts.items()))


def _print_accepted(report: AcceptReport, candidates: Path, *, dry_run: bool) -> None:
    word = "would accept" if dry_run else "accepted"
    counts = f"new entries: {report.n_entries:,}, new paraphrases: {report.n_paraphrases:,}"
    typer.secho(f"{word}  {counts}, lines left in {candidates}: {report.n_left:,}", fg="green", bold=True)
    for path in report.changed:
        typer.echo(f"          {path}")
