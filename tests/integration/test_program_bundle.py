"""`semcache build`, `search`, `explain`, `info` and `check`."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Outcome, run_module, semcache

HASHING = ("--model", "hashing", "--max-error", "0.1")


def test_build_makes_a_bundle_that_answers(corpus: Path, tmp_path: Path) -> None:
    """What was built is live: the next lookup is served from it."""
    semcache("build", corpus, "--name", "mine", "--root", tmp_path, *HASHING)
    assert semcache("lookup", "mine", "add login page", "--root", tmp_path, "--json").json["hit"] is True


def test_build_says_what_it_built(corpus: Path, tmp_path: Path) -> None:
    """A person sees the name, the counts and the recall that was measured."""
    outcome = semcache("build", corpus, "--name", "mine", "--root", tmp_path, *HASHING)
    assert outcome.code == 0
    assert outcome.out.startswith("built  mine  ")
    assert "5 entries, 11 rows (2 guards)" in outcome.out
    assert "flat index, recall@1 1.0000, recall@10 1.0000" in outcome.out


def test_build_again_is_unchanged(corpus: Path, tmp_path: Path) -> None:
    """The same corpus and settings give the same version, and the program says so."""
    first, second = (semcache("build", corpus, "--name", "mine", "--root", tmp_path, *HASHING) for _ in range(2))
    assert second.out.split()[:3] == ["unchanged", "mine", first.out.split()[2]]


def test_build_json(corpus: Path, tmp_path: Path) -> None:
    """--json gives the version, where it is, and what is in it."""
    found = semcache("build", corpus, "--name", "mine", "--root", tmp_path, *HASHING, "--json").json
    assert found["path"] == str(tmp_path / "mine" / "versions" / found["id"])
    assert (found["is_new"], found["n_duplicates"], found["n_rejects"]) == (True, 0, 2)
    dead = {"dead_entries": 0, "dead_answers": 0, "dead_rows": 0}
    assert found["counts"] == {"entries": 5, "answers": 5, "rows": 11, "guards": 2, "unindexed": 0, "keys": 10} | dead
    assert set(found["seconds"]) == {"scan", "export", "embed", "fit", "index", "publish"}


def test_build_is_silent_on_stderr_where_it_is_not_a_terminal(corpus: Path, tmp_path: Path) -> None:
    """Progress is for a person; a log file gets none."""
    assert run_module("build", corpus, "--name", "mine", "--root", tmp_path, *HASHING).err == ""


def test_build_takes_its_settings_from_the_file(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The [build] table of semcache.toml is used where no option is given."""
    monkeypatch.chdir(tmp_path)
    settings = 'root = "here"\n[build]\nmodel = "hashing"\nmax_error = 0.05\noutside_share = 0.25\ncompress = true\n'
    (tmp_path / "semcache.toml").write_text(settings, encoding="utf-8")
    semcache("build", corpus, "--name", "mine")
    manifest = semcache("info", "mine", "--json").json["manifest"]
    decision = manifest["decision"]
    shares = {certificate["calibration"]["outside_share"] for certificate in decision["certificates"]}
    found = (manifest["encoder"]["name"], decision["wanted_error"], *shares)
    assert (*found, manifest["compression"]) == ("hashing", 0.05, 0.25, "zstd")


def test_build_of_several_files(corpus: Path, tmp_path: Path) -> None:
    """Several corpora become one bundle, and it says which."""
    second = tmp_path / "second.jsonl"
    second.write_text('{"id": "more", "query": "something else", "answer": "yes"}\n', encoding="utf-8")
    semcache("build", corpus, second, "--name", "mine", "--root", tmp_path, *HASHING)
    corpora = semcache("info", "mine", "--root", tmp_path, "--json").json["manifest"]["corpora"]
    assert [(c["file"], c["entries"]) for c in corpora] == [("small.jsonl", 5), ("second.jsonl", 1)]


def test_search_prints_rows_best_first(bundle_dir: Path) -> None:
    """A person sees rank, score, kind, entry and text of each row."""
    outcome = semcache("search", bundle_dir, "login", "-k", "2")
    assert [line.split() for line in outcome.out.splitlines()] == [
        ["#", "score", "kind", "entry", "text"],
        ["1", "0.6555", "paraphrase", "login/add", "add", "login", "page"],
        ["2", "0.5219", "query", "login/add", "How", "do", "I", "add", "a", "login", "page?"],
    ]


def test_search_json(bundle_dir: Path) -> None:
    """--json gives the rows as a list."""
    (first,) = semcache("search", bundle_dir, "remove the login page", "-k", "1", "--json").json
    assert first == {
        "row": 3,
        "score": 1.0,
        "entry_id": "login/add",
        "kind": "guard",
        "variant": "remove the login page",
        "namespace": "web",
    }


def test_search_in_a_namespace(bundle_dir: Path) -> None:
    """--namespace keeps other namespaces' rows out."""
    found = semcache("search", bundle_dir, "login", "-k", "11", "--namespace", "shell", "--json").json
    assert {row["namespace"] for row in found} == {"shell"}
    assert len(found) == 3


def test_search_in_an_unknown_namespace_is_one_line(bundle_dir: Path) -> None:
    """A search has no miss to return, so a namespace that is not there is an error."""
    outcome = semcache("search", bundle_dir, "login", "--namespace", "wbe")
    assert outcome == Outcome(1, "", "semcache: namespace: found 'wbe', allowed shell, web\n")


