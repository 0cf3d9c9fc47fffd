"""The values for the template of the figures page, and the selection and names of table rows and columns."""

from __future__ import annotations

from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from consent_mw.core.counts import BROWSER
from consent_mw.core.counts import ISP
from consent_mw.core.counts import LANGUAGE
from consent_mw.core.counts import OS
from consent_mw.core.counts import OTHER
from consent_mw.core.counts import SIGNAL
from consent_mw.core.counts import UNKNOWN
from consent_mw.core.counts import VARIANT
from consent_mw.notice.wording import language_name
from consent_mw.stats import Row
from consent_mw.web.stats.events import TimeLineEvent
from consent_mw.web.stats.words import PageWords

#: Rows of a table that are shown until the owner asks for all of them.
ROWS = 8
#: The order of the tables; the optional ones are left out if they have only one row, which says nothing.
TABLES = (BROWSER, OS, ISP, LANGUAGE, SIGNAL, VARIANT)
OPTIONAL = frozenset({SIGNAL, VARIANT})

#: The ways to divide all visits among columns, the finest first.
PARTITIONS = (
    ("accept", "partial", "reject", "unanswered"),
    ("granted", "reject", "unanswered"),
    ("granted", "ungranted"),
    ("answered", "unanswered"),
    ("asked",),
)
#: The parts of a bar from bottom to top: grants are at the bottom.
SERIES = ("accept", "granted", "partial", "answered", "reject", "unanswered", "ungranted", "asked")

NAMES = {
    "chrome": "Chrome",
    "edge": "Edge",
    "firefox": "Firefox",
    "safari": "Safari",
    "samsung-internet": "Samsung Internet",
    "opera": "Opera",
    "brave": "Brave",
    "duckduckgo": "DuckDuckGo",
    "windows": "Windows",
    "macos": "macOS",
    "ios": "iOS",
    "android": "Android",
    "linux": "Linux",
    "chromeos": "ChromeOS",
}


@dataclass(frozen=True, slots=True)
class Data:
    """A table of texts; the first cell of each row is its header."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Key:
    """A key figure; ``figure`` is empty if nothing was published."""

    title: str
    figure: str
    picture: Markup = Markup("")
    notes: tuple[str, ...] = ()
    change: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class CardRow:
    """One row of a card: its name, whether it sums up the remaining rows, its bar and its rate."""

    name: str
    rest: bool
    picture: Markup
    value: str


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """An entry of a legend: a CSS class of the charts, its label, and its value."""

    name: str
    label: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """
    Rates next to each other.

    Args:
        note: What the rates are, or why there are none; empty if the heading says it.
        total: The number of rows, if not all of them are shown.
        focused: Whether the owner asked for all rows.
    """

    id: str
    title: str
    name: str
    entries: tuple[CardRow, ...]
    data: Data
    note: str
    total: int = 0
    focused: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart over time with its legend and table; ``picture`` is empty if there is nothing to draw."""

    title: str
    picture: Markup
    legend: tuple[LegendEntry, ...]
    data: Data
    events: tuple[TimeLineEvent, ...] = ()
    whole: Markup = Markup("")


def finest(totals: Container[str]) -> tuple[str, ...]:
    """Return the finest way to divide all visits for which the totals are known."""
    return next((each for each in PARTITIONS if all(column in totals for column in each)), ())


def told_columns(parts: Iterable[str], known: Container[str]) -> list[str]:
    """Return the columns of a table: the totals, and the outcomes of visits."""
    shown = {"asked", "answered", *parts}
    order = dict.fromkeys(("asked", "answered", *SERIES))
    return [name for name in order if name in shown and name in known]


def is_rest(row: Row) -> bool:
    return row.value in {OTHER, UNKNOWN}


def first_rows(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the first rows, followed by those that sum up the rest."""
    named = [row for row in rows if not is_rest(row)]
    rests = [row for row in rows if is_rest(row)]
    room = max(1, ROWS - len(rests))
    # One more row takes no more space than a link to it would.
    return (*(named if len(named) <= room + 1 else named[:room]), *rests)


def value_name(words: PageWords, table: str, value: str) -> str:
    """Return the name of a table row."""
    if table == VARIANT and "/" in value:
        layout, _, wording = value.partition("/")
        return words.say("v.wording", layout=value_name(words, table, layout), wording=wording)
    if table != LANGUAGE or value in {OTHER, UNKNOWN}:
        for key in (f"v.{table}.{value}", f"v.{value}"):
            if words.has(key):
                return words.say(key)
    if table == LANGUAGE:
        return language_name(value)
    return NAMES.get(value, value) if table in {BROWSER, OS} else value
