"""Loads the encoder of a folder, once a process however many bundles use it."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from pathlib import Path

from semcache.embed.base import Embedder
from semcache.embed.encoder_dir import read_spec
from semcache.embed.hashing import HashingEmbedder

_loaded: weakref.WeakValueDictionary[tuple[str, int], Embedder] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def load_embedder(folder: Path, *, n_threads: int = 1) -> Embedder:
    """Return the embedder of an encoder folder; an equal one that is loaded already is shared.

    Raises:
        EncoderError: the folder is missing, broken, or not the one it is named after.
    """
    key = (folder.name, n_threads)
    with _lock:
        embedder = _loaded.get(key)
        if embedder is None:
            embedder = _loaded[key] = _load(folder, n_threads=n_threads)
        return embedder


def _load(folder: Path, *, n_threads: int) -> Embedder:
    spec = read_spec(folder)
    if spec.kind == "hashing":
        return HashingEmbedder(spec)
    from semcache.embed.onnx import OnnxEmbedder  # noqa: PLC0415 - 100 ms that an exact hit never pays

    return OnnxEmbedder(folder, spec, n_threads=n_threads)


def _forget_in_child() -> None:
    """After fork: the threads of the parent's sessions do not exist here, and ending a session would wait for them.

    So the child neither uses nor frees them: one reference each is never given back, not at its end either.
    """
    global _lock  # noqa: PLW0603 - the parent's other threads may have held it
    _lock = threading.Lock()
    for embedder in _loaded.values():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(embedder))
    _loaded.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
