"""Rebuilds a bundle: takes in what was reviewed, generates, builds, judges, publishes, harvests, and cleans up.

A stage runs again only where something changed that it is made from. Killed at any point, it leaves the live version,
and the next run goes on from there: every stage can be repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from semcache.build.accept import accept_candidates
from semcache.build.augment import augment_corpora
from semcache.build.encoders import ensure_encoder
from semcache.build.llm_http import ChatClient
from semcache.build.pipeline import Progress, build_bundle
from semcache.build.sidecar import sidecar_path
from semcache.bundle import layout
from semcache.bundle.live import versions_that_were_live
from semcache.bundle.locate import BundleLocation
from semcache.bundle.reader import VersionReader
from semcache.bundle.releases import releases_on_disk
from semcache.config import OpenConfig
from semcache.core.text import normalise
from semcache.embed.registry import load_embedder
from semcache.errors import (
    BuildLockedError,
    BundleError,
    ConfigError,
    CorpusError,
    GateError,
    RecallError,
    StorageError,
)
from semcache.lookup.harvest import harvest
from semcache.lookup.queries import read_queries
from semcache.rebuild.choice import BUILT, PASSED, REFUSED, choose, when, why_of
from semcache.rebuild.gates import Delta
from semcache.rebuild.inputs import Inputs, accept_inputs, augment_inputs, build_inputs, gate_inputs, harvest_inputs
from semcache.rebuild.journal import Done, Journal
from semcache.rebuild.judge import judge
from semcache.rebuild.plan import AugmentPlan, HarvestPlan, RebuildPlan
from semcache.rebuild.report import RebuildReport, StageName, StageReport, State, Target
from semcache.remote.gc import collect
from semcache.store.candidate_file import CandidateFile
from semcache.store.fsio import FileSystem
from semcache.store.lock import LockedError, exclusive_lock
from semcache.types import LabelledQuery

if TYPE_CHECKING:
    from semcache.remote.publish import PublishReport

Clock = Callable[[], datetime]
"""Returns the time, in UTC."""


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
        ConfigError: a query both certifies and evaluates, or files that are named hold none.
        CorpusError, EncoderError, LlmError, RemoteError, StorageError: a stage failed; those before it
            stay done.
    """
    root = Path(root or plan.root)
    fs = fs or FileSystem()
    run = _Run(plan, root, target, force=force, dry_run=dry_run, fs=fs, clock=clock)
    run.on_stage, run.progress = on_stage or run.on_stage, progress or run.progress
    with nullcontext() if dry_run else _locked(fs, root / plan.name):
        return run.all()


