"""
Tables that partition the atoms: dimensions, purposes, and single numbers.

Their runs consist of whole atoms. The row "other" is the atoms' number minus the named rows. So the rows of each run
add up to what was published for the same days, and subtracting one from the other yields only sums of published cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from itertools import combinations

from consent_mw.core.counts import ACCEPT
from consent_mw.core.counts import ANSWERS
from consent_mw.core.counts import ASKED
from consent_mw.core.counts import BROWSER
from consent_mw.core.counts import ISP
from consent_mw.core.counts import OPENED
from consent_mw.core.counts import OS
from consent_mw.core.counts import OTHER
from consent_mw.core.counts import PARTIAL
from consent_mw.core.counts import REJECT
from consent_mw.core.counts import SHOWN
from consent_mw.core.counts import SIGNAL
from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.core.counts import K
from consent_mw.stats import schemes
from consent_mw.stats.atoms import OUTCOMES
from consent_mw.stats.atoms import PATIENCE
from consent_mw.stats.atoms import Atom
from consent_mw.stats.atoms import Counted
from consent_mw.stats.atoms import PublicationStep
from consent_mw.stats.atoms import spent
from consent_mw.stats.atoms import sunday
from consent_mw.stats.schemes import ANSWERED
from consent_mw.stats.schemes import BESIDE_TABLE
from consent_mw.stats.schemes import GRANTED
from consent_mw.stats.schemes import PURPOSE_TABLE
from consent_mw.stats.schemes import UNANSWERED
from consent_mw.stats.schemes import UNGRANTED
from consent_mw.stats.schemes import WITHOUT

#: Schemes of dimensions, finest first, with the days after which each may be used.
_DIMENSION_SCHEMES = (
    ((GRANTED, REJECT, UNANSWERED), 0),
    ((GRANTED, UNGRANTED), PATIENCE),
    ((ANSWERED, UNANSWERED), PATIENCE),
    ((ASKED,), 3 * PATIENCE),
)
#: The share of a week's visits in unnamed rows above which a run waits for more days.
_UNNAMED = 0.20
#: If one row has this share, waiting for the others is not worthwhile.
_NEARLY_ALL = 0.99

#: The share of full acceptances that must include a purpose for it to count as offered on all days.
_OLD = 0.9

#: Known dependencies between rows of two tables: every visit in the first row is also in one of the other rows. Safari
#: runs on Apple's systems, in-app browsers run on phones, and some browsers send the opt-out signal by default. The
#: number of visits in the other rows but not in the first could be computed by subtraction.
_WITHIN = (
    (BROWSER, OS, {"safari": ("ios", "macos"), "samsung-internet": ("android",), "in-app": ("ios", "android")}),
    (BROWSER, SIGNAL, {"brave": ("gpc",), "duckduckgo": ("gpc",)}),
)

_Rows = dict[str, dict[str, int]]


def _due(atoms: Sequence[Atom], rows: Sequence[Counted], head: int) -> list[Atom]:
    """Return the atoms that a table has not used yet: those after its last run, from its first count on."""
    # The day of a count, not the day after which it is complete: counts by provider are dated by the start of a week.
    first = min((row.count.day for row in rows), default=0)
    return [atom for atom in atoms if atom.first > head and atom.last >= first] if rows else []


# -- single numbers


def beside_runs(
    atoms: Sequence[Atom], rows: Mapping[str, Sequence[Counted]], heads: Mapping[str, int]
) -> Iterator[PublicationStep]:
    """
    Yield the runs of single numbers; each is at least K, and differs by at least K from the columns near it.

    Args:
        atoms: All atoms, by day.
        rows: The unpublished counts of each number, by day.
        heads: The last published day of each number, or -1.
    """
    numbers = [_Single(name, rows[name], _due(atoms, rows[name], heads[name])) for name in rows]
    newest = max(heads.values(), default=-1)
    for atom in atoms:
        ready = [each for each in numbers if each.add(atom)]
        # A number that is complete only later is not added to a published run.
        if ready and atom.first > newest:
            cells = {("" if each.first == atom.first else str(each.first), each.name): each.number for each in ready}
            used = {count: number for each in ready for count, number in spent(each.taken).items()}
            yield PublicationStep((Figures(BESIDE_TABLE, atom.first, atom.last, cells),), used)
            for each in ready:
                each.begin()


class _Single:
    """The running sum of a single number."""

    def __init__(self, name: str, rows: Sequence[Counted], atoms: Sequence[Atom]) -> None:
        self.name = name
        self._rows = rows
        self._at = 0
        self._start = atoms[0].first if atoms else None
        self.begin()

    def begin(self) -> None:
        """Start again after a published run."""
        self.first = -1
        self.number = 0
        self.taken: list[Counted] = []
        self._asked = self._answered = self._partial = 0

    def add(self, atom: Atom) -> bool:
        """Add the counts of an atom's days, and return whether the number may be published."""
        if self._start is None or atom.first < self._start:
            return False
        self.first = atom.first if self.first < 0 else self.first
        while self._at < len(self._rows) and self._rows[self._at].day <= atom.last:
            self.taken.append(self._rows[self._at])
            self.number += self._rows[self._at].number
            self._at += 1
        self._asked += atom.tells(ASKED)
        self._answered += atom.tells(ANSWERED) or atom.tells(ASKED)
        self._partial += atom.tells(PARTIAL)
        return self.number >= K and self._apart()

    def _apart(self) -> bool:
        """
        Return whether the number differs by at least K from the columns that it contains or is part of.

        Every visit that was asked has a page view with the notice. Visitors who accept a part have opened the choices
        first, except those who allow an embed in its panel. The choices can only be opened before an answer.
        """
        if self.name == SHOWN:
            return self.number - self._asked >= K
        if self.name == OPENED:
            return min(self.number - self._partial, self._answered - self.number) >= K
        return True


