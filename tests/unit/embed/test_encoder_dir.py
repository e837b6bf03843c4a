from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import pytest

from semcache.embed.encoder_dir import EncoderSpec, expect_unchanged, read_spec, read_verified, verify_digest
from semcache.errors import EncoderError, StorageError

SPEC = EncoderSpec(
    kind="onnx",
    name="tiny",
    dim=4,
    max_tokens=16,
    model_sha256="a" * 64,
    tokenizer_sha256="b" * 64,
    source_sha256="c" * 64,
    weights_sha256="e" * 64,
)


def folder_of(tmp_path: Path, raw: bytes) -> Path:
    """Give an encoder folder with this encoder.json, named as its bytes ask for."""
    folder = tmp_path / sha256(raw).hexdigest()[:32]
    folder.mkdir()
    (folder / "encoder.json").write_bytes(raw)
    return folder


def test_a_spec_survives_the_round_trip(tmp_path: Path) -> None:
    """What was written is what is read."""
    assert read_spec(folder_of(tmp_path, SPEC.to_bytes())) == SPEC


def test_the_fingerprint_is_stable() -> None:
    """It is the head of the sha256 of encoder.json, and names the folder."""
    assert SPEC.fingerprint == "b8f689243335401d3cf68d32fbf2a5d5"
    assert sha256(SPEC.to_bytes()).hexdigest().startswith(SPEC.fingerprint)


def test_the_bytes_are_canonical() -> None:
    """Sorted keys, two spaces, one final line feed."""
    assert EncoderSpec(kind="hashing", name="h", dim=2, max_tokens=3).to_bytes() == (
        b'{\n  "dim": 2,\n  "kind": "hashing",\n  "max_tokens": 3,\n  "model_sha256": "",\n  "name": "h",\n'
        b'  "source_sha256": "",\n  "tokenizer_sha256": ""\n}\n'
    )


@pytest.mark.parametrize(
    "other",
    [
        replace(SPEC, kind="hashing"),
        replace(SPEC, dim=5),
        replace(SPEC, max_tokens=17),
        replace(SPEC, model_sha256="d" * 64),
        replace(SPEC, tokenizer_sha256="d" * 64),
        replace(SPEC, source_sha256="d" * 64),
        replace(SPEC, weights_sha256="d" * 64),
    ],
)
def test_whatever_changes_the_output_changes_the_fingerprint(other: EncoderSpec) -> None:
    """Two encoders that can differ have two folders."""
    assert other.fingerprint != SPEC.fingerprint


def test_a_spec_of_another_folder_is_refused(tmp_path: Path) -> None:
    """A folder holds what its name says, to the byte."""
    folder = folder_of(tmp_path, SPEC.to_bytes())
    (folder / "encoder.json").write_bytes(SPEC.to_bytes() + b"\n")
    message = f"{folder / 'encoder.json'}: is not the file that was written"
    with pytest.raises(EncoderError, match=f"^{re.escape(message)}.*; build again$"):
        read_spec(folder)


def test_a_missing_folder_says_where_the_encoder_belongs(tmp_path: Path) -> None:
    """With the path that was looked at."""
    message = f"{tmp_path / 'none' / 'encoder.json'}: missing; the encoder belongs beside the bundle"
    with pytest.raises(EncoderError, match=f"^{re.escape(message)}"):
        read_spec(tmp_path / "none")


