"""
One request and its response: each row of the state table, and what the edges rely on.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest

from consent_mw.html.urls import Url
from consent_mw.http.exchange import Exchange
from consent_mw.http.headers import Handling
from consent_mw.http.intent import closed_headers
from consent_mw.http.intent import page_url
from consent_mw.http.intent import wants_banner
from consent_mw.http.intent import wants_page
from consent_mw.http.page import PageInsert
from consent_mw.http.request import RequestHead
from consent_mw.http.states import ExchangeState
from tests.html.rewriting import holder
from tests.http.fake_view import FakeView

HTML = [("Content-Type", "text/html; charset=utf-8")]
IMAGE = b"<img src=//tracker.example/1.gif>"
HELD = b"<img data-cmw-held=tracker data-cmw-src=//tracker.example/1.gif>"


def request(*headers: tuple[str, str], method: str = "GET", host: str = "shop.example") -> RequestHead:
    """Return a request for a page."""
    return RequestHead(method, "https", host, "/blog/post", "q=1", headers or (("sec-fetch-dest", "document"),))


class Log(FakeView):
    """A view that holds the tracker and its cookie, puts "<b>" where the banner goes, and keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(self.note)
        self.told_held: list[frozenset[str]] = []
        self.failures: list[tuple[str, BaseException | None]] = []
        self.inserts: list[PageInsert] = []

    def note(self, page: PageInsert) -> bytes:
        self.inserts.append(page)
        return b"<b>"

    def holds_cookie(self, name: str) -> bool:
        return name == "_t"

    def cookies_set_right(self) -> list[str]:
        return ["_t=; Max-Age=0"]

    def held(self, ids: frozenset[str]) -> None:
        self.told_held.append(ids)

    def failed(self, what: str, error: BaseException | None) -> None:
        self.failures.append((what, error))


def exchange(
    head: RequestHead | None = None,
    log: Log | None = None,
    insert: Callable[[PageInsert], bytes] | None = None,
    *,
    hold_back: int = 1_048_576,
) -> Exchange:
    """Return an exchange that holds the tracker and puts "<b>" where the banner goes."""
    log = log or Log()
    log.hold_policy = holder(hold_back=hold_back).policy
    log.insert = insert or log.insert
    return Exchange(head or request(), log)


def test_new_to_passing() -> None:
    """What is no page passes as it is, its headers less what is held."""
    made = exchange()
    headers = [("Content-Type", "text/css"), ("Content-Length", "3"), ("Set-Cookie", "_t=1"), ("Set-Cookie", "own=1")]
    assert made.start(200, "OK", headers) is Handling.PASS
    assert made.state is ExchangeState.PASSING
    assert made.headers == [headers[0], headers[1], headers[3]]
    assert (made.status, made.reason) == (200, "OK")


def test_passing() -> None:
    """Feeding gives the same bytes, and finishing nothing more."""
    made = exchange()
    made.start(200, "OK", [("Content-Type", "text/css")])
    assert (made.feed(IMAGE), made.finish(), made.state, made.sent) == (IMAGE, b"", ExchangeState.DONE, len(IMAGE))


def test_new_to_rewriting() -> None:
    """A page is rewritten, its headers say so, and cookies of what is held are taken away."""
    made = exchange()
    links = [("Link", "<https://tracker.example/x.js>; rel=preload"), ("Refresh", "0; url=https://tracker.example/")]
    assert made.start(200, "OK", [*HTML, ("Content-Length", "33"), ("Set-Cookie", "_t=1"), *links]) is Handling.REWRITE
    assert made.state is ExchangeState.REWRITING
    assert made.headers == [
        *HTML,
        ("Cache-Control", "private, no-cache"),
        ("Vary", "Cookie, Sec-GPC, Accept-Language"),
        ("Set-Cookie", "_t=; Max-Age=0"),
    ]


def test_rewriting() -> None:
    """Feeding gives rewritten bytes, finishing the rest, and what was held is reported once."""
    log = Log()
    made = exchange(log=log)
    made.start(200, "OK", HTML)
    out = made.feed(b"<p>" + IMAGE[:9]) + made.feed(IMAGE[9:]) + made.finish()
    assert out == b"<b><p>" + HELD
    assert (made.state, made.sent) == (ExchangeState.DONE, len(out))
    assert made.finish() == b""
    assert log.told_held == [frozenset({"tracker"})]
    assert log.failures == []


