"""
Vacuuming what was deleted, where it was deleted.

PostgreSQL overwrites deleted rows after the next vacuum. It starts one by itself once a share of a table was deleted,
but not for a single erased receipt, so erasing and purging ask for one. A ledger of years has many partitions, and a
vacuum of each would take minutes: only those are vacuumed that lost rows. A dropped partition needs no vacuum. Neither
do the lists of leaves, which are about nobody: PostgreSQL vacuums them by itself.
"""

from __future__ import annotations

from collections.abc import Collection

from consent_mw.records.postgres import months
from consent_mw.records.postgres.pool import PooledConnection
from consent_mw.records.sql.session import Session

__all__ = ["WAIT", "tables_of", "vacuum"]

#: Seconds for a month of millions of entries of which half were deleted; no visitor waits for it.
WAIT = 900.0


def tables_of(session: Session, days: Collection[int] | None) -> list[str]:
    """Return the table of what is not sealed and the partitions of the seals of these days; None for all tables."""
    if days is None:
        return ["consent_mw.ledger"]
    found = sorted({months.month_of(day) for day in days} - {0})
    names = ["consent_mw.ledger_open", *(f"consent_mw.ledger_{month}" for month in found)]
    return [name for name in names if session.rows("SELECT 1 WHERE to_regclass(?) IS NOT NULL", name)]


def vacuum(link: PooledConnection, tables: Collection[str]) -> None:
    """Vacuum these tables, except those that are being vacuumed, without the time limit of other statements."""
    # A session behind a pooler is shared, so it has no limit of ours and gets none.
    (limit,) = link.execute("SELECT current_setting('statement_timeout')").fetchall()
    if not link.shared:
        link.execute("SET statement_timeout = 0")
    names = ", ".join(tables)  # made of our own words and numbers
    link.execute("VACUUM (SKIP_LOCKED, TRUNCATE false) " + names)
    if not link.shared:
        link.execute("SELECT set_config('statement_timeout', %s, false)", limit)
