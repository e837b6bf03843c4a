"""`semcache lookup`: what it prints, in which order, and its exit codes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from running import Outcome, run_module, semcache
from shared import ENTRIES, write_corpus

from semcache import BuildReport

EXACT = "add login page"
SEMANTIC = "now add login page"
FAR = "docker"
ANSWER = "Write the spec of the login first.\nThen plan it."
KEYS = {
    *("query", "hit", "entry_id", "kind", "score", "confidence", "threshold", "variant", "namespace"),
    *("value", "reason", "detail", "nearest", "bundle_id", "metadata"),
}


def one_error_line(outcome: Outcome) -> str:
    """Hold a command to exit code 1, nothing on stdout and one line on stderr; give that line."""
    lines = outcome.err.splitlines()
    assert (outcome.code, outcome.out, len(lines)) == (1, "", 1), outcome
    return lines[0]


def test_a_hit_is_printed_with_its_entry_and_answer(bundle_dir: Path) -> None:
    """A person sees the entry, how it matched, the matched text and the whole answer."""
    outcome = semcache("lookup", bundle_dir, EXACT)
    assert outcome == Outcome(0, f"hit   login/add  (exact)\n      matched: add login page\n\n{ANSWER}\n", "")


def test_a_semantic_hit_is_printed_with_its_confidence(bundle_dir: Path) -> None:
    """A person sees that a hit is a semantic one, and how sure the bundle is of it."""
    assert "hit   login/add  (semantic, confidence 0.993)\n" in semcache("lookup", bundle_dir, SEMANTIC).out


def test_a_miss_is_printed_with_its_reason_and_the_nearest_text(bundle_dir: Path) -> None:
    """A person sees why there is no answer, and what came nearest; the exit code is 0."""
    outcome = semcache("lookup", bundle_dir, "remove the login pages")
    assert outcome.code == 0
    assert outcome.out.startswith("miss  guard: ")
    assert outcome.out.endswith("guard of login/add  (score 0.849)  remove the login page\n")


def test_json_of_an_exact_hit(bundle_dir: Path) -> None:
    """--json gives every field of a hit, typed, on one line."""
    outcome = semcache("lookup", bundle_dir, EXACT, "--json")
    assert outcome.out.count("\n") == 1
    assert outcome.json == {
        "query": EXACT,
        "hit": True,
        "entry_id": "login/add",
        "kind": "exact",
        "score": 1.0,
        "confidence": 1.0,
        "threshold": None,
        "variant": "add login page",
        "namespace": "web",
        "value": ANSWER,
        "reason": None,
        "detail": None,
        "nearest": None,
        "bundle_id": next((bundle_dir / "versions").iterdir()).name,
        "metadata": {"tags": ["auth"], "source": "tests", "licence": "Apache-2.0"},
    }


def test_json_of_a_semantic_hit_has_confidence_and_threshold(bundle_dir: Path) -> None:
    """--json of a semantic hit says how sure the bundle is and how sure it had to be."""
    found = semcache("lookup", bundle_dir, SEMANTIC, "--json").json
    shown = {key: found[key] for key in ("hit", "kind", "entry_id", "threshold")}
    assert shown == {"hit": True, "kind": "semantic", "entry_id": "login/add", "threshold": 0.9}
    assert found["confidence"] == pytest.approx(0.9933, abs=1e-3)
    assert found["score"] == pytest.approx(0.918349, abs=1e-3)


def test_json_of_a_miss_has_a_reason_and_no_value(bundle_dir: Path) -> None:
    """--json of a miss says why, and what came nearest."""
    found = semcache("lookup", bundle_dir, "remove the login page", "--json").json
    assert (found["hit"], found["reason"], found["value"], found["entry_id"]) == (False, "guard", None, None)
    assert found["nearest"] == {
        "entry_id": "login/add",
        "kind": "guard",
        "namespace": "web",
        "row": 3,
        "score": 1.0,
        "variant": "remove the login page",
    }


@pytest.mark.parametrize("text", [EXACT, SEMANTIC, FAR, "", "remove the login page"])
def test_json_has_the_same_keys_for_hits_and_misses(bundle_dir: Path, text: str) -> None:
    """Whoever reads the JSON never has to ask whether a key is there."""
    assert set(semcache("lookup", bundle_dir, text, "--json").json) == KEYS


def test_json_of_a_json_answer_is_the_answer_itself(bundle_dir: Path) -> None:
    """An answer that is a JSON object comes out as an object, not as text."""
    value = semcache("lookup", bundle_dir, "list all files", "--json").json["value"]
    assert value == {"command": "ls -la", "safe": True}


def test_a_miss_is_exit_code_0(bundle_dir: Path) -> None:
    """A miss is an answer like any other."""
    assert semcache("lookup", bundle_dir, FAR).code == 0


def test_a_miss_with_exit_code_is_3(bundle_dir: Path) -> None:
    """--exit-code tells a script about a miss."""
    assert semcache("lookup", bundle_dir, FAR, "--exit-code").code == 3


def test_a_hit_with_exit_code_is_0(bundle_dir: Path) -> None:
    """--exit-code leaves a hit alone."""
    assert semcache("lookup", bundle_dir, EXACT, "--exit-code").code == 0


def test_one_miss_among_lines_with_exit_code_is_3(bundle_dir: Path) -> None:
    """--exit-code on stdin is 3 where any line misses."""
    assert semcache("lookup", bundle_dir, "--exit-code", stdin=f"{EXACT}\n{FAR}\n{EXACT}\n".encode()).code == 3


def test_only_hits_among_lines_with_exit_code_is_0(bundle_dir: Path) -> None:
    """--exit-code on stdin is 0 where every line hits."""
    assert semcache("lookup", bundle_dir, "--exit-code", stdin=f"{EXACT}\n{SEMANTIC}\n".encode()).code == 0


def test_stdin_gives_one_result_a_line_in_order(bundle_dir: Path) -> None:
    """Empty lines, bytes that are no UTF-8, Windows line ends and a last line without an end: one result each."""
    lines = b"add login page\n\nlist all files\r\n\xff\xfe\x00\n   \ndocker\nshow every file here"
    found = semcache("lookup", bundle_dir, stdin=lines).json_lines
    assert [(line["hit"], line["entry_id"], line["reason"]) for line in found] == [
        (True, "login/add", None),
        (False, None, "empty"),
        (True, "files/list", None),
        (False, None, "invalid_text"),
        (False, None, "empty"),
        (False, None, "below_threshold"),
        (True, "files/list", None),
    ]


def test_stdin_repeats_each_query(bundle_dir: Path) -> None:
    """Each result names the text it belongs to, also one that could not be decoded."""
    found = semcache("lookup", bundle_dir, stdin="caf\u00e9 \U0001f600\n".encode() + b"bad \xff\n").json_lines
    assert [line["query"] for line in found] == ["caf\u00e9 \U0001f600", "bad ?"]


def test_a_thousand_lines_keep_their_order(bundle_dir: Path) -> None:
    """Lines are looked up in runs; the order is that of stdin."""
    lines = "".join(f"question number {i}\n" for i in range(1000))
    found = semcache("lookup", bundle_dir, stdin=lines.encode()).json_lines
    assert [line["query"] for line in found] == [f"question number {i}" for i in range(1000)]


def test_empty_stdin_prints_nothing(bundle_dir: Path) -> None:
    """No lines, no results, and no error."""
    assert semcache("lookup", bundle_dir, stdin=b"") == Outcome(0, "", "")


def test_a_line_of_17_mb_is_one_result(bundle_dir: Path) -> None:
    """However long a line is, it has one result, so that lines and results stay in step."""
    found = semcache("lookup", bundle_dir, stdin=b"word " * 3_500_000 + b"\nadd login page\n").json_lines
    assert [(line["hit"], line["reason"]) for line in found] == [(False, "too_long"), (True, None)]


def test_namespace_chooses_between_two_answers(bundle_dir: Path) -> None:
    """The same text has another answer in another namespace."""
    values = [
        semcache("lookup", bundle_dir, "set up a postgresql database", "--json", "--namespace", namespace).json["value"]
        for namespace in ("web", "shell")
    ]
    assert values == ["docker run postgres", "createdb app"]


def test_an_unknown_namespace_is_a_miss_that_names_the_known_ones(bundle_dir: Path) -> None:
    """A namespace that is not there is a miss, not an error, and says which ones are."""
    outcome = semcache("lookup", bundle_dir, EXACT, "--namespace", "wbe")
    assert outcome == Outcome(0, "miss  no_namespace: no namespace 'wbe'; there are: shell, web\n", "")


def test_max_error_of_a_semantic_text_is_uncertified(bundle_dir: Path) -> None:
    """Who states an error that the bundle has no certificate for gets no semantic hit, and is told what it takes."""
    found = semcache("lookup", bundle_dir, SEMANTIC, "--max-error", "0.005", "--json").json
    assert (found["hit"], found["reason"]) == (False, "uncertified")
    promise = "an error of at most 0.5 % is not certified in the namespace web; it takes 447 more"
    assert found["detail"].startswith(promise)


@pytest.mark.parametrize(
    ("max_error", "threshold"),
    [("1", 0.9), ("0.1", 0.9), ("0.07", 0.9), ("0.05", 0.9), ("0.02", 0.98), ("0.01", 0.98)],
)
def test_max_error_is_rounded_down_to_a_certified_level(bundle_dir: Path, max_error: str, threshold: float) -> None:
    """An error between two levels gets the stricter one; more than the bundle's own gets the bundle's own."""
    found = semcache("lookup", bundle_dir, SEMANTIC, "--max-error", max_error, "--json").json
    assert (found["hit"], found["threshold"]) == (True, threshold)


def test_a_hit_at_a_small_error_is_a_hit_at_every_larger_one(bundle_dir: Path) -> None:
    """Accepting more error never turns a hit into a miss."""
    texts = f"{EXACT}\n{SEMANTIC}\n{FAR}\nshow every file here now\nadd the login page".encode()
    errors = ("0.005", "0.01", "0.02", "0.05", "0.1", "1")
    found = [semcache("lookup", bundle_dir, "--max-error", error, stdin=texts).json_lines for error in errors]
    hits = [{line["query"] for line in lines if line["hit"]} for lines in found]
    assert [len(queries) for queries in hits] == [1, 2, 2, 4, 4, 4]
    assert all(small <= large for small, large in pairwise(hits))


def test_max_error_still_serves_exact_texts(bundle_dir: Path) -> None:
    """The very same text has the very same answer, whatever error is accepted."""
    found = semcache("lookup", bundle_dir, EXACT, "--max-error", "0.005", "--json").json
    assert (found["hit"], found["kind"]) == (True, "exact")


@pytest.mark.parametrize("value", ["0", "-0.1", "1.01", "nan"])
def test_max_error_outside_its_range_is_one_line(bundle_dir: Path, value: str) -> None:
    """An error that cannot be accepted is refused with what is allowed."""
    for command in ("lookup", "explain"):
        line = one_error_line(semcache(command, bundle_dir, EXACT, f"--max-error={value}"))
        assert line.startswith("semcache: max_error: found ")
        assert line.endswith("allowed over 0 and up to 1")


def test_an_error_under_all_levels_is_told_from_one_that_lacks_a_proof(bundle_dir: Path) -> None:
    """No number of queries helps whoever asks for less than the strictest level allows."""
    found = semcache("lookup", bundle_dir, SEMANTIC, "--max-error", "0.001", "--json").json
    assert found["detail"] == (
        "an error of at most 0.1 % is not certified in the namespace web; the strictest level there is allows 0.5 %"
    )


def test_name_is_looked_for_in_root(bundle_dir: Path) -> None:
    """A bare word is the name of a bundle in --root."""
    assert semcache("lookup", "small", EXACT, "--root", bundle_dir.parent).code == 0


def test_name_may_be_a_relative_path(bundle_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path to a bundle needs no root."""
    monkeypatch.chdir(bundle_dir.parent.parent)
    assert "hit   login/add" in semcache("lookup", "indexes/small", EXACT).out


