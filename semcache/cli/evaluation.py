"""What `semcache eval` says: an evaluation as a JSON document, and as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import typer

from semcache.cli.charts import CurvePoint, Mark, level_name, percent
from semcache.cli.output import cut, print_table, print_unknown, printable
from semcache.core.certify import interval
from semcache.core.metrics import Served
from semcache.lookup.evaluate import Evaluation, FalseHit, LevelResult, SliceResult

_MAX_POINTS = 150
_SHOWN_FALSE_HITS = 10
_SHOWN_SLICES = 30
_SHOWN_LEVELS = 50
_SHOWN_NAMESPACES = 4
_TEXT_CHARS = 48


def curve_points(evaluation: Evaluation) -> list[CurvePoint]:
    """Return at most 150 points of the curve, evenly spread over coverage, each with its 95 % interval."""
    curve = evaluation.curve
    n = len(curve.n_hits)
    if not n:
        return []
    wanted = np.linspace(curve.n_hits[0], curve.n_hits[-1], _MAX_POINTS)
    places = np.unique(np.searchsorted(curve.n_hits, wanted).clip(0, n - 1)).tolist()
    points = []
    for served in map(curve.at, places):
        low, high = interval(served.n_wrong, served.n_hits)
        points.append(CurvePoint(served.coverage, served.error or 0.0, low, high))
    return points


def marks(evaluation: Evaluation) -> list[Mark]:
    """Return the certified levels as marks on the curve."""
    return [
        Mark(level.promise.max_error, level.served.coverage, level.served.error or 0.0, level.is_broken)
        for level in evaluation.levels
        if level.promise.threshold is not None
    ]


def evaluation_document(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as a JSON object; every key is always there."""
    shown = evaluation.shown
    return {
        "name": evaluation.name,
        "bundle_id": evaluation.bundle_id,
        "n_out_of_scope": evaluation.n_out_of_scope,
        "n_learned": evaluation.n_learned,
        "unknown": list(evaluation.unknown),
        "levels": [_level_document(level) for level in evaluation.levels],
        "shown_max_error": {row.namespace: row.promise.max_error for row in shown if row.promise.threshold is not None},
        **_served_document(evaluation.served),
        "curve": [
            {"coverage": p.coverage, "error": p.error, "error_low": p.low, "error_high": p.high}
            for p in curve_points(evaluation)
        ],
        "aurc": evaluation.aurc,
        "roc_auc": evaluation.roc_auc,
        "calibration_error": evaluation.calibration_error,
        "brier": evaluation.brier,
        "calibration": [
            {"low": b.low, "high": b.high, "n": b.n, "confidence": b.confidence, "share_right": b.share_right}
            for b in evaluation.bins
        ],
        "kinds": [_slice_document(row) for row in evaluation.kinds],
        "slices": [_slice_document(row) for row in evaluation.slices],
        "misses": dict(evaluation.misses),
        "false_hits": [_false_hit_document(hit) for hit in evaluation.false_hits],
    }


def _served_document(served: Served) -> dict[str, Any]:
    return {
        "n_queries": served.n_queries,
        "n_hits": served.n_hits,
        "n_wrong": served.n_wrong,
        "coverage": served.coverage,
        "useful_coverage": served.useful_coverage,
        "error": served.error,
    }


def _level_document(level: LevelResult) -> dict[str, Any]:
    promise = level.promise
    return {
        "namespace": level.namespace,
        "max_error": promise.max_error,
        "threshold": promise.threshold,
        "calibration_hits": promise.n_hits,
        "calibration_wrong": promise.n_wrong,
        **_served_document(level.served),
        "error_low": level.error_low,
        "error_high": level.error_high,
        "is_broken": level.is_broken,
        "is_over_default": level.is_over_default,
        "best": None if level.best is None else _served_document(level.best),
    }


