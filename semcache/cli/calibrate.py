"""`semcache calibrate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from semcache.cli.evaluate import read_labelled
from semcache.cli.lookup import AsJson, Root
from semcache.cli.output import print_json, print_table
from semcache.core.certify import CertifiedLevel
from semcache.lookup.calibrate import CalibrationReport, calibrate
from semcache.settings import resolve_root


def calibrate_bundle(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a bundle.")],
    traffic: Annotated[list[Path], typer.Option(help="Labelled queries (JSONL); may be given several times.")],
    root: Root = None,
    max_error: Annotated[
        float | None, typer.Option(help="Error promised to callers who name none. [default: the bundle's own]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Certify a bundle anew on real labelled queries, without building it again."""
    labelled = read_labelled(traffic)
    report = calibrate(name, labelled, root=resolve_root(root), max_error=max_error)
    if as_json:
        print_json({"id": report.id, "path": str(report.path), "n_exact": report.n_exact, **asdict(report.after)})
    else:
        _print(report, name)


def _print(report: CalibrationReport, name: str) -> None:
    found = report.after.calibration
    typer.secho(f"calibrated  {name}  {report.id}", fg="green", bold=True)
    typer.echo(
        f"            on {found.n_queries:,} queries, {found.n_outside:,} of them without a right answer; "
        f"{report.n_exact:,} exact hits set aside"
    )
    before = {level.max_error: level for level in report.before.levels}
    rows = [_row(level, before.get(level.max_error)) for level in report.after.levels]
    print_table(("error", "before", "now", "hits", "wrong", "what is missing"), rows, align="<>>>>")
    typer.echo(f"default     an error of at most {100 * report.after.max_error:g} %")


def _row(level: CertifiedLevel, before: CertifiedLevel | None) -> tuple[str, ...]:
    missing = "" if level.threshold is not None else f"at least {level.n_missing:,} more hits, none of them wrong"
    return (
        f"{100 * level.max_error:g} %",
        _threshold(before),
        _threshold(level),
        f"{level.n_hits:,}",
        f"{level.n_wrong:,}",
        missing,
    )


def _threshold(level: CertifiedLevel | None) -> str:
    return "-" if level is None or level.threshold is None else f"{level.threshold:.4f}"