def test_name_may_be_the_folder_of_a_version(bundle_dir: Path, build: Callable[..., BuildReport]) -> None:
    """An older version stays reachable by its folder."""
    old = next((bundle_dir / "versions").iterdir())
    build([{**ENTRIES[0], "answer": "the new answer"}])
    answers = [semcache("lookup", path, EXACT, "--json").json["value"] for path in (old, bundle_dir)]
    assert answers == [ANSWER, "the new answer"]


def test_root_from_the_environment(bundle_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SEMCACHE_ROOT stands in for --root."""
    monkeypatch.setenv("SEMCACHE_ROOT", str(bundle_dir.parent))
    assert "hit   login/add" in semcache("lookup", "small", EXACT).out


def test_root_from_the_settings_file(bundle_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`root` in semcache.toml stands in for --root."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "semcache.toml").write_text(f'root = "{bundle_dir.parent}"\n', encoding="utf-8")
    monkeypatch.chdir(folder)
    assert "hit   login/add" in semcache("lookup", "small", EXACT).out


def test_the_environment_wins_over_the_settings_file(
    bundle_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEMCACHE_ROOT is nearer to the caller than semcache.toml."""
    (tmp_path / "semcache.toml").write_text('root = "nowhere"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMCACHE_ROOT", str(bundle_dir.parent))
    assert "hit   login/add" in semcache("lookup", "small", EXACT).out


def test_the_option_wins_over_the_environment(bundle_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--root is nearest to the caller."""
    monkeypatch.setenv("SEMCACHE_ROOT", "/nowhere")
    assert "hit   login/add" in semcache("lookup", "small", EXACT, "--root", bundle_dir.parent).out


def test_a_broken_settings_file_is_one_line(bundle_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A semcache.toml that is no TOML is named, not ignored."""
    (tmp_path / "semcache.toml").write_text("root = \n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert "semcache.toml" in one_error_line(semcache("lookup", bundle_dir.name, EXACT))


def test_python_m_semcache_is_the_program(bundle_dir: Path) -> None:
    """`python -m semcache` prints what the function prints, exit code included."""
    outcome = run_module("lookup", bundle_dir, FAR, "--json", "--exit-code")
    assert outcome == semcache("lookup", bundle_dir, FAR, "--json", "--exit-code")


def test_a_text_of_bytes_that_are_no_utf8_is_a_miss(bundle_dir: Path) -> None:
    """An argument that the terminal did not encode as UTF-8 is a miss, and no traceback."""
    outcome = run_module("lookup", bundle_dir, b"caf\xe9 login", "--json")
    assert (outcome.code, outcome.json["reason"], outcome.err) == (0, "invalid_text", "")


def test_the_pipe_of_stdin_and_stdout_is_utf8_whatever_the_locale(bundle_dir: Path, tmp_path: Path) -> None:
    """In the C locale too, texts go in and answers come out as UTF-8."""
    corpus = write_corpus(
        tmp_path / "u.jsonl", [{"id": "a", "query": "stra\u00dfe \u65e5\u672c", "answer": "\u2192 \u00fc"}]
    )
    root = bundle_dir.parent
    semcache("build", corpus, "--name", "unicode", "--root", root, "--model", "hashing")
    environ = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    outcome = run_module("lookup", root / "unicode", stdin="STRASSE \u65e5\u672c\n".encode(), environ=environ)
    assert (outcome.code, outcome.json["value"]) == (0, "\u2192 \u00fc")
