"""Measure what a part of the decision earns, and write the tables into docs/quality.md. Options: --help.

python scripts/eval/compare.py ablation | late-interaction | tuning | tables [--sets banking77-5 ...] [--seeds 0 1 2]
                               [--data ../shared/data] [--encoder DIR] [--cache DIR] [--out scripts/eval/results]
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    scripts_dir = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(scripts_dir), str(scripts_dir / "bench")]
    from eval.comparing import main

    main()
