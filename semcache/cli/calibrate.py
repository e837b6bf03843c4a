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
        print_json(
            {
                **own,
                "unknown": report.unknown,
                "kept": {name: asdict(kept) for name, kept in report.kept.items()},
                **asdict(report.after),
            }
        )
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
        tried = f"{_count(report.n_grid, 'other')} said where to try"
        typer.echo(f"  on {_count(n, 'query')}, {n_outside:,} of them without a right answer; {tried}")
    else:
        typer.echo("  too few queries for a proof: levels are as before, but for those that the queries contradict")
    learned = f"{_count(report.n_learned, 'query')} that the bundle learned from"
    typer.echo(f"  set aside: {_count(report.n_exact, 'exact hit')}, {learned}")
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
    kept = report.kept.get(namespace)
    if kept is None:
        return ""
    if not kept.n_queries:
        return "; no query leads there: as before"
    wanted = f"{100 * report.after.wanted_error:g} %"
    lost = f" but for {_count(kept.n_contradicted, 'level')} that they contradict" if kept.n_contradicted else ""
    n_lead, n_certifying = _count(kept.n_queries, "query"), f"{kept.n_certifying:,} to certify"
    return f"; as before{lost}: {n_lead} there, {n_certifying}, {report.n_needed:,} can prove {wanted}"


def _count(n: int, what: str) -> str:
    """Return a number with its noun."""
    return f"{n:,} {what if n == 1 else f'{what[:-1]}ies' if what.endswith('y') else f'{what}s'}"


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
