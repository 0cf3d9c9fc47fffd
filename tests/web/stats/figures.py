"""Published figures of a made-up site, for the owner's pages."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from consent_mw.core.counts import Figures
from tests.web.doubles import TODAY

#: The last day that is complete.
YESTERDAY = TODAY - 1

_SHARES = {
    "browser": (("chrome", 0.5, 1.05), ("safari", 0.3, 0.95), ("firefox", 0.1, 0.6), ("other", 0.1, 1.0)),
    "os": (("android", 0.45, 1.0), ("ios", 0.3, 1.0), ("windows", 0.25, 1.0)),
    "isp": (
        *((f"provider-{number}.example", 0.07, 1.0) for number in range(10)),
        ("unknown", 0.2, 1.0),
        ("other", 0.1, 0.9),
    ),
    "language": (("en", 0.6, 1.0), ("de", 0.3, 1.0), ("nl", 0.1, 0.9)),
    "variant": (("bar", 1.0, 1.0),),
    "signal": (("none", 0.9, 1.0), ("gpc", 0.1, 0.6)),
}
_GRANTED = {"analytics": 0.7, "marketing": 0.2}


def published(
    days: int,
    *,
    visits: int = 1000,
    last: int = YESTERDAY,
    changed: Sequence[int] = (),
    names: dict[str, tuple[tuple[str, float, float], ...]] | None = None,
) -> list[Figures]:
    """
    Return figures of so many days, as a busy site publishes them: each day on its own, dimensions by the week.

    Args:
        visits: Visits that were asked, about, on a day.
        last: The last day.
        changed: Days on which the notice changed.
        names: Other rows than the usual ones of some dimensions: name, share, and how willing.
    """
    chance = random.Random(days)
    shares = {**_SHARES, **(names or {})}
    found: list[Figures] = []
    week: list[dict[str, int]] = []
    for day in range(last - days + 1, last + 1):
        asked = int(visits * chance.uniform(0.9, 1.1) * (1 + 0.3 * math.sin(day / 60)))
        less = 0.1 * sum(day >= each for each in changed)
        cells = {"accept": int(asked * (0.45 - less)), "partial": int(asked * 0.1), "reject": int(asked * 0.2)}
        cells = {name: max(10, count) for name, count in cells.items()}
        cells["unanswered"] = max(10, asked - sum(cells.values()))
        found.append(Figures("answers", day, day, {("", name): count for name, count in cells.items()}))
        beside = {
            ("", "shown"): 2 * sum(cells.values()),
            ("", "opened"): cells["partial"] + max(10, asked // 20),
            ("", "gpc"): max(10, asked // 20),
            ("", "withdraw"): max(10, cells["accept"] // 50),
        }
        found.append(Figures("beside", day, day, beside))
        purposes: dict[tuple[str, str], int] = {}
        for purpose, share in _GRANTED.items():
            some = max(10, int(cells["partial"] * share))
            own = {"accept": cells["accept"], "partial": some, "reject": cells["reject"]}
            own["partial_without"] = max(10, cells["partial"] - some)
            purposes.update({(purpose, name): count for name, count in own.items()})
        found.append(Figures("purpose", day, day, purposes))
        week.append(cells)
        if (day + 3) % 7 == 6:
            found += _week(day, week, shares)
            week = []
    found += [Figures("revision", day, day, {(f"revision-{day}", "since"): 10}) for day in changed]
    return found


def _week(
    last: int, week: Sequence[dict[str, int]], shares: dict[str, tuple[tuple[str, float, float], ...]]
) -> list[Figures]:
    first = last - len(week) + 1
    granted = sum(cells["accept"] + cells["partial"] for cells in week)
    refused = sum(cells["reject"] for cells in week)
    silent = sum(cells["unanswered"] for cells in week)
    found: list[Figures] = []
    for table, rows in shares.items():
        cells = {}
        for value, share, willing in rows:
            cells[value, "granted"] = max(10, int(granted * share * willing))
            cells[value, "reject"] = max(10, int(refused * share * (2 - willing)))
            cells[value, "unanswered"] = max(10, int(silent * share))
        found.append(Figures(table, first, last, cells))
    return found


def one_day(last: int = YESTERDAY) -> list[Figures]:
    """Return figures of a single day with few visits."""
    return published(1, visits=70, last=last)


def merged(last: int = YESTERDAY) -> list[Figures]:
    """Return what a quiet site publishes: long runs, each with the columns that were large enough."""
    return [
        Figures(
            "answers",
            last - 60,
            last - 41,
            {("", "accept"): 31, ("", "partial"): 10, ("", "reject"): 12, ("", "unanswered"): 14},
        ),
        Figures("answers", last - 40, last - 13, {("", "granted"): 28, ("", "reject"): 11, ("", "unanswered"): 12}),
        Figures("answers", last - 12, last - 6, {("", "granted"): 13, ("", "ungranted"): 32}),
    ]
