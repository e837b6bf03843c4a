from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from semcache.embed import model_source
from semcache.embed.model_source import find_model
from semcache.errors import EncoderError, MissingExtraError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a model folder."""
    path = tmp_path / "tiny"
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(b"weights")
    return path


def test_a_folder_is_a_model(folder: Path) -> None:
    """Named after the folder, found where it is."""
    source = find_model(str(folder))
    assert (source.name, source.folder) == ("tiny", folder)


def test_the_digest_does_not_depend_on_the_place(folder: Path, tmp_path: Path) -> None:
    """A copy of a model is that model."""
    before = find_model(str(folder)).sha256
    assert find_model(str(folder.rename(tmp_path / "moved"))).sha256 == before


@pytest.mark.parametrize(("file", "content"), [("model.safetensors", b"other"), ("1_Pooling/config.json", b"{}")])
def test_the_digest_covers_every_file_that_a_load_reads(folder: Path, file: str, content: bytes) -> None:
    """A changed or a new file is another model."""
    before = find_model(str(folder)).sha256
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_bytes(content)
    assert find_model(str(folder)).sha256 != before


def test_the_digest_covers_names(folder: Path) -> None:
    """The same bytes under another name are another model."""
    before = find_model(str(folder)).sha256
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    assert find_model(str(folder)).sha256 != before


def test_the_digest_leaves_out_what_no_load_reads(folder: Path) -> None:
    """A note beside the model changes nothing."""
    before = find_model(str(folder)).sha256
    (folder / "README.md").write_text("about")
    assert find_model(str(folder)).sha256 == before


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    """With what was looked for."""
    message = f"{tmp_path}: not a model folder (neither modules.json nor config.json in it)"
    with pytest.raises(EncoderError, match=f"^{re.escape(message)}$"):
        find_model(str(tmp_path))


@pytest.mark.parametrize("package", ["no_such_package_here", "not-a-name", "a.b", "", "zlib"])
def test_a_package_that_carries_no_folder_is_refused(package: str) -> None:
    """Not installed, not a package name, or a single module."""
    message = f"model package {package!r}: not installed; install it with pip, or give a folder"
    with pytest.raises(EncoderError, match=f"^{re.escape(message)}$"):
        find_model(f"package:{package}")


def test_a_package_without_a_model_is_refused() -> None:
    """An installed package that carries no weights."""
    with pytest.raises(EncoderError, match=r"^model package 'semcache': no modules\.json or config\.json in "):
        find_model("package:semcache")


def test_the_model_of_a_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However deep in the package, the folder with modules.json."""
    inner = tmp_path / "carries_weights" / "data" / "model"
    inner.mkdir(parents=True)
    (tmp_path / "carries_weights" / "__init__.py").touch()
    (inner / "modules.json").write_text("[]")
    monkeypatch.syspath_prepend(str(tmp_path))
    source = find_model("package:carries_weights")
    assert (source.name, source.folder) == ("carries_weights", inner)


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"])
def test_the_default_model_without_its_package_names_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact pip line, and no download."""
    monkeypatch.setattr(model_source, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=re.escape('install it with: pip install "semcache[minilm]"')):
        find_model(name)


def test_another_model_without_the_hubs_client_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what builds fetches models."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=re.escape('pip install "semcache[build]"')):
        find_model("nobody/nothing")


def test_a_model_that_cannot_be_fetched_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the hub's client raises."""

    def refuse(model: str) -> str:
        raise LookupError(model)

    hub = ModuleType("huggingface_hub")
    hub.__dict__["snapshot_download"] = refuse
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    message = "model 'nobody/nothing': no such folder, and it cannot be fetched (LookupError: nobody/nothing)"
    with pytest.raises(EncoderError, match=f"^{re.escape(message)}$"):
        find_model("nobody/nothing")


def test_weights_that_are_not_the_published_ones_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of the right name with other weights is not the default model."""
    monkeypatch.setattr(model_source, "find_spec", lambda _: object())
    monkeypatch.setattr(model_source, "_package_folder", lambda _: folder)
    message = "the published weights have 53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    with pytest.raises(EncoderError, match=f"^{re.escape(str(folder / 'model.safetensors'))}: sha256 .*{message}"):
        find_model("all-MiniLM-L6-v2")
