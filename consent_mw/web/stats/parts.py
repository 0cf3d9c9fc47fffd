"""What the template of the owner's page gets, and how the rows and columns of a table are chosen and named."""

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
from consent_mw.web.stats.words import PageWords

#: Rows of a table that are shown before somebody asks for all of them.
ROWS = 8
#: The order in which tables are shown; a table with a single row says nothing, in the last two.
TABLES = (BROWSER, OS, ISP, LANGUAGE, SIGNAL, VARIANT)
OPTIONAL = frozenset({SIGNAL, VARIANT})

#: Ways in which all visits can be shared out among columns, the finest first.
PARTITIONS = (
    ("accept", "partial", "reject", "unanswered"),
    ("granted", "reject", "unanswered"),
    ("granted", "ungranted"),
    ("answered", "unanswered"),
    ("asked",),
)
#: From the bottom of a bar to its top: what was granted stands on the ground.
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
    """A table of texts: the first cell of each row names it."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Key:
    """A key figure: empty ``figure`` where nothing was published."""

    title: str
    figure: str
    picture: Markup = Markup("")
    notes: tuple[str, ...] = ()
    change: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class CardRow:
    """One row of a card: its name, whether it is a remainder, its bar and its rate."""

    name: str
    rest: bool
    picture: Markup
    value: str


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """An entry of a legend: a class of the pictures, its name, and how much of it there is."""

    name: str
    label: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """
    Rates side by side.

    Args:
        note: What the rates are, or why there are none; empty where the heading above says it.
        total: How many rows there are, where not all of them are shown.
        focused: Whether somebody asked for all rows.
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
    """A picture over time with what belongs to it; empty ``picture`` where there is nothing to draw."""

    title: str
    picture: Markup
    legend: tuple[LegendEntry, ...]
    data: Data
    flags: tuple[tuple[int, str], ...] = ()
    whole: Markup = Markup("")


def finest(totals: Container[str]) -> tuple[str, ...]:
    """Return the finest way to share out all visits that the totals tell."""
    return next((each for each in PARTITIONS if all(column in totals for column in each)), ())


def told_columns(parts: Iterable[str], known: Container[str]) -> list[str]:
    """Return the columns of a table: the wholes, and the ways in which visits ended."""
    shown = {"asked", "answered", *parts}
    order = dict.fromkeys(("asked", "answered", *SERIES))
    return [name for name in order if name in shown and name in known]


def is_rest(row: Row) -> bool:
    return row.value in {OTHER, UNKNOWN}


def first_rows(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the first rows, and the remainders after them."""
    named = [row for row in rows if not is_rest(row)]
    rests = [row for row in rows if is_rest(row)]
    room = max(1, ROWS - len(rests))
    # One row more takes no more space than the link that would lead to it.
    return (*(named if len(named) <= room + 1 else named[:room]), *rests)


def value_name(words: PageWords, table: str, value: str) -> str:
    """Return what the row of a table is called."""
    if table != LANGUAGE or value in {OTHER, UNKNOWN}:
        for key in (f"v.{table}.{value}", f"v.{value}"):
            if words.has(key):
                return words.say(key)
    if table == LANGUAGE:
        return language_name(value)
    return NAMES.get(value, value) if table in {BROWSER, OS} else value
