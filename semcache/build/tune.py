"""Fine-tunes an encoder on a corpus: phrasings of one answer together, other answers and rejects away. Needs `build`.

Every step takes pairs of phrasings of one answer, with the rejects of the entries they are of, and draws the pairs
together, away from all else in the batch. How many epochs pay is told by phrasings held out: a first run is stopped
where their coverage has not risen for some epochs, and the second one, on all phrasings, takes as many epochs as were
best. Deterministic for a seed on one machine.

Source: Henderson et al.: Efficient Natural Language Response Suggestion (2017), the loss over a batch's other pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from semcache.core.metrics import curve_of, mean_best_coverage
from semcache.core.vectors import FloatRows, unit_rows
from semcache.embed.export import load_torch_model, quiet
from semcache.embed.model_source import ModelSource
from semcache.errors import MissingExtraError

if TYPE_CHECKING:
    import torch

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
OnStep = Callable[[int, int], None]
"""Told how many steps are done, and how many there are at most."""

TEMPERATURE = 0.05
_MAX_TEXTS = 10_000
_MIN_GAIN = 0.01  # of held-out coverage, as a build asks of an adapter
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
    max_epochs: int = 6


@dataclass(frozen=True, slots=True)
class Phrasings:
    """What an encoder is tuned on.

    Attributes:
        texts: phrasings and rejects.
        groups: (n,) the answer of each phrasing, 0 or more; of a reject the complement of the answer that it is not.
    """

    texts: Sequence[str]
    groups: Ints

    def sample(self, *, seed: int) -> Phrasings:
        """Return all texts of some answers, of so many that there are 10,000 texts, or all where there are fewer."""
        owners = np.where(self.groups < 0, ~self.groups, self.groups)
        answers, places, counts = np.unique(owners, return_inverse=True, return_counts=True)
        order = np.random.default_rng([seed, 1]).permutation(len(answers))
        is_chosen = np.zeros(len(answers), np.bool_)
        is_chosen[order[np.cumsum(counts[order]) - counts[order] < _MAX_TEXTS]] = True
        rows = np.flatnonzero(is_chosen[places])
        return Phrasings([self.texts[i] for i in rows.tolist()], self.groups[rows])

    @property
    def n_pairs(self) -> int:
        """How many phrasings have another one of their answer."""
        _, counts = np.unique(self.groups[self.groups >= 0], return_counts=True)
        return int(counts[counts > 1].sum())


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


def tune(
    source: ModelSource,
    phrasings: Phrasings,
    *,
    seed: int,
    config: TuneConfig | None = None,
    on_step: OnStep = lambda _done, _all: None,
) -> Tuned:
    """Tune a model.

    Args:
        source: of sentence-transformers.
        phrasings: pairs of which draw together.
        seed: of every random choice.
        config: None for the defaults.
        on_step: is told how far it is.

    Raises:
        MissingExtraError: the build extra is not installed.
        EncoderError: the model cannot be loaded.
    """
    torch = _torch()
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order are other vectors
    try:
        return _tuned(source, phrasings, seed, config or TuneConfig(), on_step)
    finally:
        torch.set_num_threads(before)


def _tuned(source: ModelSource, phrasings: Phrasings, seed: int, config: TuneConfig, on_step: OnStep) -> Tuned:
    is_held = hold_out(phrasings.groups, seed=seed)
    if not is_held.any():
        return Tuned(_load(source, seed), 0, (0.0,))
    seen = Phrasings([phrasings.texts[i] for i in np.flatnonzero(~is_held).tolist()], phrasings.groups[~is_held])
    steps = _Steps([config.max_epochs * n_batches(one.groups) for one in (seen, phrasings)], on_step)
    model = _load(source, seed)
    found = [_coverage(model, phrasings, is_held)]
    for _ in _epochs(model, seen, seed, config, steps):
        found.append(_coverage(model, phrasings, is_held))
        if len(found) - 1 - int(np.argmax(found)) >= _PATIENCE:
            break
    n_epochs, model = int(np.argmax(found)), _load(source, seed)
    if found[n_epochs] <= found[0] + _MIN_GAIN:
        return Tuned(model, 0, tuple(found))
    steps.go_on(n_epochs * n_batches(phrasings.groups))
    for _ in islice(_epochs(model, phrasings, seed, config, steps), n_epochs):
        pass
    return Tuned(model, n_epochs, tuple(found))


class _Steps:
    """Counts the steps of both runs for whoever watches."""

    def __init__(self, most: Sequence[int], on_step: OnStep) -> None:
        self._all, self._done, self._on_step = sum(most), 0, on_step

    def go_on(self, n_left: int) -> None:
        """The first run is over, and the second one takes so many steps."""
        self._all = self._done + n_left

    def one(self) -> None:
        """Count a step."""
        self._done += 1
        self._on_step(self._done, self._all)


def embed(model: Any, texts: Sequence[str]) -> FloatRows:
    """Return (n, dim) float32 unit rows."""
    return unit_rows(
        np.asarray(model.encode(list(texts), batch_size=_EMBED_BATCH, show_progress_bar=False), np.float32)
    )


def save(model: Any, folder: Path) -> None:
    """Write a model as sentence-transformers reads it."""
    with quiet():
        model.save(str(folder))


def hold_out(groups: Ints, *, seed: int) -> Bools:
    """Hold out a share of each answer's phrasings, of answers with three or more."""
    rng = np.random.default_rng([seed, 2])
    is_held = np.zeros(len(groups), np.bool_)
    for rows in _by_answer(groups):
        shuffled = rng.permutation(rows)
        if len(rows) >= 3:
            is_held[shuffled[: max(1, round(_HELD_OUT_SHARE * len(rows)))]] = True
    return is_held


