"""How errors reach a person: one line on stderr (a corpus: one line a problem), and an exit code."""

from __future__ import annotations

import typer

from semcache.errors import CorpusError, SemcacheError

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_MISS = 3
EXIT_REFUSED = 4
EXIT_INTERRUPTED = 130


def report(error: SemcacheError) -> None:
    """Print an error that semcache raised on purpose."""
    if isinstance(error, CorpusError):
        typer.echo(str(error), err=True)
        n = error.n_problems
        typer.echo(f"semcache: {n} problem{'' if n == 1 else 's'} in the corpus; nothing was done", err=True)
    else:
        typer.echo(f"semcache: {error}", err=True)
