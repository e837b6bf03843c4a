"""`semcache augment` against a server on loopback, and builds from what it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from llm_stub import MODEL, TOKENS_IN, TOKENS_OUT, Answer, Stub, completion, llm_stub, right_answer
from running import Outcome, run_module, semcache
from shared import write_corpus

from semcache.build.sidecar import Receipt, Sidecar, Variant

N = 24
WORDS = ["add", "drop", "sort", "merge", "split", "print", "count", "freeze", "rename", "rotate", "mount", "cache"]
THINGS = ["table", "window"]
ENTRIES: list[dict[str, Any]] = [
    {"id": f"e{i}", "query": f"How do I {WORDS[i % 12]} the {THINGS[i // 12]}?", "answer": f"answer {i}"}
    for i in range(N)
]
KEY = "sk-never-shown"
LOOSE = ("--no-facts",)


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a corpus; the encoder is the one without a model, and the root is beside it."""
    monkeypatch.setenv("SEMCACHE_MODEL", "hashing")
    monkeypatch.setenv("SEMCACHE_ROOT", str(tmp_path / "indexes"))
    monkeypatch.setenv("SEMCACHE_LLM_API_KEY", KEY)
    for name in ("MODEL", "BASE_URL"):
        monkeypatch.delenv(f"SEMCACHE_LLM_{name}", raising=False)
    return write_corpus(tmp_path / "c.jsonl", ENTRIES)


def command(corpus: Path, stub: Stub, *more: str) -> list[str]:
    """Give the arguments of a run that asks the server for two texts an entry."""
    base = ["augment", str(corpus), "--llm", MODEL, "--base-url", stub.base_url, "--per-entry", "2"]
    return [*base, "--entries-per-request", "3", "--retries", "3", *LOOSE, "--json", *more]


def sidecar_of(corpus: Path) -> Path:
    """Give where the variants are."""
    return corpus.with_name("c.augmented.jsonl")


def records_of(corpus: Path) -> list[Variant | Receipt]:
    """Give every line."""
    with Sidecar(sidecar_of(corpus)) as sidecar:
        return [record for entry in sidecar.entries for record in sidecar.of(entry)]


def check_whole(corpus: Path) -> None:
    """Check that every entry has two texts of the model and one receipt."""
    texts = Counter(r.entry for r in records_of(corpus) if isinstance(r, Variant) and r.source == "llm")
    receipts = Counter(r.entry for r in records_of(corpus) if isinstance(r, Receipt))
    assert texts == {entry["id"]: 2 for entry in ENTRIES}
    assert receipts == {entry["id"]: 1 for entry in ENTRIES}


def all_asked(times: int = 1) -> Counter[str]:
    """Give how often each question is asked."""
    return Counter({entry["query"]: times for entry in ENTRIES})


def test_a_run_reports_what_it_did_and_what_it_cost(corpus: Path) -> None:
    """Counts, tokens and price; the key is nowhere."""
    with llm_stub() as stub:
        done = semcache(*command(corpus, stub, "--price-in", "1000", "--price-out", "2000"))
        assert (done.code, stub.asked, stub.authorizations) == (0, all_asked(), {f"Bearer {KEY}"})
    llm, n = done.json["llm"], N // 3
    cost = n * (TOKENS_IN * 1000 + TOKENS_OUT * 2000) / 1e6
    assert (llm["n_entries"], llm["n_requests"], llm["n_retries"], llm["n_given"]) == (N, n, 0, 2 * N)
    assert (llm["tokens_in"], llm["tokens_out"], llm["cost_usd"]) == (
        n * TOKENS_IN,
        n * TOKENS_OUT,
        pytest.approx(cost),
    )
    assert sum(done.json["counts"]["llm"].values()) == 2 * N
    assert KEY not in done.out + done.err + sidecar_of(corpus).read_text("utf-8")
    check_whole(corpus)