def _slice_document(row: SliceResult) -> dict[str, Any]:
    served = _served_document(row.served)
    bounds = {"error_low": row.error_low, "error_high": row.error_high}
    return {"name": row.name, "n_answerable": row.n_answerable, **served, **bounds}


def _false_hit_document(hit: FalseHit) -> dict[str, Any]:
    query, candidate = hit.query, hit.candidate
    return {
        "place": query.place,
        "text": query.text,
        "slice": query.slice,
        "expected": query.label,
        "entry_id": candidate.entry_id,
        "variant": candidate.variant,
        "kind": candidate.kind,
        "confidence": candidate.confidence,
        "score": candidate.score,
        "features": dict(candidate.features),
    }


def summary(evaluation: Evaluation) -> str:
    """Return what came out, in one sentence or two."""
    certified = [row for row in evaluation.shown if row.promise.threshold is not None]
    served, n = evaluation.served, f"{evaluation.n_queries:,} queries"
    if not certified:
        what = (
            "Nothing is certified"
            if evaluation.max_error is None
            else f"No error of at most {level_name(evaluation.max_error)} is certified"
        )
        return f"{what}: only the very same text is served, {served.n_hits:,} of {n}."
    promised = _promised(certified, n_namespaces=len(evaluation.shown))
    if served.error is None:
        return f"Certified for {promised}, the bundle served none of the {n}."
    verdict = (
        "more than was promised"
        if any(row.is_broken for row in certified)
        else "as promised"
        if all(_is_kept(row) for row in certified)
        else "over the promise, by no more than chance allows"
    )
    low, high = interval(served.n_wrong, served.n_hits)
    return (
        f"Certified for {promised}, the bundle served {percent(served.coverage)} of {n}; "
        f"{percent(served.error)} of what it served was wrong "
        f"(95 % interval {percent(low)} to {percent(high)}): {verdict}.{_caveats(evaluation)}"
    )


def _caveats(evaluation: Evaluation) -> str:
    """Say what a reader of the first line must know; "" where there is nothing."""
    found = ""
    if any(row.is_over_default and row.promise.threshold is not None for row in evaluation.shown):
        found += " No lookup serves so much: it is held to the default error."
    if n := len(evaluation.unknown):
        found += f" {n:,} label{'s name' if n > 1 else ' names'} nothing here: a hit there counts as wrong."
    return found


def _promised(certified: Sequence[LevelResult], *, n_namespaces: int) -> str:
    """Say which errors are certified, and where if not everywhere the same."""
    errors = sorted({row.promise.max_error for row in certified})
    if len(certified) == n_namespaces and len(errors) == 1:
        return f"at most {level_name(errors[0])} error"
    if len(certified) <= _SHOWN_NAMESPACES:
        return "at most " + ", ".join(
            f"{level_name(row.promise.max_error)} error in {printable(row.namespace)}" for row in certified
        )
    return f"at most {level_name(errors[-1])} error in {len(certified):,} of {n_namespaces:,} namespaces"


def _is_kept(level: LevelResult) -> bool:
    return level.served.error is None or level.served.error <= level.promise.max_error


def learned_note(evaluation: Evaluation) -> str:
    """Return what a reader must know of queries that taught the bundle; empty where none did."""
    n = evaluation.n_learned
    if not n:
        return ""
    return f"The bundle learned from {n:,} of these queries: they flatter it."


def print_evaluation(evaluation: Evaluation) -> None:
    """Print an evaluation for a person."""
    typer.secho(summary(evaluation), bold=True)
    typer.echo()
    _print_levels(evaluation)
    print_table(_SLICE_HEAD, [_slice_cells(row) for row in evaluation.kinds], align="<>>>>")
    if len(evaluation.slices) > 1:
        typer.echo()
        print_table(_SLICE_HEAD, [_slice_cells(row) for row in evaluation.slices[:_SHOWN_SLICES]], align="<>>>>")
        if (n_more := len(evaluation.slices) - _SHOWN_SLICES) > 0:
            typer.echo(f"... and {n_more:,} more (--json lists all)")
    typer.echo()
    for name, value in figures(evaluation):
        typer.echo(f"{name:<18} {value}")
    if evaluation.misses:
        typer.echo(f"{'misses':<18} " + ", ".join(f"{name} {n:,}" for name, n in evaluation.misses.items()))
    _print_false_hits(evaluation.false_hits)
    if evaluation.n_learned:
        typer.echo()
        typer.secho(learned_note(evaluation), fg="yellow", bold=True)
    print_unknown(evaluation.unknown)


