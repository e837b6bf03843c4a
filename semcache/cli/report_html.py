"""An evaluation as one HTML file: style and charts inside, no script, nothing fetched.

Every text comes from queries and corpora, so each one is escaped; a policy in the page forbids everything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from semcache.cli.charts import calibration_chart, curve_chart, level_name, percent, share_bar
from semcache.cli.evaluation import curve_points, figures, interval_text, marks, summary
from semcache.cli.output import printable
from semcache.core.certify import interval
from semcache.core.metrics import Served
from semcache.lookup.evaluate import Evaluation, FalseHit, LevelResult, SliceResult

_MAX_FALSE_HITS = 2000
_MAX_SLICES = 200
_SEPARATOR = re.compile(r"[-_/.]+")
_STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#5c6875;--rule:#e1e5ea;--blue:#2463c9;
--band:#2463c92b;--good:#1a7f53;--bad:#c4372d;--warn:#9a6200;--bar:#c9d3df}
@media (prefers-color-scheme:dark){:root{--page:#11151a;--card:#1a2027;--ink:#e6eaef;--soft:#9aa6b2;--rule:#2c343d;
--blue:#7fb0ff;--band:#7fb0ff30;--good:#5fcf9c;--bad:#ff8177;--warn:#e8b04f;--bar:#3d4956}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1180px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:26px;line-height:1.2;margin:0}h2{font-size:17px;margin:0 0 4px}
p{margin:0}.soft{color:var(--soft);font-size:13px}.lead{font-size:17px;margin:14px 0 24px;max-width:76ch}
.grid{display:grid;gap:16px;margin-bottom:16px}.tiles{grid-template-columns:repeat(auto-fit,minmax(138px,1fr))}
.charts{grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))}
.card{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:18px 20px;min-width:0}
.tile{padding:14px 16px}
.tile b{display:block;font-size:26px;line-height:1.25;font-weight:650;font-variant-numeric:tabular-nums}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.narrow table{max-width:420px}tr.parted td{border-bottom:2px solid var(--soft)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;margin-top:8px}
th{font-size:12px;font-weight:600;color:var(--soft);text-align:left;white-space:nowrap}
td:first-child{white-space:nowrap}td.text{white-space:normal}
th,td{padding:7px 14px 7px 0;border-bottom:1px solid var(--rule);vertical-align:top}
tbody tr:last-child td{border-bottom:0}.num{text-align:right;white-space:nowrap}
.text,.id{overflow-wrap:anywhere;min-width:150px}.id{min-width:170px;font:12.5px/1.5 ui-monospace,monospace}
tr.shown td{background:color-mix(in srgb,var(--blue) 9%,transparent)}
details summary{cursor:pointer;color:var(--soft);font-size:13px;white-space:nowrap}
dl{display:grid;grid-template-columns:auto auto;gap:0 12px;margin:4px 0 0;font-size:12.5px}dd{margin:0;text-align:right}
.chart{display:block;width:100%;height:auto;margin-top:10px}.mini{vertical-align:middle}
.chart text{font:12px system-ui,sans-serif;fill:var(--soft)}.chart .axis{font-size:12.5px}.chart .label{fill:var(--ink)}
.chart path{fill:none}.chart .grid{stroke:var(--rule)}.chart .band{fill:var(--band)}
.chart .line{stroke:var(--blue);stroke-width:2.2;stroke-linejoin:round}.chart .thin{stroke-width:1.4}
.chart .stem{stroke:var(--blue);stroke-width:1.4;stroke-dasharray:3 3}
.chart .level{stroke:var(--soft);stroke-dasharray:2 4}.chart .ideal{stroke:var(--soft);stroke-dasharray:5 4}
.chart .dot{fill:var(--blue);stroke:var(--card);stroke-width:1.5}.chart .over{fill:var(--warn)}
.chart .broken{fill:var(--bad)}.bar{fill:var(--bar)}
.rest{fill:var(--rule)}.right{fill:var(--good)}.wrong{fill:var(--bad)}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html_report(evaluation: Evaluation) -> str:
    """Return an evaluation as a page of its own."""
    title = f"Evaluation of {_text(evaluation.name)}"
    body = "".join((
        f'<h1>{title}</h1><p class="soft">version {_text(evaluation.bundle_id)}</p>',
        f'<p class="lead">{_text(summary(evaluation))}</p>',
        f'<section class="grid tiles">{"".join(_tiles(evaluation))}</section>',
        f'<section class="grid charts">{"".join(_charts(evaluation))}</section>',
        f'<section class="grid">{"".join(_tables(evaluation))}</section>',
    ))  # fmt: skip
    body = body.replace(" %", "\u00a0%")  # a number and its sign stay on one line
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def _text(text: object) -> str:
    """Make any text harmless: unprintable characters spelled out, markup escaped."""
    return escape(printable(str(text)))


def _id(name: object) -> str:
    """Return an id that may break after its separators, not in the middle of a word."""
    return _SEPARATOR.sub(r"\g<0><wbr>", _text(name))


def _tiles(evaluation: Evaluation) -> Iterable[str]:
    answerable = sum(row.n_answerable for row in evaluation.slices)
    certified = [row for row in evaluation.shown if row.promise.threshold is not None]
    if certified:
        served = evaluation.served
        yield _tile("coverage", percent(served.coverage), f"{served.n_hits:,} hits, {_served_at(evaluation)}")
        yield _tile("useful coverage", percent(served.useful_coverage), "right hits / all queries")
        error = "-" if served.error is None else percent(served.error)
        low, high = interval(served.n_wrong, served.n_hits)
        bounds = f"{percent(low)} to {percent(high)}" if served.n_hits else "-"
        mood = max((_verdict(row) for row in certified), key=_MOODS.index)
        yield _tile("error", error, f"of hits; 95 % interval {bounds}", mood)
    yield _tile("queries", f"{evaluation.n_queries:,}", f"{answerable:,} have a right answer in the bundle")
    yield _tile("false hits", f"{len(evaluation.false_hits):,}", "served, and wrong")
    names = {"ROC-AUC": "right above wrong", "calibration error": "mean gap, 15 bins"}
    for name, value in figures(evaluation):
        if name in names:
            yield _tile(name, value, names[name])


def _tile(name: str, value: str, note: str, mood: str = "") -> str:
    head = f'<div class="card tile"><span class="soft">{escape(name)}</span>'
    return f'{head}<b class="{mood}">{escape(value)}</b><span class="soft">{escape(note)}</span></div>'


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
    yield _card("Coverage and error", note, curve_chart(points, marks(evaluation)))
    brier = dict(figures(evaluation))["Brier score"]
    note = f"On the diagonal a confidence means what it says. Brier score {brier}. Bars: how many candidates."
    yield _card("Calibration", note, calibration_chart(evaluation.bins))


def _card(title: str, note: str, content: str, more: str = "") -> str:
    return f'<div class="card {more}"><h2>{escape(title)}</h2><p class="soft">{escape(note)}</p>{content}</div>'


def _tables(evaluation: Evaluation) -> Iterable[str]:
    if evaluation.levels:
        note = "Best possible: what a threshold chosen on these very queries would serve. Tinted rows are shown below."
        rows = (_level_row(level, is_shown=level in evaluation.shown) for level in evaluation.levels)
        yield _card("Certified levels", note, _table(_LEVEL_HEAD, rows))
    last = evaluation.kinds[-1]
    rows = (_slice_row(row, is_last=row is last) for row in (*evaluation.kinds, *evaluation.slices[:_MAX_SLICES]))
    left = f" The {_MAX_SLICES} largest of {len(evaluation.slices):,}." if len(evaluation.slices) > _MAX_SLICES else ""
    note = f"By how the answer was found, then by kind of query; {_served_at(evaluation)}.{left}"
    note += " Every hit on a query that nothing answers is wrong: its coverage says how many."
    yield _card("Slices", note, _table(_SLICE_HEAD, rows))
    if evaluation.misses:
        rows = (f"<tr><td>{_text(name)}</td>{_number(f'{n:,}')}</tr>" for name, n in evaluation.misses.items())
        yield _card("Misses", "Why the others were not served.", _table(("reason", "#queries"), rows), "narrow")
    yield _false_hits(evaluation.false_hits)
    if evaluation.unknown:
        rows = (f'<tr><td class="text">{_text(label)}</td></tr>' for label in evaluation.unknown[:_MAX_FALSE_HITS])
        yield _card("Labels that name nothing", "No entry, no group of the bundle.", _table(("label",), rows))


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


def _table(head: Sequence[str], rows: Iterable[str]) -> str:
    """Return a table; a head that begins with # is over numbers."""
    cells = (f'<th class="num">{escape(h[1:])}</th>' if h[:1] == "#" else f"<th>{escape(h)}</th>" for h in head)
    inner = f"<thead><tr>{''.join(cells)}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="scroll"><table>{inner}</table></div>'


