from __future__ import annotations

import json
import re
from typing import Any

import pytest

from semcache.core.certificate import CalibrationInfo, Certificate
from semcache.core.certify import CertifiedLevel
from semcache.core.fields import FieldError
from semcache.core.manifest import (
    CorpusInfo,
    Counts,
    DecisionInfo,
    EncoderInfo,
    FileInfo,
    IndexInfo,
    Manifest,
    NewerFormatError,
    parse_manifest,
    version_id,
)

MANIFEST = Manifest(
    name="demo",
    producer="semcache 0.1.0",
    seed=7,
    counts=Counts(
        entries=2, answers=2, rows=5, guards=1, unindexed=0, keys=4, dead_entries=0, dead_answers=1, dead_rows=3
    ),
    namespaces=("shell", "web"),
    licences=("MIT",),
    corpora=(CorpusInfo(file="a.jsonl", sha256="1" * 64, entries=2),),
    compression="none",
    encoder=EncoderInfo(
        fingerprint="2" * 32,
        name="caf\u00e9",
        dim=4,
        max_tokens=16,
        probe_texts=("a", "\u65e5"),
        probe_min_cosine=0.999,
    ),
    index=IndexInfo(
        kind="flat",
        effort=0,
        frame_bytes=81,
        frame_sha256="3" * 64,
        recall_at_1=1.0,
        recall_at_10=0.5,
        recall_queries=5,
    ),
    decision=DecisionInfo(
        features=("score", "margin"),
        n_trees=3,
        fitted="written",
        n_fitted=400,
        n_learned=500,
        has_adapter=True,
        n_neighbours=64,
        wanted_error=0.02,
        certificates=(
            Certificate(
                "shell",
                0.02,
                CalibrationInfo(source="written", n_queries=900, n_outside=300, outside_share=0.25, alpha=0.05),
                (CertifiedLevel(0.01, None, 200, 1, 273), CertifiedLevel(0.02, 0.75, 600, 4, 0)),
            ),
            Certificate(
                "web",
                0.1,
                CalibrationInfo(source="traffic", n_queries=80, n_outside=8, outside_share=0.1, alpha=0.05),
                (CertifiedLevel(0.1, 0.5, 60, 0, 0),),
            ),
        ),
    ),
    files={"rows.npy": FileInfo(size_bytes=148, sha256="4" * 64), "index.faiss": FileInfo(81, "5" * 64)},
)

CANONICAL = """\
{
  "compression": "none",
  "corpora": [
    {
      "entries": 2,
      "file": "a.jsonl",
      "sha256": "1111111111111111111111111111111111111111111111111111111111111111"
    }
  ],
  "counts": {
    "answers": 2,
    "dead_answers": 1,
    "dead_entries": 0,
    "dead_rows": 3,
    "entries": 2,
    "guards": 1,
    "keys": 4,
    "rows": 5,
    "unindexed": 0
  },
  "decision": {
    "certificates": [
      {
        "calibration": {
          "alpha": 0.05,
          "n_outside": 300,
          "n_queries": 900,
          "outside_share": 0.25,
          "source": "written"
        },
        "levels": [
          {
            "max_error": 0.01,
            "n_hits": 200,
            "n_missing": 273,
            "n_wrong": 1,
            "threshold": null
          },
          {
            "max_error": 0.02,
            "n_hits": 600,
            "n_missing": 0,
            "n_wrong": 4,
            "threshold": 0.75
          }
        ],
        "max_error": 0.02,
        "namespace": "shell"
      },
      {
        "calibration": {
          "alpha": 0.05,
          "n_outside": 8,
          "n_queries": 80,
          "outside_share": 0.1,
          "source": "traffic"
        },
        "levels": [
          {
            "max_error": 0.1,
            "n_hits": 60,
            "n_missing": 0,
            "n_wrong": 0,
            "threshold": 0.5
          }
        ],
        "max_error": 0.1,
        "namespace": "web"
      }
    ],
    "features": [
      "score",
      "margin"
    ],
    "fitted": "written",
    "has_adapter": true,
    "n_fitted": 400,
    "n_learned": 500,
    "n_neighbours": 64,
    "n_trees": 3,
    "wanted_error": 0.02
  },
  "encoder": {
    "dim": 4,
    "fingerprint": "22222222222222222222222222222222",
    "max_tokens": 16,
    "name": "caf\\u00e9",
    "probe_min_cosine": 0.999,
    "probe_texts": [
      "a",
      "\\u65e5"
    ]
  },
  "files": {
    "index.faiss": {
      "sha256": "5555555555555555555555555555555555555555555555555555555555555555",
      "size_bytes": 81
    },
    "rows.npy": {
      "sha256": "4444444444444444444444444444444444444444444444444444444444444444",
      "size_bytes": 148
    }
  },
  "format": "semcache-bundle",
  "format_version": 1,
  "index": {
    "effort": 0,
    "frame_bytes": 81,
    "frame_sha256": "3333333333333333333333333333333333333333333333333333333333333333",
    "kind": "flat",
    "recall_at_1": 1.0,
    "recall_at_10": 0.5,
    "recall_queries": 5
  },
  "licences": [
    "MIT"
  ],
  "name": "demo",
  "namespaces": [
    "shell",
    "web"
  ],
  "producer": "semcache 0.1.0",
  "seed": 7
}
"""


