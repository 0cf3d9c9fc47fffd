"""What a response says of our own share of its time."""

from __future__ import annotations

from consent_mw.http.request import RequestHead
from consent_mw.http.server_timing import MeasuredExchange
from consent_mw.http.server_timing import TimedExchange
from tests.http.fake_view import FakeView

HEAD = RequestHead("GET", "https", "shop.example", "/", "", (("sec-fetch-dest", "document"),))
HTML = [("Content-Type", "text/html; charset=utf-8"), ("Server-Timing", "db;dur=3")]


class Clock:
    """Goes on by a millisecond whenever it is read, and by as much as it is told between."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def timed(clock: Clock) -> TimedExchange:
    """Return the exchange of a request that came two milliseconds ago."""
    return TimedExchange(HEAD, FakeView(), clock, lambda seconds: None, clock.now - 0.001)


def test_the_application_s_time_is_not_ours() -> None:
    """Only what is done here counts: two milliseconds before, and one in each step."""
    clock = Clock()
    exchange = timed(clock)
    exchange.request_changes()
    clock.now += 60  # the application thinks
    exchange.start(200, "OK", HTML)
    clock.now += 60
    exchange.feed(b"<p>x")
    assert exchange.outgoing()[-1] == ("Server-Timing", "cmw;dur=5.00")


def test_a_step_within_a_step_counts_once() -> None:
    """A page that comes whole is fed and finished in one step."""
    clock = Clock()
    exchange = timed(clock)
    exchange.start(200, "OK", HTML)
    assert exchange.whole(b"<p>x", last=True) == b"<p>x"
    assert exchange.outgoing()[-1] == ("Server-Timing", "cmw;dur=4.00")


def test_what_the_application_says_of_its_own_time_stays() -> None:
    """Ours is a field of its own beside the application's."""
    exchange = timed(Clock())
    exchange.start(200, "OK", HTML)
    assert [value for name, value in exchange.outgoing() if name == "Server-Timing"][0] == "db;dur=3"


def test_a_page_is_noted_once_and_as_a_whole() -> None:
    """When all of it was rewritten, in one step or in several; what passes is not noted."""
    noted: list[float] = []

    def exchange() -> MeasuredExchange:
        return MeasuredExchange(HEAD, FakeView(), Clock(), noted.append)

    streamed, whole, passing = exchange(), exchange(), exchange()
    streamed.start(200, "OK", HTML)
    streamed.feed(b"<p>x")
    assert noted == []
    streamed.finish()
    streamed.finish()
    assert [round(seconds, 3) for seconds in noted] == [0.003]
    whole.start(200, "OK", HTML)
    whole.whole(b"<p>x", last=True)
    assert [round(seconds, 3) for seconds in noted[1:]] == [0.002]
    passing.start(200, "OK", [("Content-Type", "application/json")])
    passing.feed(b"{}")
    passing.finish()
    assert len(noted) == 2
