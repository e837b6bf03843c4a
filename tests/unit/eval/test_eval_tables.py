from __future__ import annotations

from pathlib import Path
from typing import Any

import eval_path  # noqa: F401
from eval.tables import BEGIN, END, replaced, tables
from eval.texts import read_items, read_pairs


def levels(coverage: float) -> list[dict[str, Any]]:
    """Return one level of one decision."""
    served = {"coverage": coverage, "error": 0.01, "stream_error": 0.001}
    return [{"level": 0.02, "best": served, "chosen": served, "certified": served}]


def document() -> dict[str, Any]:
    """Return the result of three seeds."""
    seeds = []
    for coverage in (0.1, 0.3, 0.2):
        served = {"coverage": coverage, "error": 0.0, "stream_error": 0.0}
        seeds.append(
            {
                "n_known": 10,
                "n_queries": 100,
                "n_test": 30,
                "must_miss": 0.0,
                "nearest_right": 0.5,
                "exact": served,
                "fixed": {"cosine 0.90": served},
                "online": [],
                "ranking": {"cosine": {"aurc": 0.25, "roc_auc": None}},
                "resplits": {},
                "judged": {"cosine": levels(coverage)},
            }
        )
    return {"kind": "queries", "set_up": {"name": "some-set"}, "figures": {"seeds": seeds}}


def test_tables_show_medians_over_the_seeds() -> None:
    """And the range where a threshold was chosen on the test part."""
    text = tables([document()])
    assert "| some-set | .200 (.100-.300) |" in text
    assert "| some-set | .200 / .010 |" in text
    assert "| some-set | .200 / .000 | .200 / .000 | - |" in text
    assert "| some-set | .250 / - |" in text
    assert "| some-set | 10 | 100 | 30 | .000 | .500 | 3 |" in text


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    """And the same tables again leave the document as it is."""
    text = replaced(f"# Head\n{BEGIN}\nold\n{END}\ntail\n", "new")
    assert text == f"# Head\n{BEGIN}\n\nnew\n\n{END}\ntail\n"
    assert replaced(text, "new") == text


def test_sets_are_read_with_what_they_have(tmp_path: Path) -> None:
    """Split, context and label where there are any."""
    (tmp_path / "queries.jsonl").write_text('{"id": "1", "text": "hi", "group": "g", "split": "test"}\n')
    (tmp_path / "pairs.jsonl").write_text('{"a": "x", "b": "y", "label": 0, "context": "db"}\n')
    (item,), (pair,) = read_items(tmp_path), read_pairs(tmp_path)
    assert (item.text, item.group, item.split, item.context) == ("hi", "g", "test", "")
    assert (pair.a, pair.b, pair.label, pair.context) == ("x", "y", 0, "db")