# -- purposes


def purpose_runs(atoms: Sequence[Atom], rows: Sequence[Counted], head: int) -> Iterator[PublicationStep]:
    """Yield the runs of all purposes: they cover the same days; a purpose with a small cell is left out of a run."""
    begin = at = 0
    run: list[Atom] = []
    sums: dict[str, dict[str, int]] = {}
    for atom in _due(atoms, rows, head):
        run.append(atom)
        while at < len(rows) and rows[at].day <= atom.last:
            count = rows[at].count
            if count.outcome in (ACCEPT, PARTIAL):
                sums.setdefault(count.value, {ACCEPT: 0, PARTIAL: 0})[count.outcome] += rows[at].number
            at += 1
        whole = _whole(run)
        old = {purpose: row for purpose, row in sums.items() if not _is_new(whole, row)}
        tables = _named_purposes(whole, old)
        late = atom.last - run[0].first + 1 >= PATIENCE
        if tables and (late or len(tables) == len(old)):
            cells = {(purpose, column): n for purpose, row in sorted(tables.items()) for column, n in row.items()}
            yield PublicationStep((Figures(PURPOSE_TABLE, run[0].first, atom.last, cells),), spent(rows[begin:at]))
            begin, run, sums = at, [], {}


def _whole(run: Sequence[Atom]) -> dict[str, int]:
    """Return the sums of the finest columns that all atoms of a run have."""
    scheme = schemes.joined(atom.scheme for atom in run)
    return {column: sum(atom.tells(column) for atom in run) for column in scheme}


def _is_new(whole: Mapping[str, int], row: Mapping[str, int]) -> bool:
    """Return whether the purpose was not offered on all days: many full acceptances did not include it."""
    return ACCEPT in whole and row[ACCEPT] < _OLD * whole[ACCEPT]


def _named_purposes(whole: Mapping[str, int], sums: Mapping[str, Mapping[str, int]]) -> _Rows:
    """Return the cells of each purpose without a small cell."""
    found = {purpose: _purpose_cells(whole, row[ACCEPT], row[PARTIAL]) for purpose, row in sums.items()}
    named = {purpose: row for purpose, row in found.items() if min(row.values()) >= K}
    if ACCEPT in whole and len(named) == len(sums) > 2:
        # A partial grant has at least one purpose, but not all: the purposes together reveal how many visits granted
        # more than one, and how many lack more than one.
        granted = sum(row[PARTIAL] for row in named.values()) - whole[PARTIAL]
        lacked = sum(row[PARTIAL + WITHOUT] for row in named.values()) - whole[PARTIAL]
        if min(granted, lacked) < K:
            del named[min(named, key=lambda purpose: (min(named[purpose].values()), purpose))]
    return named


