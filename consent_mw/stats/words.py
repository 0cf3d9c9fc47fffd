"""
Formats numbers, dates and sentences about the figures in a language.

The texts are in :mod:`consent_mw.stats.texts`. A text that a language lacks is taken from English.
"""

from __future__ import annotations

import re

from consent_mw.core.days import calendar
from consent_mw.core.days import iso
from consent_mw.stats.texts import TEXTS

__all__ = ["ENGLISH", "Words"]

_ENGLISH = "en"
_PLACE = re.compile(r"\{(\w+)\}")


class Words:
    """
    One language.

    Args:
        lang: A language tag; English if there are no texts in it.
    """

    def __init__(self, lang: str) -> None:
        known = [tag for tag in (lang, lang.partition("-")[0]) if tag in TEXTS]
        self.lang = known[0] if known else _ENGLISH
        self._texts = {**TEXTS[_ENGLISH], **TEXTS[self.lang]}
        # A page of figures has three thousand numbers.
        self._decimal, self._thousands = self.say("decimal"), self.say("thousands")
        self.months = self.say("months").split()
        self.long_months = self.say("months.long").split()

    def has(self, key: str) -> bool:
        """Return whether the text exists."""
        return key in self._texts

    def say(self, key: str, **values: object) -> str:
        """Return the text with its placeholders filled in."""
        text = self._texts[key]
        return _PLACE.sub(lambda place: str(values.get(place[1], place[0])), text) if "{" in text else text

    def count(self, key: str, number: int, **values: object) -> str:
        """Return the singular or plural form of a text for the number."""
        return self.say(f"{key}.one" if number == 1 else key, n=self.number(number), **values)

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number with thousands separators."""
        text = f"{abs(value):,.{digits}f}"
        swapped = text.replace(",", "\0").replace(".", self._decimal).replace("\0", self._thousands)
        minus = value < 0 and any(digit in "123456789" for digit in text)
        return ("\N{MINUS SIGN}" if minus else "") + swapped

    def percent(self, share: float, digits: int = 0) -> str:
        """Return a share from 0 to 1 in percent."""
        return self.say("percent", n=self.number(share * 100, digits))

    def between(self, low: float, high: float, digits: int = 0) -> str:
        """Return a range between two shares, in percent."""
        return self.say("range", a=self.number(low * 100, digits), b=self.percent(high, digits))

    def day(self, day: int, *, year: bool = True, long: bool = False) -> str:
        """Return a day, counted from 1970-01-01, with or without its year, with a short or a long month."""
        found = calendar(day)
        if found is None:
            return iso(day)
        key = "day.first" if found.day == 1 and self.has("day.first") else "day"
        text = self.say(key, d=found.day, month=(self.long_months if long else self.months)[found.month - 1])
        return self.say("day.year", day=text, y=found.year) if year else text

    def days(self, first: int, last: int, *, year: bool = True) -> str:
        """Return a range of days in its shortest form."""
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


#: For terminals, JSON and logs.
ENGLISH = Words(_ENGLISH)
