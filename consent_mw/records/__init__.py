"""
Where consent is proved: the ledger of grants and withdrawals, and what a learning site has seen.

:func:`open_records` chooses the store by the scheme of its address. Every
store keeps the promises of :class:`Records`; ``tests/records`` holds them to it.
"""

from __future__ import annotations

from typing import Protocol

from consent_mw.core.model import Record
from consent_mw.errors import ConfigError
from consent_mw.errors import Problem

__all__ = ["Records", "open_records"]


class Records(Protocol):
    """
    A store of consent records; safe for several threads, and for processes that fork.

    Each method raises :class:`~consent_mw.errors.RecordsError` where the store
    fails, within a bounded time.
    """

    def append(self, record: Record, *, language: str, notice: str) -> None:
        """
        Write a grant, or the withdrawal of one; it is durable when this returns.

        A refusal, and a withdrawal by somebody who never granted anything, has
        no receipt and leaves no row: there is nothing to prove.

        Args:
            language: The language tag of the notice that the visitor saw.
            notice: The hash of that notice.
        """
        ...

    def learned(self) -> frozenset[str]:
        """Return the ids of the services that any process has learned."""
        ...

    def learn(self, service_id: str, day: int) -> bool:
        """Note that a service occurs on the site; return True where that is new."""
        ...

    def version(self) -> int:
        """Return a number that changes when any process has learned something; cheap enough for every request."""
        ...

    def close(self) -> None:
        """Let go of the store; whatever was appended stays."""
        ...


def open_records(url: str) -> Records:
    """
    Open the store at ``url``, making it where it is missing.

    Args:
        url: ``sqlite:///`` and the path of a file, as in the setting ``records``.

    Raises:
        ConfigError: the setting ``records`` names something that cannot be a store.
        RecordsError: the store is there and does not work.
    """
    scheme, mark, rest = url.partition("://")
    if scheme == "sqlite" and mark and rest.startswith("/") and len(rest) > 1:
        from consent_mw.records.sqlite import SqliteRecords  # only the store that is used is loaded

        return SqliteRecords(rest[1:])
    # The address may hold a password: only its scheme is shown.
    what = f"A store with the scheme {scheme!r} is not built into this version." if mark else "This is no address."
    raise ConfigError([Problem("site.records", what, 'Write records = "sqlite:///consent.db".')])
