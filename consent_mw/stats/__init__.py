"""
Consent rates: publishing figures, and evaluating the published ones.

:func:`publish_due` turns raw counts of complete days into figures whose cells are all at least
:data:`~consent_mw.core.counts.K`; :func:`report` evaluates the figures of a period. Nothing else reads raw counts.
"""

from __future__ import annotations

from consent_mw.core.days import iso
from consent_mw.stats.exports import TABLES
from consent_mw.stats.exports import as_csv
from consent_mw.stats.exports import as_json
from consent_mw.stats.periods import DEFAULT
from consent_mw.stats.periods import PRESETS
from consent_mw.stats.periods import PeriodError
from consent_mw.stats.periods import Preset
from consent_mw.stats.periods import chosen
from consent_mw.stats.publication import publish_due
from consent_mw.stats.queries import first_needed
from consent_mw.stats.queries import report
from consent_mw.stats.rates import Rate
from consent_mw.stats.rates import RateChange
from consent_mw.stats.rates import wilson
from consent_mw.stats.reports import Mark
from consent_mw.stats.reports import Period
from consent_mw.stats.reports import Point
from consent_mw.stats.reports import PurposeShare
from consent_mw.stats.reports import Report
from consent_mw.stats.reports import Row
from consent_mw.stats.reports import Since
from consent_mw.stats.reports import Span
from consent_mw.stats.reports import Table
from consent_mw.stats.reports import Total
from consent_mw.stats.sentence import plain_sentence as sentence

__all__ = [
    "DEFAULT",
    "PRESETS",
    "TABLES",
    "RateChange",
    "Mark",
    "Period",
    "PeriodError",
    "Point",
    "Preset",
    "PurposeShare",
    "Rate",
    "Report",
    "Row",
    "Since",
    "Span",
    "Table",
    "Total",
    "as_csv",
    "as_json",
    "chosen",
    "first_needed",
    "iso",
    "publish_due",
    "report",
    "sentence",
    "wilson",
]
