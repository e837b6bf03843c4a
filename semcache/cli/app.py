"""The `semcache` program: its commands, and what happens when one fails."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer

from semcache import __version__
from semcache.cli import (
    augment,
    build,
    bundle,
    calibrate,
    corpus,
    evaluate,
    harvest,
    keys,
    lookup,
    publish,
    pull,
    rebuild,
    versions,
)
from semcache.cli.errors import EXIT_ERROR, EXIT_INTERRUPTED, report
from semcache.errors import SemcacheError, StorageError

app = typer.Typer(
    name="semcache",
    help="A semantic cache for LLM calls, built before the first query.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # "[default: 0.1]" is text, not markup
)
app.command("build")(build.build)
app.command("augment")(augment.augment)
app.command("lookup")(lookup.lookup)
app.command("search")(lookup.search)
app.command("explain")(lookup.explain)
app.command("eval")(evaluate.evaluate_bundle)
app.command("calibrate")(calibrate.calibrate_bundle)
app.command("harvest")(harvest.harvest)
app.command("accept")(harvest.accept)
app.command("rebuild")(rebuild.rebuild)
app.command("publish")(publish.publish)
app.command("pull")(pull.pull)
app.command("info")(bundle.info)
app.command("check")(bundle.check)
app.command("versions")(versions.versions)
app.command("rollback")(versions.rollback_bundle)
app.command("gc")(versions.gc)
app.add_typer(corpus.app, name="corpus", help="Check and measure corpus files.")
app.add_typer(keys.app, name="keys", help="Make, rotate and show the keys that sign a remote.")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"semcache {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


def main() -> None:
    """Run the program. Known errors are one line and exit code 1; unknown ones keep their traceback."""
    try:
        app(standalone_mode=True)
    except SemcacheError as error:
        report(error)
        sys.exit(EXIT_ERROR)
    except SystemExit as stop:
        if stop.code == EXIT_INTERRUPTED:  # typer turns KeyboardInterrupt into this, without a word
            typer.echo("interrupted; nothing was changed", err=True)
        raise
    except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_ERROR)
    except OSError as error:
        if error.filename is not None or error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise
        report(StorageError.from_os_error("output", error))  # no file has a name here: it is what we print
        sys.exit(EXIT_ERROR)
