"""Which release the live version stands for: what lookups and rollbacks take from a pulled bundle's `pulled.json`."""

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
_LATEST = 253_402_300_799
"""The last second of the year 9999."""


@dataclass(frozen=True, slots=True)
class ReleaseNote:
    """The release that the last pull brought.

    Attributes:
        name: of the bundle.
        url: of the remote.
        number: of the release.
        published: when it was, in Unix seconds.
        version: that stands for it here: the one that was built of it, or the one that it was rolled back to. While
            that one is live, a pull takes nothing older and not this release again.
        rolled_back: the version that was built of it, where it was rolled back; "" where it was not.
        content_sha256: `Release.content_sha256` of the release, which its renewals share; "" where that is not known.
    """

    name: str
    url: str
    number: int
    published: int
    version: str
    rolled_back: str = ""
    content_sha256: str = ""

    @property
    def built(self) -> str:
        """The version that was built of the release."""
        return self.rolled_back or self.version


def read_note(bundle_dir: Path) -> ReleaseNote | None:
    """Return what was pulled last; None where nothing was, or the file does not say.

    Raises:
        StorageError: the system refuses.
    """
    path = bundle_dir / PULLED_FILE
    try:
        take = Fields.parse(read_small(path, limit_bytes=_MAX_BYTES))
        return ReleaseNote(
            take.text("name"),
            take.text("url"),
            take.count("number"),
            min(take.count("published"), _LATEST),
            take.hex("version", 32),
            take.hex("rolled_back", 32) if "rolled_back" in take.names() else "",
            take.hex("content_sha256", 64) if "content_sha256" in take.names() else "",
        )
    except (FileNotFoundError, FieldError):
        return None
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error


def write_note(fs: FileSystem, bundle_dir: Path, note: ReleaseNote) -> None:
    """Replace what is noted, durably.

    Raises:
        OSError: the system refuses.
    """
    document = {name: value for name, value in asdict(note).items() if value != ""}
    replace_file(fs, bundle_dir / PULLED_FILE, f"{json.dumps(document, sort_keys=True)}\n".encode("ascii"))