def changed(path: str, value: object) -> bytes:
    """Give the bytes of the manifest with one field, named by its path, set to another value."""
    document: Any = json.loads(CANONICAL)
    *folders, last = path.split("/")
    place = document
    for name in folders:
        place = place[int(name) if isinstance(place, list) else name]
    place[last] = value
    return json.dumps(document).encode()


def without(path: str) -> bytes:
    """Give the bytes of the manifest without one field."""
    document: Any = json.loads(CANONICAL)
    *folders, last = path.split("/")
    place = document
    for name in folders:
        place = place[int(name) if isinstance(place, list) else name]
    del place[last]
    return json.dumps(document).encode()


SHELL = "decision/certificates/0"
FIELDS = [
    *("format", "format_version", "name", "producer", "seed", "counts", "namespaces", "licences", "corpora"),
    *("compression", "encoder", "index", "decision", "files"),
    *("counts/entries", "counts/answers", "counts/rows", "counts/guards", "counts/unindexed", "counts/keys"),
    *("corpora/0/file", "corpora/0/sha256", "corpora/0/entries"),
    *("encoder/fingerprint", "encoder/name", "encoder/dim", "encoder/max_tokens", "encoder/probe_texts"),
    *("encoder/probe_min_cosine", "index/kind", "index/effort", "index/frame_bytes", "index/frame_sha256"),
    *("index/recall_at_1", "index/recall_at_10", "index/recall_queries"),
    *("decision/features", "decision/n_trees", "decision/fitted", "decision/n_fitted", "decision/n_learned"),
    "decision/n_neighbours",
    *("decision/wanted_error", "decision/certificates", f"{SHELL}/namespace", f"{SHELL}/max_error"),
    *(f"{SHELL}/calibration", f"{SHELL}/levels", f"{SHELL}/calibration/source", f"{SHELL}/calibration/n_queries"),
    *(f"{SHELL}/calibration/n_outside", f"{SHELL}/calibration/outside_share", f"{SHELL}/calibration/alpha"),
    *(f"{SHELL}/levels/0/max_error", f"{SHELL}/levels/0/threshold", f"{SHELL}/levels/0/n_hits"),
    *(f"{SHELL}/levels/0/n_wrong", f"{SHELL}/levels/0/n_missing"),
    *("files/rows.npy/size_bytes", "files/rows.npy/sha256"),
]


DEEP = (f"{SHELL}/x", f"{SHELL}/calibration/x", f"{SHELL}/levels/0/x")


def place_of(path: str) -> str:
    """Give a path as an error names it."""
    return "document." + path.replace("/0", "[0]").replace("levels/1", "levels[1]").replace("files/", "files.").replace(
        "/", "."
    )


def test_the_canonical_bytes_never_change() -> None:
    """The version id is a digest of them: sorted keys, two spaces, ASCII, one final line feed."""
    assert MANIFEST.to_bytes() == CANONICAL.encode("ascii")


def test_a_manifest_survives_the_round_trip() -> None:
    """What was written is what is read."""
    assert parse_manifest(MANIFEST.to_bytes()) == MANIFEST


def test_the_order_of_files_does_not_change_the_bytes() -> None:
    """Equal manifests have equal bytes."""
    assert parse_manifest(CANONICAL.encode()).to_bytes() == MANIFEST.to_bytes()


def test_a_version_id_is_the_head_of_the_sha256() -> None:
    """What `sha256sum manifest.json` prints begins with the version's id."""
    assert version_id(b"abc") == "ba7816bf8f01cfea414140de5dae2223"


@pytest.mark.parametrize("path", [*FIELDS, "decision/has_adapter"])
def test_each_missing_field_is_named(path: str) -> None:
    """No field of a manifest may be left out."""
    with pytest.raises(FieldError, match=f"^{re.escape(place_of(path))}: missing$"):
        parse_manifest(without(path))


@pytest.mark.parametrize("path", FIELDS)
def test_each_field_of_a_wrong_type_is_named(path: str) -> None:
    """True is neither text, number, list nor object."""
    with pytest.raises(FieldError, match=f"^{re.escape(place_of(path))}: found "):
        parse_manifest(changed(path, value=True))


