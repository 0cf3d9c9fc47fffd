"""Periods are whole days, and end before today."""

from __future__ import annotations

import pytest

from consent_mw.stats import PRESETS
from consent_mw.stats import PeriodError
from consent_mw.stats import chosen
from consent_mw.stats import iso
from consent_mw.stats.periods import day_of

TODAY = day_of("2026-11-22")


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.id)
def test_a_preset_ends_yesterday(preset: object) -> None:
    """Each preset has its number of days and ends with the last day that is complete."""
    assert hasattr(preset, "id") and hasattr(preset, "days")
    first, last = chosen(TODAY, preset=preset.id)
    assert (iso(last), last - first + 1) == ("2026-11-21", preset.days)


@pytest.mark.parametrize(("text", "days"), [("1d", 1), ("30d", 30), ("6w", 42)])
def test_any_number_of_days_or_weeks_is_a_period(text: str, days: int) -> None:
    """What is no preset is read as a number and its unit."""
    first, last = chosen(TODAY, preset=text)
    assert last - first + 1 == days


def test_days_of_ones_own_win() -> None:
    """A first day that is named is the first day, and without a last one the period ends yesterday."""
    assert tuple(map(iso, chosen(TODAY, preset="7d", first="2026-05-03"))) == ("2026-05-03", "2026-11-21")
    assert tuple(map(iso, chosen(TODAY, first="2026-05-03", last="2026-05-03"))) == ("2026-05-03", "2026-05-03")


@pytest.mark.parametrize(
    "asked",
    [
        {"preset": "x"},
        {"preset": "0d"},
        {"preset": "٣d"},
        {"preset": "99999d"},
        {"preset": "-7d"},
        {"first": "yesterday"},
        {"first": "2026-02-30"},
        {"first": "2026-05-04", "last": "2026-05-03"},
        {"first": "2010-01-01", "last": "2026-01-01"},
        {"first": "1969-01-01", "last": "1969-02-01"},
        {"first": "2026-01-01", "last": "<script>"},
    ],
)
def test_what_is_no_period_is_refused_with_a_remedy(asked: dict[str, str]) -> None:
    """A mistake is told in one sentence, whatever somebody wrote."""
    with pytest.raises(PeriodError, match=r"write|exchange|choose|nothing"):
        chosen(TODAY, **asked)
