"""Chooses the encoder of a build: the model's own, the live version's tuned one, or one tuned on the corpus now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semcache.build.encoders import ensure_encoder, ensure_tuned, is_tuned_of, verify_whole
from semcache.build.scan import CorpusScan, answer_digest, indexed_texts, read_again
from semcache.build.tune import OnStep, Phrasings
from semcache.bundle.layout import PROBE_MIN_COSINE, PROBE_TEXTS, encoder_dir
from semcache.bundle.locate import locate
from semcache.bundle.reader import read_manifest
from semcache.config import BuildConfig
from semcache.core.manifest import EncoderInfo
from semcache.embed.base import Embedder
from semcache.embed.encoder_dir import read_spec
from semcache.errors import BundleError, EncoderError, StorageError
from semcache.store.fsio import FileSystem
from semcache.types import VariantKind


@dataclass(frozen=True, slots=True)
class ChosenEncoder:
    """An encoder of a root.

    Attributes:
        folder: that holds it.
        is_tuned: whether it was tuned on a corpus; False too where tuning was tried and did not help.
    """

    folder: Path
    is_tuned: bool

    def info(self, embedder: Embedder) -> EncoderInfo:
        """Return what a manifest says of it, once it is loaded."""
        return EncoderInfo(
            fingerprint=embedder.fingerprint,
            name=read_spec(self.folder).name,
            dim=embedder.dim,
            max_tokens=embedder.max_tokens,
            probe_texts=PROBE_TEXTS,
            probe_min_cosine=PROBE_MIN_COSINE,
        )


def choose_encoder(
    fs: FileSystem,
    root: Path,
    bundle_dir: Path,
    config: BuildConfig,
    *,
    paths: Sequence[Path],
    scan: CorpusScan,
    on_step: OnStep,
) -> ChosenEncoder:
    """Return the encoder of a build, exported or tuned where the root does not have it yet.

    A tuned encoder that is live stays, so that vectors stay, unless the build is to be fresh.

    Args:
        fs: makes it durable.
        root: holds bundles and encoders.
        bundle_dir: of the bundle that is built.
        config: of the build.
        paths: of the corpora.
        scan: of the same.
        on_step: is told how far tuning is.

    Raises:
        EncoderError, MissingExtraError, StorageError: as `ensure_encoder`.
    """
    if not config.tune:
        return ChosenEncoder(ensure_encoder(fs, root, config.model), is_tuned=False)
    if not config.fresh and (live := _live(root, bundle_dir, config.model)) is not None:
        return live
    phrasings = _phrasings(paths, scan).sample(seed=config.seed)
    folder = ensure_tuned(fs, root, config.model, phrasings, seed=config.seed, on_step=on_step)
    return ChosenEncoder(folder, is_tuned=is_tuned_of(folder, config.model))


def _live(root: Path, bundle_dir: Path, model: str) -> ChosenEncoder | None:
    """Return the live version's encoder, where that is the model, tuned, and whole."""
    try:
        location = locate(bundle_dir, root=root)
        manifest = read_manifest(location.version_dir(location.live_id()))
        folder = encoder_dir(root, manifest.encoder.fingerprint)
        if not is_tuned_of(folder, model):
            return None
        verify_whole(folder)
    except (BundleError, EncoderError, StorageError):
        return None
    return ChosenEncoder(folder, is_tuned=True)


def _phrasings(paths: Sequence[Path], scan: CorpusScan) -> Phrasings:
    texts, groups = list[str](), list[int]()
    for number, entry in enumerate(read_again(paths, scan)):
        answer = scan.answer_numbers[answer_digest(entry)]
        for kind, text, _ in indexed_texts(entry, number, scan):
            texts.append(text)
            groups.append(~answer if kind is VariantKind.GUARD else answer)
    return Phrasings(texts, np.array(groups, np.int64))
