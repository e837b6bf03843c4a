"""Draws charts as inline SVG: no library, no script, colours by class so that a page can be light or dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from semcache.core.metrics import Bin

Point = tuple[float, float]

WIDTH, HEIGHT = 560, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 26, 14, 46
_LABEL_GAP = 15
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A point of the coverage-error curve with its interval, all shares of 0 to 1."""

    coverage: float
    error: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A certified level on the curve: what was promised, and what happened. Shares of 0 to 1.

    Attributes:
        max_error: the level.
        coverage, error: of these queries.
        is_broken: whether the error is over the level by more than chance allows.
    """

    max_error: float
    coverage: float
    error: float
    is_broken: bool = False

    @property
    def mood(self) -> str:
        """How it came out: "kept", "over" by no more than chance allows, or "broken"."""
        return "broken" if self.is_broken else "over" if self.error > self.max_error else "kept"


@dataclass(frozen=True, slots=True)
class _Axes:
    """Maps shares to pixels: x 0 to x_max, y 0 to y_max."""

    x_max: float
    y_max: float

    def x(self, value: float) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * value / self.x_max, 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / self.y_max, 1)

    def path(self, points: Iterable[Point]) -> str:
        return "L".join(f"{self.x(x)} {self.y(y)}" for x, y in points)


def curve_chart(points: Sequence[CurvePoint], marks: Sequence[Mark]) -> str:
    """Return the coverage-error curve with its interval, and each certified level as a line and a dot.

    The error axis ends a little over the levels: what is far beyond them leaves the chart at its top.
    """
    axes = _Axes(1.0, curve_top(points, marks))
    band = [(p.coverage, p.high) for p in points] + [(p.coverage, p.low) for p in reversed(points)]
    parts = [*_frame(axes, "coverage: hits / queries", "error: wrong hits / hits")]
    parts.append('<g clip-path="url(#plot)">')
    if points:
        parts.append(f'<path class="band" d="M{axes.path(band)}Z"/>')
        parts.append(f'<path class="line" d="M{axes.path((p.coverage, p.error) for p in points)}"/>')
    parts.append("</g>")
    parts += _marks(axes, marks) if points else [_nothing(axes)]
    return _svg("Coverage-error curve", parts)


def curve_top(points: Sequence[CurvePoint], marks: Sequence[Mark]) -> float:
    """Return where the error axis ends: a little over the levels; where none is certified, so that all can be seen."""
    wanted = max((1.6 * max(mark.max_error, mark.error) for mark in marks), default=1.0)
    highest = max((point.high for point in points), default=1.0)
    return min(1.0, max(0.02, min(wanted, 1.1 * highest if highest else 1.0)))


def _marks(axes: _Axes, marks: Sequence[Mark]) -> list[str]:
    """Draw each level: a dotted line at what was promised, a dot at what happened; labels that do not collide."""
    parts, last_y = [], float(HEIGHT)
    for max_error in sorted({mark.max_error for mark in marks}):
        y = axes.y(max_error)
        label_y = min(y - 4, last_y - _LABEL_GAP)
        last_y = label_y
        parts.append(f'<path class="level" d="M{axes.path([(0, max_error), (1, max_error)])}"/>')
        place = f'x="{axes.x(1) - 4}" y="{label_y}"'
        parts.append(f'<text class="label" {place} text-anchor="end">{level_name(max_error)}</text>')
    for mark in marks:
        told = f"{level_name(mark.max_error)} certified: coverage {percent(mark.coverage)}, error {percent(mark.error)}"
        x, y = axes.x(mark.coverage), axes.y(min(mark.error, axes.y_max))
        parts.append(f'<path class="stem" d="M{x} {y}V{axes.y(mark.max_error)}"/>')
        parts.append(
            f'<circle class="dot {mark.mood}" cx="{x}" cy="{y}" r="5.5"><title>{escape(told)}</title></circle>'
        )
    return parts


def calibration_chart(bins: Sequence[Bin]) -> str:
    """Return mean confidence against the share that is right, one dot a bin, and below how many are in each."""
    axes = _Axes(1.0, 1.0)
    parts = [*_frame(axes, "confidence", "share that is right")]
    most = max((b.n for b in bins), default=0) or 1
    for b in bins:
        if b.n:
            left, right, top = axes.x(b.low), axes.x(b.high), axes.y(0.28 * b.n / most)
            told = f"{b.n} candidates with confidence {b.low:.2f} to {b.high:.2f}"
            box = f'x="{left + 1}" y="{top}" width="{round(right - left - 2, 1)}" height="{round(axes.y(0) - top, 1)}"'
            parts.append(f'<rect class="bar" {box}><title>{told}</title></rect>')
    parts.append(f'<path class="ideal" d="M{axes.path([(0, 0), (1, 1)])}"/>')
    seen = [(b.confidence, b.share_right, b.n) for b in bins if b.confidence is not None and b.share_right is not None]
    if seen:
        parts.append(f'<path class="line thin" d="M{axes.path((c, s) for c, s, _ in seen)}"/>')
    else:
        parts.append(_nothing(axes))
    for confidence, share, n in seen:
        told = f"{n} candidates: confidence {percent(confidence)}, right {percent(share)}"
        place = f'cx="{axes.x(confidence)}" cy="{axes.y(share)}"'
        parts.append(
            f'<circle class="dot" {place} r="{round(3 + 4 * (n / most) ** 0.5, 1)}"><title>{told}</title></circle>'
        )
    return _svg("Calibration plot", parts)


def _nothing(axes: _Axes) -> str:
    place = f'x="{axes.x(axes.x_max / 2)}" y="{axes.y(axes.y_max / 2)}"'
    return f'<text class="label" {place} text-anchor="middle">no query has a candidate</text>'


def share_bar(right: float, wrong: float) -> str:
    """Return a small bar: the share served rightly, then the share served wrongly."""
    width, height = 120, 10
    a, b = round(width * right, 1), round(width * wrong, 1)
    return (
        f'<svg class="mini" viewBox="0 0 {width} {height}" width="{width}" height="{height}" aria-hidden="true">'
        f'<rect class="rest" width="{width}" height="{height}" rx="2"/>'
        f'<rect class="right" width="{a}" height="{height}" rx="2"/>'
        f'<rect class="wrong" x="{a}" width="{b}" height="{height}"/></svg>'
    )


def percent(share: float) -> str:
    """Return a measured share as a percentage: one digit after the point, two under 1 %."""
    value = 100 * share
    return f"{value:.{2 if 0 < value < 0.995 else 0 if value in {0, 100} else 1}f} %"


def level_name(share: float) -> str:
    """Return a share that somebody chose as a percentage, without closing zeros: 0.5 %, 2 %."""
    return f"{100 * share:.4g} %"


def _frame(axes: _Axes, x_name: str, y_name: str) -> Iterable[str]:
    """Yield grid lines, their numbers and the names of the axes."""
    bottom, right = axes.y(0), axes.x(axes.x_max)
    for value in _ticks(axes.y_max):
        y = axes.y(value)
        yield f'<path class="grid" d="M{_LEFT} {y}H{right}"/>'
        yield f'<text class="tick" x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{level_name(value)}</text>'
    for value in _ticks(axes.x_max):
        x = axes.x(value)
        yield f'<path class="grid" d="M{x} {_TOP}V{bottom}"/>'
        yield f'<text class="tick" x="{x}" y="{bottom + 18}" text-anchor="middle">{level_name(value)}</text>'
    middle = (_LEFT + right) / 2
    yield f'<text class="axis" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_name)}</text>'
    turn = f"translate(13 {(_TOP + bottom) / 2}) rotate(-90)"
    yield f'<text class="axis" transform="{turn}" text-anchor="middle">{escape(y_name)}</text>'


def _ticks(top: float) -> list[float]:
    step = next((step for step in (0.002, 0.005, *_STEPS) if top / step <= 6), 0.25)
    return [round(i * step, 4) for i in range(int(top / step + 1e-9) + 1)]


def _svg(title: str, parts: Iterable[str]) -> str:
    box = f'x="{_LEFT}" y="{_TOP}" width="{WIDTH - _LEFT - _RIGHT}" height="{HEIGHT - _TOP - _BOTTOM}"'
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
    return f'{head}<defs><clipPath id="plot"><rect {box}/></clipPath></defs>{"".join(parts)}</svg>'
