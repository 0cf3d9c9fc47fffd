"""
Formats rates, changes and the summary sentence of a report in any language, with only significant digits.

:func:`sentence` is the only place that puts figures into a sentence. Pages call it with their language. Terminals and
JSON use English, through :func:`plain_sentence`.
"""

from __future__ import annotations

from collections.abc import Mapping

from consent_mw.core.counts import K
from consent_mw.stats.rates import Rate
from consent_mw.stats.rates import RateChange
from consent_mw.stats.reports import Report
from consent_mw.stats.words import ENGLISH
from consent_mw.stats.words import Words

#: The purpose that the sentence is about, if it was published.
_FIRST_PURPOSE = "analytics"
#: Width of an interval, in percentage points, above which the sentence needs a warning.
_WIDE = 20.0
#: Width of an interval below which a decimal is significant.
_NARROW = 0.04

#: The longest period that can be chosen; it includes a leap year.
_THREE_YEARS = 1096


def digits(rate: Rate) -> int:
    """Return how many decimals of a percentage are significant."""
    return 1 if rate.high - rate.low < _NARROW else 0


def percent(words: Words, rate: Rate, decimals: int = 0) -> str:
    """Return the share in percent; 0% and 100% are used only for none and all."""
    shown = round(100 * rate.share, decimals)
    if shown >= 100 and rate.count < rate.of:
        return words.say("percent.most")
    return words.say("percent.least") if shown == 0 and rate.count else words.percent(rate.share, decimals)


def points(words: Words, count: float) -> str:
    """Return percentage points with their unit: a whole number, or one decimal if it is small."""
    size = abs(count)
    decimals = 0 if size >= 1.95 or round(size, 1) == round(size) else 1
    shown = round(size, decimals)
    return words.say("points.one" if shown == 1 else "points", n=words.number(shown, decimals))


def length(words: Words, days: int) -> str:
    """Return a name for the previous period of that length, in whole weeks or years if possible."""
    if days == _THREE_YEARS:
        return words.say("length.years", n=3)
    if days > 7 and days % 7 == 0:
        return words.say("length.weeks", n=days // 7)
    return words.say("length.day") if days == 1 else words.say("length.days", n=words.number(days))


def direction(change: RateChange) -> str:
    """Return ``up`` or ``down``, or ``same`` if the change may be noise."""
    if not change.certain:
        return "same"
    return "up" if change.points > 0 else "down"


def moved(words: Words, change: RateChange | None, days: int) -> tuple[str, str] | None:
    """Return the direction of a change from the previous period, and its text; None if there is nothing to compare."""
    if change is None:
        return None
    way = direction(change)
    return way, words.say(f"change.{way}", points=points(words, change.points), length=length(words, days))


def sentence(words: Words, report: Report, labels: Mapping[str, str]) -> str:
    """
    Summarise the period in one plain sentence, such as "62% of answers accept statistics, down 4 points since 3 May".

    Args:
        labels: Names of purposes by id, as used within a sentence.
    """
    period = report.period
    if period.covered is None:
        return words.say("s.nothing", k=K)
    named = {purpose.id: purpose for purpose in period.purposes if purpose.answers}
    purpose = _FIRST_PURPOSE if _FIRST_PURPOSE in named else next(iter(named), "")
    rate = named[purpose].answers if purpose else period.answers
    compared = named[purpose].change if purpose else report.answers
    if rate is None:
        if period.visits is not None:
            return words.say("s.visits", p=percent(words, period.visits))
        return words.say("s.few", k=K)
    since = report.since.get(purpose)
    if since is not None:
        compared = since.change
    text = words.say("s.purpose" if purpose else "s.any", p=percent(words, rate), purpose=labels.get(purpose, purpose))
    if compared is not None:
        key = f"s.{'before' if since is None else 'since'}.{direction(compared)}"
        day = "" if since is None else date_of(words, since.mark.first, period.last)
        before = length(words, period.last - period.first + 1)
        text += words.say(key, points=points(words, compared.points), length=before, day=day)
    if 100 * (rate.high - rate.low) > _WIDE:
        text += words.say("s.wide", a=words.percent(rate.low), b=words.percent(rate.high))
    return text + words.say("s.end")


def date_of(words: Words, day: int, beside: int) -> str:
    """Return the day, with its year if the day ``beside`` is in another year."""
    with_year = words.day(day, long=True)
    year = words.day(beside).rpartition(" ")[2]
    return words.day(day, long=True, year=not with_year.endswith(year))


def plain_sentence(report: Report, labels: Mapping[str, str] | None = None) -> str:
    """Return the sentence in English, with ordinary spaces."""
    return plain(
        sentence(ENGLISH, report, {purpose.id: label(purpose.id, labels) for purpose in report.period.purposes})
    )


def label(purpose: str, labels: Mapping[str, str] | None = None) -> str:
    """Return the English name of a purpose within a sentence: the owner's, the built-in one, or its id."""
    return (labels or {}).get(purpose) or (ENGLISH.say(key) if ENGLISH.has(key := f"in.{purpose}") else purpose)


def plain(text: str) -> str:
    """Return a text with ordinary spaces, for terminals and files."""
    return text.replace("\u00a0", " ")
