"""Result documents as the Markdown tables of docs/quality.md: medians over the seeds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

Document = dict[str, Any]
NAMES = ("cosine", "margin", "ours")
NOT_MEASURED = "-"
ORIGINS = ("calibration", "proof", "proof, known error")
BEGIN, END = "<!-- results: written by scripts/eval/run.py -->", "<!-- end of results -->"


def tables(documents: Sequence[Document]) -> str:
    """Return all tables."""
    queries = [document for document in documents if document["kind"] == "queries"]
    twins = [document for document in documents if document["kind"] == "twins"]
    sections = [
        ("Sizes", sizes(queries)),
        (
            "Best possible threshold, chosen on the test part: coverage, median (least-greatest)",
            _levels(queries, "best"),
        ),
        ("Threshold chosen on calibration: coverage / error on test", _levels(queries, "chosen")),
        ("Certified threshold: coverage / error on test", _levels(queries, "certified")),
        ("Ranking on test: area under the error-coverage curve (0 is best) / ROC-AUC", ranking(queries)),
        ("Rules without a choice: coverage / error", rules(queries)),
        ("Online thresholds of each entry: coverage / error / stream error", online(queries)),
        (
            "Share of 200 draws whose error is over the level: chosen / proved / proved, against a known error",
            resplits(queries),
        ),
        ("Near twins: traps served / wishes served", near_twins(twins)),
        ("Near twins: wishes served by the best threshold at 1 % and 5 % of the traps", twins_at(twins)),
    ]
    return "\n\n".join(f"### {title}\n\n{body}" for title, body in sections if body)


def replaced(text: str, new: str, *, begin: str = BEGIN, end: str = END) -> str:
    """Return a document with something new between two markers."""
    before, after = text[: text.index(begin) + len(begin)], text[text.index(end) :]
    return f"{before}\n\n{new}\n\n{after}"


def sizes(documents: Sequence[Document]) -> str:
    """Return what was measured."""
    heads = ("set-up", "entries", "queries", "of them test", "must miss", "nearest entry is right", "seeds")
    rows = []
    for document in documents:
        counts = [f"{_median(document, key):,.0f}" for key in ("n_known", "n_queries", "n_test")]
        rest = [share(_median(document, key)) for key in ("must_miss", "nearest_right")]
        rows.append((_name(document), *counts, *rest, str(len(_seeds(document)))))
    return table(heads, rows)


def _levels(documents: Sequence[Document], origin: str) -> str:
    """Return one column a decision and level."""
    names = [name for name in NAMES if any(name in row["judged"] for found in documents for row in _seeds(found))]
    allowed = [entry["level"] for entry in _seeds(documents[0])[0]["judged"]["cosine"]] if documents else []
    heads = ("set-up", *(f"{name} {_per_cent(level)}" for name in names for level in allowed))
    rows = []
    for document in documents:
        cells = [_name(document)]
        for name in names:
            for place in range(len(allowed)):
                points = [row["judged"][name][place][origin] for row in _seeds(document) if name in row["judged"]]
                cells.append(_range(points) if origin == "best" else _points(points, ("coverage", "error")))
        rows.append(tuple(cells))
    return table(heads, rows)


def ranking(documents: Sequence[Document]) -> str:
    """Return AURC and ROC-AUC of each decision."""
    names = [name for name in NAMES if any(name in row["ranking"] for found in documents for row in _seeds(found))]
    rows = []
    for document in documents:
        cells = [_name(document)]
        for name in names:
            points = [row["ranking"][name] for row in _seeds(document) if name in row["ranking"]]
            cells.append(_points(points, ("aurc", "roc_auc")))
        rows.append(tuple(cells))
    return table(("set-up", *names), rows)


def rules(documents: Sequence[Document]) -> str:
    """Return exact match, fixed thresholds, the score .80, margin .10 and GPTCache."""
    fixed = list(_seeds(documents[0])[0]["fixed"]) if documents else []
    heads = ("set-up", "exact match", *fixed, "GPTCache")
    rows = []
    for document in documents:
        seeds = _seeds(document)
        cells = [_points([row["exact"] for row in seeds], ("coverage", "error"))]
        cells += [_points([row["fixed"][name] for row in seeds], ("coverage", "error")) for name in fixed]
        cells.append(_points([row["gptcache"] for row in seeds if "gptcache" in row], ("coverage", "error")))
        rows.append((_name(document), *cells))
    return table(heads, rows)


def online(documents: Sequence[Document]) -> str:
    """Return the per-entry online method, one row a set-up, start and grid."""
    documents = [document for document in documents if _seeds(document)[0]["online"]]
    if not documents:
        return ""
    deltas = list(dict.fromkeys(entry["delta"] for entry in _seeds(documents[0])[0]["online"]))
    variants = list(dict.fromkeys((entry["start"], entry["grid"]) for entry in _seeds(documents[0])[0]["online"]))
    rows = []
    for document in documents:
        for start, grid in variants:
            cells = []
            for delta in deltas:
                points = [
                    entry
                    for row in _seeds(document)
                    for entry in row["online"]
                    if (entry["start"], entry["grid"], entry["delta"]) == (start, grid, delta)
                ]
                cells.append(_points(points, ("coverage", "error", "stream_error")))
            rows.append((_name(document), start, grid, *cells))
    return table(("set-up", "start", "grid", *(f"delta {_per_cent(delta)}" for delta in deltas)), rows)


def resplits(documents: Sequence[Document]) -> str:
    """Return, a decision and level, the share over the level without a proof, with one, and against a known error."""
    levels = list(dict.fromkeys(entry["level"] for entry in _of_cosine(documents)))
    names = [name for name in NAMES if any(name in row["resplits"] for found in documents for row in _seeds(found))]
    rows = []
    for document in documents:
        cells = [_name(document)]
        for name in names:
            entries = [entry for row in _seeds(document) for entry in row["resplits"].get(name, ())]
            for level in levels:
                triple = ([one for one in entries if _is(one, level, origin)] for origin in ORIGINS)
                cells.append(" / ".join(share(_middle(one["exceeded"] for one in found)) for found in triple))
        rows.append(tuple(cells))
    return table(("set-up", *(f"{name} {_per_cent(level)}" for name in names for level in levels)), rows)


def _of_cosine(documents: Sequence[Document]) -> list[dict[str, Any]]:
    return [entry for found in documents for row in _seeds(found) for entry in row["resplits"].get("cosine", ())]


def _is(entry: dict[str, Any], level: float, origin: str) -> bool:
    return bool(entry["level"] == level and entry["chosen by"] == origin)


def near_twins(documents: Sequence[Document]) -> str:
    """Return the shares of traps and wishes that each rule serves."""
    names = list(dict.fromkeys(name for found in documents for name in found["figures"]["twins"]["rules"]))
    rows = []
    for document in documents:
        found = document["figures"]["twins"]
        served = [*(found["rules"].get(name, {}) for name in names), found.get("gptcache", {})]
        cells = [f"{share(one.get('traps_served'))} / {share(one.get('wishes_served'))}" for one in served]
        rows.append((_name(document), f"{found['n_traps']:,}", f"{found['n_wishes']:,}", *cells))
    return table(("set", "traps", "wishes", *names, "GPTCache"), rows)


def twins_at(documents: Sequence[Document]) -> str:
    """Return the wishes served where few traps are."""
    documents = [document for document in documents if document["figures"]["twins"]["n_wishes"]]
    if not documents:
        return ""
    best = documents[0]["figures"]["twins"]["best"]
    heads = ("set", *(f"{name} {_per_cent(row['traps_served'])}" for name in ("cosine", "margin") for row in best))
    rows = [
        (
            _name(found),
            *(share(row[name]) for name in ("cosine", "margin") for row in found["figures"]["twins"]["best"]),
        )
        for found in documents
    ]
    return table(heads, rows)


def _seeds(document: Document) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["figures"]["seeds"]
    return found


def _name(document: Document) -> str:
    return str(document["set_up"]["name"])


def _median(document: Document, key: str) -> float:
    return float(median(row[key] for row in _seeds(document)))


def _points(points: Sequence[dict[str, Any]], fields: Iterable[str]) -> str:
    if not points:
        return NOT_MEASURED
    return " / ".join(share(_middle(one[field] for one in points)) for field in fields)


def _middle(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return median(found) if found else None


def _range(points: Sequence[dict[str, Any]]) -> str:
    """Return the median coverage, with the least and the greatest."""
    values = [one["coverage"] for one in points]
    return f"{share(median(values))} ({share(min(values))}-{share(max(values))})" if values else NOT_MEASURED


def share(value: float | None) -> str:
    """Return a share as the tables show it."""
    return NOT_MEASURED if value is None else f"{value:.3f}".lstrip("0") if value < 1 else "1.00"


def _per_cent(value: float) -> str:
    return f"{100 * value:g} %"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; nothing where there are no rows."""
    if not rows:
        return ""
    lines = [" | ".join(row) for row in (heads, ["---"] * len(heads), *rows)]
    return "\n".join(f"| {line} |" for line in lines)
