"""`semcache corpus lint`."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from semcache.build.encoders import ensure_encoder
from semcache.build.findings import SEVERITIES, Finding, FindingKind, LintReport
from semcache.build.lint import lint_corpora
from semcache.build.written import WrittenText
from semcache.cli.errors import EXIT_ERROR
from semcache.cli.lookup import AsJson, Root
from semcache.cli.output import cut, print_json, printable
from semcache.cli.progress import progress_bar
from semcache.embed.registry import load_embedder
from semcache.settings import resolve_build, resolve_root
from semcache.store.fsio import FileSystem

Files = Annotated[list[Path], typer.Argument(metavar="FILES...", help="Corpus files (JSONL).")]

_ABOUT = {
    FindingKind.SAME_VECTOR: "texts of two answers that are one text to the encoder",
    FindingKind.COLLISION: "two entries so near that one may be served for the other",
    FindingKind.WRONG: "texts that get another answer where they are asked but not written",
    FindingKind.MISPLACED: "texts that look like another entry's",
    FindingKind.REJECT_PARAPHRASE: "rejects that are ordinary paraphrases",
    FindingKind.REJECT_FAR: "rejects that guard nothing",
    FindingKind.MISSED: "entries that none of their own texts leads to",
    FindingKind.ISOLATED: "texts without another one near that has the same answer",
    FindingKind.NOT_EMBEDDED: "texts that only their very words find",
}
_COLOURS = {"error": "red", "warning": "yellow", "note": "blue"}
_INDENT = 11


def lint(
    files: Files,
    limit: Annotated[int, typer.Option(help="Most findings shown of each kind; 0 shows all.", min=0)] = 10,
    fail_on: Annotated[
        list[FindingKind] | None, typer.Option(help="Exit 1 where there is a finding of this kind. May be repeated.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="As in build. [default: all-MiniLM-L6-v2]")] = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Find entries that collide, texts in the wrong entry, and what is hard to find, before anything is built."""
    config = resolve_build({"model": model})
    embedder = load_embedder(ensure_encoder(FileSystem(), resolve_root(root), config.model))
    with progress_bar() as progress:
        report = lint_corpora(files, embedder=embedder, n_workers=config.n_workers, progress=progress)
    if as_json:
        print_json(asdict(report))
    else:
        _print_report(report, limit=limit)
    if any(report.of(kind) for kind in fail_on or ()):
        raise typer.Exit(EXIT_ERROR)


def _print_report(report: LintReport, *, limit: int) -> None:
    typer.echo(f"{report.n_entries:,} entries, {report.n_variants:,} variants, {report.n_guards:,} guards")
    typer.echo("each text asked as if it were not written, judged by the verifier that ships:")
    for level in report.left_out:
        counts = f"{level.n_right:,} right, {level.n_wrong:,} wrong, {level.n_missed:,} missed"
        typer.echo(f"  at an error of {100 * level.max_error:>3g} %: {counts}")
    for kind in FindingKind:
        _print_kind(kind, report.of(kind), limit=limit)


def _print_kind(kind: FindingKind, findings: list[Finding], *, limit: int) -> None:
    if not findings:
        return
    counts = [(sum(f.severity == severity for f in findings), severity) for severity in SEVERITIES]
    shown = ", ".join(f"{n:,} {severity}{'' if n == 1 else 's'}" for n, severity in counts if n)
    typer.secho(f"\n{kind}: {shown} ({_ABOUT[kind]})", bold=True)
    for finding in findings[: limit or None]:
        _print_finding(finding)
    if limit and len(findings) > limit:
        typer.echo(f"  ... and {len(findings) - limit:,} more (--limit 0 shows all)")


def _print_finding(finding: Finding) -> None:
    width = shutil.get_terminal_size((100, 24)).columns
    label = typer.style(f"{finding.severity:<{_INDENT - 2}}", fg=_COLOURS[finding.severity])
    first, *others = finding.texts
    typer.echo(f"  {label}{_cut(first.text, width)}")
    _print_place(first)
    for text in others:
        typer.echo(f"{'':{_INDENT}}{_cut(text.text, width)}")
        _print_place(text)
    for line in (_measures(finding), finding.suggestion):
        for part in textwrap.wrap(line, max(40, width - _INDENT)):
            typer.echo(f"{'':{_INDENT}}{part}")


def _cut(text: str, width: int) -> str:
    return cut(printable(text), max(40, width - _INDENT))


def _print_place(text: WrittenText) -> None:
    typer.echo(f"{'':{_INDENT + 2}}{text.place}  {printable(text.entry_id)}  {text.field}")


def _measures(finding: Finding) -> str:
    shown = [f"{name.replace('_', ' ')} {_number(name, value)}" for name, value in finding.numbers.items()]
    if finding.differs is not None:
        shown.append(f"differs in {', '.join(finding.differs)}" if finding.differs else "no word tells them apart")
    return ", ".join(shown)


def _number(name: str, value: float) -> str:
    if name == "max_error":
        return f"{100 * value:g} %"
    return f"{value:.0f}" if name.startswith(("n_", "max_")) else f"{value:.3f}"
