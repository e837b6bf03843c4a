"""`semcache calibrate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from semcache.cli.evaluate import read_labelled
from semcache.cli.lookup import AsJson, Root
from semcache.cli.output import print_json, print_table, printable
from semcache.core.certificate import Certificate
from semcache.core.certify import CertifiedLevel
from semcache.lookup.calibrate import CalibrationReport, calibrate
from semcache.settings import resolve_root


def calibrate_bundle(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a bundle.")],
    traffic: Annotated[list[Path], typer.Option(help="Labelled queries (JSONL); may be given several times.")],
    root: Root = None,
    max_error: Annotated[
        float | None,
        typer.Option(help="Error promised to callers who name none. [default: as the build was asked for]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Certify a bundle anew on real labelled queries, without building it again."""
    labelled = read_labelled(traffic)
    report = calibrate(name, labelled, root=resolve_root(root), max_error=max_error)
    if as_json:
        own = {"id": report.id, "path": str(report.path), "n_exact": report.n_exact}
        own["n_learned"] = report.n_learned
        print_json({**own, "untouched": sorted(report.untouched), **asdict(report.after)})
    else:
        _print(report, name)


def _print(report: CalibrationReport, name: str) -> None:
    after = report.after.certificates
    found = [certificate.calibration for certificate in after if certificate.namespace not in report.untouched]
    typer.secho(f"calibrated  {name}  {report.id}", fg="green", bold=True)
    n, n_outside = sum(one.n_queries for one in found), sum(one.n_outside for one in found)
    typer.echo(
        f"            on {n:,} queries, {n_outside:,} of them without a right answer; "
        f"{report.n_exact:,} exact hits set aside{_learned(report.n_learned)}"
    )
    rows = [
        _row(new, level, old)
        for old, new in zip(report.before.certificates, after, strict=True)
        for level in new.levels
    ]
    print_table(("namespace", "error", "before", "now", "hits", "wrong", "what is missing"), rows, align="<<>>>>")
    for certificate in after:
        kept = "; no query leads there: as before" if certificate.namespace in report.untouched else ""
        typer.echo(f"default     {printable(certificate.namespace)}: {_default(certificate)}{kept}")


def _row(certificate: Certificate, level: CertifiedLevel, old: Certificate) -> tuple[str, ...]:
    before = {level.max_error: level for level in old.levels}
    missing = "" if level.threshold is not None else f"at least {level.n_missing:,} more hits, none of them wrong"
    return (
        certificate.namespace,
        f"{100 * level.max_error:g} %",
        _threshold(before.get(level.max_error)),
        _threshold(level),
        f"{level.n_hits:,}",
        f"{level.n_wrong:,}",
        missing,
    )


def _learned(n: int) -> str:
    return f", and {n:,} that the bundle learned from" if n else ""


def _default(certificate: Certificate) -> str:
    level = certificate.level_for(None)
    if level.threshold is None:
        return "no error is certified: exact hits only"
    return f"an error of at most {100 * level.max_error:g} %"


def _threshold(level: CertifiedLevel | None) -> str:
    return "-" if level is None or level.threshold is None else f"{level.threshold:.4f}"
