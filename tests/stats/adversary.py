"""
Somebody who reads everything that was published, and takes one number from another.

A group is a set of visits that can be described: the days, the ways out, and
one condition on a row of a table. Where one group lies within another, the
difference of their numbers is the number of a group too.
"""

from __future__ import annotations

from bisect import bisect_left
from bisect import bisect_right
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
from itertools import combinations

from consent_mw.core.counts import ACCEPT
from consent_mw.core.counts import BROWSER
from consent_mw.core.counts import DIMENSIONS
from consent_mw.core.counts import OPENED
from consent_mw.core.counts import OTHER
from consent_mw.core.counts import PARTIAL
from consent_mw.core.counts import Figures
from consent_mw.core.counts import K

#: Which of the ways out (accept, partial, reject, no answer) a column is about; written down once more on purpose.
WAYS = {
    "accept": "a",
    "partial": "p",
    "reject": "r",
    "unanswered": "u",
    "granted": "ap",
    "ungranted": "ru",
    "answered": "apr",
    "asked": "apru",
}
#: More rows than this are not combined with each other, only taken singly.
SUBSETS = 7
#: What everybody knows of the world: who has the one has one of the others.
KNOWN = {
    "os": {"safari": {"ios", "macos"}, "samsung-internet": {"android"}, "in-app": {"ios", "android"}},
    "signal": {"brave": {"gpc"}, "duckduckgo": {"gpc"}},
}


@dataclass(frozen=True, slots=True)
class Group:
    """
    A group of visits and its number.

    Args:
        table: Where a row is a condition; empty for none.
        rows: The rows that fulfil it.
        named: All rows that the table has then.
    """

    first: int
    last: int
    ways: frozenset[str]
    table: str
    rows: frozenset[str]
    named: frozenset[str]
    number: int

    def holds(self, other: Group) -> bool:
        """Return whether the other group surely lies within this one."""
        if not (self.first <= other.first and other.last <= self.last and other.ways <= self.ways):
            return False
        if not self.table or (self.table == other.table and other.rows <= self.rows):
            return True
        if self.table == OPENED:
            # Whoever accepts a part has opened the choices.
            return other.ways == frozenset("p")
        known = KNOWN.get(self.table, {})
        return other.table == BROWSER and all(row in known and self._has(known[row]) for row in other.rows)

    def _has(self, names: set[str]) -> bool:
        """Return whether these are in the group; who has no row of his own is one of the others."""
        return all(name in self.rows or (name not in self.named and OTHER in self.rows) for name in names)


def _sums(
    runs: list[Figures], wanted: set[tuple[int, int]], days: list[int]
) -> Iterator[tuple[int, int, dict[tuple[str, str], int], frozenset[str]]]:
    """Yield the sums of one run, two in a row, and those of wanted days, in the cells that all of them have."""
    for begin, run in enumerate(runs):
        sums = dict(run.cells)
        named = frozenset(value for value, _ in sums)
        before = run
        yield run.first, run.last, dict(sums), named
        for length, later in enumerate(runs[begin + 1 :], 2):
            # Between the two are days of which this table tells nothing.
            if bisect_left(days, later.first) > bisect_right(days, before.last):
                break
            sums = {key: sums[key] + later.cells[key] for key in sums.keys() & later.cells.keys()}
            named |= {value for value, _ in later.cells}
            before = later
            if not sums:
                break
            if length == 2 or (run.first, later.last) in wanted:
                yield run.first, later.last, dict(sums), named


def groups(figures: Iterable[Figures]) -> list[Group]:
    """Return every group that sums of cells of one table tell."""
    tables: dict[str, list[Figures]] = {}
    for run in figures:
        tables.setdefault(run.table, []).append(run)
    own = {
        name: sorted(runs, key=lambda run: run.first)
        for name, runs in tables.items()
        if name in ("answers", "purpose", *DIMENSIONS)
    }
    days = sorted(run.first for run in tables.get("answers", ()))
    wanted = {(first, last) for runs in own.values() for first, last, *_ in _sums(runs, set(), days)}
    found: list[Group] = []
    for table, runs in own.items():
        for first, last, cells, named in _sums(runs, wanted, days):
            found += _groups_of(table, first, last, cells, named)
    return found + list(_opened(tables.get("beside", [])))


def _opened(runs: Iterable[Figures]) -> Iterator[Group]:
    """Yield those who answered with the choices open, in each run, and in each two that follow on each other."""
    before: Group | None = None
    row = frozenset({"yes"})
    for run in sorted(runs, key=lambda run: run.first):
        for (since, name), number in run.cells.items():
            if name == OPENED:
                now = Group(int(since or run.first), run.last, frozenset("apr"), OPENED, row, row, number)
                yield now
                if before is not None:
                    yield replace(now, first=before.first, number=before.number + number)
                before = now


def _groups_of(
    table: str, first: int, last: int, cells: dict[tuple[str, str], int], named: frozenset[str]
) -> Iterator[Group]:
    if table == "purpose":
        for (purpose, column), number in cells.items():
            plain = column.removesuffix("_without")
            split = (purpose, plain + "_without") in cells
            ways = frozenset(WAYS[plain])
            name, rows = (
                (purpose, frozenset({column.removeprefix(plain) or "with"})) if split else ("", frozenset[str]())
            )
            yield Group(first, last, ways, name, rows, named, number)
        return
    values = sorted({value for value, _ in cells})
    columns = sorted({column for _, column in cells})
    sizes = range(1, len(values) + 1) if len(values) <= SUBSETS else (1,)
    for chosen in (subset for size in sizes for subset in combinations(values, size)):
        for some in (subset for size in range(1, len(columns) + 1) for subset in combinations(columns, size)):
            keys = [(value, column) for value in chosen for column in some]
            if all(key in cells for key in keys):
                ways = frozenset("".join(WAYS[column] for column in some))
                name = "" if table == "answers" else table
                yield Group(first, last, ways, name, frozenset(chosen), named, sum(cells[key] for key in keys))


def findings(figures: Iterable[Figures], purposes: int) -> list[str]:
    """
    Return what can be learned of fewer than K: cells, differences of groups, and what partial answers tell.

    Args:
        figures: All that was published.
        purposes: How many the banner of the site has; everybody can see that.
    """
    figures = list(figures)
    found = [f"{run.table} {run.first}: {key} is {n}" for run in figures for key, n in run.cells.items() if n < K]
    # Only numbers that are near each other matter.
    outer = sorted(groups(figures), key=lambda group: group.number)
    numbers = [group.number for group in outer]
    for inner in outer:
        near = outer[bisect_right(numbers, inner.number) : bisect_left(numbers, inner.number + K)]
        found += [f"{group} less {inner}" for group in near if group.holds(inner)]
    return found + list(_purposes(figures, purposes))


def _purposes(figures: Iterable[Figures], purposes: int) -> Iterator[str]:
    """Yield how few granted more than one purpose, or lack more than one, where the sum of all purposes tells it."""
    for run in figures:
        if run.table != "purpose":
            continue
        names = {purpose for purpose, _ in run.cells}
        cells = [{column: number for (each, column), number in run.cells.items() if each == name} for name in names]
        if len(cells) < max(3, purposes) or any(ACCEPT not in row for row in cells):
            continue
        whole = cells[0][PARTIAL] + cells[0]["partial_without"]
        for column in (PARTIAL, "partial_without"):
            more = sum(row[column] for row in cells) - whole
            if 0 < more < K:
                yield f"{run.first}: {more} have more than one purpose ({column})"
