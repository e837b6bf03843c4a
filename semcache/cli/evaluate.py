"""`semcache eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semcache.cli.errors import EXIT_ERROR
from semcache.cli.evaluation import evaluation_document, print_evaluation
from semcache.cli.lookup import AsJson, Name, Root
from semcache.cli.output import print_json
from semcache.cli.page import check_place, write_page
from semcache.cli.report_html import html_report
from semcache.cli.report_png import png_report
from semcache.errors import StorageError
from semcache.lookup.cache import Cache
from semcache.lookup.evaluate import evaluate
from semcache.lookup.queries import read_queries
from semcache.settings import resolve_root_of
from semcache.types import LabelledQuery


def evaluate_bundle(
    name: Name,
    queries: Annotated[list[Path], typer.Option(help="Labelled queries (JSONL); may be given several times.")],
    root: Root = None,
    max_error: Annotated[
        float | None,
        typer.Option(help="Show slices and false hits at this certified error. [default: each namespace's own]"),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report as one HTML file.")] = None,
    png: Annotated[Path | None, typer.Option(help="Write the charts as an image (the plots extra).")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a bundle labelled queries: what it serves at each certified error, and how often that is wrong."""
    check_place(html)
    check_place(png)
    labelled = read_labelled(queries)
    with Cache.open(name, root=resolve_root_of(name, root)) as cache:
        evaluation = evaluate(cache, labelled, max_error=max_error)
    if html is not None:
        write_page(html, html_report(evaluation))
    if png is not None:
        _write(png, png_report(evaluation))
    for path in filter(None, (html, png)):
        typer.secho(f"wrote {path}", fg="green", err=True)
    if as_json:
        print_json(evaluation_document(evaluation))
    else:
        print_evaluation(evaluation)


def read_labelled(paths: list[Path]) -> tuple[LabelledQuery, ...]:
    """Read labelled queries; print every problem as file:line and end the program where there are any."""
    found = read_queries(paths)
    if not found.n_problems:
        return found.queries
    for problem in found.problems:
        typer.echo(problem, err=True)
    n = found.n_problems
    typer.secho(f"{n:,} problem{'' if n == 1 else 's'}; nothing was done", fg="red", bold=True, err=True)
    raise typer.Exit(EXIT_ERROR)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error
