"""The manifest: what a bundle is, as a frozen value, and its one canonical spelling in bytes.

The version id is a digest of these bytes, so two manifests that differ are two versions.
Source: FORMAT.md, "manifest.json".
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from typing import Literal

from semcache.core.certificate import CalibrationInfo, Certificate
from semcache.core.certify import CertifiedLevel
from semcache.core.fields import FieldError, Fields

FORMAT_NAME = "semcache-bundle"
FORMAT_VERSION = 1
ID_CHARS = 32


class NewerFormatError(FieldError):
    """The manifest declares a format version that this reader does not know."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file of the bundle: size_bytes, and sha256 as 64 hex digits."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a bundle holds, and how many numbers it has given out.

    Attributes:
        entries, answers, rows: that live. Rows include guards and unindexed ones.
        guards: rows without an answer.
        unindexed: rows without a vector: exact hits only.
        keys: exact keys.
        dead_entries, dead_answers, dead_rows: numbers of what an earlier version held; nothing else gets them.
    """

    entries: int
    answers: int
    rows: int
    guards: int
    unindexed: int
    keys: int
    dead_entries: int
    dead_answers: int
    dead_rows: int

    @property
    def all_entries(self) -> int:
        """One more than the highest number of an entry."""
        return self.entries + self.dead_entries

    @property
    def all_answers(self) -> int:
        """One more than the highest number of an answer."""
        return self.answers + self.dead_answers

    @property
    def all_rows(self) -> int:
        """One more than the highest row: the length of every array of rows."""
        return self.rows + self.dead_rows


@dataclass(frozen=True, slots=True)
class CorpusInfo:
    """A corpus file that went in."""

    file: str
    sha256: str
    entries: int


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """The encoder whose vectors the index holds.

    Attributes:
        fingerprint: digest of everything that changes its output; names its folder.
        name: for a person.
        dim: length of a vector.
        max_tokens: longer texts are never embedded.
        probe_texts: texts whose vectors are in probes.npy.
        probe_min_cosine: what the encoder must reach on each of them where the bundle is opened.
    """

    fingerprint: str
    name: str
    dim: int
    max_tokens: int
    probe_texts: tuple[str, ...]
    probe_min_cosine: float


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """The vector index.

    Attributes:
        kind: flat is exact, the others are approximate.
        effort: nprobe of ivf, efSearch of hnsw, 0 for flat.
        frame_bytes: length of the part of index.faiss that is parsed; the rest is codes, used in place.
        frame_sha256: its digest, checked at every open.
        recall_at_1, recall_at_10: measured against exact search, 0 to 1.
        recall_queries: on how many rows, each without itself.
    """

    kind: Literal["flat", "ivf", "hnsw"]
    effort: int
    frame_bytes: int
    frame_sha256: str
    recall_at_1: float
    recall_at_10: float
    recall_queries: int


@dataclass(frozen=True, slots=True)
class DecisionInfo:
    """How a bundle decides.

    Attributes:
        features: names of the verifier's features, in order.
        n_trees: of trees.npy.
        fitted: generic (the verifier as shipped), written or traffic (with trees fitted on such queries).
        n_fitted: how many queries those trees were fitted on; 0 for generic.
        n_learned: of learned.npy: texts of traffic that trees or adapter learned from, in this build or an earlier one.
        has_adapter: whether adapter.npy holds a matrix.
        n_neighbours: rows that a decision looks at.
        wanted_error: what the build or the calibration was asked to promise to callers who name none.
        certificates: what is promised, one a namespace, in the order of their numbers.
    """

    features: tuple[str, ...]
    n_trees: int
    fitted: Literal["generic", "written", "traffic"]
    n_fitted: int
    n_learned: int
    has_adapter: bool
    n_neighbours: int
    wanted_error: float
    certificates: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything needed to open a bundle and to say what it is.

    Attributes:
        name: the bundle's name.
        producer: the program that wrote it.
        seed: of every random choice.
        namespaces: in the order of their numbers in entries.npy.
        licences: every licence that a corpus entry states, sorted.
        compression: of values: "none", or "zstd" with the dictionary in values.mdb.
        files: every file of the version but manifest.json.
    """

    name: str
    producer: str
    seed: int
    counts: Counts
    namespaces: tuple[str, ...]
    licences: tuple[str, ...]
    corpora: tuple[CorpusInfo, ...]
    compression: Literal["none", "zstd"]
    encoder: EncoderInfo
    index: IndexInfo
    decision: DecisionInfo
    files: dict[str, FileInfo]

    def to_bytes(self) -> bytes:
        """Return the canonical bytes: sorted keys, two-space indent, ASCII, one final line feed."""
        document = {"format": FORMAT_NAME, "format_version": FORMAT_VERSION, **asdict(self)}
        return (json.dumps(document, sort_keys=True, indent=2, ensure_ascii=True) + "\n").encode("ascii")


def version_id(manifest_bytes: bytes) -> str:
    """Return the id of the version with this manifest: the first 32 hex digits of its sha256."""
    return sha256(manifest_bytes).hexdigest()[:ID_CHARS]