@pytest.mark.parametrize("path", ["x", "counts/x", "corpora/0/x", "encoder/x", "index/x", "decision/x", *DEEP])
def test_each_unknown_field_is_named(path: str) -> None:
    """A field that nobody reads is an error, wherever it stands."""
    with pytest.raises(FieldError, match=f"^{re.escape(place_of(path))}: unknown field$"):
        parse_manifest(changed(path, 1))


def test_an_unknown_field_of_a_file_is_named() -> None:
    """Files are read as strictly as the rest."""
    with pytest.raises(FieldError, match=r"^document\.files\.rows\.npy\.x: unknown field$"):
        parse_manifest(changed("files/rows.npy/x", 1))


@pytest.mark.parametrize(
    ("path", "value", "allowed"),
    [
        ("format", "other", "semcache-bundle"),
        ("seed", -1, "a whole number of 0 or more"),
        ("compression", "gzip", "none or zstd"),
        ("index/kind", "lsh", "flat or ivf or hnsw"),
        ("decision/fitted", "by hand", "generic or written or traffic"),
        (f"{SHELL}/calibration/source", "guessed", "written or traffic or generic"),
        (f"{SHELL}/levels/1/threshold", 1.5, "a number from 0 to 1"),
        (f"{SHELL}/levels/1/threshold", float("nan"), "a number from 0 to 1"),
        ("decision/has_adapter", 1, "true or false"),
        ("encoder/fingerprint", "2" * 31, "32 lower-case hex digits"),
        ("index/frame_sha256", "3" * 63, "64 lower-case hex digits"),
        ("corpora/0/sha256", "G" * 64, "64 lower-case hex digits"),
    ],
)
def test_a_value_outside_its_range_says_what_is_allowed(path: str, value: object, allowed: str) -> None:
    """Each field is held against its own range."""
    with pytest.raises(FieldError, match=f"^{re.escape(place_of(path))}: found .*, allowed {re.escape(allowed)}$"):
        parse_manifest(changed(path, value))


@pytest.mark.parametrize("n_levels", [0, 1])
def test_the_error_of_a_namespace_is_one_of_its_levels(n_levels: int) -> None:
    """Callers who name no error get what is certified for this one."""
    document: Any = json.loads(CANONICAL)
    shell = document["decision"]["certificates"][0]
    shell["levels"] = shell["levels"][:n_levels]
    message = r"^certificate of 'shell': max_error: found 0\.02, allowed one of its levels$"
    with pytest.raises(FieldError, match=message):
        parse_manifest(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("order", "found"),
    [([0], "'shell'"), ([1, 0], "'web', 'shell'"), ([0, 1, 1], "'shell', 'web', 'web'"), ([], "nothing")],
)
def test_each_namespace_has_one_certificate_in_its_place(order: list[int], found: str) -> None:
    """A lookup takes the one that has the number of the namespace."""
    document: Any = json.loads(CANONICAL)
    document["decision"]["certificates"] = [document["decision"]["certificates"][i] for i in order]
    message = f"^decision: certificates: found those of {found}, allowed one of each namespace, in order$"
    with pytest.raises(FieldError, match=message):
        parse_manifest(json.dumps(document).encode())


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\\b", "a\0b"])
def test_a_file_name_that_leads_elsewhere_is_refused(name: str) -> None:
    """A manifest can only name files of its own folder."""
    document = json.loads(CANONICAL)
    document["files"][name] = {"size_bytes": 1, "sha256": "0" * 64}
    with pytest.raises(FieldError, match=f"^files: {re.escape(repr(name))} is not a plain file name$"):
        parse_manifest(json.dumps(document).encode())


def test_a_newer_format_says_to_upgrade() -> None:
    """A manifest of the next version is not corrupt, this program is old."""
    message = "format_version: found 2, this program reads up to 1; upgrade semcache"
    with pytest.raises(NewerFormatError, match=f"^{re.escape(message)}$"):
        parse_manifest(changed("format_version", 2))


def test_a_newer_format_is_told_before_its_unknown_fields() -> None:
    """A newer manifest has fields that this program cannot know; the version is the reason that helps."""
    document = {"format": "semcache-bundle", "format_version": 99, "new": 1}
    with pytest.raises(NewerFormatError):
        parse_manifest(json.dumps(document).encode())


def test_a_format_version_that_never_was_is_refused() -> None:
    """Versions count from 1; what claims to be 0 was written by nobody."""
    with pytest.raises(FieldError, match="format_version"):
        parse_manifest(changed("format_version", 0))
