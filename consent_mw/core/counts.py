"""
Counts, and the figures that are published of them: totals per day, one dimension at a time, about nobody.

A count names a day, a table, a value of that table and an outcome, never two dimensions at once. Counts are raw and
stay inside. Pages, exports and interfaces read :class:`Figures`, which :mod:`consent_mw.stats` makes of whole days,
with every cell at least :data:`K`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

#: The smallest cell that may be shown.
K = 10

#: The table that has one row: its value is empty.
TOTAL = ""
BROWSER = "browser"
OS = "os"
ISP = "isp"
LANGUAGE = "language"
VARIANT = "variant"
#: Values ``gpc`` and ``none``: whether the opt-out signal was there when the banner was.
SIGNAL = "signal"
#: Values are purpose ids; outcomes ACCEPT and PARTIAL count the answers that granted that purpose.
PURPOSE = "purpose"

#: Values name the revision of the notice that a visit was asked with; the only outcome is ASKED.
REVISION = "revision"

#: Values are hosts that a Content-Security-Policy stopped, as browsers reported; the only outcome is BLOCKED.
CSP = "csp"

#: Tables whose rows share out the visitors of :data:`TOTAL`.
DIMENSIONS = (BROWSER, OS, ISP, LANGUAGE, VARIANT, SIGNAL)

#: Page views that held the banner.
SHOWN = "shown"
#: Visits that were asked: page views with the banner that came from outside the site.
ASKED = "asked"
ACCEPT = "accept"
PARTIAL = "partial"
REJECT = "reject"
WITHDRAW = "withdraw"
#: Visits whose opt-out signal answered for all there was to ask, so that no banner was shown.
GPC = "gpc"
#: Reports of what a policy stopped.
BLOCKED = "blocked"

ANSWERS = (ACCEPT, PARTIAL, REJECT)

#: Stands for a value that nobody knows, and for those too rare to be named.
UNKNOWN = "unknown"
OTHER = "other"


class BannerShown(NamedTuple):
    """
    What is counted about a banner.

    Args:
        language: Its language tag.
        variant: Its form, as ``bar``.
        gpc: Whether the opt-out signal was there.
        revision: Of the notice; its changes are marked in the figures. Empty for none.
    """

    language: str
    variant: str
    gpc: bool
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """
    The name of one raw counter.

    Args:
        day: Whole days since 1970-01-01 UTC; for ISP the Monday of the week.
        table: TOTAL, PURPOSE, REVISION, CSP or one of DIMENSIONS.
        value: The row of that table; empty for TOTAL.
        outcome: SHOWN, ASKED, one of ANSWERS, WITHDRAW, GPC or BLOCKED.
    """

    day: int
    table: str
    value: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Figures:
    """
    One published table: the cells of a run of whole days, each at least K.

    Runs of a table never overlap, so that no two of them can be taken from each other.

    Args:
        table: As stats.py names what it publishes.
        first: The first day of the run.
        last: The last day of the run.
        cells: By value and outcome.
    """

    table: str
    first: int
    last: int
    cells: Mapping[tuple[str, str], int]
