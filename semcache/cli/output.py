"""What commands print: data on stdout, for a person or as JSON. Nothing else in the program prints."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import orjson
import typer

from semcache.core.certificate import Certificate
from semcache.core.features import RETRIEVAL
from semcache.core.manifest import DecisionInfo
from semcache.lookup.cache import BundleInfo
from semcache.types import Explanation, Hit, Neighbour, Result, VariantKind

_FEATURES_A_LINE = 3
_MIN_TEXT_CHARS = 24
_SHOWN_NAMESPACES = 30
_SHOWN_UNKNOWN = 5


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
        how = "exact" if result.threshold is None else f"semantic, confidence {result.confidence:.3f}"
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
            (_rank(i, explanation), f"{n.score:.4f}", f"{n.score - best:+.4f}", n.kind, n.entry_id, n.variant)
            for i, n in enumerate(explanation.neighbours)
        ]
        print_table(("#", "score", "to best", "kind", "entry", "text"), rows, align="<>>")
        typer.echo("> the answer considered, * the best different one")
        typer.echo()
        _print_confidence(explanation)
    if isinstance(result, Hit):
        typer.secho(f"verdict     hit ({result.kind}): {result.entry_id}", fg="green", bold=True)
    else:
        typer.secho(f"verdict     miss ({result.reason}): {result.detail}", fg="yellow", bold=True)
    for change in explanation.changes:
        typer.echo(f"for a hit   {change}")


def _rank(position: int, explanation: Explanation) -> str:
    """Return a row's rank, marked where it is the candidate or the best different answer."""
    mark = ">" if position == explanation.candidate else "*" if position == explanation.rival else " "
    return f"{position + 1} {mark}"


def _print_confidence(explanation: Explanation) -> None:
    """Print the confidence, what certifies it, and the features it was made of."""
    level, threshold = f"an error of at most {100 * (explanation.max_error or 0.0):g} %", explanation.threshold
    confidence = explanation.confidence or 0.0
    if _is_of_a_guard(explanation):
        typer.echo(f"confidence  {confidence:.4f} in a guard, which has no answer to serve")
    elif threshold is None:
        typer.echo(f"confidence  {confidence:.4f}  {level} is not certified")
    else:
        sign, enough = (">=", "enough") if confidence >= threshold else ("< ", "too little")
        typer.echo(f"confidence  {confidence:.4f} {sign} {threshold:.4f}  {enough}")
    if threshold is not None:
        certified = f"{explanation.n_wrong} of {explanation.n_hits:,} calibration hits were wrong"
        typer.echo(f"certified   {level} in {printable(explanation.namespace or '')}: {certified}")
    features = explanation.features
    _print_features("neighbours", {name: features[name] for name in features if name in RETRIEVAL})
    _print_features("words", {name: features[name] for name in features if name not in RETRIEVAL})


def _is_of_a_guard(explanation: Explanation) -> bool:
    at = explanation.candidate
    return at is not None and explanation.neighbours[at].kind is VariantKind.GUARD


def _print_features(label: str, features: Mapping[str, float]) -> None:
    """Print the features that are not zero, in columns."""
    cells = [f"{name:<22} {value:>5.2f}" for name, value in features.items() if value] or ["nothing"]
    for start in range(0, len(cells), _FEATURES_A_LINE):
        shown = label if start == 0 else ""
        typer.echo(f"{shown:<12}" + "  ".join(cells[start : start + _FEATURES_A_LINE]))


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
        ("decision", _decision_line(decision)),
        ("licences", ", ".join(manifest.licences) or "not stated"),
        ("corpora", ", ".join(f"{c.file} ({c.entries:,})" for c in manifest.corpora)),
        ("built by", manifest.producer),
    ]
    if info.release is not None:
        published = datetime.fromtimestamp(info.release.published, UTC)
        lines.append(
            ("pulled", f"release {info.release.number} of {published:%Y-%m-%d %H:%M} UTC, from {info.release.url}")
        )
    for name, value in lines:
        typer.echo(f"{name:<11} {value}")
    if info.warning is not None:
        typer.secho(f"{'warning':<11} {info.warning}", fg="yellow", bold=True)
    typer.echo()
    print_certificates(decision.certificates)


def _decision_line(decision: DecisionInfo) -> str:
    adapter = "adapter, " if decision.has_adapter else ""
    fitted = "generic verifier" if decision.fitted == "generic" else f"verifier fitted on {decision.n_fitted:,} queries"
    return f"{adapter}{fitted}"


def print_certificates(certificates: Sequence[Certificate]) -> None:
    """Print what each namespace is certified for: the confidence that each error takes, and what that rests on."""
    errors = sorted({level.max_error for certificate in certificates for level in certificate.levels})
    head = ("certified", "default", *(f"{100 * error:g} %" for error in errors), "rests on")
    rows = [_certificate_cells(certificate, errors) for certificate in certificates[:_SHOWN_NAMESPACES]]
    print_table(head, rows, align="<" + ">" * (1 + len(errors)))
    if (n_more := len(certificates) - _SHOWN_NAMESPACES) > 0:
        typer.echo(f"... and {n_more:,} more namespaces (info --json lists all)")


def _certificate_cells(certificate: Certificate, errors: Sequence[float]) -> tuple[str, ...]:
    thresholds = {level.max_error: level.threshold for level in certificate.levels}
    shown = [thresholds.get(error) for error in errors]
    found = certificate.calibration
    return (
        certificate.namespace,
        default_text(certificate),
        *("-" if threshold is None else f"{threshold:.4f}" for threshold in shown),
        f"{found.n_queries:,} {found.source} queries, {found.n_outside:,} of them without a right answer",
    )


def default_text(certificate: Certificate) -> str:
    """Return the error that callers get who name none; "none" where only exact hits are served."""
    level = certificate.level_for(None)
    return "none" if level.threshold is None else f"{100 * level.max_error:g} %"


def print_unknown(labels: Sequence[str]) -> None:
    """Print the first of those labels of queries that name nothing in a bundle."""
    if not labels:
        return
    n = len(labels)
    typer.echo()
    typer.secho(f"{n:,} label{'s name' if n > 1 else ' names'} nothing in the bundle:", fg="yellow", bold=True)
    for label in labels[:_SHOWN_UNKNOWN]:
        typer.echo(f"  {printable(label)}")
    if n > _SHOWN_UNKNOWN:
        typer.echo(f"  ... and {n - _SHOWN_UNKNOWN:,} more (--json lists all)")


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
