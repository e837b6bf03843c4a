from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from semcache import BuildReport
from semcache.config import HarvestConfig
from semcache.core.grouping import group_texts
from semcache.core.traffic import DroppedLookups, RecordedLookup, pack
from semcache.errors import ConfigError, CorpusError, StorageError
from semcache.lookup.harvest import HarvestReport, harvest
from semcache.store.fsio import FileSystem
from semcache.types import Kind, Reason

DAY = 86_400
NOON = 1_700_049_600  # 2023-11-15T12:00:00Z


def missed(text: str | None, *, time: int = NOON, reason: Reason = Reason.BELOW_THRESHOLD, **more: Any) -> bytes:
    """Give the line of a miss."""
    fields = {"namespace": None, "entry_id": None, "kind": None, "score": None, "confidence": None, **more}
    return pack(RecordedLookup(time=time, bundle_id="ab" * 16, hit=False, reason=reason, text=text, **fields))


class Harvests:
    """Harvests lines with the bundle of the small corpus."""

    def __init__(self, folder: Path, bundle_dir: Path) -> None:
        self.out, self._record, self._bundle_dir = folder / "gaps.candidates.jsonl", folder / "t.jsonl", bundle_dir

    def __call__(self, *lines: bytes, fs: FileSystem | None = None, **config: Any) -> HarvestReport:
        """Harvest; the report."""
        self._record.write_bytes(b"".join(lines))
        return harvest(str(self._bundle_dir), [self._record], self.out, config=HarvestConfig(**config), fs=fs)

    @property
    def written(self) -> list[dict[str, Any]]:
        """The lines of the candidates file."""
        return [json.loads(line) for line in self.out.read_text("utf-8").splitlines()]

    def change(self, number: int, **fields: Any) -> None:
        """Edit a line, as a person does."""
        lines = self.written
        lines[number].update(fields)
        self.out.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


@pytest.fixture
def harvests(tmp_path: Path, build: Callable[..., BuildReport]) -> Harvests:
    """Give a function that harvests lines."""
    return Harvests(tmp_path, build().path.parent.parent)


def test_a_candidate_says_what_was_asked_and_when(harvests: Harvests) -> None:
    """With nothing that anybody could take for an answer or a review."""
    harvests(
        *[missed("How do I rotate the signing keys?", time=NOON + DAY)] * 2,
        missed("how do i rotate the  signing keys", time=NOON),
        missed("how do I rotate signing keys", time=NOON + 2 * DAY),
        near=0.7,
    )
    (line,) = harvests.written
    assert line.pop("x_nearest")["entry_id"] in {"login/add", "db/setup", "db/old", "files/list", "shell/setup"}
    assert line == {
        "x_reviewed": False,
        "id": line["id"],
        "query": "How do I rotate the signing keys?",
        "answer": None,
        "paraphrases": ["how do I rotate signing keys"],
        "x_count": 4,
        "x_first_seen": "2023-11-15T12:00:00Z",
        "x_last_seen": "2023-11-17T12:00:00Z",
    }


def test_near_twins_are_two_candidates(harvests: Harvests) -> None:
    """One letter apart, and not one question."""
    report = harvests(*[missed("undo the last 3 migrations"), missed("undo the last 5 migrations")] * 3, near=0.1)
    assert [c.query for c in report.candidates] == ["undo the last 3 migrations", "undo the last 5 migrations"]


def test_rare_questions_are_dropped(harvests: Harvests) -> None:
    """A group counts as a whole."""
    report = harvests(*[missed("rotate the signing keys")] * 2, *[missed("bake bread")] * 3, min_count=3)
    assert [candidate.query for candidate in report.candidates] == ["bake bread"]
    assert report.n_rare == 2


def test_what_looks_personal_is_dropped_however_often_it_is_asked(harvests: Harvests) -> None:
    """Counted by what was found, and nowhere in the file."""
    report = harvests(*[missed("why does jane@acme.io get no mail from 93.184.216.34")] * 9, missed("bake bread"))
    assert (report.n_personal, report.personal) == (9, {"email": 9, "ip_address": 9})
    assert b"jane" not in harvests.out.read_bytes()


def test_what_is_answered_by_now_is_no_candidate(harvests: Harvests) -> None:
    """The bundle is asked anew."""
    report = harvests(*[missed("Add login page!")] * 5)
    assert (report.n_answered, report.candidates) == (5, ())


