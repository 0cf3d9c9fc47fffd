"""The periods that users can choose, as whole days since 1970-01-01 UTC."""

from __future__ import annotations

from dataclasses import dataclass

from consent_mw.core import days
from consent_mw.core.days import iso

#: The longest period in days, which limits how much is read.
LONGEST = 3660


class PeriodError(ValueError):
    """The period is invalid; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A period that ends yesterday: its id, its display name, and its length in days."""

    id: str
    name: str
    days: int


PRESETS = (
    Preset("7d", "Last 7 days", 7),
    Preset("4w", "Last 4 weeks", 28),
    Preset("12w", "Last 12 weeks", 84),
    Preset("52w", "Last 52 weeks", 364),
    Preset("3y", "Last 3 years", 1096),
)
DEFAULT = PRESETS[1]


def day_of(text: str) -> int:
    """
    Parse a date in the form ``YYYY-MM-DD``.

    Raises:
        PeriodError: if it is not a date.
    """
    try:
        return days.day_of(text)
    except ValueError:
        raise PeriodError(f"{text[:20]!r} is not a date: write it as 2026-05-03.") from None


def chosen(today: int, *, preset: str = "", first: str = "", last: str = "") -> tuple[int, int]:
    """
    Return the first and last day of a period.

    Args:
        today: The current day. Periods end the day before, since today is not complete.
        preset: The id of one of PRESETS, or any number of days or weeks, such as ``30d`` or ``6w``.
        first: The first day as ``YYYY-MM-DD``; it takes precedence over ``preset``.
        last: The last day; yesterday if it is empty.

    Raises:
        PeriodError: if the period is invalid, or longer than LONGEST.
    """
    end = day_of(last) if last.strip() else today - 1
    begin = day_of(first) if first.strip() else end - _days(preset or DEFAULT.id) + 1
    if begin > end:
        raise PeriodError(f"The period begins on {iso(begin)}, after its end on {iso(end)}: exchange the two.")
    if end - begin + 1 > LONGEST:
        raise PeriodError(f"A period of {end - begin + 1} days is too long: choose at most {LONGEST}.")
    if begin < 0:
        raise PeriodError("The period begins before 1970: nothing was counted then.")
    return begin, end


def _days(text: str) -> int:
    for preset in PRESETS:
        if preset.id == text:
            return preset.days
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit() and len(number) <= 4) or unit not in {"d", "w"} or int(number) == 0:
        raise PeriodError(f"{text[:20]!r} is not a period: write 7d, 4w, 12w, 52w or 3y.")
    return int(number) * (7 if unit == "w" else 1)
