"""Run the evaluation protocol and write its tables into docs/quality.md. Options: --help.

python scripts/eval/run.py [--sets banking77-5 ...] [--seeds 0 1 2 3 4] [--data ../shared/data]
                           [--out scripts/eval/results] [--cache DIR] [--work DIR]
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    scripts_dir = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(scripts_dir), str(scripts_dir / "bench")]
    from eval.command import main

    main()
