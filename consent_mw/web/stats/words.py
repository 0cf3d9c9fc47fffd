"""The language of the owner's pages: negotiation with the browser, writing direction, commands, time axis labels."""

from __future__ import annotations

import re
from datetime import date

from markupsafe import Markup
from markupsafe import escape
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from consent_mw.core.days import calendar
from consent_mw.notice.wording import direction
from consent_mw.stats.texts import TEXTS
from consent_mw.stats.words import Words
from consent_mw.web.stats.charts import Tick

#: How many characters of an Accept-Language header are read; browsers send fewer than 200.
_HEADER_LIMIT = 1000

#: A command in a sentence, up to its last word or option.
_COMMAND = re.compile(r"consent-mw(?: -{0,2}\w[\w-]*)+")


def coded(text: str) -> Markup:
    """Return a sentence as HTML, with the commands in it marked as code."""
    return Markup(_COMMAND.sub(r"<code>\g<0></code>", str(escape(text))))  # noqa: S704 (escaped before)


class PageWords(Words):
    """One language, for the owner's pages."""

    @staticmethod
    def preferred(header: str) -> str:
        """Return the language that an Accept-Language header prefers; English if there is no match."""
        return parse_accept_header(header[:_HEADER_LIMIT], LanguageAccept).best_match(TEXTS) or "en"

    @property
    def dir(self) -> str:
        """The writing direction: ``ltr`` or ``rtl``."""
        return direction(self.lang)

    @property
    def rtl(self) -> bool:
        """Whether the language is written from right to left."""
        return self.dir == "rtl"

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
        return str(day.year) if day.month == 1 else self.months[day.month - 1]