def _purpose_cells(whole: Mapping[str, int], accepted: int, partly: int) -> dict[str, int]:
    """Split the column with the grants into grants with and without the purpose."""
    cells = {column: number for column, number in whole.items() if column != UNANSWERED}
    if ACCEPT in whole:
        # Accepting everything includes each purpose.
        return cells | {PARTIAL: partly, PARTIAL + WITHOUT: whole[PARTIAL] - partly}
    (column,) = (name for name in whole if ACCEPT in schemes.ways(name))
    return cells | {column: accepted + partly, column + WITHOUT: whole[column] - accepted - partly}


# -- dimensions


def dimension_runs(
    atoms: Sequence[Atom], rows: Mapping[str, Sequence[Counted]], head: int
) -> Iterator[PublicationStep]:
    """
    Yield the runs of all dimensions: they cover the same days, and end on a Sunday.

    A run ends when few visits in each table are in unnamed rows, or after PATIENCE days with the rows that can be named
    by then.
    """
    merged = sorted((row for table in rows.values() for row in table), key=lambda row: row.day)
    begin = at = 0
    run: list[Atom] = []
    sums: dict[str, _Rows] = {}
    for atom in _due(atoms, merged, head):
        run.append(atom)
        while at < len(merged) and merged[at].day <= atom.last:
            _add(sums, merged[at].count, merged[at].number)
            at += 1
        if atom.last != sunday(atom.last) or not sums:
            continue
        days = atom.last - run[0].first + 1
        tables = _named_dimensions(run, sums, days)
        late = days >= PATIENCE and any(len(table) > 1 for table in tables.values())
        if late or all(_names_enough(name, tables[name], sums[name]) for name in tables):
            figures = (
                Figures(name, run[0].first, atom.last, {(v, c): n for v, row in table.items() for c, n in row.items()})
                for name, table in sorted(tables.items())
            )
            yield PublicationStep(tuple(figures), spent(merged[begin:at]))
            begin, run, sums = at, [], {}


def _add(sums: dict[str, _Rows], count: Count, number: int) -> None:
    if count.outcome in OUTCOMES:
        row = sums.setdefault(count.table, {}).setdefault(count.value, dict.fromkeys(OUTCOMES, 0))
        row[count.outcome] += number


def _named_dimensions(run: Sequence[Atom], sums: Mapping[str, _Rows], days: int) -> dict[str, _Rows]:
    """Return the rows of each table, without those that would reveal a small cell together with another table."""
    joint = schemes.joined(atom.scheme for atom in run)
    hidden: dict[str, set[str]] = {name: set() for name in sums}
    tables = {name: _table(run, joint, rows, days, frozenset()) for name, rows in sums.items()}
    while found := _row_to_hide(tables):
        name, value = found
        hidden[name].add(value)
        tables[name] = _table(run, joint, sums[name], days, frozenset(hidden[name]))
    return tables


def _table(
    run: Sequence[Atom],
    joint: Sequence[str],
    values: Mapping[str, Mapping[str, int]],
    days: int,
    hidden: frozenset[str],
) -> _Rows:
    """Return the rows in the finest scheme in which a row can be named; if there is none, everything is OTHER."""
    if any(row[ASKED] or row[REJECT] for row in values.values()):
        possible = [each for each in _DIMENSION_SCHEMES if schemes.coarser(each[0], joint)]
        # The finest possible scheme may be used at once.
        allowed = [scheme for at, (scheme, patience) in enumerate(possible) if at == 0 or days >= patience]
    else:
        # This table counts only visits that granted something.
        allowed = [(GRANTED,)] if schemes.coarser((GRANTED,), joint) else [(ASKED,)]
    tried = [_named(run, scheme, values, hidden) for scheme in allowed]
    return next((rows for rows in tried if set(rows) != {OTHER}), tried[0])


