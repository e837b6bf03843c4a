"""The golden bundle: written once, checked in, and read for ever."""

from __future__ import annotations

import dataclasses
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semcache import BuildConfig, Cache, Hit, Miss, build_bundle, check_bundle
from semcache.build import pipeline

DATA = Path(__file__).resolve().parent.parent / "data"
GOLDEN = DATA / "golden"
CONFIG = BuildConfig(model="hashing", index="flat", max_error=0.1)
PLAIN_ID, ZSTD_ID = "4b2be8dd68996afb24ba18fd8f9e7a34", "b0607847427e93184f8e990ea20293bb"
MADE_ID = "d1a213d74628139ad81d2d3bfe969b36"
FEATURES: dict[str, dict[str, float]] = json.loads((DATA / "golden_features.json").read_bytes())
"""Questions to the bundle `plain` -> each feature that is not 0."""
LOGIN = "Write the spec of the login first.\nThen plan it."
NAIVE = "Na\u00efve caf\u00e9 \u2014 \u65e5\u672c\u8a9e \U0001f600"
COPY = "cp -a keeps times, owners and links. " * 80
LONG = " ".join(f"word{i}" for i in range(300))
DIGESTS = {
    "encoders/7fbf617d842cae750b0a0b9343af8030/encoder.json": "7fbf617d842cae750b0a0b9343af8030"
    "254147a707f29441de6f4d83741c9c1a",
    "generated/CURRENT": "790e9c0e236e54cc51236b4b68e97657c1d9ce7690335eb990d5aff2b2c11d14",
    f"generated/versions/{MADE_ID}/adapter.npy": "2ea7d38785427db601e7d007305327d2d6ee1bdd52293e112ee89fec5ee573e3",
    f"generated/versions/{MADE_ID}/answer_facts.npy": "746679a19b6689c3031a9323cf63fe68"
    "eeb95bb5f70a519fe545dd21b4da10ce",
    f"generated/versions/{MADE_ID}/entries.npy": "6bd44f25f583ed4354658d8a4c2e56ef49ca9864ead0e9b680edcb79ceb83452",
    f"generated/versions/{MADE_ID}/index.faiss": "cf617a69ed3737126e395c70eb7070f26b7a4e21987052b6c5479cda4bcf172e",
    f"generated/versions/{MADE_ID}/learned.npy": "cfaedf9c45482660c6a7b24e3bf8cc135dd48706cab446718c3a1e61c0dea999",
    f"generated/versions/{MADE_ID}/manifest.json": "d1a213d74628139ad81d2d3bfe969b368bc67786e5306c96d22cad0bb79d06bd",
    f"generated/versions/{MADE_ID}/probes.npy": "777405a5d2e0ffc3741e1b43176ab273ea24fdf2314de9d334d4ab6725ba2ea2",
    f"generated/versions/{MADE_ID}/rarity.npy": "52528c22f79032c392a93692732e243cde6b99e3ce78d472ecccae9833341c7d",
    f"generated/versions/{MADE_ID}/records.sha256": "ac947a566a106a8322b4cf0d436e7cbeb8a2cfa2227a0f556ee0475378b82812",
    f"generated/versions/{MADE_ID}/row_facts.npy": "245f57b50b2c8aed03c305ed7b30755ed7ac2913c0b592bea357b826c91e70f3",
    f"generated/versions/{MADE_ID}/rows.npy": "ec0d9bc2cec14d58329f6f255a9e9ee93daa28130d5da0c99314831acfd7d459",
    f"generated/versions/{MADE_ID}/trees.npy": "5af777601a9dc263e766b0ebaedb4888bb7c95c7d437bc3554ec015ccdaaa2b8",
    f"generated/versions/{MADE_ID}/values.mdb": "1e42bc549a7eb3f059ea3b467fcba40799c9aa94cc56d075d9f2aee7ed309f6e",
    f"generated/versions/{MADE_ID}/words.npy": "7a1acf11a72ab0d83eab1fd8b9049087bff6f75a76cc9f23b1a057b3c58426ac",
    "plain/CURRENT": "eb5def5fd9bca316565dac2f5a7144821a94e051b97ca036ec693e43d0235040",
    f"plain/versions/{PLAIN_ID}/adapter.npy": "2ea7d38785427db601e7d007305327d2d6ee1bdd52293e112ee89fec5ee573e3",
    f"plain/versions/{PLAIN_ID}/answer_facts.npy": "d257deabfbfc4e2fe89ec2e0f63a891c62c4b95da7b8db831ea3c4a7d2377d03",
    f"plain/versions/{PLAIN_ID}/entries.npy": "e2f893630dba5c2455310ac6cd36a06f058a0c2dd3512dab4373d9375c5faa27",
    f"plain/versions/{PLAIN_ID}/index.faiss": "e701e9b9b3ed70cc0e4dd92ca03c7dff85e71860df37dd1ca63c6052a730489c",
    f"plain/versions/{PLAIN_ID}/learned.npy": "cfaedf9c45482660c6a7b24e3bf8cc135dd48706cab446718c3a1e61c0dea999",
    f"plain/versions/{PLAIN_ID}/manifest.json": "4b2be8dd68996afb24ba18fd8f9e7a34e99f1cad81eff42af4cca6a41272dfe6",
    f"plain/versions/{PLAIN_ID}/probes.npy": "777405a5d2e0ffc3741e1b43176ab273ea24fdf2314de9d334d4ab6725ba2ea2",
    f"plain/versions/{PLAIN_ID}/rarity.npy": "649b90520d576253cd38ff48f6404763ef454064212462d494ea7fbc69692aa4",
    f"plain/versions/{PLAIN_ID}/records.sha256": "67600b11527061202ef39d1914ebebbae58b55bb3a7390c5afb2444b0e31b195",
    f"plain/versions/{PLAIN_ID}/row_facts.npy": "dc75434e811d9290b34dc35761f57802ef43d1687f83fd55fe31b51f1bd6f9e7",
    f"plain/versions/{PLAIN_ID}/rows.npy": "cfb693c4659cef066c323eafc19286ebe32a056ca3876b3452c57ccd1d140a83",
    f"plain/versions/{PLAIN_ID}/trees.npy": "5af777601a9dc263e766b0ebaedb4888bb7c95c7d437bc3554ec015ccdaaa2b8",
    f"plain/versions/{PLAIN_ID}/values.mdb": "257925ac364a847dfe5ac733b7929bbfddd34ea97cd6d0306de76c747573e82f",
    f"plain/versions/{PLAIN_ID}/words.npy": "8533adbf44f3ebb77959ed3f26f6f6be5d8c3d3e7b4e77d2fa462c12fdc167d5",
    "zstd/CURRENT": "d22265f2fc93b9ebc71f658b48425ae90daf743e116695098fef64fbfc066c3c",
    f"zstd/versions/{ZSTD_ID}/adapter.npy": "2ea7d38785427db601e7d007305327d2d6ee1bdd52293e112ee89fec5ee573e3",
    f"zstd/versions/{ZSTD_ID}/answer_facts.npy": "4517aa40b89d5bdc728b577027fd161d1e459f6df77a9649a77f3b13b78123d2",
    f"zstd/versions/{ZSTD_ID}/entries.npy": "b6c5a2f48d09d2f031eb9f0ce284a7e20ad47f91a23132c974471e25e201f14f",
    f"zstd/versions/{ZSTD_ID}/index.faiss": "eaf6abd49a877593e3aad736f4a1f7d7fc5a752db7bdd36afbb9394ea3015a75",
    f"zstd/versions/{ZSTD_ID}/learned.npy": "cfaedf9c45482660c6a7b24e3bf8cc135dd48706cab446718c3a1e61c0dea999",
    f"zstd/versions/{ZSTD_ID}/manifest.json": "b0607847427e93184f8e990ea20293bbab0413423c5f5a2cdb5b3e77ac85b70f",
    f"zstd/versions/{ZSTD_ID}/probes.npy": "777405a5d2e0ffc3741e1b43176ab273ea24fdf2314de9d334d4ab6725ba2ea2",
    f"zstd/versions/{ZSTD_ID}/rarity.npy": "e3cd9d4a6bbcd82359f7b4cf7eaa75835ef59d0e182dfd7303a7796d3d2423c9",
    f"zstd/versions/{ZSTD_ID}/records.sha256": "652e0dfc5bf068495430b5d5dfca4b18dfc8ea8cac16f627ca097768af24b9f2",
    f"zstd/versions/{ZSTD_ID}/row_facts.npy": "3c0c4ce2c97ad42fc38316f8b0824df86ad002cdb8b70b5359ee7253e66b217e",
    f"zstd/versions/{ZSTD_ID}/rows.npy": "01a6a79a4015daeced2a47f3e4cb95170160b5e05f2980780441ad5da745ac1c",
    f"zstd/versions/{ZSTD_ID}/trees.npy": "5af777601a9dc263e766b0ebaedb4888bb7c95c7d437bc3554ec015ccdaaa2b8",
    f"zstd/versions/{ZSTD_ID}/values.mdb": "0e85ba77eb0042479e8fa033682213cb090dd9432aad24314513a180ffe95e7c",
    f"zstd/versions/{ZSTD_ID}/words.npy": "e5822c1efceb4a07d0e14fb8dda8c07f14320b0a2c648e0311d14934b078a80d",
}
HITS = [
    ("How do I add a login page?", None, "login/add", "exact", 1.0, LOGIN),
    ("  ADD   login page!! ", None, "login/add", "exact", 1.0, LOGIN),
    ("now add login page", None, "login/add", "semantic", 0.9183, LOGIN),
    ("set up a PostgreSQL database", "web", "db/setup", "exact", 1.0, "docker run postgres"),
    ("set up a PostgreSQL database", "shell", "shell/setup", "exact", 1.0, "createdb app"),
    ("set up a postgresql database now", "shell", "shell/setup", "semantic", 0.9282, "createdb app"),
    ("list all the files", None, "files/list", "semantic", 0.8296, '{"command":"ls -la","safe":true}'),
    ("C\u00f3mo A\u00d1ADO una base de datos", None, "unicode/\u00fc", "exact", 1.0, NAIVE),
    ("como a\u00f1ado una base de datos", None, "unicode/\u00fc", "semantic", 0.9167, NAIVE),
    ("strasse und strasse 1", None, "unicode/\u00fc", "exact", 1.0, NAIVE),
    ("copy a folder with everything in it", None, "files/copy", "exact", 1.0, COPY),
    (LONG, None, "docs/long", "exact", 1.0, "Too long to embed, found by its exact text only."),
]  # fmt: skip
MISSES = [
    ("remove the login page", None, "guard", 1.0),
    ("please remove the login page", None, "guard", 0.8183),
    ("set up a PostgreSQL database", None, "ambiguous", 1.0),
    ("set up a postgresql database now", None, "below_threshold", 0.9282),
    ("How to use database version nine", None, "expired", 1.0),
    ("what is the weather", None, "below_threshold", 0.1235),
    (f"{LONG} more", None, "too_long", None),
    ("list all files", "nowhere", "no_namespace", None),
]


