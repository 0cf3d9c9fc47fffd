"""
Stores: the ledger that proves consent, the anonymous counters, and the observations of what a site's pages contain.

:func:`open_records` chooses the store by the scheme of its address. Every store implements the Protocols below, and
``tests/records`` checks them on real servers. The ledger and the counters share no key.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple
from typing import Protocol
from typing import runtime_checkable

from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import Sighting
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.core.seal import Seal
from consent_mw.errors import ConfigError
from consent_mw.errors import Problem

__all__ = [
    "Canonical",
    "CopyTarget",
    "Counters",
    "Ledger",
    "Observations",
    "ReadSeals",
    "Records",
    "migrate_records",
    "open_records",
]

#: URL schemes of PostgreSQL.
POSTGRES = frozenset({"postgresql", "postgres"})
#: URL schemes of Redis.
REDIS = frozenset({"redis", "rediss", "redis+sentinel", "redis+cluster"})

_NO_PSYCOPG = Problem(
    "site.records",
    "PostgreSQL needs the library psycopg, which is missing.",
    'Run: pip install "consent_mw[postgres]".',
)


class Canonical(NamedTuple):
    """
    The entries of a seal as they are hashed.

    Args:
        entries: Their canonical bytes (:attr:`consent_mw.core.seal.Entry.canonical`), by place, without gaps from 0.
        notices: The hashes of the notices that they refer to.
    """

    entries: list[bytes]
    notices: frozenset[str]


class ReadSeals(NamedTuple):
    """
    Seals of which somebody has read every entry.

    Args:
        first: The number of the first of them.
        last: The number of the last of them.
        entries: How many entries :meth:`Ledger.sealed` returned for them.
    """

    first: int
    last: int
    entries: int


class Ledger(Protocol):
    """The proof of consent of one site: entries, the seals over them, and the notices that they refer to."""

    def append(self, entry: Entry, marks: Sequence[str] = ()) -> None:
        """
        Append an entry; it is durable when this returns.

        The receipt of an entry that comes late, from a spool, may have been erased meanwhile. The entry is left out if
        the ledger has one of the ``marks``, as in :meth:`take`.

        Appending the same receipt and step again changes nothing, so a writer that got no answer may retry. There is
        one exception: a grant that was restored from a cookie and is not sealed yet is replaced by the original.

        Raises:
            RecordsError: if the entry is not a grant or the end of one, has no receipt, or the store fails.
        """
        ...

    def take(self, entries: Sequence[Entry], marks: Mapping[str, Sequence[str]]) -> int:
        """
        Append entries that do not come from a visitor's answer; return the number of new ones.

        They come from a cookie or another ledger, so their receipts may have been erased meanwhile. An entry is left
        out if the ledger has one of the ``marks`` of its receipt. Looking and writing are one transaction, so no
        erasure can come between them.

        Args:
            entries: Grants, ends of grants, marks, and documents.
            marks: For each receipt, the numbers that its mark may have, one for each of the site's keys.

        Raises:
            RecordsError: if an entry is of another kind or site, or the store fails; nothing was written.
        """
        ...

    def history(self, receipt: str) -> list[Kept]:
        """Return the entries of a receipt, by step; empty if it is unknown or was erased."""
        ...

    def entries(self, first: str = "", end: str = "") -> Iterator[Kept]:
        """
        Yield every entry, by receipt and step, in the order of their bytes; memory does not grow with their number.

        Args:
            first: Only entries of this receipt and those after it.
            end: Only entries of the receipts before this one; empty for no end.
        """
        ...

    def keep_notice(self, digest: str, document: bytes) -> None:
        """Store a document durably under its hash; storing it again changes nothing."""
        ...

    def notice(self, digest: str) -> bytes | None:
        """Return the document with that hash, or None."""
        ...

    def unsealed(self, limit: int, day: int | None = None) -> list[Entry]:
        """Return up to ``limit`` unsealed entries and tombstones by receipt, but none of ``day`` or the next day."""
        ...

    def most_in_seal(self) -> int:
        """Return how many entries one seal may have, so that storing it holds up nobody else."""
        ...

    def add_seal(self, seal: Seal, entries: Sequence[Entry]) -> bool:
        """
        Store a seal, and mark each entry with its number and its place in ``entries``, all or nothing.

        Returns:
            False, with nothing changed, if the chain has grown meanwhile or one of the entries is already sealed.
        """
        ...

    def last_seal(self) -> Seal | None:
        """Return the newest seal, or None."""
        ...

    def seals(self, first: int = 1, limit: int = 1000) -> list[Seal]:
        """Return up to ``limit`` seals from number ``first`` on, in order."""
        ...

    def sealed(self, number: int) -> list[Kept]:
        """Return the entries that are marked with that seal, by place."""
        ...

    def erase(self, receipt: str, day: int, mark: str = "") -> int:
        """
        Erase the entries of a receipt, and return how many there were.

        Each sealed entry leaves a tombstone: an entry with Act.ERASE, its own random receipt, the ``day``, and
        ``about``. ``mark`` is the receipt of one more such entry, by which :meth:`take` refuses the erased receipt from
        then on; it is written even if there was nothing to erase. Both are sealed like any other entry.
        :func:`consent_mw.proof.erasing.erase` passes the mark.
        """
        ...

    def due(self, before: int) -> tuple[int, int]:
        """Return the number of entries in seals dated before that day, and in all seals that were not purged."""
        ...

    def clock(self) -> float | None:
        """Return the seconds since 1970-01-01 UTC by the store's own clock; None if it has no clock."""
        ...

    def purge(self, before: int) -> int:
        """Drop the entries and leaves of seals dated before that day, keep the seals; return the entries' number."""
        ...

    def canonical(self, number: int) -> Canonical | None:
        """Return the entries of a seal if this store has a quicker way than :meth:`sealed` and finds no gap."""
        ...

    def outside(self, read: ReadSeals) -> Iterator[Kept | str]:
        """
        Yield the entries that are in none of the seals 1 to ``read.last``.

        A store with an index of its own also yields the receipts that are in it although their entries are gone. It
        reads only as much of the index as the number of entries that were read makes necessary.
        """
        ...

    def tombstones(self, first: int = 1) -> Iterator[Kept]:
        """Yield the tombstones that are in no seal, or in seals from number ``first`` on."""
        ...

    def faults(self) -> list[str]:
        """
        Return what is wrong with the store's settings now, one sentence each, with the remedy.

        A store that could lose every acknowledged grant also refuses further ones until that is mended.
        """
        ...


