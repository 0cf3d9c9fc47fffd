"""
Counting: answers and banners shown, in a buffer of each process, one dimension at a time.

A request adds to a few totals in memory and waits for nothing. The buffer is added to the store every 5 to 15 minutes,
at random, so that no count reveals when it was made; a store on another machine has a spool, which takes them while it
is away. A killed process loses the counts in its buffer. Not counted are visitors who objected, bots, and prefetched
pages. Nothing here raises into a request.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Protocol

from consent_mw.cookies.objection import objected
from consent_mw.core.counts import ACCEPT
from consent_mw.core.counts import ANSWERS
from consent_mw.core.counts import ASKED
from consent_mw.core.counts import BLOCKED
from consent_mw.core.counts import BROWSER
from consent_mw.core.counts import CSP
from consent_mw.core.counts import GPC
from consent_mw.core.counts import ISP
from consent_mw.core.counts import LANGUAGE
from consent_mw.core.counts import OPENED
from consent_mw.core.counts import OS
from consent_mw.core.counts import OTHER
from consent_mw.core.counts import PARTIAL
from consent_mw.core.counts import PURPOSE
from consent_mw.core.counts import REVISION
from consent_mw.core.counts import SHOWN
from consent_mw.core.counts import SIGNAL
from consent_mw.core.counts import TOTAL
from consent_mw.core.counts import UNKNOWN
from consent_mw.core.counts import VARIANT
from consent_mw.core.counts import WITHDRAW
from consent_mw.core.counts import BannerShown
from consent_mw.core.counts import Count
from consent_mw.core.counts import booked
from consent_mw.core.model import Site
from consent_mw.counting.browser import Visitor
from consent_mw.counting.browser import visitor_from
from consent_mw.counting.isp import IspLookup
from consent_mw.counting.isp import client_address
from consent_mw.http.request import RequestHead

__all__ = ["Tally"]

_log = logging.getLogger("consent_mw")

#: Shortest and longest time between two flushes, in seconds; each time is random between them.
EVERY = (300.0, 900.0)
#: Seconds until the next try after a failure of the store.
RETRY = 60.0
#: Most distinct counts in the buffer; further values are counted as "other".
MAX_WAITING = 4096
#: Most distinct hosts in a day's reports, which anybody can invent; further hosts are counted as "other".
MAX_HOSTS = 200
#: Seconds that a process waits at its end for pending provider look-ups.
GRACE = 0.5

#: A count while it waits: day, table, value, outcome.
_Key = tuple[int, str, str, str]


class Sink(Protocol):
    """Where counts go (:class:`consent_mw.records.Counters`)."""

    def add_counts(self, counts: Mapping[Count, int]) -> None:
        """Add to the counters, all or nothing."""
        ...


class Tally:
    """
    Counts for one site in one process; safe for threads and forks.

    A forked child starts with an empty buffer: its parent writes the parent's counts.

    Args:
        sink: Where counts are added.
        site: Its settings ``counters`` and ``trusted_proxies`` say what is counted.
        lookup: Finds providers; without one, every provider is unknown.
        clock: Seconds since 1970-01-01 UTC.
        monotonic: Monotonic seconds.
        every: Shortest and longest time between two flushes, in seconds.
        chance: The source of randomness for that time.
    """

    def __init__(
        self,
        sink: Sink,
        site: Site,
        lookup: IspLookup | None = None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        every: tuple[float, float] = EVERY,
        chance: random.Random | None = None,
    ) -> None:
        self._sink = sink
        self._on = site.counters != "off"
        self._granted_only = site.counters == "granted"
        # A cache shows the banner without our knowledge, so only those who answered count as asked.
        self._unseen = site.caching != "private"
        self._proxies = site.trusted_proxies
        self._lookup = lookup
        self._clock = clock
        self._monotonic = monotonic
        self._every = every
        self._chance = chance or random.SystemRandom()
        self._failing = False
        self._begin()

    def _begin(self) -> None:
        # Compared before each use: servers written in C may fork without Python's hooks.
        self._process = os.getpid()
        # A signal handler may flush in the middle of a count, in the same thread: the lock must be reentrant.
        self._lock = threading.RLock()
        self._waiting: dict[_Key, int] = {}
        #: The day of the last report, and the hosts reported on it.
        self._reported: tuple[int, set[str]] = (-1, set())
        self._next = self._monotonic() + self._chance.uniform(*self._every)

    # -- events

    def shown(self, head: RequestHead, remote: str, notice: BannerShown) -> None:
        """
        Count a page view with the banner and, where it came from outside the site, a visit that was asked.

        Args:
            head: Of the request for the page.
            remote: The address that the server sees; it is kept until its provider is looked up, in memory.
            notice: What was shown.
        """
        if not self._on or self._unseen:
            return
        try:
            headers = head.first
            visitor = self._visitor(head, headers)
            if visitor is None:
                return
            day = self._today()
            if not _lands(head, headers):
                self._add(((day, TOTAL, "", SHOWN),))
                return
            rows = self._rows(day, ASKED, visitor, notice)
            if notice.revision:
                rows = (*rows, (day, REVISION, notice.revision, ASKED))
            self._add(((day, TOTAL, "", SHOWN), *rows))
            self._count_isp(head, remote, day, ASKED)
        except Exception as error:
            _failed(error)

    def signalled(self, head: RequestHead, remote: str) -> None:
        """Count a visit from outside, and nothing else about it, if the opt-out signal answered every question."""
        if not self._on:
            return
        try:
            headers = head.first
            if self._visitor(head, headers) is not None and _lands(head, headers):
                self._add(((self._today(), TOTAL, "", GPC),))
        except Exception as error:
            _failed(error)

    def answered(
        self,
        head: RequestHead,
        remote: str,
        outcome: str,
        purposes: Iterable[str],
        notice: BannerShown,
    ) -> None:
        """
        Count an answer.

        Args:
            head: Of the request that brought it.
            remote: The address that the server sees; it is kept until its provider is looked up, in memory.
            outcome: ACCEPT, PARTIAL, REJECT or WITHDRAW.
            purposes: Those granted.
            notice: What was answered.
        """
        if not self._on or outcome not in _OUTCOMES:
            return
        try:
            visitor = self._visitor(head, head.first)
            if visitor is None:
                return
            day = self._today()
            notice = notice._replace(revision="")
            rows = self._rows(day, outcome, visitor, notice)
            if notice.opened and outcome in ANSWERS:
                rows += ((day, TOTAL, "", OPENED),)
            if outcome in _GRANTS:
                rows += tuple((day, PURPOSE, purpose, outcome) for purpose in sorted(set(purposes)))
            self._add(rows)
            self._count_isp(head, remote, day, outcome)
            if self._unseen and outcome in ANSWERS:
                self._add(self._rows(day, ASKED, visitor, notice))
                self._count_isp(head, remote, day, ASKED)
        except Exception as error:
            _failed(error)

    def blocked(self, head: RequestHead, hosts: Iterable[str], outcome: str = BLOCKED) -> None:
        """
        Count hosts that a policy or the guard stopped, each by itself and with nothing about the report.

        Args:
            head: Of the request that brought the report.
            hosts: Each once.
            outcome: BLOCKED, or STOPPED for the guard.
        """
        if not self._on:
            return
        try:
            if self._visitor(head, head.first) is None:
                return
            day = self._today()
            self._add((day, CSP, self._reported_host(day, host), outcome) for host in hosts)
        except Exception as error:
            _failed(error)

    def _reported_host(self, day: int, host: str) -> str:
        known_day, known = self._reported
        if known_day != day:
            known = set()
            self._reported = (day, known)
        if host not in known and len(known) >= MAX_HOSTS:
            return OTHER
        known.add(host)
        return host

    def _visitor(self, head: RequestHead, headers: Mapping[str, str]) -> Visitor | None:
        """Return the visitor to count, or None; nothing is read about visitors who objected."""
        if head.method == "HEAD" or ("cookie" in headers and objected(head)):
            return None
        visitor = visitor_from(headers)
        return None if visitor.bot or visitor.prefetch else visitor

    def _rows(self, day: int, outcome: str, visitor: Visitor, notice: BannerShown) -> tuple[_Key, ...]:
        """Return one count for the total and one for each dimension that is known without a look-up."""
        rows = (
            (day, TOTAL, "", outcome),
            (day, LANGUAGE, notice.language, outcome),
            (day, VARIANT, notice.variant, outcome),
            (day, SIGNAL, "gpc" if notice.gpc else "none", outcome),
        )
        if self._granted_only and outcome not in _GRANTS:
            return rows
        return (*rows, (day, BROWSER, visitor.browser, outcome), (day, OS, visitor.os, outcome))

    def _count_isp(self, head: RequestHead, remote: str, day: int, outcome: str) -> None:
        """Count the provider, once it is found, for the week that starts on the last Monday."""
        if self._granted_only and outcome not in _GRANTS:
            return
        week = day - (day + 3) % 7  # day 0 was a Thursday
        address = client_address(remote, head, self._proxies) if self._lookup is not None else ""
        if self._lookup is None or not address:
            self._add(((week, ISP, UNKNOWN, outcome),))
            return
        self._lookup.find(address, lambda provider: self._add(((week, ISP, provider, outcome),)))

    def _today(self) -> int:
        return int(self._clock() // 86_400)

    # -- the buffer

    def _add(self, keys: Iterable[_Key], number: int = 1) -> None:
        if self._process != os.getpid():
            self._begin()
        with self._lock:
            waiting = self._waiting
            for key in keys:
                if key not in waiting and len(waiting) >= MAX_WAITING:
                    # Days, tables and outcomes are few; only values can be invented by strangers.
                    day, table, value, outcome = key
                    key = (day, table, OTHER if value else value, outcome)
                waiting[key] = waiting.get(key, 0) + number

    def due(self) -> bool:
        """Return whether it is time to flush."""
        return self._on and self._monotonic() >= self._next

    def flush(self) -> int:
        """
        Add the buffer to the store; if that fails, keep it for the next flush.

        Returns:
            The number of distinct counts that were written.
        """
        if self._process != os.getpid():
            self._begin()
        with self._lock:
            taken, self._waiting = self._waiting, {}
            self._next = self._monotonic() + self._chance.uniform(*self._every)
        if not taken:
            return 0
        written = False
        counts = booked({Count(*key): number for key, number in taken.items()}, self._clock())
        try:
            self._sink.add_counts(counts)
            written = True
        except Exception as error:
            if not self._failing:
                _log.warning("counts wait, since the store does not take them: %s", error)
        finally:
            # Even if an exception ends the process here.
            if not written:
                with self._lock:
                    for count, number in counts.items():
                        self._add(((count.day, count.table, count.value, count.outcome),), number)
                    self._next = min(self._next, self._monotonic() + RETRY)
        self._failing = not written
        return len(counts) if written else 0

    def close(self) -> None:
        """Flush for the last time, after a short wait for pending look-ups."""
        if self._lookup is not None:
            self._lookup.close(GRACE)
        if self._on:
            self.flush()


_GRANTS = (ACCEPT, PARTIAL)
_OUTCOMES = (*ANSWERS, WITHDRAW)


def _failed(error: Exception) -> None:
    # An error's message may quote what a visitor sent: log its type alone, once per type.
    kind = type(error).__name__
    if kind not in _logged:
        _logged.add(kind)
        _log.error("something could not be counted: %s", kind)


_logged: set[str] = set()


def _lands(head: RequestHead, headers: Mapping[str, str]) -> bool:
    """
    Return whether a page view came from outside the site.

    Browsers say so in ``Sec-Fetch-Site`` (Fetch Metadata, section 2.4); older ones leave the referrer to tell. What a
    script fetches is not a visit (``Sec-Fetch-Dest``, section 2.1).
    """
    if headers.get("sec-fetch-dest") == "empty":
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site.strip().lower() != "same-origin"
    referrer = headers.get("referer", "")
    authority = referrer[:512].partition("://")[2].split("/", 1)[0].split("?", 1)[0]
    return _plain(authority) != _plain(head.host)


def _plain(authority: str) -> str:
    return authority.strip().lower().removesuffix(":443").removesuffix(":80")
