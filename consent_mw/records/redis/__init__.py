"""
Records in Redis: one server, a master behind Sentinel, or a Cluster. Long because it has every method of a store.

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

import logging
import zlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from redis.exceptions import RedisError

from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.core.observations import PAGE as INSPECTED
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import Sighting
from consent_mw.core.observations import of_service
from consent_mw.core.seal import ABOUT_NOBODY
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.core.seal import Seal
from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.records import Canonical
from consent_mw.records.redis import keys as keys
from consent_mw.records.redis import scripts as scripts
from consent_mw.records.redis.address import read
from consent_mw.records.redis.check import link_to
from consent_mw.records.redis.check import newer
from consent_mw.records.redis.check import store_errors
from consent_mw.records.redis.link import RedisLink
from consent_mw.records.redis.link import Unfit
from consent_mw.records.redis.link import reason
from consent_mw.records.rules import check
from consent_mw.records.rules import check_taken
from consent_mw.records.rules import mark as mark_entry
from consent_mw.records.rules import tombstone

__all__ = ["RedisRecords", "migrate"]

_log = logging.getLogger("consent_mw")


@dataclass(frozen=True, slots=True)
class SchemaStep:
    """A migration to the next version of the layout; it may be interrupted and repeated."""

    name: str
    run: Callable[[RedisLink, keys.Keys], None]


#: The version of the layout, and the migration steps: the first turns version 1 into version 2.
VERSION = 1
MIGRATIONS: tuple[SchemaStep, ...] = ()

#: The most entries in one seal; each costs the server a few microseconds during which it answers nobody
#: (decision 0061). Older versions made seals of up to 5,000.
SEALED = 500
#: Number of entries that are read at once, and of seals, which have up to 5,000 leaves each.
PAGE = 500
SEALS = 10
#: How often to look again for an entry that another process is moving.
TRIES = 5


class RedisRecords:
    """
    The records of one site in Redis; threads and forked processes may share it.

    Raises:
        ConfigError: the address is wrong, or the server can lose acknowledged writes.
        RecordsError: the server does not answer, or holds records of another version.
    """

    def __init__(self, url: str, *, site: str = "site") -> None:
        self.site = site
        self._address = read(url)
        self._keys = keys.Keys(site)
        self._link = link_to(self._address, self._keys, VERSION)
        self._closed = False
        try:
            with store_errors(self._address):
                self._link.look()
        except Unfit as error:
            raise ConfigError([error.problem]) from None

    # -- the ledger

    def append(self, entry: Entry, marks: Sequence[str] = ()) -> None:
        """Write an entry unless it was erased; it is durable when this returns. Repeating the call changes nothing."""
        check(entry, self.site)
        with self._using() as link:
            names = (self._keys.index, self._keys.waiting, self._keys.schema)
            found = map(keys.mark_key, marks)
            link.script(scripts.APPEND, names, (keys.key_of(entry), keys.document_of(entry), *found), repeat=True)

    def take(self, entries: Sequence[Entry], marks: Mapping[str, Sequence[str]]) -> int:
        """Append entries from elsewhere, but none of a receipt that was erased; return how many are new."""
        args: list[str | bytes | int] = []
        for entry in entries:
            check_taken(entry, self.site)
            found = [keys.mark_key(number) for number in marks.get(entry.receipt, ())]
            args += [keys.key_of(entry), keys.document_of(entry), len(found), *found]
        with self._using() as link:
            names = (self._keys.index, self._keys.waiting, self._keys.schema)
            return int(link.script(scripts.TAKE, names, args, slow=True, repeat=True))

    def history(self, receipt: str) -> list[Kept]:
        """Return the entries of a receipt, by step."""
        with self._using() as link:
            return [kept for _, kept in self._entries(link, self._members(link, receipt)) if kept]

    def entries(self) -> Iterator[Kept]:
        """Yield every entry, by receipt and step, a page at a time."""
        return (kept for _, kept in self._walk() if kept)

    def canonical(self, number: int) -> Canonical | None:
        """Return None: the server cannot produce this form."""
        return None

    def loose(self, last: int) -> Iterator[Kept]:
        """Yield the entries that are in none of the seals 1 to ``last``."""
        return (kept for kept in self.entries() if kept.seal is None or not 1 <= kept.seal <= last)

    def tombstones(self, first: int = 1) -> Iterator[Kept]:
        """Yield the tombstones that are in no seal, or in seals from number ``first`` on."""
        stones = (kept for kept in self.entries() if kept.entry.act is Act.ERASE)
        return (kept for kept in stones if kept.seal is None or kept.seal >= first)

    def dangling(self) -> Iterator[str]:
        """Yield receipts that are in the index although their entries are gone."""
        return (member.partition(b"\0")[0].decode(errors="replace") for member, kept in self._walk() if not kept)

    def _walk(self) -> Iterator[tuple[bytes, Kept | None]]:
        """Yield the members of the index in order, each with its entry."""
        after = b"-"
        while True:
            with self._using() as link:
                page = link.read("ZRANGEBYLEX", self._keys.index, after, "+", "LIMIT", 0, PAGE, slow=True)
                found = self._entries(link, page)
            yield from found
            if len(page) < PAGE:
                return
            after = b"(" + keys.split(page[-1])[0] + b"\xff"  # skips the entry even if it is sealed meanwhile

    def keep_notice(self, digest: str, document: bytes) -> None:
        """Store the document durably under its hash."""
        with self._using() as link:
            # Every process stores every notice when it starts: nearly all exist already, and need no write.
            if not link.read("HEXISTS", self._keys.notices, digest.encode()):
                names = (self._keys.notices, self._keys.schema)
                link.script(scripts.KEEP_NOTICE, names, (digest.encode(), zlib.compress(document, 9)), repeat=True)

    def notice(self, digest: str) -> bytes | None:
        """Return the document with that hash, or None."""
        with self._using() as link:
            found = link.read("HGET", self._keys.notices, digest.encode())
            return None if found is None else zlib.decompress(found)

    def unsealed(self, limit: int, day: int | None = None) -> list[Entry]:
        """Return up to ``limit`` unsealed entries by receipt, without those of ``day`` or the next day."""
        found: list[Entry] = []
        after = b"-"
        while len(found) < limit:
            most = min(PAGE, limit - len(found))
            with self._using() as link:
                page = link.read("ZRANGEBYLEX", self._keys.waiting, after, "+", "LIMIT", 0, most, slow=True)
                entries = [keys.entry_of(self.site, member) for member in page]
            found += [entry for entry in entries if day is None or entry.day not in (day, day + 1)]
            if len(page) < most:
                break
            after = b"(" + page[-1]
        return found

    def most_in_seal(self) -> int:
        """Return the most entries that one seal may have: the server answers nobody while it stores one."""
        return SEALED

    def add_seal(self, seal: Seal, entries: Sequence[Entry]) -> bool:
        """Store a seal and move its entries into it, or return False with nothing changed."""
        if any(entry.site != self.site for entry in entries):
            return False
        with self._using() as link:
            pairs = [(keys.key_of(entry), keys.document_of(entry)) for entry in entries]
            if len({key for key, _ in pairs}) < len(pairs):
                return False
            names = self._keys
            done = link.script(
                scripts.ADD_SEAL,
                (
                    names.head,
                    names.index,
                    names.waiting,
                    names.sealed(seal.number),
                    names.seals,
                    names.leaves,
                    names.kept,
                ),
                (
                    seal.number,
                    seal.day,
                    keys.seal_text(seal),
                    b"".join(seal.leaves or ()),
                    *(part for pair in pairs for part in pair),
                ),
                slow=True,
            )
            return bool(done)

    def last_seal(self) -> Seal | None:
        """Return the newest seal, or None."""
        with self._using() as link:
            head = link.read("GET", self._keys.head)
            if head is None:
                return None
            if found := self._seals(link, [int(head)]):
                return found[0]
            # The chain was cut short by somebody: show what is left.
            left = [int(number) for number in link.read("HKEYS", self._keys.seals, slow=True)]
            return self._seals(link, [max(left)])[0] if left else None

    def seals(self, first: int = 1, limit: int = 1000) -> list[Seal]:
        """Return up to ``limit`` seals from number ``first`` on, in order."""
        with self._using() as link:
            last = int(link.read("GET", self._keys.head) or 0)
            found: list[Seal] = []
            at = max(first, 1)
            while at <= last and len(found) < limit:
                most = min(SEALS, limit - len(found))
                found += self._seals(link, range(at, min(at + most, last + 1)))
                at += most
            return found

    def sealed(self, number: int) -> list[Kept]:
        """Return the entries that claim to be in that seal, by place."""
        with self._using() as link:
            found = link.read("HGETALL", self._keys.sealed(number), slow=True)
            there = sorted((int(place), kept) for place, kept in _pairs(found))
            if not there:
                return []
            # An entry that is not in the index counts as missing.
            members = [keys.split(kept)[0] + f"{number}/{place}".encode() for place, kept in there]
            scores = link.read("ZMSCORE", self._keys.index, *members, slow=True)
            return [
                Kept(keys.entry_of(self.site, kept), number, place)
                for (place, kept), score in zip(there, scores, strict=True)
                if score is not None
            ]

    def erase(self, receipt: str, day: int, mark: str = "") -> int:
        """Erase the entries of a receipt, leave a tombstone for each sealed one, and a mark; return their number."""
        entry = mark_entry(self.site, day, mark)
        marked = (keys.key_of(entry), keys.document_of(entry)) if mark else (b"", b"")
        with self._using() as link:
            for _ in range(TRIES):
                found = self._entries(link, self._members(link, receipt))
                if not (found or mark) or any(kept and kept.entry.act in ABOUT_NOBODY for _, kept in found):
                    return 0
                names = [self._keys.index, self._keys.waiting, self._keys.erased]
                args: list[str | bytes | int] = [receipt.encode() + b"\0", len(found), *marked]
                for member, _ in found:
                    key, where = keys.split(member)
                    place = keys.stand(where)
                    if place is None:
                        args += [key, where, 0, 0, b"", b""]
                        continue
                    names.append(self._keys.sealed(place[0]))
                    left = tombstone(self.site, day, *place)
                    args += [key, where, len(names), place[1], keys.key_of(left), keys.document_of(left)]
                if (erased := link.script(scripts.ERASE, names, args)) >= 0:
                    return int(erased)
            raise RecordsError("The records of this receipt are changing all the time: try again.")

    def adopt(self, seal: Seal | None, kept: Iterable[Kept]) -> None:
        """Store a seal of another store with its entries, or unsealed entries; see :class:`CopyTarget`."""
        names = self._keys
        rows = list(kept)
        number, sealed = (seal.number, names.sealed(seal.number)) if seal else ("", names.schema)
        with self._using() as link:
            for first in range(0, len(rows), PAGE):
                args: list[str | bytes | int] = [number]
                for one in rows[first : first + PAGE]:
                    args += [keys.key_of(one.entry), one.place or 0, keys.document_of(one.entry)]
                link.script(scripts.ADOPT, (names.index, names.waiting, sealed), args, slow=True, repeat=True)
            if seal is not None:  # last: until then, its entries are in no seal
                text = (seal.number, seal.day, keys.seal_text(seal), b"".join(seal.leaves or ()))
                places = (names.head, names.seals, names.leaves, names.kept)
                link.script(scripts.ADOPT_SEAL, places, text, slow=True, repeat=True)

    def clear(self, marks: Sequence[Entry]) -> None:
        """Delete everything of the site but the marks; see :class:`CopyTarget`."""
        names = self._keys
        every = (
            *(names.index, names.waiting, names.erased, names.head, names.seals, names.leaves, names.kept),
            *(names.notices, names.counts, names.tables, names.learned, names.observed),
        )
        args = [part for entry in marks for part in (keys.key_of(entry), keys.document_of(entry))]
        with self._using() as link:
            link.script(scripts.CLEAR, every, args, slow=True, repeat=True)
            # Keys that the ones above no longer refer to; an interrupted call may have left some of them.
            for pattern in names.scattered:
                cursor = b"0"
                while True:
                    cursor, found = link.read("SCAN", cursor, "MATCH", pattern, "COUNT", PAGE, slow=True)
                    if found:
                        link.write("UNLINK", *found)
                    if cursor == b"0":
                        break

    def due(self, before: int) -> tuple[int, int]:
        """Return the number of entries in seals dated before that day, and in all seals that were not purged."""
        names = self._keys
        due = sealed = 0
        with self._using() as link:
            numbers = link.read("ZRANGE", names.kept, 0, -1, slow=True)
            for at in range(0, len(numbers), PAGE):
                texts = link.read("HMGET", names.seals, *numbers[at : at + PAGE], slow=True)
                for text in filter(None, texts):
                    day, size = keys.day_and_size(text)
                    sealed += size
                    due += size if day < before else 0
        return due, sealed

    def clock(self) -> float | None:
        """Return the time of the server that has the site's records."""
        with self._using() as link:
            seconds, micros = link.script(scripts.CLOCK, (self._keys.schema,), (), repeat=True, confirm=False)
            return int(seconds) + int(micros) / 1_000_000

    def faults(self) -> list[str]:
        """Return the problems of the server's settings; if it can lose grants, it gets none until that is corrected."""
        try:
            with store_errors(self._address):
                return self._link.look_again()
        except Unfit as error:
            return [str(error)]

    def purge(self, before: int) -> int:
        """Drop the entries and leaves of seals dated before that day, seal by seal; return the number of entries."""
        names = self._keys
        dropped = 0
        with self._using() as link:
            while due := link.read("ZRANGEBYSCORE", names.kept, "-inf", f"({before}", "LIMIT", 0, SEALS):
                for number in due:
                    gone = (names.index, names.sealed(int(number)), names.leaves, names.kept, names.erased)
                    dropped += link.script(scripts.PURGE, gone, (number,), slow=True)
            if link.read("EXISTS", names.erased):
                self._wipe(link)
        return dropped

    # -- the counters

    def add_counts(self, counts: Mapping[Count, int]) -> None:
        """Add to the raw counters, all or nothing."""
        # Without waiting for a replica: after an error the caller adds the counts again, but they were not lost.
        args = [part for count, number in counts.items() if number for part in (keys.count_name(count), number)]
        with self._using() as link:
            if args:
                link.script(scripts.ADD_COUNTS, (self._keys.counts,), args, slow=True, confirm=False)

    def counts(self, before: int) -> dict[Count, int]:
        """Return the raw counters of days before that one."""
        with self._using() as link:
            found = link.read("ZRANGE", self._keys.counts, 0, -1, "WITHSCORES", slow=True)
            pairs = ((keys.count_of(name), int(float(number))) for name, number in _pairs(found))
            return {count: number for count, number in pairs if count.day < before}

    def publish(self, figures: Sequence[Figures], spent: Mapping[Count, int]) -> bool:
        """Store the figures and delete the spent raw counters, or return False with nothing changed."""
        runs = sorted(figures, key=lambda run: (run.table, run.first))
        if any(a.table == b.table and a.last >= b.first for a, b in zip(runs, runs[1:], strict=False)):
            return False
        names = [self._keys.counts, self._keys.tables]
        args: list[str | bytes | int] = [len(runs)]
        for run in runs:
            if (name := self._keys.figures(run.table)) not in names:
                names.append(name)
            args += [names.index(name) + 1, run.table.encode(), run.first, run.last, keys.cells_text(run.cells)]
        for count, number in spent.items():
            args += [keys.count_name(count), number]
        with self._using() as link:
            return bool(link.script(scripts.PUBLISH, names, args, slow=True))

    def figures(self, first: int, last: int) -> list[Figures]:
        """Return the published runs that overlap these days, by table and first day."""
        with self._using() as link:
            tables = sorted(table.decode() for table in link.read("SMEMBERS", self._keys.tables, slow=True))
            asked: list[tuple[str | int, ...]] = []
            for table in tables:
                name = self._keys.figures(table)
                # Of the runs that begin before the first day, only the last one can overlap it.
                asked.append(("ZREVRANGEBYSCORE", name, f"({first}", "-inf", "LIMIT", 0, 1))
                asked.append(("ZRANGEBYSCORE", name, first, last))
            answers = link.read_all(asked, slow=True) if asked else []
            found = [
                keys.figures_of(table, run)
                for at, table in enumerate(tables)
                for run in (*answers[2 * at], *answers[2 * at + 1])
            ]
            return [run for run in found if run.last >= first]

    # -- observations of the site's pages

    def observe(self, seen: Mapping[Sighting, Occurrence]) -> None:
        """Add to the observations, all or nothing."""
        names = (self._keys.observed, self._keys.learned)
        args: list[str | bytes | int] = []
        for sighting, occurrence in seen.items():
            args += [names.index(self._observed_in(sighting)) + 1, keys.field_of(sighting), *occurrence[:3]]
            args.append(occurrence.place.encode())
        with self._using() as link:
            if args:
                link.script(scripts.OBSERVE, names, args, slow=len(seen) > PAGE)

    def observed(self) -> dict[Sighting, Occurrence]:
        """Return all observations."""
        with self._using() as link:
            named, services = link.read_all(
                [("HGETALL", self._keys.observed), ("HGETALL", self._keys.learned)], slow=True
            )
            found = {keys.sighting_of(field): keys.occurrence_of(value) for field, value in _pairs(named)}
            return found | {of_service(field.decode()): keys.occurrence_of(value) for field, value in _pairs(services)}

    def learned(self) -> frozenset[str]:
        """Return the ids of the services that were held in any page."""
        with self._using() as link:
            return frozenset(name.decode() for name in link.read("HKEYS", self._keys.learned))

    def forget_observations(self, before: int, most: int) -> None:
        """Delete third parties and cookies that pages last contained before that day, and all but the latest."""
        with self._using() as link:
            link.script(scripts.FORGET, (self._keys.observed,), (before, most, keys.field_of(INSPECTED)), slow=True)

    def _observed_in(self, sighting: Sighting) -> str:
        """Return the key of the hash that has a sighting; those that are read every second have a hash of their own."""
        return self._keys.learned if sighting.of_service else self._keys.observed

    def close(self) -> None:
        """Disconnect; further calls raise RecordsError."""
        self._closed = True
        self._link.close()

    # -- helpers

    @contextmanager
    def _using(self) -> Iterator[RedisLink]:
        """Lend the link, and turn any failure into RecordsError."""
        if self._closed:
            raise RecordsError(f"The records in {self._address.shown} are closed.")
        try:
            with store_errors(self._address):
                yield self._link
        except Unfit as error:
            raise RecordsError(f"{error.problem.what} {error.problem.remedy}") from None

    def _members(self, link: RedisLink, receipt: str) -> list[bytes]:
        """Return the index members of a receipt, by step."""
        head = receipt.encode() + b"\0"
        found: list[bytes] = link.read("ZRANGEBYLEX", self._keys.index, b"[" + head, b"(" + head + b"\xff")
        return found

    def _entries(self, link: RedisLink, members: Sequence[bytes]) -> list[tuple[bytes, Kept | None]]:
        """Return each member of the index with its entry, or with None if the entry is gone."""
        found: dict[bytes, tuple[bytes, Kept | None]] = {}
        left = list(members)
        for _ in range(TRIES):
            asked: list[tuple[str | bytes | int, ...]] = []
            for member in left:
                key, where = keys.split(member)
                place = keys.stand(where)
                if place is None:
                    asked.append(("ZRANGEBYLEX", self._keys.waiting, b"[" + key, b"(" + key + b"\xff", "LIMIT", 0, 1))
                else:
                    asked.append(("HMGET", self._keys.sealed(place[0]), place[1]))
            answers = link.read_all(asked, slow=len(asked) > 2) if asked else []
            missing = []
            for member, answer in zip(left, answers, strict=True):
                key, where = keys.split(member)
                kept = answer[0] if answer else None
                if kept is not None and kept.startswith(key):
                    found[key] = member, Kept(keys.entry_of(self.site, kept), *(keys.stand(where) or (None, None)))
                else:
                    missing.append(key)
            if not missing:
                break
            # Sealed or erased since the index was read, or removed by somebody else.
            spans = [("ZRANGEBYLEX", self._keys.index, b"[" + key, b"(" + key + b"\xff") for key in missing]
            left = [member for answer in link.read_all(spans, slow=True) for member in answer]
        found.update({keys.split(member)[0]: (member, None) for member in left if keys.split(member)[0] not in found})
        return [found[key] for member in members if (key := keys.split(member)[0]) in found]

    def _seals(self, link: RedisLink, numbers: Sequence[int]) -> list[Seal]:
        """Return those of the seals that exist."""
        texts, leaves = link.read_all(
            [("HMGET", self._keys.seals, *numbers), ("HMGET", self._keys.leaves, *numbers)], slow=True
        )
        return [
            keys.seal_of(self.site, number, text, listed)
            for number, text, listed in zip(numbers, texts, leaves, strict=True)
            if text is not None
        ]

    def _wipe(self, link: RedisLink) -> None:
        """Ask the server to rewrite its append-only file, without the erased entries."""
        try:
            link.write("BGREWRITEAOF")
        except RedisError as error:
            _log.warning("what was erased is still in the append-only file: %s", reason(error, self._address))
        else:
            link.write("DEL", self._keys.erased)


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
            version = int(link.read("GET", names.schema) or VERSION)
            if version > VERSION:
                raise RecordsError(newer(address))
            for step in MIGRATIONS[version - 1 : VERSION - 1]:
                step.run(link, names)
                version += 1
                link.write("SET", names.schema, version)
                taken.append(step.name)
    except Unfit as error:
        raise ConfigError([error.problem]) from None
    finally:
        link.close()
    return taken


def _pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