@pytest.mark.parametrize(
    "reason", [Reason.EMPTY, Reason.INVALID_TEXT, Reason.NO_NAMESPACE, Reason.AMBIGUOUS, Reason.EXPIRED]
)
def test_a_miss_that_no_new_entry_mends_is_left_out(harvests: Harvests, reason: Reason) -> None:
    """And counted by its reason."""
    assert harvests(*[missed("bake bread", reason=reason)] * 3).left_out == {reason.value: 3}


def test_a_miss_in_a_namespace_that_is_gone_is_left_out(harvests: Harvests) -> None:
    """It was there when it was asked."""
    assert harvests(*[missed("bake bread", namespace="gone")] * 3).left_out == {"no_namespace": 3}


def test_namespaces_are_told_apart(harvests: Harvests) -> None:
    """The same question has another answer elsewhere, and another id."""
    report = harvests(*[missed("bake bread", namespace=name) for name in ("web", "shell", None)] * 3)
    assert {(candidate.namespace, candidate.count) for candidate in report.candidates} == {
        ("web", 3),
        ("shell", 3),
        (None, 3),
    }
    assert len({candidate.id for candidate in report.candidates}) == 3
    assert [line.get("namespace", "everywhere") for line in harvests.written].count("everywhere") == 1


def test_the_only_namespace_is_where_everywhere_is(tmp_path: Path, build: Callable[..., BuildReport]) -> None:
    """A new entry belongs beside the others, and who names it asks the same as who does not."""
    report = build([{"id": "a", "query": "list files", "answer": "ls", "namespace": "shell"}], name="one")
    harvests = Harvests(tmp_path, report.path.parent.parent)
    harvests(*[missed("bake bread")] * 2, missed("bake bread", namespace="shell"))
    assert [(line["namespace"], line["x_count"]) for line in harvests.written] == [("shell", 3)]


def test_a_near_text_without_another_fact_is_a_paraphrase(harvests: Harvests) -> None:
    """It has an answer already and lacks a wording; no second answer is asked for."""
    report = harvests(*[missed("postgres setup, please!")] * 3, *[missed("postgresql setup")] * 3, near=0.6)
    (line,) = harvests.written
    assert report.n_answered == 3
    assert (line["x_paraphrase_of"], line["query"]) == ("db/setup", "postgresql setup")
    assert "answer" not in line


def test_what_is_nearest_to_a_guard_is_never_a_paraphrase(harvests: Harvests) -> None:
    """Somebody wrote down that it has not this answer; it may have one of its own."""
    report = harvests(*[missed("remove the login page", reason=Reason.GUARD)] * 3, near=0.0)
    assert [(c.query, c.is_paraphrase) for c in report.candidates] == [("remove the login page", False)]
    assert harvests.written[0]["answer"] is None


def test_every_miss_is_counted_once(harvests: Harvests) -> None:
    """Whatever becomes of it; hits, broken lines and dropped lookups are told apart."""
    hit = RecordedLookup(NOON, "ab" * 16, None, True, None, "a", Kind.EXACT, 1.0, 1.0, "list all files")
    report = harvests(
        pack(hit),
        missed(None),
        missed("?", reason=Reason.EMPTY),
        missed("a@acme.io"),
        missed("add login page"),
        *[missed("bake bread")] * 4,
        *[missed("rotate the signing keys")] * 2,
        missed("asked once only"),
        pack(DroppedLookups(NOON, 17)),
        missed("bake bread")[:-9] + b"\n",
        missed("bake bread")[:40],
        max_texts=3,
        min_count=2,
    )
    assert (report.traffic.n_files, report.traffic.n_lookups, report.traffic.n_dropped) == (1, 12, 17)
    assert (report.traffic.n_broken, report.n_hits, report.n_misses) == (2, 1, 11)
    assert (report.n_without_text, report.left_out, report.n_personal) == (1, {"empty": 1}, 1)
    assert (report.n_answered, report.n_beyond, report.n_rare, report.n_known) == (1, 1, 0, 0)
    assert [candidate.count for candidate in report.candidates] == [4, 2]


