"""
Records in Redis: one server, a master behind Sentinel, or a Cluster.

:mod:`consent_mw.records.redis.address` documents the addresses, :mod:`consent_mw.records.redis.link` how the server is
found and what happens in a failover.

**Keys.** Each key begins with ``{cmw:SITE}:``, so that a Cluster keeps them on one node. "Sorted" is a sorted set whose
members all have the score 0, so that they are ordered by their bytes. This hides the order of arrival, which a small
hash or set would preserve. KEY is ``RECEIPT NUL STEP NUL``. No time is finer than a day.

=================  ======  ===========================================================================================
``schema``         string  the version of this layout
``index``          sorted  KEY, followed by the entry's ``SEAL/PLACE``, or by nothing if it is not sealed yet
``waiting``        sorted  KEY, followed by the entry as a JSON array; only entries that are not sealed yet
``sealed:N``       hash    place in seal N: KEY, followed by the entry
``head``           string  the number of the last seal
``seals``          hash    number: day, size, root, previous, signature as a JSON array
``leaves``         hash    number: the concatenated leaves; removed when the seal is purged
``kept``           zset    number of each seal that is not purged yet, by its day
``erased``         string  exists if anything was erased since the server last rewrote its append-only file
``notices``        hash    digest: the document, compressed by zlib
``counts``         zset    day, table, value, outcome as a JSON array, by the raw counter
``tables``         set     names of the tables with published figures
``figures:TABLE``  zset    first day, last day and cells of a run, by the first day
``learned``        hash    service that was held: first and last day, pages and place; or, of older versions, a day
``observed``       hash    domain or cookie, kind, service, held as a JSON array: likewise
=================  ======  ===========================================================================================

**Durability.** A server is refused if its append-only file is off, or if it evicts keys. With ``appendfsync always`` an
entry is on the disk before it is acknowledged, and survives ``kill -9`` of the server and a power failure. With
``everysec`` a power failure loses up to two seconds of entries. So does ``kill -9`` while the disk is slow or full,
since Redis then answers before it has written. A single server with ``everysec`` is refused; if replicas confirm each
write, there is a warning at start-up.

Erased entries cannot be read any more at once, but they stay in the append-only file until the server rewrites it.
:meth:`RedisRecords.purge`, which the site runs every day, requests that. The files of replicas and other copies are the
owner's responsibility.

Limits: Redis 6.2 or newer. While a Cluster moves the site's slot to another node, calls may fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.records.redis import keys
from consent_mw.records.redis.address import read
from consent_mw.records.redis.check import link_to
from consent_mw.records.redis.check import newer
from consent_mw.records.redis.check import store_errors
from consent_mw.records.redis.counters import RedisCounters
from consent_mw.records.redis.ledger import RedisLedger
from consent_mw.records.redis.link import RedisLink
from consent_mw.records.redis.link import Unfit
from consent_mw.records.redis.observed import RedisObservations

__all__ = ["RedisRecords", "migrate"]


@dataclass(frozen=True, slots=True)
class SchemaStep:
    """A migration to the next version of the layout; it may be interrupted and repeated."""

    name: str
    run: Callable[[RedisLink, keys.Keys], None]


#: The migrations of the layout: the first turns version 1 into version 2.
MIGRATIONS: tuple[SchemaStep, ...] = ()


class RedisRecords(RedisLedger, RedisCounters, RedisObservations):
    """
    The records of one site in Redis; threads and forked processes may share it.

    Raises:
        ConfigError: the address is wrong, or the server can lose acknowledged writes.
        RecordsError: the server does not answer, or holds records of another version.
    """


def migrate(url: str, *, site: str = "site") -> list[str]:
    """
    Migrate the records of a site, and return the names of the steps taken.

    It may be interrupted, repeated, and run by two processes at once.

    Raises:
        ConfigError: as :class:`RedisRecords` does.
        RecordsError: the server does not answer, or the records belong to a newer version.
    """
    address = read(url)
    names = keys.Keys(site)
    link = link_to(address, names, None)
    taken = []
    try:
        with store_errors(address):
            version = int(link.read("GET", names.schema) or keys.VERSION)
            if version > keys.VERSION:
                raise RecordsError(newer(address))
            for step in MIGRATIONS[version - 1 : keys.VERSION - 1]:
                step.run(link, names)
                version += 1
                link.write("SET", names.schema, version)
                taken.append(step.name)
    except Unfit as error:
        raise ConfigError([error.problem]) from None
    finally:
        link.close()
    return taken
