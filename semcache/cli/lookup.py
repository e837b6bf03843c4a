"""`semcache lookup`, `search` and `explain`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from semcache.cli.errors import EXIT_MISS
from semcache.cli.output import (
    neighbour_document,
    print_explanation,
    print_json,
    print_neighbours,
    print_result,
    result_document,
)
from semcache.lookup.cache import Cache
from semcache.settings import resolve_root_of

_BATCH_LINES = 64
_MAX_LINE_BYTES = 16 << 20

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a bundle, or a path to one.")]
Text = Annotated[str, typer.Argument(metavar="TEXT", help="What a user would ask.")]
Root = Annotated[Path | None, typer.Option(help="Folder of bundles. [default: indexes]")]
Namespace = Annotated[str | None, typer.Option(help="Look only in this namespace.")]
MaxError = Annotated[
    float | None, typer.Option(help="Share of wrong hits you accept, over 0 to 1. [default: the bundle's own]")
]
StrictAge = Annotated[
    bool, typer.Option("--strict-age", help="Refuse a pulled bundle whose release is over 7 days old.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def lookup(
    name: Name,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="What a user would ask; left out, stdin, one a line.")
    ] = None,
    root: Root = None,
    namespace: Namespace = None,
    max_error: MaxError = None,
    strict_age: StrictAge = False,
    as_json: AsJson = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 3 where (any) text misses.")] = False,
    record: Annotated[Path | None, typer.Option(help="Append each lookup to files in this folder.")] = None,
) -> None:
    """Look a text up: print its stored answer, or why there is none. From stdin, print JSON lines."""
    is_missed = False
    with Cache.open(name, root=resolve_root_of(name, root), strict_age=strict_age, record=record) as cache:
        if text is not None:
            result = cache.lookup(text, namespace=namespace, max_error=max_error)
            is_missed = not result.hit
            print_json(result_document(text, result)) if as_json else print_result(result)
        else:
            for texts in _batches_from_stdin():
                results = cache.lookup_many(texts, namespace=namespace, max_error=max_error)
                is_missed |= not all(result.hit for result in results)
                for line, result in zip(texts, results, strict=True):
                    print_json(result_document(line, result))
    if exit_code and is_missed:
        raise typer.Exit(EXIT_MISS)


def search(
    name: Name,
    text: Text,
    k: Annotated[int, typer.Option("-k", help="How many rows.")] = 10,
    root: Root = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Print the nearest rows of a text, without deciding anything."""
    with Cache.open(name, root=resolve_root_of(name, root)) as cache:
        neighbours = cache.search(text, k, namespace=namespace)
    if as_json:
        print_json([neighbour_document(neighbour) for neighbour in neighbours])
    else:
        print_neighbours(neighbours)


def explain(
    name: Name,
    text: Text,
    k: Annotated[int, typer.Option("-k", help="How many rows to show.")] = 10,
    root: Root = None,
    namespace: Namespace = None,
    max_error: MaxError = None,
    as_json: AsJson = False,
) -> None:
    """Print everything a lookup looks at, and what would have to change for a hit."""
    with Cache.open(name, root=resolve_root_of(name, root)) as cache:
        explanation = cache.explain(text, namespace=namespace, max_error=max_error, k=k)
    if as_json:
        print_json(
            {
                "normalised": explanation.normalised.encode("utf-8", "replace").decode(),
                "n_tokens": explanation.n_tokens,
                "max_tokens": explanation.max_tokens,
                "neighbours": [neighbour_document(neighbour) for neighbour in explanation.neighbours],
                "candidate": explanation.candidate,
                "rival": explanation.rival,
                "features": explanation.features,
                "confidence": explanation.confidence,
                "namespace": explanation.namespace,
                "max_error": explanation.max_error,
                "threshold": explanation.threshold,
                "n_hits": explanation.n_hits,
                "n_wrong": explanation.n_wrong,
                "result": result_document(text, explanation.result),
                "changes": explanation.changes,
            }
        )
    else:
        print_explanation(explanation)


def _batches_from_stdin() -> Iterator[list[str]]:
    """Yield the lines of stdin in small runs; a line that is not UTF-8 becomes a text that is not valid."""
    batch = []
    is_terminal = sys.stdin.isatty()
    while raw := sys.stdin.buffer.readline(_MAX_LINE_BYTES):
        rest = raw
        while len(rest) == _MAX_LINE_BYTES and not rest.endswith(b"\n"):  # one line is one result, however long
            rest = sys.stdin.buffer.readline(_MAX_LINE_BYTES)
        batch.append(raw.rstrip(b"\r\n").decode("utf-8", "surrogateescape"))
        if is_terminal or len(batch) >= _BATCH_LINES:
            yield batch
            batch = []
    if batch:
        yield batch
