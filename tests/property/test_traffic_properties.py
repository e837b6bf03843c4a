"""Recorded lines survive being cut off anywhere; what is personal is found wherever it stands."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from semcache.core.personal import Personal, personal_kinds
from semcache.core.traffic import RecordedLookup, pack, parse
from semcache.lookup.recorded import Traffic
from semcache.store.append_log import AppendLog
from semcache.types import Kind, Reason

TEXTS = st.text(max_size=60)
LOOKUPS = st.builds(
    RecordedLookup,
    time=st.integers(0, (1 << 34) - 1),
    bundle_id=st.text("0123456789abcdef", min_size=32, max_size=32),
    namespace=st.none() | TEXTS,
    hit=st.booleans(),
    reason=st.none() | st.sampled_from(Reason),
    entry_id=st.none() | TEXTS,
    kind=st.none() | st.sampled_from(Kind),
    score=st.none() | st.floats(-1, 1),
    confidence=st.none() | st.floats(0, 1),
    text=st.none() | TEXTS,
    text_hash=st.none() | TEXTS,
)
WORDS = st.lists(st.sampled_from(["how", "does", "the", "login", "of", "fail", "with"]), max_size=5).map(" ".join)


@given(LOOKUPS)
def test_any_lookup_is_one_line_that_is_read_back(lookup: RecordedLookup) -> None:
    """Whatever its text holds, line feeds and quotes included."""
    line = pack(lookup)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert parse(line) == lookup


@given(LOOKUPS, st.data())
def test_no_part_of_a_line_is_a_line(lookup: RecordedLookup, data: st.DataObject) -> None:
    """Cut off anywhere, it says nothing rather than something else."""
    line = pack(lookup).rstrip()
    assert parse(line[: data.draw(st.integers(0, len(line) - 1))]) is None


@given(st.lists(LOOKUPS, min_size=1, max_size=4), st.lists(LOOKUPS, max_size=4), st.data())
def test_a_cut_costs_one_line(before: list[RecordedLookup], after: list[RecordedLookup], data: st.DataObject) -> None:
    """A kill in the middle of an append loses what was not written; what came before and comes later is read."""
    lines = b"".join(map(pack, before))
    n_left = data.draw(st.integers(0, len(lines)))
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "traffic-00000001.jsonl").write_bytes(lines[:n_left])
        log = AppendLog(folder, max_file_bytes=1 << 20, max_files=2)
        for lookup in after:
            log.append(pack(lookup))
        log.close()
        traffic = Traffic()
        found = list(traffic.read([folder]))
    assert found[len(found) - len(after) :] == after
    whole = found[: len(found) - len(after)]
    assert whole == before[: len(whole)]
    assert len(whole) >= lines[:n_left].count(b"\n")
    assert traffic.n_broken <= 1


@given(st.binary(max_size=200))
def test_any_bytes_are_a_line_or_none(raw: bytes) -> None:
    """A damaged file stops no harvest."""
    parsed = parse(raw)
    assert parsed is None or pack(parsed)


@given(st.text(max_size=300))
def test_any_text_is_sieved(text: str) -> None:
    """Nothing raises, and each kind comes once."""
    kinds = personal_kinds(text)
    assert len(set(kinds)) == len(kinds)


@given(WORDS, st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8})?@[a-z]{2,9}\.(com|io|de)", fullmatch=True), WORDS)
def test_an_address_is_found_between_any_words(before: str, address: str, after: str) -> None:
    """At the beginning, in the middle, at the end."""
    is_of_nobody = address.split("@")[1] == "example.com" or address.startswith("git@")
    assert (Personal.EMAIL in personal_kinds(f"{before} {address} {after}")) is not is_of_nobody


@given(WORDS, st.from_regex(r"4[0-9]{14}", fullmatch=True), st.sampled_from(["", " ", "-"]), WORDS)
def test_a_card_is_told_by_its_check_digit(before: str, body: str, gap: str, after: str) -> None:
    """One of ten numbers is one, and written in fours as well as in one."""
    found = []
    for digit in "0123456789":
        number = body + digit
        shown = gap.join(number[i : i + 4] for i in range(0, 16, 4))
        if Personal.CARD in personal_kinds(f"{before} {shown} {after}"):
            found.append(number)
    assert len(found) == 1 or body + "1" == "4111111111111111" or body + "2" == "4242424242424242"


@given(WORDS, st.from_regex(r"[0-9a-f]{40}", fullmatch=True), WORDS)
def test_a_commit_is_never_personal(before: str, commit: str, after: str) -> None:
    """Among ordinary words."""
    assert Personal.KEY not in personal_kinds(f"{before} commit {commit} {after}")
