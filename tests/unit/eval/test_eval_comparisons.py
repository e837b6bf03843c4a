from __future__ import annotations

from pathlib import Path
from typing import Any

import eval_path  # noqa: F401
import numpy as np
from eval.ablation import GROUPS, VARIANTS, kept
from eval.comparison_tables import BEGIN, END, outcome_tables, twin_table
from eval.tables import replaced

from semcache.core.features import FEATURES


def outcomes(*, coverage: float, aurc: float) -> dict[str, Any]:
    """Return what a variant gives, of one seed."""
    levels = [
        {"level": level, "chosen": {"coverage": coverage, "error": 0.01}, "best": {}} for level in (0.01, 0.02, 0.05)
    ]
    return {"levels": levels, "aurc": aurc}


def test_every_feature_is_in_one_group() -> None:
    """So that leaving out all groups leaves out all features, and none twice."""
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(FEATURES)


def test_what_is_left_out_is_constant() -> None:
    """A tree cannot ask for a feature without two values."""
    x = np.arange(2 * len(FEATURES), dtype=np.float64).reshape(2, -1) + 1.0
    found = kept(x, ("score", "unsaid"))
    assert (found != 0).sum(axis=1).tolist() == [2, 2]
    assert found[1, FEATURES.index("score")] == len(FEATURES) + 1.0


def test_a_variant_leaves_out_what_it_says() -> None:
    """By name, of those that leave a group out."""
    assert set(FEATURES) - set(VARIANTS["all but form"].features) == {"disorder", "pointing", "length_gap", "brevity"}
    assert VARIANTS["score and margin only"].features == ("score", "margin")


def test_the_gain_is_the_median_of_what_each_seed_gains() -> None:
    """Not the difference of medians: seeds differ more than variants."""
    rows = [
        {
            "seed": seed,
            "minutes": seed + 0.5,
            "variants": {"all": outcomes(coverage=base, aurc=0.1), "less": outcomes(coverage=c, aurc=0.2)},
        }
        for seed, (base, c) in enumerate([(0.5, 0.4), (0.1, 0.2), (0.9, 0.6)])
    ]
    assert outcome_tables({"a-5": rows}) == (
        "| variant | a-5 (3 seeds): 1, 2, 5 % | error at 2 % | gain at 2, 5 % | AURC |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| all | .500 .500 .500 | .010 |  | .100 |\n"
        "| less | .400 .400 .400 | .010 | -10.0 -10.0 | .200 |\n\n"
        "| set-up | minutes |\n"
        "| --- | --- |\n"
        "| a-5 | 1.5 |"
    )


def test_near_twins_stand_side_by_side() -> None:
    """One column a variant, with the confidence that it serves from."""
    served = {"traps_served": 0.25, "wishes_served": None}
    figures = {
        "all": {"threshold": 0.9, "sets": {"x": served}},
        "less": {"threshold": 0.5, "sets": {"x": {"traps_served": 0.5, "wishes_served": 1.0}}},
    }
    assert twin_table(figures).splitlines()[2] == "| x | .250 / - | .500 / 1.00 |"


def test_each_comparison_has_its_place() -> None:
    """Between markers of its own name; the rest of the document stays."""
    begin, end = BEGIN.format("tuning"), END.format("tuning")
    assert replaced(f"a\n{begin}\nold\n{end}\nb", "new", begin=begin, end=end) == f"a\n{begin}\n\nnew\n\n{end}\nb"


def test_every_comparison_has_its_markers_in_the_document() -> None:
    """Else its table could not be written."""
    text = (Path(__file__).resolve().parents[3] / "docs" / "quality.md").read_text("utf-8")
    for what in ("ablation", "ablation-twins", "late-interaction", "tuning"):
        assert text.index(BEGIN.format(what)) < text.index(END.format(what))
