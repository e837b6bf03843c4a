"""Measure what generated variants are worth: coverage at a fixed error, by source and by number an entry.

Needs the data folder (`--data`, default ../shared/data) and an exported encoder (`--encoder`).

    python scripts/eval/augmentation.py --encoder indexes/encoders/<fingerprint> --out augmentation.jsonl
    python scripts/eval/augmentation.py --table augmentation.jsonl

Of each entry some phrasings are known, some are kept back as the source "written", the rest are queries. A quarter of
the entries is taken out whole (but in clinc150, which has queries out of scope, and where a set says so): theirs must
miss. A threshold is chosen on one half of the queries and used on the other, then the other way round.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from semcache.config import AugmentConfig
from semcache.core.rewrite import FAMILIES, rewrites_of_entry
from semcache.core.text import normalise
from semcache.core.variant_facts import same_facts
from semcache.core.variant_filters import judge_variants
from semcache.embed.base import Embedder
from semcache.embed.registry import load_embedder

Floats = npt.NDArray[np.float32]
SETS = (
    *(("banking77", 1), ("banking77", 5), ("clinc150", 1), ("clinc150", 5)),
    *(("stackfaq", 1), ("speckit", 1), ("speckit, all present", 1)),
)
N_WRITTEN = {"banking77": 16, "clinc150": 16, "stackfaq": 4, "speckit": 4, "speckit, all present": 4}
COUNTS = (0, 1, 2, 4, 8, 16)
ERRORS = (0.01, 0.02, 0.05)
SOURCES: dict[str, tuple[str, ...]] = {
    "rules": FAMILIES,
    **{family: (family,) for family in FAMILIES},
    "form+keyword": ("form", "keyword"),
}
FILTERS: dict[str, AugmentConfig | None] = {
    "none": None,
    "strict": AugmentConfig(min_margin=0.05, min_score=0.6),
    "middle": AugmentConfig(min_margin=0.0, min_score=0.4),
    "loose": AugmentConfig(min_margin=-0.1, min_score=0.2),
}
FILTERS_OF_RULES = {"none", "middle"}
STRAYS = 0.2  # of "written+strays": so many texts belong to the nearest other entry
MAX_QUERIES = 3000
MORE = 3  # so many candidates for each that is wanted, where a filter will take some
GUARD = -2

Scorer = Callable[[Floats, Floats], Floats]
"""Best score of each query and its margin to the best different answer -> what a threshold is laid on."""
DECISIONS: dict[str, Scorer] = {"cosine": lambda top, _: top, "margin": lambda _, margin: margin}


@dataclass
class Split:
    """One random division of a data set: texts known of each entry, texts kept back, guards, and queries."""

    known: list[list[str]]
    written: list[list[str]]
    guards: list[str]
    queries: list[str]
    wanted: npt.NDArray[np.int64]


class Vectors:
    """Embeds each text once; precomputed float16 vectors of public sets are taken where there are some."""

    def __init__(self, embedder: Embedder, precomputed: Path | None) -> None:
        self._embedder = embedder
        self._known: dict[str, Floats] = {}
        for path in sorted(precomputed.glob("*.json")) if precomputed else ():
            if path.stem in N_WRITTEN:
                rows = np.load(path.with_suffix(".npy"), allow_pickle=False)
                self._known.update(zip(json.loads(path.read_text("utf-8")), rows, strict=True))

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Return (n, dim) float32 unit rows; zeros for what cannot be embedded."""
        new = sorted({text for text in texts if text not in self._known}, key=len)
        jobs = [new[i : i + 256] for i in range(0, len(new), 256)]
        with ThreadPoolExecutor(2) as pool:
            for job, rows in zip(jobs, pool.map(self._embedder.embed, jobs), strict=True):
                self._known.update(zip(job, rows.astype(np.float16), strict=True))
        if not texts:
            return np.zeros((0, self._embedder.dim), np.float32)
        rows = np.stack([self._known[text] for text in texts]).astype(np.float32)
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6), np.float32)


