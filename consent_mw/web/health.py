"""
GET /health: whether this process serves, and whether it can record a grant.

For load balancers, orchestrators and alerts. The answer is 200 if the process is ready and 503 if not, with the same
JSON in both cases:

=============  =======================================================================================
``live``       always true: the process answers
``ready``      whether a grant would be recorded, in the store or in the spool
``store``      ``up`` or ``down``
``spool``      ``none``, ``empty``, ``waiting`` or ``unusable``
``clock``      ``agrees`` or ``differs``; ``alone`` if the store has no clock of its own
``problems``   one sentence for each thing that is wrong, with the remedy
=============  =======================================================================================

Anyone may request it, so it contains no machine names, files or error messages. It contains no counts either: on a
quiet site, a growing number would reveal a single visitor. ``consent-mw spool status`` has the numbers. The store is
queried at most every two seconds, no matter how many requests there are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple
from typing import TypeVar

from flask import Flask
from flask import Response
from flask import jsonify

from consent_mw.core.counts import power_of_ten
from consent_mw.errors import RecordsError
from consent_mw.proof.retention import TOLERANCE
from consent_mw.proof.retention import clock_difference
from consent_mw.records import Records
from consent_mw.records.spool import SpooledRecords
from consent_mw.web.context import WebContext

T = TypeVar("T")

#: Seconds for which an answer is cached.
KEPT = 2.0
#: The same for whether the purge is behind, and the days by which it may be late without anything being wrong.
PURGE_KEPT = 3600.0
PURGE_LATE = 7
#: Seconds that a check waits for a store on another machine. If the store hangs, the timeouts of its client would add
#: up over several queries. A store that is slower than this is useless for visitors, too.
PATIENCE = 1.0
#: Seconds that the next checks wait while the store does not answer: a worker that waits serves no pages.
SHORT_PATIENCE = 0.1


@dataclass(frozen=True, slots=True)
class Measured:
    """
    The state of one process and its store, for the owner's monitoring.

    Args:
        ready: Whether a grant would be recorded.
        store: Whether the store answers.
        spool: Whether the spool can be used; None without one.
        waiting: Entries in the spool, rounded down to a power of ten: exact numbers would reveal single visitors.
        oldest: Days since the oldest of them; 0 if there are none.
        ahead: Whole seconds by which this machine's clock is ahead of the store's; None if the store has none.
        faults: Number of settings of the store that can lose grants.
        behind: Whether entries of the day before yesterday are not sealed.
        overdue: Whether entries are still there a week after their retention was over; None if it cannot be told.
        again: Records that the store had lost and this process has written again, rounded down like ``waiting``.
        replayed: Entries that this process has sent from the spool to the store, rounded down in the same way.
        refused: Grants that this process has refused because they could not be recorded, rounded down likewise.
        rewriting: Seconds that rewriting a page usually takes, to one significant digit; None before enough pages.
    """

    ready: bool
    store: bool
    spool: bool | None
    waiting: int
    oldest: int
    ahead: int | None
    faults: int
    behind: bool
    overdue: bool | None
    again: int
    replayed: int
    refused: int
    rewriting: float | None

    def described(self) -> dict[str, tuple[str, float | None]]:
        """Return each number with its description, by the name of its metric."""
        return {
            "ready": ("Whether a grant would be recorded.", self.ready),
            "store_answers": ("Whether the store answers this process.", self.store),
            "spool_usable": ("Whether the spool of this machine can be used.", self.spool),
            "spool_entries": ("Entries in the spool, rounded down to a power of ten.", self.waiting),
            "spool_oldest_days": ("Days since the oldest entry in the spool.", self.oldest),
            "clock_ahead_seconds": ("Seconds by which this clock is ahead of the store's.", self.ahead),
            "store_faults": ("Settings of the store that can lose grants.", self.faults),
            "seals_behind": ("Whether entries of the day before yesterday are not sealed.", self.behind),
            "purge_behind": ("Whether entries are there a week after their retention was over.", self.overdue),
            "records_written_again": (
                "Records that the store had lost and this process wrote again, rounded down to a power of ten.",
                self.again,
            ),
            "spool_replayed": (
                "Entries that this process sent from the spool to the store, rounded down to a power of ten.",
                self.replayed,
            ),
            "grants_refused": (
                "Grants that this process could not record and so refused, rounded down to a power of ten.",
                self.refused,
            ),
            "rewriting_seconds": (
                "Median of the seconds that the last pages took to rewrite, to one significant digit.",
                self.rewriting,
            ),
        }


class _StoreSeen(NamedTuple):
    """
    The findings of a check on a store that answers.

    Args:
        ahead: Seconds by which this machine's clock is ahead of the store's; None if the store has none.
        faults: Number of settings that can lose grants.
    """

    ahead: float | None
    faults: int


class Health:
    """
    The health of one process; can be shared between threads.

    Args:
        monotonic: A monotonic clock, in seconds.
    """

    def __init__(self, context: WebContext, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._context = context
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asked = -KEPT
        self._answer: dict[str, object] = {}
        self._purge_asked = -PURGE_KEPT
        self._purge_behind: bool | None = None
        #: The findings of the last check; None while the store does not answer.
        self._seen: _StoreSeen | None = None

    def report(self) -> dict[str, object]:
        """Return the current state, at most two seconds old; never raises."""
        with self._lock:
            now = self._monotonic()
            if now - self._asked >= KEPT:
                self._answer = self._look()
                self._asked = now
            return dict(self._answer)

    def measure(self) -> Measured:
        """Return the current state in numbers; never raises."""
        found = self.report()
        records, today, seen = self._context.records, self._context.today(), self._seen
        waiting, oldest, ahead, faults, behind = 0, 0, None, 0, False
        if isinstance(records, SpooledRecords) and found["spool"] == "waiting":
            with suppress(RecordsError):
                status = records.status()
                waiting = power_of_ten(status.entries)
                oldest = max(today - status.oldest, 0) if status.oldest is not None else 0
        if seen is not None:
            ahead, faults = None if seen.ahead is None else round(seen.ahead), seen.faults
            with suppress(RecordsError):
                oldest_loose = self._ask(lambda store: store.unsealed(1, today - 1))
                behind = any(entry.day < today - 1 for entry in oldest_loose)
        return Measured(
            ready=bool(found["ready"]),
            store=found["store"] == "up",
            spool=None if found["spool"] == "none" else found["spool"] != "unusable",
            waiting=waiting,
            oldest=oldest,
            ahead=ahead,
            faults=faults,
            behind=behind,
            overdue=self._overdue(today) if seen is not None else None,
            again=power_of_ten(self._context.lost.written),
            replayed=power_of_ten(records.replayed) if isinstance(records, SpooledRecords) else 0,
            refused=power_of_ten(self._context.refusals.number),
            rewriting=self._context.durations.usual(),
        )

    def _overdue(self, today: int) -> bool | None:
        """Return whether a purge is a week behind, at most an hour old: a large ledger takes a moment to tell."""
        now = self._monotonic()
        if now - self._purge_asked >= PURGE_KEPT:
            self._purge_asked, self._purge_behind = now, None
            before = today - self._context.site().record_days - PURGE_LATE
            with suppress(RecordsError):
                self._purge_behind = self._ask(lambda store: store.due(before)[0] > 0)
        return self._purge_behind

    def _look(self) -> dict[str, object]:
        problems: list[str] = []
        spool = self._spool(problems)
        store, clock = "up", "alone"
        self._seen = None
        try:
            self._seen = seen = self._ask(self._see)
        except RecordsError:
            store = "down"
            kept = "wait in the spool" if spool in ("empty", "waiting") else "are refused"
            problems.append(f"The store does not answer; grants {kept} until it does. The log has the reason.")
        else:
            ahead = seen.ahead
            if seen.faults:
                problems.append(
                    "The settings of the store can lose acknowledged grants. The log and consent-mw check "
                    "have the details."
                )
            if ahead is not None:
                clock = "agrees" if abs(ahead) <= TOLERANCE else "differs"
            if clock == "differs":
                problems.append(
                    "The clock of this machine differs from the store's by more than ten minutes, so nothing is purged "
                    "or published. Set the wrong one right."
                )
        return {
            "live": True,
            "ready": store == "up" or spool in ("empty", "waiting"),
            "store": store,
            "spool": spool,
            "clock": clock,
            "problems": problems,
        }

    def _ask(self, what: Callable[[Records], T]) -> T:
        """Query the store, with a time limit if it is on another machine."""
        records = self._context.records
        if not isinstance(records, SpooledRecords):
            return what(records)
        patience = SHORT_PATIENCE if self._answer.get("store") == "down" else PATIENCE
        return records.within(patience, what)

    def _see(self, store: Records) -> _StoreSeen:
        ahead = clock_difference(store, self._context.clock())
        store.last_seal()
        try:
            return _StoreSeen(ahead, len(store.faults()))
        except RecordsError:
            return _StoreSeen(ahead, 1)

    def _spool(self, problems: list[str]) -> str:
        """Return the state of the spool, if the store has one."""
        records = self._context.records
        if not isinstance(records, SpooledRecords):
            return "none"
        try:
            return "waiting" if records.waits() else "empty"
        except RecordsError:
            problems.append("The spool cannot be used: see that its folder is there, writable, and not full.")
            return "unusable"


def register(app: Flask, context: WebContext) -> None:
    """Add the route to the application."""
    health = Health(context)

    @app.get("/health")
    def show_health() -> Response:
        found = health.report()
        answer = jsonify(found)
        answer.status_code = 200 if found["ready"] else 503
        return answer
