"""What a rebuild does, and with what: the values that its file states."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from semcache.config import DEFAULT_ROOT, AugmentConfig, BuildConfig, GateConfig, HarvestConfig, LlmConfig


@dataclass(frozen=True, slots=True)
class AugmentPlan:
    """How variants are generated before the build.

    Attributes:
        config: which variants, and how strict.
        llm: the language model to ask; None where only rules make them.
    """

    config: AugmentConfig = field(default_factory=AugmentConfig)
    llm: LlmConfig | None = None


@dataclass(frozen=True, slots=True)
class HarvestPlan:
    """How recorded misses become candidates, and where reviewed ones go.

    Attributes:
        record: folders that `Cache.open(record=)` writes to, or files of them.
        candidates: the file of candidates that people edit.
        accept_into: the corpus that takes what they reviewed, at the next rebuild; None where nobody should.
        config: which misses become candidates.
    """

    record: tuple[Path, ...]
    candidates: Path
    accept_into: Path | None = None
    config: HarvestConfig = field(default_factory=HarvestConfig)


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """Where a version is published.

    Attributes:
        remote: a folder, or an address.
        keys: folder of the keys that sign; None for the default one.
        allow_unsigned: sign nothing.
    """

    remote: str
    keys: Path | None = None
    allow_unsigned: bool = False


@dataclass(frozen=True, slots=True)
class RebuildPlan:
    """What a rebuild does.

    Attributes:
        name: of the bundle.
        corpora: corpus files; their order counts.
        root: folder of bundles.
        traffic: files of labelled queries that fit and certify.
        queries: files of labelled queries that evaluate; none of them may be in `traffic`.
        build: how to build.
        augment: generate variants first; None to take the sidecars as they are.
        harvest: what to do with recorded traffic; None for nothing.
        gates: what a new version must keep to.
        publish: where to; None to publish nowhere.
        keep: how many versions before the live one stay; None to remove nothing.
        report: the page to write; None for `<root>/<name>/rebuild.html`.
    """

    name: str
    corpora: tuple[Path, ...]
    root: Path = Path(DEFAULT_ROOT)
    traffic: tuple[Path, ...] = ()
    queries: tuple[Path, ...] = ()
    build: BuildConfig = field(default_factory=BuildConfig)
    augment: AugmentPlan | None = None
    harvest: HarvestPlan | None = None
    gates: GateConfig = field(default_factory=GateConfig)
    publish: PublishPlan | None = None
    keep: int | None = None
    report: Path | None = None
