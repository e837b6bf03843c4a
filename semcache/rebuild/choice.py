"""Whether a version is to be built: what earlier rebuilds made of the same inputs, and what is live now."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from semcache.rebuild.inputs import Inputs, changed
from semcache.rebuild.journal import Done, Journal

BUILT, PASSED, REFUSED = "build", "passed", "refused"
"""What a journal holds of builds: the last one that went live, that passed its gates, that did not."""
_SHOWN_INPUTS = 3


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether to build.

    Attributes:
        builds: whether.
        why: or why not.
        reasons: why the same inputs were refused before; empty where they were not.
    """

    builds: bool
    why: str
    reasons: tuple[str, ...] = ()


def choose(
    journal: Journal, inputs: Inputs, judged: Inputs, *, live: str | None, were_live: Collection[str], force: bool
) -> Choice:
    """Say whether to build.

    Nothing is built where the same inputs made a version before that went live, be it live or not: who made another one
    live, by a rollback or by hand, knows why.

    Args:
        journal: what earlier rebuilds did.
        inputs: of the build.
        judged: what the verdict on it depends on.
        live: the live version; None where there is none that can be read.
        were_live: versions that are here and are live, or were.
        force: build, whatever was done before.
    """
    built, passed = journal.stages.get(BUILT), journal.stages.get(PASSED)
    why = why_of(None if built is None else built.inputs, inputs)
    if force:
        return Choice(builds=True, why=why or "forced")
    if passed is not None and passed.version in were_live and not changed(passed.inputs, inputs):
        built, why = passed, ""  # killed after it went live and before that was noted
    if built is not None and not why:
        return _again(built, live)
    refused = journal.stages.get(REFUSED)
    if refused is not None and not changed(refused.inputs, judged):
        return Choice(False, f"the same inputs were refused on {when(refused.at)}", refused.reasons)
    return Choice(builds=True, why=why)


def _again(built: Done, live: str | None) -> Choice:
    since = f"nothing changed since {when(built.at)}"
    if live is None:
        return Choice(builds=True, why="the live version cannot be read")
    if live == built.version:
        return Choice(builds=False, why=since)
    return Choice(builds=False, why=f"{since}, and somebody made another version live; --force builds it again")


def why_of(before: Mapping[str, str] | None, now: Inputs) -> str:
    """Return which inputs changed, in words; "" where none did."""
    if before is None:
        return "it never ran before"
    names = [Path(name).name for name in changed(before, now)]
    more = f" and {len(names) - _SHOWN_INPUTS:,} more" if len(names) > _SHOWN_INPUTS else ""
    return f"changed: {', '.join(names[:_SHOWN_INPUTS])}{more}" if names else ""


def when(at: int) -> str:
    """Return a time for people."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
