"""
The charts of the owner's pages: pure functions from figures to SVG in HTML.

A chart fills the available width, on a phone or on paper, without scaling its
text: positions are percentages of the plot, text sizes and line widths are not.
So there is no ``viewBox``, except around curves, which are stretched. The plot
is the content box of the ``svg`` element; tick labels are in its padding.

Colours, dashes and patterns come from CSS classes and the fills of ``stats_patterns.html``, so that dark screens,
forced colours and paper have their own. A table next to each chart repeats everything that the chart shows. In a
right-to-left language, time and bars start at the right.

No numbers raise errors: values that are not finite are left out, and values out of range are drawn at the edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from consent_mw.notice.escaping import escape

#: Runs of this share of the chart's width get a dot, and a line across their days if they have several.
_WIDE = 0.04
#: Flags of revisions that are closer than this share of the width are stacked.
_FLAG = 0.075
_FLAG_TIERS = 3
#: The upper limit of a count axis: more than any site counts, and far below the largest float.
_MOST = 1e15


@dataclass(frozen=True, slots=True)
class Interval:
    """A share with its confidence interval; each number is from 0 to 1."""

    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Tick:
    """
    A label of the time axis.

    Args:
        place: The day that it marks.
        level: 0 is shown on every screen, 1 and 2 on wider ones only.
    """

    place: float
    label: str
    level: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """
    The common parts of charts over time.

    Args:
        id: The id of the element; unique in the page.
        title: The title.
        description: The chart in one sentence, for people who cannot see it.
        first: The first day of the chart.
        last: The last day.
        ticks: The labels of the time axis.
        rtl: Whether time runs from right to left.
        waiting: The first day without figures, if the last days have none yet.
    """

    id: str
    title: str
    description: str
    first: int
    last: int
    ticks: Sequence[Tick] = ()
    rtl: bool = False
    waiting: int | None = None

    def x(self, day: float) -> float:
        """Return the position of the start of a day, from 0 at the left to 1 at the right."""
        place = _bounded((day - self.first) / max(1, self.last + 1 - self.first))
        return 1 - place if self.rtl else place


@dataclass(frozen=True, slots=True)
class Run:
    """
    Whole days with one figure: ``rate`` for the line, ``parts`` for the bars.

    Args:
        note: The figures in words, shown while the pointer is over the run.
        parts: Counts in the order of the chart's series.
    """

    first: int
    last: int
    note: str = ""
    rate: Interval | None = None
    parts: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Flag:
    """An event on a day, with its number in the legend; ``own`` marks a note of the owner."""

    day: int
    number: int
    label: str
    own: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """The value axis, from ``bottom`` to ``top`` in steps."""

    bottom: float
    top: float
    step: float

    def y(self, value: float) -> float:
        """Return the position of a value, from 0 at the top to 1 at the bottom."""
        return 1 - _bounded((value - self.bottom) / (self.top - self.bottom))

    @property
    def ticks(self) -> list[float]:
        """The values that have a grid line."""
        count = round((self.top - self.bottom) / self.step)
        return [self.bottom + self.step * number for number in range(count + 1)]


def rate_scale(values: Iterable[float]) -> Scale:
    """Return an axis from 0 to 1, or a narrower one around the values if they are close together."""
    known = [_bounded(value) for value in values if math.isfinite(value)]
    if not known:
        return Scale(0, 1, 0.25)
    for step in (0.05, 0.1, 0.2):
        bottom = math.floor(min(known) / step + 1e-9) * step
        # A margin keeps the line away from the edge.
        top = max(math.ceil((max(known) + step / 4) / step - 1e-9) * step, bottom + 4 * step)
        if top > 1:
            bottom, top = min(bottom, 1 - 4 * step), 1.0
        if round((top - bottom) / step) <= 5:
            return Scale(round(max(0.0, bottom), 9), round(top, 9), step)
    return Scale(0, 1, 0.2)


def count_scale(values: Iterable[float]) -> Scale:
    """Return an axis from 0 to a round number that is at least the largest value."""
    highest = max((min(value, _MOST) for value in values if math.isfinite(value)), default=0)
    if highest <= 0:
        return Scale(0, 1, 1)
    magnitude = 10.0 ** math.floor(math.log10(highest / 4)) if highest >= 4 else 1.0
    step = next(size * magnitude for size in (1, 2, 2.5, 5, 10) if size * magnitude * 4 >= highest * (1 - 1e-9))
    if magnitude == 1.0 and step == 2.5:
        step = 5.0  # ticks are whole visits
    return Scale(0, step * max(1, math.ceil(highest / step - 1e-9)), step)


def time_line(
    frame: Frame,
    runs: Sequence[Run],
    flags: Sequence[Flag],
    scale: Scale,
    labels: Sequence[str],
    beside: Sequence[Run] = (),
    before: Sequence[Run] = (),
) -> str:
    """
    Return a rate over time as a line, with its confidence band and the flags.

    Args:
        runs: In chronological order; a run without a rate is a gap.
        labels: The labels of the scale's ticks.
        beside: Another rate for comparison, drawn as a thin line without a band.
        before: The same rate in the previous period, moved to the days of the chart; drawn likewise.
    """
    known = [run for run in runs if run.rate is not None and _finite(run.rate)]
    tiers = _tiers(frame, flags)
    pieces = _pieces(known)
    thin = {
        look: _pieces([run for run in others if run.rate is not None and _finite(run.rate)])
        for look, others in (("before", before), ("beside", beside))
    }
    curves = [
        *(_band(frame, scale, piece) for piece in pieces),
        *(_line(frame, scale, piece, look) for look, others in thin.items() for piece in others),
        *(_line(frame, scale, piece, "rate") for piece in pieces),
    ]
    body = [
        *_waiting(frame),
        *_value_axis(frame, scale, labels),
        *_time_axis(frame),
        '<svg class="curves" viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%" height="100%">',
        *curves,
        "</svg>",
        *(
            _extent(frame, scale, run, alone=len(known) == 1)
            for run in known
            if len(known) == 1 or _width(frame, run) >= _WIDE
        ),
        *(_flag(frame, flag, tier) for flag, tier in zip(flags, tiers, strict=True)),
        *(_readout(frame, run, scale.y(run.rate.share)) for run in known if run.rate is not None),
    ]
    return _svg(frame.id, f"chart line tiers-{max(tiers, default=-1) + 1}", frame.title, frame.description, body)


def stacks(frame: Frame, runs: Sequence[Run], series: Sequence[str], labels: Sequence[str], scale: Scale) -> str:
    """
    Return stacked bars over time, each as wide as its days.

    Args:
        runs: Runs with one part for each series. The height is the count per day, so the area is the count.
        series: Names of the parts, the lowest first; each name is a CSS class and a pattern.
        labels: The labels of the scale's ticks.
    """
    body = [*_waiting(frame), *_value_axis(frame, scale, labels), *_time_axis(frame)]
    for run in runs:
        left, width = min(frame.x(run.first), frame.x(run.last + 1)), _width(frame, run)
        if width <= 0:
            continue
        floor = 0.0
        for name, part in zip(series, run.parts, strict=True):
            ceiling = floor + (max(0.0, part) if math.isfinite(part) else 0.0) / (run.last + 1 - run.first)
            top, height = scale.y(ceiling), scale.y(floor) - scale.y(ceiling)
            floor = ceiling
            if height > 0:
                body.append(_rect(f"part {name}", left, top, width, height, fill=name))
        body.append(_readout(frame, run, None))
    return _svg(frame.id, "chart stacks", frame.title, frame.description, body)


def bar(id: str, title: str, interval: Interval, *, overall: float | None = None, rtl: bool = False) -> str:
    """
    Return a rate as a bar, with its interval as whiskers.

    Args:
        overall: The rate of all visitors, drawn as a line for comparison.
    """

    def x(value: float) -> float:
        return 1 - _bounded(value) if rtl else _bounded(value)

    share, low, high = _bounded(interval.share), _bounded(interval.low), _bounded(interval.high)
    body = [_rect("track", 0, 0.28, 1, 0.44), _rect("fill", min(x(0), x(share)), 0.28, share, 0.44)]
    if overall is not None and math.isfinite(overall):
        body.append(_rule("overall", x(overall), x(overall), 0, 1))
    # The part of the interval inside the bar is cut out of the bar; the rest is drawn outside.
    middle = min(max(share, low), high) if low <= high else share
    body += [_rule("inner", x(low), x(middle), 0.5, 0.5), _rule("inner", x(low), x(low), 0.28, 0.72)]
    body += [_rule("outer", x(middle), x(high), 0.5, 0.5), _rule("outer", x(high), x(high), 0.2, 0.8)]
    return _svg(id, "bar", title, "", body)


def shares(id: str, title: str, parts: Sequence[tuple[str, float]], *, rtl: bool = False) -> str:
    """Return one bar that is divided into named parts, in order; an empty bar if all parts are zero."""
    sizes = [(name, max(0.0, size)) for name, size in parts if math.isfinite(size)]
    total = sum(size for _, size in sizes)
    body, done = [], 0.0
    for name, size in sizes:
        width = size / total if total > 0 and math.isfinite(total) else 0.0
        if width > 0:
            body.append(_rect(f"part {name}", 1 - done - width if rtl else done, 0, width, 1, fill=name))
            done += width
    return _svg(id, "shares", title, "", body)


# -- axes


def _waiting(frame: Frame) -> list[str]:
    if frame.waiting is None or frame.waiting > frame.last:
        return []
    left, right = sorted((frame.x(frame.waiting), frame.x(frame.last + 1)))
    return [_rect("waiting", left, 0, right - left, 1, fill="waiting")]


def _value_axis(frame: Frame, scale: Scale, labels: Sequence[str]) -> list[str]:
    # The labels end at the start of the plot, in the writing direction, which "end" follows.
    side = 'x="100%" dx="8"' if frame.rtl else 'x="0" dx="-8"'
    found = []
    for number, (value, label) in enumerate(zip(scale.ticks, labels, strict=True)):
        y = scale.y(value)
        found.append(_rule("grid zero" if number == 0 else "grid", 0, 1, y, y))
        found.append(f'<text class="tick" {side} y="{_part(y)}" dy=".32em" text-anchor="end">{escape(label)}</text>')
    return found


def _time_axis(frame: Frame) -> list[str]:
    found = []
    for tick in frame.ticks:
        x = frame.x(tick.place)
        level = f"level-{min(2, max(0, tick.level))}"
        found.append(
            f'<text class="tick {level}" x="{_part(x)}" y="100%" dy="1.55em" text-anchor="middle">'
            f"{escape(tick.label)}</text>"
        )
    return found


# -- parts of the line


def _pieces(runs: Sequence[Run]) -> list[list[Run]]:
    """Return the runs, split at every gap of a day or more."""
    pieces: list[list[Run]] = [[run] for run in runs[:1]]
    for before, run in pairwise(runs):
        if run.first > before.last + 1:
            pieces.append([])
        pieces[-1].append(run)
    return pieces


def _path(frame: Frame, scale: Scale, piece: Sequence[Run], which: str) -> list[tuple[float, float]]:
    """Return the points of one edge: through the middle of every run, and horizontal at both ends."""
    values = [(run, getattr(run.rate, which)) for run in piece]
    points = [(frame.x((run.first + run.last + 1) / 2), scale.y(value)) for run, value in values]
    start = (frame.x(piece[0].first), points[0][1])
    return [start, *points, (frame.x(piece[-1].last + 1), points[-1][1])]


def _line(frame: Frame, scale: Scale, piece: Sequence[Run], look: str) -> str:
    points = _points(_path(frame, scale, piece, "share"))
    return f'<polyline class="{look}" points="{points}" vector-effect="non-scaling-stroke"/>'


def _band(frame: Frame, scale: Scale, piece: Sequence[Run]) -> str:
    low, high = (_points(_path(frame, scale, piece, end)) for end in ("low", "high"))
    back = " ".join(reversed(high.split(" ")))
    edges = "".join(
        f'<polyline class="edge" points="{end}" vector-effect="non-scaling-stroke"/>' for end in (low, high)
    )
    return f'<polygon class="band" points="{low} {back}"/>{edges}'


def _points(path: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x * 1000:.1f},{y * 1000:.1f}" for x, y in path)


def _extent(frame: Frame, scale: Scale, run: Run, *, alone: bool) -> str:
    if run.rate is None:
        return ""
    y, x = scale.y(run.rate.share), frame.x((run.first + run.last + 1) / 2)
    several = run.last > run.first or alone
    extent = _rule("extent", frame.x(run.first), frame.x(run.last + 1), y, y) if several else ""
    return extent + f'<circle class="dot" cx="{_part(x)}" cy="{_part(y)}" r="4"/>'


def _tiers(frame: Frame, flags: Sequence[Flag]) -> list[int]:
    """Return the tier of each flag, so that neighbours do not overlap."""
    ends = [-1.0] * _FLAG_TIERS
    found = []
    for flag in flags:
        place = _bounded((flag.day - frame.first) / max(1, frame.last + 1 - frame.first))
        tier = next((tier for tier, end in enumerate(ends) if place - end >= _FLAG), _FLAG_TIERS - 1)
        ends[tier] = place
        found.append(tier)
    return found


def _flag(frame: Frame, flag: Flag, tier: int) -> str:
    x, up = _part(frame.x(flag.day)), -(12 + 22 * tier)
    look = "flag own" if flag.own else "flag"
    # The owner's notes differ by shape as well.
    box = f'<circle cx="{x}" cy="{up}" r="10"/>'
    if flag.own:
        box = f'<rect x="{x}" y="{up}" width="20" height="20" rx="4" transform="translate(-10 -10)"/>'
    return (
        f'<g class="{look}"><line class="mark" x1="{x}" x2="{x}" y1="{up}" y2="100%"/>'
        f'{box}<text x="{x}" y="{up}" dy=".34em" text-anchor="middle">'
        f"{flag.number}</text><title>{escape(flag.label)}</title></g>"
    )


def _readout(frame: Frame, run: Run, y: float | None) -> str:
    """Return the element that shows a run's figures while the pointer is over it, without a script."""
    left, width = min(frame.x(run.first), frame.x(run.last + 1)), _width(frame, run)
    middle = left + width / 2
    dot = "" if y is None else f'<circle class="dot" cx="{_part(middle)}" cy="{_part(y)}" r="4.5"/>'
    side = "100%" if frame.rtl else "0"
    return (
        f'<g class="run"><rect class="hit" x="{_part(left)}" y="0" width="{_part(width)}" height="100%"/>{dot}'
        f'<text class="note" x="{side}" y="0" dy="1.1em">{escape(run.note)}</text></g>'
    )


