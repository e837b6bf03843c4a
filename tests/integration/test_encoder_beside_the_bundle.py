"""The encoder belongs to the bundle: another one, a changed one or none is an error, never a wrong vector."""

from __future__ import annotations

import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import encoder_programs
import numpy as np
import onnx
import pytest
from running import run_program

from semcache.bundle.reader import read_manifest
from semcache.core.manifest import version_id
from semcache.embed.encoder_dir import EncoderSpec, read_spec

pytestmark = pytest.mark.model

EXACT = "how do i add login?"
SEMANTIC = "whats the way to put login into my app"
EXACT_HIT = ["Hit", "speckit/auth-add-login"]


@pytest.fixture
def root(model_root: Path, tmp_path: Path) -> Path:
    """Give a copy of the root with the shipped corpus that may be damaged."""
    copy = tmp_path / "indexes"
    shutil.copytree(model_root / "speckit", copy / "speckit")
    shutil.copytree(model_root / "encoders", copy / "encoders")
    return copy


def encoder_folder(root: Path) -> Path:
    """Give the one encoder of a root."""
    (path,) = (root / "encoders").glob("*/encoder.json")
    return path.parent


def change_weights(folder: Path) -> EncoderSpec:
    """Change the weights of an encoder, not their shapes, and give the spec that would be true of it."""
    path = folder / "model.weights"
    weights = np.frombuffer(path.read_bytes(), dtype=np.float32)
    noise = np.random.default_rng(1).normal(0, 2 * weights.std(), weights.shape).astype(np.float32)
    replace_bytes(path, (weights + noise).tobytes())
    return replace(read_spec(folder), weights_sha256=sha256(path.read_bytes()).hexdigest())


def replace_bytes(path: Path, raw: bytes) -> None:
    """Put a new file in a file's place: others may have the old one mapped."""
    path.unlink()
    path.write_bytes(raw)


def change_places(folder: Path, place: dict[str, str]) -> EncoderSpec:
    """Let the first tensor that the graph keeps outside be elsewhere, and give the spec that would be true of it."""
    path = folder / "model.onnx"
    model = onnx.load(path, load_external_data=False)
    tensor = next(tensor for tensor in model.graph.initializer if tensor.external_data)
    for entry in tensor.external_data:
        entry.value = place.get(entry.key, entry.value)
    replace_bytes(path, model.SerializeToString())
    return replace(read_spec(folder), model_sha256=sha256(path.read_bytes()).hexdigest())


def look_up(root: Path) -> list[list[str]]:
    """Look up one text exactly and one semantically, in a process without any encoder loaded."""
    found: list[list[str]] = run_program(encoder_programs.look_up_with_error, root / "speckit", EXACT, SEMANTIC)
    return found


def test_the_copy_works_before_it_is_damaged(root: Path) -> None:
    """A root can be copied whole; the other tests of this file damage something that works."""
    assert look_up(root) == [EXACT_HIT, ["Hit", "speckit/auth-add-login"]]


def test_changed_weights_are_refused(root: Path) -> None:
    """Weights that are not the ones encoder.json vouches for are not run."""
    folder = encoder_folder(root)
    change_weights(folder)
    exact, (error, message) = look_up(root)
    assert (exact, error) == (EXACT_HIT, "EncoderError")
    assert message.startswith(f"{folder / 'model.weights'}: is not the file that was written")


def test_a_changed_graph_is_refused(root: Path) -> None:
    """A graph that is not the one encoder.json vouches for is not read."""
    folder = encoder_folder(root)
    change_places(folder, {"offset": "64"})
    exact, (error, message) = look_up(root)
    assert (exact, error) == (EXACT_HIT, "EncoderError")
    assert message.startswith(f"{folder / 'model.onnx'}: is not the file that was written")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ({"location": "../../../../etc/passwd"}, "a tensor is kept at b'length': "),
        ({"location": "*/_ORT_MEM_ADDR_/*"}, "a tensor is kept at b'length': "),
        ({"location": "tokenizer.json"}, "a tensor is kept at b'length': "),
        ({"offset": "90000000"}, "a tensor ends at 136881792 in model.weights, which has 90135552 bytes"),
        ({"length": "4"}, ""),
    ],
)
def test_a_graph_with_its_weights_elsewhere_is_refused(root: Path, place: dict[str, str], reason: str) -> None:
    """Where every digest agrees, a tensor still comes from the file of weights, whole, or from nowhere."""
    folder = encoder_folder(root)
    spec = change_places(folder, place)
    (folder / "encoder.json").write_bytes(spec.to_bytes())
    folder = folder.rename(folder.with_name(spec.fingerprint))
    relabel(root / "speckit", spec.fingerprint)
    exact, (error, message) = look_up(root)
    assert (exact, error) == (EXACT_HIT, "EncoderError")
    assert message.startswith(f"{folder}: cannot be loaded: {reason}")


