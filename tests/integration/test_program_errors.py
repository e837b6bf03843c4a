"""The command line's exit codes: 1 and one line for known errors, 2 for usage, quiet where a pipe breaks."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from running import Outcome, run_module, semcache

from semcache import __version__


def error_line(outcome: Outcome) -> str:
    """Hold a command to exit code 1, nothing on stdout and one line on stderr; give that line."""
    lines = outcome.err.splitlines()
    assert (outcome.code, outcome.out, len(lines)) == (1, "", 1), outcome
    return lines[0]


@pytest.mark.parametrize("command", ["lookup", "search", "explain"])
def test_asking_a_bundle_that_is_not_there_is_one_line(command: str, tmp_path: Path) -> None:
    """The line says which bundle, where it was looked for, and how to make one."""
    line = error_line(semcache(command, "nope", "text", "--root", tmp_path))
    assert line.startswith("semcache: nope: no bundle here")
    assert str(tmp_path / "nope") in line
    assert line.endswith("build one with `semcache build ... --name NAME`")


@pytest.mark.parametrize("command", ["info", "check"])
def test_describing_a_bundle_that_is_not_there_is_one_line(command: str, tmp_path: Path) -> None:
    """Both say the same as lookup does."""
    assert error_line(semcache(command, "nope", "--root", tmp_path)).startswith("semcache: nope: no bundle here")


def test_a_damaged_bundle_is_one_line_that_names_the_file(bundle_dir: Path) -> None:
    """Damage is an error with the file's path, not an answer and not a traceback."""
    path = next((bundle_dir / "versions").iterdir()) / "rows.npy"
    path.write_bytes(b"\x93NUMPY" + bytes(166))
    assert str(path) in error_line(semcache("lookup", bundle_dir, "add login page"))


def test_a_missing_encoder_is_one_line_that_names_the_folder(bundle_dir: Path) -> None:
    """A semantic lookup without its encoder says where it belongs and what to do."""
    encoders = bundle_dir.parent / "encoders"
    encoders.rename(encoders.with_name("elsewhere"))
    line = error_line(run_module("lookup", bundle_dir, "now add login page"))
    assert str(encoders) in line
    assert "build or copy it again" in line


def test_a_corpus_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """A wrong path is named as such."""
    line = error_line(semcache("build", tmp_path / "no.jsonl", "--name", "a", "--root", tmp_path))
    assert line == f"semcache: {tmp_path / 'no.jsonl'}: No such file or directory"


@pytest.mark.parametrize("name", ["a/b", "encoders", "..", ".hidden", "a" * 65, "two words"])
def test_a_bad_name_is_one_line_and_builds_nothing(corpus: Path, tmp_path: Path, name: str) -> None:
    """A bundle's name can never lead out of its root."""
    root = tmp_path / "root"
    line = error_line(semcache("build", corpus, "--name", name, "--root", root, "--model", "hashing"))
    assert line.startswith(f"semcache: name: found {name!r}")
    assert not root.exists()


@pytest.mark.parametrize("k", ["0", "-1", "65537"])
def test_a_k_outside_its_range_is_one_line(bundle_dir: Path, k: str) -> None:
    """The line says what was found and what is allowed."""
    for command in ("search", "explain"):
        line = error_line(semcache(command, bundle_dir, "login", "-k", k))
        assert line == f"semcache: k: found {k}, allowed 1 to 65536"


@pytest.mark.parametrize("option", ["--max-error=0.03", "--outside-share=1", "--seed=-1", "--workers=-1"])
def test_a_setting_outside_its_range_is_one_line(corpus: Path, tmp_path: Path, option: str) -> None:
    """Every setting of a build says its range."""
    line = error_line(semcache("build", corpus, "--name", "a", "--root", tmp_path, "--model", "hashing", option))
    assert ", allowed 0" in line


