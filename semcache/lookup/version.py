"""Answers lookups from one version of a bundle: exact first, then semantic. Everything but time and lifetime."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semcache.bundle.layout import encoder_dir
from semcache.bundle.reader import VersionReader
from semcache.core.decide import GUARD, Policy, Verdict, decide
from semcache.core.text import exact_key, normalise
from semcache.core.vectors import FloatRows, worst_cosine
from semcache.embed.base import Embedder
from semcache.embed.registry import load_embedder
from semcache.errors import EncoderMismatchError
from semcache.types import Hit, Kind, Miss, Neighbour, Reason, Result


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The rows nearest to a query, best first, and what was decided on them.

    Attributes:
        rows, scores: of the rows found; fewer than asked for where the namespace is small.
        verdict: the decision.
    """

    rows: list[int]
    scores: list[float]
    verdict: Verdict


class Version:
    """One version, and the encoder it needs once something semantic is asked. Safe to share between threads."""

    def __init__(self, reader: VersionReader, *, embed_threads: int) -> None:
        self.reader = reader
        decision = reader.manifest.decision
        self.policy = Policy(threshold=decision.threshold, margin=decision.margin)
        self._n_neighbours = decision.n_neighbours
        self._embed_threads = embed_threads
        self._embedder: Embedder | None = None
        self._lock = threading.Lock()

    def embedder(self) -> Embedder:
        """Return the encoder, loaded at the first call and held against the bundle's probes.

        Raises:
            EncoderError: it is missing or damaged.
            EncoderMismatchError: on this machine it does not give the vectors the bundle was built with.
        """
        if self._embedder is None:
            with self._lock:
                if self._embedder is None:
                    folder = encoder_dir(self.reader.root, self.reader.manifest.encoder.fingerprint)
                    embedder = load_embedder(folder, n_threads=self._embed_threads)
                    self._check_probes(embedder)
                    self._embedder = embedder
        return self._embedder

    def _check_probes(self, embedder: Embedder) -> None:
        wanted, encoder = self.reader.probes, self.reader.manifest.encoder
        if embedder.dim == encoder.dim:
            worst = worst_cosine(embedder.embed(encoder.probe_texts), wanted)
            if worst >= encoder.probe_min_cosine:
                return
        else:
            worst = -1.0
        msg = (
            f"{self.reader.folder}: the encoder {encoder.name} gives other vectors here than where the bundle was "
            f"built (worst probe cosine {worst:.5f}, allowed at least {encoder.probe_min_cosine}); rebuild it here"
        )
        raise EncoderMismatchError(msg)

    def exact(self, text: str, *, namespace: str | None, now: float) -> Result | None:
        """Look a text up by its exact key. None where only the semantic tier can tell.

        Args:
            text: as the user typed it.
            namespace: limit to one; None for all.
            now: Unix time in seconds, for valid_until.
        """
        number = None
        if namespace is not None:
            number = self.reader.namespace_number(namespace)
            if number is None:
                known = ", ".join(self.reader.manifest.namespaces[:8])
                return self._miss(Reason.NO_NAMESPACE, f"no namespace {namespace!r}; there are: {known}")
        normalised = normalise(text)
        if not normalised:
            return self._miss(Reason.EMPTY, "nothing is left of the text once it is normalised")
        try:
            key = exact_key(normalised)
        except UnicodeEncodeError:
            return self._miss(Reason.INVALID_TEXT, "the text holds an unpaired surrogate, which is not Unicode text")
        rows = self.reader.exact_rows(key)
        if namespace is not None and rows:
            rows = tuple(row for row in rows if self._namespace_of_row(row) == namespace)
        return self._serve_exact(rows, now=now) if rows else None

    def _namespace_of_row(self, row: int) -> str:
        entry = self.reader.rows.item(row)
        return self.reader.namespace_of(~entry if entry < 0 else entry)

    def _serve_exact(self, rows: Sequence[int], *, now: float) -> Result:
        row, entry = rows[0], self.reader.rows.item(rows[0])
        if len(rows) > 1:
            variants = [(row, entry) for row in rows if (entry := self.reader.rows.item(row)) >= 0]
            if len({self.reader.answer_of(entry) for _, entry in variants}) > 1:
                where = ", ".join(self.reader.namespace_of(entry) for _, entry in variants)
                detail = f"the very same text has different answers in the namespaces {where}; name one"
                return self._miss(Reason.AMBIGUOUS, detail, variants[0][0])
            if variants:  # one answer: take the entry that stays valid longest
                row, entry = max(variants, key=lambda variant: self.reader.valid_until(variant[1]))
        if entry < 0:
            return self._miss(
                Reason.GUARD, "the text is a guard: it is known not to have the answer it is near to", row
            )
        return self._serve(row, entry, kind=Kind.EXACT, score=1.0, now=now)

    def _serve(self, row: int, entry: int, *, kind: Kind, score: float, now: float) -> Result:
        if now > self.reader.valid_until(entry):
            return self._miss(Reason.EXPIRED, "the nearest entry's valid_until has passed", row, score)
        entry_id, metadata, text, content, value_type = self.reader.fetch(row, entry)
        return Hit(
            entry_id=entry_id,
            value=content,
            value_type=value_type,
            kind=kind,
            score=score,
            confidence=1.0 if kind is Kind.EXACT else None,
            threshold=None if kind is Kind.EXACT else self.policy.threshold,
            variant=text,
            namespace=self.reader.namespace_of(entry),
            bundle_id=self.reader.id,
            metadata_json=metadata,
        )

    def not_embedded(self, text: str) -> Miss:
        """Return the miss of a text whose vector is zero."""
        n_tokens = self.reader.manifest.encoder.max_tokens
        if self.embedder().count_tokens(text) > n_tokens:
            detail = f"longer than the encoder's {n_tokens} tokens; only the exact tier was asked"
            return self._miss(Reason.TOO_LONG, detail)
        detail = "a word of it is not in the encoder's vocabulary; only the exact tier was asked"
        return self._miss(Reason.UNKNOWN_WORD, detail)

    def uncertified(self) -> Miss:
        """Return the miss of a caller who names an error that this bundle cannot vouch for."""
        detail = "this bundle carries no certificate for any error; leave max_error out to use its threshold"
        return self._miss(Reason.UNCERTIFIED, detail)

    def retrieve(self, vectors: FloatRows, *, namespace: str | None, k: int | None = None) -> list[Retrieved]:
        """Search the nearest rows of (nq, dim) float32 unit vectors and decide on each."""
        number = None if namespace is None else self.reader.namespace_number(namespace)
        within = self.reader.within(number)
        n_rows = len(self.reader.rows) if within is None else within.n_rows
        k = min(k or self._n_neighbours, n_rows)
        if k == 0:
            return [Retrieved([], [], decide([], [], policy=self.policy, exhaustive=True)) for _ in vectors]
        scores, rows = self.reader.index.search(vectors, k, within=within)
        return [self._decide(s, r, exhaustive=k == n_rows) for s, r in zip(scores, rows, strict=True)]

    def _decide(self, scores: np.ndarray, rows: np.ndarray, *, exhaustive: bool) -> Retrieved:
        if rows[-1] < 0:  # fewer than k were reached
            reached = rows >= 0
            scores, rows, exhaustive = scores[reached], rows[reached], False
        answers = self.reader.answers(self.reader.rows[rows], guard=GUARD)
        plain = scores.tolist()
        verdict = decide(plain, answers.tolist(), policy=self.policy, exhaustive=exhaustive)
        return Retrieved(rows.tolist(), plain, verdict)

    def serve_semantic(self, retrieved: Retrieved, *, now: float) -> Result:
        """Turn a decision into a hit or a miss."""
        verdict = retrieved.verdict
        if not retrieved.rows:
            return self._miss(Reason.BELOW_THRESHOLD, "there is nothing to compare with")
        row, score = retrieved.rows[0], retrieved.scores[0]
        if verdict.reason is None:
            return self._serve(row, int(self.reader.rows[row]), kind=Kind.SEMANTIC, score=score, now=now)
        return self._miss(verdict.reason, self._why(retrieved), row, score)

    def _why(self, retrieved: Retrieved) -> str:
        verdict, score = retrieved.verdict, retrieved.scores[0]
        margin = f"margin {verdict.margin:.3f} to a {{}} is under {self.policy.margin:.3f}"
        if verdict.reason is Reason.BELOW_THRESHOLD:
            return f"score {score:.3f} is under the threshold {self.policy.threshold:.3f}"
        if verdict.reason is Reason.BELOW_MARGIN:
            return margin.format("different answer")
        if self.reader.rows[retrieved.rows[0]] < 0:
            return "the nearest text is a guard: close, and known not to have this answer"
        return margin.format("guard (a text known not to have this answer)")

    def neighbours(self, retrieved: Retrieved) -> tuple[Neighbour, ...]:
        """Return retrieved rows with their texts."""
        pairs = zip(retrieved.rows, retrieved.scores, strict=True)
        return tuple(self.reader.neighbour(row, score) for row, score in pairs)

    def _miss(self, reason: Reason, detail: str, row: int | None = None, score: float | None = None) -> Miss:
        nearest = None if row is None else self.reader.neighbour(row, 1.0 if score is None else score)
        return Miss(reason, nearest.score if nearest else None, nearest, self.reader.id, detail)
