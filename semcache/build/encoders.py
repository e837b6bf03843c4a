"""Gets the encoder of a model: exported once a root, found again by the digest of the model it came from.

A tuned one is found again by the digest of the model and of what it was tuned on.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from semcache.build.tune import OnStep, Phrasings, save, tune
from semcache.bundle.layout import ENCODERS_DIR, EXPORT_LOCK_FILE, SOURCES_DIR, STAGING_PREFIX, encoder_dir
from semcache.config import HASHING_MODEL
from semcache.embed.encoder_dir import ENCODER_FILE, EncoderSpec, read_spec, verify_digest
from semcache.embed.hashing import HASHING_SPEC
from semcache.embed.model_source import ModelSource, find_model
from semcache.errors import EncoderError, StorageError
from semcache.store.fsio import FileSystem, publish_dir, replace_file
from semcache.store.lock import exclusive_lock

TUNED = " tuned"
"""In the name of a tuned encoder, between that of its model and the head of the model's digest."""
_EXPORT_VERSION = 2
"""Raised when the exporter changes, so that models are exported anew."""
_TUNING_VERSION = 1
"""Raised when tuning changes."""


def ensure_encoder(fs: FileSystem, root: Path, model: str) -> Path:
    """Return the encoder folder of a model, exporting it where the root does not have it yet.

    Args:
        fs: makes it durable.
        root: holds bundles and encoders.
        model: as `BuildConfig.model`.

    Raises:
        EncoderError: there is no such model, or it cannot be exported.
        MissingExtraError: an extra is not installed.
        StorageError: the system refuses.
    """
    encoders, sources = root / ENCODERS_DIR, root / ENCODERS_DIR / SOURCES_DIR
    try:
        fs.make_dir(sources)
        with exclusive_lock(encoders / EXPORT_LOCK_FILE, wait=True):
            _clear_debris(fs, encoders, sources)
            fs.sync_dir(encoders)  # whoever published an encoder may have died before this
            if model == HASHING_MODEL:
                return _ensure_spec_only(fs, root, HASHING_SPEC)
            source = find_model(model)
            pointer = sources / f"{source.sha256[:32]}-{_EXPORT_VERSION}"
            known = _known(root, pointer)
            if known is not None:
                return known
            return _export(fs, root, source, pointer)
    except OSError as error:
        raise StorageError.from_os_error(error.filename or encoders, error) from error


def ensure_tuned(fs: FileSystem, root: Path, model: str, phrasings: Phrasings, *, seed: int, on_step: OnStep) -> Path:
    """Return the encoder folder of a model tuned on phrasings; the model's own where that does not help.

    Tuned once a root for the same phrasings and seed. While it is tuned, other builds may export.

    Args:
        fs: makes it durable.
        root: holds bundles and encoders.
        model: as `BuildConfig.model`; one of sentence-transformers.
        phrasings: what it is tuned on.
        seed: of every random choice.
        on_step: is told how far it is.

    Raises:
        EncoderError, MissingExtraError, StorageError: as `ensure_encoder`.
    """
    source, sources = find_model(model), root / ENCODERS_DIR / SOURCES_DIR
    digest = _digest_of(source, phrasings, seed)
    pointer = sources / f"{digest[:32]}-tuned-{_EXPORT_VERSION}-{_TUNING_VERSION}"
    plain = ensure_encoder(fs, root, model)
    if not phrasings.n_pairs:
        return plain
    if (known := _known(root, pointer)) is not None:
        return known
    tuned = tune(source, phrasings, seed=seed, on_step=on_step)
    try:
        with TemporaryDirectory(prefix="semcache-tuned-") as folder:
            if tuned.n_epochs:
                save(tuned.model, Path(folder))
            with exclusive_lock(root / ENCODERS_DIR / EXPORT_LOCK_FILE, wait=True):
                if (known := _known(root, pointer)) is not None:  # somebody else was faster
                    return known
                _clear_debris(fs, root / ENCODERS_DIR, sources)
                if tuned.n_epochs:
                    return _export(fs, root, ModelSource(_tuned_name(source), Path(folder), digest), pointer)
                replace_file(fs, pointer, f"{read_spec(plain).fingerprint}\n".encode("ascii"))
                return plain
    except OSError as error:
        raise StorageError.from_os_error(error.filename or sources, error) from error


def is_tuned_of(folder: Path, model: str) -> bool:
    """Say whether a folder holds a model that was tuned.

    Raises:
        EncoderError, StorageError: its encoder.json is damaged, or there is no such model.
    """
    return read_spec(folder).name == _tuned_name(find_model(model))


def verify_whole(folder: Path) -> None:
    """Hold every file of an encoder against its digest.

    Raises:
        EncoderError, StorageError: one is missing or damaged.
    """
    for file, digest in read_spec(folder).digests.items():
        verify_digest(folder, file, digest)


def _tuned_name(source: ModelSource) -> str:
    return f"{source.name}{TUNED} {source.sha256[:8]}"


def _digest_of(source: ModelSource, phrasings: Phrasings, seed: int) -> str:
    digest = sha256(f"{source.sha256} {seed}\n".encode())
    for text, group in zip(phrasings.texts, phrasings.groups.tolist(), strict=True):
        digest.update(f"{group} {len(text)} ".encode() + text.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def _clear_debris(fs: FileSystem, encoders: Path, sources: Path) -> None:
    """Delete what killed exports left. We hold the lock: whoever made it is dead."""
    for folder in encoders.glob(f"{STAGING_PREFIX}*"):
        fs.remove_tree(folder)
    for path in sources.glob("*.new"):
        fs.remove_file(path)


def _known(root: Path, pointer: Path) -> Path | None:
    """Return the folder a pointer names, where it is whole."""
    try:
        folder = encoder_dir(root, pointer.read_text("ascii").strip())
        verify_whole(folder)
    except (OSError, ValueError, EncoderError, StorageError):
        return None
    return folder


def _export(fs: FileSystem, root: Path, source: ModelSource, pointer: Path) -> Path:
    from semcache.embed.export import export_encoder  # noqa: PLC0415 - needs the build extra

    staged = _staging(fs, root)
    try:
        spec = export_encoder(source, staged)
        target = _move(fs, root, staged, spec)
    finally:
        _discard(fs, staged)
    replace_file(fs, pointer, f"{spec.fingerprint}\n".encode("ascii"))
    return target


def _ensure_spec_only(fs: FileSystem, root: Path, spec: EncoderSpec) -> Path:
    """Return the folder of an encoder that is all in its spec."""
    target = encoder_dir(root, spec.fingerprint)
    try:
        if read_spec(target) == spec:
            return target
    except (EncoderError, StorageError):
        pass
    staged = _staging(fs, root)
    try:
        (staged / ENCODER_FILE).write_bytes(spec.to_bytes())
        return _move(fs, root, staged, spec)
    finally:
        _discard(fs, staged)


def _staging(fs: FileSystem, root: Path) -> Path:
    encoders = root / ENCODERS_DIR
    staged = encoders / f"{STAGING_PREFIX}{os.getpid()}"
    fs.make_dir(staged)
    return staged


def _move(fs: FileSystem, root: Path, staged: Path, spec: EncoderSpec) -> Path:
    target = encoder_dir(root, spec.fingerprint)
    aside = target.with_name(f"{STAGING_PREFIX}damaged-{spec.fingerprint}")
    # damaged, or its pointer was lost: the fresh one takes its place
    publish_dir(fs, staged, target, aside=aside if target.exists() else None)
    return target


def _discard(fs: FileSystem, staged: Path) -> None:
    if staged.exists():
        fs.remove_tree(staged)