def test_a_bad_setting_in_the_environment_is_one_line_that_names_the_variable(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who set it elsewhere finds it again."""
    monkeypatch.setenv("SEMCACHE_SEED", "many")
    line = error_line(semcache("build", corpus, "--name", "a", "--root", tmp_path, "--model", "hashing"))
    assert line == "semcache: SEMCACHE_SEED: found 'many', allowed a int"


@pytest.mark.parametrize(
    "command",
    [
        "frobnicate",
        "lookup",
        "lookup NAME TEXT --frobnicate",
        "lookup NAME TEXT more",
        "search NAME",
        "search NAME TEXT -k many",
        "explain",
        "info",
        "check NAME --json=maybe",
        "build --name a",
        "build corpus.jsonl",
        "build corpus.jsonl --name a --index annoy",
        "corpus frobnicate",
        "corpus check",
        "corpus stats corpus.jsonl --near 2",
        "",
    ],
)
def test_wrong_usage_is_exit_code_2(command: str) -> None:
    """Unknown commands and options, missing and superfluous arguments are usage errors."""
    assert semcache(*shlex.split(command)).code == 2


def test_wrong_usage_names_the_option_on_stderr_only() -> None:
    """A usage error says what is wrong, and leaves stdout to data."""
    outcome = semcache("lookup", "NAME", "TEXT", "--frobnicate")
    assert "--frobnicate" in outcome.err
    assert outcome.out == ""


def test_version() -> None:
    """--version prints the version and nothing else."""
    assert semcache("--version") == Outcome(0, f"semcache {__version__}\n", "")


def test_help_names_every_command() -> None:
    """--help leads to all there is."""
    outcome = semcache("--help")
    assert outcome.code == 0
    commands = ("build", "lookup", "search", "explain", "info", "check", "corpus")
    assert [name for name in commands if f" {name} " not in outcome.out] == []


def test_a_broken_pipe_is_quiet(bundle_dir: Path, tmp_path: Path) -> None:
    """`semcache lookup NAME < lines | head -1` prints one result and no traceback."""
    lines = tmp_path / "lines"
    lines.write_text("add login page\n" * 20_000, encoding="utf-8")
    command = f"{shlex.quote(sys.executable)} -m semcache lookup {shlex.quote(str(bundle_dir))} | head -1"
    with lines.open("rb") as source:
        done = subprocess.run(["bash", "-c", command], stdin=source, capture_output=True, check=False, timeout=60)
    assert (done.stdout.count(b"\n"), done.stderr) == (1, b"")


def test_a_pipe_that_was_closed_before_the_first_line_is_quiet(bundle_dir: Path) -> None:
    """A reader that reads nothing at all leaves no traceback either."""
    process = subprocess.Popen(
        [sys.executable, "-m", "semcache", "info", str(bundle_dir), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert err == b""


def test_interrupting_a_build_says_that_nothing_changed(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C is exit code 130 and one line, no traceback."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("semcache.cli.build.build_bundle", interrupt)
    outcome = semcache("build", corpus, "--name", "a", "--root", tmp_path, "--model", "hashing")
    assert outcome == Outcome(130, "", "interrupted; nothing was changed\n")


def test_an_unknown_error_keeps_its_traceback(bundle_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is not dressed up as a known error."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("semcache.lookup.cache.Cache.lookup", fail)
    with pytest.raises(ZeroDivisionError):
        semcache("lookup", bundle_dir, "add login page")


def test_a_locked_build_is_one_line(corpus: Path, tmp_path: Path) -> None:
    """Two builds of one name: the second says so and leaves the first alone."""
    import fcntl  # noqa: PLC0415 - not on every system

    (tmp_path / "a").mkdir()
    with (tmp_path / "a" / "build.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        line = error_line(semcache("build", corpus, "--name", "a", "--root", tmp_path, "--model", "hashing"))
    assert line.endswith("a build, pull, rollback or gc of this name is running; wait for it to end")


def test_a_failed_recall_gate_is_one_line_and_keeps_the_live_version(
    bundle_dir: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build below the recall it asks for publishes nothing, and says what it measured and what to do."""
    before = (bundle_dir / "CURRENT").read_bytes()
    monkeypatch.setattr("semcache.build.indexing.recall_at_k", lambda *_, **__: 0.75)
    outcome = semcache("build", corpus, "--name", "small", "--root", bundle_dir.parent, "--model", "hashing")
    line = error_line(outcome)
    assert line.startswith("semcache: index recall@1 0.7500 and recall@10 0.7500, asked for at least 0.99 and 0.98; ")
    assert (bundle_dir / "CURRENT").read_bytes() == before


def test_a_full_device_is_one_line(bundle_dir: Path) -> None:
    """What cannot be printed is said, without a traceback."""
    for command in ("lookup", "explain", "info"):
        arguments = [command, str(bundle_dir), *(["add login page"] if command != "info" else [])]
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "semcache", *arguments], stdout=full, stderr=subprocess.PIPE, check=False
            )
        lines = done.stderr.decode().splitlines()
        assert (done.returncode, len(lines)) == (1, 1), lines
        assert lines[0].startswith("semcache: output: No space left on device")


def test_ctrl_c_while_the_program_is_read_is_one_line() -> None:
    """Its commands take a second to import; whoever presses Ctrl-C in it sees no traceback."""
    program = """
import sys
class Interrupts:
    def find_spec(self, name, *_):
        if name == "semcache.cli.build":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts())
from semcache.cli.program import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"interrupted; nothing was changed\n")


def test_a_build_on_no_traffic_is_one_line(corpus: Path, tmp_path: Path) -> None:
    """A file without a query is most likely the wrong file."""
    (tmp_path / "empty.jsonl").touch()
    arguments = ("--name", "a", "--root", tmp_path, "--model", "hashing", "--traffic", tmp_path / "empty.jsonl")
    line = error_line(semcache("build", corpus, *arguments))
    assert line == "semcache: traffic: found none, allowed 1 or more labelled queries"
    assert not (tmp_path / "a").exists()
