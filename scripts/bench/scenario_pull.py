"""Scenario `pull`: what a reader fetches and how long it takes, first of all and after a night that changed 2 %.

The night is built once, which takes minutes, and kept. Every sample is a process of its own with an empty root: it
pulls the first release from a folder, then the second one. Fetching, building and all checks count.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measure import Report, Target, summary
from scratch import Scratch

from semcache import BuildConfig, build_bundle
from semcache.bundle.live import versions_that_were_live
from semcache.remote.offers import UnsignedOffers
from semcache.remote.publish import publish
from semcache.remote.rollback import rollback
from semcache.store.objects import ObjectStore

_N_PROCESSES = 7
_PULLS = """
import json, sys, time
from dataclasses import asdict, dataclass
from pathlib import Path
from semcache.remote.pull import pull
from semcache.store.objects import ObjectStore
name, remote, root, *releases = sys.argv[1:]

@dataclass
class Offered:
    path: str
    def names(self):
        return [name]
    def read(self, _):
        return Path(self.path).read_bytes()

found = []
for path in releases:
    began, cpu = time.perf_counter(), time.process_time()
    report = pull(name, ObjectStore.open(remote), Offered(path), root=root)
    found.append({"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu, **asdict(report)})
print(json.dumps(found))
"""


def run(scratch: Scratch) -> Report:
    """Measure first pulls and the pulls of a night, by turns."""
    warm = "page cache; the remote is a folder on the same disk; each process pulls both into an empty root"
    report = Report("pull", warm, scratch.seed, {"rows": scratch.n_rows, "processes": _N_PROCESSES})
    folder = scratch.work / "sharing"
    releases = _published(scratch, folder)
    samples = [_pulled(scratch, folder, releases) for _ in range(_N_PROCESSES)]
    first, night = samples[0]
    for name, place in (("first", 0), ("night", 1)):
        for time in ("wall", "cpu"):
            report.figures[f"{name}_{time}"] = summary([sample[place][f"{time}_s"] for sample in samples], "s")
    share = night["fetched_bytes"] / first["fetched_bytes"]
    without_encoder = night["fetched_bytes"] / night["size_bytes"]
    report.figures |= {
        "first_fetched_bytes": first["fetched_bytes"],
        "night_fetched_bytes": night["fetched_bytes"],
        "night_share": share,
        "night_share_without_encoder": without_encoder,
    }
    report.targets = [
        Target(f"first pull, {scratch.n_rows:,} rows, p50", report.figures["first_wall"]["p50"], 10, "s"),
        Target("pull of a night that changed 2 %, p50", report.figures["night_wall"]["p50"], 3, "s"),
        Target("fetched after that night, of a first pull", 100 * share, 3, "%"),
        Target("the same without the encoder", 100 * without_encoder, 3, "%"),
    ]
    return report


def _published(scratch: Scratch, folder: Path) -> list[Path]:
    """Build the night and publish both versions, once; return their releases."""
    releases = [folder / f"release{number}.json" for number in (1, 2)]
    if releases[-1].exists():
        return releases
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(scratch.root, folder / "root")
    corpus = folder / "night.jsonl"
    corpus.write_text("".join(f"{line}\n" for line in _night(scratch)), encoding="utf-8")
    print(f"building {scratch.large} after a night; kept for the next run", file=sys.stderr)
    build_bundle([corpus], name=scratch.large, root=folder / "root", config=BuildConfig(seed=scratch.seed))
    store = ObjectStore.open(str(folder / "remote"))
    offers = UnsignedOffers(store)
    for version, path in zip(versions_that_were_live(folder / "root" / scratch.large)[-2:], releases, strict=True):
        rollback(scratch.large, version, root=folder / "root")
        publish(scratch.large, store, offers, root=folder / "root")
        path.write_bytes(offers.read(scratch.large))
    return releases


def _night(scratch: Scratch) -> Iterator[str]:
    """Yield the corpus after a night: of 200 entries one is gone, one has another answer, two are new."""
    with scratch.corpus_path.open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            entry: dict[str, Any] = json.loads(line)
            if number % 200 == 0:
                continue
            if number % 200 == 100:
                entry["answer"] = f"Since {number}: {entry['answer']}"
            yield json.dumps(entry)
            if number % 100 == 50:
                added = {"id": f"{entry['id']}-new", "query": f"{entry['query']} in project {number}"}
                yield json.dumps({**entry, **added, "answer": f"In project {number}: {entry['answer']}"})


def _pulled(scratch: Scratch, folder: Path, releases: list[Path]) -> list[dict[str, Any]]:
    """Pull both releases into an empty root, in a process of its own."""
    root = folder / "reader"
    shutil.rmtree(root, ignore_errors=True)
    command = [sys.executable, "-c", _PULLS, scratch.large, str(folder / "remote"), str(root), *map(str, releases)]
    found: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found
