"""
The common part of the SQL stores: every statement. :mod:`consent_mw.records.rows` reads and writes the rows.

A store provides a schema with these tables, and three ways to lend a :class:`Session`: for reading, for one change,
and for a transaction. The statements use only SQL that both SQLite 3.24 and PostgreSQL support, with ``?`` as the
placeholder.
"""

from __future__ import annotations

from importlib import resources

from consent_mw.records.sql.counters import SqlCounters
from consent_mw.records.sql.ledger import SqlLedger
from consent_mw.records.sql.observed import SqlObservations


class SqlRecords(SqlLedger, SqlCounters, SqlObservations):
    """The records of one site, in the tables of a database."""


def script(name: str) -> str:
    """Return a step of a schema."""
    return resources.files("consent_mw.records").joinpath(name).read_text(encoding="utf-8")
