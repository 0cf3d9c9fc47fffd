"""The figures in a sentence, no surer than they are."""

from __future__ import annotations

from collections.abc import Mapping

from consent_mw.core.counts import K
from consent_mw.core.days import calendar
from consent_mw.core.days import iso
from consent_mw.stats.rates import Rate
from consent_mw.stats.rates import RateChange
from consent_mw.stats.reports import Report

#: The purpose that the sentence is about where it was published.
FIRST_PURPOSE = "analytics"
#: An interval wider than this says too little for a sentence without a warning, in points.
WIDE = 20.0

_LABELS = {
    "preferences": "preferences",
    "analytics": "statistics",
    "marketing": "marketing",
    "embeds": "embedded content",
}
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

NOTHING_YET = (
    f"No figures for this period yet: they appear when a day is complete and at least {K} visits fall into each cell."
)


def label(purpose: str, labels: Mapping[str, str] | None = None) -> str:
    """Return the purpose as it reads in a sentence: by ``labels``, the built-in word, or its id."""
    return (labels or {}).get(purpose) or _LABELS.get(purpose) or purpose


def percent(rate: Rate) -> str:
    """Return the share in whole percent; only what is all or nothing reads so."""
    shown = round(100 * rate.share)
    if shown == 100 and rate.count < rate.of:
        return "over 99%"
    return "under 1%" if shown == 0 and rate.count else f"{shown}%"


def points(count: float) -> str:
    """Return a number of points with its unit, whole, or with one digit where it is small."""
    size = abs(count)
    text = f"{size:.0f}" if size >= 1.95 else f"{size:.1f}".removesuffix(".0")
    return f"{text} point{'' if text == '1' else 's'}"


def date_of(day: int, beside: int) -> str:
    """Return the day as "3 May", with its year where that of the day ``beside`` is another."""
    date, other = calendar(day), calendar(beside)
    if date is None:
        return iso(day)
    year = "" if other is not None and other.year == date.year else f" {date.year}"
    return f"{date.day} {_MONTHS[date.month - 1]}{year}"


def length(days: int) -> str:
    """Return a number of days in words, in weeks where it is whole weeks."""
    if days > 7 and days % 7 == 0:
        return f"{days // 7} weeks"
    return "day" if days == 1 else f"{days} days"


def moved(change: RateChange) -> str:
    """Return the change in words; what may be noise is called so."""
    if not change.certain:
        return "about the same as"
    return f"{'up' if change.points > 0 else 'down'} {points(change.points)}"


def sentence(report: Report, labels: Mapping[str, str] | None = None) -> str:
    """
    Return the period in one plain sentence, such as "62% of answers accept statistics, down 4 points since 3 May".

    Args:
        labels: Names of purposes, by id, as they read within a sentence.
    """
    period = report.period
    if period.covered is None:
        return NOTHING_YET
    named = {purpose.id: purpose for purpose in period.purposes if purpose.answers}
    purpose = FIRST_PURPOSE if FIRST_PURPOSE in named else next(iter(named), "")
    rate = named[purpose].answers if purpose else period.answers
    compared = named[purpose].change if purpose else report.answers
    if rate is None:
        if period.visits is not None:
            whole = f"{percent(period.visits)} of visits that were asked grant something"
            return f"{whole}; too few of one kind of answer to say more."
        return f"Too few answers yet: rates appear when at least {K} visits fall into each kind of answer."
    accepts = f"accept {label(purpose, labels)}" if purpose else "accept something"
    since = report.since.get(purpose)
    if since is not None:
        text = f"{percent(since.after)} of answers {accepts}, {moved(since.change)}"
        day = date_of(since.mark.first, period.last)
        text += (
            f" since the notice changed on {day}" if since.change.certain else f" before the notice changed on {day}"
        )
        rate = since.after
    elif compared is not None:
        before = length(period.last - period.first + 1)
        text = f"{percent(rate)} of answers {accepts}, {moved(compared)}"
        text += f" on the {before} before" if compared.certain else f" in the {before} before"
    else:
        text = f"{percent(rate)} of answers {accepts}"
    if 100 * (rate.high - rate.low) > WIDE:
        text += f"; so few answers leave {round(100 * rate.low)}% to {round(100 * rate.high)}% possible"
    return text + "."
