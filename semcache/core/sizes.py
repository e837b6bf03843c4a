"""How many bytes something has, in words."""

from __future__ import annotations


def size_text(n_bytes: int) -> str:
    """Return a size for people: three digits at least, and a unit."""
    size, unit = float(n_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
