"""The columns of the SQL stores, read from the databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from consent_mw.records import open_records
from tests.records.stores import Server

#: By table: the columns in order, and their types in PostgreSQL and SQLite.
Columns = dict[str, dict[str, str]]


@pytest.fixture(params=["sqlite", "postgres"])
def columns(request: pytest.FixtureRequest, tmp_path: Path, server: Callable[[str], Server]) -> Columns:
    """Return the tables of a new store of each kind."""
    found: Columns = {}
    if request.param == "sqlite":
        open_records(f"sqlite:///{tmp_path}/c.db").close()
        query = (
            "SELECT m.name, c.name, c.type FROM sqlite_master AS m, pragma_table_info(m.name) AS c "
            "WHERE m.type = 'table' ORDER BY m.name, c.cid"
        )
        with closing(sqlite3.connect(tmp_path / "c.db")) as file:
            every = file.execute(query).fetchall()
    else:
        url = server("postgres").fresh()
        open_records(url).close()
        query = (
            "SELECT table_name, column_name, upper(data_type) FROM information_schema.columns "
            "WHERE table_schema = 'consent_mw' ORDER BY table_name, ordinal_position"
        )
        with psycopg.connect(url) as connection:
            every = connection.execute(query.encode()).fetchall()
    for table, column, kind in every:
        found.setdefault(table, {})[column] = kind
    found.pop("steps", None)  # the table of migration steps
    if request.param == "postgres":
        assert found.pop("ledger_open") == found["ledger"]  # a partition; `month` is that of the seal
        assert found["ledger"].pop("month") == "INTEGER"
    return found


def test_the_columns_are_these(columns: Columns) -> None:
    """A new column needs a reason: none is about a device or a person."""
    assert {table: list(names) for table, names in columns.items()} == {
        "counts": ["site", "day", "dimension", "value", "outcome", "total"],
        "figures": ["site", "name", "first_day", "last_day", "cells"],
        "ledger": [
            "site",
            "receipt",
            "step",
            "act",
            "day",
            "revision",
            "purposes",
            "services",
            "gpc",
            "language",
            "notice",
            "about",
            "seal",
            "place",
        ],
        "notices": ["site", "digest", "document"],
        "observed": ["site", "name", "kind", "service", "held", "first_day", "last_day", "pages", "place"],
        "seals": ["site", "number", "day", "size", "root", "previous", "signature", "leaves"],
    }


def test_no_row_has_two_dimensions(columns: Columns) -> None:
    """Browser, OS and ISP are values of one column, so that no row can contain two of them, or one with a receipt."""
    dimensions = {"browser", "os", "isp", "dimension", "user_agent", "address", "ip"}
    for table, names in columns.items():
        assert len(dimensions & set(names)) <= 1, table
        assert not (dimensions & set(names) and "receipt" in names), table


def test_no_time_is_finer_than_a_day(columns: Columns) -> None:
    """No column is of a type for times or fractions, and days are whole numbers too small for seconds."""
    kinds = {kind for names in columns.values() for kind in names.values()}
    assert kinds <= {"TEXT", "INTEGER", "BIGINT", "BLOB", "BYTEA"}
    large = {column for names in columns.values() for column, kind in names.items() if kind == "BIGINT"}
    assert large <= {"total", "pages"}


def test_ledger_and_counters_share_no_key(columns: Columns) -> None:
    """Apart from the site and the day, no column could link them."""
    ledger = set(columns["ledger"]) | set(columns["seals"])
    counters = set(columns["counts"]) | set(columns["figures"])
    assert ledger & counters == {"site", "day"}