def _by_answer(groups: Ints) -> Iterator[Ints]:
    """Yield the rows of each answer, of rejects none."""
    order = np.argsort(groups, kind="stable")
    _, starts = np.unique(groups[order], return_index=True)
    for rows in np.split(order, starts[1:]):
        if len(rows) and groups[rows[0]] >= 0:
            yield rows


def _coverage(model: Any, phrasings: Phrasings, is_held: Bools) -> float:
    """Return the mean best coverage by margin of held-out texts, each asked with and without its own answer.

    A reject that is nearest keeps its query from being served.
    """
    vectors, groups = embed(model, phrasings.texts), phrasings.groups
    scores = vectors[is_held] @ vectors[~is_held].T
    others, wanted = groups[~is_held], groups[is_held]
    asked = [(scores, wanted), (np.where(others[None, :] == wanted[:, None], -1.0, scores), np.full_like(wanted, -1))]
    margins, right = list[FloatRows](), list[Bools]()
    for found, answer in asked:
        candidate = others[found.argmax(axis=1)]
        rival = np.where(others[None, :] == candidate[:, None], -1.0, found).max(axis=1)
        is_guarded = candidate < 0
        margins.append(np.where(is_guarded, -2.0, found.max(axis=1) - rival).astype(np.float32))
        right.append(~is_guarded & (candidate == answer))
    curve = curve_of(np.concatenate(margins).astype(np.float64), np.concatenate(right))
    return mean_best_coverage(curve, _HELD_OUT_LEVELS)


def _epochs(model: Any, phrasings: Phrasings, seed: int, config: TuneConfig, steps: _Steps) -> Iterator[None]:
    """Train; yield after each epoch."""
    torch = _torch()
    rng = np.random.default_rng([seed, 3])
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.rate, weight_decay=0.01)
    n_steps = config.max_epochs * n_batches(phrasings.groups)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=n_steps)
    for _ in range(config.max_epochs):
        model.train()
        for rows in batches(phrasings.groups, rng):
            inputs = model.preprocess([phrasings.texts[i] for i in rows])
            loss = contrast(model(inputs)["sentence_embedding"], torch.as_tensor(phrasings.groups[rows]))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            steps.one()
        model.eval()
        yield


def n_batches(groups: Ints) -> int:
    """Return how many batches an epoch has."""
    n_pairs = sum((len(rows) + 1) // 2 for rows in _by_answer(groups) if len(rows) > 1)
    return -(-n_pairs // _BATCH_PAIRS)


def batches(groups: Ints, rng: np.random.Generator) -> Iterator[Ints]:
    """Yield rows, two of one answer beside each other, then the rejects of these answers, two an answer at most.

    Every phrasing of an answer of two or more comes at least once.
    """
    pairs = list[Ints]()
    for rows in _by_answer(groups):
        shuffled = rng.permutation(rows)
        if len(shuffled) % 2:
            shuffled = np.append(shuffled, shuffled[0])
        pairs += [shuffled[i : i + 2] for i in range(0, len(shuffled), 2) if shuffled[i] != shuffled[i + 1]]
    rejects = {int(~groups[row]): list[int]() for row in np.flatnonzero(groups < 0)}
    for row in rng.permutation(np.flatnonzero(groups < 0)).tolist():
        rejects[int(~groups[row])].append(row)
    order = rng.permutation(len(pairs))
    for start in range(0, len(order), _BATCH_PAIRS):
        chosen = np.concatenate([pairs[i] for i in order[start : start + _BATCH_PAIRS]])
        away = [row for answer in np.unique(groups[chosen]).tolist() for row in rejects.get(answer, [])[:2]]
        yield np.append(chosen, np.array(away, np.int64))


def contrast(vectors: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """Return the mean over all pairs of one answer of -log softmax, over what is no phrasing of it and the pair.

    Rejects, whose groups are negative, are drawn to nothing: they only are what phrasings are drawn away from.
    """
    torch = _torch()
    scores = vectors @ vectors.T / TEMPERATURE
    same = (groups[:, None] == groups[None, :]) & (groups >= 0)[:, None]
    apart = scores.masked_fill(same | torch.eye(len(groups), dtype=torch.bool), -torch.inf)
    others = torch.logsumexp(apart, dim=1, keepdim=True)
    is_pair = same & ~torch.eye(len(groups), dtype=torch.bool)
    return torch.nn.functional.softplus(others - scores)[is_pair].mean()


def _load(source: ModelSource, seed: int) -> Any:
    _torch().manual_seed(seed)
    return load_torch_model(source)


def _torch() -> Any:
    try:
        import torch  # noqa: PLC0415 - a second, build side only
    except ImportError as error:
        raise MissingExtraError("tuning an encoder", extra="build") from error
    return torch
