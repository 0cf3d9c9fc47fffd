"""Stores on "another machine" that a test can disconnect, freeze and fill, to check what still works."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg

from consent_mw.records import open_records
from tests.records.proxy import Proxy
from tests.records.redis_servers import Shared
from tests.records.servers import Postgres

KINDS = ("sqlite", "postgres", "redis")
#: Kinds of stores that can refuse one entry and accept the next.
PICKY = ("sqlite", "postgres")


class Remote(Protocol):
    """A store that a test can disconnect and reconnect."""

    url: str

    def down(self) -> None:
        """Disconnect it: every call fails."""

    def up(self) -> None:
        """Reconnect it, with everything that it has acknowledged."""

    def freeze(self) -> None:
        """Suspend it: every call waits."""

    def thaw(self) -> None:
        """Resume it."""

    def refuse(self, receipt: str) -> None:
        """Refuse entries whose receipt matches the pattern (``%`` stands for any text)."""

    def take(self) -> None:
        """Accept every entry again."""


class SqliteRemote:
    """An SQLite file that is moved away, or locked by another program."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "remote.db"
        self.url = f"sqlite:///{self.file}"
        self._busy: sqlite3.Connection | None = None
        open_records(self.url).close()

    def down(self) -> None:
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.file.rename(self.file.with_suffix(".away"))
        self.file.write_text("no database " * 100, encoding="utf-8")

    def up(self) -> None:
        self.file.unlink()
        self.file.with_suffix(".away").rename(self.file)

    def freeze(self) -> None:
        self._busy = sqlite3.connect(self.file, isolation_level=None)
        self._busy.execute("BEGIN IMMEDIATE")

    def thaw(self) -> None:
        assert self._busy is not None
        self._busy.close()

    def refuse(self, receipt: str) -> None:
        self._change(
            "CREATE TRIGGER refuse BEFORE INSERT ON ledger "
            f"WHEN NEW.receipt LIKE '{receipt}' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )

    def take(self) -> None:
        self._change("DROP TRIGGER refuse")

    def _change(self, statement: str) -> None:
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute(statement)
            connection.commit()


class PostgresRemote:
    """A PostgreSQL server that is cut off or suspended; killing it would take seconds."""

    def __init__(self, server: Postgres) -> None:
        self._url = server.fresh()
        self.proxy = Proxy(server.port)
        self.url = self._url.replace(f":{server.port}/", f":{self.proxy.port}/")
        self.down = self.proxy.cut
        self.up = self.proxy.mend
        self.freeze = server.freeze
        self.thaw = server.thaw
        open_records(self.url).close()

    def refuse(self, receipt: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(
                "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN "
                "RAISE EXCEPTION 'no'; END $$ LANGUAGE plpgsql; "
                "CREATE TRIGGER refuse BEFORE INSERT ON consent_mw.ledger FOR EACH ROW "
                f"WHEN (NEW.receipt LIKE '{receipt}') EXECUTE FUNCTION refuse()".encode()
            )

    def take(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("DROP TRIGGER refuse ON consent_mw.ledger")


class RedisRemote:
    """A redis-server that is killed, suspended, or out of memory."""

    def __init__(self, server: Shared) -> None:
        self.url = server.fresh()
        self._server = server.deployment.servers[0]
        self.down = self._server.kill
        self.up = self._server.start
        self.freeze = self._server.freeze
        self.thaw = self._server.thaw

    def refuse(self, receipt: str) -> None:
        self._server.ask("CONFIG", "SET", "maxmemory", "1")

    def take(self) -> None:
        self._server.ask("CONFIG", "SET", "maxmemory", "0")


@contextmanager
def remote_of(kind: str, folder: Path, server: Callable[[str], object]) -> Iterator[Remote]:
    """Lend an empty store of that kind, and restore its server afterwards."""
    if kind == "sqlite":
        yield SqliteRemote(folder)
        return
    running = server(kind)
    if isinstance(running, Postgres):
        postgres = PostgresRemote(running)
        yield postgres
        postgres.thaw()
        postgres.proxy.cut()
        return
    assert isinstance(running, Shared)
    redis = RedisRemote(running)
    yield redis
    redis.thaw()
    redis.down()
    redis.up()
