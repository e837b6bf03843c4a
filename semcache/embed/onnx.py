"""Embedding with an exported ONNX model: onnxruntime and tokenizers, no torch.

One text, one vector: only texts of equal length share a batch, so nothing is padded, and the exported graph pools
by matrix products whose result for one text does not depend on the others. On one machine the vector is the same
to the bit alone, in any batch, with any number of threads; between CPUs kernels differ by about 1e-6.

onnxruntime maps the weights from their file, so processes share the pages of what it uses in place (of MiniLM the
47 MB of word vectors); what it repacks for its kernels (43 MB) is each process's own. A process has 65 MB of its own
in all; with the weights inside the graph it had 215 MB, and took twice as long to load it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tokenizers

# onnxruntime 1.29 and later send usage events from a thread of their own unless this is set before it is imported.
# We send nothing; and the thread is missing in a forked child, which then hangs at its end.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

from semcache.core.vectors import FloatRows
from semcache.embed.base import MAX_CHARS_PER_TOKEN
from semcache.embed.encoder_dir import (
    MODEL_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    EncoderSpec,
    expect_unchanged,
    read_verified,
    verify_digest,
)
from semcache.embed.onnx_graph import check_external_weights
from semcache.errors import EncoderError

onnxruntime.disable_telemetry_events()  # where somebody else imported it first

_BATCH_TOKENS = 2048
_ERRORS_ONLY = 3
_SLOWER_WHEN_FUSED = ["SkipLayerNormFusion"]  # MiniLM, one thread: 392 texts/s without, 341 with


class OnnxEmbedder:
    """A loaded encoder folder of kind onnx. Safe to share between threads."""

    def __init__(self, folder: Path, spec: EncoderSpec, *, n_threads: int) -> None:
        """Verify and load the model and its tokenizer.

        Args:
            folder: the encoder's folder.
            spec: its encoder.json.
            n_threads: cores one call may use; 1 starts no thread pool.

        Raises:
            EncoderError: a file is missing, changed or not loadable.
        """
        self._spec = spec
        model = read_verified(folder, MODEL_FILE, spec.model_sha256)
        tokenizer = read_verified(folder, TOKENIZER_FILE, spec.tokenizer_sha256)
        weights = verify_digest(folder, WEIGHTS_FILE, spec.weights_sha256)
        try:
            check_external_weights(model, file=WEIGHTS_FILE, size_bytes=weights.st_size)
            self._tokenizer = tokenizers.Tokenizer.from_str(tokenizer.decode("utf-8"))
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
            self._unknown_id = _unknown_id(tokenizer, self._tokenizer)
            self._session = onnxruntime.InferenceSession(
                model,
                _options(folder, n_threads=n_threads),
                providers=["CPUExecutionProvider"],
                disabled_optimizers=_SLOWER_WHEN_FUSED,
            )
        except Exception as error:  # both libraries raise bare Exception subclasses of their own
            msg = f"{folder}: cannot be loaded: {error}"
            raise EncoderError(msg) from error
        expect_unchanged(folder / WEIGHTS_FILE, weights)

    @property
    def fingerprint(self) -> str:
        """Digest of everything that changes the output."""
        return self._spec.fingerprint

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._spec.dim

    @property
    def max_tokens(self) -> int:
        """Longest text that is embedded, in tokens with the special ones."""
        return self._spec.max_tokens

    def count_tokens(self, text: str) -> int:
        """Return the text's length in tokens, or a bound above `max_tokens` for one that is far too long."""
        if len(text) > self.max_tokens * MAX_CHARS_PER_TOKEN:
            return self.max_tokens + 1
        return len(self._tokenizer.encode(text).ids)

    def embed(self, texts: Sequence[str]) -> FloatRows:
        """Return (n, dim) float32 unit rows; zero for a text that is too long or holds an unknown word."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        by_length: dict[int, list[int]] = {}
        ids = self._token_ids(texts)
        for i, tokens in enumerate(ids):
            if 0 < len(tokens) <= self.max_tokens and self._unknown_id not in tokens:
                by_length.setdefault(len(tokens), []).append(i)
        for length, members in by_length.items():
            step = max(1, _BATCH_TOKENS // length)
            for start in range(0, len(members), step):
                batch = members[start : start + step]
                vectors[batch] = self._run([ids[i] for i in batch])
        return vectors

    def _token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        limit = self.max_tokens * MAX_CHARS_PER_TOKEN
        if len(texts) == 1:
            return [self._tokenizer.encode(texts[0]).ids if len(texts[0]) <= limit else []]
        encodings = self._tokenizer.encode_batch([text if len(text) <= limit else "" for text in texts])
        return [e.ids if len(t) <= limit else [] for e, t in zip(encodings, texts, strict=True)]

    def _run(self, ids: list[list[int]]) -> FloatRows:
        tokens = np.array(ids, dtype=np.int64)
        feed = {"input_ids": tokens, "attention_mask": np.ones_like(tokens)}
        vectors: FloatRows = self._session.run(["vectors"], feed)[0]
        return vectors


def _unknown_id(raw: bytes, tokenizer: tokenizers.Tokenizer) -> int | None:
    """Return the token that stands for every word outside the vocabulary; None where there is none."""
    name = json.loads(raw)["model"].get("unk_token")
    return None if name is None else tokenizer.token_to_id(name)


def _options(folder: Path, *, n_threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder.resolve()))
    return options
