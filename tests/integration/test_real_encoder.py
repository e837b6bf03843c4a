"""What the shipped corpus answers, and what it leaves alone, with the real encoder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import encoder_programs
import pytest
from running import root_with_encoder, run_program
from shared import REPOSITORY, write_corpus

from semcache import Cache, Hit, Kind, Miss, Reason, build_bundle
from semcache.core.text import normalise

pytestmark = pytest.mark.model

PARAPHRASES = {
    "whats the way to put login into my app": "speckit/auth-add-login",
    "what does the specify check command do": "speckit/tool-check",
    "set up Spec Kit with Claude Code": "speckit/tool-init-claude",
    "how to use spec kit behind company proxy": "speckit/tool-proxy",
    "how can I add sign in with google": "speckit/auth-google",
    "implement password reset by email": "speckit/auth-password-reset",
    "how do I set up a Postgres database for this project": "speckit/db-setup-postgres",
    "how to add an index to a production table": "speckit/db-add-index",
    "seed the database with some initial data": "speckit/db-seed-data",
    "restore a MySQL backup": "speckit/db-restore-mysql",
    "how do I find flaky tests and fix them": "speckit/test-flaky",
    "how do I undo the last commit I haven't pushed": "speckit/git-undo-last-commit",
    "publish my package to PyPI": "speckit/ci-publish-pypi",
    "deploy a Next.js app on Vercel": "speckit/ops-deploy-vercel",
    "make the layout responsive on mobile phones": "speckit/ui-responsive",
    "export tasks as GitHub issues": "speckit/task-export-github",
}
UNRELATED = (
    "What is the capital of France?",
    "write me a poem about autumn leaves",
    "How do I change the oil in a Toyota Corolla?",
    "What's the best recipe for banana bread?",
    "convert 10 miles to kilometres",
    "who won the football world cup in 2014",
    "How do I add a porch to my house?",
    "how do I log wood in winter",
    "How do I throw a party?",
    "how do I remove a stain from a table",
    "what is a good password for my bank",
    "is it safe to migrate to Canada",
    "set up a tent in the rain",
    "my back hurts when I commit to running",
    "the index of this book has two columns",
)
DIFFERENT = (
    "upgrade PostgreSQL 14 to 15",
    "How do I downgrade PostgreSQL 16 to 15?",
    "How do I set up an Oracle database for my project?",
    "How do I set up a MariaDB database for my project?",
    "How do I back up a MongoDB database?",
    "How do I restore a MongoDB backup?",
    "How do I add Sign in with Facebook?",
    "How do I deploy my application to Heroku?",
    "How do I publish a package to crates.io?",
    "How do I unpublish a package from npm?",
    "How do I set up Bootstrap CSS?",
    "How do I migrate from PostgreSQL to MySQL?",
    "How do I migrate from Oracle to PostgreSQL?",
    "How do I translate Python code to Rust with the assistant?",
    "How do I remove a foreign key between two tables?",
    "How do I rename a table in the database?",
    "How do I remove pre-commit hooks from the repository?",
    "How do I upgrade the Java version of a project?",
    "How do I start a mobile app with Ionic?",
)


@pytest.fixture(scope="module")
def cache(model_root: Path) -> Iterator[Cache]:
    """Give the shipped corpus, open."""
    with Cache.open("speckit", root=model_root) as opened:
        yield opened


@pytest.fixture(scope="module")
def known_texts() -> set[str]:
    """Give every text of the shipped corpora, normalised."""
    known = set()
    for path in sorted((REPOSITORY / "corpus").glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            entry = json.loads(line)
            texts = (entry["query"], *entry.get("paraphrases", ()), *entry.get("rejects", ()))
            known |= {normalise(text) for text in texts}
    return known


@pytest.mark.parametrize("text", [*PARAPHRASES, *UNRELATED, *DIFFERENT])
def test_the_texts_of_this_file_stand_in_no_corpus(known_texts: set[str], text: str) -> None:
    """Nothing here is known by heart: each text needs the encoder, or is no question of the corpus."""
    assert normalise(text) not in known_texts


@pytest.mark.parametrize(("text", "entry_id"), PARAPHRASES.items())
def test_a_paraphrase_is_taken_for_the_entry_it_means(cache: Cache, text: str, entry_id: str) -> None:
    """Whether it is served or not, a question in other words gets no other entry's answer."""
    (found,) = cache.assess([text])
    assert (found.entry_id, found.kind, found.reason) == (entry_id, Kind.SEMANTIC, None)


def test_paraphrases_are_served(cache: Cache) -> None:
    """Some questions in other words are sure enough for the bundle's own error. How many, evaluations say."""
    hits = [result for result in cache.lookup_many(list(PARAPHRASES)) if isinstance(result, Hit)]
    assert len(hits) >= 3
    assert all(hit.confidence >= (hit.threshold or 1.0) for hit in hits)


@pytest.mark.parametrize("texts", [UNRELATED, DIFFERENT], ids=["unrelated", "different"])
def test_a_question_without_an_answer_is_hardly_ever_served(cache: Cache, texts: tuple[str, ...]) -> None:
    """Shared words, another product, version or direction: the promise is a small error, not none."""
    hits = [text for text, result in zip(texts, cache.lookup_many(texts), strict=True) if result.hit]
    assert len(hits) <= 1, hits