class Counters(Protocol):
    """The totals of one site."""

    def add_counts(self, counts: Mapping[Count, int]) -> None:
        """Add to the raw counters, all or nothing."""
        ...

    def counts(self, before: int) -> dict[Count, int]:
        """Return the unpublished raw counters of days before that one."""
        ...

    def publish(self, figures: Sequence[Figures], spent: Mapping[Count, int]) -> bool:
        """
        Store the figures and delete the raw counters they were made from, all or nothing.

        Returns:
            False, with nothing changed, if a run overlaps a published one of its table, or a raw counter differs from
            ``spent``.
        """
        ...

    def figures(self, first: int, last: int) -> list[Figures]:
        """Return the published runs that overlap the days from ``first`` to ``last``, by table and first day."""
        ...


class Observations(Protocol):
    """What the pages of a site contain (:mod:`consent_mw.core.observations`)."""

    def observe(self, seen: Mapping[Sighting, Occurrence]) -> None:
        """Add to the observations, all or nothing."""
        ...

    def observed(self) -> dict[Sighting, Occurrence]:
        """Return all observations."""
        ...

    def learned(self) -> frozenset[str]:
        """Return the ids of the services that were held in any page; quick enough to be called every second."""
        ...

    def forget_observations(self, before: int, most: int) -> None:
        """
        Delete third parties and cookies that pages last contained before that day, and of the rest all but ``most``.

        Observations of services stay, since forgetting one would ask every visitor again.
        """
        ...


