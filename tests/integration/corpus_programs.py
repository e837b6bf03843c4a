"""Programs that measure a command: each starts small, so that no peak but the command's own is seen."""

from __future__ import annotations

import json
import resource
import subprocess
import sys


def check_with_peak(path: str) -> None:
    """Run `corpus check` and report its output and its greatest resident size (KiB on Linux).

    A process inherits the peak of the one that starts it, so the test's own process, which may hold a whole
    model, must not start the command itself.
    """
    command = [sys.executable, "-m", "semcache", "corpus", "check", path]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=100)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    sys.stdout.write(json.dumps({"code": done.returncode, "out": done.stdout, "peak_kib": peak}))