def main() -> None:
    """Measure, or print the table of what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--corpus", type=Path, default=Path("corpus/speckit.jsonl"))
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--precomputed", type=Path, help="folder of <set>.npy and <set>.json")
    parser.add_argument("--out", type=Path, default=Path("augmentation.jsonl"))
    parser.add_argument("--table", type=Path, help="print the table of a file that was measured")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--set", help="only this one")
    parser.add_argument("--source", help="only this one")
    arguments = parser.parse_args()
    if arguments.table:
        print_table([json.loads(line) for line in arguments.table.read_text("utf-8").splitlines()])
        return
    vectors = Vectors(load_embedder(arguments.encoder, n_threads=1), arguments.precomputed)
    with arguments.out.open("a", encoding="utf-8") as out:
        for name, n_known in SETS:
            if arguments.set and name != arguments.set:
                continue
            path = arguments.corpus if name.startswith("speckit") else arguments.data / name
            for seed in range(arguments.seeds):
                split = split_of(name, path, n_known=n_known, seed=seed)
                for record in measure(split, vectors, seed=seed, only=arguments.source):
                    out.write(json.dumps({"set": name, "known": n_known, "seed": seed, **record}) + "\n")
                out.flush()


def groups_of(name: str, path: Path) -> tuple[list[list[str]], list[str], list[list[str]]]:
    """Return the texts of each entry (its canonical one first), texts out of scope, and the entries' rejects."""
    if name.startswith("speckit"):
        entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return [[e["query"], *e["paraphrases"]] for e in entries], [], [e.get("rejects", []) for e in entries]
    groups: dict[str, list[str]] = defaultdict(list)
    outside: list[str] = []
    file_path = next(path.glob("queries.jsonl*"))
    with gzip.open(file_path, "rt") if file_path.suffix == ".gz" else file_path.open() as file:
        for line in file:
            row = json.loads(line)
            is_outside = row["group"] is None or str(row["group"]).startswith("oos")
            (outside if is_outside else groups[row["group"]]).append(row["text"])
    return list(groups.values()), outside, [[] for _ in groups]