def test_rewriting_refused_markup_before_anything_was_sent() -> None:
    """A page that turns out to be unreadable becomes an error page; the app's own bytes are not in it."""
    log = Log()
    made = exchange(log=log)
    made.start(200, "OK", [("Content-Type", "text/html")])
    assert made.feed(b"\x1b$B" + IMAGE) == b""
    assert (made.state, made.status) == (ExchangeState.REFUSING, 500)
    page = made.finish()
    assert b"character sets" in page
    assert b"Content-Type: ...; charset=" in page
    assert b"tracker.example" not in page
    assert ("Content-Length", str(len(page))) in made.headers
    assert made.state is ExchangeState.DONE
    assert [error for _, error in log.failures] == [None]


def test_rewriting_refused_markup_after_something_was_sent() -> None:
    """With a part of the page out, nothing more goes, and the log says so."""
    log = Log()
    made = exchange(log=log)
    made.start(200, "OK", [("Content-Type", "text/html")])
    assert made.feed(b"<p>text") != b""
    assert made.feed(b"\x1b$B" + IMAGE) == b""
    assert made.state is ExchangeState.DEAD
    assert (made.feed(IMAGE), made.finish(), made.state) == (b"", b"", ExchangeState.DEAD)
    assert "The rest of the page was not sent." in log.failures[0][0]


def test_rewriting_any_error() -> None:
    """Whatever goes wrong inside, the raw page does not go out, and the log has the error."""

    def broken(page: PageInsert) -> bytes:
        raise ZeroDivisionError

    log = Log()
    made = exchange(log=log, insert=broken)
    made.start(200, "OK", HTML)
    assert made.feed(b"<p>" + IMAGE) == b""
    assert made.state is ExchangeState.REFUSING
    assert b"fault in consent_mw" in made.finish()
    assert isinstance(log.failures[0][1], ZeroDivisionError)


def test_rewriting_an_error_at_the_end() -> None:
    """An error that shows only at the end of the page is no different."""
    log = Log()
    made = exchange(log=log, hold_back=100)
    made.start(200, "OK", HTML)
    assert made.feed(b"</p") == b""
    assert b"hold_back" in made.feed(b" " * 200) + made.finish()


@pytest.mark.parametrize("coding", ["compress", "br", "gzip, dcb"])
def test_new_to_refusing(coding: str) -> None:
    """A page that cannot be read at all is refused before its body is looked at."""
    log = Log()
    made = exchange(log=log)
    assert made.start(200, "OK", [*HTML, ("Content-Encoding", coding)]) is Handling.REFUSE
    assert (made.state, made.status, made.reason) == (ExchangeState.REFUSING, 500, "Internal Server Error")
    assert made.feed(b"\x1f\x8b") == b""
    page = made.finish()
    assert coding.encode() in page
    assert (made.state, made.finish()) == (ExchangeState.DONE, b"")
    assert coding in log.failures[0][0]
    assert dict(made.headers)["Cache-Control"] == "no-store"


def test_a_compressed_page_is_rewritten_and_compressed_again() -> None:
    """What is held in a page does not slip through because the app compressed it, however it is cut."""
    packed = gzip.compress(IMAGE)
    made = exchange()
    assert made.start(200, "OK", [*HTML, ("Content-Encoding", "gzip")]) is Handling.REWRITE
    out = b"".join(made.feed(packed[at : at + 5]) for at in range(0, len(packed), 5)) + made.finish()
    assert gzip.decompress(out) == b"<b>" + HELD
    assert dict(made.headers)["Content-Encoding"] == "gzip"


def test_codings_are_opened_in_turn() -> None:
    """A page that was compressed twice is opened twice, the last coding first."""
    made = exchange()
    made.start(200, "OK", [*HTML, ("Content-Encoding", "deflate, gzip")])
    out = made.feed(gzip.compress(zlib.compress(IMAGE))) + made.finish()
    assert zlib.decompress(gzip.decompress(out)) == b"<b>" + HELD


def test_a_compressed_page_in_one_piece_keeps_a_length() -> None:
    """The length is that of the page as it goes out, compressed."""
    packed = gzip.compress(IMAGE)
    made = exchange()
    made.start(200, "OK", [*HTML, ("Content-Encoding", "gzip"), ("Content-Length", str(len(packed)))])
    out = made.whole(packed)
    assert out is not None
    assert (gzip.decompress(out), dict(made.headers)["Content-Length"]) == (b"<b>" + HELD, str(len(out)))


