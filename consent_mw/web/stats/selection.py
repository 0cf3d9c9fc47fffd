"""What an owner selected on the figures page: a period, a table, a purpose and a language, as the query has them."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace
from urllib.parse import urlencode

from flask import request

from consent_mw.stats import TABLES
from consent_mw.stats import chosen
from consent_mw.stats.texts import TEXTS

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True)
class Selection:
    """The selection in a request: read from the query, and written as a query again."""

    period: str = ""
    first: str = ""
    last: str = ""
    table: str = ""
    purpose: str = ""
    lang: str = ""

    @classmethod
    def asked(cls) -> Selection:
        """Return the selection of the current request, whose query may contain anything."""
        names = ("period", "from", "to", "table", "purpose", "lang")
        values = [request.args.get(name, "")[:100] for name in names]
        found = cls(*values)
        return replace(
            found,
            period={"1y": "52w"}.get(found.period, found.period),  # a common synonym
            table=found.table if found.table in TABLES else "",
            lang=found.lang if found.lang in TEXTS else "",
        )

    def pairs(self) -> list[tuple[str, str]]:
        """Return the fields that are not empty, as in a query."""
        names = ("period", "from", "to", "table", "purpose", "lang")
        values = (self.period, self.first, self.last, self.table, self.purpose, self.lang)
        return [(name, value) for name, value in zip(names, values, strict=True) if value]

    def rest(self) -> list[tuple[str, str]]:
        """Return the fields other than the days."""
        return [(name, value) for name, value in self.pairs() if name not in {"period", "from", "to"}]

    def query(self) -> str:
        """Return the selection as a query with the question mark, or an empty string."""
        pairs = self.pairs()
        return "?" + urlencode(pairs) if pairs else ""

    def days(self, today: int) -> tuple[int, int]:
        """Return the first and last day, or raise :class:`consent_mw.stats.PeriodError`."""
        return chosen(today, preset=self.period, first=self.first, last=self.last)
