"""Answers lookups from one version of a bundle: exact first, then semantic. Everything but time and lifetime."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from semcache.bundle.layout import encoder_dir
from semcache.bundle.reader import VersionReader
from semcache.core.certificate import Certificate
from semcache.core.certify import CertifiedLevel
from semcache.core.decide import decide
from semcache.core.features import Candidate, lexical, pool
from semcache.core.lexical import Lexical, TokenRarity, analyse
from semcache.core.text import exact_key, normalise
from semcache.core.vectors import FloatRows, adapt, worst_cosine
from semcache.core.verifier import Verifier
from semcache.embed.base import Embedder
from semcache.embed.registry import load_embedder
from semcache.errors import EncoderMismatchError
from semcache.lookup.age import Age
from semcache.store.faiss_index import SearchFilter
from semcache.types import Hit, Kind, Miss, Neighbour, Reason, Result


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The rows nearest to a query, best first, and what the verifier says of them.

    Attributes:
        rows, scores: of the rows found; fewer than asked for where the namespace is small.
        candidate: the answer they speak for; None where nothing was found.
        features: (n_features,) float64, as named in the manifest; None where nothing was found.
        confidence: probability that serving the candidate is right, 0 to 1.
    """

    rows: list[int]
    scores: list[float]
    candidate: Candidate | None
    features: npt.NDArray[np.float64] | None
    confidence: float

    @property
    def is_guard(self) -> bool:
        """Whether the nearest rows speak for no answer."""
        return self.candidate is not None and self.candidate.answer < 0


Neighbours = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]
"""Rows and their scores, best first."""
_MOST_READINGS = 4096


