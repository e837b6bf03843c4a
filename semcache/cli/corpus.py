"""`semcache corpus check` and `semcache corpus stats`; `lint` has a file of its own."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from semcache.build.encoders import ensure_encoder
from semcache.build.scan import scan_corpora
from semcache.build.stats import corpus_stats
from semcache.cli.errors import EXIT_ERROR
from semcache.cli.lint import Files, lint
from semcache.cli.lookup import AsJson, Root
from semcache.cli.output import print_json
from semcache.embed.registry import load_embedder
from semcache.settings import resolve_build, resolve_root
from semcache.store.fsio import FileSystem

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.command("lint")(lint)

_SHOWN_PAIRS = 20


@app.command()
def check(files: Files, as_json: AsJson = False) -> None:
    """Validate corpus files; print every problem as file:line. Exit 1 where there are any."""
    scan = scan_corpora(files)
    if as_json:
        print_json({"ok": not scan.n_problems, "n_problems": scan.n_problems, "problems": scan.problems})
    else:
        for problem in scan.problems:
            typer.echo(problem)
        if scan.n_problems:
            n = scan.n_problems
            typer.secho(f"{n} problem{'' if n == 1 else 's'}", fg="red", bold=True, err=True)
        else:
            typer.secho(f"ok: {scan.n_entries:,} entries, {scan.n_variants:,} variants", fg="green", bold=True)
    if scan.n_problems:
        raise typer.Exit(EXIT_ERROR)


@app.command()
def stats(
    files: Files,
    near: Annotated[float, typer.Option(help="Score from which two questions are near.", min=0, max=1)] = 0.9,
    count_only: Annotated[bool, typer.Option("--no-near", help="Count only; needs no model.")] = False,
    model: Annotated[str | None, typer.Option(help="As in build. [default: all-MiniLM-L6-v2]")] = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Count entries, variants and duplicates; find near questions with different answers."""
    embedder = None
    if not count_only:
        config = resolve_build({"model": model})
        embedder = load_embedder(ensure_encoder(FileSystem(), resolve_root(root), config.model))
    found = corpus_stats(files, embedder=embedder, min_score=near)
    scan = found.scan
    counts = {
        "entries": scan.n_entries,
        "answers": len(scan.answer_numbers),
        "variants": scan.n_variants,
        "duplicates": scan.n_duplicates,
        "rejects": scan.n_rejects,
        "guards": scan.n_guards,
        "near_pairs": None if count_only else len(found.near_pairs),
        "namespaces": scan.namespaces,
        "licences": scan.licences,
    }
    if as_json:
        print_json({**counts, "pairs": [asdict(pair) for pair in found.near_pairs]})
        return
    for name, value in counts.items():
        shown = ", ".join(value) if isinstance(value, list) else "not looked for" if value is None else f"{value:,}"
        typer.echo(f"{name:<11} {shown}")
    for pair in found.near_pairs[:_SHOWN_PAIRS]:
        typer.echo(f"  {pair.score:.3f}  {pair.text}  [{pair.entry_id}]")
        typer.echo(f"         {pair.other_text}  [{pair.other_entry_id}]")
    if len(found.near_pairs) > _SHOWN_PAIRS:
        typer.echo(f"  ... and {len(found.near_pairs) - _SHOWN_PAIRS} more (--json lists all)")