def split_of(name: str, path: Path, *, n_known: int, seed: int) -> Split:
    """Divide a set; the canonical text of an FAQ or a corpus entry is always known."""
    rng = np.random.default_rng(seed)
    groups, outside, rejects = groups_of(name, path)
    has_canonical = name == "stackfaq" or name.startswith("speckit")
    are_all_present = bool(outside) or name.endswith("present")
    absent = set() if are_all_present else set(rng.permutation(len(groups))[: len(groups) // 4].tolist())
    taken = {normalise(text) for texts in groups for text in texts}
    split = Split([], [], [], [], np.zeros(0, np.int64))
    queries = [(text, -1) for text in outside]
    for number, texts in enumerate(groups):
        unique = list(dict.fromkeys(texts))
        first, rest = (unique[:1], unique[1:]) if has_canonical else ([], unique)
        order = first + [rest[i] for i in rng.permutation(len(rest))]
        n_kept_back = n_known + N_WRITTEN[name]
        if number in absent:
            queries += [(text, -1) for text in order[n_kept_back:]]
            continue
        answer = len(split.known)
        split.known.append(order[:n_known])
        split.written.append(order[n_known:n_kept_back])
        split.guards += [text for text in rejects[number] if normalise(text) not in taken]
        queries += [(text, answer) for text in order[n_kept_back:]]
    chosen = [queries[i] for i in rng.permutation(len(queries))[:MAX_QUERIES]]
    split.queries = [text for text, _ in chosen]
    split.wanted = np.array([answer for _, answer in chosen])
    return split


def measure(
    split: Split, vectors: Vectors, *, seed: int, only: str | None = None, decisions: dict[str, Scorer] = DECISIONS
) -> Iterator[dict[str, object]]:
    """Yield coverage and error for each source, filter, number of variants, decision and allowed error."""
    texts = [text for known in split.known for text in known]
    owners = np.array([i for i, known in enumerate(split.known) for _ in known])
    known, queries, guards = vectors(texts), vectors(split.queries), vectors(sorted(set(split.guards)))
    n_columns = len(split.known) + 1  # the last one: no answer
    base = by_answer(queries @ known.T, owners, n_columns)
    if len(guards):
        base[:, -1] = (queries @ guards.T).max(axis=1)
    about: dict[str, object] = {"source": "none", "filter": "none", "n": 0, "rows": len(texts)}
    yield from outcomes(base, split.wanted, decisions, about)
    for source, candidates in candidates_of(split, known, owners, seed=seed):
        if only not in {None, source}:
            continue
        rows = vectors([text for texts_of in candidates for text in texts_of])
        of = np.array([i for i, texts_of in enumerate(candidates) for _ in texts_of], np.int64)
        scores = queries @ rows.T
        near = near_other(rows, of, known=known, owners=owners, guards=guards)
        for name, config in FILTERS.items():
            if source in SOURCES and name not in FILTERS_OF_RULES:
                continue
            chosen = np.arange(len(rows))
            if config is not None:
                chosen = kept_by(config, rows, of, near, known=known, owners=owners)
            for n in COUNTS[1:]:
                picked = chosen[rank_within(of[chosen]) < n]
                best = np.maximum(base, by_answer(scores[:, picked], of[picked], n_columns))
                about = {"source": source, "filter": name, "n": n, "rows": len(texts) + len(picked)}
                yield from outcomes(best, split.wanted, decisions, about)


def candidates_of(
    split: Split, known: Floats, owners: npt.NDArray[np.int64], *, seed: int
) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield each source with its texts for each entry, best first."""
    yield "written", split.written
    yield "written+strays", with_strays(split.written, known, owners, seed=seed)
    facts = [
        [text for text in written if any(same_facts(own, text) for own in own_texts)]
        for written, own_texts in zip(split.written, split.known, strict=True)
    ]
    yield "written, same facts", facts
    limit = MORE * COUNTS[-1]
    for source, families in SOURCES.items():
        found = [rewrites_of_entry(texts, limit=limit, families=families, seed=seed) for texts in split.known]
        yield source, [[rewrite.text for _, rewrite in of_entry] for of_entry in found]


def with_strays(
    written: list[list[str]], known: Floats, owners: npt.NDArray[np.int64], *, seed: int
) -> list[list[str]]:
    """Put texts of the nearest other entry in the place of some: what a careless writer or model does."""
    rng = np.random.default_rng(seed + 1)
    near = by_answer(by_answer(known @ known.T, owners, len(written)).T.copy(), owners, len(written))
    np.fill_diagonal(near, -1)
    mixed = []
    for texts, other in zip(written, near.argmax(axis=1), strict=True):
        strays = written[int(other)]
        is_stray = rng.random(len(texts)) < STRAYS
        mixed.append([strays[i % len(strays)] if is_stray[i] and strays else text for i, text in enumerate(texts)])
    return mixed


def near_other(
    rows: Floats, of: npt.NDArray[np.int64], *, known: Floats, owners: npt.NDArray[np.int64], guards: Floats
) -> Floats:
    """Return the score of each variant to the nearest known text of another entry, or guard."""
    to_guard = (rows @ guards.T).max(axis=1) if len(guards) else np.full(len(rows), -1, np.float32)
    other = np.where(owners[None, :] == of[:, None], np.float32(-1), rows @ known.T).max(axis=1, initial=-1)
    return np.asarray(np.maximum(other, to_guard), np.float32)


def kept_by(
    config: AugmentConfig,
    rows: Floats,
    of: npt.NDArray[np.int64],
    near: Floats,
    *,
    known: Floats,
    owners: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Return which variants the filters keep, in their order."""
    kept = list[int]()
    for entry in np.unique(of):
        mine = np.flatnonzero(of == entry)
        verdicts = judge_variants(rows[mine], known[owners == entry], near[mine], config)
        kept += [int(i) for i, verdict in zip(mine, verdicts, strict=True) if verdict is None]
    return np.array(kept, np.int64)


def rank_within(of: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each variant how many of its entry stand before it."""
    seen: dict[int, int] = defaultdict(int)
    ranks = np.zeros(len(of), np.int64)
    for i, entry in enumerate(of.tolist()):
        ranks[i] = seen[entry]
        seen[entry] += 1
    return ranks


def by_answer(scores: Floats, owners: npt.NDArray[np.int64], n_answers: int) -> Floats:
    """Return (n_queries, n_answers): the best score to each answer."""
    best = np.full((scores.shape[0], n_answers), -1, np.float32)
    if len(owners):
        starts = np.flatnonzero(np.r_[True, owners[1:] != owners[:-1]])
        best[:, owners[starts]] = np.maximum.reduceat(scores, starts, axis=1)
    return best


def outcomes(
    best: Floats, wanted: npt.NDArray[np.int64], decisions: dict[str, Scorer], about: dict[str, object]
) -> Iterator[dict[str, object]]:
    """Yield one record a decision and allowed error."""
    found = best.argmax(axis=1)
    top = best.max(axis=1)
    rivals = best.copy()
    rivals[np.arange(len(best)), found] = -1
    is_guard = found == best.shape[1] - 1
    is_right = (found == wanted) & ~is_guard
    for name, decide in decisions.items():
        score = np.where(is_guard, -np.inf, decide(top, top - rivals.max(axis=1))).astype(np.float32)
        for allowed in ERRORS:
            coverage, error = crossed(score, is_right, allowed)
            yield {**about, "decision": name, "allowed": allowed, "coverage": coverage, "error": error}


def crossed(score: Floats, is_right: npt.NDArray[np.bool_], allowed: float) -> tuple[float, float]:
    """Choose a threshold on each half, use it on the other; return coverage and error over both."""
    half = np.arange(len(score)) % 2 == 0
    n_served = n_wrong = 0
    for chosen_on, used_on in ((half, ~half), (~half, half)):
        served = score[used_on] >= threshold_for(score[chosen_on], is_right[chosen_on], allowed)
        n_served += int(served.sum())
        n_wrong += int((served & ~is_right[used_on]).sum())
    return n_served / len(score), n_wrong / max(n_served, 1)


def threshold_for(score: Floats, is_right: npt.NDArray[np.bool_], allowed: float) -> float:
    """Return the least threshold with no more error than allowed; infinity where there is none."""
    order = np.argsort(-score, kind="stable")
    error = np.cumsum(~is_right[order]) / np.arange(1, len(order) + 1)
    fine = np.flatnonzero((error <= allowed) & np.isfinite(score[order]))
    return float(score[order][fine[-1]]) if len(fine) else float("inf")


def print_table(records: list[dict[str, Any]]) -> None:
    """Print what each source gains over none, then medians over seeds: one table a set and decision."""
    cells: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for r in records:
        where = (r["set"], r["known"], r["decision"], r["source"], r["filter"], r["n"], r["allowed"])
        cells[where].append(r["coverage"])
    places = list(dict.fromkeys((r["set"], r["known"]) for r in records))
    sources = list(dict.fromkeys((r["source"], r["filter"]) for r in records if r["source"] != "none"))
    for decision in DECISIONS:
        print(f"\n**Gain over no variants, {decision}**\n")
        print_rows(sources, partial(gain, cells, places, decision))
    for place in places:
        for decision in DECISIONS:
            none = percent(cells, (*place, decision, "none", "none", 0))
            print(f"\n**{place[0]}, {place[1]} known, {decision}; none: {none}**\n")
            print_rows(sources, partial(coverage, cells, (*place, decision)))


def print_rows(sources: Sequence[tuple[str, str]], cell: Callable[[tuple[str, str], int], str]) -> None:
    """Print a table with a row for each source and filter."""
    print("| source | filter |" + "".join(f" {n} |" for n in COUNTS[1:]))
    print("| --- | --- |" + " --- |" * len(COUNTS[1:]))
    for source in sources:
        print(f"| {source[0]} | {source[1]} | " + " | ".join(cell(source, n) for n in COUNTS[1:]) + " |")


def coverage(
    cells: dict[tuple[object, ...], list[float]], where: tuple[object, ...], source: tuple[str, str], n: int
) -> str:
    """Return median coverages in percent of a source with n variants."""
    return percent(cells, (*where, *source, n))


def percent(cells: dict[tuple[object, ...], list[float]], where: tuple[object, ...]) -> str:
    """Return median coverages in percent."""
    return " / ".join(f"{100 * median(cells[*where, allowed]):.1f}" for allowed in ERRORS)


def gain(
    cells: dict[tuple[object, ...], list[float]],
    places: Sequence[tuple[str, int]],
    decision: str,
    source: tuple[str, str],
    n: int,
) -> str:
    """Return the mean gain in points over all sets and seeds, and twice its standard error, at each error."""
    shown = []
    for allowed in ERRORS:
        of_places = []
        for place in places:
            without = np.array(cells[*place, decision, "none", "none", 0, allowed])
            of_places.append(np.array(cells[*place, decision, *source, n, allowed]) - without)
        gains = 100 * np.concatenate(of_places)
        shown.append(f"{gains.mean():+.1f} \u00b1{2 * gains.std(ddof=1) / len(gains) ** 0.5:.1f}")
    return " / ".join(shown)


if __name__ == "__main__":
    main()
