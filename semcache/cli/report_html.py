"""An evaluation as one HTML file: style and charts inside, no script, nothing fetched.

Every text comes from queries and corpora, so each one is escaped; a policy in the page forbids everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from semcache.cli.charts import calibration_chart, curve_chart, level_name, percent, share_bar
from semcache.cli.evaluation import curve_points, figures, interval_text, learned_note, marks, summary
from semcache.cli.page import card, id_of, number, page, table, text_of, tile
from semcache.core.certify import interval
from semcache.core.metrics import Served
from semcache.lookup.evaluate import Evaluation, FalseHit, LevelResult, SliceResult

_MAX_FALSE_HITS = 2000
_MAX_SLICES = 200


def html_report(evaluation: Evaluation) -> str:
    """Return an evaluation as a page of its own."""
    name, version = text_of(evaluation.name), text_of(evaluation.bundle_id)
    body = "".join((
        f'<h1>Evaluation of {name}</h1><p class="soft">version {version}</p>',
        f'<p class="lead">{text_of(summary(evaluation))}</p>',
        f'<section class="grid tiles">{"".join(_tiles(evaluation))}</section>',
        f'<section class="grid charts">{"".join(_charts(evaluation))}</section>',
        f'<section class="grid">{"".join(_tables(evaluation))}</section>',
    ))  # fmt: skip
    return page(f"Evaluation of {evaluation.name}", body)


def _tiles(evaluation: Evaluation) -> Iterable[str]:
    answerable = sum(row.n_answerable for row in evaluation.slices)
    certified = [row for row in evaluation.shown if row.promise.threshold is not None]
    if certified:
        served = evaluation.served
        yield tile("coverage", percent(served.coverage), f"{served.n_hits:,} hits, {_served_at(evaluation)}")
        yield tile("useful coverage", percent(served.useful_coverage), "right hits / all queries")
        error = "-" if served.error is None else percent(served.error)
        low, high = interval(served.n_wrong, served.n_hits)
        bounds = f"{percent(low)} to {percent(high)}" if served.n_hits else "-"
        mood = max((_verdict(row) for row in certified), key=_MOODS.index)
        yield tile("error", error, f"of hits; 95 % interval {bounds}", mood)
    yield tile("queries", f"{evaluation.n_queries:,}", f"{answerable:,} have a right answer in the bundle")
    yield tile("false hits", f"{len(evaluation.false_hits):,}", "served, and wrong")
    names = {"ROC-AUC": "right above wrong", "calibration error": "mean gap, 15 bins"}
    for name, value in figures(evaluation):
        if name in names:
            yield tile(name, value, names[name])


def _served_at(evaluation: Evaluation) -> str:
    """Say what the figures are about."""
    errors = {row.promise.max_error for row in evaluation.shown if row.promise.threshold is not None}
    if not errors:
        return "exact hits only"
    if len(errors) > 1:
        return "each namespace at its own certified error"
    return f"served at {level_name(*errors)} certified error"


_MOODS = ("", "good", "warn", "bad")


def _verdict(level: LevelResult) -> str:
    """Return the colour of an error: over the promise for certain, over it by chance perhaps, or kept."""
    if level.served.error is None or level.promise.threshold is None:
        return ""
    return "bad" if level.is_broken else "warn" if level.served.error > level.promise.max_error else "good"


def _charts(evaluation: Evaluation) -> Iterable[str]:
    points = curve_points(evaluation)
    area = dict(figures(evaluation))["AURC"]
    note = f"Area under it (AURC) {area}. Band: 95 % interval. Dots: certified levels, dotted: what they promise."
    yield card("Coverage and error", note, curve_chart(points, marks(evaluation)))
    brier = dict(figures(evaluation))["Brier score"]
    note = f"On the diagonal a confidence means what it says. Brier score {brier}. Bars: how many candidates."
    yield card("Calibration", note, calibration_chart(evaluation.bins))


def _tables(evaluation: Evaluation) -> Iterable[str]:
    if evaluation.levels:
        note = "Best possible: what a threshold chosen on these very queries would serve. Tinted rows are shown below."
        rows = (_level_row(level, is_shown=level in evaluation.shown) for level in evaluation.levels)
        yield card("Certified levels", note, table(_LEVEL_HEAD, rows))
    last = evaluation.kinds[-1]
    rows = (_slice_row(row, is_last=row is last) for row in (*evaluation.kinds, *evaluation.slices[:_MAX_SLICES]))
    left = f" The {_MAX_SLICES} largest of {len(evaluation.slices):,}." if len(evaluation.slices) > _MAX_SLICES else ""
    note = f"By how the answer was found, then by kind of query; {_served_at(evaluation)}.{left}"
    note += " Every hit on a query that nothing answers is wrong: its coverage says how many."
    yield card("Slices", note, table(_SLICE_HEAD, rows))
    if evaluation.misses:
        rows = (f"<tr><td>{text_of(name)}</td>{number(f'{n:,}')}</tr>" for name, n in evaluation.misses.items())
        yield card("Misses", "Why the others were not served.", table(("reason", "#queries"), rows), "narrow")
    yield _false_hits(evaluation.false_hits)
    if note := learned_note(evaluation):
        row = f"<tr>{number(f'{evaluation.n_learned:,}')}{number(f'{evaluation.n_queries:,}')}</tr>"
        yield card("Learned from", note, table(("#learned from", "#asked"), (row,)), "narrow")
    if evaluation.unknown:
        rows = (f'<tr><td class="text">{text_of(label)}</td></tr>' for label in evaluation.unknown[:_MAX_FALSE_HITS])
        yield card("Labels that name nothing", "No entry, no group of the bundle.", table(("label",), rows))


_LEVEL_HEAD = (
    "namespace",
    "level",
    "#threshold",
    "#hits",
    "",
    "#coverage",
    "#useful",
    "#error",
    "#95 % interval",
    "#best possible",
)
_SLICE_HEAD = ("queries", "#number", "#answerable", "", "#coverage", "#useful", "#error", "#95 % interval")


def _served_cells(served: Served, bounds: str, mood: str = "") -> str:
    wrong = served.coverage - served.useful_coverage
    bar = f"<td>{share_bar(served.useful_coverage, wrong)}</td>"
    shares = number(percent(served.coverage)) + number(percent(served.useful_coverage))
    error = "-" if served.error is None else percent(served.error)
    return bar + shares + number(error, mood) + number(bounds)


def _level_row(level: LevelResult, *, is_shown: bool) -> str:
    promise, best = level.promise, level.best
    threshold = "not certified" if promise.threshold is None else f"{promise.threshold:.4f}"
    cells = f'<td class="text">{text_of(level.namespace)}</td><td>{level_name(promise.max_error)}</td>'
    cells += f"{number(threshold)}{number(f'{level.served.n_hits:,}')}"
    cells += _served_cells(level.served, interval_text(level), _verdict(level))
    cells += number("-" if best is None else percent(best.coverage))
    return f'<tr class="{"shown" if is_shown else ""}">{cells}</tr>'


def _slice_row(row: SliceResult, *, is_last: bool) -> str:
    counts = number(f"{row.served.n_queries:,}") + number(f"{row.n_answerable:,}")
    cells = f'<td class="text">{text_of(row.name)}</td>{counts}{_served_cells(row.served, interval_text(row))}'
    return f'<tr class="{"parted" if is_last else ""}">{cells}</tr>'


def _false_hits(hits: Sequence[FalseHit]) -> str:
    if not hits:
        return card("False hits", "None: nothing that was served is wrong.", "")
    left = f" The first {_MAX_FALSE_HITS:,} of {len(hits):,}." if len(hits) > _MAX_FALSE_HITS else ""
    rows = (_false_hit_row(hit) for hit in hits[:_MAX_FALSE_HITS])
    head = ("#confidence", "asked", "matched", "served", "right would be", "")
    return card("False hits", f"Served, and wrong; the surest first.{left}", table(head, rows))


def _false_hit_row(hit: FalseHit) -> str:
    query, candidate = hit.query, hit.candidate
    right = '<span class="soft">nothing</span>' if query.label is None else id_of(query.label)
    features = "".join(f"<dt>{text_of(name)}</dt><dd>{value:.4g}</dd>" for name, value in candidate.features.items())
    score = "" if candidate.score is None else f"<dt>score</dt><dd>{candidate.score:.4f}</dd>"
    more = f"<dt>place</dt><dd>{text_of(query.place)}</dd><dt>kind</dt><dd>{text_of(query.slice)}</dd>{score}{features}"
    asked, matched = text_of(query.text), text_of(candidate.variant)
    return (
        f'<tr>{number(f"{candidate.confidence:.4f}")}<td class="text"><bdi>{asked}</bdi></td>'
        f'<td class="text"><bdi>{matched}</bdi></td><td class="id">{id_of(candidate.entry_id)}</td>'
        f'<td class="id">{right}</td><td><details><summary>features</summary><dl>{more}</dl></details></td></tr>'
    )
