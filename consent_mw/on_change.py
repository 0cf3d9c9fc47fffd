"""
``on_change``: the site's own code hears what changed in what it may do for a visitor.

The function gets the decision before, the decision now, and the receipt that
it is about. A choice is told in the thread of its request, once it is in the
records; the visitor's answer waits for the function and never fails by it.
An opt-out signal (GPC) that takes away what a visitor had granted is told by
the thread of the upkeep, once for each receipt and process.

What is told: a change in what is granted, in the receipt, or in whether the
visitor has answered at all. The same answer again is no change.
"""

from __future__ import annotations

import logging
import traceback
from collections import OrderedDict
from collections import deque
from collections.abc import Callable
from threading import Lock

from consent_mw.core.decide import decide
from consent_mw.core.model import Decision
from consent_mw.core.model import NoRecord
from consent_mw.core.model import Record
from consent_mw.core.model import Signals
from consent_mw.core.model import Site

__all__ = ["OptOuts", "notify"]

_log = logging.getLogger("consent_mw")

#: Receipts whose opt-out a process remembers to have told, and opt-outs that wait to be told.
_REMEMBERED = 10_000
_WAITING = 1_000

OnChange = Callable[[Decision, Decision, str], object]


def notify(on_change: OnChange | None, old: Decision, new: Decision, ended: str = "") -> None:
    """
    Tell the site's function of a choice, if it changed something; never raises.

    Args:
        ended: The receipt that the choice replaced or withdrew, or empty; it may be of a choice that no longer counted.
    """
    before = (old.granted, old.purposes, old.record is not None, ended)
    if on_change is not None and before != (new.granted, new.purposes, new.record is not None, new.receipt):
        _call(on_change, old, new, new.receipt or ended)


def _call(on_change: OnChange, old: Decision, new: Decision, receipt: str) -> None:
    try:
        on_change(old, new, receipt)
    except Exception as error:
        # The error's own words may hold a receipt, which no log is to hold; where it comes from is what helps.
        trace = "".join(traceback.format_tb(error.__traceback__))
        _log.error("on_change failed by %s; the choice counts all the same\n%s", type(error).__name__, trace)


class OptOuts:
    """Opt-out signals that took away what was granted; safe for several threads."""

    def __init__(self, on_change: OnChange | None) -> None:
        self._on_change = on_change
        self._lock = Lock()
        self._notified: OrderedDict[str, None] = OrderedDict()
        self._waiting: deque[tuple[Decision, Decision, str]] = deque(maxlen=_WAITING)

    def saw(self, site: Site, found: Record | NoRecord, signals: Signals, today: int) -> bool:
        """Note what a request brings; return whether there is something new to tell."""
        if self._on_change is None or not signals.gpc or not isinstance(found, Record) or not found.receipt:
            return False
        before, decision = (decide(site, found, said, today) for said in (Signals(), signals))
        if (before.granted, before.purposes) == (decision.granted, decision.purposes):
            return False
        with self._lock:
            known = found.receipt in self._notified
            self._notified[found.receipt] = None
            self._notified.move_to_end(found.receipt)
            if len(self._notified) > _REMEMBERED:
                self._notified.popitem(last=False)
            if known:
                return False
            if len(self._waiting) == _WAITING:
                # Its next request brings the signal again.
                self._notified.pop(self._waiting[0][2], None)
                _log.error("on_change is slower than the opt-outs that come; one waits for the visitor's next page")
            self._waiting.append((before, decision, found.receipt))
        return True

    def notify(self) -> None:
        """Tell what waits."""
        while self._on_change is not None:
            with self._lock:
                if not self._waiting:
                    return
                news = self._waiting.popleft()
            _call(self._on_change, *news)
