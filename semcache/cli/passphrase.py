"""The passphrase of private keys: from the environment, or from the person who runs the command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from semcache.settings import resolve_passphrase


def passphrase_of(paths: Sequence[Path]) -> str | None:
    """Return the passphrase of keys; ask a person for it where one is needed and there is somebody to ask."""
    from semcache.remote.key_files import needs_passphrase  # noqa: PLC0415 - takes a third of a second

    given = resolve_passphrase()
    if given is not None or not needs_passphrase(paths) or not sys.stdin.isatty():
        return given
    asked: str = typer.prompt("Passphrase", hide_input=True, err=True)
    return asked


def new_passphrase() -> str:
    """Return the passphrase for new keys, asked for twice where it is not given."""
    given = resolve_passphrase()
    if given:
        return given
    if not sys.stdin.isatty():
        raise typer.BadParameter("set SEMCACHE_KEYS_PASSPHRASE, or give --no-passphrase")
    asked: str = typer.prompt("Passphrase of the new keys", hide_input=True, confirmation_prompt=True, err=True)
    return asked
