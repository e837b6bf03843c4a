"""`semcache calibrate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from semcache.cli.evaluate import read_labelled
from semcache.cli.lookup import AsJson, Root
from semcache.cli.output import print_json, print_table, print_unknown, printable
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
        own = {"id": report.id, "path": str(report.path), "n_exact": report.n_exact, "n_learned": report.n_learned}
        own |= {"n_grid": report.n_grid, "n_needed": report.n_needed}
        print_json({**own, "unknown": report.unknown, "kept": report.kept, **asdict(report.after)})
    else:
        _print(report, name)


def _print(report: CalibrationReport, name: str) -> None:
    after = report.after.certificates
    found = [certificate.calibration for certificate in after if certificate.namespace not in report.kept]
    typer.secho(
        f"{'calibrated' if found else 'unproved'}  {name}  {report.id}", fg="green" if found else "yellow", bold=True
    )
    n, n_outside = sum(one.n_queries for one in found), sum(one.n_outside for one in found)
    if found:
        tried = f"{report.n_grid:,} others said where to try"
        typer.echo(f"  on {n:,} queries, {n_outside:,} of them without a right answer; {tried}")
    else:
        typer.echo("  too few queries for a proof: levels are as before, but for those that the queries contradict")
    typer.echo(f"  set aside: {report.n_exact:,} exact hits, {report.n_learned:,} that the bundle learned from")
    rows = [
        _row(new, level, old)
        for old, new in zip(report.before.certificates, after, strict=True)
        for level in new.levels
    ]
    print_table(("namespace", "error", "before", "now", "hits", "wrong", "what is missing"), rows, align="<<>>>>")
    for certificate in after:
        kept = _kept(report, certificate.namespace)
        typer.echo(f"default     {printable(certificate.namespace)}: {_default(certificate)}{kept}")
    print_unknown(report.unknown)


def _kept(report: CalibrationReport, namespace: str) -> str:
    """Say why a namespace keeps its levels; "" where it has others now."""
    n = report.kept.get(namespace)
    if n is None:
        return ""
    if not n:
        return "; no query leads there: as before"
    wanted = f"{100 * report.after.wanted_error:g} %"
    lead = "1 query leads there" if n == 1 else f"{n:,} queries lead there"
    return f"; as before: {lead}, {report.n_needed:,} can prove {wanted}"


def _row(certificate: Certificate, level: CertifiedLevel, old: Certificate) -> tuple[str, ...]:
    before = {level.max_error: level for level in old.levels}
    return (
        certificate.namespace,
        f"{100 * level.max_error:g} %",
        _threshold(before.get(level.max_error)),
        _threshold(level),
        f"{level.n_hits:,}",
        f"{level.n_wrong:,}",
        level.lack,
    )


def _default(certificate: Certificate) -> str:
    level = certificate.level_for(None)
    if level.threshold is None:
        return "no error is certified: exact hits only"
    return f"an error of at most {100 * level.max_error:g} %"


def _threshold(level: CertifiedLevel | None) -> str:
    return "-" if level is None or level.threshold is None else f"{level.threshold:.4f}"
