"""The banner where an author asks for it: there, once, and at the end where the place does not come."""

from __future__ import annotations

import pytest

from consent_mw.http.exchange import Exchange
from consent_mw.http.page import PageInsert
from consent_mw.http.request import RequestHead
from tests.http.fake_view import FakeView

MARK = '<wbr data-cmw-place="0123">'
BANNER = b"[banner]"
HTML = [("Content-Type", "text/html; charset=utf-8")]


def made(kind: str = "document", view: FakeView | None = None) -> Exchange:
    """Return the exchange of a request."""
    head = RequestHead("GET", "https", "shop.example", "/", "", (("sec-fetch-dest", kind),))
    view = view or FakeView(lambda place: BANNER)
    view.mark = MARK
    return Exchange(head, view)


def sent(exchange: Exchange, page: str, cut: int = 10_000) -> str:
    """Return what goes out of a page that comes in pieces."""
    exchange.start(200, "OK", HTML)
    data = page.encode()
    out = b"".join(exchange.feed(data[at : at + cut]) for at in range(0, len(data), cut))
    return (out + exchange.finish()).decode()


@pytest.mark.parametrize("cut", [1, 7, 10_000])
def test_the_banner_stands_where_the_author_asks(cut: int) -> None:
    """It is not first in the body but behind the mark, which stays; however the page is cut."""
    exchange = made()
    page = f"<html><body><h1>x</h1><main>{exchange.place()}</main></body></html>"
    assert sent(exchange, page, cut) == page.replace(MARK, MARK + "[banner]")


def test_a_mark_that_comes_twice_places_the_banner_once() -> None:
    """The first mark counts; another one is an element that does nothing."""
    exchange = made()
    page = f"<body><p>{exchange.place()}<p>{exchange.place()}<p>end</body>"
    out = sent(exchange, page)
    assert (out.count("[banner]"), out.startswith(f"<body><p>{MARK}[banner]<p>")) == (1, True)


def test_a_mark_that_never_comes_leaves_the_banner_for_the_end() -> None:
    """What a template asked for and then threw away does not take the banner with it."""
    exchange = made()
    exchange.place()
    assert sent(exchange, "<body><p>x</body></html>") == "<body><p>x[banner]</body></html>"


@pytest.mark.parametrize("mark", [MARK, MARK.replace("0123", "4567"), "<wbr data-cmw-place>"])
def test_a_mark_that_nobody_asked_for_is_no_place(mark: str) -> None:
    """A mark in a cached piece, or one that a visitor wrote, moves nothing: the banner is first in the body."""
    out = sent(made(), f"<body><p>{mark}</body>")
    assert out.startswith("<body>[banner]<p>")
    assert out.count("[banner]") == 1


def test_a_made_up_mark_does_not_take_the_place_of_the_real_one() -> None:
    """Only the very mark of the site counts."""
    exchange = made()
    page = f'<body><wbr data-cmw-place="4567"><p>{exchange.place()}</body>'
    assert sent(exchange, page).endswith(f"<p>{MARK}[banner]</body>")


@pytest.mark.parametrize(
    "around", ["<!-- {} -->", "<textarea>{}</textarea>", "<script>'{}'</script>", "<template>{}</template>"]
)
def test_a_mark_in_what_is_no_markup_is_no_place(around: str) -> None:
    """In a comment, in text and in a template nothing can stand; the banner comes at the end."""
    exchange = made()
    page = f"<body>{around.format(exchange.place())}<p>x</body>"
    # In a template our own attributes are taken for made up ones, as in a page that nobody asked in.
    assert sent(exchange, page).replace("cmw-data-cmw", "cmw") == page.replace("</body>", "[banner]</body>")


def test_a_place_that_is_asked_for_too_late_gets_nothing() -> None:
    """Where a template streams and the body has begun, the banner is out already, and is not sent again."""
    exchange = made()
    exchange.start(200, "OK", HTML)
    first = exchange.feed(b"<body><h1>x</h1>")
    rest = exchange.feed(f"<p>{exchange.place()}</body>".encode()) + exchange.finish()
    assert ((first + rest).count(BANNER), first.startswith(b"<body>[banner]")) == (1, True)


def test_a_place_that_is_asked_for_before_the_body_counts_in_a_stream() -> None:
    """What has gone out of the head does not matter."""
    exchange = made()
    exchange.start(200, "OK", HTML)
    first = exchange.feed(b"<html><head><title>x</title></head>")
    rest = exchange.feed(f"<body><h1>x</h1>{exchange.place()}</body>".encode()) + exchange.finish()
    assert (first + rest).endswith(f"<body><h1>x</h1>{MARK}[banner]</body>".encode())


def test_a_fragment_has_no_banner_wherever_it_is_asked_for() -> None:
    """A mark in what a script fetches is an element that does nothing."""
    exchange = made("empty")
    assert "[banner]" not in sent(exchange, f"<div>{exchange.place()}</div>")


def test_the_place_knows_what_the_page_is() -> None:
    """What is inserted at the place has the same facts as anywhere else."""
    seen: list[PageInsert] = []

    def insert(place: PageInsert) -> bytes:
        seen.append(place)
        return BANNER

    exchange = made(view=FakeView(insert))
    sent(exchange, f"<base href=https://elsewhere.example/><body>{exchange.place()}")
    assert [(place.place.asked, place.place.at_end, place.place.foreign_base) for place in seen] == [
        (True, False, True)
    ]