def test_search_of_bytes_that_are_no_utf8_is_one_line(bundle_dir: Path) -> None:
    """A text that cannot be embedded is refused, without a traceback."""
    outcome = run_module("search", bundle_dir, b"caf\xe9")
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert "unpaired surrogate" in outcome.err


def test_explain_json(bundle_dir: Path) -> None:
    """--json gives the query as it was matched, the neighbours, the certificate and the result."""
    found = semcache("explain", bundle_dir, "  Add LOGIN page!! ", "-k", "2", "--json").json
    shown = ("normalised", "n_tokens", "max_tokens", "candidate", "rival", "max_error", "threshold", "changes")
    assert [found[key] for key in shown] == ["add login page", 3, 256, 0, None, 0.1, 0.9, []]
    assert (found["n_hits"], found["n_wrong"], found["features"]["score"]) == (1000, 30, pytest.approx(1.0, abs=1e-3))
    assert [neighbour["entry_id"] for neighbour in found["neighbours"]] == ["login/add", "login/add"]
    assert (found["result"]["hit"], found["result"]["entry_id"]) == (True, "login/add")


def test_explain_of_bytes_that_are_no_utf8(bundle_dir: Path) -> None:
    """A text that is no Unicode is explained, in both forms, without a traceback."""
    person = run_module("explain", bundle_dir, b"caf\xe9")
    machine = run_module("explain", bundle_dir, b"caf\xe9", "--json")
    assert (person.code, person.err, machine.err) == (0, "", "")
    assert machine.json["result"]["reason"] == "invalid_text"


def test_explain_does_not_write_control_characters_to_the_terminal(bundle_dir: Path) -> None:
    """A hostile text cannot move the cursor or change colours."""
    assert "\x1b" not in semcache("explain", bundle_dir, "\x1b[31mred\x1b[0m login").out


def test_info_json(bundle_dir: Path) -> None:
    """--json gives path, id, size and the whole manifest."""
    found = semcache("info", bundle_dir, "--json").json
    folder = bundle_dir / "versions" / found["id"]
    files = [path for path in folder.iterdir() if path.name != "manifest.json"]
    assert found["path"] == str(folder)
    assert found["size_bytes"] == sum(path.stat().st_size for path in files)
    assert set(found["manifest"]["files"]) == {path.name for path in files}


def test_info_for_a_person(bundle_dir: Path) -> None:
    """A person sees names and counts."""
    head, _ = semcache("info", bundle_dir).out.split("\n\n")
    lines = dict(line.split(maxsplit=1) for line in head.splitlines() if " by" not in line)
    shown = ("name", "namespaces", "licences", "corpora", "decision")
    assert [lines[key] for key in shown] == ["small", "shell, web", "Apache-2.0", "small.jsonl (5)", "generic verifier"]


def test_info_says_what_is_certified(bundle_dir: Path) -> None:
    """A person sees, for each namespace, the confidence that each level takes, if any, and what that rests on."""
    _, table = semcache("info", bundle_dir).out.split("\n\n")
    assert [line.split(maxsplit=7) for line in table.splitlines()[1:]] == [
        [name, "10", "%", "-", "0.9800", "0.9800", "0.9000", LAST] for name in ("shell", "web")
    ]


LAST = "0.9000  2,000 generic queries, 800 of them without a right answer"


def test_info_needs_no_encoder(bundle_dir: Path) -> None:
    """What a bundle is can be told without its encoder."""
    encoders = bundle_dir.parent / "encoders"
    encoders.rename(encoders.with_name("elsewhere"))
    assert semcache("info", bundle_dir).code == 0


def test_check_of_a_sound_bundle(bundle_dir: Path) -> None:
    """Nothing wrong is exit code 0, in both forms."""
    assert semcache("check", bundle_dir) == Outcome(0, "ok: every byte is the one that was written\n", "")
    assert semcache("check", bundle_dir, "--json").json == {"ok": True, "problems": []}


@pytest.mark.parametrize(
    "name", ["index.faiss", "values.mdb", "rows.npy", "entries.npy", "probes.npy", "trees.npy", "words.npy"]
)
def test_check_finds_one_changed_byte(bundle_dir: Path, name: str) -> None:
    """One byte of any file is a problem that names the file, and exit code 1."""
    path = next((bundle_dir / "versions").iterdir()) / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    outcome = semcache("check", bundle_dir)
    assert (outcome.code, outcome.err) == (1, "1 problem\n")
    assert outcome.out.startswith(f"{path}: ")


def test_check_lists_all_problems(bundle_dir: Path) -> None:
    """Two damaged files are two problems, as JSON too."""
    folder = next((bundle_dir / "versions").iterdir())
    (folder / "rows.npy").unlink()
    (folder / "index.faiss").write_bytes(b"nothing")
    outcome = semcache("check", bundle_dir, "--json")
    assert (outcome.code, outcome.json["ok"]) == (1, False)
    named = [problem.split(": ")[0] for problem in outcome.json["problems"]]
    assert sorted(named) == [str(folder / "index.faiss"), str(folder / "rows.npy")]


def test_check_finds_a_missing_encoder(bundle_dir: Path) -> None:
    """A bundle without its encoder is not whole."""
    encoders = bundle_dir.parent / "encoders"
    encoders.rename(encoders.with_name("elsewhere"))
    outcome = run_module("check", bundle_dir)
    assert outcome.code == 1
    assert str(encoders) in outcome.out
