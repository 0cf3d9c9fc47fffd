"""
Records on another machine, with a local spool file that accepts grants while the store is unreachable.

Theory of operation
-------------------

**The problem.** A grant must survive ``kill -9`` as soon as it is acknowledged, and a visitor must not wait for a store
that is slow or gone. A queue in memory would lose grants, and waiting would block workers that should serve pages.

**The rule.** A grant is acknowledged once it is durable somewhere: in the remote store, or in the *spool*, an SQLite
file on this machine. :meth:`SpooledRecords.append` asks the store first and gives it :data:`PATIENCE`, 25 ms. If the
store fails or does not answer in time, the entry goes into the spool. Only if both fail does the caller see a
RecordsError.

**Timeouts are ambiguous.** A call that timed out may still reach the store. So an entry may be in both places, and the
code must never assume that it is in only one. Every operation that may be repeated is idempotent in every store: an
entry has a key (receipt and step), and writing it again changes nothing.

**Replay.** :meth:`SpooledRecords.replay` sends the spooled entries to the store, and drops an entry from the spool only
after the store has acknowledged it. It can be interrupted at any point. Any process may run it; a lock file admits one
at a time, and the lock is released when its process dies. Order matters in one case: the end of a grant must not arrive
before the grant. So an end goes into the spool while its grant is still there, and the spool is read by receipt and
step. Notices are sent first, so that the store always has the notice of an entry.

**Refusals.** A store may be up and refuse one entry, for instance because of a constraint. The entry stays in the
spool, is retried after a minute, and does not block the entries behind it. Many refusals in one pass mean
that the store is at fault, not the entries, so the pass ends.

**Erasure.** Erasing a receipt must also erase an entry that is still on its way to the store. So the spool keeps a
marker, an entry with Act.ERASE, until the receipt has been erased in the store twice, :data:`SETTLED` seconds apart.
The second erasure catches a call that timed out before the first one and arrived after it. An erasure on another
machine does not see this spool, but it leaves a mark in the store, so the replay drops the entry.

**The breaker.** While the store is down, each call would cost every visitor 25 ms. So calls go through a circuit
breaker: after a failure it lets one probe through at a time and fails all others immediately
(:mod:`consent_mw.records.spool.breaker`).

**Counts.** Adding them twice would count twice. So, unlike all else, they leave the spool before they are sent, and
are put back if the store fails. A process that is killed in between loses them. Counts whose day has ended in the
meantime are added to the day on which they are sent.

**What bypasses the spool.** Sealing, verifying and exports use only the store: spooled entries are not in the ledger
yet, and not proved yet.

Limits: the spool is local to one machine. Another machine cannot see its entries; ``consent-mw spool take`` sends the
entries of a lost machine's file.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from operator import methodcaller
from typing import TypeVar

from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.core.counts import booked
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import Sighting
from consent_mw.core.seal import ENDS
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.core.seal import Seal
from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.records import Canonical
from consent_mw.records import ReadSeals
from consent_mw.records import Records
from consent_mw.records.rules import check
from consent_mw.records.spool.breaker import Breaker
from consent_mw.records.spool.file import SpoolFile
from consent_mw.records.spool.file import SpoolStatus
from consent_mw.records.spool.replay import Replay

__all__ = ["SpoolStatus", "SpooledRecords"]

T = TypeVar("T")

_log = logging.getLogger("consent_mw")

#: Seconds that a visitor's request waits for the remote store. A healthy store nearby answers in a tenth of that;
#: waiting longer would block a worker that could serve pages.
PATIENCE = 0.025
#: Seconds after which an erasure is repeated: until then a call that timed out may still be on its way.
SETTLED = 60.0
#: Seconds between two checks whether a late call has finished.
_PERIOD = 0.01
#: Later than any day.
_FOREVER = 2**31 - 1


class SpooledRecords:
    """
    The records of ``site`` in a remote store, spooled in the file ``path`` while it is unreachable.

    Args:
        remote: The store, or a function that opens it. If opening fails, it is retried later.
        path: The spool; the processes of one machine share it.
        patience: Seconds that a visitor's request waits for the remote store.
        clock: Seconds since 1970-01-01 UTC.

    Raises:
        ConfigError: if an address does not name a spool or a store.
        RecordsError: if the spool exists and cannot be used.
    """

    def __init__(
        self,
        remote: Records | Callable[[], Records],
        path: str,
        *,
        site: str = "site",
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.site = site
        self._clock = clock
        self._remote = None if callable(remote) else remote
        self._open = remote if callable(remote) else None
        self._patience = patience
        self._spool = SpoolFile(path, site=site)
        self._breaker = Breaker(self._tell)
        #: When this process may resend a refused entry or notice, and when it first erased a receipt in the store.
        self._refused: dict[object, float] = {}
        #: How many entries this process has sent to the store.
        self.replayed = 0
        self._erased: dict[str, float] = {}
        self._learned: frozenset[str] | None = None
        try:
            self._breaker.call(self._store)
        except ConfigError:
            self._spool.close()
            raise
        except RecordsError:
            pass  # the breaker has logged the error; the site starts without the store

    # -- the ledger: calls that a visitor waits for

    def append(self, entry: Entry, marks: Sequence[str] = ()) -> None:
        """Append an entry to the remote store, or to the spool; it is durable when this returns."""
        check(entry, self.site)
        # If the grant is still in the spool, its end goes there too, so that it arrives after the grant.
        if entry.act in ENDS and self._here(entry.receipt)[0]:
            self._spool.append(entry)
            return
        try:
            self._soon(lambda remote: remote.append(entry, marks))
        except RecordsError as error:
            self._instead(lambda: self._spool.append(entry), error)

    def keep_notice(self, digest: str, document: bytes) -> None:
        """Store the document in the remote store, or in the spool."""
        try:
            self._soon(lambda remote: remote.keep_notice(digest, document))
        except RecordsError as error:
            self._instead(lambda: self._spool.keep_notice(digest, document), error)

    def history(self, receipt: str) -> list[Kept]:
        """Return the entries of a receipt from both places, by step."""
        # Read the spool first: an entry that moves meanwhile is then seen twice rather than not at all.
        waiting, erased = self._here(receipt)
        if erased:
            return []
        try:
            kept = self._ask(lambda remote: remote.history(receipt))
        except RecordsError:
            if not any(entry.step == 0 for entry in waiting):
                raise  # the store may have entries that we cannot see
            kept = []
        steps = {one.entry.step: one for one in [*map(Kept, waiting), *kept]}
        return [steps[step] for step in sorted(steps)]

    def notice(self, digest: str) -> bytes | None:
        """Return the document with that hash, or None."""
        try:
            found = self._ask(lambda remote: remote.notice(digest))
        except RecordsError:
            found = self._spool.notice(digest)
            if found is None:
                raise
        return found or self._spool.notice(digest)

    def take(self, entries: Sequence[Entry], marks: Mapping[str, Sequence[str]]) -> int:
        """Append entries from elsewhere in the remote store; none of a receipt that the spool has, or erased."""
        free = [entry for entry in entries if self._here(entry.receipt) == ([], False)]
        return self._ask(lambda remote: remote.take(free, marks)) if free else 0

    def erase(self, receipt: str, day: int, mark: str = "") -> int:
        """
        Erase the entries of a receipt in both places, and return their number.

        Raises:
            RecordsError: if the remote store cannot be reached and may have entries; nothing was erased.
        """
        steps = {entry.step for entry in self._here(receipt)[0]}
        try:
            there = self._ask(lambda remote: remote.history(receipt))
            self._ask(lambda remote: remote.erase(receipt, day, mark))
            steps |= {kept.entry.step for kept in there}
        except RecordsError:
            if 0 not in steps:
                raise
            waited = True
        else:
            waited = bool(steps)
        if waited:
            # A replay in another process, or an abandoned call, may still send them.
            self._spool.forget(receipt, day, mark)
        return len(steps)

    # -- replay

    def waits(self) -> bool:
        """Return whether the spool of this machine has any content."""
        return not self._spool.empty()

    def waiting(self) -> int:
        """Return the number of entries in the spool of this machine."""
        return sum(1 for _ in self._spool.waiting())

    def status(self) -> SpoolStatus:
        """
        Return the content of this machine's spool, in numbers.

        Raises:
            RecordsError: if the spool cannot be used.
        """
        days = [entry.day for entry in self._spool.waiting()]
        erasures = len(self._spool.to_erase())
        counts = len(self._spool.counts(_FOREVER))
        return SpoolStatus(len(days), min(days, default=None), len(self._spool.digests()), erasures, counts)

    def replay(self, marks: Callable[[str], Sequence[str]] = lambda receipt: ()) -> int:
        """
        Send the spooled entries to the store, and return how many it accepted.

        Args:
            marks: Returns the numbers that the mark of a receipt may have, so that receipts that another machine
                has erased meanwhile are dropped.

        Returns 0 if the store cannot be reached, or another process is replaying.

        Raises:
            RecordsError: if the spool cannot be used.
        """
        if self._breaker.closed and self._spool.empty():
            return 0
        if not self._answers():
            return 0
        with self._spool.alone() as alone:
            if not alone:
                return 0
            replay = Replay(self._spool, self._store(), self._answers, self._refused, marks)
            replay.run()
            self.replayed += replay.sent
            if not replay.stopped:
                self._erase_there()
                self._send_counts()
        if self._spool.empty():
            self._spool.wipe()
        return replay.sent

    def _erase_there(self) -> None:
        """Erase in the store, twice, the receipts erased here: a call that timed out may arrive in between."""
        now = time.monotonic()
        for entry in self._spool.to_erase():
            first = self._erased.setdefault(entry.receipt, now)
            if first == now or now - first >= SETTLED:
                try:
                    self._ask(methodcaller("erase", entry.receipt, entry.day, entry.about))
                except RecordsError:
                    del self._erased[entry.receipt]
                    return
            if now - first >= SETTLED:
                self._spool.drop([entry])
                del self._erased[entry.receipt]

    def _send_counts(self) -> None:
        """Add the spooled counts to the store, under days that are still open."""
        counts = self._spool.take_counts()
        if not counts:
            return
        sent = False
        try:
            self._ask(lambda remote: remote.add_counts(booked(counts, self._clock())))
            sent = True
        finally:
            if not sent:
                self._spool.add_counts(counts)

    def _answers(self) -> bool:
        """Return whether the remote store answers."""
        try:
            self._ask(lambda remote: remote.learned())
        except RecordsError:
            return False
        return True

    # -- the ledger in the store; spooled entries are not part of it yet

    def entries(self, first: str = "", end: str = "") -> Iterator[Kept]:
        """Yield the entries of the remote store."""
        yield from self._ask(lambda remote: remote.entries(first, end))

    def unsealed(self, limit: int, day: int | None = None) -> list[Entry]:
        """Return unsealed entries of the remote store."""
        return self._ask(lambda remote: remote.unsealed(limit, day))

    def most_in_seal(self) -> int:
        """Return the most entries that one seal of the remote store may have."""
        return self._ask(lambda remote: remote.most_in_seal())

    def add_seal(self, seal: Seal, entries: Sequence[Entry]) -> bool:
        """Add a seal in the remote store."""
        return self._ask(lambda remote: remote.add_seal(seal, entries))

    def last_seal(self) -> Seal | None:
        """Return the newest seal of the remote store, or None."""
        return self._ask(lambda remote: remote.last_seal())

    def seals(self, first: int = 1, limit: int = 1000) -> list[Seal]:
        """Return seals of the remote store."""
        return self._ask(lambda remote: remote.seals(first, limit))

    def sealed(self, number: int) -> list[Kept]:
        """Return the entries of the remote store that claim to be in that seal."""
        return self._ask(lambda remote: remote.sealed(number))

    def due(self, before: int) -> tuple[int, int]:
        """Return the number of the remote store's entries in seals dated before that day, and in all seals."""
        return self._ask(lambda remote: remote.due(before))

    def clock(self) -> float | None:
        """Return the time of the remote store."""
        return self._ask(lambda remote: remote.clock())

    def canonical(self, number: int) -> Canonical | None:
        """Return the entries of a seal in the remote store, if it has a quick way."""
        return self._ask(lambda remote: remote.canonical(number))

    def outside(self, read: ReadSeals) -> Iterator[Kept | str]:
        """Yield the entries of the remote store that are in none of the seals 1 to ``read.last``."""
        yield from self._ask(lambda remote: remote.outside(read))

    def tombstones(self, first: int = 1) -> Iterator[Kept]:
        """Yield tombstones of the remote store."""
        yield from self._ask(lambda remote: remote.tombstones(first))

    def faults(self) -> list[str]:
        """Return the problems of the remote store's settings."""
        return self._ask(lambda remote: remote.faults())

    def purge(self, before: int) -> int:
        """Drop expired entries, in the spool as well; return their number."""
        return self._ask(lambda remote: remote.purge(before)) + self._spool.drop_before(before)

    # -- the counters

    def add_counts(self, counts: Mapping[Count, int]) -> None:
        """Add to the raw counters of the remote store, or keep the counts in the spool."""
        try:
            self._ask(lambda remote: remote.add_counts(counts))
        except RecordsError as error:
            self._instead(lambda: self._spool.add_counts(counts), error)

    def counts(self, before: int) -> dict[Count, int]:
        """Return raw counters of the remote store."""
        return self._ask(lambda remote: remote.counts(before))

    def publish(self, figures: Sequence[Figures], spent: Mapping[Count, int]) -> bool:
        """Publish the figures in the remote store, and delete the raw counters they were made from."""
        return self._ask(lambda remote: remote.publish(figures, spent))

    def figures(self, first: int, last: int) -> list[Figures]:
        """Return the published runs of the remote store."""
        return self._ask(lambda remote: remote.figures(first, last))

    # -- observations: pages need the services, so the last answer is used while the store is slow

    def observe(self, seen: Mapping[Sighting, Occurrence]) -> None:
        """Add to the observations of the remote store."""
        self._ask(lambda remote: remote.observe(seen))

    def observed(self) -> dict[Sighting, Occurrence]:
        """Return all observations of the remote store."""
        return self._ask(lambda remote: remote.observed())

    def learned(self) -> frozenset[str]:
        """Return the ids of the services that were held in any page, as far as this process knows."""
        try:
            self._learned = self._soon(lambda remote: remote.learned())
        except RecordsError:
            if self._learned is None:
                raise
        return self._learned

    def forget_observations(self, before: int, most: int) -> None:
        """Delete observations in the remote store."""
        self._ask(lambda remote: remote.forget_observations(before, most))

    def close(self) -> None:
        """Close both; the content of the spool stays."""
        self._spool.close()
        if self._remote is not None:
            self._remote.close()

    # -- the remote store

    def _store(self) -> Records:
        """Return the remote store; open it if necessary (the breaker then admits one caller at a time)."""
        if self._remote is None:
            assert self._open is not None  # noqa: S101 - either was given
            self._remote = self._open()
        return self._remote

    def _ask(self, what: Callable[[Records], T]) -> T:
        """Call the remote store and wait for it, unless it is known to be down."""
        return _checked(lambda: self._breaker.call(lambda: what(self._store())))

    def within(self, seconds: float, what: Callable[[Records], T]) -> T:
        """
        Call the remote store as :meth:`_soon` does, but wait up to ``seconds``, including for earlier late calls.

        Raises:
            RecordsError: if the store fails, is known to be down, or does not answer in time.
        """
        until = time.monotonic() + seconds
        while self._breaker.late and time.monotonic() < until:
            time.sleep(_PERIOD)
        left = max(until - time.monotonic(), 0.0)
        return _checked(lambda: self._breaker.soon(lambda: what(self._store()), left))

    def _soon(self, what: Callable[[Records], T]) -> T:
        """Call the remote store and wait briefly; a longer call continues, but its result is dropped."""
        return _checked(lambda: self._breaker.soon(lambda: what(self._store()), self._patience))

    def _tell(self, error: Exception | None) -> None:
        """Log a change between up and down, once per change."""
        if error is None:
            _log.warning("the records can be reached again; what waits in %s is sent on", self._spool.path)
        else:
            _log.warning("the records cannot be reached; grants are kept in %s: %s", self._spool.path, error)

    # -- the spool

    def _instead(self, keep: Callable[[], None], error: RecordsError) -> None:
        try:
            keep()
        except RecordsError as spool_error:
            raise RecordsError(f"Neither the records nor the spool can be used: {error} {spool_error}") from error

    def _here(self, receipt: str) -> tuple[list[Entry], bool]:
        """Return the spooled entries of a receipt, and whether it was erased here."""
        try:
            entries = [kept.entry for kept in self._spool.history(receipt)]
        except RecordsError as error:
            _log.error("%s", error)  # continue with the remote store
            return [], False
        return [entry for entry in entries if entry.act is not Act.ERASE], any(e.act is Act.ERASE for e in entries)


def _checked(what: Callable[[], T]) -> T:
    """Call ``what``; a configuration mistake at run time becomes a RecordsError, so that it does not stop the site."""
    try:
        return what()
    except ConfigError as error:
        raise RecordsError(str(error)) from error
