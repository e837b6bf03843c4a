"""Where the `semcache` program begins: its commands take a second to import, and a person may press Ctrl-C in it."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the program."""
    try:
        from semcache.cli.app import main as run  # noqa: PLC0415 - the import is what may be interrupted
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing was changed\n")
        sys.exit(130)
    run()
