"""Fine-tunes the encoder itself on known phrasings: what `build --tune` would do. Needs the build extra.

Every step takes pairs of phrasings of one answer and draws them together, away from the other answers of the batch
(a ranking loss over all pairs of a batch, rows of one answer never pushed apart). How many epochs pay is told by
phrasings held out: a first run is stopped where their coverage has not risen for some epochs, and the second one, on
all phrasings, takes as many epochs as were best.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from eval.retrieval import Floats, Ints
from semcache.config import DEFAULT_MODEL
from semcache.core.metrics import best_coverage, curve_of
from semcache.embed.export import load_torch_model
from semcache.embed.model_source import find_model

TEMPERATURE = 0.05
_BATCH_PAIRS = 32
_PATIENCE = 2
_HELD_OUT_SHARE = 0.3
_HELD_OUT_LEVELS = (0.02, 0.05, 0.10, 0.20)  # as a build judges an adapter
_EMBED_BATCH = 128


@dataclass(frozen=True, slots=True)
class TuneConfig:
    """How an encoder is tuned.

    Attributes:
        rate: of AdamW, which falls linearly to 0 over `max_epochs`.
        max_epochs: at most so many.
    """

    rate: float = 5e-5
    max_epochs: int = 4


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuned encoder.

    Attributes:
        model: of sentence-transformers.
        n_epochs: how many were best; 0 where none was better than none.
        held_out: coverage of the held-out phrasings before the first epoch and after each.
    """

    model: Any
    n_epochs: int
    held_out: tuple[float, ...]


def tune(texts: Sequence[str], groups: Ints, *, seed: int, config: TuneConfig) -> Tuned:
    """Tune all-MiniLM-L6-v2 on texts and their groups."""
    torch.set_num_threads(1)
    is_held = hold_out(groups, seed=seed)
    kept = np.flatnonzero(~is_held)
    model = _load(seed)
    found = [_coverage(model, texts, groups, is_held)]
    for _ in _epochs(model, [texts[i] for i in kept.tolist()], groups[kept], seed=seed, config=config):
        found.append(_coverage(model, texts, groups, is_held))
        if len(found) - 1 - int(np.argmax(found)) >= _PATIENCE:
            break
    n_epochs, model = int(np.argmax(found)), _load(seed)
    for _ in islice(_epochs(model, texts, groups, seed=seed, config=config), n_epochs):
        pass
    return Tuned(model, n_epochs, tuple(found))


def embed(model: Any, texts: Sequence[str]) -> Floats:
    """Return (n, dim) float32 unit rows."""
    return np.asarray(model.encode(list(texts), batch_size=_EMBED_BATCH, show_progress_bar=False), np.float32)


def _load(seed: int) -> Any:
    torch.manual_seed(seed)
    return load_torch_model(find_model(DEFAULT_MODEL))


def hold_out(groups: Ints, *, seed: int) -> npt.NDArray[np.bool_]:
    """Hold out a share of each group's rows, of groups of three or more."""
    rng = np.random.default_rng([seed, 2])
    is_held = np.zeros(len(groups), np.bool_)
    for group in np.unique(groups).tolist():
        rows = rng.permutation(np.flatnonzero(groups == group))
        if len(rows) >= 3:
            is_held[rows[: max(1, round(_HELD_OUT_SHARE * len(rows)))]] = True
    return is_held


def _coverage(model: Any, texts: Sequence[str], groups: Ints, is_held: npt.NDArray[np.bool_]) -> float:
    """Return the mean best coverage by margin of held-out texts, each asked with and without its own group."""
    vectors = embed(model, texts)
    scores = vectors[is_held] @ vectors[~is_held].T
    others, wanted = groups[~is_held], groups[is_held]
    asked = [(scores, wanted), (np.where(others[None, :] == wanted[:, None], -1.0, scores), np.full_like(wanted, -1))]
    margins, right = list[Floats](), list[npt.NDArray[np.bool_]]()
    for found, answer in asked:
        candidate = others[found.argmax(axis=1)]
        rival = np.where(others[None, :] == candidate[:, None], -1.0, found).max(axis=1)
        margins.append(found.max(axis=1) - rival)
        right.append(candidate == answer)
    curve = curve_of(np.concatenate(margins).astype(np.float64), np.concatenate(right))
    served = [best_coverage(curve, level) for level in _HELD_OUT_LEVELS]
    return sum(one.coverage for one in served if one is not None) / len(served)


def _epochs(model: Any, texts: Sequence[str], groups: Ints, *, seed: int, config: TuneConfig) -> Iterator[None]:
    """Train; yield after each epoch."""
    rng = np.random.default_rng([seed, 3])
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.rate, weight_decay=0.01)
    n_steps = config.max_epochs * len(list(batches(groups, np.random.default_rng(0))))
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=n_steps)
    for _ in range(config.max_epochs):
        model.train()
        for rows in batches(groups, rng):
            inputs = model.preprocess([texts[i] for i in rows])
            loss = contrast(model(inputs)["sentence_embedding"], torch.as_tensor(groups[rows]))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        model.eval()
        yield


def batches(groups: Ints, rng: np.random.Generator) -> Iterator[Ints]:
    """Yield rows, two of one group beside each other; every row of a group of two or more comes at least once."""
    pairs = list[Ints]()
    for group in np.unique(groups).tolist():
        rows = rng.permutation(np.flatnonzero(groups == group))
        if len(rows) % 2:
            rows = np.append(rows, rows[0])
        pairs += [rows[i : i + 2] for i in range(0, len(rows), 2) if rows[i] != rows[i + 1]]
    order = rng.permutation(len(pairs))
    for start in range(0, len(order), _BATCH_PAIRS):
        yield np.concatenate([pairs[i] for i in order[start : start + _BATCH_PAIRS]])


def contrast(vectors: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """Return the mean over all pairs of one group of -log softmax, over what is of another group and the pair."""
    scores = vectors @ vectors.T / TEMPERATURE
    same = groups[:, None] == groups[None, :]
    others = torch.logsumexp(scores.masked_fill(same, -torch.inf), dim=1, keepdim=True)
    is_pair = same & ~torch.eye(len(groups), dtype=torch.bool)
    return torch.nn.functional.softplus(others - scores)[is_pair].mean()