_LEVEL_HEAD = ("level", "threshold", "coverage", "useful", "error", "95 % interval", "")
_SLICE_HEAD = ("queries", "number", "coverage", "useful", "error", "95 % interval")


def _print_levels(evaluation: Evaluation) -> None:
    rows = [(level.namespace, *_level_cells(level, is_shown=level in evaluation.shown)) for level in evaluation.levels]
    if not rows:
        return
    if len(evaluation.shown) > 1:
        print_table(("namespace", *_LEVEL_HEAD), rows[:_SHOWN_LEVELS], align="<<>>>>>")
        if (n_more := len(rows) - _SHOWN_LEVELS) > 0:
            typer.echo(f"... and {n_more:,} more (--json lists all)")
    else:
        print_table(_LEVEL_HEAD, [cells for _, *cells in rows], align="<>>>>>")
    typer.echo()


def _level_cells(level: LevelResult, *, is_shown: bool) -> tuple[str, ...]:
    promise, served = level.promise, level.served
    threshold = "-" if promise.threshold is None else f"{promise.threshold:.4f}"
    notes = [
        "not certified: exact hits" if promise.threshold is None else "",
        "more than promised" if level.is_broken else "",
        "over the default" if level.is_over_default and promise.threshold is not None else "",
        "shown below" if is_shown else "",
    ]
    shares = _served_cells(served)
    return level_name(promise.max_error), threshold, *shares, interval_text(level), ", ".join(filter(None, notes))


def _slice_cells(row: SliceResult) -> tuple[str, ...]:
    return row.name, f"{row.served.n_queries:,}", *_served_cells(row.served), interval_text(row)


def _served_cells(served: Served) -> tuple[str, str, str]:
    error = "-" if served.error is None else percent(served.error)
    return percent(served.coverage), percent(served.useful_coverage), error


def interval_text(row: LevelResult | SliceResult) -> str:
    """Return the interval of an error; a dash without a hit, and where no hit can be right: then there is no doubt."""
    is_certain = not row.served.n_hits or (isinstance(row, SliceResult) and not row.n_answerable)
    return "-" if is_certain else f"{percent(row.error_low)} to {percent(row.error_high)}"


def figures(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return the single numbers with their names."""
    named = [
        ("ROC-AUC", evaluation.roc_auc),
        ("AURC", evaluation.aurc),
        ("calibration error", evaluation.calibration_error),
        ("Brier score", evaluation.brier),
    ]
    return [(name, "-" if value is None else f"{value:.4f}") for name, value in named]


def _print_false_hits(hits: Sequence[FalseHit]) -> None:
    if not hits:
        return
    typer.echo()
    typer.secho(f"{len(hits):,} false hit{'' if len(hits) == 1 else 's'}, the surest first:", fg="yellow", bold=True)
    rows = [
        (
            f"{hit.candidate.confidence:.4f}",
            cut(hit.query.text, _TEXT_CHARS),
            cut(str(hit.candidate.entry_id), _TEXT_CHARS),
            str(hit.candidate.variant),
        )
        for hit in hits[:_SHOWN_FALSE_HITS]
    ]
    print_table(("confidence", "asked", "served", "matched"), rows, align="<")
    if len(hits) > _SHOWN_FALSE_HITS:
        typer.echo(f"... and {len(hits) - _SHOWN_FALSE_HITS:,} more (--json and --html list all)")