def _number(value: str, mood: str = "") -> str:
    return f'<td class="num {mood}">{escape(value)}</td>'


def _served_cells(served: Served, bounds: str, mood: str = "") -> str:
    wrong = served.coverage - served.useful_coverage
    bar = f"<td>{share_bar(served.useful_coverage, wrong)}</td>"
    shares = _number(percent(served.coverage)) + _number(percent(served.useful_coverage))
    error = "-" if served.error is None else percent(served.error)
    return bar + shares + _number(error, mood) + _number(bounds)


def _level_row(level: LevelResult, *, is_shown: bool) -> str:
    promise, best = level.promise, level.best
    threshold = "not certified" if promise.threshold is None else f"{promise.threshold:.4f}"
    cells = f'<td class="text">{_text(level.namespace)}</td><td>{level_name(promise.max_error)}</td>'
    cells += f"{_number(threshold)}{_number(f'{level.served.n_hits:,}')}"
    cells += _served_cells(level.served, interval_text(level), _verdict(level))
    cells += _number("-" if best is None else percent(best.coverage))
    return f'<tr class="{"shown" if is_shown else ""}">{cells}</tr>'


def _slice_row(row: SliceResult, *, is_last: bool) -> str:
    counts = _number(f"{row.served.n_queries:,}") + _number(f"{row.n_answerable:,}")
    cells = f'<td class="text">{_text(row.name)}</td>{counts}{_served_cells(row.served, interval_text(row))}'
    return f'<tr class="{"parted" if is_last else ""}">{cells}</tr>'


