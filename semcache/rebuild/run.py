"""Rebuilds a bundle: takes in what was reviewed, generates, builds, judges, publishes, harvests, and cleans up.

A stage runs again only where something changed that it is made from. Killed at any point, it leaves the live version,
and the next run goes on from there: every stage can be repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from semcache.build.accept import accept_candidates
from semcache.build.augment import augment_corpora
from semcache.build.encoders import ensure_encoder
from semcache.build.llm_http import ChatClient
from semcache.build.pipeline import Progress, build_bundle
from semcache.bundle import layout
from semcache.bundle.live import versions_that_were_live
from semcache.bundle.locate import BundleLocation
from semcache.bundle.reader import VersionReader
from semcache.config import DEFAULT_ROOT, OpenConfig
from semcache.core.text import normalise
from semcache.embed.registry import load_embedder
from semcache.errors import BuildLockedError, BundleError, ConfigError, CorpusError, GateError, StorageError
from semcache.lookup.harvest import harvest
from semcache.lookup.queries import read_queries
from semcache.rebuild.gates import Delta
from semcache.rebuild.inputs import (
    Inputs,
    accept_inputs,
    augment_inputs,
    build_inputs,
    changed,
    gate_inputs,
    harvest_inputs,
)
from semcache.rebuild.journal import Done, Journal
from semcache.rebuild.judge import judge
from semcache.rebuild.plan import AugmentPlan, HarvestPlan, RebuildPlan
from semcache.rebuild.report import RebuildReport, StageName, StageReport, State, Target
from semcache.remote.gc import collect
from semcache.store.fsio import FileSystem
from semcache.store.lock import LockedError, exclusive_lock
from semcache.types import LabelledQuery

if TYPE_CHECKING:
    from semcache.remote.publish import PublishReport

Clock = Callable[[], datetime]
"""Returns the time, in UTC."""

_SHOWN_INPUTS = 3


def rebuild(
    plan: RebuildPlan,
    *,
    root: str | Path | None = None,
    target: Target | None = None,
    force: bool = False,
    dry_run: bool = False,
    on_stage: Callable[[StageReport, RebuildReport], None] | None = None,
    progress: Progress | None = None,
    fs: FileSystem | None = None,
    clock: Clock = lambda: datetime.now(UTC),
) -> RebuildReport:
    """Bring a bundle up to date with its corpora and its traffic, where it passes its gates.

    A version that fails one is deleted; the live one stays, nothing is published, and the report says so.

    Args:
        plan: what to do.
        root: folder of bundles; None for the plan's.
        target: where to publish; None to publish nowhere. A dry run needs none.
        force: run every stage, whether or not something changed.
        dry_run: say which stages would run, run none.
        on_stage: is told of each stage as it ends.
        progress: is told how far a stage is.
        fs: durable steps; tests pass one that fails.
        clock: the time.

    Raises:
        BuildLockedError: another rebuild, build or pull of this name is running.
        ConfigError: a query both certifies and evaluates.
        CorpusError, RecallError, EncoderError, LlmError, RemoteError, StorageError: a stage failed; those before it
            stay done.
    """
    root = Path(root or plan.root or DEFAULT_ROOT)
    fs = fs or FileSystem()
    run = _Run(plan, root, target, force=force, dry_run=dry_run, fs=fs, clock=clock)
    run.on_stage, run.progress = on_stage or run.on_stage, progress or run.progress
    with nullcontext() if dry_run else _locked(fs, root / plan.name):
        return run.all()


@contextmanager
def _locked(fs: FileSystem, bundle_dir: Path) -> Iterator[None]:
    path = bundle_dir / layout.REBUILD_LOCK_FILE
    try:
        fs.make_dir(bundle_dir)
        with exclusive_lock(path):
            yield
    except LockedError as error:
        raise BuildLockedError(path) from error
    except OSError as error:
        raise StorageError.from_os_error(error.filename or path, error) from error


class _Run:
    """One rebuild; the lock is held."""

    def __init__(
        self,
        plan: RebuildPlan,
        root: Path,
        target: Target | None,
        *,
        force: bool,
        dry_run: bool,
        fs: FileSystem,
        clock: Clock,
    ) -> None:
        self._plan, self._root, self._target = plan, root, target
        self._force, self._dry_run, self._fs, self._clock = force, dry_run, fs, clock
        self._bundle_dir = root / plan.name
        self.on_stage: Callable[[StageReport, RebuildReport], None] = lambda *_: None
        self.progress: Progress = lambda *_: None
        self._journal = Journal.read(self._bundle_dir)
        self._report = RebuildReport(plan.name, self._now(), self._live())

    def all(self) -> RebuildReport:
        """Run every stage that the plan names."""
        plan, report = self._plan, self._report
        traffic, queries = _labelled(plan)
        if plan.harvest is not None and plan.harvest.accept_into is not None:
            self._accept(plan.harvest, plan.harvest.accept_into)
        if plan.augment is not None:
            self._augment(plan.augment)
        self._build(traffic, queries)
        if self._live() is None and not self._dry_run:
            return report  # the first version was refused
        if self._target is not None:
            self._publish(self._target)
        elif self._dry_run and plan.publish is not None:
            self._tell("publish", "would run", "")
        if plan.harvest is not None:
            self._harvest(plan.harvest)
        if plan.keep is not None:
            self._collect(plan.keep)
        report.version = self._live()
        return report

    def _stage(self, name: StageName, inputs: Callable[[], Inputs], work: Callable[[], None]) -> None:
        """Run a stage where its inputs are not those that its last run left."""
        done = self._journal.stages.get(name)
        what = changed(None if done is None else done.inputs, inputs())
        if done is not None and not what and not self._force:
            self._tell(name, "skipped", f"nothing changed since {_when(done.at)}")
            return
        if self._work(name, _why(what, is_first=done is None), work):
            self._journal.note(self._fs, name, Done(self._now(), inputs()))

    def _work(self, name: StageName, why: str, work: Callable[[], None]) -> bool:
        """Do the work of a stage and tell of it; return whether it was done."""
        if self._dry_run:
            self._tell(name, "would run", why)
            return False
        began = time.perf_counter()
        work()
        self._tell(name, "done", why, seconds=time.perf_counter() - began)
        return True

    def _tell(self, name: StageName, state: State, why: str, *, seconds: float = 0.0) -> None:
        stage = StageReport(name, state, why, round(seconds, 3))
        self._report.stages.append(stage)
        self.on_stage(stage, self._report)

    def _accept(self, harvesting: HarvestPlan, into: Path) -> None:
        if not harvesting.candidates.exists():
            self._tell("accept", "skipped", f"there is no {harvesting.candidates}")
            return

        def work() -> None:
            corpora = [into, *(path for path in self._plan.corpora if path != into)]
            self._report.accepted = accept_candidates(harvesting.candidates, corpora, fs=self._fs)

        self._stage("accept", lambda: accept_inputs(harvesting), work)

    def _augment(self, augment: AugmentPlan) -> None:
        def work() -> None:
            embedder = load_embedder(ensure_encoder(self._fs, self._root, self._plan.build.model))
            client = None if augment.llm is None else ChatClient(augment.llm, seed=self._plan.build.seed)
            with nullcontext() if client is None else closing(client):
                self._report.augmented = augment_corpora(
                    self._plan.corpora,
                    augment.config,
                    embedder=embedder,
                    asker=client,
                    llm=augment.llm,
                    n_workers=self._plan.build.n_workers,
                    progress=self.progress,
                    fs=self._fs,
                )

        self._stage("augment", lambda: augment_inputs(self._plan, augment), work)

    def _build(self, traffic: tuple[LabelledQuery, ...], queries: tuple[LabelledQuery, ...]) -> None:
        inputs, live = build_inputs(self._plan), self._live()
        done = self._journal.stages.get("build")
        what = changed(None if done is None else done.inputs, inputs)
        why = _why(what, is_first=done is None)
        if not self._force:
            if done is not None and not what:
                is_made, why = self._is_made(done, live)
                if is_made:
                    self._tell("build", "skipped", why)
                    return
            judged = self._journal.stages.get("gates")
            if judged is not None and judged.reasons and judged.inputs == gate_inputs(self._plan, live=live or ""):
                self._report.refused = judged.reasons
                self._tell("build", "skipped", f"the same inputs were refused on {_when(judged.at)}")
                return
        if self._dry_run:
            self._tell("build", "would run", why)
        else:
            self._build_and_judge(traffic, queries, why=why, live=live)

    def _is_made(self, done: Done, live: str | None) -> tuple[bool, str]:
        """Say whether the version that unchanged inputs made is not to be built again, and why or why not."""
        since = f"nothing changed since {_when(done.at)}"
        if live is None or self._readable(live) is None:
            return False, "the live version cannot be read"
        if live == done.version:
            return True, since
        order = versions_that_were_live(self._bundle_dir)
        if done.version in order[order.index(live) + 1 :]:
            return True, f"{since}, and what it made was rolled back"
        return False, "another version is live than it made"

    def _build_and_judge(
        self, traffic: tuple[LabelledQuery, ...], queries: tuple[LabelledQuery, ...], *, why: str, live: str | None
    ) -> None:
        inputs, began, built_s = build_inputs(self._plan), time.perf_counter(), 0.0

        def check(folder: Path) -> None:
            nonlocal built_s
            built_s = time.perf_counter() - began
            if folder.name == live:
                return  # the very version that is live
            self._tell("build", "done", why, seconds=built_s)
            self._judge(folder, live, queries)

        try:
            self._report.built = build_bundle(
                self._plan.corpora,
                name=self._plan.name,
                root=self._root,
                config=self._plan.build,
                traffic=traffic,
                check=check,
                progress=self.progress,
                fs=self._fs,
            )
        except GateError as error:
            self._report.refused = tuple(error.reasons)
            refused = Done(self._now(), gate_inputs(self._plan, live=live or ""), reasons=self._report.refused)
            self._journal.note(self._fs, "gates", refused)
            return
        if self._report.judgement is None:
            self._tell("build", "done", f"{why}; it makes the very version that is live", seconds=built_s)
        self._journal.note(self._fs, "build", Done(self._now(), inputs, version=self._report.built.id))

    def _judge(self, folder: Path, live: str | None, queries: tuple[LabelledQuery, ...]) -> None:
        began = time.perf_counter()
        live_dir = None if live is None else self._readable(live)
        judgement = judge(folder, live_dir, plan=self._plan, queries=queries, delta_of=self._delta_of)
        self._report.judgement = judgement
        seconds, n = time.perf_counter() - began, len(judgement.gates)
        if judgement.failed:
            self._tell("gates", "refused", f"{len(judgement.failed)} of {n} failed", seconds=seconds)
            raise GateError([f"{gate.name}: {gate.detail}" for gate in judgement.failed])
        self._tell("gates", "done", f"{n} of {n} passed", seconds=seconds)

    def _readable(self, version: str) -> Path | None:
        """Return the folder of a version; None where it cannot be opened, so that a rebuild mends it."""
        location = BundleLocation(self._root.absolute(), self._bundle_dir.absolute(), version)
        try:
            return VersionReader(location, version, OpenConfig(prefault=False)).folder
        except BundleError:
            return None

    def _delta_of(self, folder: Path) -> Delta | None:
        if self._target is None:
            return None
        found = self._published(self._target, str(folder), dry_run=True)
        return Delta(found.new_bytes, found.size_bytes, is_first=found.number == 1)

    def _publish(self, target: Target) -> None:
        """Have the remote offer the live version; where the gates refused a new one, only if it does already."""
        name = self._plan.name

        def work() -> None:
            self._report.published = self._published(target, name)
            if not self._report.published.is_new and not self._report.published.is_renewed:
                target.offers.renew()

        if self._report.refused and self._published(target, name, dry_run=True).is_new:
            self._tell("publish", "skipped", "a version was refused, and what is live was never published")
            return
        self._work("publish", "", work)

    def _published(self, target: Target, bundle: str, *, dry_run: bool = False) -> PublishReport:
        """Publish a bundle, or a folder of a version; or say what that would be."""
        from semcache.remote.publish import publish  # noqa: PLC0415 - needs an extra

        return publish(bundle, target.store, target.offers, root=self._root, dry_run=dry_run, clock=self._clock)

    def _harvest(self, harvesting: HarvestPlan) -> None:
        record = [path for path in harvesting.record if path.exists()]
        if not record:
            self._tell("harvest", "skipped", "nothing was recorded yet")
            return

        def work() -> None:
            self._report.harvested = harvest(
                self._plan.name,
                record,
                harvesting.candidates,
                root=self._root,
                config=harvesting.config,
                fs=self._fs,
            )

        self._stage("harvest", lambda: harvest_inputs(harvesting, live=self._live() or ""), work)

    def _collect(self, keep: int) -> None:
        def work() -> None:
            self._report.collected = collect(self._plan.name, root=self._root, keep=keep, fs=self._fs)

        self._work("gc", "", work)

    def _live(self) -> str | None:
        try:
            return BundleLocation(self._root, self._bundle_dir, None).live_id()
        except BundleError:
            return None

    def _now(self) -> int:
        return int(self._clock().timestamp())


def _labelled(plan: RebuildPlan) -> tuple[tuple[LabelledQuery, ...], tuple[LabelledQuery, ...]]:
    """Return the queries that certify and those that evaluate.

    Raises:
        CorpusError: a line is none.
        ConfigError: a query is among both.
    """
    traffic, queries = read_queries(plan.traffic), read_queries(plan.queries)
    if n_problems := traffic.n_problems + queries.n_problems:
        raise CorpusError([*traffic.problems, *queries.problems], n_problems=n_problems)
    certifying = {normalise(query.text): query.place for query in traffic.queries}
    for query in queries.queries:
        if place := certifying.get(normalise(query.text)):
            msg = f"{query.place}: evaluates what {place} certifies; a query may stand in one of queries and traffic"
            raise ConfigError(msg)
    return traffic.queries, queries.queries


def _why(what: list[str], *, is_first: bool) -> str:
    if is_first:
        return "it never ran before"
    if not what:
        return "forced"
    names = [Path(name).name for name in what[:_SHOWN_INPUTS]]
    more = f" and {len(what) - _SHOWN_INPUTS:,} more" if len(what) > _SHOWN_INPUTS else ""
    return f"changed: {', '.join(names)}{more}"


def _when(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
