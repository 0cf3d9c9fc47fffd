"""
Numbers, dates and sentences of the owner's pages as a language writes them.

The texts are in :mod:`consent_mw.web.stats.texts`; what a language lacks is
taken from English.
"""

from __future__ import annotations

from datetime import date

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from consent_mw.core.days import calendar
from consent_mw.core.days import iso
from consent_mw.notice.wording import direction
from consent_mw.web.stats.charts import Tick
from consent_mw.web.stats.texts import TEXTS

_ENGLISH = "en"
#: An Accept-Language header is read up to here; browsers send under 200 characters.
_HEADER_LIMIT = 1000


class Words:
    """
    One language of the pages.

    Args:
        lang: A language tag; English where its texts are not there.
    """

    def __init__(self, lang: str) -> None:
        known = [tag for tag in (lang, lang.partition("-")[0]) if tag in TEXTS]
        self.lang = known[0] if known else _ENGLISH
        self._texts = {**TEXTS[_ENGLISH], **TEXTS[self.lang]}
        self._months = self.say("months").split()
        self._long_months = self.say("months.long").split()

    @staticmethod
    def preferred(header: str) -> str:
        """Return the language of the pages that an Accept-Language header asks for."""
        return parse_accept_header(header[:_HEADER_LIMIT], LanguageAccept).best_match(TEXTS) or _ENGLISH

    @property
    def dir(self) -> str:
        """The direction of writing."""
        return direction(self.lang)

    @property
    def rtl(self) -> bool:
        """Whether it is written from right to left."""
        return self.dir == "rtl"

    def has(self, key: str) -> bool:
        """Return whether there is such a text."""
        return key in self._texts

    def say(self, key: str, **values: object) -> str:
        """Return the text with the values in the places that name them."""
        text = self._texts[key]
        for name, value in values.items():
            text = text.replace("{" + name + "}", str(value))
        return text

    def count(self, key: str, number: int, **values: object) -> str:
        """Return the text for one, or for several, of something."""
        return self.say(f"{key}.one" if number == 1 else key, n=self.number(number), **values)

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number with its thousands apart."""
        text = f"{abs(value):,.{digits}f}"
        swapped = text.replace(",", "\0").replace(".", self.say("decimal")).replace("\0", self.say("thousands"))
        minus = value < 0 and any(digit in "123456789" for digit in text)
        return ("\N{MINUS SIGN}" if minus else "") + swapped

    def percent(self, share: float, digits: int = 0) -> str:
        """Return a share, from 0 to 1, in hundredths."""
        return self.say("percent", n=self.number(share * 100, digits))

    def between(self, low: float, high: float, digits: int = 0) -> str:
        """Return two shares as the ends of a range."""
        return self.say("range", a=self.number(low * 100, digits), b=self.percent(high, digits))

    def day(self, day: int, *, year: bool = True, long: bool = False) -> str:
        """Return a day since 1970-01-01, with or without its year, the month short or long."""
        found = calendar(day)
        if found is None:
            return iso(day)
        key = "day.first" if found.day == 1 and self.has("day.first") else "day"
        text = self.say(key, d=found.day, month=(self._long_months if long else self._months)[found.month - 1])
        return self.say("day.year", day=text, y=found.year) if year else text

    def days(self, first: int, last: int, *, year: bool = True) -> str:
        """Return a range of days, as short as it can be said."""
        if first == last:
            return self.day(first, year=year)
        one, other = calendar(first), calendar(last)
        if one is None or other is None:
            return self.say("range.days", a=iso(first), b=iso(last))
        begin = self.day(first, year=year and one.year != other.year)
        if (one.year, one.month) == (other.year, other.month) and self.has("day.bare"):
            begin = self.say("day.bare", d=one.day)
            return self.say("range.tight", a=begin, b=self.day(last, year=year))
        return self.say("range.days", a=begin, b=self.day(last, year=year))

    def ticks(self, first: int, last: int) -> list[Tick]:
        """Return the labels of a time axis: days, weeks, months or years, as many as are easy to read."""
        span = last + 1 - first
        days = range(first, last + 1)
        if span <= 14:
            step = 1 if span <= 7 else 2
            return [Tick(day + 0.5, self.day(day, year=False), number % 2) for number, day in enumerate(days[::step])]
        if span <= 140:
            mondays = [day for day in days if day % 7 == 4]  # 1970-01-05, day 4, was a Monday
            apart = 1 if span <= 60 else 2
            return [Tick(day, self.day(day, year=False), number % 2) for number, day in enumerate(mondays[::apart])]
        firsts = [(day, found) for day in days if (found := calendar(day)) and found.day == 1]
        if span <= 500:
            return [Tick(day, self._month(found), 0 if found.month % 3 == 1 else 1) for day, found in firsts]
        if span <= 1500:
            levels = {1: 0, 7: 1, 4: 2, 10: 2}
            return [
                Tick(day, self._month(found), levels[found.month]) for day, found in firsts if found.month in levels
            ]
        return [Tick(day, str(found.year), found.year % 2) for day, found in firsts if found.month == 1]

    def _month(self, day: date) -> str:
        return str(day.year) if day.month == 1 else self._months[day.month - 1]
