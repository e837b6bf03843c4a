"""Words for what a rebuild found: the same in a terminal and on a page."""

from __future__ import annotations

from semcache.bundle.compare import Changes
from semcache.cli.charts import level_name, percent
from semcache.rebuild.gates import Gate


def changes_text(changes: Changes) -> str:
    """Return what became of entries, in one line."""
    counts = ((len(changes.added), "added"), (len(changes.changed), "changed"), (len(changes.removed), "removed"))
    told = ", ".join(f"{n:,} {what}" for n, what in counts)
    return f"entries: {told}, {changes.n_same:,} as before"


def gate_text(gate: Gate) -> str:
    """Return a gate in one line: what was found, what is allowed, and what that is about."""
    if gate.found is None:
        return f"{gate.name}: {gate.detail}"
    return f"{gate.name} {found_text(gate)} ({allowed_text(gate)}): {gate.detail}"


def found_text(gate: Gate) -> str:
    """Return what a gate found; "-" where nothing could be."""
    if gate.found is None:
        return "-"
    if gate.unit == "share":
        return percent(gate.found) if gate.found >= 0 else f"-{percent(-gate.found)}"
    return f"{gate.found:.2f}" if gate.unit == "ratio" else f"{gate.found:,.0f}"


def allowed_text(gate: Gate) -> str:
    """Return what a gate allows."""
    shown = {
        "share": level_name(gate.allowed),
        "ratio": f"{gate.allowed:g}",
        "count": f"{gate.allowed:,.0f}",
    }[gate.unit]
    return f"at least {shown}" if gate.is_least else f"at most {shown}"
