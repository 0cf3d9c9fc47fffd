"""
Days, as whole days since 1970-01-01 UTC.

Days are read from stores that may be damaged. A number that is not a date in the calendar is shown as a number, and
never makes a page fail.
"""

from __future__ import annotations

from datetime import date
from datetime import timedelta

__all__ = ["DAY_SECONDS", "EPOCH", "calendar", "day_of", "iso"]

#: Seconds in a day.
DAY_SECONDS = 86_400
#: The day with the number 0.
EPOCH = date(1970, 1, 1)


def calendar(day: int) -> date | None:
    """Return the date of a day, or None if it lies outside the years 1 to 9999."""
    try:
        return EPOCH + timedelta(days=day)
    except OverflowError:
        return None


def iso(day: int) -> str:
    """Return the day as ``2026-11-22``, or its number if the calendar has no such day."""
    found = calendar(day)
    return str(day) if found is None else found.isoformat()


def day_of(text: str) -> int:
    """
    Return the day that ``2026-11-22`` names.

    Raises:
        ValueError: if the text is not a date of ISO 8601.
    """
    return (date.fromisoformat(text.strip()) - EPOCH).days
