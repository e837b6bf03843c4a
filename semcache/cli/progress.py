"""How far a command is: one line on stderr, silent where that is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Give what is told a stage, how many texts of it are done, and how many there are, 0 for not known."""
    with tqdm(unit=" texts", disable=None, leave=False, dynamic_ncols=True) as bar:

        def progress(stage: str, done: int, total: int) -> None:
            bar.set_description_str(f"{stage:<8}", refresh=False)
            if total:
                bar.total, bar.n = total, done
            bar.refresh()

        yield progress


@contextmanager
def byte_bar(stage: str) -> Iterator[Callable[[int, int], None]]:
    """Give what is told how many bytes are done, and how many there are."""
    with tqdm(desc=stage, unit="B", unit_scale=True, disable=None, leave=False, dynamic_ncols=True) as bar:

        def progress(done_bytes: int, all_bytes: int) -> None:
            bar.total = all_bytes
            bar.update(done_bytes - bar.n)

        yield progress