def _named(
    run: Sequence[Atom], scheme: Sequence[str], values: Mapping[str, Mapping[str, int]], hidden: frozenset[str]
) -> _Rows:
    """Return the rows whose cells are all at least K, as far as the rest has no small cell either."""
    rest = {column: sum(atom.tells(column) for atom in run) for column in scheme}
    named: _Rows = {}
    for value, row in values.items():
        cells = {column: _column(row, column) for column in scheme}
        if value != OTHER and value not in hidden and min(cells.values()) >= K:
            named[value] = cells
    for cells in named.values():
        _take(rest, cells, -1)
    # The rest must be empty or large enough; otherwise the smallest named row joins it. A hidden row must not be the
    # only one in the rest, since the rest would reveal it.
    while named and (
        (any(rest.values()) and min(rest.values()) < K) or (hidden and len(values.keys() - named.keys()) < 2)
    ):
        smallest = min(named, key=lambda value: (sum(named[value].values()), value))
        _take(rest, named.pop(smallest), 1)
    if any(rest.values()):
        named[OTHER] = rest
    return named


def _column(row: Mapping[str, int], column: str) -> int:
    """Return the number of a raw row in a column of :data:`_DIMENSION_SCHEMES`."""
    answered = sum(row[name] for name in ANSWERS)
    granted = row[ACCEPT] + row[PARTIAL]
    return {
        GRANTED: granted,
        REJECT: row[REJECT],
        UNANSWERED: row[ASKED] - answered,
        UNGRANTED: row[ASKED] - granted,
        ANSWERED: answered,
        ASKED: row[ASKED],
    }[column]


def _take(rest: dict[str, int], cells: Mapping[str, int], sign: int) -> None:
    """Add a row's cells to the rest, or subtract them if ``sign`` is -1."""
    for column, number in cells.items():
        rest[column] += sign * number


def _row_to_hide(tables: Mapping[str, _Rows]) -> tuple[str, str] | None:
    """Return the table and row to hide if dependent rows of two tables (:data:`_WITHIN`) differ by a small cell."""
    for inner, outer, within in _WITHIN:
        if inner not in tables or outer not in tables:
            continue
        named = [row for row in within if row in tables[inner]]
        for size in range(1, len(named) + 1):
            for rows in combinations(named, size):
                around = {name for row in rows for name in within[row]}
                found = _smallest_if_close(tables[inner], rows, tables[outer], around)
                if found is not None:
                    return (inner, found) if found in rows else (outer, found)
    return None


def _smallest_if_close(inner: _Rows, rows: Sequence[str], outer: _Rows, names: set[str]) -> str | None:
    """
    Return the smallest of these rows if, in any column, fewer than K visits are in ``names`` but not in ``rows``.

    Args:
        rows: Rows of the table ``inner``.
        names: The rows of the table ``outer`` that all of their visits are in; one without its own row is in OTHER.
    """
    named = sorted(names & outer.keys())
    around = [*named, *([OTHER] if len(named) < len(names) and OTHER in outer else [])]
    for column in schemes.COLUMNS:
        within = [_sum(inner[row], column) for row in rows]
        without = [_sum(outer[name], column) for name in around]
        is_known = None not in within and None not in without
        if is_known and sum(filter(None, without)) - sum(filter(None, within)) < K:
            sizes = [(sum(inner[row].values()), row) for row in rows]
            return min(sizes + [(sum(outer[name].values()), name) for name in named])[1]
    return None


def _sum(row: Mapping[str, int], column: str) -> int | None:
    """Return the number of a row in a column, if it follows from the columns that the row has."""
    chosen = schemes.parts(tuple(row), column)
    return None if chosen is None else sum(row[name] for name in chosen)


def _names_enough(name: str, table: _Rows, values: Mapping[str, Mapping[str, int]]) -> bool:
    """Return whether a table can be published now, because waiting for more days would hardly name more rows."""
    whole = sum(sum(row.values()) for row in table.values())
    unnamed = sum(table.get(OTHER, {}).values())
    if unnamed <= _UNNAMED * whole or (name == ISP and len(table) > 1):
        return True
    sizes = [sum(row.values()) for row in values.values()]
    return set(table) == {OTHER} and max(sizes) >= _NEARLY_ALL * sum(sizes)
