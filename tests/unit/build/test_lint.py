from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import deciding
import numpy as np
import pytest

from semcache.build import left_out
from semcache.build.findings import Finding, FindingKind, LintReport
from semcache.build.lint import lint_corpora
from semcache.core.vectors import FloatRows
from semcache.errors import CorpusError

Texts = Mapping[str, float]
"""Texts of an entry, its query first, and the direction in the plane that each is embedded to, in degrees."""
NOWHERE = math.nan
"""The direction of a text that is not embedded."""


class Plane:
    """An encoder of directions that the test chooses; a score is the cosine of the angle between two."""

    fingerprint, dim, max_tokens = "plane", 2, 8

    def __init__(self, degrees: Texts) -> None:
        self._degrees = degrees

    def count_tokens(self, text: str) -> int:
        """Give the number of words."""
        return len(text.split())

    def embed(self, texts: Sequence[str]) -> FloatRows:
        """Give the directions, zero for those that have none."""
        angles = np.radians([self._degrees[text] for text in texts])
        vectors: FloatRows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
        return np.nan_to_num(vectors)


@pytest.fixture(autouse=True)
def simple_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the verifier of two small trees: sure of a score over 0.7 with a margin over 0.05."""
    monkeypatch.setattr(left_out, "generic_trees", deciding.trees)
    monkeypatch.setattr(left_out, "generic_levels", lambda: deciding.LEVELS)


def lint(
    folder: Path,
    entries: Mapping[str, Texts],
    *,
    rejects: Mapping[str, Texts] | None = None,
    namespaces: Mapping[str, str] | None = None,
) -> LintReport:
    """Lint a corpus of entries by id, each with an answer of its own, one a line."""
    rejects, namespaces = rejects or {}, namespaces or {}
    lines = [
        {
            "id": name,
            "query": next(iter(texts)),
            "paraphrases": list(texts)[1:],
            "rejects": list(rejects.get(name, ())),
            "answer": f"answer of {name}",
            "namespace": namespaces.get(name, "default"),
        }
        for name, texts in entries.items()
    ]
    path = folder / "c.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    degrees = {text: angle for texts in (*entries.values(), *rejects.values()) for text, angle in texts.items()}
    return lint_corpora([path], embedder=Plane(degrees))


def texts_of(findings: Sequence[Finding]) -> list[list[str]]:
    """Give the texts of findings."""
    return [[text.text for text in finding.texts] for finding in findings]


FAR_AWAY: Texts = {"bake bread": 170.0, "bake a bread": 172.0}


def test_near_texts_of_the_same_words_collide(tmp_path: Path) -> None:
    """Whatever a verifier thinks of them; with both places, the score, and that no word tells them apart."""
    report = lint(tmp_path, {"a": {"list files": 0}, "b": {"list the files": 10}})
    (finding,) = report.of(FindingKind.COLLISION)
    first, second = finding.texts
    assert (first.text, first.place, first.field, first.entry_id) == (
        "list files",
        f"{tmp_path}/c.jsonl:1",
        "query",
        "a",
    )
    assert (second.text, second.place, second.entry_id) == ("list the files", f"{tmp_path}/c.jsonl:2", "b")
    assert finding.numbers == {"score": pytest.approx(0.985, abs=0.001)}
    assert (finding.severity, finding.differs) == ("error", ())


def test_texts_of_the_same_words_that_are_far_apart_do_not_collide(tmp_path: Path) -> None:
    """Their terms are the same by accident."""
    assert lint(tmp_path, {"a": {"list files": 0}, "b": {"list the files": 40}}).of(FindingKind.COLLISION) == []


def test_an_entry_that_would_be_served_for_another_collides_with_it(tmp_path: Path) -> None:
    """Were the other not there; the strictest level that serves it says how bad that is, and what differs is named."""
    report = lint(tmp_path, {"a": {"open the door": 0}, "b": {"close the window": 20}, "c": FAR_AWAY})
    (finding,) = report.of(FindingKind.COLLISION)
    assert texts_of([finding]) == [["open the door", "close the window"]]
    assert finding.numbers == pytest.approx({"score": 0.94, "confidence": 0.993, "max_error": 0.01}, abs=0.001)
    assert (finding.severity, finding.differs) == ("error", ("word", "verb", "antonym", "undoing"))


def test_what_only_a_loose_level_serves_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is what is served at 5 % or less."""
    monkeypatch.setattr(left_out, "generic_levels", lambda: deciding.LEVELS[4:])
    report = lint(tmp_path, {"a": {"open the door": 0}, "b": {"close the window": 20}, "c": FAR_AWAY})
    (finding,) = report.of(FindingKind.COLLISION)
    assert (finding.severity, finding.numbers["max_error"]) == ("warning", 0.1)