def test_a_spec_that_cannot_be_read_is_a_storage_error(tmp_path: Path) -> None:
    """A folder in the file's place: the system's reason, with the path."""
    (tmp_path / "encoder.json").mkdir()
    with pytest.raises(StorageError, match=f"^{tmp_path / 'encoder.json'}: Is a directory"):
        read_spec(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kind", "torch", "document.kind: found 'torch', allowed onnx or hashing"),
        ("dim", 0, "dim 0 and max_tokens 16, allowed 1 to 65536 and 3 to 1048576"),
        ("dim", 65_537, "dim 65537 and max_tokens 16"),
        ("max_tokens", 2, "dim 4 and max_tokens 2"),
        ("max_tokens", (1 << 20) + 1, "dim 4 and max_tokens 1048577"),
        ("name", None, "document.name: found 'None', allowed text"),
        ("x", 1, "document.x: unknown field"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, field: str, value: object, message: str) -> None:
    """A hostile encoder.json with the right digest is still read strictly."""
    folder = folder_of(tmp_path, json.dumps({**asdict(SPEC), field: value}).encode())
    with pytest.raises(EncoderError, match=re.escape(f"{folder / 'encoder.json'}: {message}")):
        read_spec(folder)


def test_a_spec_of_the_time_before_there_were_weights_says_what_to_do(tmp_path: Path) -> None:
    """An encoder of an older writer has its weights inside the graph; the next build exports it anew."""
    document = asdict(SPEC)
    del document["weights_sha256"]
    folder = folder_of(tmp_path, json.dumps(document).encode())
    with pytest.raises(EncoderError, match=r"document\.weights_sha256: .*; build again$"):
        read_spec(folder)


def test_a_spec_tells_the_digest_of_every_file_beside_it() -> None:
    """Hashing has none."""
    assert SPEC.digests == {"model.onnx": "a" * 64, "model.weights": "e" * 64, "tokenizer.json": "b" * 64}
    assert EncoderSpec(kind="hashing", name="h", dim=2, max_tokens=3).digests == {}


@pytest.mark.parametrize("spec", [replace(SPEC, dim=1, max_tokens=3), replace(SPEC, dim=65_536, max_tokens=1 << 20)])
def test_the_bounds_of_a_spec_are_allowed(tmp_path: Path, spec: EncoderSpec) -> None:
    """A bound is within."""
    assert read_spec(folder_of(tmp_path, spec.to_bytes())) == spec


def test_a_spec_that_is_not_json_is_an_encoder_error(tmp_path: Path) -> None:
    """With the file at fault."""
    folder = folder_of(tmp_path, b"not JSON")
    with pytest.raises(EncoderError, match=re.escape(f"{folder / 'encoder.json'}: not JSON: ")):
        read_spec(folder)


def test_a_file_with_its_digest_is_given(tmp_path: Path) -> None:
    """The bytes that were checked are the ones that are used."""
    (tmp_path / "model.onnx").write_bytes(b"graph")
    assert read_verified(tmp_path, "model.onnx", sha256(b"graph").hexdigest()) == b"graph"


def test_a_file_with_another_digest_is_refused(tmp_path: Path) -> None:
    """A changed model is never loaded."""
    (tmp_path / "model.onnx").write_bytes(b"other")
    message = f"{tmp_path / 'model.onnx'}: is not the file that was written (sha256 differs); build again"
    with pytest.raises(EncoderError, match=f"^{re.escape(message)}$"):
        read_verified(tmp_path, "model.onnx", sha256(b"graph").hexdigest())
    with pytest.raises(EncoderError, match=f"^{re.escape(message)}$"):
        verify_digest(tmp_path, "model.onnx", sha256(b"graph").hexdigest())


def test_a_missing_file_is_an_encoder_error(tmp_path: Path) -> None:
    """With the file and the next step."""
    with pytest.raises(EncoderError, match=re.escape(f"{tmp_path / 'model.onnx'}: missing; ")):
        read_verified(tmp_path, "model.onnx", "0" * 64)
    with pytest.raises(EncoderError, match=re.escape(f"{tmp_path / 'model.onnx'}: missing; ")):
        verify_digest(tmp_path, "model.onnx", "0" * 64)


def test_a_file_that_stays_is_unchanged(tmp_path: Path) -> None:
    """What was verified may be used by its path while nobody touches it."""
    path = tmp_path / "model.weights"
    path.write_bytes(b"weights")
    expect_unchanged(path, verify_digest(tmp_path, "model.weights", sha256(b"weights").hexdigest()))


def test_a_file_that_is_exchanged_after_it_was_verified_is_told(tmp_path: Path) -> None:
    """Even by one of the same size and bytes: it may have been another one in between."""
    path, other = tmp_path / "model.weights", tmp_path / "other"
    path.write_bytes(b"weights")
    other.write_bytes(b"weights")
    verified = verify_digest(tmp_path, "model.weights", sha256(b"weights").hexdigest())
    other.replace(path)
    with pytest.raises(EncoderError, match=f"^{re.escape(str(path))}: changed while it was loaded; try again$"):
        expect_unchanged(path, verified)
    path.unlink()
    with pytest.raises(EncoderError, match=f"^{re.escape(str(path))}: missing; "):
        expect_unchanged(path, verified)