class Version:
    """One version, and the encoder it needs once something semantic is asked. Safe to share between threads."""

    def __init__(self, reader: VersionReader, age: Age, *, embed_threads: int) -> None:
        self.reader, self.age = reader, age
        decision, arrays = reader.manifest.decision, reader.decision
        self.verifier = Verifier(arrays.trees)
        self._rarity = TokenRarity(arrays.rarity)
        self._n_neighbours = decision.n_neighbours
        self._readings: dict[int, Lexical] = {}
        self._embed_threads = embed_threads
        self._embedder: Embedder | None = None
        self._lock = threading.Lock()

    def follow_release(self, age: Age) -> None:
        """Take what was noted of this version's release since it was opened: a pull notes it after it is live."""
        if age.release != self.age.release:
            self.age = age

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

    @property
    def is_ready(self) -> bool:
        """Whether a semantic lookup finds its encoder loaded."""
        return self._embedder is not None

    def make_ready(self) -> None:
        """Do what the first semantic lookup would wait for: load and check the encoder, check the index's codes.

        Raises:
            EncoderError, EncoderMismatchError: as `embedder`.
            BundleCorruptError: the codes are damaged.
        """
        self.embedder()
        self.retrieve(self.reader.probes[:1], namespace=None)

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
        return self._serve(row, entry, kind=Kind.EXACT, score=1.0, confidence=1.0, threshold=None, now=now)

    def _serve(
        self, row: int, entry: int, *, kind: Kind, score: float, confidence: float, threshold: float | None, now: float
    ) -> Result:
        if now > self.reader.valid_until(entry):
            return self._miss(Reason.EXPIRED, "the nearest entry's valid_until has passed", row, score)
        entry_id, metadata, text, content, value_type = self.reader.fetch(row, entry)
        return Hit(
            entry_id=entry_id,
            value=content,
            value_type=value_type,
            kind=kind,
            score=score,
            confidence=confidence,
            threshold=threshold,
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

    def certificate_for(self, retrieved: Retrieved) -> Certificate | None:
        """Return the certificate of the namespace that the entry to be served lies in; None where nothing was found."""
        if retrieved.candidate is None:
            return None
        entry = self.reader.rows.item(retrieved.rows[retrieved.candidate.position])
        number = self.reader.namespace_number_of(~entry if entry < 0 else entry)
        return self.reader.manifest.decision.certificates[number]

    def retrieve(self, vectors: FloatRows, *, namespace: str | None, k: int | None = None) -> list[Neighbours]:
        """Return rows (k,) and scores (k,) nearest to each of (nq, dim) float32 unit vectors of the encoder."""
        number = None if namespace is None else self.reader.namespace_number(namespace)
        within = self.reader.within(number)
        n_rows = self.reader.manifest.counts.rows if within is None else within.n_rows
        k = min(k or self._n_neighbours, n_rows)
        if k == 0:
            return [(np.zeros(0, np.int64), np.zeros(0, np.float32)) for _ in vectors]
        adapted, n_dead = adapt(vectors, self.reader.decision.adapter), self.reader.manifest.counts.dead_rows
        found = self._search(adapted, k, within)
        if n_dead and any(len(rows) < k for rows, _ in found):  # they stood before live rows of scores under 0
            found = [(rows[:k], scores[:k]) for rows, scores in self._search(adapted, k + n_dead, within)]
        return found

    def _search(self, vectors: FloatRows, k: int, within: SearchFilter | None) -> list[Neighbours]:
        """Return the live rows among the k nearest. Vectors of dead rows are zero, so those seldom are among them."""
        scores, rows = self.reader.index.search(vectors, k, within=within)
        found = list(zip(rows, scores, strict=True))
        if self.reader.manifest.counts.dead_rows:
            kept = ((r >= 0) & ~self.reader.is_dead[r] for r, _ in found)
            return [(r[keep], s[keep]) for (r, s), keep in zip(found, kept, strict=True)]
        return [(r[r >= 0], s[r >= 0]) if r[-1] < 0 else (r, s) for r, s in found]

    def judge_all(self, texts: Sequence[str], *, namespace: str | None) -> list[Retrieved | None]:
        """Embed, search and judge texts; None for one that cannot be embedded."""
        vectors = self.embedder().embed(texts)
        fits = [bool(vector.any()) for vector in vectors]
        found = iter(self.retrieve(vectors if all(fits) else vectors[fits], namespace=namespace))
        return [self.judge(text, next(found)) if fit else None for text, fit in zip(texts, fits, strict=True)]

    def judge(self, text: str, found: Neighbours) -> Retrieved:
        """Say how sure the bundle is of the answer that the nearest rows of a text speak for."""
        rows, scores = found
        if not len(rows):
            return Retrieved([], [], None, None, 0.0)
        reader, arrays = self.reader, self.reader.decision
        plain = rows.tolist()
        candidate = pool(
            scores,
            reader.answers[rows].tolist(),
            plain,
            row_facts=arrays.row_facts,
            answer_facts=arrays.answer_facts,
        )
        words = arrays.words.take([plain[i] for i in candidate.siblings], axis=0)
        variant = self._reading(plain[candidate.position])
        features = np.array([*candidate.features, *lexical(analyse(text), variant, words, self._rarity)])
        return Retrieved(plain, scores.tolist(), candidate, features, self.verifier.confidence(features))

    def _reading(self, row: int) -> Lexical:
        reading = self._readings.get(row)
        if reading is None:
            if len(self._readings) >= _MOST_READINGS:
                self._readings.clear()
            reading = self._readings[row] = analyse(self.reader.text_of(row))
        return reading

    def reason(self, retrieved: Retrieved, threshold: float | None) -> Reason | None:
        """Return why a judged text may not be served; None where it may."""
        if retrieved.candidate is None:
            return Reason.BELOW_THRESHOLD
        return decide(
            is_guard=retrieved.is_guard,
            nearest_is_guard=self.reader.rows.item(retrieved.rows[0]) < 0,
            confidence=retrieved.confidence,
            threshold=threshold,
        )

    def serve_semantic(self, retrieved: Retrieved, *, max_error: float | None, now: float) -> Result:
        """Turn a judgement into a hit or a miss."""
        certificate = self.certificate_for(retrieved)
        if retrieved.candidate is None or certificate is None:
            return self._miss(Reason.BELOW_THRESHOLD, "there is nothing to compare with")
        level = certificate.level_for(max_error)
        reason = self.reason(retrieved, level.threshold)
        at = retrieved.candidate.position
        row, score = retrieved.rows[at], retrieved.scores[at]
        if reason is None:
            return self._serve(
                row,
                self.reader.rows.item(row),
                kind=Kind.SEMANTIC,
                score=score,
                confidence=retrieved.confidence,
                threshold=level.threshold,
                now=now,
            )
        nearest = 0 if reason is Reason.GUARD else at
        detail = self._why(reason, retrieved, level, certificate.namespace)
        return self._miss(reason, detail, retrieved.rows[nearest], retrieved.scores[nearest])

    @staticmethod
    def _why(reason: Reason, retrieved: Retrieved, level: CertifiedLevel, namespace: str) -> str:
        if reason is Reason.GUARD:
            return "the nearest text is a guard: close, and known not to have this answer"
        promise = f"an error of at most {100 * level.max_error:g} %"
        if reason is Reason.UNCERTIFIED:
            how = " (semcache calibrate)" if level.n_hits or level.n_missing else ""
            return f"{promise} is not certified in the namespace {namespace}; {level.lack}{how}"
        return f"confidence {retrieved.confidence:.4f} is under {level.threshold:.4f}, which {promise} takes"

    def named(self, rows: Sequence[int], scores: Sequence[float]) -> tuple[Neighbour, ...]:
        """Return rows with their texts."""
        return tuple(self.reader.neighbour(row, score) for row, score in zip(rows, scores, strict=True))

    def _miss(self, reason: Reason, detail: str, row: int | None = None, score: float | None = None) -> Miss:
        nearest = None if row is None else self.reader.neighbour(row, 1.0 if score is None else score)
        return Miss(reason, nearest.score if nearest else None, nearest, self.reader.id, detail)
