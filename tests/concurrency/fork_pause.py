"""A point between semcache's own fork hooks and the fork, at which a program can act. Import it before semcache.

Hooks that are registered first run last before a fork.
"""

from __future__ import annotations

import os
from collections.abc import Callable

steps: list[Callable[[], None]] = []
"""What the next fork does at that point; each is taken once."""


def _take_step() -> None:
    if steps:
        steps.pop()()


os.register_at_fork(before=_take_step)
