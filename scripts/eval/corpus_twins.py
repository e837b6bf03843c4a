"""Ask bundles the near twins of their own texts: how many are served the answer they must not get, kind by kind.

Every twin is made by rule (semcache.core.twins) from an indexed text, which stays indexed: the hardest case there
is. Thresholds are those of the generic levels, whatever the bundle's own certificate says.

    python scripts/eval/corpus_twins.py --bundle indexes/speckit --bundle indexes/global
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from semcache import Cache
from semcache.build.generic import generic_levels
from semcache.core.text import exact_key, normalise
from semcache.core.twins import KINDS, SAME_KINDS, harmless, twins
from semcache.types import Assessment, VariantKind

_MOST = 400
_MOST_ROWS = 30_000


def main() -> None:
    """Print a table a bundle and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", type=Path, action="append", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "corpus-twins.json")
    arguments = parser.parse_args()
    figures = {path.name: of_bundle(path, seed=arguments.seed) for path in arguments.bundle}
    arguments.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for name, kinds in figures.items():
        print(f"\n{name}: share served the answer of the text it was made of, by least confidence")
        for kind, found in kinds.items():
            print(f"  {kind:<12} n {found['n']:>4}  " + "  ".join(f"{k} {v:.3f}" for k, v in found.items() if k != "n"))


def of_bundle(path: Path, *, seed: int) -> dict[str, dict[str, float]]:
    """Return, for each kind of twin and of harmless rewording, how many there were and which share is served."""
    with Cache.open(path) as cache:
        made = _made(cache, seed=seed)
        found: dict[str, dict[str, float]] = {}
        for kind, pairs in made.items():
            assessments = cache.assess([text for text, _ in pairs])
            found[kind] = {"n": len(pairs), **_served([entry for _, entry in pairs], assessments)}
        return found


def _made(cache: Cache, *, seed: int) -> dict[str, list[tuple[str, str]]]:
    """Return texts with the entry they were made of; those that are indexed themselves are left out."""
    reader = cache._current().reader  # noqa: SLF001 - there is no public list of a bundle's texts
    made: dict[str, list[tuple[str, str]]] = {kind: [] for kind in (*KINDS, *(f"same: {kind}" for kind in SAME_KINDS))}
    rng = np.random.default_rng(seed)
    for row in rng.permutation(len(reader.rows))[:_MOST_ROWS].tolist():
        near = reader.neighbour(row, 1.0)
        if near.kind is VariantKind.GUARD:
            continue
        for prefix, rewordings in (("", twins(near.variant, seed=seed)), ("same: ", harmless(near.variant, seed=seed))):
            for other in rewordings:
                key = prefix + other.kind
                if len(made[key]) < _MOST and not reader.exact_rows(exact_key(normalise(other.text))):
                    made[key].append((other.text, near.entry_id))
    return made


def _served(entries: list[str], assessments: list[Assessment]) -> dict[str, float]:
    shares: dict[str, float] = defaultdict(float)
    for level in generic_levels():
        if level.threshold is not None:
            served = [
                found.entry_id == entry and found.confidence is not None and found.confidence >= level.threshold
                for entry, found in zip(entries, assessments, strict=True)
            ]
            shares[f"{100 * level.max_error:g} %"] = round(float(np.mean(served)), 4) if served else 0.0
    return dict(shares)


if __name__ == "__main__":
    main()
