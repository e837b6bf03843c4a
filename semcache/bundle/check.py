"""Verifies every byte of a bundle and everything that must agree between its files. Lists all problems."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from semcache.bundle import layout
from semcache.bundle.locate import locate
from semcache.bundle.reader import VersionReader, check_file, read_manifest
from semcache.config import DEFAULT_ROOT, OpenConfig
from semcache.core.manifest import Manifest
from semcache.core.text import exact_key, normalise
from semcache.core.vectors import adapt, cosines
from semcache.embed.base import Embedder
from semcache.embed.encoder_dir import read_spec, verify_digest
from semcache.embed.registry import load_embedder
from semcache.errors import BundleCorruptError, BundleNotFoundError, SemcacheError, StorageError
from semcache.store.lmdb_values import verify_file
from semcache.types import VariantKind

T = TypeVar("T")

_SELF_QUERIES = 64
_MAX_LISTED = 20


def check_bundle(bundle: str | Path, *, root: str | Path = DEFAULT_ROOT) -> list[str]:
    """Check a bundle's live version and its encoder.

    Digests of all files, pages of values.mdb, every record's checksum, counts, keys against texts, probes, and
    that a sample of variants finds itself.

    Returns:
        The problems, each with its file; empty where there are none.

    Raises:
        BundleNotFoundError: there is no bundle to check.
    """
    location = locate(bundle, root=Path(root))
    problems: list[str] = []
    version = _try(problems, location.live_id)
    if version is None:
        return problems
    folder = location.version_dir(version)
    try:
        manifest = read_manifest(folder)
    except BundleNotFoundError as error:
        lost = f"{location.bundle_dir / layout.CURRENT_FILE}: names version {version}, which is not here"
        return [str(error) if folder.is_dir() else lost]
    except SemcacheError as error:
        return [str(error)]
    problems += _check_bytes(folder, manifest)
    encoder_dir = layout.encoder_dir(location.root, manifest.encoder.fingerprint)
    problems += _check_encoder(encoder_dir)
    if problems:
        return problems  # what follows would only repeat them, on bytes that are not to be trusted
    embedder = _try(problems, lambda: load_embedder(encoder_dir))
    reader = _try(problems, lambda: VersionReader(location, version, OpenConfig(verify="full")))
    if reader is not None and embedder is not None:
        problems += _check_records(reader) or _try(problems, lambda: check_vectors(reader, embedder)) or []
    return problems


def _try(problems: list[str], step: Callable[[], T]) -> T | None:
    """Run a step; note its error as a problem."""
    try:
        return step()
    except SemcacheError as error:
        problems.append(str(error))
        return None


def _check_bytes(folder: Path, manifest: Manifest) -> list[str]:
    problems: list[str] = []
    for name, expected in manifest.files.items():
        _try(problems, partial(check_file, folder / name, expected, digest=True))
    known = {layout.MANIFEST_FILE, *manifest.files}
    names = _try(problems, lambda: _names_in(folder)) or []
    problems += [f"{folder / name}: not a file of this version" for name in names if name not in known]
    values_path = folder / layout.VALUES_FILE
    if not problems:
        problems += [f"{values_path}: {problem}" for problem in verify_file(values_path)[:_MAX_LISTED]]
    return problems


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise StorageError.from_os_error(folder, error) from error


def _check_encoder(folder: Path) -> list[str]:
    """Read every byte of an encoder anew: this process may have loaded it before it was damaged."""
    problems: list[str] = []
    spec = _try(problems, lambda: read_spec(folder))
    if spec is not None:
        for file, digest in spec.digests.items():
            _try(problems, partial(verify_digest, folder, file, digest))
    return problems


def _check_records(reader: VersionReader) -> list[str]:
    """Read every record once: its checksum, its form, and that rows, keys and texts agree."""
    problems: list[str] = []
    counts, path = reader.manifest.counts, reader.folder / layout.VALUES_FILE
    found = reader.table_counts()
    wanted = {
        layout.KEYS_TABLE: counts.keys,
        layout.VALUES_TABLE: counts.all_answers,
        layout.ENTRIES_TABLE: counts.entries,
        layout.VARIANTS_TABLE: counts.rows,
    }
    for table, n in wanted.items():
        if found[table] != n:
            problems.append(f"{path}: {table}: {found[table]} records, the manifest says {n}")
    n_guards = int(((reader.rows < 0) & ~reader.is_dead).sum())
    if n_guards != counts.guards:
        problems.append(f"{reader.folder / layout.ROWS_FILE}: {n_guards} guards, the manifest says {counts.guards}")
    for row in [] if problems else np.flatnonzero(~reader.is_dead).tolist():
        try:
            neighbour = reader.neighbour(row, 1.0)
            if neighbour.kind is not VariantKind.GUARD:
                reader.fetch(row, int(reader.rows[row]))
            if row not in reader.exact_rows(exact_key(normalise(neighbour.variant))):
                raise BundleCorruptError(path, f"{layout.KEYS_TABLE}: no key leads to row {row}")
        except SemcacheError as error:
            problems.append(str(error))
            if len(problems) >= _MAX_LISTED:
                break
    return problems


def check_vectors(reader: VersionReader, embedder: Embedder) -> list[str]:
    """Hold the encoder against the probes, and a sample of rows against their own texts; return the problems."""
    encoder, folder = reader.manifest.encoder, reader.folder
    if embedder.dim != encoder.dim:
        return [f"{folder / layout.MANIFEST_FILE}: encoder.dim is {encoder.dim}, the encoder gives {embedder.dim}"]
    found = cosines(embedder.embed(encoder.probe_texts), reader.probes)
    problems = [
        f"{folder / layout.PROBES_FILE}: probe {i}: cosine {cosine:.5f} to what the encoder gives here, "
        f"allowed at least {encoder.probe_min_cosine}"
        for i, cosine in enumerate(found)
        if not cosine >= encoder.probe_min_cosine  # NaN is not
    ]
    live = np.flatnonzero(~reader.is_dead)
    sample = live[np.linspace(0, len(live) - 1, min(_SELF_QUERIES, len(live)), dtype=np.int64)]
    texts = [reader.neighbour(int(row), 1.0).variant for row in sample]
    vectors = embedder.embed(texts)
    scores, _ = reader.index.search(adapt(vectors, reader.decision.adapter), 1)
    for text, vector, score in zip(texts, vectors, scores[:, 0], strict=True):
        if vector.any() and not score >= encoder.probe_min_cosine:
            problems.append(f"{folder / layout.INDEX_FILE}: {text[:60]!r} does not find itself (score {score:.4f})")
    return problems[:_MAX_LISTED]
