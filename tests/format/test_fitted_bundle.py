"""A bundle with everything a decision may have: an adapter, and trees of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from surgery import file_of, flip

from semcache import BuildConfig, Cache, Hit, build_bundle, check_bundle
from semcache.build import fit, pipeline
from semcache.core.features import FEATURES
from semcache.core.verifier import TREE
from semcache.errors import BundleCorruptError

CONFIG = BuildConfig(model="hashing", max_error=0.1)
ACTIONS = ("create", "delete", "restore", "rename", "encrypt", "archive", "publish", "inspect")
FRAMES = ("how do I {}", "{} please", "i want to {}", "what is the way to {}")


def write_words(path: Path) -> Path:
    """Write a corpus of 350 entries, each an action on a thing of its own."""
    rng = np.random.default_rng(0)
    things = ["".join(rng.choice(list("abcdefghijklmnoprstuvw"), 8)) for _ in range(350)]
    asked = [f"{ACTIONS[i % len(ACTIONS)]} the {thing}" for i, thing in enumerate(things)]
    with path.open("w", encoding="utf-8") as file:
        for i, text in enumerate(asked):
            query, *paraphrases = (frame.format(text) for frame in FRAMES)
            entry = {"id": str(i), "query": query, "paraphrases": paraphrases, "answer": f"answer {i}"}
            file.write(json.dumps(entry) + "\n")
    return path


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the folder of the bundle; its adapter is taken whether or not it helps."""
    folder = tmp_path_factory.mktemp("fitted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "generic_trees", lambda: np.zeros(1, TREE))
        patch.setattr(fit, "_MIN_GAIN", -1.0)
        patch.setattr(pipeline, "fit_decision", fit.fit_decision)
        corpus = write_words(folder / "words.jsonl")
        for root in (folder / "a", folder / "b"):
            build_bundle([corpus], name="words", root=root, config=CONFIG)
        yield folder / "a" / "words"


def test_it_has_an_adapter_and_trees_of_its_own(fitted: Path) -> None:
    """What the tests below are about."""
    with Cache.open(fitted) as cache:
        decision = cache.info.manifest.decision
    assert decision.has_adapter
    assert (decision.fitted, decision.certificates[0].calibration.source) == ("written", "written")
    assert decision.n_trees > 1
    assert decision.features == FEATURES
    assert np.load(file_of(fitted, "adapter.npy")).shape == (64, 64)


def test_the_full_check_finds_nothing_wrong_with_it(fitted: Path) -> None:
    """Rows are adapted, so a text finds itself by its adapted vector only."""
    assert check_bundle(fitted) == []


def test_it_answers_wordings_that_were_never_written(fitted: Path) -> None:
    """Each with the entry of its words."""
    texts = [
        json.loads(line)["query"] for line in (fitted.parent.parent / "words.jsonl").read_text("utf-8").splitlines()
    ]
    with Cache.open(fitted) as cache:
        results = cache.lookup_many([text.replace("how do I", "can you tell me how to") for text in texts])
    hits = [(i, result) for i, result in enumerate(results) if isinstance(result, Hit)]
    assert len(hits) > 100
    assert sum(hit.entry_id != str(i) for i, hit in hits) <= 0.1 * len(hits)


def test_a_batch_and_single_lookups_are_equally_sure(fitted: Path) -> None:
    """To the bit: adapting and judging do not hang on the company a text is in."""
    texts = ["create some abc for me", "restore the thing", "now delete every table", "how do I publish it"]
    with Cache.open(fitted) as cache:
        together = cache.assess(texts)
        alone = [cache.assess([text])[0] for text in texts]
    assert together == alone


def test_building_it_twice_gives_one_version(fitted: Path) -> None:
    """Adapter, trees and certificate are the same to the bit."""
    other = fitted.parent.parent / "b" / "words"
    assert (fitted / "CURRENT").read_text("ascii") == (other / "CURRENT").read_text("ascii")


def test_a_flipped_bit_of_its_adapter_is_said_at_open(fitted: Path) -> None:
    """Of a matrix as well as of an empty one."""
    path = file_of(fitted.parent.parent / "b" / "words", "adapter.npy")
    flip(path, path.stat().st_size - 3)
    with pytest.raises(BundleCorruptError, match=r"adapter\.npy"):
        Cache.open(fitted.parent.parent / "b" / "words")