def test_every_byte_of_the_golden_bundles_is_the_one_checked_in() -> None:
    """Nobody rebuilds them: a change of the format adds new golden data beside these."""
    found = {
        path.relative_to(GOLDEN).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in GOLDEN.rglob("*")
        if path.is_file()
    }
    assert found == DIGESTS


@pytest.mark.parametrize(("text", "namespace", "entry_id", "kind", "score", "answer"), HITS)
def test_the_golden_bundle_answers(
    text: str, namespace: str | None, *, entry_id: str, kind: str, score: float, answer: str
) -> None:
    """Exact and semantic lookups give the same entries, scores and bytes as on the day it was written."""
    with Cache.open("plain", root=GOLDEN) as cache:
        hit = cache.lookup(text, namespace=namespace)
    assert isinstance(hit, Hit)
    assert (hit.entry_id, str(hit.kind), hit.text, hit.bundle_id) == (entry_id, kind, answer, PLAIN_ID)
    assert hit.score == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize(("text", "namespace", "reason", "score"), MISSES)
def test_the_golden_bundle_misses(text: str, namespace: str | None, reason: str, score: float | None) -> None:
    """What was a miss, and why, stays so."""
    with Cache.open("plain", root=GOLDEN) as cache:
        miss = cache.lookup(text, namespace=namespace)
    assert isinstance(miss, Miss)
    assert str(miss.reason) == reason
    assert miss.score == (None if score is None else pytest.approx(score, abs=1e-3))


