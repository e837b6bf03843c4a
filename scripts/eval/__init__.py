"""The evaluation protocol of docs/quality.md: sets, splits, baselines and tables. Start it with run.py."""
