"""A rebuild as one page: the verdict, what changed, how the new version answers beside the live one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from semcache.bundle.compare import Changes, EntryChange
from semcache.cli.charts import curve_chart, level_name, percent, share_bar
from semcache.cli.evaluation import curve_points, interval_text, marks
from semcache.cli.page import card, id_of, number, page, table, text_of, tile
from semcache.cli.rebuild_texts import allowed_text, changes_text, found_text
from semcache.core.manifest import Manifest
from semcache.core.sizes import size_text
from semcache.lookup.evaluate import Evaluation, FalseHit, LevelResult
from semcache.rebuild.comparison import Comparison
from semcache.rebuild.gates import Gate, size_of_files
from semcache.rebuild.judge import Judgement
from semcache.rebuild.report import RebuildReport

_MAX_LISTED = 500


def rebuild_page(report: RebuildReport) -> str:
    """Return what a rebuild did as a page of its own; it must have judged a version."""
    judgement = report.judgement
    if judgement is None:
        msg = "a rebuild that judged nothing has no page"
        raise ValueError(msg)
    body = "".join((
        f'<h1>Rebuild of {text_of(report.name)}</h1><p class="soft">{text_of(_when(report))}</p>',
        f'<p class="lead">{text_of(_summary(report, judgement))}</p>',
        f'<section class="grid tiles">{"".join(_tiles(judgement))}</section>',
        f'<section class="grid">{_gates(judgement.gates)}</section>',
        f'<section class="grid charts">{"".join(_charts(judgement))}</section>',
        f'<section class="grid">{"".join(_tables(report, judgement))}</section>',
    ))  # fmt: skip
    return page(f"Rebuild of {report.name}", body)


def _when(report: RebuildReport) -> str:
    began = datetime.fromtimestamp(report.began, UTC)
    return f"{began:%Y-%m-%d %H:%M} UTC, {sum(stage.seconds for stage in report.stages):,.1f} s"


def _summary(report: RebuildReport, judgement: Judgement) -> str:
    if judgement.failed:
        stays = "nothing is live" if report.before is None else f"{report.before} stays live"
        return f"Refused ({', '.join(gate.name for gate in judgement.failed)}): {stays}, and nothing was published."
    if report.version is None:
        return f"A version passed {len(judgement.gates)} gates; a stage after that failed."
    instead = "the first version" if report.before is None else f"instead of {report.before}"
    return f"Version {report.version} is live, {instead}. It passed {len(judgement.gates)} gates."


def _tiles(judgement: Judgement) -> Iterator[str]:
    verdict = ("refused", "bad") if judgement.failed else ("passed", "good")
    yield tile("verdict", verdict[0], f"{len(judgement.failed)} of {len(judgement.gates)} gates failed", verdict[1])
    counts = judgement.manifest.counts
    changes = None if judgement.comparison is None else judgement.comparison.changes
    note = "the first version" if changes is None else changes_text(changes).removeprefix("entries: ")
    yield tile("entries", f"{counts.entries:,}", note)
    if judgement.evaluation is not None:
        yield from _answer_tiles(judgement.evaluation, judgement.comparison)
    size, delta = size_of_files(judgement.manifest), judgement.delta
    before = None if judgement.comparison is None else size_of_files(judgement.comparison.live)
    yield tile("size of files", size_text(size), "" if before is None else f"{size_text(before)} before")
    if delta is not None:
        yield tile("update", size_text(delta.new_bytes), f"new to readers, of {size_text(delta.size_bytes)}")


def _answer_tiles(evaluation: Evaluation, comparison: Comparison | None) -> Iterator[str]:
    coverage_before = error_before = None
    if comparison is not None and comparison.evaluations is not None:
        before, evaluation = comparison.evaluations
        coverage_before, error_before = before.served.useful_coverage, before.served.error
    served = evaluation.served
    note = f"right hits of {served.n_queries:,} queries"
    yield tile("answered rightly", percent(served.useful_coverage), _beside(note, coverage_before))
    wrong = "-" if served.error is None else percent(served.error)
    yield tile("error", wrong, _beside(f"{served.n_wrong:,} of {served.n_hits:,} hits", error_before))


def _beside(note: str, before: float | None) -> str:
    return note if before is None else f"{note}; {percent(before)} before"


def _gates(gates: Sequence[Gate]) -> str:
    rows = (
        f"<tr><td>{text_of(gate.name)}</td>{number(found_text(gate))}{number(allowed_text(gate))}"
        f'{_verdict(gate)}<td class="text">{text_of(gate.detail)}</td></tr>'
        for gate in gates
    )
    note = "A version that fails one of them is deleted; the live one stays."
    return card("Gates", note, table(("gate", "#found", "#allowed", "", ""), rows))


def _verdict(gate: Gate) -> str:
    if gate.found is None:
        return '<td class="soft">&ndash;</td>'
    return '<td class="good">passed</td>' if gate.passed else '<td class="bad">failed</td>'


def _charts(judgement: Judgement) -> Iterator[str]:
    """Yield the coverage-error curve of the new version, and of the live one beside it."""
    if judgement.comparison is not None and judgement.comparison.evaluations is not None:
        before, after = judgement.comparison.evaluations
        yield _curve("The live version", before)
        yield _curve("The new version", after)
    elif judgement.evaluation is not None:
        yield _curve("The new version", judgement.evaluation)


def _curve(title: str, evaluation: Evaluation) -> str:
    note = f"{evaluation.n_queries:,} queries. Band: 95 % interval. Dots: certified levels, dotted: what they promise."
    return card(title, note, curve_chart(curve_points(evaluation), marks(evaluation)))


def _tables(report: RebuildReport, judgement: Judgement) -> Iterator[str]:
    comparison = judgement.comparison
    both = None if comparison is None else comparison.evaluations
    if both is not None:
        yield _namespaces(*both)
    if judgement.evaluation is not None:
        yield _false_hits(judgement.evaluation, None if both is None else both[0])
    if comparison is not None:
        yield from _collisions(comparison)
        yield from _changes(comparison.changes)
    yield _files(judgement.manifest, None if comparison is None else comparison.live)
    yield _stages(report)


def _namespaces(before: Evaluation, after: Evaluation) -> str:
    live = {level.namespace: level for level in before.shown}
    rows = (_namespace_row(level, live.get(level.namespace)) for level in after.shown)
    head = (
        "namespace",
        "promised",
        "#hits",
        "",
        "#rightly",
        "#error",
        "#95 % interval",
        "#promised before",
        "#rightly",
    )
    return card("Namespaces", "What callers get who name no error.", table((*head, "#error"), rows))


def _namespace_row(level: LevelResult, before: LevelResult | None) -> str:
    served = level.served
    wrong = served.coverage - served.useful_coverage
    cells = f'<td class="text">{text_of(level.namespace)}</td><td>{_promise(level)}</td>{number(f"{served.n_hits:,}")}'
    cells += f"<td>{share_bar(served.useful_coverage, wrong)}</td>{number(percent(served.useful_coverage))}"
    cells += number(_error(level), "bad" if level.is_broken else "") + number(interval_text(level))
    if before is None:
        return f"<tr>{cells}{number('new')}{number('')}{number('')}</tr>"
    coverage = percent(before.served.useful_coverage)
    return f"<tr>{cells}{number(_promise(before))}{number(coverage)}{number(_error(before))}</tr>"


def _promise(level: LevelResult) -> str:
    return "nothing" if level.promise.threshold is None else level_name(level.promise.max_error)


def _error(level: LevelResult) -> str:
    return "-" if level.served.error is None else percent(level.served.error)


def _false_hits(evaluation: Evaluation, before: Evaluation | None) -> str:
    """List what is served wrong, first what is new."""
    known = set() if before is None else {hit.query.place for hit in before.false_hits}
    hits = sorted(evaluation.false_hits, key=lambda hit: hit.query.place in known)
    n_new = sum(hit.query.place not in known for hit in hits)
    note = f"{len(hits):,} of {evaluation.n_queries:,} queries"
    note += "." if before is None else f"; {n_new:,} that the live version does not have."
    rows = (_false_hit_row(hit, is_new=hit.query.place not in known) for hit in hits[:_MAX_LISTED])
    head = ("#confidence", "asked", "matched", "served", "right would be", "")
    return card("False hits", note + _cut(hits), table(head, rows) if hits else "")


def _false_hit_row(hit: FalseHit, *, is_new: bool) -> str:
    query, candidate = hit.query, hit.candidate
    right = '<span class="soft">nothing</span>' if query.label is None else id_of(query.label)
    asked, matched = text_of(query.text), text_of(candidate.variant)
    return (
        f'<tr>{number(f"{candidate.confidence:.4f}")}<td class="text"><bdi>{asked}</bdi></td>'
        f'<td class="text"><bdi>{matched}</bdi></td><td class="id">{id_of(candidate.entry_id)}</td>'
        f'<td class="id">{right}</td><td class="bad">{"new" if is_new else ""}</td></tr>'
    )


def _collisions(comparison: Comparison) -> Iterator[str]:
    found = comparison.collisions
    if not found:
        return
    rows = (
        f'<tr>{number(f"{one.score:.3f}")}<td class="text"><bdi>{text_of(one.text)}</bdi></td>'
        f'<td class="id">{id_of(one.entry_id)}</td><td class="text"><bdi>{text_of(one.other_text)}</bdi></td>'
        f'<td class="id">{id_of(one.other_entry_id)}</td></tr>'
        for one in found[:_MAX_LISTED]
    )
    note = f"{len(found):,}: no word tells the new text from the other, and their answers differ.{_cut(found)}"
    yield card("New collisions", note, table(("#score", "new text", "entry", "other text", "entry"), rows))


def _changes(changes: Changes) -> Iterator[str]:
    for title, found in (("Added", changes.added), ("Changed", changes.changed), ("Removed", changes.removed)):
        if found:
            note = f"{len(found):,} {'entry' if len(found) == 1 else 'entries'}.{_cut(found)}"
            yield card(title, note, table(("entry", "question", ""), map(_change_row, found[:_MAX_LISTED])))


def _change_row(change: EntryChange) -> str:
    cells = f'<td class="id">{id_of(change.id)}</td><td class="text"><bdi>{text_of(change.query)}</bdi></td>'
    return f"<tr>{cells}<td>{text_of(', '.join(change.what))}</td></tr>"


def _cut(found: Sequence[object]) -> str:
    return f" The first {_MAX_LISTED:,}." if len(found) > _MAX_LISTED else ""


def _files(after: Manifest, before: Manifest | None) -> str:
    def rows() -> Iterable[str]:
        for name, file in sorted(after.files.items(), key=lambda item: -item[1].size_bytes):
            was = "-" if before is None or name not in before.files else size_text(before.files[name].size_bytes)
            yield f'<tr><td class="id">{id_of(name)}</td>{number(size_text(file.size_bytes))}{number(was)}</tr>'

    counts = after.counts
    note = f"{counts.rows:,} rows that live, {counts.dead_rows:,} dead ones."
    return card("Files", note, table(("file", "#size", "#before"), rows()), "narrow")


def _stages(report: RebuildReport) -> str:
    def rows() -> Iterator[str]:
        for stage in report.stages:
            shown = f"{stage.seconds:,.1f} s" if stage.seconds else ""
            cells = f"<td>{text_of(stage.name)}</td><td>{text_of(stage.state)}</td>{number(shown)}"
            yield f'<tr>{cells}<td class="text">{text_of(stage.why)}</td></tr>'
            if stage.name == "build" and report.built is not None:
                for part, seconds in report.built.seconds.items():
                    took = number(f"{seconds:,.1f} s")
                    yield f'<tr><td class="soft">- {text_of(part)}</td><td></td>{took}<td></td></tr>'

    return card("Stages", "", table(("stage", "", "#time", "why"), rows()))
