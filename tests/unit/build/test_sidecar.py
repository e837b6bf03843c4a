from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from semcache.build.sidecar import (
    Receipt,
    Record,
    Sidecar,
    SidecarLog,
    Variant,
    augment_lock,
    digest_of,
    pack,
    parse,
    replace_sidecar,
    sidecar_path,
)
from semcache.errors import BuildError, CorpusError
from semcache.store.fsio import FileSystem

ONE = Variant("a/1", digest_of("How?"), "rule", "form:how_to", "how to", "kept")
TWO = Variant("b/2", digest_of("Why?"), "llm", "m 1234", "what is the reason \u00fc")
PAID = Receipt("b/2", digest_of("Why?"), "m 1234", 4, 1, 100, 20)
LINE = json.loads(pack(ONE))


def written(path: Path, *records: Record, tail: bytes = b"") -> Path:
    """Write a sidecar."""
    path.write_bytes(b"".join(map(pack, records)) + tail)
    return path


@pytest.mark.parametrize("record", [ONE, TWO, PAID])
def test_a_record_survives_the_round_trip(record: Record) -> None:
    """One line each."""
    assert parse(pack(record)) == record
    assert pack(record).count(b"\n") == 1


def test_the_lines_are_stable() -> None:
    """As documented."""
    assert pack(ONE) == (
        b'{"entry":"a/1","made_of":"9de8474505e7ace4052bec62a7daa206","source":"rule","by":"form:how_to",'
        b'"text":"how to","status":"kept"}\n'
    )
    assert pack(PAID) == (
        b'{"entry":"b/2","made_of":"' + digest_of("Why?").encode() + b'","by":"m 1234","asked":4,"given":1,'
        b'"tokens_in":100,"tokens_out":20}\n'
    )


def test_a_text_is_told_by_its_normalised_form() -> None:
    """Case and closing marks make no variant stale."""
    assert digest_of(" How  DO i?") == digest_of("how do I")


@pytest.mark.parametrize(
    ("corpus", "sidecar"), [("a/b.jsonl", "a/b.augmented.jsonl"), ("a/b.json", "a/b.json.augmented.jsonl")]
)
def test_a_sidecar_is_beside_its_corpus(corpus: str, sidecar: str) -> None:
    """Two corpora never share one."""
    assert sidecar_path(Path(corpus)) == Path(sidecar)


def test_records_are_found_by_entry(tmp_path: Path) -> None:
    """In the order of the file."""
    with Sidecar(written(tmp_path / "s", ONE, TWO, PAID)) as sidecar:
        assert (sidecar.of("b/2"), sidecar.of("a/1"), sidecar.of("c")) == ([TWO, PAID], [ONE], [])
        assert (sidecar.entries, sidecar.n_lines) == (["a/1", "b/2"], 3)


def test_a_missing_file_is_empty(tmp_path: Path) -> None:
    """Nothing was generated yet."""
    with Sidecar(tmp_path / "none") as sidecar:
        assert (sidecar.of("a"), sidecar.n_lines, sidecar.end) == ([], 0, 0)


@pytest.mark.parametrize("cut", range(1, len(pack(TWO))))
def test_a_line_that_was_cut_off_is_not_read(tmp_path: Path, cut: int) -> None:
    """Wherever the kill came; the next line takes its place."""
    path = written(tmp_path / "s", ONE, tail=pack(TWO)[:cut])
    with Sidecar(path) as sidecar:
        assert (sidecar.n_lines, sidecar.end) == (1, len(pack(ONE)))
        log = SidecarLog(path, end=sidecar.end)
    log.add([PAID])
    log.close()
    assert path.read_bytes() == pack(ONE) + pack(PAID)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"status": "good"}, "source 'rule', status 'good'"),
        ({"source": "me"}, "source 'me', status 'kept'"),
        ({"text": 3}, "text: found 3, allowed text"),
        ({"entry": None}, "entry: found None, allowed text"),
        ({"more": 1}, "found the fields"),
    ],
)
def test_another_line_is_a_problem_with_its_place(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    """Somebody edited it: nothing is guessed."""
    path = written(tmp_path / "s.jsonl", ONE, tail=json.dumps({**LINE, **change}).encode() + b"\n")
    with pytest.raises(CorpusError, match=f"s.jsonl:2: not a generated variant: {problem}"):
        Sidecar(path)


@pytest.mark.parametrize("raw", [b"[]\n", b"text\n", b"\xff\n", b"{}\n", b"\n"])
def test_every_bad_line_is_named(tmp_path: Path, raw: bytes) -> None:
    """All of them, not only the first."""
    with pytest.raises(CorpusError) as caught:
        Sidecar(written(tmp_path / "s", tail=raw + pack(ONE) + raw))
    assert [problem.split(":")[1] for problem in caught.value.problems] == ["1", "3"]


@pytest.mark.parametrize("count", [-1, 1.5, True, "1"])
def test_a_receipt_counts_in_whole_numbers(count: object) -> None:
    """From zero."""
    with pytest.raises(ValueError, match="asked: found"):
        parse(json.dumps({**json.loads(pack(PAID)), "asked": count}).encode())


def test_an_open_sidecar_is_not_changed_by_a_new_one(tmp_path: Path) -> None:
    """A build reads on in the file it opened."""
    path = written(tmp_path / "s", ONE, TWO)
    with Sidecar(path) as sidecar:
        replace_sidecar(FileSystem(), path, [PAID])
        assert sidecar.of("b/2") == [TWO]
    with Sidecar(path) as sidecar:
        assert sidecar.of("b/2") == [PAID]
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


def test_a_sidecar_that_shrank_is_a_build_error(tmp_path: Path) -> None:
    """Somebody wrote into the open file."""
    path = written(tmp_path / "s", ONE, TWO)
    with Sidecar(path) as sidecar:
        with path.open("r+b") as file:
            file.truncate(len(pack(ONE)) + 5)
        with pytest.raises(BuildError, match="changed while it was read"):
            sidecar.of("b/2")


def test_one_process_augments_a_corpus(tmp_path: Path) -> None:
    """Another one is told so."""
    corpus = tmp_path / "c.jsonl"
    corpus.touch()
    with (
        augment_lock(corpus),
        pytest.raises(BuildError, match=r"c\.jsonl: another process augments"),
        augment_lock(corpus),
    ):
        pass
