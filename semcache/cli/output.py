"""What commands print: data on stdout, for a person or as JSON. Nothing else in the program prints."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import orjson
import typer

from semcache.lookup.cache import BundleInfo
from semcache.types import Explanation, Hit, Neighbour, Result, VariantKind

_MIN_TEXT_CHARS = 24


def print_json(document: object) -> None:
    """Print one JSON document on one line."""
    typer.echo(orjson.dumps(document, default=str, option=orjson.OPT_SORT_KEYS).decode())


def result_document(text: str, result: Result) -> dict[str, Any]:
    """Return a lookup's result as a JSON object; every key is always there."""
    query = text.encode("utf-8", "replace").decode()
    if isinstance(result, Hit):
        return {
            "query": query,
            "hit": True,
            "entry_id": result.entry_id,
            "kind": result.kind,
            "score": _rounded(result.score),
            "confidence": result.confidence,
            "threshold": result.threshold,
            "variant": result.variant,
            "namespace": result.namespace,
            "value": result.json(),
            "reason": None,
            "detail": None,
            "nearest": None,
            "bundle_id": result.bundle_id,
            "metadata": result.metadata,
        }
    nearest = result.nearest
    return {
        "query": query,
        "hit": False,
        "entry_id": None,
        "kind": None,
        "score": None if result.score is None else _rounded(result.score),
        "confidence": None,
        "threshold": None,
        "variant": None,
        "namespace": None,
        "value": None,
        "reason": result.reason,
        "detail": result.detail,
        "nearest": None if nearest is None else neighbour_document(nearest),
        "bundle_id": result.bundle_id,
        "metadata": None,
    }


def neighbour_document(neighbour: Neighbour) -> dict[str, Any]:
    """Return a neighbour as a JSON object."""
    return {**asdict(neighbour), "score": _rounded(neighbour.score)}


def _rounded(score: float) -> float:
    return round(score, 6)


def print_result(result: Result) -> None:
    """Print a lookup's result for a person."""
    if isinstance(result, Hit):
        how = "exact" if result.threshold is None else f"semantic, score {result.score:.3f}"
        typer.secho(f"hit   {result.entry_id}  ({how})", fg="green", bold=True)
        typer.echo(f"      matched: {result.variant}")
        typer.echo()
        typer.echo(result.text)
        return
    typer.secho(f"miss  {result.reason}: {result.detail}", fg="yellow", bold=True)
    if result.nearest is not None:
        near = result.nearest
        what = "guard of" if near.kind is VariantKind.GUARD else "nearest:"
        typer.echo(f"      {what} {near.entry_id}  (score {near.score:.3f})  {near.variant}")


def print_neighbours(neighbours: Sequence[Neighbour]) -> None:
    """Print neighbours as a table."""
    print_table(
        ("#", "score", "kind", "entry", "text"),
        [(str(i), f"{n.score:.4f}", n.kind, n.entry_id, n.variant) for i, n in enumerate(neighbours, 1)],
        align="<>",
    )


def print_explanation(explanation: Explanation) -> None:
    """Print everything a lookup looked at."""
    result = explanation.result
    length = "not tokenised" if explanation.n_tokens is None else f"{explanation.n_tokens} tokens"
    typer.echo(f"query       {printable(explanation.text)}")
    typer.echo(f"normalised  {printable(explanation.normalised)}")
    typer.echo(f"length      {length} (window {explanation.max_tokens})")
    typer.echo()
    if explanation.neighbours:
        best = explanation.neighbours[0].score
        rows = [
            (_rank(i, explanation.rival), f"{n.score:.4f}", f"{n.score - best:+.4f}", n.kind, n.entry_id, n.variant)
            for i, n in enumerate(explanation.neighbours)
        ]
        print_table(("#", "score", "to best", "kind", "entry", "text"), rows, align="<>>")
        typer.echo()
        typer.echo(_verdict_line("score", best, explanation.threshold))
        if explanation.margin is not None:
            note = "" if explanation.rival is None else " (to *, the best different answer)"
            typer.echo(_verdict_line("margin", explanation.margin, explanation.min_margin) + note)
    if isinstance(result, Hit):
        typer.secho(f"verdict     hit ({result.kind}): {result.entry_id}", fg="green", bold=True)
    else:
        typer.secho(f"verdict     miss ({result.reason}): {result.detail}", fg="yellow", bold=True)
    for change in explanation.changes:
        typer.echo(f"for a hit   {change}")


def _rank(position: int, rival: int | None) -> str:
    """Return a row's rank, marked where it is the best different answer."""
    return f"{position + 1} *" if position == rival else f"{position + 1}  "


def _verdict_line(name: str, found: float, needed: float) -> str:
    sign, word = (">=", "enough") if found >= needed else ("< ", "too little")
    return f"{name:<11} {found:.4f} {sign} {needed:.4f}  {word}"


def print_info(info: BundleInfo) -> None:
    """Print what a bundle is."""
    manifest = info.manifest
    counts, index, decision = manifest.counts, manifest.index, manifest.decision
    how = "raw" if manifest.compression == "none" else manifest.compression
    recall = f"recall@1 {index.recall_at_1:.4f}, @10 {index.recall_at_10:.4f} on {index.recall_queries} rows"
    lines = [
        ("name", manifest.name),
        ("version", info.id),
        ("path", str(info.path)),
        ("size", f"{info.size_bytes / 1e6:.1f} MB, values {how}"),
        ("entries", f"{counts.entries:,} with {counts.answers:,} answers"),
        ("rows", f"{counts.rows:,} of them {counts.guards:,} guards; {counts.keys:,} exact keys"),
        ("namespaces", ", ".join(manifest.namespaces)),
        ("encoder", f"{manifest.encoder.name}, {manifest.encoder.dim} dim, {manifest.encoder.max_tokens} tokens"),
        ("index", f"{index.kind}, effort {index.effort}, {recall}"),
        ("decision", f"{decision.rule}: score >= {decision.threshold}, margin >= {decision.margin}"),
        ("licences", ", ".join(manifest.licences) or "not stated"),
        ("corpora", ", ".join(f"{c.file} ({c.entries:,})" for c in manifest.corpora)),
        ("built by", manifest.producer),
    ]
    for name, value in lines:
        typer.echo(f"{name:<11} {value}")


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, align: str) -> None:
    """Print columns; the last one is cut to the terminal's width."""
    table = [head, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(head) - 1)]
    left = shutil.get_terminal_size((120, 24)).columns - sum(widths) - 2 * len(widths) - 1
    for row in table:
        cells = [
            f"{cell:{align[i] if i < len(align) else '<'}{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        typer.echo("  ".join([*cells, cut(row[-1], max(left, _MIN_TEXT_CHARS))]).rstrip())


def cut(text: str, n_chars: int) -> str:
    """Shorten a text to a number of characters, 3 or more."""
    return text if len(text) <= n_chars else text[: n_chars - 3] + "..."


def printable(text: str) -> str:
    """Keep a hostile text from writing to the terminal: escape what is not printable, cut what is endless."""
    shown = text if len(text) <= 300 else text[:297] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
