"""The build: corpora in, a live bundle out. Reading, tokenising, embedding and writing overlap."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import orjson

from semcache import __version__
from semcache.build.corpus_encoder import ChosenEncoder, choose_encoder
from semcache.build.embed_pool import EmbedPool
from semcache.build.fit import Fitted, Kept, TrafficUse, fit_decision
from semcache.build.fit_queries import Rows
from semcache.build.generated import Generated, claim_generated, open_generated
from semcache.build.indexing import BuiltIndex, build_measured
from semcache.build.kept import keeping
from semcache.build.known import Words
from semcache.build.scan import CorpusScan, answer_digest, indexed_texts, read_again, scan_corpora
from semcache.build.traffic import Traffic
from semcache.bundle.contents import Contents
from semcache.bundle.decision import save_decision
from semcache.bundle.layout import (
    EMBEDDINGS_DIR,
    INDEX_FILE,
    KEYS_TABLE,
    PROBE_TEXTS,
    VERSIONS_DIR,
)
from semcache.bundle.locate import locate
from semcache.bundle.numbering import Numbering, number_like, plain_numbering
from semcache.bundle.reader import VersionReader
from semcache.bundle.renumber import renumber_arrays, renumber_files
from semcache.bundle.staged import StagedRows
from semcache.bundle.writer import Staging, VersionWriter, open_staging, version_files
from semcache.config import DEFAULT_ROOT, HASHING_MODEL, BuildConfig, OpenConfig
from semcache.core.learned import Digests, digests_of_keys
from semcache.core.manifest import Counts, DecisionInfo, EncoderInfo, IndexInfo, Manifest
from semcache.core.vectors import FloatRows
from semcache.embed.base import Embedder
from semcache.embed.registry import load_embedder
from semcache.errors import BundleError, StorageError
from semcache.store.codec import ValueCodec, train_dictionary
from semcache.store.faiss_index import frame_of, trained_frame, write_index
from semcache.store.fsio import FileSystem
from semcache.types import LabelledQuery

Progress = Callable[[str, int, int], None]
"""Called with a stage (scan, export or tune, augment, embed, fit, index, publish), how much of it is done, and
how much there is."""
Check = Callable[[Path], None]
"""Called with the folder of a version that is whole and not live; raises where it may not go live."""

_VECTORS_SCRATCH = "vectors.scratch"


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did.

    Attributes:
        id: the version that is live now.
        path: its folder.
        is_new: False where the same version was there already.
        manifest: what it says of itself.
        n_duplicates: texts that stood twice under one answer and are indexed once.
        n_rejects: texts in `rejects`; those that are another entry's text became no guard.
        seconds: wall time a stage.
        generated: variants that were generated, by kind, and how many were left out and why.
        traffic: what labelled traffic was good for; None where there was none.
        unknown: labels of it that name no entry and no group of the corpus.
    """

    id: str
    path: Path
    is_new: bool
    manifest: Manifest
    n_duplicates: int
    n_rejects: int
    seconds: dict[str, float]
    generated: dict[str, int] = field(default_factory=dict)
    traffic: TrafficUse | None = None
    unknown: tuple[str, ...] = ()


def build_bundle(
    corpora: Sequence[str | Path],
    *,
    name: str,
    root: str | Path = DEFAULT_ROOT,
    config: BuildConfig | None = None,
    traffic: Sequence[LabelledQuery] = (),
    check: Check | None = None,
    progress: Progress | None = None,
    fs: FileSystem | None = None,
) -> BuildReport:
    """Build a bundle from corpus files and make it the live version of its name.

    Killed at any point, it leaves the version that was live before. The same corpora, config, traffic and seed give
    the same version id on one machine.

    Args:
        corpora: corpus files; their order counts.
        name: letters, digits, ".", "_" and "-".
        root: folder of bundles; created where it is missing.
        config: how; None for the defaults.
        traffic: labelled queries, a sample of those to come: some of them fit the verifier, others certify it.
            Where they are too few, written queries do, as without any.
        check: is given the new version's folder before it goes live. Where it raises, the live version stays, and the
            new one is deleted unless it was live before.
        progress: is told how far it is.
        fs: durable steps; tests pass one that fails.

    Raises:
        CorpusError: the corpora have problems; holds all of them.
        BuildLockedError: a build, a pull, a rollback or a removal of this name is running.
        RecallError: an approximate index finds too little.
        EncoderError, MissingExtraError: the model cannot be had.
        StorageError: the system refuses (full disk, permission).
        ConfigError: a name or a setting is outside its range.
    """
    paths = [Path(path) for path in corpora]
    build = _Build(
        paths,
        Path(root),
        config or BuildConfig(),
        Traffic(traffic),
        check or (lambda _: None),
        progress or (lambda *_: None),
        fs or FileSystem(),
    )
    return build.run(name)


