"""Scenario `embed`: the exported encoder against torch, on the same texts in the same run."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, Target, percentile, summary, take_turns_each
from scratch import Scratch
from texts import shipped_questions

from semcache.build.embed_pool import EmbedPool
from semcache.bundle.layout import encoder_dir
from semcache.embed.base import Embedder
from semcache.embed.model_source import find_model
from semcache.embed.registry import load_embedder

_N_TEXTS = 2000
_N_ROUNDS = 3
_N_SINGLE = 200
_BATCH_TEXTS = 250  # a pool's unit of work, small enough to keep two workers busy
_TORCH_BATCH = 32
_PAUSE_S = 0.01  # lets the thread pool of the other library go to sleep
_SINGLE_CHARS = (30, 60)
_THREADS = {
    "both_default": "one thread / all cores (both defaults)",
    "both_one_thread": "one thread each",
    "both_two_threads": "two threads each",
}


def run(scratch: Scratch) -> Report:
    """Measure throughput (one and two workers, torch with its own threads) and one text's latency."""
    import torch  # noqa: PLC0415 - seconds, and only here
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    warm = "both models and both thread pools: a first round is not counted"
    texts = _sample(scratch.seed)
    with scratch.open(scratch.large) as cache:
        encoder = cache.info.manifest.encoder
    folder = encoder_dir(scratch.root, encoder.fingerprint)
    embedder, on_two_threads = load_embedder(folder), load_embedder(folder, n_threads=2)
    model = SentenceTransformer(str(find_model(encoder.name).folder), device="cpu")
    sizes = {"texts": _N_TEXTS, "tokens_mean": statistics.mean(embedder.count_tokens(text) for text in texts)}
    report = Report("embed", warm, scratch.seed, sizes)
    report.figures["torch_threads"] = torch.get_num_threads()

    def encode(batch: Sequence[str]) -> Any:
        return model.encode(list(batch), batch_size=_TORCH_BATCH, show_progress_bar=False)

    report.figures["cosine_to_torch_min"] = float((embedder.embed(texts[:200]) * encode(texts[:200])).sum(axis=1).min())
    ways: dict[str, Callable[[], object]] = {
        "onnx_1_worker": lambda: _pooled(embedder, texts, n_workers=1),
        "onnx_2_workers": lambda: _pooled(embedder, texts, n_workers=2),
        "torch_batch_32": lambda: encode(texts),
        "torch_batch_32_one_thread": lambda: _on_one_thread(lambda: encode(texts)),
    }
    rates, cpu_rates = _throughput(ways, len(texts))
    report.figures["texts_per_s"] = {name: _spread(found) for name, found in rates.items()}
    report.figures["texts_per_cpu_s"] = {name: _spread(found) for name, found in cpu_rates.items()}
    short = [text for text in texts if _SINGLE_CHARS[0] <= len(text) <= _SINGLE_CHARS[1]][:_N_SINGLE]
    samples = take_turns_each(
        {
            "onnx_one_text": lambda text: embedder.embed([text]),
            "onnx_one_text_two_threads": lambda text: on_two_threads.embed([text]),
            "torch_one_text": lambda text: encode([text]),
            "torch_one_text_one_thread": lambda text: _on_one_thread(lambda: encode([text])),
        },
        short[:20] + short,
        pause_s=_PAUSE_S,
    )
    report.figures |= {name: summary(found[20:], "ms") for name, found in samples.items()}
    ratios = _ratios(rates, samples)
    report.figures |= ratios
    report.targets = [
        Target(
            "throughput, ONNX with 1 worker / torch on one thread, best rounds",
            ratios["best_round_onnx_1_worker_to_torch_one_thread"],
            1.0,
            "x",
            is_floor=True,
        ),
        Target(
            "throughput, ONNX with 2 workers / torch with its own threads, best rounds",
            ratios["best_round_onnx_2_workers_to_torch"],
            1.0,
            "x",
            is_floor=True,
        ),
        *(
            Target(
                f"latency of one short text, ONNX / torch, {what}, p50",
                ratios[f"latency_onnx_to_torch_{name}"],
                0.5,
                "x",
            )
            for name, what in _THREADS.items()
        ),
    ]
    return report


def _ratios(rates: dict[str, list[float]], samples: dict[str, list[float]]) -> dict[str, float]:
    """Return the ratios: of medians, and of the rounds and calls that other work on the machine disturbed least."""
    pairs = {
        "onnx_1_worker_to_torch_one_thread": ("onnx_1_worker", "torch_batch_32_one_thread"),
        "onnx_2_workers_to_torch": ("onnx_2_workers", "torch_batch_32"),
    }
    ratios = {}
    for name, (ours, theirs) in pairs.items():
        ratios[f"median_{name}"] = statistics.median(rates[ours]) / statistics.median(rates[theirs])
        ratios[f"best_round_{name}"] = max(rates[ours]) / max(rates[theirs])
    latency = {name: percentile(sorted(found), 50) for name, found in samples.items()}
    ratios["latency_onnx_to_torch_both_default"] = latency["onnx_one_text"] / latency["torch_one_text"]
    ratios["latency_onnx_to_torch_both_one_thread"] = latency["onnx_one_text"] / latency["torch_one_text_one_thread"]
    ratios["latency_onnx_to_torch_both_two_threads"] = latency["onnx_one_text_two_threads"] / latency["torch_one_text"]
    return ratios


def _on_one_thread(work: Callable[[], object]) -> None:
    import torch  # noqa: PLC0415 - seconds, and only here

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        work()
    finally:
        torch.set_num_threads(n_threads)


def _sample(seed: int) -> list[str]:
    questions = shipped_questions()
    order = np.random.default_rng(seed).permutation(len(questions))[:_N_TEXTS]
    return [questions[i].text for i in order]


def _pooled(embedder: Embedder, texts: Sequence[str], *, n_workers: int) -> None:
    """Embed as the build does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors"
        with EmbedPool(embedder, path, n_rows=len(texts), n_workers=n_workers, on_rows=lambda _n: None) as pool:
            for start in range(0, len(texts), _BATCH_TEXTS):
                pool.submit(start, texts[start : start + _BATCH_TEXTS])
            pool.drain()


def _throughput(
    ways: dict[str, Callable[[], object]], n_texts: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return texts a second of wall time and of CPU time, round by round, the ways in turn."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    cpu_rates: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(_N_ROUNDS + 1):
        for name, way in ways.items():
            time.sleep(_PAUSE_S)
            began, began_cpu = time.perf_counter(), time.process_time()
            way()
            if turn:
                rates[name].append(n_texts / (time.perf_counter() - began))
                cpu_rates[name].append(n_texts / (time.process_time() - began_cpu))
    return rates, cpu_rates


def _spread(rates: Sequence[float]) -> dict[str, Any]:
    return {"rounds": len(rates), "median": statistics.median(rates), "min": min(rates), "max": max(rates)}
