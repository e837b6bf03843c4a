"""Reads recorded traffic back. A line that a kill cut off is passed over and counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from semcache.core.traffic import DroppedLookups, RecordedLookup, parse
from semcache.errors import StorageError
from semcache.store.append_log import LOG_FILES

_MAX_LINE_BYTES = 1 << 20


@dataclass(slots=True)
class Traffic:
    """What files of recorded traffic hold; counted while they are read.

    Attributes:
        n_files, n_lookups: read so far.
        n_broken: lines that are no recorded lookup.
        n_dropped: lookups that were never written down.
    """

    n_files: int = 0
    n_lookups: int = 0
    n_broken: int = 0
    n_dropped: int = 0

    def read(self, paths: Sequence[Path]) -> Iterator[RecordedLookup]:
        """Yield every lookup of files and of the folders that `Cache.open(record=)` wrote to.

        Raises:
            StorageError: one of them is missing, or cannot be read.
        """
        for path in paths:
            for file in sorted(path.glob(LOG_FILES)) if path.is_dir() else [path]:
                yield from self._read_file(file)

    def _read_file(self, path: Path) -> Iterator[RecordedLookup]:
        self.n_files += 1
        try:
            with path.open("rb") as file:
                while raw := file.readline(_MAX_LINE_BYTES):
                    recorded = parse(raw)
                    if isinstance(recorded, RecordedLookup):
                        self.n_lookups += 1
                        yield recorded
                    elif isinstance(recorded, DroppedLookups):
                        self.n_dropped += recorded.n_dropped
                    elif raw.strip():
                        self.n_broken += 1
        except OSError as error:
            raise StorageError.from_os_error(path, error) from error
