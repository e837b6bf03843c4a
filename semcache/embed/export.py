"""Turns a sentence-transformers model into an encoder folder. Build side only: needs the `build` extra.

The graph is the model's transformer, then pooling and normalisation written as matrix products, so that the
vector of a text does not depend on its batch (`semcache.embed.onnx`). Its large tensors go to a file of their own,
which lookups map. What was exported is held against the original before it is believed.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from semcache.core.vectors import FloatRows, unit_rows, worst_cosine
from semcache.embed.encoder_dir import ENCODER_FILE, MODEL_FILE, TOKENIZER_FILE, WEIGHTS_FILE, EncoderSpec
from semcache.embed.model_source import ModelSource
from semcache.errors import EncoderError, MissingExtraError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CHECK_TEXTS = (
    "hi",
    "how do I add a login page to my web application?",
    "Delete every *.log file older than 7 days under /var/log, but not in /var/log/keep.",
    "na\u00efve caf\u00e9 \u2014 \u4f60\u597d, \u043c\u0438\u0440!",
    " ".join(["plan the work, then work the plan, and write down what changed"] * 8),
)
_MIN_COSINE = 0.9999
_MAX_BATCH = 65_536
_EXTERNAL_MIN_BYTES = 1 << 16  # what is smaller would share no page worth having
_ALIGN_BYTES = 64
_EXTERNAL = 1  # TensorProto.EXTERNAL


def load_torch_model(source: ModelSource) -> SentenceTransformer:
    """Load a model with sentence-transformers, on the CPU.

    Raises:
        MissingExtraError: the build extra is not installed.
        EncoderError: the model cannot be loaded.
    """
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - seconds, build side only
    except ImportError as error:
        raise MissingExtraError("exporting a model", extra="build") from error
    try:
        with quiet():
            return SentenceTransformer(str(source.folder), device="cpu", local_files_only=True).eval()
    except Exception as error:  # whatever a model's files can raise
        msg = f"{source.folder}: sentence-transformers cannot load it: {error}"
        raise EncoderError(msg) from error


def export_encoder(source: ModelSource, folder: Path) -> EncoderSpec:
    """Write the encoder folder of a model and return its spec; the caller names the folder by its fingerprint.

    Args:
        source: the model.
        folder: an empty folder.

    Raises:
        MissingExtraError: the build extra is not installed.
        EncoderError: the model cannot be exported, or the export does not give its vectors.
    """
    model = load_torch_model(source)
    graph, weights = _export_graph(model, source)
    tokenizer = _tokenizer_json(model, source)
    spec = EncoderSpec(
        kind="onnx",
        name=source.name,
        dim=_dim(model),
        max_tokens=int(model.max_seq_length or 512),
        model_sha256=sha256(graph).hexdigest(),
        tokenizer_sha256=sha256(tokenizer).hexdigest(),
        source_sha256=source.sha256,
        weights_sha256=sha256(weights).hexdigest(),
    )
    files = {MODEL_FILE: graph, WEIGHTS_FILE: weights, TOKENIZER_FILE: tokenizer, ENCODER_FILE: spec.to_bytes()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    _check_export(model, folder, spec)
    return spec


def _dim(model: SentenceTransformer) -> int:
    return int(model.encode(["dim"], show_progress_bar=False).shape[1])


def _tokenizer_json(model: SentenceTransformer, source: ModelSource) -> bytes:
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        msg = f"{source.name}: it has no fast tokenizer (tokenizer.json), which lookups need"
        raise EncoderError(msg)
    backend.no_truncation()
    backend.no_padding()
    text: str = backend.to_str()
    return text.encode("utf-8")


def _pooling_mode(model: SentenceTransformer, source: ModelSource) -> str:
    kinds = [type(module).__name__ for module in model]
    if kinds not in (["Transformer", "Pooling", "Normalize"], ["Transformer", "Pooling"]):
        msg = f"{source.name}: modules {kinds}, allowed Transformer, Pooling and perhaps Normalize"
        raise EncoderError(msg)
    if model.default_prompt_name is not None:
        msg = f"{source.name}: it puts a prompt before every text ({model.default_prompt_name!r}); not supported"
        raise EncoderError(msg)
    mode: str = model[1].get_config_dict().get("pooling_mode", "mean")
    if mode not in ("mean", "cls"):
        msg = f"{source.name}: pooling {mode!r}, allowed mean or cls"
        raise EncoderError(msg)
    return mode


def _export_graph(model: SentenceTransformer, source: ModelSource) -> tuple[bytes, bytes]:
    """Return the bytes of graph and weights: the same for the same model and library versions."""
    import torch  # noqa: PLC0415 - build side only

    mode = _pooling_mode(model, source)
    model[0].auto_model.set_attn_implementation("eager")

    class Encoder(torch.nn.Module):  # type: ignore[misc]  # torch is optional, so it has no types here
        """ids and mask (n, tokens) int64 to unit vectors (n, dim) float32."""

        def __init__(self) -> None:
            super().__init__()
            self.transformer = model[0]

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features = self.transformer({"input_ids": input_ids, "attention_mask": attention_mask})
            states = features["token_embeddings"]
            weights = attention_mask.to(states.dtype)
            if mode == "cls":
                weights = torch.zeros_like(weights).index_fill(1, torch.tensor([0]), 1.0)
            weights = (weights / weights.sum(1, keepdim=True)).unsqueeze(1)
            pooled = torch.matmul(weights, states)
            norm = torch.matmul(pooled, pooled.transpose(1, 2)).sqrt().clamp(min=1e-12)
            return (pooled / norm).squeeze(1)

    ids = torch.full((2, 9), 100, dtype=torch.long)
    batch = torch.export.Dim("batch", min=1, max=_MAX_BATCH)
    tokens = torch.export.Dim("tokens", min=2, max=int(model.max_seq_length or 512))
    axes = {0: batch, 1: tokens}
    try:
        with quiet():
            program = torch.onnx.export(
                Encoder().eval(),
                (ids, torch.ones_like(ids)),
                input_names=["input_ids", "attention_mask"],
                output_names=["vectors"],
                dynamic_shapes={"input_ids": axes, "attention_mask": axes},
                dynamo=True,
                verbose=False,
            )
    except ImportError as error:
        raise MissingExtraError("exporting a model", extra="build") from error
    except Exception as error:  # whatever tracing a model can raise
        msg = f"{source.name}: cannot be exported to ONNX: {error}"
        raise EncoderError(msg) from error
    proto = _without_traces(program.model_proto)
    weights = _take_weights(proto)
    return proto.SerializeToString(deterministic=True), weights


def _without_traces(model: Any) -> Any:
    """Drop notes on where each node came from: paths of the exporting machine, and they differ run by run."""
    graph = model.graph
    parts = (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info)
    for part in parts:
        part.doc_string = ""
        del part.metadata_props[:]
    return model


def _take_weights(model: Any) -> bytes:
    """Move the large tensors out of the graph, each to the next aligned place in the file of weights."""
    weights = bytearray()
    for tensor in model.graph.initializer:
        raw = tensor.raw_data
        if len(raw) < _EXTERNAL_MIN_BYTES:
            continue
        weights += bytes(-len(weights) % _ALIGN_BYTES)
        tensor.data_location = _EXTERNAL
        for key, value in (("location", WEIGHTS_FILE), ("offset", len(weights)), ("length", len(raw))):
            tensor.external_data.add(key=key, value=str(value))
        weights += raw
        tensor.ClearField("raw_data")
    return bytes(weights)


def _check_export(model: SentenceTransformer, folder: Path, spec: EncoderSpec) -> None:
    from semcache.embed.onnx import OnnxEmbedder  # noqa: PLC0415 - loads onnxruntime

    found = OnnxEmbedder(folder, spec, n_threads=1).embed(CHECK_TEXTS)
    wanted = torch_vectors(model, CHECK_TEXTS)
    is_known = found.any(axis=1)  # a text with an unknown word is not embedded on purpose
    worst = worst_cosine(found[is_known], wanted[is_known])
    if not is_known.any() or not worst >= _MIN_COSINE:
        msg = f"{spec.name}: the export gives other vectors (cosine {worst:.6f}, allowed at least {_MIN_COSINE})"
        raise EncoderError(msg)


def torch_vectors(model: SentenceTransformer, texts: Sequence[str]) -> FloatRows:
    """Return (n, dim) float32 unit rows of the original model."""
    raw = model.encode(list(texts), convert_to_numpy=True, show_progress_bar=False, batch_size=32)
    return unit_rows(np.asarray(raw, dtype=np.float32))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep torch's and transformers' chatter off the terminal while they load, trace and save."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):  # progress bars
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
