"""The state table of the exchange: total, reachable, and what the exchange does is what it says."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from consent_mw.errors import MisusedExchange
from consent_mw.http.exchange import Exchange
from consent_mw.http.request import RequestHead
from consent_mw.http.states import TRANSITIONS
from consent_mw.http.states import Event
from consent_mw.http.states import ExchangeState
from consent_mw.http.states import Outcome
from tests.http.fake_view import FakeView
from tools import state_table

HEAD = RequestHead("GET", "https", "shop.example", "/", "", (("sec-fetch-dest", "document"),))
CSS = [("Content-Type", "text/css")]
HTML = [("Content-Type", "text/html")]
PACKED = [*HTML, ("Content-Encoding", "compress")]
#: Bytes that no page may begin with, nor go on with: the charset changes and none was named.
BAD = b"\x1b$B"

Step = Callable[[Exchange], object]

#: How an exchange gets into each state, with nothing sent and with something sent; None where that cannot be.
WAYS: dict[ExchangeState, tuple[list[Step], list[Step] | None]] = {
    ExchangeState.NEW: ([], None),
    ExchangeState.PASSING: (
        [lambda x: x.start(200, "OK", CSS)],
        [lambda x: x.start(200, "OK", CSS), lambda x: x.feed(b"a")],
    ),
    ExchangeState.REWRITING: (
        [lambda x: x.start(200, "OK", HTML)],
        [lambda x: x.start(200, "OK", HTML), lambda x: x.feed(b"<p>text")],
    ),
    ExchangeState.REFUSING: ([lambda x: x.start(200, "OK", PACKED)], None),
    ExchangeState.DONE: (
        [lambda x: x.start(200, "OK", CSS), lambda x: x.finish()],
        [lambda x: x.start(200, "OK", CSS), lambda x: x.feed(b"a"), lambda x: x.finish()],
    ),
    ExchangeState.DEAD: (
        [lambda x: x.abandon()],
        [lambda x: x.start(200, "OK", CSS), lambda x: x.feed(b"a"), lambda x: x.abandon()],
    ),
}

#: What brings each event about from outside, and whether something must have been sent before.
DEEDS: dict[Event, tuple[Step, bool]] = {
    Event.PASS: (lambda x: x.start(200, "OK", CSS), False),
    Event.REWRITE: (lambda x: x.start(200, "OK", HTML), False),
    Event.REFUSE: (lambda x: x.start(200, "OK", PACKED), False),
    Event.RESTART: (lambda x: x.start(200, "OK", CSS), True),
    Event.FEED: (lambda x: x.feed(b"<p>more"), False),
    Event.FINISH: (lambda x: x.finish(), False),
    Event.UNREADABLE: (lambda x: x.feed(BAD), False),
    Event.BROKEN: (lambda x: x.feed(BAD), True),
    Event.ABANDON: (lambda x: x.abandon(), False),
}


def test_every_pair_of_a_state_and_an_event_is_in_the_table() -> None:
    """Nothing that can happen is left to chance."""
    assert {(state, event) for state, row in TRANSITIONS.items() for event in row} == set(product(ExchangeState, Event))


def test_every_state_can_be_reached_and_left_alone() -> None:
    """Each state follows from something, and from the last two nothing follows."""
    reached = {following for row in TRANSITIONS.values() for following in row.values()} - set(Outcome)
    assert reached == set(ExchangeState) - {ExchangeState.NEW}
    for last in (ExchangeState.DONE, ExchangeState.DEAD):
        assert set(TRANSITIONS[last].values()) <= set(Outcome)


@pytest.mark.parametrize(("state", "event"), list(product(ExchangeState, Event)), ids=lambda one: one.name)
def test_an_exchange_goes_where_the_table_says(state: ExchangeState, event: Event) -> None:
    """Driven from outside, each event in each state leads where the table says, stays, or raises."""
    fresh, begun = WAYS[state]
    deed, sent = DEEDS[event]
    way = begun if sent else fresh
    expected = TRANSITIONS[state][event]
    unreadable = event in (Event.UNREADABLE, Event.BROKEN)
    if way is None or (unreadable and state is not ExchangeState.REWRITING):
        assert expected is Outcome.MISUSE or way is None  # it cannot be brought about
        return
    exchange = Exchange(HEAD, FakeView(lambda place: b"<b>"))
    for step in way:
        step(exchange)
    assert exchange.state is state
    if expected is Outcome.MISUSE:
        with pytest.raises(MisusedExchange, match=state.value):
            deed(exchange)
        assert exchange.state is state
        return
    out = deed(exchange)
    assert exchange.state is (state if expected is Outcome.IGNORED else expected)
    if expected is Outcome.IGNORED:
        assert not out


def test_only_another_head_leads_from_a_refusal_to_the_page() -> None:
    """With nothing sent the application may start again; no body, end or error brings the page's bytes back."""
    back = {
        event
        for event, following in TRANSITIONS[ExchangeState.REFUSING].items()
        if following in (ExchangeState.PASSING, ExchangeState.REWRITING)
    }
    assert back == {Event.PASS, Event.REWRITE}


def test_the_table_in_the_documentation_is_the_one_that_runs() -> None:
    """docs/exchange.md shows what the exchange does."""
    assert state_table.main(["--check"]) == 0


def test_another_table_in_the_documentation_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails where the page differs from the code."""
    page = tmp_path / "exchange.md"
    page.write_text(state_table.PAGE.read_text(encoding="utf-8").replace("| REFUSING |", "| PASSING |"), "utf-8")
    monkeypatch.setattr(state_table, "PAGE", page)
    assert state_table.main(["--check"]) == 1
