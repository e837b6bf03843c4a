"""What `make demo` shows at the end: hits, misses, and why."""

from __future__ import annotations

from pathlib import Path

from semcache import Cache
from semcache.core.certificate import Certificate

ROOT = Path(__file__).resolve().parent.parent / "indexes"
QUESTIONS = {
    "speckit": (
        "how do i add login?",
        "whats the way to put login into my app",
        "how do i remove login from my app",
        "undo my last database migration please",
        "get pytest going in my repo",
        "turn off the second factor for an account",
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
            counts, decision = cache.info.manifest.counts, cache.info.manifest.decision
            print(f"\n{name}: {counts.entries:,} entries, {counts.rows:,} rows")
            print(*(f"  {_promise(certificate)}" for certificate in decision.certificates), "", sep="\n")
            for question in questions:
                _show(cache, question)
    print("Ask your own:  .venv/bin/semcache lookup speckit 'how do i write a spec for a bug fix'")
    print("See why:       .venv/bin/semcache explain speckit 'turn off the second factor for an account'")


def _promise(certificate: Certificate) -> str:
    """Say what is promised in a namespace, and on whose queries that rests."""
    level = certificate.level_for(None)
    if level.threshold is None:
        return f"{certificate.namespace}: no error is certified, so only the very same text hits"
    source = {"generic": "public sets", "written": "its own phrasings, left out in turn", "traffic": "real queries"}
    on = source[certificate.calibration.source]
    return f"{certificate.namespace}: at most {100 * level.max_error:g} % of hits wrong, certified on queries of {on}"


def _show(cache: Cache, question: str) -> None:
    print(f"  > {question}")
    result = cache.lookup(question)
    if result.hit:
        how = result.kind if result.threshold is None else f"{result.kind}, confidence {result.confidence:.3f}"
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
