"""The rows of a store as its owner can read them, and their privacy problems."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from contextlib import suppress
from typing import Any

import psycopg
import redis

from consent_mw.counting.browser import BROWSERS
from consent_mw.counting.browser import SYSTEMS

Row = tuple[str, list[Any]]

#: Days since 1970 have five digits; hours since then have six.
FINEST = 100_000
_TIME = re.compile(r"\d\d:\d\d|\d{4}-\d\d-\d\dT|\d{4}-\d\d-\d\d \d")
_SHARED = set(BROWSERS) & set(SYSTEMS)


def rows(url: str) -> Iterator[Row]:
    """Yield each row of a store, as the name of its table and its cells; split lists in cells."""
    if url.startswith("sqlite:///"):
        found = _sqlite(url.removeprefix("sqlite:///"))
    elif url.startswith("postgresql://"):
        found = _postgres(url)
    else:
        found = _redis(url)
    for table, cells in found:
        yield table, [part for cell in cells for part in _parts(cell)]


def _parts(cell: Any) -> Iterator[Any]:
    if isinstance(cell, bytes | memoryview):
        try:
            cell = bytes(cell).decode()
        except UnicodeDecodeError:
            return  # hashes and compressed values, which the search for canaries unpacks
    if isinstance(cell, str) and cell[:1] in ("[", "{"):
        with suppress(ValueError):
            cell = json.loads(cell)
    if isinstance(cell, dict):
        cell = [*cell, *cell.values()]
    if isinstance(cell, list):
        for part in cell:
            yield from _parts(part)
    elif isinstance(cell, str) and "\0" in cell:
        for part in cell.split("\0"):
            yield from _parts(part)
    else:
        yield cell


def _sqlite(path: str) -> Iterator[Row]:
    with closing(sqlite3.connect(path)) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608 - our own names
                yield table, list(row)


def _postgres(url: str) -> Iterator[Row]:
    with psycopg.connect(url) as connection:
        query = (
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        for schema, table in connection.execute(query).fetchall():
            for row in connection.execute(f"SELECT * FROM {schema}.{table}".encode()):  # noqa: S608 - likewise
                yield table, list(row)


def _redis(url: str) -> Iterator[Row]:
    with redis.Redis.from_url(url.partition("?")[0], protocol=2) as client:
        for key in client.scan_iter():
            name = key.decode()
            kind = client.type(key)
            if kind == b"string":
                yield name, [client.get(key)]
            elif kind == b"set":
                for member in client.smembers(key):
                    yield name, [member]
            elif kind == b"hash":
                for field, value in client.hgetall(key).items():
                    yield name, [field, value]
            elif kind == b"zset":
                for member, score in client.zrange(key, 0, -1, withscores=True):
                    yield name, [member, score]
            else:
                raise AssertionError(f"{name} is a {kind!r}, which keeps an order of arrival")


def dimensions(cells: list[Any], providers: set[str]) -> set[str]:
    """Return which of browser, system and provider are in a row."""
    texts = {cell for cell in cells if isinstance(cell, str)} - _SHARED
    named = {"browser": set(BROWSERS), "os": set(SYSTEMS), "isp": providers}
    return {dimension for dimension, values in named.items() if texts & values}


def findings(found: list[Row], receipts: set[str], providers: set[str]) -> list[str]:
    """Return the problems of the rows: values that link one fact about a visitor to another."""
    wrong = []
    for table, cells in found:
        named = dimensions(cells, providers)
        if len(named) > 1:
            wrong.append(f"{table}: a row with {' and '.join(sorted(named))}")
        texts = [cell for cell in cells if isinstance(cell, str)]
        if receipts.isdisjoint(texts):
            continue
        if named:
            wrong.append(f"{table}: a row with a receipt and {' and '.join(sorted(named))}")
        if any(isinstance(cell, int | float) and (cell > FINEST or cell != int(cell)) for cell in cells):
            wrong.append(f"{table}: a row with a receipt and a number finer than a day")
        if any(_TIME.search(text) for text in texts if text not in receipts):
            wrong.append(f"{table}: a row with a receipt and a time of day")
        if not all(isinstance(cell, str | int | float | bytes | None) for cell in cells):
            wrong.append(f"{table}: a row with a receipt and something that is neither text nor number")
    return wrong
