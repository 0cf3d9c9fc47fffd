"""
Counts, and the figures that are published from them: anonymous totals per day, one dimension at a time.

A count names a day, a table, a value of that table and an outcome, never two dimensions at once. Counts are raw and
never shown. Pages, exports and APIs read :class:`Figures`, which :mod:`consent_mw.stats` makes from whole days, with
every cell at least :data:`K`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from typing import NamedTuple

from consent_mw.core.days import DAY_SECONDS

#: The smallest cell that may be shown.
K = 10

#: Seconds after midnight UTC at which yesterday is closed; later counts belong to the day on which they arrive.
#: Readers treat a day as closed half an hour after its end: by then, late counts have reached the store.
GRACE = 1500.0

#: The table that has one row: its value is empty.
TOTAL = ""
BROWSER = "browser"
OS = "os"
ISP = "isp"
LANGUAGE = "language"
VARIANT = "variant"
#: Values ``gpc`` and ``none``: whether the opt-out signal was present when the banner was shown.
SIGNAL = "signal"
#: Values are purpose ids; outcomes ACCEPT and PARTIAL count the answers that granted that purpose.
PURPOSE = "purpose"

#: Values are revisions of the notice that visits were asked with; the only outcome is ASKED.
REVISION = "revision"

#: Values are hosts, as browsers report them: outcomes are BLOCKED, by a Content-Security-Policy, and STOPPED, by the
#: guard.
CSP = "csp"

#: The table in which earlier versions kept what the site's own pages load; it is not published. Values are registrable
#: domains, ``=`` and the name of a cookie, or empty. Outcomes are ``pages`` for an inspected page; ``at`` and the part
#: of the site where it was first seen; or a kind of element, the id of a service or ``-``, and ``held`` or ``left``.
LOADS = "loads"

#: Tables whose rows divide the visits of :data:`TOTAL`.
DIMENSIONS = (BROWSER, OS, ISP, LANGUAGE, VARIANT, SIGNAL)

#: Page views that contained the banner.
SHOWN = "shown"
#: Visits that were asked: page views with the banner that came from outside the site.
ASKED = "asked"
ACCEPT = "accept"
PARTIAL = "partial"
REJECT = "reject"
WITHDRAW = "withdraw"
#: Answers of visitors who had opened the choices before. Each is counted as one of ANSWERS, too.
OPENED = "opened"
#: Visits for which the opt-out signal settled everything, so that no banner was shown.
GPC = "gpc"
#: Reports of blocked requests.
BLOCKED = "blocked"
#: Requests that the guard stopped.
STOPPED = "stopped"

ANSWERS = (ACCEPT, PARTIAL, REJECT)

#: Placeholders for an unknown value, and for values that are too rare to be named.
UNKNOWN = "unknown"
OTHER = "other"


class BannerShown(NamedTuple):
    """
    The properties of a banner that are counted.

    Args:
        language: Its language tag.
        variant: Its form, such as ``bar``.
        gpc: Whether the opt-out signal was present.
        revision: The revision of the notice, whose changes are marked in the figures; empty if there is none.
        opened: Whether the choices were opened before the answer.
    """

    language: str
    variant: str
    gpc: bool
    revision: str = ""
    opened: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """
    The name of one raw counter.

    Args:
        day: Whole days since 1970-01-01 UTC; for ISP the Monday of the week.
        table: TOTAL, PURPOSE, REVISION, CSP or one of DIMENSIONS.
        value: The row of that table; empty for TOTAL.
        outcome: SHOWN, ASKED, one of ANSWERS, OPENED, WITHDRAW, GPC, BLOCKED or STOPPED.
    """

    day: int
    table: str
    value: str
    outcome: str


def booked(waiting: Mapping[Count, int], now: float) -> dict[Count, int]:
    """
    Return counts under days that are still open: a closed day may be published, and then never changes.

    Args:
        waiting: Counts that were kept for a while.
        now: Seconds since 1970-01-01 UTC.
    """
    today = int(now // DAY_SECONDS)
    monday = today - (today + 3) % 7  # day 0 was a Thursday
    found: dict[Count, int] = {}
    for count, number in waiting.items():
        current, length = (monday, 7) if count.table == ISP else (today, 1)
        # A day in the future means that the clock has been set back.
        late = count.day > current or now >= (count.day + length) * DAY_SECONDS + GRACE
        key = replace(count, day=current) if late else count
        found[key] = found.get(key, 0) + number
    return found


@dataclass(frozen=True, slots=True)
class Figures:
    """
    One published table: the cells of a run of whole days, each at least K.

    Runs of a table never overlap, so one cannot be subtracted from another.

    Args:
        table: Its name in :mod:`consent_mw.stats`.
        first: The first day of the run.
        last: The last day of the run.
        cells: By value and outcome.
    """

    table: str
    first: int
    last: int
    cells: Mapping[tuple[str, str], int]


def power_of_ten(number: int) -> int:
    """Return the largest power of ten that is not above a number; 0 for 0."""
    return 10 ** (len(str(number)) - 1) if number else 0
