"""What keeps the objects of a remote, as seen by `ObjectStore`: a few raw steps, each tried once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes of an object, as they come.

    Attributes:
        offset: where in the object they begin: where it was asked for, or 0.
        blocks: of 1 byte to a few MiB each.
    """

    offset: int
    blocks: Iterator[bytes]


class Stopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """A step was ended before it was done, because `stopping` was set."""


class Backend(Protocol):
    """Raw steps. Paths are checked already.

    Each raises RemoteUnavailableError (with `may_pass`) or ObjectMissingError, and Stopped once `stopping` is set.
    """

    @property
    def url(self) -> str:
        """Where it is, as it may be shown."""

    def stream(
        self, path: str, *, offset: int, limit_bytes: int, stopping: threading.Event
    ) -> AbstractContextManager[Body]:
        """Begin to read an object; no need to give more than one byte beyond the limit."""

    def write(self, path: str, data: bytes, *, only_new: bool, stopping: threading.Event) -> None:
        """Write a whole object; ObjectExistsError where it is to be new and is not."""

    def size(self, path: str, *, stopping: threading.Event) -> int:
        """Return an object's size."""

    def sizes(self, prefix: str, *, stopping: threading.Event) -> dict[str, int]:
        """Return size by path of every object below a prefix, or of all below ""."""

    def delete(self, path: str, *, stopping: threading.Event) -> None:
        """Delete an object."""