def test_two_entries_collide_once(tmp_path: Path) -> None:
    """By their words first, though a verifier is sure of them too."""
    entries = {"a": {"list files": 0, "list my folder": 5}, "b": {"list the files": 10, "folder": 15}, "c": FAR_AWAY}
    assert texts_of(lint(tmp_path, entries).of(FindingKind.COLLISION)) == [["list files", "list the files"]]


def test_texts_of_one_vector_are_told_as_that_and_not_as_a_collision(tmp_path: Path) -> None:
    """The encoder cannot tell them apart, so which of them is found is chance."""
    report = lint(tmp_path, {"a": {"list files": 30}, "b": {"list the files": 30}, "c": FAR_AWAY})
    (finding,) = report.of(FindingKind.SAME_VECTOR)
    assert texts_of([finding]) == [["list files", "list the files"]]
    assert report.of(FindingKind.COLLISION) == []


def test_texts_of_two_namespaces_have_nothing_to_do_with_each_other(tmp_path: Path) -> None:
    """A lookup in one never sees the other: what is found is what each would have by itself."""
    entries = {"a": {"list files": 0, "ls": 5}, "b": {"list the files": 0, "dir": 5}}
    report = lint(tmp_path, entries, namespaces={"a": "unix", "b": "windows"})
    assert report.findings == ()


def test_a_text_that_gets_another_answer_when_it_is_left_out_is_wrong(tmp_path: Path) -> None:
    """It is told once: not as a collision of the two entries again, and not as isolated."""
    report = lint(tmp_path, {"a": {"open": 0, "shut": 76}, "b": {"lock": 80, "bolt": 84}, "c": FAR_AWAY})
    (finding,) = report.of(FindingKind.WRONG)
    assert texts_of([finding]) == [["shut", "lock"]]
    assert finding.numbers == pytest.approx(
        {"score": 0.998, "own_score": 0.242, "confidence": 0.993, "max_error": 0.01}, abs=0.001
    )
    assert report.of(FindingKind.COLLISION) == []
    assert texts_of(report.of(FindingKind.ISOLATED)) == [["open", "shut"]]


def test_a_text_of_the_same_words_collides_and_is_not_wrong(tmp_path: Path) -> None:
    """Another answer for the very words is the worse of the two, and is told in its place."""
    report = lint(tmp_path, {"a": {"list files": 0, "ls": 60}, "b": {"list the files": 5, "dir": 10}, "c": FAR_AWAY})
    assert texts_of(report.of(FindingKind.COLLISION)) == [["list files", "list the files"]]
    assert [finding for finding in report.of(FindingKind.WRONG) if finding.texts[0].text == "list files"] == []


def test_a_text_without_siblings_is_not_wrong(tmp_path: Path) -> None:
    """Left out, nothing of its answer is there to be found: that is a collision."""
    report = lint(tmp_path, {"a": {"open the door": 0}, "b": {"close the window": 20}, "c": FAR_AWAY})
    assert report.of(FindingKind.WRONG) == []


CROWD: dict[str, Texts] = {"b": {"lock": 62.0, "bolt": 64.0, "latch": 66.0}, "c": {"seal": 58.0, "cover": 56.0}}
"""Two answers at one place: a verifier is sure of neither."""


def test_a_text_far_nearer_to_another_entry_is_misplaced(tmp_path: Path) -> None:
    """Though no verifier would serve it; the lead is of the means of the nearest texts."""
    report = lint(tmp_path, {"a": {"open": 0, "unlock": 5, "shut": 60}, **CROWD})
    (finding,) = report.of(FindingKind.MISPLACED)
    assert texts_of([finding])[0][0] == "shut"
    assert finding.numbers == pytest.approx({"score": 0.999, "own_score": 0.574, "lead": 0.462}, abs=0.002)


def test_of_two_texts_none_is_misplaced(tmp_path: Path) -> None:
    """Nobody can say which of them stands wrong."""
    assert lint(tmp_path, {"a": {"open": 0, "shut": 60}, **CROWD}).of(FindingKind.MISPLACED) == []


def test_a_reject_of_the_words_of_its_entry_is_a_paraphrase(tmp_path: Path) -> None:
    """It would keep paraphrases from being served."""
    report = lint(tmp_path, {"a": {"list files": 0, "ls": 5}}, rejects={"a": {"list the files": 10, "drop files": 12}})
    (finding,) = report.of(FindingKind.REJECT_PARAPHRASE)
    assert texts_of([finding]) == [["list the files", "list files"]]
    assert (finding.texts[0].field, finding.severity) == ("rejects[0]", "warning")


