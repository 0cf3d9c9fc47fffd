"""Sessions: how a store lends its database to the statements of the other modules here."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from consent_mw.records.rows import Row
from consent_mw.records.rows import Value


class Session(Protocol):
    """A connection, lent for the work of one method."""

    def rows(self, statement: str, *values: Value) -> list[Row]:
        """Run a statement and return its rows."""
        ...

    def change(self, statement: str, *values: Value) -> int:
        """Run a statement and return the number of rows changed."""
        ...

    def change_all(self, statement: str, rows: Iterable[Sequence[Value]]) -> int:
        """Run a statement once for each of the rows, and return the total number of rows changed."""
        ...


class Undo(Exception):
    """Raised inside a transaction to roll it back."""


class SqlStore(ABC):
    """A store of one site in the tables of a database, which lends sessions."""

    def __init__(self, site: str) -> None:
        self.site = site

    # -- implemented by each store

    @abstractmethod
    def _reading(self, *, slow: bool = False) -> AbstractContextManager[Session]:
        """Lend a session for reading, without a transaction; ``slow`` if no page waits for it."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[Session]:
        """Lend a session for one statement that is durable when the block ends."""

    @abstractmethod
    def _transaction(self, *, alone: bool) -> AbstractContextManager[Session]:
        """
        Lend a session that is one durable transaction; an exception inside rolls it back.

        At most one transaction with ``alone`` runs at a time for a site, across all processes.
        """

    @abstractmethod
    def _wipe(self, days: Collection[int] | None = None, *, patient: bool = False) -> None:
        """
        Remove the traces of deleted rows, as far as the store can.

        Args:
            days: The days of the seals whose entries were deleted, besides unsealed ones; None for everything.
            patient: Whether it may take minutes.
        """
