"""What a bundle's last pull brought: `<root>/<name>/pulled.json`. Writer's own; no lookup reads it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from semcache.bundle.layout import PULLED_FILE
from semcache.bundle.locate import read_small
from semcache.core.fields import FieldError, Fields
from semcache.errors import StorageError
from semcache.store.fsio import FileSystem, replace_file

_MAX_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Pulled:
    """A release that was pulled.

    Attributes:
        name: of the bundle.
        url: of the remote.
        number: of the release.
        sha256: of the release's bytes.
        published: when it was, in Unix seconds.
        version: id of the version that was built of it here.
    """

    name: str
    url: str
    number: int
    sha256: str
    published: int
    version: str


def read_pulled(root: Path, name: str) -> Pulled | None:
    """Return what was pulled last; None where nothing was, or the file does not say.

    Raises:
        StorageError: the system refuses.
    """
    path = root / name / PULLED_FILE
    try:
        take = Fields.parse(read_small(path, limit_bytes=_MAX_BYTES))
        return Pulled(
            name=take.text("name"),
            url=take.text("url"),
            number=take.count("number"),
            sha256=take.hex("sha256", 64),
            published=take.count("published"),
            version=take.hex("version", 32),
        )
    except (FileNotFoundError, FieldError):
        return None
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error


def write_pulled(fs: FileSystem, root: Path, pulled: Pulled) -> None:
    """Note what was pulled, durably.

    Raises:
        StorageError: the system refuses.
    """
    path = root / pulled.name / PULLED_FILE
    try:
        replace_file(fs, path, f"{json.dumps(asdict(pulled), sort_keys=True)}\n".encode("ascii"))
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error
