"""The curve and the calibration plot of an evaluation as one image. The only file that knows matplotlib."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from semcache.cli.charts import curve_top, level_name
from semcache.cli.evaluation import curve_points, marks
from semcache.errors import MissingExtraError
from semcache.lookup.evaluate import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _SOFT = "#2463c9", "#5c6875"
_COLOURS = {"kept": _BLUE, "over": "#9a6200", "broken": "#c4372d"}


def png_report(evaluation: Evaluation) -> bytes:
    """Return the charts as a PNG image.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise MissingExtraError("drawing a PNG", extra="plots") from error
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_curve(left, evaluation)
    _draw_calibration(right, evaluation)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e1e5ea", linewidth=0.8)
        axes.set_axisbelow(True)
    figure.suptitle(f"{evaluation.name}: {evaluation.n_queries:,} queries", fontsize=12, parse_math=False)
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=150)
    return target.getvalue()


def _draw_curve(axes: Axes, evaluation: Evaluation) -> None:
    points, levels = curve_points(evaluation), marks(evaluation)
    coverage = [p.coverage for p in points]
    axes.fill_between(coverage, [p.low for p in points], [p.high for p in points], color=_BLUE, alpha=0.15, linewidth=0)
    axes.plot(coverage, [p.error for p in points], color=_BLUE, linewidth=1.8)
    top = curve_top(points, levels)
    for mark in levels:
        axes.axhline(mark.max_error, color=_SOFT, linewidth=0.8, linestyle=":")
        axes.annotate(level_name(mark.max_error), (1, mark.max_error), ha="right", va="bottom", fontsize=8)
        place = [mark.coverage], [min(mark.error, top)]
        axes.plot(*place, "o", color=_COLOURS[mark.mood], markersize=6, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, top), xlabel="coverage: hits / queries", ylabel="error: wrong hits / hits")
    axes.set_title("Coverage and error, certified levels", fontsize=10)


def _draw_calibration(axes: Axes, evaluation: Evaluation) -> None:
    bins = [b for b in evaluation.bins if b.confidence is not None and b.share_right is not None]
    most = max((b.n for b in bins), default=1)
    axes.bar([(b.low + b.high) / 2 for b in bins], [0.28 * b.n / most for b in bins], width=0.06, color="#c9d3df")
    axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=1, linestyle="--")
    confidences, shares = [b.confidence or 0.0 for b in bins], [b.share_right or 0.0 for b in bins]
    axes.plot(confidences, shares, color=_BLUE, linewidth=1.2)
    axes.scatter(confidences, shares, s=[12 + 60 * b.n / most for b in bins], color=_BLUE, zorder=3)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence", ylabel="share that is right")
    axes.set_title("Calibration", fontsize=10)