@pytest.mark.parametrize("body", [b"<html> not compressed", gzip.compress(IMAGE)[:-9]], ids=["plain", "cut"])
def test_a_page_that_is_not_what_its_coding_says_is_refused(body: bytes) -> None:
    """Bytes that cannot be opened are never sent on as they are."""
    log = Log()
    made = exchange(log=log)
    made.start(200, "OK", [*HTML, ("Content-Encoding", "gzip"), ("Content-Length", str(len(body)))])
    out = made.whole(body)
    assert made.status == 500
    assert out is not None
    assert b"compressed" in out


def test_only_codings_that_can_be_opened_are_offered_to_the_app() -> None:
    """A browser may take more than can be read here; the app is not told of those."""
    told = [
        exchange(request(("accept-encoding", given))).request_changes()
        for given in ("gzip, deflate, br;q=0.9, zstd, *;q=0.1", "br", "")
    ]
    assert [changes["accept-encoding"] for changes in told] == ["gzip, deflate", None, None]
    assert exchange(request(("accept-encoding", "GZIP;q=1"))).request_changes() == {}
    assert exchange(request()).request_changes() == {}


def test_start_again() -> None:
    """As long as nothing was sent the app may change its mind."""
    made = exchange()
    assert made.start(200, "OK", [*HTML, ("Content-Encoding", "compress")]) is Handling.REFUSE
    assert made.start(500, "Oops", HTML) is Handling.REWRITE
    assert (made.feed(IMAGE) + made.finish(), made.status) == (b"<b>" + HELD, 500)


def test_dead_and_done() -> None:
    """After the end nothing comes out any more, raw or rewritten."""
    made = exchange()
    made.start(200, "OK", HTML)
    made.feed(b"<p>" + IMAGE[:8])
    made.abandon()
    assert (made.feed(IMAGE), made.finish(), made.state) == (b"", b"", ExchangeState.DEAD)
    done = exchange()
    done.start(200, "OK", HTML)
    done.finish()
    assert (done.feed(IMAGE), done.finish()) == (b"", b"")


def test_nothing_goes_out_before_the_head() -> None:
    """Bytes without a head are nobody's."""
    made = exchange()
    assert made.state is ExchangeState.NEW
    assert (made.feed(IMAGE), made.finish()) == (b"", b"")


def test_what_was_held_is_reported_when_the_visitor_leaves() -> None:
    """A site learns of a service also from a page that was not read to its end."""
    log = Log()
    made = exchange(log=log)
    made.start(200, "OK", HTML)
    made.feed(IMAGE)
    made.abandon()
    made.abandon()
    assert log.told_held == [frozenset({"tracker"})]


@pytest.mark.parametrize("headers", [HTML, [*HTML, ("Content-Encoding", "gzip")], [*HTML, ("Content-Encoding", "x")]])
def test_a_head_request_gets_no_body(headers: list[tuple[str, str]]) -> None:
    """The head is that of the page; there are no bytes, not of an error page either."""
    made = exchange(request(method="HEAD"))
    made.start(200, "OK", headers)
    assert (made.feed(b""), made.finish()) == (b"", b"")


def test_a_body_in_one_piece_keeps_a_length() -> None:
    """Where the first chunk is the whole body, the head can say how long the rewritten one is."""
    made = exchange()
    made.start(200, "OK", [*HTML, ("Content-Length", str(len(IMAGE)))])
    out = made.whole(IMAGE)
    assert out == b"<b>" + HELD
    assert made.headers[-1] == ("Content-Length", str(len(out)))
    assert made.state is ExchangeState.DONE


@pytest.mark.parametrize(
    ("length", "chunk"), [("", IMAGE), ("12", IMAGE), ("x", IMAGE), ("0", b""), ("\u0663\u0663", IMAGE)]
)
def test_a_body_that_may_go_on_has_no_length(length: str, chunk: bytes) -> None:
    """Without a length that fits, the body streams."""
    made = exchange()
    made.start(200, "OK", [*HTML, ("Content-Length", length)] if length else HTML)
    assert made.whole(chunk) is None
    assert made.state is ExchangeState.REWRITING