def test_paraphrases_are_surer_than_questions_without_an_answer(cache: Cache) -> None:
    """Four of five pairs of a question with an answer and one without are in the right order."""
    with_answer = [found.confidence or 0.0 for found in cache.assess(list(PARAPHRASES))]
    without = [found.confidence or 0.0 for found in cache.assess([*UNRELATED, *DIFFERENT])]
    in_order = [high > low for high in with_answer for low in without]
    assert sum(in_order) / len(in_order) > 0.8


def test_accepting_more_error_never_loses_a_hit(cache: Cache) -> None:
    """What is served at a level is served at every larger one, by the same entry."""
    texts = [*PARAPHRASES, *UNRELATED, *DIFFERENT, "how do i add login?"]
    smaller: dict[str, str] = {}
    for max_error in (0.005, 0.01, 0.02, 0.05, 0.1):
        results = zip(texts, cache.lookup_many(texts, max_error=max_error), strict=True)
        larger = {text: result.entry_id for text, result in results if isinstance(result, Hit)}
        assert smaller.items() <= larger.items()
        smaller = larger
    assert "how do i add login?" in smaller


def test_hits_and_misses_are_the_same_in_one_batch(cache: Cache) -> None:
    """What is served does not depend on what is asked beside it."""
    texts = [*PARAPHRASES, *UNRELATED, *DIFFERENT]
    assert cache.lookup_many(texts) == [cache.lookup(text) for text in texts]


def test_an_exact_hit_loads_no_encoder(model_root: Path) -> None:
    """A text that is known by heart is answered without onnxruntime or a tokenizer."""
    program = encoder_programs.look_up_and_list_modules
    found = run_program(program, model_root / "speckit", "how do i add login?")
    assert found == {"entry": "speckit/auth-add-login", "kind": "exact", "loaded": []}


def test_a_semantic_hit_loads_the_runtime_and_no_torch(model_root: Path) -> None:
    """Looking up needs onnxruntime and tokenizers, and nothing that only builds."""
    program = encoder_programs.look_up_and_list_modules
    found = run_program(program, model_root / "speckit", "whats the way to put login into my app")
    assert found == {"entry": "speckit/auth-add-login", "kind": "semantic", "loaded": ["onnxruntime", "tokenizers"]}


def test_a_lookup_leaves_no_file_behind(model_root: Path, tmp_path: Path) -> None:
    """No telemetry: onnxruntime 1.29 and later keep a device id and events to upload, unless told not to."""
    off = {"CI", "TF_BUILD", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}  # each may hide it
    environ = {name: value for name, value in os.environ.items() if name not in off}
    program = encoder_programs.look_up_and_list_files
    question = "whats the way to put login into my app"
    found = run_program(program, model_root / "speckit", question, environ={**environ, "HOME": str(tmp_path)})
    assert found == {"hit": True, "left": []}


@pytest.fixture(scope="module")
def unknown_words(model_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    """Give a bundle whose questions hold words that the encoder's vocabulary does not."""
    entries = [
        {"id": "emoji", "query": "what does \U0001f600 mean in a chat?", "answer": "a grin"},
        {"id": "code", "query": f"decode {'QUJD' * 40}", "answer": "ABC, forty times"},
        {"id": "commit", "query": f"who wrote commit {'a1b2c3d4e5' * 12}", "answer": "Ada"},
        {"id": "other", "query": "how do I bake bread?", "answer": "slowly"},
    ]
    folder = tmp_path_factory.mktemp("unknown")
    root = root_with_encoder(model_root, folder)
    build_bundle([write_corpus(folder / "unknown.jsonl", entries)], name="unknown", root=root)
    with Cache.open("unknown", root=root) as opened:
        yield opened


@pytest.mark.parametrize(
    "text",
    ["what does \U0001f480 mean in a chat?", f"decode {'WFla' * 40}", f"who wrote commit {'ffffffffff' * 12}"],
    ids=["another emoji", "another code", "another commit"],
)
def test_two_words_that_the_encoder_does_not_know_are_not_the_same(unknown_words: Cache, text: str) -> None:
    """All unknown words are one token to the encoder: what differs only in them does not share an answer."""
    result = unknown_words.lookup(text)
    assert isinstance(result, Miss)
    assert result.reason is Reason.UNKNOWN_WORD


def test_an_unknown_word_among_known_ones_bars_no_other_text(unknown_words: Cache) -> None:
    """In one batch, texts of known words are served as ever."""
    found = unknown_words.lookup_many(
        ["what does \U0001f480 mean in a chat?", "how to bake bread", "decode \U0001f480"]
    )
    reasons = [result.reason if isinstance(result, Miss) else None for result in found]
    assert (reasons[0], reasons[2]) == (Reason.UNKNOWN_WORD, Reason.UNKNOWN_WORD)
    assert reasons[1] in (None, Reason.BELOW_THRESHOLD)


def test_a_text_with_an_unknown_word_hits_itself(unknown_words: Cache) -> None:
    """The exact tier knows every word."""
    result = unknown_words.lookup("What does \U0001f600 mean in a chat")
    assert isinstance(result, Hit)
    assert (result.entry_id, result.kind) == ("emoji", Kind.EXACT)