@dataclass
class _Build:
    """One run; its fields are what the stages hand to each other."""

    paths: list[Path]
    root: Path
    config: BuildConfig
    traffic: Traffic
    check: Check
    progress: Progress
    fs: FileSystem
    seconds: dict[str, float] = field(default_factory=dict)
    generated: Generated | None = None
    words: Words = field(default_factory=Words)
    checked_s: float = 0.0

    def run(self, name: str) -> BuildReport:
        with self._stage("scan"):
            scan = scan_corpora(self.paths)
            scan.raise_problems()
        opened = open_generated(self.paths, scan, self.config)
        with opened as self.generated, open_staging(self.fs, self.root, name) as staging, ExitStack() as stack:
            with self._stage("tune" if self.config.tune else "export"):
                encoder = self._encoder(staging, scan)
                embedder = stack.enter_context(self._remembering(load_embedder(encoder.folder)))
            if self.generated is not None:
                with self._stage("augment"):
                    self._claim(self.generated, scan, embedder)
            with self._stage("embed"):
                counts, vectors = self._write_and_embed(staging, scan, embedder)
            with self._stage("fit"):
                numbering, base, kept = self._number(staging, embedder, is_tuned=encoder.is_tuned)
                fitted = self._fit(staging, scan, vectors, embedder, kept, is_tuned=encoder.is_tuned)
                del vectors
            with self._stage("index"):
                index = self._index(staging, self._renumber(staging, fitted, numbering), base)
            with self._stage("publish"):
                counts = _with_dead(counts, numbering)
                info = encoder.info(embedder)
                manifest = self._manifest(staging, scan, encoder=info, built=index, counts=counts, decision=fitted.info)
                versions = staging.bundle_dir / VERSIONS_DIR
                identity, is_new = staging.publish(manifest, check=lambda version: self._check(versions / version))
        self.seconds["publish"] = round(self.seconds["publish"] - self.checked_s, 3)
        folder = versions / identity
        generated = {} if self.generated is None else dict(sorted(self.generated.counts.items()))
        return BuildReport(
            identity,
            folder,
            is_new,
            manifest,
            scan.n_duplicates,
            scan.n_rejects,
            self.seconds,
            generated,
            fitted.traffic if self.traffic else None,
            self.traffic.unknown(),
        )

    def _check(self, folder: Path) -> None:
        """Have the caller look at a version; its time is not that of publishing."""
        began = time.perf_counter()
        self.check(folder)
        self.checked_s = time.perf_counter() - began

    def _encoder(self, staging: Staging, scan: CorpusScan) -> ChosenEncoder:
        return choose_encoder(
            self.fs,
            self.root,
            staging.bundle_dir,
            self.config,
            paths=self.paths,
            scan=scan,
            on_step=lambda done, n: self.progress("tune", done, n),
        )

    def _remembering(self, embedder: Embedder) -> AbstractContextManager[Embedder]:
        """Have an embedder read what any build of this root embedded before, where that is less work."""
        if not self.config.keep_vectors or self.config.model == HASHING_MODEL:
            return nullcontext(embedder)
        return keeping(embedder, self.root / EMBEDDINGS_DIR / f"{embedder.fingerprint}.mdb")

    def _claim(self, generated: Generated, scan: CorpusScan, embedder: Embedder) -> None:
        claim_generated(
            generated,
            self.paths,
            scan,
            embedder=embedder,
            config=self.config,
            on_rows=lambda done, n: self.progress("augment", done, n),
        )

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self.progress(name, 0, 0)
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 3)

    def _write_and_embed(self, staging: Staging, scan: CorpusScan, embedder: Embedder) -> tuple[Counts, FloatRows]:
        dictionary = train_dictionary(scan.answer_samples) if self.config.compress else b""
        codec = ValueCodec(dictionary) if self.config.compress else None
        writer = VersionWriter(staging.folder, codec=codec, dictionary=dictionary)
        self.words = Words()
        n_rows, done = scan.n_variants + scan.n_guards, 0

        def on_rows(n: int) -> None:
            nonlocal done
            done += n
            self.progress("embed", done, n_rows)

        scratch = staging.folder / _VECTORS_SCRATCH
        try:
            with EmbedPool(embedder, scratch, n_rows=n_rows, n_workers=self.config.n_workers, on_rows=on_rows) as pool:
                for first_row, texts in _batches(self._write_entries(writer, scan), self.config.batch_rows):
                    pool.submit(first_row, texts)
                probes = embedder.embed(PROBE_TEXTS)
                n_keys = writer.finish(probes)
                pool.drain()
                vectors = pool.vectors
        except OSError as error:
            raise StorageError.from_os_error(staging.folder, error) from error
        finally:
            writer.close()
        counts = Counts(
            entries=scan.n_entries,
            answers=len(scan.answer_numbers),
            rows=n_rows,
            guards=scan.n_guards,
            unindexed=int((~vectors.any(axis=1)).sum()),
            keys=n_keys,
            dead_entries=0,
            dead_answers=0,
            dead_rows=0,
        )
        return counts, vectors

    def _write_entries(self, writer: VersionWriter, scan: CorpusScan) -> Iterator[str]:
        """Write every entry; yield its indexed texts, row by row."""
        namespaces = {name: i for i, name in enumerate(scan.namespaces)}
        for number, entry in enumerate(read_again(self.paths, scan)):
            answer = scan.answer_numbers[answer_digest(entry)]
            if answer == writer.n_values:
                writer.add_value(entry.answer, entry.answer_type)
            writer.add_entry(
                entry.id,
                namespace=namespaces[entry.namespace],
                answer=answer,
                valid_until=entry.valid_until,
                metadata_json=orjson.dumps(entry.metadata, option=orjson.OPT_SORT_KEYS),
            )
            self.traffic.take_entry(entry.id, answer, entry.metadata)
            more = () if self.generated is None else self.generated.of(entry, number)
            for kind, text, key in indexed_texts(entry, number, scan, more):
                writer.add_variant(number, kind, text, key)
                self.words.add(text)
                self.traffic.take_variant(key, entry.namespace)
                yield text

    def _fit(
        self,
        staging: Staging,
        scan: CorpusScan,
        vectors: FloatRows,
        embedder: Embedder,
        kept: Kept | None,
        *,
        is_tuned: bool,
    ) -> Fitted:
        self.progress("fit", 0, 0)
        rarity, words = self.words.finish()
        asked = self.traffic.asked(scan.namespaces)
        with StagedRows(staging.folder) as staged:
            rows = Rows(
                texts=staged.texts,
                entries=staged.entries,
                answers=staged.answers,
                namespaces=staged.namespaces,
                firsts=staged.firsts(),
                vectors=vectors,
                rarity=rarity,
                words=words,
                namespace_names=scan.namespaces,
            )
            return fit_decision(
                rows, config=self.config, embed=embedder.embed, traffic=asked, kept=kept, is_tuned=is_tuned
            )

    def _number(
        self, staging: Staging, embedder: Embedder, *, is_tuned: bool
    ) -> tuple[Numbering, VersionReader | None, Kept | None]:
        """Number what is staged like the live version, and return that, where it can be followed; and what is kept.

        Where numbering begins anew, so does all that is learned, but for a tuned encoder: that one remembers.
        """
        with StagedRows(staging.folder) as staged:
            contents = staged.contents()
            plain = plain_numbering(contents)
            base = None if self.config.fresh else self._base(staging, embedder)
            if base is None:
                return plain, None, None
            numbering = number_like(base.contents(), contents)
            is_followed = numbering.is_worth_keeping and base.manifest.compression == self._compression
            kept = None
            if is_followed or is_tuned:
                gone = np.setdiff1d(_indexed(base.contents()), _indexed(contents))
                kept = Kept(base.decision.adapter, base.decision.learned, gone, is_followed=is_followed)
            return (numbering, base, kept) if is_followed else (plain, None, kept)

    def _base(self, staging: Staging, embedder: Embedder) -> VersionReader | None:
        """Open the live version; None where there is none of the same encoder, or it is damaged."""
        try:
            location = locate(staging.bundle_dir, root=self.root)
            base = VersionReader(location, location.live_id(), OpenConfig(prefault=False))
        except BundleError:
            return None
        return base if base.manifest.encoder.fingerprint == embedder.fingerprint else None

    @property
    def _compression(self) -> Literal["none", "zstd"]:
        return "zstd" if self.config.compress else "none"

    def _renumber(self, staging: Staging, fitted: Fitted, numbering: Numbering) -> FloatRows:
        """Give everything staged its numbers; return the vectors by row, zeros for the dead."""
        dim = fitted.vectors.shape[1]
        if numbering.is_plain:
            save_decision(staging.folder, fitted.arrays, dim=dim)
            return fitted.vectors
        with StagedRows(staging.folder) as staged:
            renumber_files(staging.folder, staged.contents(), numbering)
        save_decision(staging.folder, renumber_arrays(fitted.arrays, numbering), dim=dim)
        vectors = np.zeros((numbering.n_rows, dim), np.float32)
        vectors[numbering.rows] = fitted.vectors
        return vectors

    def _index(self, staging: Staging, vectors: FloatRows, base: VersionReader | None) -> BuiltIndex:
        trained = b"" if base is None else trained_frame(base.folder / INDEX_FILE)
        built = build_measured(vectors, self.config, trained=trained)
        write_index(built.index, staging.folder / INDEX_FILE)
        (staging.folder / _VECTORS_SCRATCH).unlink()
        return built

    def _manifest(
        self,
        staging: Staging,
        scan: CorpusScan,
        *,
        encoder: EncoderInfo,
        built: BuiltIndex,
        counts: Counts,
        decision: DecisionInfo,
    ) -> Manifest:
        frame, frame_sha256 = frame_of(staging.folder / INDEX_FILE)
        return Manifest(
            name=staging.name,
            producer=f"semcache {__version__}",
            seed=self.config.seed,
            counts=counts,
            namespaces=tuple(scan.namespaces),
            licences=tuple(scan.licences),
            corpora=(*scan.corpora, *(self.generated.corpora if self.generated else ())),
            compression=self._compression,
            encoder=encoder,
            index=IndexInfo(
                kind=built.kind,
                effort=built.effort,
                frame_bytes=frame.frame_bytes,
                frame_sha256=frame_sha256,
                recall_at_1=built.recall_at_1,
                recall_at_10=built.recall_at_10,
                recall_queries=built.n_queries,
            ),
            decision=decision,
            files=version_files(staging.folder),
        )


def _indexed(contents: Contents) -> Digests:
    """Return digests of all texts of a version."""
    return digests_of_keys(key for key, _ in contents.tables.items(KEYS_TABLE))


def _with_dead(counts: Counts, numbering: Numbering) -> Counts:
    return replace(
        counts,
        dead_entries=numbering.n_entries - counts.entries,
        dead_answers=numbering.n_answers - counts.answers,
        dead_rows=numbering.n_rows - counts.rows,
    )


def _batches(texts: Iterator[str], size: int) -> Iterator[tuple[int, list[str]]]:
    """Yield runs of up to `size` texts with the row of the first."""
    first_row, batch = 0, list[str]()
    for text in texts:
        batch.append(text)
        if len(batch) >= size:
            yield first_row, batch
            first_row, batch = first_row + len(batch), []
    if batch:
        yield first_row, batch