def _false_hits(hits: Sequence[FalseHit]) -> str:
    if not hits:
        return _card("False hits", "None: nothing that was served is wrong.", "")
    left = f" The first {_MAX_FALSE_HITS:,} of {len(hits):,}." if len(hits) > _MAX_FALSE_HITS else ""
    rows = (_false_hit_row(hit) for hit in hits[:_MAX_FALSE_HITS])
    head = ("#confidence", "asked", "matched", "served", "right would be", "")
    return _card("False hits", f"Served, and wrong; the surest first.{left}", _table(head, rows))


def _false_hit_row(hit: FalseHit) -> str:
    query, candidate = hit.query, hit.candidate
    right = '<span class="soft">nothing</span>' if query.label is None else _id(query.label)
    features = "".join(f"<dt>{_text(name)}</dt><dd>{value:.4g}</dd>" for name, value in candidate.features.items())
    score = "" if candidate.score is None else f"<dt>score</dt><dd>{candidate.score:.4f}</dd>"
    more = f"<dt>place</dt><dd>{_text(query.place)}</dd><dt>kind</dt><dd>{_text(query.slice)}</dd>{score}{features}"
    return (
        f'<tr>{_number(f"{candidate.confidence:.4f}")}<td class="text"><bdi>{_text(query.text)}</bdi></td>'
        f'<td class="text"><bdi>{_text(candidate.variant)}</bdi></td><td class="id">{_id(candidate.entry_id)}</td>'
        f'<td class="id">{right}</td><td><details><summary>features</summary><dl>{more}</dl></details></td></tr>'
    )
