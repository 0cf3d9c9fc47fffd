"""
Purging and publishing when a clock may be wrong.

Theory of operation. Purging entries and publishing figures cannot be undone. Both depend on today's date, and a machine
whose clock is months ahead would drop a ledger that other machines still need. So neither trusts the clock of a single
machine:

(1) A store on another machine has its own clock. If it differs from ours by more than ten minutes, nothing is deleted
    or published. Either clock may be the wrong one; the owner has to correct it.
(2) No seal should be dated later than today. If one is, and the store has no clock that confirms ours, nothing is
    deleted until the owner has checked. (Publishing continues: a clock that is behind publishes less, not more.)
(3) At most a tenth of the sealed entries is dropped at once. A running site drops a few thousandths a day. If more is
    due, nothing is dropped until the owner confirms it: the clock may be wrong in a way that (1) and (2) do not
    detect, or the setting ``record_days`` was lowered, which is worth a second look.

Limits: an embedded store has no clock of its own. It can lose up to a tenth of the ledger early if the machine's clock
is ahead by less than a tenth of ``record_days``.
"""

from __future__ import annotations

from typing import Protocol

from consent_mw.core.days import DAY_SECONDS
from consent_mw.core.days import iso
from consent_mw.core.seal import Seal
from consent_mw.errors import RecordsError

__all__ = ["ClocksDiffer", "PurgeTooLarge", "check_clocks", "clock_difference", "purge_due"]

#: Seconds by which our clock and the store's may differ: more than network delays and leap seconds can explain.
TOLERANCE = 600.0
#: The share of the sealed entries that one purge may drop unconfirmed, and a number that may always be dropped.
SHARE = 0.1
ALWAYS = 100


class ClocksDiffer(RecordsError):
    """Two clocks disagree, so nothing may be deleted or published."""


class PurgeTooLarge(RecordsError):
    """
    More entries are due than a purge may drop unconfirmed.

    Args:
        due: Number of entries that are due.
        sealed: Number of sealed entries.
    """

    def __init__(self, due: int, sealed: int, before: int) -> None:
        self.due = due
        self.sealed = sealed
        super().__init__(
            f"{due:,} of {sealed:,} sealed entries, more than a tenth, are dated before {iso(before)}: nothing was "
            "dropped. Check this machine's clock and the setting record_days; if both are right, run: "
            "consent-mw ledger purge --confirm"
        )


class Clocked(Protocol):
    """The part of :class:`consent_mw.records.Ledger` that a check of the clocks needs."""

    def clock(self) -> float | None:
        """Return the seconds since 1970-01-01 UTC by the store's own clock, or None if it has none."""
        ...

    def last_seal(self) -> Seal | None:
        """Return the newest seal, or None."""
        ...


class Purgeable(Clocked, Protocol):
    """The part of :class:`consent_mw.records.Ledger` that a purge needs."""

    def due(self, before: int) -> tuple[int, int]:
        """Return the number of entries in seals dated before that day, and in all seals."""
        ...

    def purge(self, before: int) -> int:
        """Drop the entries of seals dated before that day, and return their number."""
        ...


def clock_difference(records: Clocked, now: float) -> float | None:
    """Return the seconds by which our clock is ahead of the store's; None if the store has no clock of its own."""
    theirs = records.clock()
    return None if theirs is None else now - theirs


def check_clocks(records: Clocked, now: float) -> None:
    """
    Compare the clocks of this machine and of the store.

    Args:
        now: Seconds since 1970-01-01 UTC by the clock of this machine.

    Raises:
        ClocksDiffer: if the store's clock contradicts ours.
        RecordsError: if the store fails.
    """
    ahead = clock_difference(records, now)
    if ahead is not None and abs(ahead) > TOLERANCE:  # (1)
        raise ClocksDiffer(
            f"This machine's clock is {_length(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} the store's: "
            "nothing is deleted or published until both agree. Correct the wrong one."
        )


def purge_due(records: Purgeable, *, now: float, record_days: int, confirmed: bool = False) -> int:
    """
    Drop the sealed entries whose retention is over, and return their number.

    Args:
        now: Seconds since 1970-01-01 UTC by the clock of this machine.
        record_days: Days for which entries are kept after they were sealed.
        confirmed: Whether the owner allowed dropping more than a tenth.

    Raises:
        ClocksDiffer: if clocks disagree.
        PurgeTooLarge: if too many entries are due and the purge is not confirmed.
        RecordsError: if the store fails.
    """
    check_clocks(records, now)
    last, today = records.last_seal(), int(now // DAY_SECONDS)
    if last is not None and last.day > today and records.clock() is None and not confirmed:  # (2)
        raise ClocksDiffer(
            f"The newest seal is dated {iso(last.day)}, but by this machine's clock it is {iso(today)}: nothing was "
            "dropped. Correct the clock; if it is right, run: consent-mw ledger purge --confirm"
        )
    before = today - record_days
    due, sealed = records.due(before)
    if not confirmed and due > max(ALWAYS, SHARE * sealed):  # (3)
        raise PurgeTooLarge(due, sealed, before)
    return records.purge(before)


def _length(seconds: float) -> str:
    """Return a duration in a readable unit."""
    for unit, size in (("days", DAY_SECONDS), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
