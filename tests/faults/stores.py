"""Stores on separate servers that a test kills, freezes and restarts."""

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
        """Restart it with the same address and the data on its disk."""

    def freeze(self) -> None:
        """Suspend it."""

    def thaw(self) -> None:
        """Resume it."""

    def stop(self) -> None:
        """Stop it and remove its files."""

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
        """Fill its memory."""
        self._set(1)

    def clear(self) -> None:
        """Free its memory."""
        self._set(0)

    def _set(self, room: int) -> None:
        self.deployment.servers[0].ask("CONFIG", "SET", "maxmemory", room)


#: The function that starts the server of each kind; it raises FileNotFoundError if the programs are missing.
KINDS: dict[str, Callable[[], Store]] = {"postgres": PostgresServer, "redis": Redis}
