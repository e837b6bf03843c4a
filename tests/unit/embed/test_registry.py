from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from semcache.embed import registry
from semcache.embed.hashing import HASHING_SPEC
from semcache.embed.registry import load_embedder
from semcache.errors import EncoderError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder of the hashing encoder."""
    path = tmp_path / HASHING_SPEC.fingerprint
    path.mkdir()
    (path / "encoder.json").write_bytes(HASHING_SPEC.to_bytes())
    return path


def test_the_encoder_of_a_folder_is_loaded(folder: Path) -> None:
    """Its fingerprint is the folder's name."""
    assert load_embedder(folder).fingerprint == folder.name


def test_an_encoder_is_loaded_once(folder: Path) -> None:
    """However many bundles use it."""
    assert load_embedder(folder) is load_embedder(folder)


def test_the_same_encoder_in_another_root_is_shared(folder: Path, tmp_path: Path) -> None:
    """The fingerprint says that it is the same."""
    one = load_embedder(folder)
    assert load_embedder(tmp_path / "elsewhere" / folder.name) is one


def test_another_number_of_threads_is_another_encoder(folder: Path) -> None:
    """A caller gets the number it asked for."""
    assert load_embedder(folder, n_threads=1) is not load_embedder(folder, n_threads=2)


def test_one_thread_is_the_default(folder: Path) -> None:
    """A lookup keeps to one core."""
    assert load_embedder(folder) is load_embedder(folder, n_threads=1)


def test_an_encoder_that_nobody_uses_is_let_go(folder: Path) -> None:
    """A model takes memory only while a cache needs it."""
    embedder = load_embedder(folder, n_threads=3)
    assert (folder.name, 3) in registry._loaded
    del embedder
    gc.collect()
    assert (folder.name, 3) not in registry._loaded


def test_threads_that_load_at_once_get_one_encoder(folder: Path) -> None:
    """The second waits for the first."""
    with ThreadPoolExecutor(8) as pool:
        embedders = list(pool.map(lambda _: load_embedder(folder, n_threads=4), range(32)))
    assert len({id(embedder) for embedder in embedders}) == 1


def test_a_missing_folder_is_an_encoder_error(tmp_path: Path) -> None:
    """And nothing is kept of the attempt."""
    with pytest.raises(EncoderError, match=f"^{tmp_path / 'none'}"):
        load_embedder(tmp_path / "none")
    assert ("none", 1) not in registry._loaded


def test_a_child_process_loads_anew(folder: Path) -> None:
    """After fork the parent's encoder is neither used (its thread pool is not here) nor ended."""
    parents = load_embedder(folder)
    freed = weakref.ref(parents)
    registry._forget_in_child()
    assert load_embedder(folder) is not parents
    del parents
    gc.collect()
    assert freed() is not None