def test_a_second_run_asks_nothing_and_changes_nothing(corpus: Path) -> None:
    """And still knows what was paid."""
    with llm_stub() as stub:
        semcache(*command(corpus, stub))
        before = sidecar_of(corpus).read_bytes()
        done = semcache(*command(corpus, stub))
        assert stub.asked == all_asked()
    assert sidecar_of(corpus).read_bytes() == before
    assert (done.json["llm"]["n_requests"], done.json["llm"]["tokens_in_paid"]) == (0, N // 3 * TOKENS_IN)


def ill(kind: str) -> Callable[[Stub, dict[str, Any]], Answer | None]:
    """Give a behaviour where every other request goes wrong."""
    answers: dict[str, Answer] = {
        "429": (429, {"Retry-After": "0"}, b""),
        "500": (500, {"Retry-After": "0"}, b"<html>"),
        "garbage": (200, {"Retry-After": "0"}, b"\xff\x00"),
    }
    return lambda stub, _: answers[kind] if stub.n_requests % 2 else None


@pytest.mark.parametrize("kind", ["429", "500", "garbage"])
def test_a_server_that_stumbles_is_asked_again(corpus: Path, kind: str) -> None:
    """What it answered is neither lost nor repeated."""
    with llm_stub(ill(kind)) as stub:
        done = semcache(*command(corpus, stub, "--concurrency", "1"))
        assert (done.code, stub.asked) == (0, all_asked())
    assert done.json["llm"]["n_retries"] == N // 3
    check_whole(corpus)


def test_short_answers_are_filled_up(corpus: Path) -> None:
    """Every text is kept, and only what lacks is asked for."""
    with llm_stub(lambda stub, request: right_answer(stub, request, n=1)) as stub:
        done = semcache(*command(corpus, stub))
        assert (done.code, stub.asked) == (0, all_asked(2))
    assert (done.json["llm"]["n_given"], done.json["llm"]["n_short"]) == (2 * N, 0)


def test_prose_instead_of_json_is_given_up(corpus: Path) -> None:
    """The report says how many entries got too few; it is no error."""
    with llm_stub(lambda _stub, _request: completion("I cannot do that.")) as stub:
        done = semcache(*command(corpus, stub))
    assert (done.code, done.json["llm"]["n_short"], done.json["llm"]["n_requests"]) == (0, N, N)


def test_a_refusal_is_one_line_and_keeps_what_came(corpus: Path) -> None:
    """Exit code 1; the next run goes on."""

    def until_the_money_ends(stub: Stub, _: dict[str, Any]) -> Answer | None:
        return (401, {}, f"no money left on {KEY}".encode()) if stub.n_requests > 4 else None

    with llm_stub(until_the_money_ends) as stub:
        failed = semcache(*command(corpus, stub, "--concurrency", "1"))
        assert (failed.code, failed.out) == (1, "")
        assert failed.err.startswith(f"semcache: {stub.base_url}: HTTP 401: no money left on ***")
        stub.behave = answer_all
        done = semcache(*command(corpus, stub))
        assert (done.code, stub.asked) == (0, all_asked())
    check_whole(corpus)


class Gate:
    """Lets a number of requests through, holds the others until it is opened, and refuses them then."""

    def __init__(self, n_open: int) -> None:
        self.n_open = n_open
        self.opened = threading.Event()

    def __call__(self, stub: Stub, _: dict[str, Any]) -> Answer | None:
        """Refuse what comes too late, a second attempt of it too: who was killed is answered nothing more."""
        with stub.lock:
            self.n_open -= 1
            is_held = self.n_open < 0
        if is_held:
            self.opened.wait(30)
            return 500, {}, b""
        return None


def answer_all(_stub: Stub, _request: dict[str, Any]) -> None:
    """Answer every request from now on."""


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def n_receipts(corpus: Path) -> int:
    """Count the answers that were written down."""
    path = sidecar_of(corpus)
    return path.read_bytes().count(b'"tokens_in"') if path.exists() else 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("n_answers", [0, 1, 4])
def test_a_run_that_is_killed_and_resumed_loses_and_repeats_nothing(corpus: Path, n_answers: int, how: int) -> None:
    """Every question is answered once in both runs together."""
    gate = Gate(n_answers)
    with llm_stub(gate) as stub:
        arguments = [sys.executable, "-m", "semcache", *command(corpus, stub, "--concurrency", "2")]
        run = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ)
        wait_for(lambda: n_receipts(corpus) == 3 * n_answers and stub.n_requests > n_answers)
        run.send_signal(how)
        gate.opened.set()
        out, err = run.communicate(timeout=60)
        if how == signal.SIGINT:
            assert (run.returncode, out) == (130, b"")
            assert b"every answer that had come is kept" in err
        answered = sum(stub.asked.values())
        assert answered == 3 * n_answers
        stub.behave = answer_all
        done = semcache(*command(corpus, stub))
        assert (done.code, stub.asked) == (0, all_asked())
    check_whole(corpus)


