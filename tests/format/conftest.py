"""What the tests of the format share: fresh bundles to damage, and an encoder that is read from disk each time."""

from __future__ import annotations

import shutil
from pathlib import Path
from weakref import WeakValueDictionary

import pytest

from semcache import BuildConfig, build_bundle
from semcache.embed import registry
from semcache.embed.base import Embedder

DATA = Path(__file__).resolve().parent.parent / "data"


@pytest.fixture(autouse=True)
def no_encoder_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget encoders that other tests loaded, as a new process would."""
    loaded: WeakValueDictionary[tuple[str, int], Embedder] = WeakValueDictionary()
    monkeypatch.setattr(registry, "_loaded", loaded)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a root with the bundles `flat`, `ivf` and `hnsw` of one corpus, and `other` of another one."""
    root = tmp_path_factory.mktemp("pristine") / "indexes"
    for kind in ("flat", "ivf", "hnsw"):
        config = BuildConfig(model="hashing", index=kind, max_error=0.1)
        build_bundle([DATA / "golden_plain.jsonl"], name=kind, root=root, config=config)
    other = BuildConfig(model="hashing", max_error=0.1, compress=True)
    build_bundle([DATA / "golden_zstd.jsonl"], name="other", root=root, config=other)
    return root


@pytest.fixture
def root(pristine: Path, tmp_path: Path) -> Path:
    """Give a copy of them that a test may damage."""
    return shutil.copytree(pristine, tmp_path / "indexes")


@pytest.fixture
def bundle(root: Path) -> Path:
    """Give the folder of a bundle with a flat index that a test may damage."""
    return root / "flat"