class Records(Ledger, Counters, Observations, Protocol):
    """
    A store, bound to one site; safe for threads and forks.

    Each method raises :class:`~consent_mw.errors.RecordsError` within a bounded time if the store fails.
    """

    def close(self) -> None:
        """Close the store."""
        ...


@runtime_checkable
class CopyTarget(Records, Protocol):
    """A store that a ledger can be copied into: any store, but not through a spool."""

    def adopt(self, seal: Seal | None, kept: Iterable[Kept]) -> None:
        """
        Store a seal of another store with its entries in their places, or, without a seal, entries that are not sealed.

        A sealed entry replaces an unsealed one with the same receipt and step.
        """
        ...

    def clear(self, marks: Sequence[Entry]) -> None:
        """
        Delete everything of this site but the ``marks``, which are not sealed afterwards.

        They are durable before anything is deleted. If it is interrupted, calling it again continues.
        """
        ...


def open_records(url: str, *, site: str = "site", spool: str = "") -> Records:
    """
    Open the store at ``url``, creating it if it is missing.

    Args:
        url: ``sqlite:///`` and the path of a file, ``postgresql://…``, ``redis://…``, ``rediss://…``,
            ``redis+sentinel://…`` or ``redis+cluster://…``, as in the setting ``records``.
        site: The site's id; sites that share a store do not see each other.
        spool: For a store on another machine: the path of a local file that accepts grants while it is unreachable.

    Raises:
        ConfigError: if the setting ``records`` does not name a store.
        RecordsError: if the store exists and does not work.
    """
    if spool and url.partition("://")[0] in POSTGRES | REDIS:
        from consent_mw.records.spool import SpooledRecords

        return SpooledRecords(lambda: _open(url, site), spool, site=site)
    return _open(url, site)


def _open(url: str, site: str) -> Records:
    scheme, mark, rest = url.partition("://")
    if scheme == "sqlite" and mark and rest.startswith("/") and len(rest) > 1:
        from consent_mw.records.sqlite import SqliteRecords  # load only the store that is used

        return SqliteRecords(rest[1:], site=site)
    if scheme in POSTGRES and mark:
        try:
            from consent_mw.records.postgres import PostgresRecords
        except ImportError:
            raise ConfigError([_NO_PSYCOPG]) from None
        return PostgresRecords(url, site=site)
    if scheme in REDIS and mark:
        from consent_mw.records.redis import RedisRecords

        return RedisRecords(url, site=site)
    # The URL may contain a password: show only its scheme.
    what = f"A store with the scheme {scheme!r} is not built into this version." if mark else "This is not an address."
    raise ConfigError([Problem("site.records", what, 'Write records = "sqlite:///consent.db".')])


def migrate_records(url: str, *, site: str = "site") -> list[str]:
    """
    Migrate the store at ``url`` to the current schema, and return the names of the steps taken.

    Raises:
        ConfigError: if the setting ``records`` does not name a store.
        RecordsError: if the store exists and does not work, or was written by a newer version.
    """
    scheme, mark, rest = url.partition("://")
    if scheme in POSTGRES and mark:
        try:
            from consent_mw.records.postgres import migrate
        except ImportError:
            raise ConfigError([_NO_PSYCOPG]) from None
        return migrate(url)
    if scheme == "sqlite" and rest.startswith("/"):
        from consent_mw.records.sqlite import migrate as migrate_file

        return migrate_file(rest[1:], site=site)
    if scheme in REDIS and mark:
        from consent_mw.records import redis

        return redis.migrate(url, site=site)
    open_records(url, site=site).close()  # raises if it is not a store
    return []