# -- bits of SVG


def _svg(id: str, look: str, title: str, description: str, body: Iterable[str]) -> str:
    names = f"{id}-t" + (f" {id}-d" if description else "")
    told = f'<desc id="{escape(id)}-d">{escape(description)}</desc>' if description else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{look}" role="img" aria-labelledby="{escape(names)}">'
        f'<title id="{escape(id)}-t">{escape(title)}</title>{told}{"".join(body)}</svg>'
    )


def _rect(look: str, x: float, y: float, width: float, height: float, *, fill: str = "") -> str:
    painted = f' fill="url(#cmw-{fill})"' if fill else ""
    return (
        f'<rect class="{look}" x="{_part(x)}" y="{_part(y)}" width="{_part(width)}" height="{_part(height)}"{painted}/>'
    )


def _rule(look: str, x1: float, x2: float, y1: float, y2: float) -> str:
    return f'<line class="{look}" x1="{_part(x1)}" x2="{_part(x2)}" y1="{_part(y1)}" y2="{_part(y2)}"/>'


def _width(frame: Frame, run: Run) -> float:
    return abs(frame.x(run.last + 1) - frame.x(run.first))


def _part(value: float) -> str:
    """Return a position or size as a percentage of the plot."""
    return f"{_bounded(value) * 100:.2f}".rstrip("0").rstrip(".") + "%"


def _bounded(value: float) -> float:
    return min(1.0, max(0.0, value)) if math.isfinite(value) else 0.0


def _finite(interval: Interval) -> bool:
    return all(map(math.isfinite, (interval.share, interval.low, interval.high)))