def test_a_run_says_beforehand_what_it_would_ask(corpus: Path) -> None:
    """With --dry-run nothing is sent and nothing written."""
    with llm_stub() as stub:
        done = semcache(*command(corpus, stub, "--dry-run", "--rules"))
        assert stub.n_requests == 0
    assert (done.json["llm"]["n_entries"], done.json["llm"]["n_requests"]) == (N, N // 3)
    assert done.json["rule_candidates"] == 2 * N
    assert not sidecar_of(corpus).exists()


def test_a_run_without_a_model_says_nothing_of_one(corpus: Path) -> None:
    """Nor of what it would cost."""
    done = semcache("augment", corpus, "--dry-run", "--rules")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{N:,} entries, up to ")
    assert done.out.endswith(" variants by rule before the filters\n")
    assert len(done.out.splitlines()) == 1


def test_without_a_source_there_is_nothing_to_do(corpus: Path) -> None:
    """An error, not an empty file."""
    done = semcache("augment", corpus)
    assert (done.code, done.err[:28]) == (1, "semcache: nothing to do: no ")
    assert not sidecar_of(corpus).exists()


def test_two_runs_of_one_corpus_do_not_mix(corpus: Path) -> None:
    """The second is told to wait."""
    gate = Gate(0)
    with llm_stub(gate) as stub:
        first = subprocess.Popen([sys.executable, "-m", "semcache", *command(corpus, stub)], stdout=subprocess.DEVNULL)
        wait_for(lambda: stub.n_requests > 0)
        second = semcache(*command(corpus, stub))
        stub.behave = answer_all
        gate.opened.set()
        assert first.wait(60) == 0
    assert (second.code, second.err.count("another process augments this corpus")) == (1, 1)


def test_without_httpx_the_pip_line_is_told(corpus: Path, tmp_path: Path) -> None:
    """Rules and builds need none."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['httpx'] = None\n")
    environ = {"PYTHONPATH": str(tmp_path)}
    arguments = ("augment", corpus, "--llm", "m", "--base-url", "http://127.0.0.1:9/v1")
    failed: Outcome = run_module(*arguments, environ=environ)
    assert (failed.code, failed.err.count('pip install "semcache[llm]"')) == (1, 1)
    assert run_module("augment", corpus, "--rules", environ=environ).code == 0


def test_a_build_indexes_what_was_kept_and_says_where_it_is_from(corpus: Path) -> None:
    """Without the model; search names the kind of each row."""
    with llm_stub() as stub:
        semcache(*command(corpus, stub, "--rules"))
    built = semcache("build", corpus, "--name", "c", "--json")
    kept = Counter(r.source for r in records_of(corpus) if isinstance(r, Variant) and r.status == "kept")
    assert kept["rule"] == 2 * N
    assert built.json["generated"] == dict(kept)
    assert built.json["counts"]["rows"] == N + kept.total()
    found = semcache("search", "c", "How do I add the table? alpha bravo", "-k", "99", "--json")
    assert {row["kind"] for row in json.loads(found.out)} >= {"query", "rule", "llm"}
    hit = semcache("lookup", "c", "how to add the table", "--json")
    assert (hit.json["kind"], hit.json["entry_id"]) == ("exact", "e0")
    assert semcache("check", "c").code == 0


def test_a_build_may_leave_generated_variants_out(corpus: Path) -> None:
    """And is the one that it was before there were any."""
    before = semcache("build", corpus, "--name", "c", "--json").json["id"]
    semcache("augment", corpus, "--rules")
    assert semcache("build", corpus, "--name", "c", "--augment", "none", "--json").json["id"] == before
    assert semcache("build", corpus, "--name", "c", "--json").json["id"] != before
