"""How a day of the ledger is written for people."""

from __future__ import annotations

from datetime import date
from datetime import timedelta

_EPOCH = date(1970, 1, 1)


def iso(day: int) -> str:
    """Return ``2026-11-22`` for whole days since 1970-01-01 UTC; the number itself where no calendar has that day."""
    try:
        return (_EPOCH + timedelta(days=day)).isoformat()
    except OverflowError:
        return str(day)
