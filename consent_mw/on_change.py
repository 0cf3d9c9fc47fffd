"""
``on_change``: calls the site's own code when a visitor's choice changes.

The function gets the old decision, the new one, and the receipt that they belong to. For a choice it is called in the
thread of the request, after the choice was recorded; the response waits for it, but does not fail if the function does.
For an opt-out signal (GPC) that revokes a visitor's grants, it is called in the housekeeping thread, once per receipt
and process.

It is called if the grants, the receipt, or whether the visitor has answered at all changes. Repeating the same answer
is not a change.
"""

from __future__ import annotations

import logging
import traceback
from collections import deque
from collections.abc import Callable
from threading import Lock

from consent_mw.core.cache import BoundedCache
from consent_mw.core.choice import Decision
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.core.decide import decide
from consent_mw.core.model import Site

__all__ = ["OptOuts", "notify"]

_log = logging.getLogger("consent_mw")

#: Limits: receipts with a reported opt-out, in number and bytes, and opt-outs that wait to be reported.
_REMEMBERED = 10_000
_REMEMBERED_BYTES = 4_000_000
_WAITING = 1_000

OnChange = Callable[[Decision, Decision, str], object]


def notify(on_change: OnChange | None, old: Decision, new: Decision, ended: str = "") -> None:
    """
    Call the site's function if a choice changed something; never raises.

    Args:
        ended: The receipt that the choice replaced or withdrew, or empty. Its choice may no longer have counted.
    """
    before = (old.granted, old.purposes, old.record is not None, ended)
    if on_change is not None and before != (new.granted, new.purposes, new.record is not None, new.receipt):
        _call(on_change, old, new, new.receipt or ended)


def _call(on_change: OnChange, old: Decision, new: Decision, receipt: str) -> None:
    try:
        on_change(old, new, receipt)
    except Exception as error:
        # The error's message may contain a receipt, which must not be logged. The traceback is what helps.
        trace = "".join(traceback.format_tb(error.__traceback__))
        _log.error("on_change failed by %s; the choice counts all the same\n%s", type(error).__name__, trace)


class OptOuts:
    """Opt-out signals that revoked grants; threads may share it."""

    def __init__(self, on_change: OnChange | None) -> None:
        self._on_change = on_change
        self._lock = Lock()
        self._notified: BoundedCache[str, bool] = BoundedCache(_REMEMBERED, _REMEMBERED_BYTES)
        self._waiting: deque[tuple[Decision, Decision, str]] = deque(maxlen=_WAITING)

    def saw(self, site: Site, found: Record | NoRecord, signals: Signals, today: int) -> bool:
        """Note the signal of a request; return whether there is something new to report."""
        if self._on_change is None or not signals.gpc or not isinstance(found, Record) or not found.receipt:
            return False
        before, decision = (decide(site, found, said, today) for said in (Signals(), signals))
        if (before.granted, before.purposes) == (decision.granted, decision.purposes):
            return False
        with self._lock:
            known = self._notified.get(found.receipt)
            self._notified.put(found.receipt, True)
            if known:
                return False
            if len(self._waiting) == _WAITING:
                # The visitor's next request brings the signal again.
                self._notified.drop(self._waiting[0][2])
                _log.error("on_change is slower than the opt-outs that come; one waits for the visitor's next page")
            self._waiting.append((before, decision, found.receipt))
        return True

    def notify(self) -> None:
        """Report what waits."""
        while self._on_change is not None:
            with self._lock:
                if not self._waiting:
                    return
                news = self._waiting.popleft()
            _call(self._on_change, *news)