def test_a_body_that_began_is_not_whole() -> None:
    """What follows a first chunk is no whole body, whatever its length."""
    made = exchange()
    made.start(200, "OK", [*HTML, ("Content-Length", "33")])
    made.feed(b"x")
    assert made.whole(IMAGE) is None


def test_a_whole_body_that_is_refused() -> None:
    """The length is that of the error page."""
    made = exchange()
    body = b"\x1b$B" + IMAGE
    made.start(200, "OK", [("Content-Type", "text/html"), ("Content-Length", str(len(body)))])
    out = made.whole(body)
    assert out is not None
    assert b"character sets" in out
    assert [value for name, value in made.headers if name == "Content-Length"] == [str(len(out))]


def test_what_the_banner_is_told() -> None:
    """Headers, syntax and the place in the page are known where the banner is made."""
    log = Log()
    made = exchange(log=log)
    made.start(200, "OK", [("Content-Type", "application/xhtml+xml")])
    made.feed(b'<html><base href="//other.example/"/><link rel="icon" href="//tracker.example/"/><body/></html>')
    made.finish()
    [page] = log.inserts
    assert (page.xml, page.headers) == (True, (("Content-Type", "application/xhtml+xml"),))
    assert (page.place.at_end, page.place.held, page.place.foreign_base) == (False, frozenset({"tracker"}), True)


def test_where_nothing_is_given_first_the_end_is_tried() -> None:
    """A banner that is not needed at the beginning of the body may be at its end, where more is known."""

    def insert(page: PageInsert) -> bytes:
        return b"<b>" if page.place.held else b""

    made = exchange(insert=insert)
    made.start(200, "OK", HTML)
    assert made.feed(b"<body><p>" + IMAGE + b"</body>") + made.finish() == b"<body><p>" + HELD + b"<b></body>"


@pytest.mark.parametrize("mark", ["x-requested-with", "hx-request", "turbo-frame"])
def test_a_fragment_gets_no_banner_and_is_held(mark: str) -> None:
    """What a script asks for to put into a page is held like the page, without a banner of its own."""
    made = exchange(request((mark, "1")))
    made.start(200, "OK", HTML)
    assert made.feed(IMAGE) + made.finish() == HELD


@pytest.mark.parametrize(
    ("headers", "page", "banner"),
    [
        ([("sec-fetch-dest", "document")], True, True),
        ([("sec-fetch-dest", "iframe")], True, False),
        ([("sec-fetch-dest", "empty")], False, False),
        ([("sec-fetch-dest", "image")], False, False),
        ([("accept", "text/html,*/*")], True, True),
        ([("accept", "application/xhtml+xml")], True, True),
        ([("accept", "text/html;q=0.01")], True, True),
        ([("accept", "text/html;q=0, */*")], False, False),
        ([("accept", "application/json, text/html ; q=0.000;level=1")], False, False),
        ([("accept", "text/html;q=0, application/xhtml+xml")], True, True),
        ([("accept", "image/webp")], False, False),
        ([("accept", "*/*")], False, False),
        ([("host", "x")], False, False),
        ([("accept", "text/html"), ("hx-request", "true")], True, False),
    ],
)
def test_what_the_request_is_for(headers: list[tuple[str, str]], page: bool, banner: bool) -> None:
    """Fetch Metadata tells pages, frames and fragments apart; without it the other headers do."""
    head = request(*headers)
    assert (wants_page(head), wants_banner(head)) == (page, banner)


def test_ways_around_the_rewriter_are_closed() -> None:
    """For a page the app sees no range and no validators; for the rest it sees all."""
    given = ["range", "if-range", "if-none-match", "if-modified-since", "if-match", "if-unmodified-since"]
    head = request(("sec-fetch-dest", "document"), *((name, "x") for name in given))
    assert closed_headers(head) == tuple(given)
    assert exchange(head).request_changes() == dict.fromkeys(given)
    assert closed_headers(request(("sec-fetch-dest", "image"), ("range", "x"))) == ()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("Shop.Example:8080", "shop.example"),
        ("user@shop.example", "shop.example"),
        ("[2001:db8::1]:80", "[2001:db8::1]"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("", ""),
    ],
)
def test_where_the_page_is(host: str, expected: str) -> None:
    """The Host header is the client's word: only the name in it counts."""
    assert page_url(request(host=host), "") == Url("https", expected, "/blog/post")
