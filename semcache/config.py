"""Frozen settings of each stage, with default, range and effect. Checked on construction.

What changes results is written into the manifest and read from there at lookup.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from semcache.errors import ConfigError

IndexChoice = Literal["auto", "flat", "ivf", "hnsw"]
AugmentChoice = Literal["none", "sidecar", "rules"]

LEVELS = (0.005, 0.01, 0.02, 0.05, 0.10)
"""The errors that a bundle is certified for."""
DEFAULT_ROOT = "indexes"
MAX_AGE_S = 7 * 24 * 3600.0
"""After how long a pulled bundle counts as old."""
DEFAULT_KEYS = "~/.config/semcache/keys"
DEFAULT_MODEL = "all-MiniLM-L6-v2"
HASHING_MODEL = "hashing"


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        msg = f"{name}: found {value}, allowed {low} to {high}"
        raise ConfigError(msg)


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class KeysConfig:
    """Who may sign a remote, and for how long a signature counts.

    Changes results:
        root_keys: keys that may change the keys; kept offline, each by another person where there are several. 1 to 16.
        root_threshold: how many of them it takes. 1 to root_keys.
        root_days, targets_days, snapshot_days, timestamp_days: how long each kind of metadata counts. 1 to 3,650.
            The shortest, timestamp_days, bounds for how long readers can be kept on an old version unnoticed; the
            metadata is to be renewed that often.
    """

    root_keys: int = 1
    root_threshold: int = 1
    root_days: int = 365
    targets_days: int = 30
    snapshot_days: int = 7
    timestamp_days: int = 2

    def __post_init__(self) -> None:
        _check_range("root_keys", self.root_keys, 1, 16)
        _check_range("root_threshold", self.root_threshold, 1, self.root_keys)
        for role in ("root", "targets", "snapshot", "timestamp"):
            _check_range(f"{role}_days", getattr(self, f"{role}_days"), 1, 3650)


@dataclass(frozen=True, slots=True)
class BuildConfig:
    """How a bundle is built.

    Changes results:
        model: encoder to use: "all-MiniLM-L6-v2" (from the `minilm` extra), "package:NAME" for an installed
            package that carries weights, a local folder, a name sentence-transformers knows, or "hashing"
            (for tests: no meaning, only shared letters).
        index: "flat" is exact; "ivf" and "hnsw" are approximate and gated by recall; "auto" chooses by size.
        seed: of every random choice (k-means, samples). 0 to 2**31 - 1.
        max_error: the error promised to callers who name none: 0.005, 0.01, 0.02, 0.05 or 0.1. Where it cannot be
            certified, the next larger one that can.
        outside_share: of queries without a right answer among those that certify. 0 to 0.9.
        tune: fine-tune the model on the corpus's phrasings and rejects, minutes on a CPU; kept only where it raises the
            coverage of phrasings held out, of answers with three or more. Written queries then prove no level, traffic
            does. The bundle brings an encoder of its own (90 MB for MiniLM). A build that follows a version with a
            tuned encoder keeps that. Needs the `build` extra.
        adapter: learn one where it raises held-out coverage. A build that follows a version keeps what that one has.
        n_neighbours: rows that are looked at for a decision. 2 to 1024.
        min_recall_at_1, min_recall_at_10: the build fails below these. 0 to 1.
        compress: store values zstd-compressed with a trained dictionary (smaller; no longer zero-copy).
        augment: generated variants to index: "sidecar" takes those that `semcache augment` kept beside a corpus,
            "rules" also makes some by rule, "none" takes none.
        n_rules: most variants by rule an entry, with augment "rules". 0 to 64.
        fresh: number rows, entries and answers anew, and learn the adapter and a tuned encoder anew. Else what the live
            version of this name holds too keeps its number, so that little of the next version must travel.

    Changes speed or memory:
        n_workers: threads that embed, and that train adapters; 0 means one a core.
        batch_rows: texts in flight per worker. 16 to 65,536.
        keep_vectors: keep what is embedded in the root, and read what is kept there. 3 kB a text for MiniLM.
    """

    model: str = DEFAULT_MODEL
    index: IndexChoice = "auto"
    seed: int = 0
    max_error: float = 0.02
    outside_share: float = 0.4
    tune: bool = False
    adapter: bool = True
    n_neighbours: int = 64
    min_recall_at_1: float = 0.99
    min_recall_at_10: float = 0.98
    compress: bool = False
    augment: AugmentChoice = "sidecar"
    n_rules: int = 4
    fresh: bool = False
    n_workers: int = 0
    batch_rows: int = 512
    keep_vectors: bool = True

    def __post_init__(self) -> None:
        if self.index not in ("auto", "flat", "ivf", "hnsw"):
            msg = f"index: found {self.index!r}, allowed auto, flat, ivf or hnsw"
            raise ConfigError(msg)
        if self.augment not in ("none", "sidecar", "rules"):
            msg = f"augment: found {self.augment!r}, allowed none, sidecar or rules"
            raise ConfigError(msg)
        if self.tune and self.model == HASHING_MODEL:
            msg = "tune: the hashing encoder has nothing to learn; allowed with a model of sentence-transformers"
            raise ConfigError(msg)
        _check_range("n_rules", self.n_rules, 0, 64)
        _check_range("seed", self.seed, 0, 2**31 - 1)
        if self.max_error not in LEVELS:
            msg = f"max_error: found {self.max_error}, allowed {', '.join(map(str, LEVELS))}"
            raise ConfigError(msg)
        _check_range("outside_share", self.outside_share, 0.0, 0.9)
        _check_range("n_neighbours", self.n_neighbours, 2, 1024)
        _check_range("min_recall_at_1", self.min_recall_at_1, 0.0, 1.0)
        _check_range("min_recall_at_10", self.min_recall_at_10, 0.0, 1.0)
        _check_range("n_workers", self.n_workers, 0, 1024)
        _check_range("batch_rows", self.batch_rows, 16, 65_536)


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """Which variants are generated for an entry, and which of them are kept. Changes results.

    The limits were chosen by measurement: docs/augmentation.md.

    Attributes:
        per_entry: most variants of each source an entry. 1 to 64.
        rules: make variants by rule; no set was found on which they help.
        guards: what is nearer to another answer than to its own entry becomes a guard.
        facts: drop what differs from its original in a number, an identifier, a name, negation or question word.
        seed: of the typing errors among the rules. 0 to 2**31 - 1.
        min_margin: least distance between a variant's score to its entry and to the best different answer. -1 to 1.
        min_score: least score of a variant to a written text of its entry. -1 to 1.
        max_score: scores above, to a written text or to a kept variant, add nothing. -1 to 1.
    """

    per_entry: int = 8
    rules: bool = False
    guards: bool = False
    facts: bool = True
    seed: int = 0
    min_margin: float = 0.0
    min_score: float = 0.4
    max_score: float = 0.98

    def __post_init__(self) -> None:
        _check_range("per_entry", self.per_entry, 1, 64)
        _check_range("seed", self.seed, 0, 2**31 - 1)
        _check_range("min_margin", self.min_margin, -1.0, 1.0)
        _check_range("min_score", self.min_score, -1.0, 1.0)
        _check_range("max_score", self.max_score, -1.0, 1.0)


@dataclass(frozen=True, slots=True)
class LlmConfig:
    """Which language model writes paraphrases, and with how much patience.

    Changes results:
        base_url: of an OpenAI-compatible endpoint, such as "http://localhost:8000/v1".
        model: its name there.
        entries_per_request: entries one request asks about. 1 to 64.

    Changes speed or memory:
        api_key: sent in one header, never shown; empty for none.
        concurrency: requests at a time. 1 to 64.
        timeout_s: of one attempt. 0.1 to 3600.
        n_retries: further attempts of a request. 0 to 20.
    """

    base_url: str = field(repr=False)
    model: str
    entries_per_request: int = 8
    api_key: str = field(default="", repr=False)
    concurrency: int = 4
    timeout_s: float = 120.0
    n_retries: int = 6

    def __post_init__(self) -> None:
        if not _is_web_address(self.base_url):
            msg = "base_url: found no http or https address, allowed one such as http://localhost:8000/v1"
            raise ConfigError(msg)
        if not self.model or not self.model.isprintable():
            msg = f"model: found {self.model!r}, allowed the name of a model"
            raise ConfigError(msg)
        if not self.api_key.isascii() or not self.api_key.isprintable():
            msg = "api_key: found characters that no header may hold, allowed printable ASCII"
            raise ConfigError(msg)
        _check_range("entries_per_request", self.entries_per_request, 1, 64)
        _check_range("concurrency", self.concurrency, 1, 64)
        _check_range("timeout_s", self.timeout_s, 0.1, 3600.0)
        _check_range("n_retries", self.n_retries, 0, 20)

    @property
    def shown_url(self) -> str:
        """The endpoint without user, password and query."""
        parts = urlsplit(self.base_url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


@dataclass(frozen=True, slots=True)
class OpenConfig:
    """How a bundle is opened.

    Changes results:
        max_age_s: a pulled bundle whose release was published longer ago is served with a warning. 60 to 10**10; None
            for any age. Bundles that were built here have none.
        strict_age: refuse such a bundle instead: BundleExpiredError.
        refresh_every_s: follow what becomes live, in the background, this often. 0.01 to 86,400; None leaves that to
            `Cache.refresh`.

    Changes speed or memory:
        prefault: bring the index's pages in at open, so that the first lookup is as fast as the second.
        embed_threads: cores one embedding may use. 1 to 256; more than 1 starts a thread pool.
        verify: "frame" checks sizes, the manifest and every byte that is parsed (milliseconds); "full" checks
            every byte of the bundle (about 1 s a GB), as for one that comes from elsewhere.
    """

    prefault: bool = True
    embed_threads: int = 1
    verify: Literal["frame", "full"] = "frame"
    max_age_s: float | None = MAX_AGE_S
    strict_age: bool = False
    refresh_every_s: float | None = None

    def __post_init__(self) -> None:
        _check_range("embed_threads", self.embed_threads, 1, 256)
        if self.verify not in ("frame", "full"):
            msg = f"verify: found {self.verify!r}, allowed 'frame' or 'full'"
            raise ConfigError(msg)
        if self.max_age_s is not None:
            _check_range("max_age_s", self.max_age_s, 60.0, 1e10)
        if self.refresh_every_s is not None:
            _check_range("refresh_every_s", self.refresh_every_s, 0.01, 86_400.0)


@dataclass(frozen=True, slots=True)
class RemoteConfig:
    """With how much patience a remote is used. Changes speed only.

    Attributes:
        connect_timeout_s: until a server is reached. 0.1 to 600.
        stall_timeout_s: without a byte. 0.1 to 3600.
        n_retries: further attempts after a timeout, a broken connection or an error of the server. 0 to 20.
        first_wait_s: before the second attempt, doubled before each further one. 0 to 60.
    """

    connect_timeout_s: float = 10.0
    stall_timeout_s: float = 30.0
    n_retries: int = 4
    first_wait_s: float = 0.5

    def __post_init__(self) -> None:
        _check_range("connect_timeout_s", self.connect_timeout_s, 0.1, 600.0)
        _check_range("stall_timeout_s", self.stall_timeout_s, 0.1, 3600.0)
        _check_range("n_retries", self.n_retries, 0, 20)
        _check_range("first_wait_s", self.first_wait_s, 0.0, 60.0)


@dataclass(frozen=True, slots=True)
class RecordConfig:
    """Where lookups are recorded, and how much of them (docs/harvest.md).

    Changes results:
        folder: on a local disk; made with mode 0700 where it is missing. Any number of processes may share it.
        text: "plain" keeps what was asked, which `semcache harvest` needs; "hashed" a digest of the normalised text
            under `key`, so that equal texts can be counted; "none" neither.
        key: of the digests, 16 to 64 bytes, secret: whoever has it, or finds digests made without one, can try
            likely questions until one fits. Only with "hashed".

    Changes speed or memory:
        max_file_bytes: a file that would grow beyond is left for a new one. 65,536 to 2**30.
        max_files: beyond, the oldest that no process writes is removed. 1 to 10,000.
        queue_lines: lookups that wait to be written; those that find it full are counted. 16 to 2**20.
    """

    folder: Path
    text: Literal["plain", "hashed", "none"] = "plain"
    key: bytes = field(default=b"", repr=False)
    max_file_bytes: int = 16 << 20
    max_files: int = 16
    queue_lines: int = 8192

    def __post_init__(self) -> None:
        if self.text not in ("plain", "hashed", "none"):
            msg = f"text: found {self.text!r}, allowed 'plain', 'hashed' or 'none'"
            raise ConfigError(msg)
        if self.text == "hashed":
            _check_range("bytes of key", len(self.key), 16, 64)
        elif self.key:
            msg = f"key: found one with text {self.text!r}, allowed with 'hashed' only"
            raise ConfigError(msg)
        _check_range("max_file_bytes", self.max_file_bytes, 65_536, 2**30)
        _check_range("max_files", self.max_files, 1, 10_000)
        _check_range("queue_lines", self.queue_lines, 16, 2**20)


@dataclass(frozen=True, slots=True)
class HarvestConfig:
    """Which recorded misses become candidates. Changes results.

    Attributes:
        min_count: groups that were asked for less often are dropped. 1 to 2**31 - 1.
        near: score from which two texts without a differing fact are one question. 0 to 1.
        max_texts: different texts that are looked at, those asked most often first. 1 to 200,000.
    """

    min_count: int = 3
    near: float = 0.8
    max_texts: int = 20_000

    def __post_init__(self) -> None:
        _check_range("min_count", self.min_count, 1, 2**31 - 1)
        _check_range("near", self.near, 0.0, 1.0)
        _check_range("max_texts", self.max_texts, 1, 200_000)


@dataclass(frozen=True, slots=True)
class GateConfig:
    """What a new version must keep to before it goes live; what compares needs a live one. Changes results.

    Recall is bounded by the build's `min_recall_at_1` and `min_recall_at_10`.

    Attributes:
        max_weaker_namespaces: that are promised a larger error than in the live version, or none any more. 0 or more.
        max_broken_namespaces: whose promise the evaluation queries contradict. 0 or more.
        max_coverage_loss: share of the evaluation queries answered rightly, live less new. 0 to 1.
        max_new_wrong_share: share of the evaluation queries answered wrongly, new less live. 0 to 1.
        max_new_collisions: new texts that no word tells from a text of another answer. 0 or more.
        max_removed_share: of the live version's entries, those that are gone. 0 to 1.
        max_growth: size of the files, new to live. 1 to 1,000.
        max_delta_share: of the release's bytes, those that readers of the last one must fetch. 0 to 1.
    """

    max_weaker_namespaces: int = 0
    max_broken_namespaces: int = 0
    max_coverage_loss: float = 0.01
    max_new_wrong_share: float = 0.005
    max_new_collisions: int = 0
    max_removed_share: float = 0.2
    max_growth: float = 1.5
    max_delta_share: float = 0.9

    def __post_init__(self) -> None:
        for name in ("max_weaker_namespaces", "max_broken_namespaces", "max_new_collisions"):
            _check_range(name, getattr(self, name), 0, 2**31 - 1)
        for name in ("max_coverage_loss", "max_new_wrong_share", "max_removed_share", "max_delta_share"):
            _check_range(name, getattr(self, name), 0.0, 1.0)
        _check_range("max_growth", self.max_growth, 1.0, 1000.0)
