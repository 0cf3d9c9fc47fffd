"""The charts of the owner's pages: valid pictures from any figures, in which nothing is anybody's markup."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.web.stats.charts import Flag
from consent_mw.web.stats.charts import Frame
from consent_mw.web.stats.charts import Interval
from consent_mw.web.stats.charts import Run
from consent_mw.web.stats.charts import Tick
from consent_mw.web.stats.charts import bar
from consent_mw.web.stats.charts import count_scale
from consent_mw.web.stats.charts import rate_scale
from consent_mw.web.stats.charts import shares
from consent_mw.web.stats.charts import stacks
from consent_mw.web.stats.charts import time_line

SVG = "{http://www.w3.org/2000/svg}"
SERIES = ("accept", "partial", "reject", "unanswered")
HOSTILE = "</title><script>alert('\"&')</script>\x00\ud800"
NUMBERS = st.one_of(st.floats(), st.sampled_from([0.0, 0.5, 1.0, math.inf, -math.inf, math.nan]))
TEXTS = st.one_of(st.text(max_size=12), st.just(HOSTILE))


def parse(svg: str) -> ElementTree.Element:
    """Return the picture as a tree; what is not XML fails here."""
    return ElementTree.fromstring(svg)


def numbers(root: ElementTree.Element) -> list[tuple[str, float]]:
    """Return every number that places or sizes something, with the name of its attribute."""
    names = {"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height"}
    found = [
        (name, float(value.removesuffix("%")))
        for element in root.iter()
        for name, value in element.attrib.items()
        if name in names
    ]
    for element in root.iter():
        found += [("point", float(value)) for value in re.split(r"[ ,]", element.get("points", "")) if value]
    return found


def assert_sound(svg: str) -> ElementTree.Element:
    """Return the tree of a picture that is valid, bounded, and has a name."""
    root = parse(svg)
    for name, value in numbers(root):
        assert math.isfinite(value), name
        assert value >= 0 or name in {"y", "y1", "cy"}, (name, value)
    assert root.get("role") == "img"
    ids = {element.get("id"): element for element in root.iter() if element.get("id")}
    labels = (root.get("aria-labelledby") or "").split()
    assert labels
    assert all(label in ids for label in labels)
    assert not [element for element in root.iter() if element.tag.endswith("script")]
    return root


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """Any chart over any days."""
    first = draw(st.integers(-800_000, 800_000))
    last = first + draw(st.integers(-3, 1200))
    ticks = [Tick(draw(st.integers(first - 5, first + 1300)), draw(TEXTS), draw(st.integers(-1, 4))) for _ in range(2)]
    return Frame("one", draw(TEXTS), draw(TEXTS), first, last, ticks, draw(st.booleans()))


@st.composite
def runs(draw: st.DrawFn, frame: Frame) -> list[Run]:
    """Any runs, in order of time as the figures are."""
    found, day = [], frame.first - draw(st.integers(0, 20))
    for _ in range(draw(st.integers(0, 8))):
        first = day + draw(st.integers(0, 40))
        last = first + draw(st.integers(0, 40))
        rate = draw(st.none() | st.builds(Interval, NUMBERS, NUMBERS, NUMBERS))
        parts = tuple(draw(NUMBERS) for _ in SERIES)
        found.append(Run(first, last, draw(TEXTS), rate, parts))
        day = last + 1
    return found


@given(st.data(), st.lists(NUMBERS, max_size=6))
def test_any_figures_make_a_valid_line(data: st.DataObject, values: list[float]) -> None:
    """The line is XML without NaN or negative sizes, whatever the figures and the days are."""
    frame = data.draw(frames())
    given_runs = data.draw(runs(frame))
    flags = [
        Flag(data.draw(st.integers(-(10**6), 10**6)), number, HOSTILE) for number in range(data.draw(st.integers(0, 5)))
    ]
    scale = rate_scale(values)
    root = assert_sound(time_line(frame, given_runs, flags, scale, ["label"] * len(scale.ticks)))
    assert len(root.findall(f".//{SVG}g[@class='flag']")) == len(flags)


@given(st.data(), st.lists(NUMBERS, max_size=6))
def test_any_figures_make_valid_bars_over_time(data: st.DataObject, values: list[float]) -> None:
    """The stacked bars are XML without NaN or negative sizes, whatever the figures and the days are."""
    frame = data.draw(frames())
    scale = count_scale(values)
    assert_sound(stacks(frame, data.draw(runs(frame)), SERIES, ["label"] * len(scale.ticks), scale))


@given(TEXTS, NUMBERS, NUMBERS, NUMBERS, st.none() | NUMBERS, st.booleans())
def test_any_rate_makes_a_valid_bar(
    title: str, share: float, low: float, high: float, overall: float | None, rtl: bool
) -> None:
    """A bar is XML without NaN or negative sizes, whatever the rate is."""
    assert_sound(bar("one", title, Interval(share, low, high), overall=overall, rtl=rtl))


@given(TEXTS, st.lists(NUMBERS, max_size=5), st.booleans())
def test_any_parts_make_a_valid_whole(title: str, sizes: list[float], rtl: bool) -> None:
    """A shared bar is XML, and its parts are never more than the whole."""
    root = assert_sound(shares("one", title, [("accept", size) for size in sizes], rtl=rtl))
    widths = [float((rect.get("width") or "").removesuffix("%")) for rect in root.iter(f"{SVG}rect")]
    assert sum(widths) <= 100.1


@given(st.lists(NUMBERS, max_size=8))
def test_the_scale_of_rates_is_round_and_holds_them(values: list[float]) -> None:
    """The axis of rates stays within 0 and 1, holds every value, and has three to seven round ticks."""
    scale = rate_scale(values)
    assert 0 <= scale.bottom < scale.top <= 1
    assert 3 <= len(scale.ticks) <= 7
    for value in (min(1.0, max(0.0, value)) for value in values if math.isfinite(value)):
        assert scale.bottom - 1e-6 <= value <= scale.top + 1e-6
    for tick in scale.ticks:
        assert round(tick * 100, 6) == round(tick * 100), "a tick is a whole percentage"


@given(st.lists(st.floats(0, 1e12), max_size=8))
def test_the_scale_of_counts_is_round_and_holds_them(values: list[float]) -> None:
    """The axis of counts starts at nothing, holds every count, and has at most six ticks, all whole numbers."""
    scale = count_scale(values)
    assert scale.bottom == 0
    assert scale.top >= max(values, default=0) * (1 - 1e-6)
    assert 2 <= len(scale.ticks) <= 6
    assert all(tick == int(tick) for tick in scale.ticks)


@pytest.mark.parametrize("rtl", [False, True])
def test_time_runs_in_the_direction_of_reading(rtl: bool) -> None:
    """The first day stands at the left, or at the right where reading starts there; labels stand on that side too."""
    frame = Frame("one", "Title", "", 100, 109, (Tick(100, "first"), Tick(110, "end")), rtl)
    root = parse(time_line(frame, [], [], rate_scale([]), ["0", "25", "50", "75", "100"]))
    texts = {text.text: text for text in root.iter(f"{SVG}text")}
    assert texts["first"].get("x") == ("100%" if rtl else "0%")
    assert texts["end"].get("x") == ("0%" if rtl else "100%")
    assert texts["50"].get("x") == ("100%" if rtl else "0")


def test_the_area_of_a_bar_is_its_count() -> None:
    """Seven days with 70 answers are as high as one day with 10, and seven times as wide."""
    frame = Frame("one", "Title", "", 0, 7)
    found = [Run(0, 6, "", None, (70, 0, 0, 0)), Run(7, 7, "", None, (10, 0, 0, 0))]
    scale = count_scale([10])
    root = parse(stacks(frame, found, SERIES, [""] * len(scale.ticks), scale))
    week, day = root.findall(f".//{SVG}rect[@class='part accept']")
    assert week.get("height") == day.get("height")
    assert (week.get("width"), day.get("width")) == ("87.5%", "12.5%")


def test_one_day_is_drawn_as_a_dot_with_its_day() -> None:
    """A single figure has no line to stand on, so it gets a dot and a stroke as long as its days."""
    frame = Frame("one", "Title", "", 5, 5)
    scale = rate_scale([0.5])
    run = Run(5, 5, "note", Interval(0.5, 0.4, 0.6))
    root = parse(time_line(frame, [run], [], scale, [""] * len(scale.ticks)))
    extent = root.find(f".//{SVG}line[@class='extent']")
    assert extent is not None
    assert (extent.get("x1"), extent.get("x2")) == ("0%", "100%")
    assert root.find(f"{SVG}circle[@class='dot']") is not None


def test_a_day_among_others_has_a_dot_and_no_stroke_across() -> None:
    """A stroke says that a figure stands for several days; those of single days would look like errors of drawing."""
    rate = Interval(0.5, 0.4, 0.6)
    scale = rate_scale([0.4, 0.6])
    frame = Frame("one", "Title", "", 0, 6)
    week = [Run(day, day, "", rate) for day in range(7)]
    for runs_of, strokes in ((week, 0), ([*week[:5], Run(5, 6, "", rate)], 1)):
        root = parse(time_line(frame, runs_of, [], scale, [""] * len(scale.ticks)))
        assert len(root.findall(f".//{SVG}line[@class='extent']")) == strokes


def test_days_without_a_figure_are_a_gap() -> None:
    """The line stops where nothing was published, and goes on after it."""
    frame = Frame("one", "Title", "", 0, 99)
    rate = Interval(0.5, 0.4, 0.6)
    scale = rate_scale([0.4, 0.6])
    found = [Run(0, 9, "", rate), Run(10, 19, "", rate), Run(40, 49, "", rate)]
    root = parse(time_line(frame, found, [], scale, [""] * len(scale.ticks)))
    assert len(root.findall(f".//{SVG}polyline[@class='rate']")) == 2
    assert len(root.findall(f".//{SVG}polygon")) == 2


def test_flags_close_together_stand_above_each_other() -> None:
    """Two notices in one week do not cover each other's number."""
    frame = Frame("one", "Title", "", 0, 364)
    scale = rate_scale([])
    flags = [Flag(100, 1, "first"), Flag(103, 2, "second"), Flag(300, 3, "third")]
    root = parse(time_line(frame, [], flags, scale, [""] * len(scale.ticks)))
    heights = [circle.get("cy") for circle in root.iter(f"{SVG}circle")]
    assert heights[0] != heights[1]
    assert heights[0] == heights[2]


