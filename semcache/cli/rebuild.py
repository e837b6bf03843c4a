"""`semcache rebuild`: what a nightly job runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semcache.bundle.layout import REBUILD_PAGE_FILE
from semcache.cli.errors import EXIT_INTERRUPTED, EXIT_REFUSED
from semcache.cli.keys import KeyPaths
from semcache.cli.lookup import AsJson
from semcache.cli.output import print_json, printable
from semcache.cli.page import write_page
from semcache.cli.progress import progress_bar
from semcache.cli.publish import offers_to, published_text
from semcache.core.sizes import size_text
from semcache.settings import resolve_keys_dir, resolve_llm_key

if TYPE_CHECKING:
    from semcache.rebuild.plan import RebuildPlan
    from semcache.rebuild.report import RebuildReport, StageReport, Target

_INDENT = " " * 9
_COLOURS = {"done": "green", "refused": "red", "would run": "yellow"}


def rebuild(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="What to rebuild, and how (TOML).")],
    root: Annotated[Path | None, typer.Option(help="Folder of bundles. [default: the plan's]")] = None,
    keys: Annotated[Path | None, typer.Option(help="Folder of keys. [default: the plan's]")] = None,
    key: KeyPaths = None,
    force: Annotated[bool, typer.Option("--force", help="Run every stage, whether or not something changed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which stages would run, run none.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a bundle up to date: build what changed, judge it, publish it. Exit code 4: it was refused."""
    from semcache.rebuild.plan_file import read_plan  # noqa: PLC0415 - loads what signs: a third of a second
    from semcache.rebuild.run import rebuild as rebuild_bundle  # noqa: PLC0415

    plan = read_plan(config, api_key=resolve_llm_key())
    folder = root or plan.root
    target = None if dry_run else _target(plan, keys, key or [])
    shown = _Shown(plan, folder, is_quiet=as_json)
    try:
        with progress_bar() as progress:
            report = rebuild_bundle(
                plan,
                root=folder,
                target=target,
                force=force,
                dry_run=dry_run,
                on_stage=shown.stage,
                progress=progress,
            )
    except KeyboardInterrupt:
        typer.echo("interrupted; what was done stays, run the command again to go on", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        page = shown.write_page()  # also where a later stage failed
    if as_json:
        print_json({**_document(report), "report": page, "dry_run": dry_run})
    else:
        _print_end(report, page, dry_run=dry_run)
    if report.refused:
        raise typer.Exit(EXIT_REFUSED)


class _Shown:
    """What is told of a rebuild while it runs."""

    def __init__(self, plan: RebuildPlan, root: Path, *, is_quiet: bool) -> None:
        self._plan, self._root, self._is_quiet = plan, root, is_quiet
        self._report: RebuildReport | None = None

    def stage(self, stage: StageReport, report: RebuildReport) -> None:
        """Print a stage that ended."""
        self._report = report
        if not self._is_quiet:
            _print_stage(stage, report, self._plan)

    def write_page(self) -> Path | None:
        """Write what was judged as a page; where nothing was, the last page stays."""
        from semcache.cli.rebuild_html import rebuild_page  # noqa: PLC0415 - as in rebuild

        if self._report is None or self._report.judgement is None:
            return None
        path = self._plan.report or self._root / self._plan.name / REBUILD_PAGE_FILE
        write_page(path, rebuild_page(self._report))
        return path


def _target(plan: RebuildPlan, keys: Path | None, key_paths: list[Path]) -> Target | None:
    """Return where to publish; keys are read before anything is built, so that a missing one costs no night."""
    if plan.publish is None:
        return None
    from semcache.rebuild.report import Target  # noqa: PLC0415 - see above
    from semcache.store.objects import ObjectStore  # noqa: PLC0415

    store = ObjectStore.open(plan.publish.remote)
    keys_dir = resolve_keys_dir(keys or plan.publish.keys)
    return Target(store, offers_to(store, keys_dir, key_paths, allow_unsigned=plan.publish.allow_unsigned))


def _print_stage(stage: StageReport, report: RebuildReport, plan: RebuildPlan) -> None:
    told = [f"{stage.seconds:,.1f} s"] if stage.seconds else []
    told += [printable(stage.why)] if stage.why else []
    state = typer.style(stage.state, fg=_COLOURS.get(stage.state))
    typer.echo(f"{stage.name:<9}{state}{' ' * (11 - len(stage.state))}{', '.join(told)}".rstrip())
    if stage.state in {"done", "refused"}:
        for line in _lines(stage, report, plan):
            typer.echo(f"{_INDENT}{line}")


def _lines(stage: StageReport, report: RebuildReport, plan: RebuildPlan) -> Iterator[str]:
    """Yield what a stage has to say beside its state."""
    from semcache.cli.rebuild_texts import changes_text, gate_text  # noqa: PLC0415 - see above

    match stage.name:
        case "accept" if report.accepted is not None:
            yield f"{report.accepted.n_entries:,} new entries, {report.accepted.n_paraphrases:,} new paraphrases"
        case "augment" if report.augmented is not None:
            for source, counts in sorted(report.augmented.counts.items()):
                yield f"{source}: " + ", ".join(f"{n:,} {status}" for status, n in counts.most_common())
        case "gates" if report.judgement is not None:
            if report.judgement.comparison is not None:
                yield changes_text(report.judgement.comparison.changes)
            for gate in report.judgement.gates:
                mark = typer.style("ok    " if gate.passed else "FAILED", fg="green" if gate.passed else "red")
                yield f"{mark}  {printable(gate_text(gate))}"
        case "publish" if report.published is not None and plan.publish is not None:
            yield published_text(report.published, plan.name, plan.publish.remote)
        case "harvest" if report.harvested is not None:
            found = report.harvested
            yield f"{len(found.candidates):,} candidates of {found.n_misses:,} misses, beside {found.n_kept:,} of yours"
        case "gc" if report.collected is not None:
            removed = report.collected
            yield f"{len(removed.removed):,} removed, {size_text(removed.freed_bytes)} freed"


def _print_end(report: RebuildReport, page: Path | None, *, dry_run: bool) -> None:
    if page is not None:
        typer.echo(f"report   {page.relative_to(Path.cwd()) if page.is_relative_to(Path.cwd()) else page}")
    if dry_run:
        return
    if report.refused:
        stays = "nothing is live" if report.version is None else f"{report.version} stays live"
        typer.secho(f"refused  {stays}", fg="red", bold=True)
        for reason in report.refused:
            typer.secho(f"{_INDENT}{printable(reason)}", fg="red")
    elif report.version == report.before:
        typer.secho(f"live     {report.version}, as before", fg="green", bold=True)
    else:
        instead = "" if report.before is None else f", instead of {report.before}"
        typer.secho(f"live     {report.version}{instead}", fg="green", bold=True)


def _document(report: RebuildReport) -> dict[str, Any]:
    judgement = report.judgement
    comparison = None if judgement is None else judgement.comparison
    return {
        "name": report.name,
        "before": report.before,
        "version": report.version,
        "refused": report.refused,
        "stages": [asdict(stage) for stage in report.stages],
        "gates": None if judgement is None else [{**asdict(gate), "passed": gate.passed} for gate in judgement.gates],
        "changes": None if comparison is None else asdict(comparison.changes),
        "collisions": None if comparison is None else [asdict(found) for found in comparison.collisions],
        "seconds": None if report.built is None else report.built.seconds,
        "accepted": None if report.accepted is None else asdict(report.accepted),
        "published": None if report.published is None else asdict(report.published),
        "candidates": None if report.harvested is None else len(report.harvested.candidates),
        "freed_bytes": None if report.collected is None else report.collected.freed_bytes,
    }
