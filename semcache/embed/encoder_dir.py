"""An encoder on disk: a folder named by its fingerprint, which covers every byte that changes its output.

    encoders/<fingerprint>/encoder.json      what it is, with the digests of the files beside it
                           model.onnx        (kind onnx) pooling and normalisation inside the graph
                           model.weights     (kind onnx) the graph's large tensors, mapped: processes share them
                           tokenizer.json    (kind onnx)

The fingerprint is a digest of encoder.json, and encoder.json holds the digests of the others.
Source: FORMAT.md, "Encoders".
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Literal

from semcache.core.fields import FieldError, Fields
from semcache.errors import EncoderError, StorageError

ENCODER_FILE = "encoder.json"
MODEL_FILE = "model.onnx"
WEIGHTS_FILE = "model.weights"
TOKENIZER_FILE = "tokenizer.json"
_FINGERPRINT_CHARS = 32
_MAX_TOKENS_LIMIT = 1 << 20
_MAX_DIM = 65_536


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """The content of encoder.json.

    Attributes:
        kind: "onnx", or "hashing" (no files, for tests).
        name: for a person.
        dim: length of a vector.
        max_tokens: longest text that is embedded.
        model_sha256, tokenizer_sha256: digests of the files; empty for hashing.
        source_sha256: digest of the model folder it was exported from; empty for hashing.
        weights_sha256: digest of the weights; hashing has none, and no such field in its file.
    """

    kind: Literal["onnx", "hashing"]
    name: str
    dim: int
    max_tokens: int
    model_sha256: str = ""
    tokenizer_sha256: str = ""
    source_sha256: str = ""
    weights_sha256: str = ""

    def to_bytes(self) -> bytes:
        """Return the canonical bytes of encoder.json."""
        document = asdict(self)
        if self.kind == "hashing":
            del document["weights_sha256"]
        return (json.dumps(document, sort_keys=True, indent=2) + "\n").encode("ascii")

    @property
    def digests(self) -> dict[str, str]:
        """Return the files beside encoder.json, each with its sha256."""
        if self.kind == "hashing":
            return {}
        return {
            MODEL_FILE: self.model_sha256,
            WEIGHTS_FILE: self.weights_sha256,
            TOKENIZER_FILE: self.tokenizer_sha256,
        }

    @property
    def fingerprint(self) -> str:
        """Return the first 32 hex digits of encoder.json's sha256."""
        return sha256(self.to_bytes()).hexdigest()[:_FINGERPRINT_CHARS]


def read_spec(folder: Path) -> EncoderSpec:
    """Read encoder.json and hold it against the folder's name.

    Raises:
        EncoderError: it is missing, broken, or not the one the folder is named after.
    """
    path = folder / ENCODER_FILE
    raw = _read(path)
    if sha256(raw).hexdigest()[:_FINGERPRINT_CHARS] != folder.name:
        msg = f"{path}: is not the file that was written (its sha256 differs from the folder's name); build again"
        raise EncoderError(msg)
    try:
        return _parse(raw)
    except FieldError as error:
        msg = f"{path}: {error}; build again"
        raise EncoderError(msg) from error


def read_verified(folder: Path, file: str, digest: str) -> bytes:
    """Return the bytes of an encoder's file, after holding them against their digest.

    Raises:
        EncoderError: missing, or not the bytes that were written.
    """
    raw = _read(folder / file)
    _expect(folder / file, found=sha256(raw).hexdigest(), digest=digest)
    return raw


def verify_digest(folder: Path, file: str, digest: str) -> os.stat_result:
    """Hold an encoder's file against its digest without keeping its bytes, and return which file that was.

    Raises:
        EncoderError: missing, or not the bytes that were written.
    """
    path = folder / file
    try:
        with path.open("rb") as opened:
            found = file_digest(opened, "sha256").hexdigest()
            stat = os.fstat(opened.fileno())
    except OSError as error:
        raise _unreadable(path, error) from error
    _expect(path, found=found, digest=digest)
    return stat


def expect_unchanged(path: Path, verified: os.stat_result) -> None:
    """Hold the file that has a path now against the one that `verify_digest` read.

    Raises:
        EncoderError: another one took its place, or it was written to.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    if any(getattr(stat, name) != getattr(verified, name) for name in ("st_dev", "st_ino", "st_size", "st_mtime_ns")):
        msg = f"{path}: changed while it was loaded; try again"
        raise EncoderError(msg)


def _expect(path: Path, *, found: str, digest: str) -> None:
    if found != digest:
        msg = f"{path}: is not the file that was written (sha256 differs); build again"
        raise EncoderError(msg)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> EncoderError | StorageError:
    if isinstance(error, FileNotFoundError):
        return EncoderError(f"{path}: missing; the encoder belongs beside the bundle, build or copy it again")
    return StorageError.from_os_error(path, error)


def _parse(raw: bytes) -> EncoderSpec:
    take = Fields.parse(raw)
    kind: Literal["onnx", "hashing"] = take.one_of("kind", "onnx", "hashing")
    spec = EncoderSpec(
        kind=kind,
        name=take.text("name"),
        dim=take.count("dim"),
        max_tokens=take.count("max_tokens"),
        model_sha256=take.text("model_sha256"),
        tokenizer_sha256=take.text("tokenizer_sha256"),
        source_sha256=take.text("source_sha256"),
        weights_sha256=take.text("weights_sha256") if kind == "onnx" else "",
    )
    take.nothing_left()
    if not (1 <= spec.dim <= _MAX_DIM and 3 <= spec.max_tokens <= _MAX_TOKENS_LIMIT):
        msg = f"dim {spec.dim} and max_tokens {spec.max_tokens}, allowed 1 to {_MAX_DIM} and 3 to {_MAX_TOKENS_LIMIT}"
        raise FieldError(msg)
    return spec
