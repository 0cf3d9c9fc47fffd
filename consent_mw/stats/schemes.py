"""
Schemes: the columns of a published table, and which numbers follow from them.

Every visit that was asked has one of four outcomes: everything accepted, partly accepted, rejected, or no answer. A
scheme is a set of columns that partitions the outcomes. Columns are merged if some are too small to be shown. A number
follows from a scheme if it is a sum of the scheme's columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from consent_mw.core.counts import ACCEPT
from consent_mw.core.counts import ASKED
from consent_mw.core.counts import DIMENSIONS
from consent_mw.core.counts import GPC
from consent_mw.core.counts import OPENED
from consent_mw.core.counts import PARTIAL
from consent_mw.core.counts import REJECT
from consent_mw.core.counts import REVISION
from consent_mw.core.counts import SHOWN
from consent_mw.core.counts import WITHDRAW

#: Names of published tables, in addition to DIMENSIONS.
ANSWERS_TABLE = "answers"
REVISION_TABLE = REVISION
#: Its rows are purposes, which have the same runs.
PURPOSE_TABLE = "purpose"
#: Single numbers. A number's value is empty, or its first day if that differs from the run's.
BESIDE_TABLE = "beside"
SINGLES = (SHOWN, OPENED, GPC, WITHDRAW)

#: Derived columns: asked but not answered, accept or partial, reject or unanswered, any answer.
UNANSWERED = "unanswered"
GRANTED = "granted"
UNGRANTED = "ungranted"
ANSWERED = "answered"
#: The suffix of a purpose's column for visits in that column that did not grant the purpose.
WITHOUT = "_without"
#: The columns of REVISION_TABLE: a new revision, and the one in use when counting started.
SINCE = "since"
START = "start"

#: The outcomes that a column covers, as bits.
_BITS = {
    ACCEPT: 0b0001,
    PARTIAL: 0b0010,
    REJECT: 0b0100,
    UNANSWERED: 0b1000,
    GRANTED: 0b0011,
    UNGRANTED: 0b1100,
    ANSWERED: 0b0111,
    ASKED: 0b1111,
}
_NAMES = {bits: name for name, bits in _BITS.items()}

#: All columns, in the order of a table.
COLUMNS = (ASKED, ANSWERED, GRANTED, ACCEPT, PARTIAL, REJECT, UNANSWERED, UNGRANTED)

#: The schemes of table "answers", the finest first.
SCHEMES = (
    (ACCEPT, PARTIAL, REJECT, UNANSWERED),
    (GRANTED, REJECT, UNANSWERED),
    (GRANTED, UNGRANTED),
    (ANSWERED, UNANSWERED),
    (ASKED,),
)

__all__ = ["COLUMNS", "DIMENSIONS", "SCHEMES", "SINGLES", "coarser", "joined", "parts", "ways"]


@cache
def ways(column: str) -> tuple[str, ...]:
    """Return the outcomes that a column covers."""
    return tuple(way for way in (ACCEPT, PARTIAL, REJECT, UNANSWERED) if _BITS[way] & _BITS[column])


@cache
def parts(scheme: tuple[str, ...], column: str) -> tuple[str, ...] | None:
    """Return the columns of ``scheme`` whose sum is ``column``, or None if there are none."""
    want = _BITS[column]
    chosen = tuple(name for name in scheme if name in _BITS and _BITS[name] & ~want == 0)
    found = 0
    for name in chosen:
        found |= _BITS[name]
    return chosen if found == want else None


def coarser(scheme: Iterable[str], than: Iterable[str]) -> bool:
    """Return whether every column of ``scheme`` is a sum of columns of ``than``."""
    fine = tuple(than)
    return all(parts(fine, column) is not None for column in scheme)


def joined(schemes: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the finest scheme whose columns are sums of columns in each of the given ones."""
    groups = [_BITS[ACCEPT], _BITS[PARTIAL], _BITS[REJECT], _BITS[UNANSWERED]]
    for column in {name for scheme in schemes for name in scheme}:
        bits = _BITS[column]
        apart = [group for group in groups if not group & bits]
        for group in groups:
            if group & bits:
                bits |= group
        groups = [*apart, bits]
    return tuple(sorted((_NAMES[group] for group in groups), key=COLUMNS.index))