@contextmanager
def _locked(fs: FileSystem, bundle_dir: Path) -> Iterator[None]:
    """Hold the lock that rebuilds of a name take; what is raised within stays as it is."""
    path = bundle_dir / layout.REBUILD_LOCK_FILE
    with ExitStack() as stack:
        try:
            fs.make_dir(bundle_dir)
            stack.enter_context(exclusive_lock(path))
        except LockedError as error:
            raise BuildLockedError(path) from error
        except OSError as error:
            raise StorageError.from_os_error(error.filename or path, error) from error
        yield


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
        _labelled(plan)
        if plan.harvest is not None:
            CandidateFile(plan.harvest.candidates)  # what is wrong in it is said before anything is done
            if plan.harvest.accept_into is not None:
                self._accept(plan.harvest, plan.harvest.accept_into)
        if plan.augment is not None:
            self._augment(plan.augment)
        self._build()
        report.version = self._live()
        if report.version is None and not self._dry_run:
            return report  # the first version was refused
        if self._dry_run and plan.publish is not None:
            self._tell("publish", "would run", "")
        elif self._target is not None:
            self._publish(self._target)
        if plan.harvest is not None:
            self._harvest(plan.harvest)
        if plan.keep is not None:
            self._collect(plan.keep)
        return report

    def _stage(
        self, name: StageName, inputs: Callable[[], Inputs], work: Callable[[], None], *, writes: Sequence[Path]
    ) -> None:
        """Run a stage where its inputs changed.

        What is noted is what they were before, so that what changes meanwhile is seen the next time; but of files that
        the stage itself writes, what it left.
        """
        done, before = self._journal.stages.get(name), inputs()
        why = why_of(None if done is None else done.inputs, before)
        if done is not None and not why and not self._force:
            self._tell(name, "skipped", f"nothing changed since {when(done.at)}")
            return
        if self._work(name, why or "forced", work):
            left = {path: digest for path, digest in inputs().items() if path in map(str, writes)}
            self._journal.note(self._fs, name, Done(self._now(), {**before, **left}))

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

        self._stage("accept", lambda: accept_inputs(harvesting), work, writes=[harvesting.candidates])

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

        sidecars = [sidecar_path(corpus) for corpus in self._plan.corpora]
        self._stage("augment", lambda: augment_inputs(self._plan, augment), work, writes=sidecars)

    def _build(self) -> None:
        inputs, live = build_inputs(self._plan), self._live()
        judged = gate_inputs(self._plan, inputs, live=live or "")
        choice = choose(
            self._journal,
            inputs,
            judged,
            live=None if live is None or self._readable(live) is None else live,
            were_live=versions_that_were_live(self._bundle_dir),
            force=self._force,
        )
        may_change = any(stage.state == "would run" for stage in self._report.stages)
        self._report.refused = choice.reasons
        if self._dry_run and (choice.builds or may_change):
            self._tell(
                "build", "would run", choice.why if choice.builds else "where a stage before it changes a corpus"
            )
        elif choice.builds:
            self._build_and_judge(inputs, judged, why=choice.why)
        else:
            self._tell("build", "skipped", choice.why)

    def _build_and_judge(self, inputs: Inputs, judged: Inputs, *, why: str) -> None:
        traffic, queries = _labelled(self._plan)
        began, report = time.perf_counter(), self._report

        def check(folder: Path) -> None:
            passed, live = self._journal.stages.get(PASSED), self._live()
            is_known = passed is not None and passed.version == folder.name and not self._force
            if is_known and live is not None and live != folder.name:
                is_known = self._readable(live) is None  # it takes the place of a damaged one; else it is judged anew
            note = f"{why}; it makes a version that passed before" if is_known else why
            self._tell("build", "done", note, seconds=time.perf_counter() - began)
            if not is_known:
                self._judge(folder, queries)
            self._journal.note(self._fs, PASSED, Done(self._now(), inputs, version=folder.name))

        try:
            report.built = build_bundle(
                self._plan.corpora,
                name=self._plan.name,
                root=self._root,
                config=self._plan.build,
                traffic=traffic,
                check=check,
                progress=self.progress,
                fs=self._fs,
            )
        except RecallError as error:
            report.refused = (str(error),)
            self._tell("build", "refused", why, seconds=time.perf_counter() - began)
        except GateError as error:
            report.refused = tuple(error.reasons)
        if report.built is not None:
            self._journal.note(self._fs, BUILT, Done(self._now(), inputs, version=report.built.id))
        elif report.judgement is None or not report.judgement.may_pass:
            self._journal.note(self._fs, REFUSED, Done(self._now(), judged, reasons=report.refused))

    def _judge(self, folder: Path, queries: tuple[LabelledQuery, ...]) -> None:
        """Judge a version that is whole; called under the lock of the name, so that what is live stays live."""
        began = time.perf_counter()
        judgement = judge(
            folder,
            self._last_readable(),
            plan=self._plan,
            queries=queries,
            delta_of=self._delta_of,
            had_version=bool(self._journal.stages.keys() & {BUILT, PASSED}),
        )
        self._report.judgement = judgement
        seconds, n = time.perf_counter() - began, len(judgement.gates)
        if judgement.failed:
            self._tell("gates", "refused", f"{len(judgement.failed)} of {n} failed", seconds=seconds)
            raise GateError([f"{gate.name}: {gate.detail}" for gate in judgement.failed])
        self._tell("gates", "done", f"{n} of {n} passed", seconds=seconds)

    def _last_readable(self) -> Path | None:
        """Return the folder of the live version, or of the last one before it that can be read; None without any."""
        live = self._live()
        order = [version for version in versions_that_were_live(self._bundle_dir) if version != live]
        candidates = [live, *reversed(order)] if live is not None else order[::-1]
        return next((folder for version in candidates if (folder := self._readable(version)) is not None), None)

    def _readable(self, version: str) -> Path | None:
        """Return the folder of a version; None where a byte of it is damaged."""
        location = BundleLocation(self._root.absolute(), self._bundle_dir.absolute(), version)
        try:
            return VersionReader(location, version, OpenConfig(verify="full", prefault=False)).folder
        except BundleError:
            return None

    def _delta_of(self, folder: Path) -> Delta | None:
        if self._target is None:
            return None
        found = self._published(self._target, str(folder), dry_run=True)
        return Delta(found.new_bytes, found.size_bytes, is_first=found.number == 1)

    def _publish(self, target: Target) -> None:
        """Have the remote offer the live version, where it passed its gates or was published before."""

        def work() -> None:
            self._report.published = self._published(target, self._plan.name)
            if not self._report.published.is_new and not self._report.published.is_renewed:
                target.offers.renew()

        live, noted = self._live(), self._journal.stages
        judged = {noted[stage].version for stage in (BUILT, PASSED) if stage in noted}
        if live is None or self._readable(live) is None:
            self._tell("publish", "skipped", "the live version cannot be read")
        elif live in judged or live in releases_on_disk(self._bundle_dir):
            self._work("publish", "", work)
        else:
            self._tell("publish", "skipped", "what is live was neither judged nor published before")

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

        live = self._live() or ""
        self._stage("harvest", lambda: harvest_inputs(harvesting, live=live), work, writes=[harvesting.candidates])

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
        ConfigError: a query is among both, or files that are named hold none.
    """
    traffic, queries = read_queries(plan.traffic), read_queries(plan.queries)
    if n_problems := traffic.n_problems + queries.n_problems:
        raise CorpusError([*traffic.problems, *queries.problems], n_problems=n_problems)
    for name, paths, found in (("traffic", plan.traffic, traffic), ("queries", plan.queries, queries)):
        if paths and not found.queries:
            msg = f"{name}: found no query in {', '.join(map(str, paths))}, allowed 1 or more"
            raise ConfigError(msg)
    certifying = {normalise(query.text): query.place for query in traffic.queries}
    for query in queries.queries:
        if place := certifying.get(normalise(query.text)):
            msg = f"{query.place}: evaluates what {place} certifies; a query may stand in one of queries and traffic"
            raise ConfigError(msg)
    return traffic.queries, queries.queries
