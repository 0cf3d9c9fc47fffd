"""Stores on a server of their own, which a test kills, freezes and starts again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tests.records.redis_servers import Shared
from tests.records.redis_servers import standalone
from tests.records.servers import Postgres


class Store(Protocol):
    """A store server."""

    def fresh(self) -> str:
        """Return the address of an empty store on the server."""

    def kill(self) -> None:
        """Kill the server at once."""

    def start(self) -> None:
        """Start it again, on the same address, with what it has on its disk."""

    def freeze(self) -> None:
        """Stop it where it is."""

    def thaw(self) -> None:
        """Let it go on."""

    def stop(self) -> None:
        """End it and remove what it wrote."""

    def files(self) -> Path:
        """Return the folder that it writes into."""


class PostgresServer(Postgres):
    """PostgreSQL."""

    def files(self) -> Path:
        return self.folder


class Redis(Shared):
    """One redis-server that syncs each write to its disk."""

    def __init__(self) -> None:
        super().__init__(standalone)
        server = self.deployment.servers[0]
        self.kill = server.kill
        self.start = server.start
        self.freeze = server.freeze
        self.thaw = server.thaw

    def files(self) -> Path:
        return self.deployment.servers[0].folder

    def fill(self) -> None:
        """Leave it no room for anything more."""
        self._set(1)

    def clear(self) -> None:
        """Give it room again."""
        self._set(0)

    def _set(self, room: int) -> None:
        self.deployment.servers[0].ask("CONFIG", "SET", "maxmemory", room)


#: What starts the server of each kind; FileNotFoundError where its programs are missing.
KINDS: dict[str, Callable[[], Store]] = {"postgres": PostgresServer, "redis": Redis}
