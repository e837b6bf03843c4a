"""What `make demo` shows at the end: hits, misses, and why."""

from __future__ import annotations

from pathlib import Path

from semcache import Cache

ROOT = Path(__file__).resolve().parent.parent / "indexes"
QUESTIONS = {
    "speckit": (
        "how do i add login?",
        "whats the way to put login into my app",
        "how do i remove login from my app",
        "get pytest going in my repo",
        "undo my last database migration please",
        "what is the capital of france",
    ),
    "global": (
        "Find all files under the current directory that are older than 7 days",
        "show me the calendar of february 1900",
        "how do I declare war on Luxembourg",
    ),
}
_SHOWN_LINES = 2


def main() -> None:
    """Look the questions up and print each result with its reason."""
    for name, questions in QUESTIONS.items():
        with Cache.open(name, root=ROOT) as cache:
            counts = cache.info.manifest.counts
            print(f"\n{name}: {counts.entries:,} entries, {counts.rows:,} rows\n")
            for question in questions:
                _show(cache, question)
    print("Ask your own:  .venv/bin/semcache lookup speckit 'how do i write a spec for a bug fix'")
    print("See why:       .venv/bin/semcache explain speckit 'undo my last database migration please'")


def _show(cache: Cache, question: str) -> None:
    print(f"  > {question}")
    result = cache.lookup(question)
    if result.hit:
        how = result.kind if result.threshold is None else f"{result.kind}, score {result.score:.3f}"
        print(f"    HIT   {result.entry_id} ({how})")
        lines = result.text.splitlines()
        for line in lines[:_SHOWN_LINES]:
            print(f"          {line[:110]}")
        if len(lines) > _SHOWN_LINES:
            print(f"          ... {len(lines) - _SHOWN_LINES} more lines")
    else:
        print(f"    MISS  {result.reason}: {result.detail}")
        if result.nearest is not None:
            print(f"          nearest: {result.nearest.variant[:90]!r} ({result.nearest.score:.3f})")
    print()


if __name__ == "__main__":
    main()
