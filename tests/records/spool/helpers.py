"""Helpers for the tests of the spool: sample entries, and the contents of a store and a spool."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.records import open_records
from consent_mw.records.spool import SpooledRecords
from tests.records.remotes import Remote

GRANT = Entry(
    site="site",
    receipt="r" * 22,
    act=Act.PARTIAL,
    day=20_779,
    revision="0123456789ab",
    purposes=frozenset({"marketing", "analytics"}),
    services=frozenset({"youtube", "ga"}),
    gpc=True,
    language="de",
    notice="f" * 64,
)
END = replace(GRANT, act=Act.WITHDRAW, day=20_780)
#: Long enough that it only stops a call that hangs.
PATIENT = 30.0

Opened = Callable[..., SpooledRecords]


def grants(count: int) -> list[Entry]:
    """Return grants with different receipts."""
    return [replace(GRANT, receipt=f"receipt-{number:05}") for number in range(count)]


def there(remote: Remote) -> list[Entry]:
    """Return the entries of the remote store, by receipt and step."""
    with closing(open_records(remote.url)) as records:
        return [kept.entry for kept in records.entries()]


def here(file: Path) -> list[tuple[str, str]]:
    """Return receipt and act of each spooled entry, as another program would read them."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT receipt, act FROM ledger ORDER BY receipt, step").fetchall()


def replayed(store: SpooledRecords) -> int:
    """Replay until the breaker lets it through, and return the number of entries sent."""
    until = time.monotonic() + PATIENT
    sent = store.replay()
    while not store._breaker.closed:
        if time.monotonic() > until:
            pytest.fail("the remote store did not come back")
        sent += store.replay()
    return sent


def bytes_of(file: Path) -> bytes:
    """Return the bytes of all the spool's files."""
    return b"".join(path.read_bytes() for path in sorted(file.parent.glob(f"{file.name}*")))
