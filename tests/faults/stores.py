"""Stores on a server of their own, which a test kills, freezes and starts again."""

from __future__ import annotations

from typing import Protocol

from tests.records.servers import Postgres
from tests.records.servers import binaries


class Store(Protocol):
    """A store server."""

    def empty(self) -> str:
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


class PostgresStore(Postgres):
    """PostgreSQL."""

    def empty(self) -> str:
        return self.database()


#: Every kind of server, with why it may be missing.
KINDS = ("postgres",)


def missing(kind: str) -> str:
    """Return why a kind of server cannot run here, or an empty text."""
    if kind == "postgres" and binaries() is None:
        return "needs PostgreSQL: apt-get install postgresql"
    return ""


def start(kind: str) -> Store:
    """Start a server."""
    assert kind == "postgres"
    return PostgresStore()
