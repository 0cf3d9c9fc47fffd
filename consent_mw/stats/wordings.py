"""
Compares the wordings of a notice by published figures.

Wordings are rows of the table of the notice's forms, so their figures obey the same rules as all others. Only runs with
a row for each wording count, so that all are compared over the same weeks. Rates are shares of all visits that were
asked, not of answers: a wording that makes visitors leave instead of refusing would otherwise look good.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass

from consent_mw.core.counts import VARIANT
from consent_mw.core.counts import Figures
from consent_mw.stats.queries import table_of
from consent_mw.stats.rates import Rate
from consent_mw.stats.rates import RateChange
from consent_mw.stats.rates import always_valid

__all__ = ["ComparedWording", "compared"]


@dataclass(frozen=True, slots=True)
class ComparedWording:
    """
    One wording.

    Args:
        form: The form of the notice under which its visits are counted.
        visits: The share of everyone asked that accepted at least one purpose; None if nothing was published.
        answers: The same share of answers.
        difference: To the first wording, in points of ``visits``; None for the first one.
    """

    form: str
    visits: Rate | None
    answers: Rate | None
    difference: RateChange | None


def compared(figures: Iterable[Figures], forms: Sequence[str]) -> list[ComparedWording]:
    """
    Return the wordings in the order of ``forms``, the site's own words first.

    Args:
        figures: Published figures; those of other tables are ignored.
        forms: :meth:`consent_mw.core.model.Site.form` of each wording.
    """
    wanted = set(forms)
    runs = [run for run in figures if run.table == VARIANT and wanted <= {value for value, _ in run.cells}]
    rows = {row.value: row for row in table_of(VARIANT, sorted(runs, key=lambda run: run.last)).rows}
    found = [rows.get(form) for form in forms]
    standard = found[0].visits if found and found[0] else None
    made: list[ComparedWording] = []
    for form, row in zip(forms, found, strict=True):
        visits = row.visits if row else None
        several = len(forms) - 1
        difference = always_valid(visits, standard, several) if made and visits and standard else None
        made.append(ComparedWording(form, visits, row.answers if row else None, difference))
    return made
