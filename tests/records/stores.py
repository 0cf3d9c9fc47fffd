"""Fixtures that open every store of records, on real servers that the tests start and stop."""

from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from consent_mw.core.seal import Entry
from consent_mw.records import Records
from consent_mw.records import open_records
from tests.records import redis_servers
from tests.records.samples import SITE
from tests.records.samples import a_grant
from tests.records.servers import Postgres


class Server(Protocol):
    """A server started by the tests."""

    def fresh(self) -> str:
        """Return the address of an empty store."""
        ...

    def stop(self) -> None:
        """Stop it and remove its files."""
        ...


#: The function that starts the server of each kind; it raises FileNotFoundError if the programs are not installed.
SERVERS: dict[str, Callable[[], Server]] = {"postgres": Postgres, **redis_servers.SERVERS}
KINDS = ("sqlite", *SERVERS)


#: Files in which every test needs a server, in addition to those in the folder ``redis``.
_OF_SERVERS = ("test_postgres", "test_pooler")


def is_of_servers(path: Path) -> bool:
    """Return whether every test of the file needs a server."""
    return path.name.startswith(_OF_SERVERS) or path.parent.name == "redis"


def mark_slow(folder: Path, items: list[pytest.Item]) -> None:
    """Mark the tests below ``folder`` that need a server as slow: starting one takes too long for a quick run."""
    start = f"{folder}{os.sep}"
    for item in items:
        if not str(item.path).startswith(start):
            continue
        values = (
            item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
        )
        if is_of_servers(item.path) or any(value in KINDS[1:] for value in values):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def server() -> Iterator[Callable[[str], Server]]:
    """Return a function that returns the server of a kind, which is started on first use and shared in this process."""
    started: dict[str, Server] = {}

    def of(kind: str) -> Server:
        if kind not in started:
            try:
                started[kind] = SERVERS[kind]()
            except FileNotFoundError as error:
                pytest.skip(f"no {kind} server: {error}")
        return started[kind]

    yield of
    for one in started.values():
        one.stop()


@pytest.fixture(autouse=True)
def patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Extend PostgreSQL's time limit for loaded machines, except in the tests of its server."""
    if "url" in request.fixturenames and not is_of_servers(request.path):
        from consent_mw.records import postgres

        monkeypatch.setattr(postgres, "WAIT", 10.0)


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path, server: Callable[[str], Server]) -> str:
    """Return the address of an empty store of each kind."""
    return f"sqlite:///{tmp_path}/consent.db" if request.param == "sqlite" else server(request.param).fresh()


@pytest.fixture
def opened(url: str) -> Iterator[Callable[..., Records]]:
    """Return a function that opens the store again, as another process or for another site; close all at the end."""
    stores: list[Records] = []

    def another(site: str = SITE) -> Records:
        stores.append(open_records(url, site=site))
        return stores[-1]

    yield another
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[..., Records]) -> Records:
    """Return an open, empty store."""
    return opened()


@pytest.fixture
def grant() -> Entry:
    """Return a grant."""
    return a_grant()
