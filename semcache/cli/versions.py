"""`semcache versions`, `rollback` and `gc`: what of a bundle is on this disk, what is live, what is removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from semcache.cli.lookup import AsJson, Name, Root
from semcache.cli.output import print_json, print_table
from semcache.remote.gc import GcReport, collect
from semcache.remote.rollback import rollback
from semcache.remote.versions import VersionState, list_versions
from semcache.settings import resolve_root


def versions(name: Name, root: Root = None, as_json: AsJson = False) -> None:
    """List the versions of a bundle that are here, the latest first."""
    found = list_versions(name, root=resolve_root(root))[::-1]
    if as_json:
        print_json([asdict(version) for version in found])
    else:
        head = ("version", "", "made here (UTC)", "entries", "rows", "MB", "open", "release")
        print_table(head, [_cells(version) for version in found], align="<<<>>>")


def rollback_bundle(
    name: Name,
    version: Annotated[
        str | None,
        typer.Argument(metavar="[VERSION]", help="Id, or its beginning; left out, the one that was live before."),
    ] = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Make an earlier version live again, after a check of every byte."""
    report = rollback(name, version, root=resolve_root(root))
    if as_json:
        print_json(asdict(report))
        return
    typer.secho(f"live  {report.version}", fg="green", bold=True)
    typer.echo(f"      instead of {report.before}")
    if report.release is not None:
        typer.echo(f"      release {report.release} stays out until a newer one is pulled")


def gc(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A bundle; left out, all of the folder of bundles.")
    ] = None,
    root: Root = None,
    keep: Annotated[int, typer.Option(help="How many versions before the live one stay, 0 to 1000.")] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove old versions that no process has open, and what dead builds, encoders and chunks take up."""
    report = collect(name, root=resolve_root(root), keep=keep, dry_run=dry_run)
    if as_json:
        print_json({**asdict(report), "freed_bytes": report.freed_bytes, "dry_run": dry_run})
    else:
        _print_gc(report, verb="would remove" if dry_run else "removed")


def _cells(version: VersionState) -> Sequence[str]:
    return (
        version.id,
        "live" if version.is_live else "" if version.was_live else "never live",
        f"{version.made:%Y-%m-%d %H:%M:%S}",
        "damaged" if version.n_entries is None else f"{version.n_entries:,}",
        "damaged" if version.n_rows is None else f"{version.n_rows:,}",
        f"{version.size_bytes / 1e6:.1f}",
        "open" if version.is_held else "",
        "" if version.release is None else str(version.release),
    )


def _print_gc(report: GcReport, *, verb: str) -> None:
    for removed in report.removed:
        typer.echo(f"{verb} {removed.kind} {removed.path}  {_mb(removed.size_bytes)}")
    if report.chunk_bytes:
        typer.echo(f"{verb} chunks of no version here  {_mb(report.chunk_bytes)}")
    for path in report.held:
        typer.echo(f"kept version {path}: a process has it open")
    for name in report.busy:
        typer.echo(f"kept {name}, and all encoders: it is being built, pulled or rolled back")
    typer.secho(f"{verb} {_mb(report.freed_bytes)}", fg="green", bold=True)


def _mb(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB"
