"""The certificate holds what it promises: over many draws, the true error exceeds its level in at most alpha of them.

Confidences are uniform, so that the true error at every threshold is known exactly. Each rule that is a little too lax
is held to fail the very same test: a guarantee that nothing could break would be no test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from semcache.core.certify import binomial_tail, certify, fixed_grid, hits_and_wrong

ALPHA = 0.05
N_DRAWS = 1000
MOST_WRONG_DRAWS = next(k for k in range(N_DRAWS) if binomial_tail(k, N_DRAWS, ALPHA) >= 0.999)
"""A rule that errs in exactly 5 % of the draws errs in more than these 73 in one test of a thousand."""
N_QUERIES = 2000
N_GRID = 50

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Rule = Callable[[Floats, Bools, Floats, float], float | None]
_FINE = np.linspace(1, 0, 20_001)


@dataclass(frozen=True)
class World:
    """How often the answer is wrong at each confidence, for one level of error."""

    risk: Callable[[Floats], Floats]

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Floats, Bools]:
        """Draw queries: confidences, and whether each answer is right."""
        confidences = rng.random(n)
        return confidences, rng.random(n) >= self.risk(confidences)

    def errors(self) -> Floats:
        """Give the true error of serving at or over each point of `_FINE`."""
        middles = (_FINE[1:] + _FINE[:-1]) / 2
        sums = np.cumsum(self.risk(middles))
        return np.concatenate(([self.risk(_FINE[:1])[0]], sums / np.arange(1, len(_FINE))))


def at_the_level(level: float) -> World:
    """Make every threshold a little too dangerous: whatever is certified is a violation."""
    return World(lambda c: np.full_like(c, level * 1.001))


def rising(level: float) -> World:
    """Make the error grow as the confidence falls, as it should."""
    return World(lambda c: level / 4 + 12 * level * (1 - c) ** 3)


def worst_at_the_top(level: float) -> World:
    """Make the most confident answers the worst ones."""
    return World(lambda c: np.where(c > 0.9, 3 * level, level * (0.65 + 0.7 * (1 - c))))


def waves(level: float) -> World:
    """Make safe and dangerous thresholds take turns."""
    return World(lambda c: level * (1 + 0.9 * np.sin(40 * c)))


def cliff(level: float) -> World:
    """Make everything right above one half, and wrong below."""
    return World(lambda c: np.where(c > 0.5, level / 5, 0.9))


def certified(confidences: Floats, is_right: Bools, grid: Floats, level: float) -> float | None:
    """Take the threshold that is certified."""
    (found,) = certify(confidences, is_right, grid=grid, alpha=ALPHA, levels=[level])
    return found.threshold


def among_others(confidences: Floats, is_right: Bools, grid: Floats, level: float) -> float | None:
    """Take the threshold that is certified beside stricter levels, whose thresholds count for this one too."""
    *_, found = certify(confidences, is_right, grid=grid, alpha=ALPHA, levels=[level / 4, level / 2, level])
    return found.threshold


def one_step_too_lax(confidences: Floats, is_right: Bools, grid: Floats, level: float) -> float | None:
    """Take the first threshold that fails instead of the last that passes."""
    threshold = certified(confidences, is_right, grid, level)
    return None if threshold is None else float(grid[min(len(grid) - 1, int((grid >= threshold).sum()))])


def any_that_passes(confidences: Floats, is_right: Bools, grid: Floats, level: float) -> float | None:
    """Take the least strict threshold that passes by itself, past those that fail."""
    hits, wrong = hits_and_wrong(confidences, is_right, grid)
    pairs = zip(wrong.tolist(), hits.tolist(), strict=True)
    passing = [i for i, (w, n) in enumerate(pairs) if binomial_tail(w, n, level) <= ALPHA]
    return float(grid[passing[-1]]) if passing else None


def as_observed(confidences: Floats, is_right: Bools, grid: Floats, level: float) -> float | None:
    """Take the least strict threshold whose observed error is the level or less."""
    hits, wrong = hits_and_wrong(confidences, is_right, grid)
    passing = np.flatnonzero((wrong <= level * hits) & (hits > 0))
    return float(grid[passing[-1]]) if len(passing) else None


@cache
def n_violations(rule: Rule, make_world: Callable[[float], World], level: float) -> tuple[int, int]:
    """Count the draws in which the true error is over the level, and those with a threshold at all."""
    world = make_world(level)
    rng = np.random.default_rng(20_240)
    errors, n_wrong, n_certified = world.errors(), 0, 0
    for _ in range(N_DRAWS):
        grid = fixed_grid(world.draw(rng, N_QUERIES)[0], N_GRID)
        confidences, is_right = world.draw(rng, N_QUERIES)
        threshold = rule(confidences, is_right, grid, level)
        if threshold is not None:
            n_certified += 1
            n_wrong += bool(np.interp(threshold, _FINE[::-1], errors[::-1]) > level)
    return n_wrong, n_certified


@pytest.mark.parametrize("level", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("world", [at_the_level, rising, worst_at_the_top, waves, cliff])
def test_the_true_error_exceeds_the_level_in_at_most_alpha_of_the_draws(
    world: Callable[[float], World], level: float
) -> None:
    """Whatever shape the error has over the confidence, with one level or with stricter ones beside it."""
    assert n_violations(certified, world, level)[0] <= MOST_WRONG_DRAWS == 73
    assert n_violations(among_others, world, level)[0] <= MOST_WRONG_DRAWS


@pytest.mark.parametrize("level", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("world", [rising, cliff])
def test_the_guarantee_is_not_bought_with_certifying_nothing(world: Callable[[float], World], level: float) -> None:
    """Where much is safe, many draws certify something, also of only 2,000 queries."""
    assert n_violations(certified, world, level)[1] > N_DRAWS // 3


def mislabelled() -> World:
    """Make four labels of a thousand wrong, whatever the confidence; the rest fails in the last quarter."""
    return World(lambda c: 0.004 + 0.99 / (1 + np.exp(-((1 - c) - 0.75) * 14)))


def test_mislabelled_queries_do_not_end_the_walk_at_its_start() -> None:
    """Of 10,000 queries 53 % could be served at 1 %; several starts certify 39 %, a single one 6 %."""
    rng, world, coverage = np.random.default_rng(1), mislabelled(), []
    for _ in range(100):
        grid = fixed_grid(world.draw(rng, 10_000)[0])
        threshold = certified(*world.draw(rng, 10_000), grid, 0.01)
        coverage.append(0.0 if threshold is None else 1 - threshold)
    assert np.mean(coverage) > 0.35


@pytest.mark.parametrize("level", [0.01, 0.02, 0.05])
@pytest.mark.parametrize(
    ("rule", "world"), [(one_step_too_lax, cliff), (any_that_passes, at_the_level), (as_observed, at_the_level)]
)
def test_a_certificate_that_is_too_lax_is_found_out(rule: Rule, world: Callable[[float], World], level: float) -> None:
    """The test above fails for it."""
    assert n_violations(rule, world, level)[0] > MOST_WRONG_DRAWS