def test_a_reject_far_from_its_entry_guards_nothing(tmp_path: Path) -> None:
    """It comes with the nearest text of its entry, and with the nearest of all, which may answer it."""
    entries = {"a": {"list files": 0, "ls": 5}, "b": {"knead dough": 80, "fire the oven": 85}}
    report = lint(tmp_path, entries, rejects={"a": {"bake bread": 90, "drop files": 60}})
    (finding,) = report.of(FindingKind.REJECT_FAR)
    assert texts_of([finding]) == [["bake bread", "ls", "fire the oven"]]
    assert finding.numbers == pytest.approx({"score": 0.087, "other_score": 0.996}, abs=0.001)


def test_an_entry_that_no_text_of_it_finds_is_missed(tmp_path: Path) -> None:
    """Each left out in turn is nearer to another; of two texts nothing is said."""
    three = {"open": 0.0, "unlock": 60.0, "enter": 120.0}
    report = lint(tmp_path, {"a": three, "b": {"shut": 2, "lock": 62, "leave": 122}, "c": {"rise": 30, "fall": 90}})
    assert sorted(texts[0] for texts in texts_of(report.of(FindingKind.MISSED))) == ["open", "shut"]
    assert report.of(FindingKind.MISSED)[0].numbers == {"n_variants": 3, "n_found": 0, "n_guarded": 0}


def test_an_entry_that_its_own_reject_hides_is_told_which(tmp_path: Path) -> None:
    """The reject is nearer to the texts than they are to each other."""
    report = lint(
        tmp_path,
        {"a": {"open": 0, "unlock": 60, "enter": 120}, "b": {"bake bread": 200}},
        rejects={"a": {"open it": 1, "unlock it": 61, "enter it": 121}},
    )
    (finding,) = report.of(FindingKind.MISSED)
    assert finding.numbers["n_guarded"] == 3
    assert finding.suggestion == "3 of them are nearest to this reject: write phrasings that are farther from it"


def test_a_lone_text_and_one_far_from_its_siblings_are_isolated(tmp_path: Path) -> None:
    """The far one first, with its nearest sibling."""
    report = lint(tmp_path, {"a": {"open": 0}, "b": {"lock": 40, "bolt": 44, "seal": 130}})
    assert texts_of(report.of(FindingKind.ISOLATED)) == [["seal", "bolt"], ["open"]]


def test_a_text_without_a_vector_says_why(tmp_path: Path) -> None:
    """Too long, or a word that the encoder does not know."""
    long = "one two three four five six seven eight nine"
    report = lint(tmp_path, {"a": {"open": 0, "opened": 3, long: NOWHERE, "xyzzy": NOWHERE}})
    findings = report.of(FindingKind.NOT_EMBEDDED)
    assert texts_of(findings) == [[long], ["xyzzy"]]
    assert findings[0].suggestion == "the text has 9 tokens and the encoder takes 8: shorten it"
    assert findings[1].suggestion.startswith("a word of it is not in the encoder's vocabulary")


def test_the_texts_that_are_left_out_are_counted_at_each_level(tmp_path: Path) -> None:
    """Right, wrong and missed are all that were asked; a level that is not certified is left out."""
    report = lint(tmp_path, {"a": {"open": 0, "shut": 76}, "b": {"lock": 80, "bolt": 84}, "c": FAR_AWAY})
    counts = [(x.max_error, x.n_right, x.n_wrong, x.n_missed) for x in report.left_out]
    assert counts == [(0.01, 2, 1, 3), (0.02, 2, 1, 3), (0.05, 2, 1, 3), (0.1, 2, 1, 3)]
    assert (report.n_entries, report.n_variants, report.n_guards) == (3, 6, 0)


def test_a_good_corpus_has_no_findings(tmp_path: Path) -> None:
    """Entries apart, texts together, a reject between."""
    entries = {"a": {"open": 0, "unlock": 10, "enter": 20}, "b": {"lock": 100, "bolt": 110, "seal": 120}}
    assert lint(tmp_path, entries, rejects={"a": {"open later": 45}}).findings == ()


def test_findings_come_by_kind_and_the_same_each_time(tmp_path: Path) -> None:
    """Errors of a kind first, then the worst."""
    entries = {
        "a": {"open": 0, "unlock": 5, "shut": 60},
        **CROWD,
        "d": {"list files": 200},
        "e": {"list the files": 210},
        "f": {"bake": NOWHERE},
    }
    report = lint(tmp_path, entries)
    assert [finding.kind.value for finding in report.findings] == [
        "collision",
        "misplaced",
        "isolated",
        "isolated",
        "not-embedded",
    ]
    assert lint(tmp_path, entries) == report


def test_a_corpus_with_problems_is_not_linted(tmp_path: Path) -> None:
    """It is told by its problems instead."""
    with pytest.raises(CorpusError):
        lint(tmp_path, {"a": {"?": 0}})
