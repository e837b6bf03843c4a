"""Run the benchmarks: named scenarios, one JSON file each, and a Markdown table of what met its target.

Each scenario runs in a process of its own. The first run builds a large bundle with the real model (minutes) and
keeps it in the scratch folder.

    python scripts/bench/run.py [--only NAME] [--rows 100000] [--out scripts/bench/results] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from measure import Report, as_table
from scratch import Scratch, add_arguments

SCENARIOS = ("start", "exact", "semantic", "decide", "memory", "embed", "switch", "build", "pull")
_HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run one scenario, or all; print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser, default_work=Path(tempfile.gettempdir()) / "semcache-bench")
    parser.add_argument("--only", choices=SCENARIOS, help="run one scenario, in this process")
    parser.add_argument("--out", type=Path, default=_HERE / "results", help="folder of the result files")
    parser.add_argument("--rebuild", action="store_true", help="build the bundles anew first")
    arguments = parser.parse_args()
    scratch = Scratch(arguments.work.resolve(), arguments.rows, arguments.seed)
    scratch.ensure(rebuild=arguments.rebuild)
    names = [arguments.only] if arguments.only else list(SCENARIOS)
    if arguments.only:
        run: Callable[[Scratch], Report] = import_module(f"scenario_{arguments.only}").run
        print(run(scratch).write(arguments.out).name, file=sys.stderr)
    else:
        flags = ["--work", str(scratch.work), "--rows", str(scratch.n_rows), "--seed", str(scratch.seed)]
        for name in names:
            command = [sys.executable, __file__, *flags, "--out", str(arguments.out), "--only", name]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    print(as_table(json.loads((arguments.out / f"{name}.json").read_text("utf-8")) for name in names))


if __name__ == "__main__":
    main()
