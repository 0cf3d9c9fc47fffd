"""
The partitions of the ledger in PostgreSQL.

Theory of operation. The table ``ledger`` has one partition, ``ledger_open``, for what is not sealed, and one for the
seals of each month, such as ``ledger_202611``. Its column ``month`` is 0 or YYYYMM.

(1) Entries are appended to ``ledger_open``. It contains the entries of a day or two, so its indexes are small, and an
    append costs the same however large the ledger has grown.
(2) Sealing an entry moves it into the month of its seal, whose partition is created when it is needed.
(3) A month is dropped once all its seals are due, which frees its disk space at once. Until then its entries are
    deleted day by day, as retention requires.

Entries are unique by site, receipt and step. Within a partition, the primary key ensures this. Before an entry is
appended, the months in which it may already be sealed are queried: for a grant those since its own day, minus
:data:`SLACK` for wrong clocks. Sealing and appending the same entry at the same time would escape this check. But an
entry is sealed days after it was appended, and an entry that comes late, from a spool, is appended in a transaction
that excludes sealing.

A partition with ``CHECK (seal IS NOT NULL)`` is not read by queries for what is not sealed. A ledger that an older
version filled has its sealed entries in ``ledger_open`` until they are moved, and works all the same. So does one whose
user must not create tables.
"""

from __future__ import annotations

from functools import lru_cache

from consent_mw.core.days import calendar
from consent_mw.records.sql.session import Session

__all__ = ["SLACK", "droppable", "drop", "month_of", "move_seal", "place_for", "unless_sealed", "unmoved"]

#: Days by which a grant may be dated after its seal.
SLACK = 45

_MAY_CREATE = (
    "SELECT to_regclass(?) IS NOT NULL, "
    "has_schema_privilege('consent_mw', 'CREATE') AND pg_has_role(relowner, 'USAGE') "
    "FROM pg_class WHERE oid = to_regclass('consent_mw.ledger')"
)
#: Selects the months whose partition this user may drop.
_MONTHS = (
    "SELECT substr(relname, 8)::integer FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
    "WHERE inhparent = to_regclass('consent_mw.ledger') AND relname ~ '^ledger_[0-9]{6}$' "
    "AND pg_has_role(relowner, 'USAGE') ORDER BY 1"
)


def month_of(day: int) -> int:
    """Return the month of a day as YYYYMM, or 0 if the calendar does not have it."""
    found = calendar(day)
    return 0 if found is None or found.year < 1000 else found.year * 100 + found.month


def place_for(session: Session, day: int, lock: int) -> int:
    """
    Return the month for a seal of that day, after making its partition; 0 if that is impossible.

    Args:
        lock: The key of an advisory lock, so that two sites do not make it at once.
    """
    month = month_of(day)
    if not month:
        return 0
    name = f"ledger_{month}"
    ((there, allowed),) = session.rows(_MAY_CREATE, f"consent_mw.{name}")
    if there or not allowed:
        return month if there else 0
    session.rows("SELECT pg_advisory_xact_lock(?)", lock)
    ((there, _),) = session.rows(_MAY_CREATE, f"consent_mw.{name}")
    if not there:
        session.change(
            f"CREATE TABLE {name} (LIKE ledger INCLUDING DEFAULTS INCLUDING CONSTRAINTS, "
            "PRIMARY KEY (site, receipt, step), CHECK (seal IS NOT NULL)) WITH (autovacuum_vacuum_scale_factor = 0.01)"
        )
        session.change(f"CREATE INDEX {name}_sealed ON {name} (site, seal, place)")
        session.change(f"ALTER TABLE ledger ATTACH PARTITION {name} FOR VALUES IN ({month})")
    return month


# -- retention


def droppable(session: Session, site: str, before: int) -> list[int]:
    """Return the months whose seals are all dated before that day, and that have no entry of another site."""
    found = []
    for (month,) in session.rows(_MONTHS):
        if not isinstance(month, int) or month >= month_of(before):
            continue
        others = f"SELECT 1 FROM ledger_{month} WHERE site < ? OR site > ? LIMIT 1"  # noqa: S608 - a number
        if not session.rows(others, site, site):
            found.append(month)
    return found


def drop(session: Session, site: str, month: int) -> int:
    """
    Drop a month with the leaves of its seals, and return the number of its entries.

    It gives up soon if a query is reading the ledger, since appends would wait behind it.
    """
    session.change("SET LOCAL statement_timeout = 0")
    ((entries,),) = session.rows(f"SELECT count(*) FROM ledger_{month}")  # noqa: S608 - a number
    seals = f"SELECT DISTINCT seal FROM ledger_{month} WHERE site = ?"  # noqa: S608 - a number
    dropped = [(site, number) for (number,) in session.rows(seals, site)]
    session.change("SET LOCAL lock_timeout = '200ms'")
    session.change(f"DROP TABLE ledger_{month}")
    session.change_all("DELETE FROM ledger WHERE site = ? AND seal = ?", dropped)  # what was not moved yet
    session.change_all("UPDATE seals SET leaves = NULL WHERE site = ? AND number = ?", dropped)
    return int(entries or 0)


# -- what an older version left in one table


def unmoved(session: Session, after: tuple[str, int], limit: int) -> list[tuple[str, int, int]]:
    """Return site, number and day of seals with entries in ``ledger_open``, from those after a site and a number."""
    query = (
        "SELECT site, number, day FROM seals WHERE (site, number) > (?, ?) AND EXISTS "
        "(SELECT 1 FROM ledger_open AS kept WHERE kept.site = seals.site AND kept.seal = seals.number) "
        "ORDER BY site, number LIMIT ?"
    )
    rows = session.rows(query, *after, limit)
    return [(str(site), int(number or 0), int(day or 0)) for site, number, day in rows]


def move_seal(session: Session, site: str, number: int, month: int) -> int:
    """Move the entries of a seal into their month."""
    statement = f"UPDATE ledger SET month = {month} WHERE month = 0 AND site = ? AND seal = ?"  # noqa: S608 - a number
    return session.change(statement, site, number) if month else 0


@lru_cache(maxsize=64)
def unless_sealed(statement: str, first: int) -> str:
    """Turn an insertion into one that does nothing if the entry is sealed in that month or a later one."""
    head, _, rest = statement.partition(" VALUES (")
    values, _, conflict = rest.partition(") ON CONFLICT ")
    there = f"SELECT 1 FROM ledger WHERE site = ? AND receipt = ? AND step = ? AND month >= {first}"  # noqa: S608
    return f"{head} SELECT {values} WHERE NOT EXISTS ({there}) ON CONFLICT {conflict}"