@pytest.mark.parametrize("text", FEATURES)
def test_the_features_of_a_lookup_never_change(text: str) -> None:
    """Trees and thresholds in old bundles rest on them: a change of the words' rules moves confidences unseen.

    Where one is wanted, the feature gets another name (old bundles are then refused), and trees are fitted anew.
    """
    with Cache.open("plain", root=GOLDEN) as cache:
        found = cache.explain(text).features
    assert {name: value for name, value in found.items() if abs(value) > 1e-3} == pytest.approx(
        {name: value for name, value in FEATURES[text].items() if abs(value) > 1e-3}, abs=1e-3
    )


def test_the_golden_bundle_keeps_metadata_and_json() -> None:
    """An answer that was JSON is JSON again, and an entry's fields come back."""
    with Cache.open("plain", root=GOLDEN) as cache:
        files, login = cache.lookup("list all files"), cache.lookup("add login page")
    assert isinstance(files, Hit)
    assert isinstance(login, Hit)
    assert (files.value_type, files.json()) == ("json", {"command": "ls -la", "safe": True})
    assert login.metadata == {"licence": "Apache-2.0", "source": "golden", "tags": ["auth"], "x_reviewed": True}


def test_the_compressed_golden_bundle_answers_every_question_of_its_corpus() -> None:
    """Values packed with a dictionary are read with it, by whatever zstandard is installed."""
    lines = (DATA / "golden_zstd.jsonl").read_text("utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    with Cache.open("zstd", root=GOLDEN) as cache:
        results = cache.lookup_many([entry["query"] for entry in entries])
    assert [result.text for result in results if isinstance(result, Hit)] == [entry["answer"] for entry in entries]
    assert len(entries) == 52


@pytest.mark.parametrize("name", ["plain", "zstd", "generated"])
def test_check_finds_nothing_wrong_with_the_golden_bundles(name: str) -> None:
    """Today's full check accepts yesterday's bytes."""
    assert check_bundle(name, root=GOLDEN) == []


def test_the_golden_bundle_tells_generated_variants() -> None:
    """Each row says where its text comes from; a generated guard is a guard."""
    with Cache.open("generated", root=GOLDEN) as cache:
        found = sorted(cache.search("set up a database with a login page", k=99), key=lambda neighbour: neighbour.row)
        hit, miss = cache.lookup("Put a sign-in screen into my app!"), cache.lookup("set up the backup of a database")
    kinds = "query paraphrase llm rule guard query rule query guard"
    assert " ".join(neighbour.kind for neighbour in found) == kinds
    assert isinstance(hit, Hit)
    assert (hit.entry_id, hit.text) == ("login/add", LOGIN)
    assert isinstance(miss, Miss)
    assert (miss.reason, miss.nearest and miss.nearest.entry_id) == ("guard", "db/backup")


def test_a_build_with_the_same_sidecar_gives_the_golden_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same corpus, same generated variants: same bytes, same id."""
    if os.sysconf("SC_PAGESIZE") != 4096:
        pytest.skip("LMDB takes its page size from the machine; the golden bundle has pages of 4,096 bytes")
    monkeypatch.setattr(pipeline, "__version__", "0.1.0")
    report = build_bundle([DATA / "golden_generated.jsonl"], name="generated", root=tmp_path, config=CONFIG)
    assert report.id == MADE_ID
    assert report.generated == {"guard": 1, "llm": 1, "rule": 2, "stale": 1}


def test_a_build_of_the_same_corpus_gives_the_golden_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same corpus, config and seed: same bytes, same id. The program's version is part of what is digested."""
    if os.sysconf("SC_PAGESIZE") != 4096:
        pytest.skip("LMDB takes its page size from the machine; the golden bundle has pages of 4,096 bytes")
    monkeypatch.setattr(pipeline, "__version__", "0.1.0")
    report = build_bundle([DATA / "golden_plain.jsonl"], name="plain", root=tmp_path, config=CONFIG)
    assert report.id == PLAIN_ID


@pytest.fixture(scope="module")
def large_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a corpus of 3,000 entries of random words."""
    rng = np.random.default_rng(11)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, size=rng.integers(3, 10))) for _ in range(900)]

    def text() -> str:
        return " ".join(rng.choice(words, size=6))

    entries: list[dict[str, Any]] = [
        {"id": str(i), "query": f"{text()} {i}", "answer": f"{text()} {i}"} for i in range(3000)
    ]
    path = tmp_path_factory.mktemp("large") / "large.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_building_an_approximate_index_twice_gives_one_version(tmp_path: Path, large_corpus: Path, kind: Any) -> None:
    """Neither the threads that embed nor those that cluster leave a trace in the bytes."""
    few = dataclasses.replace(CONFIG, index=kind, n_workers=1, min_recall_at_1=0.0, min_recall_at_10=0.0)
    many = dataclasses.replace(few, n_workers=4, batch_rows=64)
    first = build_bundle([large_corpus], name="large", root=tmp_path / "a", config=few)
    second = build_bundle([large_corpus], name="large", root=tmp_path / "b", config=many)
    assert first.manifest.index.kind == kind
    assert (first.is_new, second.is_new) == (True, True)
    assert first.id == second.id