def test_the_same_lines_give_the_same_file(harvests: Harvests) -> None:
    """In whatever order they come: nothing of it is chance."""
    lines = [missed(text) for text in ("bake bread", "baking breads", "rotate keys", "rotate a key") for _ in range(3)]
    harvests(*lines, near=0.5)
    first = harvests.out.read_bytes()
    harvests(*reversed(lines), near=0.5)
    assert harvests.out.read_bytes() == first


def test_control_characters_reach_no_candidate(harvests: Harvests) -> None:
    """A question is one printable line."""
    assert [c.query for c in harvests(*[missed("bake\x00\r\n\tbread \x7f now")] * 3).candidates] == ["bake bread now"]


@pytest.mark.parametrize("fields", [{"answer": "Knead."}, {"x_reviewed": True, "answer": "K"}, {"x_declined": True}])
def test_a_line_that_somebody_touched_stays(harvests: Harvests, fields: dict[str, Any]) -> None:
    """With every field, also when it is no longer asked for; its texts are not proposed again."""
    bread, keys = [missed("bake bread")] * 4, [missed("rotate the signing keys")] * 3
    harvests(*bread, *keys)
    harvests.change(0, **fields)
    touched = harvests.written[0]
    report = harvests(*bread, *keys, missed("Bake bread?"))
    assert [line["query"] for line in harvests.written] == ["bake bread", "rotate the signing keys"]
    assert harvests.written[0] == touched
    assert (report.n_known, report.n_kept, len(report.candidates)) == (5, 1, 1)
    harvests()
    assert harvests.written == [touched]


def test_a_line_that_nobody_touched_is_replaced(harvests: Harvests) -> None:
    """The file says what is missing now."""
    harvests(*[missed("bake bread")] * 4)
    harvests(*[missed("rotate the signing keys")] * 3)
    assert [line["query"] for line in harvests.written] == ["rotate the signing keys"]


def test_another_name_is_refused(harvests: Harvests, tmp_path: Path) -> None:
    """A build must never take a candidate for an entry."""
    harvests.out = tmp_path / "gaps.jsonl"
    with pytest.raises(
        ConfigError, match=r"gaps\.jsonl: found this name, allowed one that ends in \.candidates\.jsonl"
    ):
        harvests(missed("bake bread"))


def test_a_file_with_problems_is_left_alone(harvests: Harvests) -> None:
    """All of them are named; what somebody wrote there is not lost to a slip."""
    text = '{"id": "a", "query": "b", "x_reviewed": "yes"}\nnot json\n{"id": "a", "query": "b", "x_reviewed": true}\n'
    harvests.out.write_text(text)
    with pytest.raises(CorpusError) as caught:
        harvests(missed("bake bread"))
    assert [problem.split(".jsonl:")[1][:16] for problem in caught.value.problems] == [
        "1: x_reviewed: f",
        "2: line: not JSO",
        "3: answer: found",
    ]
    assert harvests.out.read_text() == text


def test_a_file_that_somebody_edits_meanwhile_is_left_alone(
    harvests: Harvests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """His words count more than a run that can be repeated."""

    def edit_meanwhile(*arguments: Any, **more: Any) -> Any:
        harvests.out.write_text('{"id": "a", "query": "mine"}\n')
        return group_texts(*arguments, **more)

    monkeypatch.setattr("semcache.lookup.harvest.group_texts", edit_meanwhile)
    with pytest.raises(StorageError, match="changed meanwhile; nothing was written to it, run the command again"):
        harvests(*[missed("bake bread")] * 3)
    assert harvests.out.read_text() == '{"id": "a", "query": "mine"}\n'


def test_records_that_are_missing_are_an_error(harvests: Harvests, tmp_path: Path) -> None:
    """A misspelt path is not a day without misses."""
    with pytest.raises(StorageError, match="none: No such file"):
        harvest(str(harvests._bundle_dir), [tmp_path / "none"], harvests.out)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"min_count": 0}, "min_count: found 0, allowed 1 to 2147483647"),
        ({"near": 1.5}, r"near: found 1\.5, allowed 0\.0 to 1\.0"),
        ({"max_texts": 0}, "max_texts: found 0, allowed 1 to 200000"),
    ],
)
def test_what_is_outside_its_range_is_refused(fields: dict[str, Any], message: str) -> None:
    """Before anything is read."""
    with pytest.raises(ConfigError, match=f"^{message}$"):
        HarvestConfig(**fields)
