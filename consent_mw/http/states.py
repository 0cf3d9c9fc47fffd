"""
The states of an exchange and its transitions, as the table that :class:`consent_mw.http.exchange.Exchange` runs.

Theory of operation: :mod:`consent_mw.http.exchange`. The table is total: each pair of a state and an event has a next
state, is ignored, or is a mistake of the edge. ``tools/state_table.py`` prints it into
docs/exchange.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

__all__ = ["TRANSITIONS", "Event", "ExchangeState", "Outcome"]


class ExchangeState(Enum):
    """The states of an exchange."""

    # Members are looked up for every response. Identity is a valid hash, and faster than Enum's hash of the name.
    __hash__ = object.__hash__

    NEW = "new"
    PASSING = "passing"
    REWRITING = "rewriting"
    REFUSING = "refusing"
    DONE = "done"
    DEAD = "dead"


class Event(Enum):
    """The events of an exchange."""

    # Members are looked up for every response. Identity is a valid hash, and faster than Enum's hash of the name.
    __hash__ = object.__hash__

    #: The application's head has arrived; its body passes, is rewritten, or is refused.
    PASS = "start: pass"  # noqa: S105 -- no password
    REWRITE = "start: rewrite"
    REFUSE = "start: refuse"
    #: Another head, after a part of the response was sent.
    RESTART = "start, after bytes were sent"
    FEED = "feed"
    FINISH = "finish"
    #: The page turns out to be unreadable: before any of it was sent, or after.
    UNREADABLE = "unreadable, nothing sent"
    BROKEN = "unreadable, bytes were sent"
    ABANDON = "abandon"


class Outcome(Enum):
    """The outcomes of events that lead to no other state."""

    #: The event has no effect: the state stays, and nothing goes out.
    IGNORED = "ignored"
    #: An edge made a mistake: MisusedExchange is raised.
    MISUSE = "error"


_Row = Mapping[Event, ExchangeState | Outcome]

_S, _E, _O = ExchangeState, Event, Outcome
#: While nothing was sent, the application may start again with another head.
_STARTS: _Row = {_E.PASS: _S.PASSING, _E.REWRITE: _S.REWRITING, _E.REFUSE: _S.REFUSING, _E.RESTART: _O.MISUSE}
#: A head after the end is a mistake.
_OVER: _Row = dict.fromkeys((_E.PASS, _E.REWRITE, _E.REFUSE, _E.RESTART), _O.MISUSE)
#: Only a page that is being rewritten can turn out to be unreadable.
_READABLE: _Row = {_E.UNREADABLE: _O.MISUSE, _E.BROKEN: _O.MISUSE}

#: The next state, or the outcome, for every pair of a state and an event.
TRANSITIONS: Mapping[ExchangeState, _Row] = {
    # There is no body before a head.
    _S.NEW: {**_STARTS, **_READABLE, _E.FEED: _O.IGNORED, _E.FINISH: _S.DONE, _E.ABANDON: _S.DEAD},
    # The application's own bytes go out.
    _S.PASSING: {**_STARTS, **_READABLE, _E.FEED: _S.PASSING, _E.FINISH: _S.DONE, _E.ABANDON: _S.DEAD},
    # The page goes out with the holds.
    _S.REWRITING: {
        **_STARTS,
        _E.FEED: _S.REWRITING,
        _E.FINISH: _S.DONE,
        _E.UNREADABLE: _S.REFUSING,
        _E.BROKEN: _S.DEAD,
        _E.ABANDON: _S.DEAD,
    },
    # The page's bytes are thrown away, and an error page goes out at the end.
    _S.REFUSING: {**_STARTS, **_READABLE, _E.FEED: _S.REFUSING, _E.FINISH: _S.DONE, _E.ABANDON: _S.DEAD},
    # Everything was sent.
    _S.DONE: {**_OVER, **_READABLE, _E.FEED: _O.IGNORED, _E.FINISH: _O.IGNORED, _E.ABANDON: _O.IGNORED},
    # Nothing more goes out, raw or rewritten.
    _S.DEAD: {**_OVER, **_READABLE, _E.FEED: _O.IGNORED, _E.FINISH: _O.IGNORED, _E.ABANDON: _O.IGNORED},
}
