from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.build.corpus import parse_line
from semcache.bundle.records import (
    RecordError,
    pack_entry,
    pack_rows,
    pack_value,
    pack_variant,
    unpack_entry,
    unpack_rows,
    unpack_value,
    unpack_variant,
)
from semcache.core.fields import FieldError
from semcache.core.manifest import parse_manifest
from semcache.types import VariantKind

BOUNDED = settings(max_examples=150, deadline=None, derandomize=True, database=None)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
DEEP = st.integers(200, 1100).map(lambda n: "[" * n + "]" * n)
"""JSON that is nested near the limits of parsers and printers."""
LONG_NUMBER = st.integers(4200, 4400).map(lambda n: "1" * n)
"""A number near the limit of what Python converts."""
ENTRY_FIELDS = [
    *("id", "query", "answer", "paraphrases", "rejects", "namespace"),
    *("tags", "source", "licence", "valid_until", "x_note", "unknown"),
]
ENTRY = {"id": "a", "query": "list files", "answer": "ls"}
MANIFEST: dict[str, Any] = {
    "format": "semcache-bundle",
    "format_version": 1,
    "name": "demo",
    "producer": "semcache",
    "seed": 0,
    "counts": {"entries": 1, "answers": 1, "rows": 1, "guards": 0, "unindexed": 0, "keys": 1}
    | {"dead_entries": 0, "dead_answers": 0, "dead_rows": 0},
    "namespaces": ["default"],
    "licences": [],
    "corpora": [{"file": "a", "sha256": "0" * 64, "entries": 1}],
    "compression": "none",
    "encoder": {
        "fingerprint": "0" * 32,
        "name": "hashing",
        "dim": 64,
        "max_tokens": 256,
        "probe_texts": ["a"],
        "probe_min_cosine": 0.999,
    },
    "index": {
        "kind": "flat",
        "effort": 0,
        "frame_bytes": 81,
        "frame_sha256": "0" * 64,
        "recall_at_1": 1.0,
        "recall_at_10": 1.0,
        "recall_queries": 1,
    },
    "decision": {
        "features": ["score", "margin"],
        "n_trees": 1,
        "fitted": "generic",
        "n_fitted": 0,
        "n_learned": 0,
        "has_adapter": False,
        "n_neighbours": 64,
        "wanted_error": 0.02,
        "certificates": [
            {
                "namespace": "default",
                "max_error": 0.02,
                "calibration": {
                    "source": "generic",
                    "n_queries": 9,
                    "n_outside": 4,
                    "outside_share": 0.4,
                    "alpha": 0.05,
                },
                "levels": [{"max_error": 0.02, "threshold": None, "n_hits": 9, "n_wrong": 1, "n_missing": 7}],
            }
        ],
    },
    "files": {"rows.npy": {"size_bytes": 1, "sha256": "0" * 64}},
}
CERTIFICATE = MANIFEST["decision"]["certificates"][0]
PLACES = [
    *((name,) for name in MANIFEST),
    *((name, inner) for name in ("counts", "encoder", "index", "decision", "files") for inner in MANIFEST[name]),
    *(("decision", "certificates", 0, name) for name in CERTIFICATE),
    *(("decision", "certificates", 0, "calibration", name) for name in CERTIFICATE["calibration"]),
    *(("files", "rows.npy", "sha256"), ("encoder", "x"), ("x",)),
]


def is_sound(raw: bytes) -> bool:
    """Say whether a line is an entry, and hold what it gives against what it promises."""
    line = parse_line(raw, 1)
    assert (line.entry is None) == bool(line.problems)
    if line.entry is not None:
        line.entry.query.encode()
        assert line.entry.answer
    return line.entry is not None


def spliced(document: dict[str, Any], place: tuple[str | int, ...], value: str) -> bytes:
    """Give a JSON document with raw JSON put in one place."""
    changed = json.loads(json.dumps(document))
    inner = changed
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = "@@"
    return json.dumps(changed).replace('"@@"', value).encode("utf-8", "surrogatepass")