def test_parts_differ_by_more_than_colour() -> None:
    """Every part of a bar is filled with a pattern of its own."""
    frame = Frame("one", "Title", "", 0, 0)
    scale = count_scale([40])
    root = parse(stacks(frame, [Run(0, 0, "", None, (10, 10, 10, 10))], SERIES, [""] * len(scale.ticks), scale))
    fills = [rect.get("fill") for rect in root.iter(f"{SVG}rect") if (rect.get("class") or "").startswith("part")]
    assert fills == [f"url(#cmw-{name})" for name in SERIES]


def test_hostile_names_stay_text() -> None:
    """What is no markup of ours shows as text, in titles, descriptions, notes, ticks and flags."""
    frame = Frame("one", HOSTILE, HOSTILE, 0, 9, (Tick(3, HOSTILE),))
    scale = rate_scale([])
    run = Run(0, 9, HOSTILE, Interval(0.5, 0.4, 0.6))
    svg = time_line(frame, [run], [Flag(4, 1, HOSTILE)], scale, [HOSTILE] * len(scale.ticks))
    assert "<script" not in svg
    shown = [element.text for element in parse(svg).iter() if element.text and "alert" in element.text]
    assert len(shown) == 2 + 1 + 1 + 1 + len(scale.ticks)


def test_charts_need_no_inline_style() -> None:
    """No style attribute and no style element: the pages' policy allows neither."""
    frame = Frame("one", "Title", "About", 0, 9, (Tick(3, "3 May"),))
    scale = rate_scale([])
    run = Run(0, 9, "", Interval(0.5, 0.4, 0.6), (1, 2, 3, 4))
    pictures = [
        time_line(frame, [run], [Flag(4, 1, "x")], scale, [""] * len(scale.ticks)),
        stacks(frame, [run], SERIES, ["", ""], count_scale([1])),
        bar("one", "x", Interval(0.5, 0.4, 0.6), overall=0.4),
        shares("one", "x", [("accept", 1)]),
    ]
    assert not any("style" in picture for picture in pictures)
