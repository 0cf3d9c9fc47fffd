"""Made-up traffic: visits of people who are known to the test, counted as the site counts them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

from consent_mw.core import counts as c
from consent_mw.core.counts import Count

#: A Monday.
BEGIN = 20_500 - (20_500 + 3) % 7

_DEVICES = (
    ("chrome", "windows", 40),
    ("safari", "ios", 20),
    ("safari", "macos", 8),
    ("chrome", "macos", 6),
    ("chrome", "ios", 2),
    ("firefox", "linux", 4),
    ("edge", "windows", 8),
    ("samsung-internet", "android", 5),
    ("chrome", "android", 15),
    ("in-app", "ios", 5),
    ("in-app", "android", 3),
    ("brave", "windows", 3),
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit: what is in each dimension, how it ended, what a partial answer granted, and if it saw the choices."""

    day: int
    values: tuple[tuple[str, str], ...]
    outcome: str
    purposes: tuple[str, ...]
    opened: bool = False

    def counts(self) -> Iterator[Count]:
        """Yield what the visit adds one to."""
        for outcome in (c.ASKED, self.outcome) if self.outcome else (c.ASKED,):
            yield Count(self.day, c.TOTAL, "", outcome)
            for table, value in self.values:
                yield Count(self.day - (self.day + 3) % 7 if table == c.ISP else self.day, table, value, outcome)
        if self.opened:
            yield Count(self.day, c.TOTAL, "", c.OPENED)
        if self.outcome in (c.ACCEPT, c.PARTIAL):
            for purpose in self.purposes:
                yield Count(self.day, c.PURPOSE, purpose, self.outcome)


@dataclass(frozen=True, slots=True)
class Site:
    """
    How a made-up site is visited.

    Args:
        visits: On a day, about.
        accept, partial, reject: Shares of visits; the rest does not answer.
        purposes: How many there are; 2 and 3 are those whose partial answers tell of each other.
        languages, providers: How many different ones turn up.
        curious: Share of those who accept or reject everything that open the choices before.
        days: How many days there is traffic.
        outage: First and last day, from 0, on which nobody came.
    """

    visits: float
    accept: float = 0.3
    partial: float = 0.08
    reject: float = 0.2
    purposes: int = 4
    languages: int = 3
    providers: int = 20
    curious: float = 0.1
    days: int = 60
    outage: tuple[int, int] = (0, -1)

    def history(self, chance: random.Random) -> list[Visit]:
        """Return its visits, by day."""
        names = [f"purpose{number}" for number in range(self.purposes)]
        found: list[Visit] = []
        for day in range(self.days):
            if self.outage[0] <= day <= self.outage[1]:
                continue
            # A part of a visit is a chance of one.
            number = int(self.visits * chance.uniform(0.5, 1.5) + chance.random())
            found += [self._visit(BEGIN + day, names, chance) for _ in range(number)]
        return found

    def _visit(self, day: int, names: Sequence[str], chance: random.Random) -> Visit:
        ((browser, system, _),) = chance.choices(_DEVICES, [weight for *_, weight in _DEVICES])
        values = (
            (c.BROWSER, browser),
            (c.OS, system),
            (c.ISP, f"isp{_rare(self.providers, chance)}.example"),
            (c.LANGUAGE, f"l{_rare(self.languages, chance)}"),
            (c.VARIANT, "bar"),
            (c.SIGNAL, "gpc" if browser == "brave" or chance.random() < 0.05 else "none"),
        )
        at = chance.random()
        # Further digits of the same draw, so that the shares above do not depend on it.
        curious = at * 1000 % 1 < self.curious
        if at < self.accept:
            return Visit(day, values, c.ACCEPT, tuple(names), curious)
        if at < self.accept + self.partial and len(names) > 1:
            size = chance.randint(1, len(names) - 1)
            return Visit(day, values, c.PARTIAL, tuple(sorted(chance.sample(names, size))), True)
        if at < self.accept + self.partial + self.reject:
            return Visit(day, values, c.REJECT, (), curious)
        return Visit(day, values, "", ())


def _rare(number: int, chance: random.Random) -> int:
    """Return one of ``number``, the first often and the last hardly ever."""
    return min(int(chance.expovariate(0.7)), number - 1)


def counted(visits: Sequence[Visit]) -> dict[Count, int]:
    """Return what is counted of the visits."""
    found: dict[Count, int] = {}
    for visit in visits:
        for count in visit.counts():
            found[count] = found.get(count, 0) + 1
    return found
