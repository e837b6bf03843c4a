"""`semcache info` and `semcache check`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from semcache.bundle.check import check_bundle
from semcache.cli.errors import EXIT_ERROR
from semcache.cli.lookup import AsJson, Name, Root, StrictAge
from semcache.cli.output import print_info, print_json
from semcache.lookup.cache import Cache
from semcache.settings import resolve_root_of


def info(name: Name, root: Root = None, strict_age: StrictAge = False, as_json: AsJson = False) -> None:
    """Print what a bundle is."""
    with Cache.open(name, root=resolve_root_of(name, root), prefault=False, strict_age=strict_age) as cache:
        found = cache.info
    if as_json:
        print_json(
            {
                "id": found.id,
                "path": str(found.path),
                "size_bytes": found.size_bytes,
                "manifest": asdict(found.manifest),
                "release": None if found.release is None else asdict(found.release),
                "warning": found.warning,
            }
        )
    else:
        print_info(found)


def check(name: Name, root: Root = None, as_json: AsJson = False) -> None:
    """Verify every byte of a bundle; list all problems. Exit 1 where there are any."""
    problems = check_bundle(name, root=resolve_root_of(name, root))
    if as_json:
        print_json({"ok": not problems, "problems": problems})
    elif problems:
        for problem in problems:
            typer.echo(problem)
        typer.secho(f"{len(problems)} problem{'' if len(problems) == 1 else 's'}", fg="red", bold=True, err=True)
    else:
        typer.secho("ok: every byte is the one that was written", fg="green", bold=True)
    if problems:
        raise typer.Exit(EXIT_ERROR)
