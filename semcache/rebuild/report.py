"""What a rebuild did, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from semcache.build.accept import AcceptReport
from semcache.build.augment import AugmentReport
from semcache.build.pipeline import BuildReport
from semcache.lookup.harvest import HarvestReport
from semcache.rebuild.judge import Judgement
from semcache.remote.gc import GcReport
from semcache.store.objects import ObjectStore

if TYPE_CHECKING:  # both need an extra; a rebuild that publishes nowhere does not
    from semcache.remote.offers import OwnOffers
    from semcache.remote.publish import PublishReport

StageName = Literal["accept", "augment", "build", "gates", "publish", "harvest", "gc"]
State = Literal["done", "skipped", "refused", "would run"]


@dataclass(frozen=True, slots=True)
class StageReport:
    """What became of a stage.

    Attributes:
        name: of the stage.
        state: what became of it.
        why: what changed since its last run, or why it did not run; "" for a stage that always runs.
        seconds: how long it took.
    """

    name: StageName
    state: State
    why: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Target:
    """Where a version is published, and who signs it."""

    store: ObjectStore
    offers: OwnOffers


@dataclass(slots=True)
class RebuildReport:
    """What a rebuild did.

    Attributes:
        name: of the bundle.
        began: in Unix seconds.
        before: the version that was live; None where there was none.
        version: the one that is live now; None where there is none.
        stages: in the order in which they ran.
        refused: why the gates refused the new version, or the same inputs before; empty where they did not.
        accepted, augmented, built, judgement, published, harvested, collected: what each stage reports; None where it
            did not run.
    """

    name: str
    began: int
    before: str | None
    version: str | None = None
    stages: list[StageReport] = field(default_factory=list)
    refused: tuple[str, ...] = ()
    accepted: AcceptReport | None = None
    augmented: AugmentReport | None = None
    built: BuildReport | None = None
    judgement: Judgement | None = None
    published: PublishReport | None = None
    harvested: HarvestReport | None = None
    collected: GcReport | None = None