@BOUNDED
@given(st.binary(max_size=200))
def test_any_bytes_are_a_line_with_problems_or_an_entry(raw: bytes) -> None:
    """Nothing in a corpus file raises."""
    is_sound(raw)


@BOUNDED
@given(JSON)
def test_any_json_is_a_line_with_problems_or_an_entry(document: object) -> None:
    """Also what Python would write but JSON does not allow (NaN, unpaired surrogates)."""
    is_sound(json.dumps(document).encode())


@BOUNDED
@given(st.sampled_from(ENTRY_FIELDS), JSON.map(json.dumps) | DEEP | LONG_NUMBER)
def test_an_entry_with_any_value_in_a_field_never_raises(name: str, value: str) -> None:
    """Each field, whatever stands in it."""
    is_sound(spliced(ENTRY, (name,), value))


def parses(raw: bytes) -> bool:
    """Say whether bytes are a manifest; the one error there is means that they are not."""
    try:
        manifest = parse_manifest(raw)
    except FieldError:
        return False
    assert parse_manifest(manifest.to_bytes()) == manifest
    return True


@BOUNDED
@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_a_field_error(raw: bytes) -> None:
    """Nothing in a manifest raises anything else."""
    assert not parses(raw)


@BOUNDED
@given(JSON)
def test_any_json_is_a_manifest_or_a_field_error(document: object) -> None:
    """Whatever its form."""
    assert not parses(json.dumps(document).encode())


@BOUNDED
@given(st.sampled_from(PLACES), JSON.map(json.dumps) | DEEP | LONG_NUMBER)
def test_a_manifest_with_any_value_in_a_place_is_one_or_a_field_error(place: tuple[str | int, ...], value: str) -> None:
    """Each field, whatever stands in it; what is accepted survives the round trip."""
    parses(spliced(MANIFEST, place, value))


def test_the_manifest_that_is_changed_above_is_one() -> None:
    """Without a change it parses, so that a change is what is refused."""
    assert parses(json.dumps(MANIFEST).encode())


@BOUNDED
@given(st.binary(max_size=40))
def test_any_payload_is_unpacked_or_refused(payload: bytes) -> None:
    """Damaged records raise RecordError or UnicodeDecodeError, which the reader turns into corruption."""
    for unpack in (unpack_rows, unpack_entry, unpack_variant):
        try:
            unpacked: Any = unpack(payload)
        except (RecordError, UnicodeDecodeError):
            continue
        assert len(unpacked) > 0
    try:
        content, *_ = unpack_value(memoryview(payload))
    except RecordError:
        return
    assert bytes(content) == payload[4:]


@BOUNDED
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=10))
def test_rows_survive_the_round_trip(rows: list[int]) -> None:
    """Every number of four bytes, in order."""
    assert unpack_rows(pack_rows(rows)) == tuple(rows)


@BOUNDED
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_an_entry_survives_the_round_trip(entry_id: str) -> None:
    """An id holds any character but the one that ends it."""
    assert unpack_entry(pack_entry(entry_id, b'{"a":"\\u0000"}')) == (entry_id, b'{"a":"\\u0000"}')


@BOUNDED
@given(
    st.sampled_from(VariantKind), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
)
def test_a_variant_survives_the_round_trip(kind: VariantKind, text: str) -> None:
    """Any text that a corpus can hold."""
    assert unpack_variant(pack_variant(kind, text)) == (kind, text)


@BOUNDED
@given(content=st.binary(), is_compressed=st.booleans(), value_type=st.sampled_from(["text", "json"]))
def test_a_value_survives_the_round_trip(content: bytes, *, is_compressed: bool, value_type: Any) -> None:
    """Any bytes."""
    stored, *kind = unpack_value(memoryview(pack_value(content, is_compressed=is_compressed, value_type=value_type)))
    assert (bytes(stored), kind) == (content, [is_compressed, value_type])
