"""Days: numbers of the ledger as dates, whatever the number."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.days import calendar
from consent_mw.core.days import day_of
from consent_mw.core.days import iso


@pytest.mark.parametrize(
    ("day", "text"),
    [(0, "1970-01-01"), (20_779, "2026-11-22"), (-1, "1969-12-31"), (10**9, "1000000000"), (-(10**18), f"-{10**18}")],
)
def test_a_day_is_a_date_or_a_number(day: int, text: str) -> None:
    """What no calendar has is shown as the number it is."""
    assert iso(day) == text


@given(st.integers())
def test_no_day_fails(day: int) -> None:
    """A damaged number never raises."""
    assert iso(day)
    calendar(day)


@given(st.dates())
def test_a_date_comes_back(found: date) -> None:
    """Every date of the calendar is one day, and the way back leads to it."""
    day = day_of(found.isoformat())
    assert (calendar(day), iso(day)) == (found, found.isoformat())