def test_another_encoder_under_the_same_name_is_refused(root: Path) -> None:
    """An encoder that is whole in itself, but not the one its folder is named after, is not run."""
    folder = encoder_folder(root)
    spec = change_weights(folder)
    (folder / "encoder.json").write_bytes(spec.to_bytes())
    exact, (error, message) = look_up(root)
    assert (exact, error) == (EXACT_HIT, "EncoderError")
    assert message.startswith(f"{folder / 'encoder.json'}: is not the file that was written")


def test_an_encoder_that_gives_other_vectors_is_refused_by_the_probes(root: Path) -> None:
    """Where every digest agrees and the vectors do not, the probes tell."""
    folder = encoder_folder(root)
    spec = change_weights(folder)
    (folder / "encoder.json").write_bytes(spec.to_bytes())
    folder.rename(folder.with_name(spec.fingerprint))
    relabel(root / "speckit", spec.fingerprint)
    exact, (error, message) = look_up(root)
    assert (exact, error) == (EXACT_HIT, "EncoderMismatchError")
    assert "gives other vectors here than where the bundle was built" in message


def relabel(bundle_dir: Path, fingerprint: str) -> None:
    """Publish the live version again, as one that was built with another encoder."""
    current = bundle_dir / "CURRENT"
    folder = bundle_dir / "versions" / current.read_text("ascii").strip()
    manifest = read_manifest(folder)
    raw = replace(manifest, encoder=replace(manifest.encoder, fingerprint=fingerprint)).to_bytes()
    (folder / "manifest.json").write_bytes(raw)
    folder.rename(folder.with_name(version_id(raw)))
    current.write_text(f"{version_id(raw)}\n", encoding="ascii")


def test_without_its_encoder_a_bundle_serves_exact_hits(root: Path) -> None:
    """A missing encoder is an error of semantic lookups only, and the error names the folder."""
    folder = encoder_folder(root)
    shutil.rmtree(folder)
    exact, (error, message) = look_up(root)
    assert (exact, error) == (EXACT_HIT, "EncoderError")
    assert str(folder) in message
    assert "build or copy it again" in message


@pytest.mark.parametrize("name", ["model.onnx", "model.weights", "tokenizer.json"])
def test_without_one_of_its_files_an_encoder_is_refused(root: Path, name: str) -> None:
    """The error names the file that is missing."""
    path = encoder_folder(root) / name
    path.unlink()
    exact, (error, message) = look_up(root)
    assert (exact, error) == (EXACT_HIT, "EncoderError")
    assert message.startswith(f"{path}: missing")


def test_a_tokenizer_that_splits_otherwise_is_refused(root: Path) -> None:
    """The tokenizer changes vectors as much as the weights do, so its digest is held as well."""
    path = encoder_folder(root) / "tokenizer.json"
    path.write_bytes(path.read_bytes().replace(b'"lowercase": true', b'"lowercase": false').replace(b"##ing", b"##gni"))
    exact, (error, message) = look_up(root)
    assert (exact, error) == (EXACT_HIT, "EncoderError")
    assert message.startswith(f"{path}: is not the file that was written")


def test_a_mended_encoder_is_taken_without_opening_anew(root: Path) -> None:
    """An encoder that is copied back beside an open bundle serves the next semantic lookup."""
    folder = encoder_folder(root)
    aside = folder.with_name("aside")
    folder.rename(aside)
    program = encoder_programs.look_up_mend_and_look_up
    assert run_program(program, root / "speckit", aside, folder, SEMANTIC) == ["EncoderError", True]