def parse_manifest(raw: bytes) -> Manifest:
    """Read a manifest, strictly: every field present, of its type, none unknown.

    Raises:
        NewerFormatError: the format version is higher than this reader's.
        FieldError: anything else is wrong; says which field.
    """
    take = Fields.parse(raw)
    take.one_of("format", FORMAT_NAME)
    version = take.count("format_version")
    if version < 1:
        msg = f"format_version: found {version}, allowed 1 to {FORMAT_VERSION}"
        raise FieldError(msg)
    if version > FORMAT_VERSION:
        msg = f"format_version: found {version}, this program reads up to {FORMAT_VERSION}; upgrade semcache"
        raise NewerFormatError(msg)
    namespaces = take.texts("namespaces")
    manifest = Manifest(
        name=take.text("name"),
        producer=take.text("producer"),
        seed=take.count("seed"),
        counts=_counts(take.fields("counts")),
        namespaces=namespaces,
        licences=take.texts("licences"),
        corpora=tuple(_corpus(f) for f in take.list_of_fields("corpora")),
        compression=take.one_of("compression", "none", "zstd"),
        encoder=_encoder(take.fields("encoder")),
        index=_index(take.fields("index")),
        decision=_decision(take.fields("decision"), namespaces),
        files=_files(take.fields("files")),
    )
    take.nothing_left()
    return manifest


def _counts(take: Fields) -> Counts:
    counts = Counts(**{field.name: take.count(field.name) for field in fields(Counts)})
    take.nothing_left()
    return counts


def _corpus(take: Fields) -> CorpusInfo:
    corpus = CorpusInfo(file=take.text("file"), sha256=take.hex("sha256", 64), entries=take.count("entries"))
    take.nothing_left()
    return corpus


def _encoder(take: Fields) -> EncoderInfo:
    encoder = EncoderInfo(
        fingerprint=take.hex("fingerprint", ID_CHARS),
        name=take.text("name"),
        dim=take.count("dim"),
        max_tokens=take.count("max_tokens"),
        probe_texts=take.texts("probe_texts"),
        probe_min_cosine=take.share("probe_min_cosine"),
    )
    take.nothing_left()
    return encoder


def _index(take: Fields) -> IndexInfo:
    index = IndexInfo(
        kind=take.one_of("kind", "flat", "ivf", "hnsw"),
        effort=take.count("effort"),
        frame_bytes=take.count("frame_bytes"),
        frame_sha256=take.hex("frame_sha256", 64),
        recall_at_1=take.share("recall_at_1"),
        recall_at_10=take.share("recall_at_10"),
        recall_queries=take.count("recall_queries"),
    )
    take.nothing_left()
    return index


def _decision(take: Fields, namespaces: tuple[str, ...]) -> DecisionInfo:
    decision = DecisionInfo(
        features=take.texts("features"),
        n_trees=take.count("n_trees"),
        fitted=take.one_of("fitted", "generic", "written", "traffic"),
        n_fitted=take.count("n_fitted"),
        n_learned=take.count("n_learned"),
        has_adapter=take.flag("has_adapter"),
        n_neighbours=take.count("n_neighbours"),
        wanted_error=take.share("wanted_error"),
        certificates=tuple(_certificate(fields) for fields in take.list_of_fields("certificates")),
    )
    take.nothing_left()
    certified = tuple(certificate.namespace for certificate in decision.certificates)
    if certified != namespaces:
        msg = f"decision: certificates: found those of {_listed(certified)}, allowed one of each namespace, in order"
        raise FieldError(msg)
    return decision


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(repr, names[:8])) or "nothing"


def _certificate(take: Fields) -> Certificate:
    certificate = Certificate(
        namespace=take.text("namespace"),
        max_error=take.share("max_error"),
        calibration=_calibration(take.fields("calibration")),
        levels=tuple(_level(level) for level in take.list_of_fields("levels")),
    )
    take.nothing_left()
    if certificate.max_error not in {level.max_error for level in certificate.levels}:
        place, found = f"certificate of {certificate.namespace!r}", certificate.max_error
        msg = f"{place}: max_error: found {found}, allowed one of its levels"
        raise FieldError(msg)
    return certificate


def _calibration(take: Fields) -> CalibrationInfo:
    calibration = CalibrationInfo(
        source=take.one_of("source", "written", "traffic", "generic"),
        n_queries=take.count("n_queries"),
        n_outside=take.count("n_outside"),
        outside_share=take.share("outside_share"),
        alpha=take.share("alpha"),
    )
    take.nothing_left()
    return calibration


def _level(take: Fields) -> CertifiedLevel:
    level = CertifiedLevel(
        max_error=take.share("max_error"),
        threshold=take.share_or_none("threshold"),
        n_hits=take.count("n_hits"),
        n_wrong=take.count("n_wrong"),
        n_missing=take.count("n_missing"),
    )
    take.nothing_left()
    return level


def _files(take: Fields) -> dict[str, FileInfo]:
    files = {}
    for name in take.names():
        if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
            msg = f"files: {name!r} is not a plain file name"
            raise FieldError(msg)
        file = take.fields(name)
        files[name] = FileInfo(size_bytes=file.count("size_bytes"), sha256=file.hex("sha256", 64))
        file.nothing_left()
    return files
