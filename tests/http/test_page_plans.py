"""Pages that are served again: the same bytes as if they were read again, and everything asked anew."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_mw import config
from consent_mw.core.counts import BannerShown
from consent_mw.counting.tally import Tally
from consent_mw.engine import Engine
from consent_mw.engine import page_view
from consent_mw.engine.page_view import PageView
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.match import Matcher
from consent_mw.html.urls import Url
from consent_mw.http.exchange import Exchange
from consent_mw.http.page import PageInsert
from consent_mw.http.page_plans import LONGEST
from consent_mw.http.page_plans import PagePlan
from consent_mw.http.page_plans import PagePlans
from consent_mw.http.page_plans import PassInputs
from consent_mw.http.request import RequestHead
from consent_mw.records import open_records
from tests.http.fake_view import FakeView

UTF8 = "text/html; charset=utf-8"
SERVICES = [{"use": name} for name in ("google-analytics", "google-tag-manager", "meta-pixel", "youtube")]
PAGE = (
    b"<!doctype html><html lang=en><head><title>x</title><script>fbq('init', '1')</script></head><body>"
    b"<iframe src=https://www.youtube.com/embed/x></iframe><p>text</p><img src=https://www.facebook.com/tr?id=1></body>"
)
NONCE = ("Content-Security-Policy", "script-src 'self' 'nonce-{}'; style-src 'self' 'nonce-{}'")


def _traps() -> dict[str, bytes]:
    text = (Path(__file__).parent.parent / "vectors" / "traps.json").read_text(encoding="utf-8")
    return {
        case["name"]: base64.b64decode(case["html_base64"]) if "html_base64" in case else case["html"].encode()
        for case in json.loads(text)["cases"]
    }


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Engine]]:
    """Give one site that declares its services, and one that learns them."""
    made = {}
    for name, services in (("declared", SERVICES), ("learning", [])):
        store = f"sqlite:///{tmp_path_factory.mktemp(name)}/consent.db"
        site = config.load({"site": {"records": store}, **({"services": services} if services else {})})
        made[name] = Engine(site, open_records(site.records), ("k" * 40,))
    yield made
    for engine in made.values():
        engine.close()


Sent = tuple[int, list[tuple[str, str]], bytes]


class Visitor:
    """Asks for pages, and keeps whether the last one was read."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch | None = None) -> None:
        self.engine = engine
        self.was_read = True
        self.sends: tuple[tuple[str, str], ...] = (("cookie", "a=1"),)
        self._patch = monkeypatch

    def ask(self, page: bytes, *, path: str = "/", kind: str = UTF8, headers: tuple[tuple[str, str], ...] = ()) -> Sent:
        """Return status, headers and body of a response."""
        own = (("host", "shop.example"), ("sec-fetch-dest", "document"), *self.sends)
        exchange = self.engine.exchange(RequestHead("GET", "https", "shop.example", path, "", own))
        exchange.request_changes()
        exchange.start(200, "OK", [("Content-Type", kind), *headers])
        out = exchange.whole(page, last=True)
        assert out is not None
        body = exchange._body
        self.was_read = body is None or bool(body._rewriters)
        return exchange.status, exchange.headers, out

    def ask_reading(self, page: bytes, **how: object) -> Sent:
        """Do the same without what was done to pages before."""
        assert self._patch is not None
        with self._patch.context() as patch:
            patch.setattr(PageView, "plans", None)
            return self.ask(page, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("site", ["declared", "learning"])
@pytest.mark.parametrize("kind", [UTF8, "text/html", "application/xhtml+xml"])
def test_a_page_that_comes_again_is_what_reading_it_again_would_give(
    engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch, site: str, kind: str
) -> None:
    """On all traps that the reader has to know, and nearly all of them are not read again."""
    visitor = Visitor(engines[site], monkeypatch)
    again = asked = 0
    traps = _traps()
    first = PageView.first

    def count(view: PageView, place: PageInsert) -> bytes:
        nonlocal asked
        asked += 1
        return first(view, place)

    for name, page in traps.items():
        visitor.ask_reading(page, kind=kind)  # what it teaches the site is learned now
        expected = visitor.ask_reading(page, kind=kind)
        for _ in range(4):
            assert visitor.ask(page, kind=kind) == expected, name
        again += not visitor.was_read
        with monkeypatch.context() as patch:
            patch.setattr(PageView, "first", count)
            assert visitor.ask(page, kind=kind) == expected, name
    assert again > len(traps) * 0.9
    assert asked < len(traps) * 0.2, "most pages are the same for every visitor of a kind"


#: What a visitor's browser sends besides, by a name for it.
VISITORS: dict[str, tuple[tuple[str, str], ...]] = {
    "one": (("cookie", "a=1"),),
    "another": (("cookie", "a=2"), ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101")),
    "who objects": (("sec-gpc", "1"),),
    "who reads German": (("accept-language", "de"),),
    "with a tracker's cookie": (("cookie", "_ga=GA1.1.1.1"),),
    "with a broken choice": (("cookie", "__Host-consent=x"),),
}


def test_visitors_of_every_kind_get_what_reading_the_page_would_give(
    engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come by turns, so that what one was given is there when the next one asks."""
    monkeypatch.setattr(page_view, "urandom", bytes)  # else no two responses are equal
    visitor = Visitor(engines["declared"], monkeypatch)
    bodies: dict[str, bytes] = {}
    for turn in range(4):
        for name, sends in VISITORS.items():
            visitor.sends = sends
            sent = visitor.ask(PAGE, path="/kinds")
            assert sent == visitor.ask_reading(PAGE, path="/kinds"), (turn, name)
            bodies[name] = sent[2]
    assert len(set(bodies.values())) == len(bodies), "the key of each response is its own"


def test_every_page_view_is_counted(engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing of the page is asked for any more."""
    counted: list[BannerShown] = []
    shown = Tally.shown

    def count(tally: Tally, head: RequestHead, remote: str, notice: BannerShown) -> None:
        counted.append(notice)
        shown(tally, head, remote, notice)

    monkeypatch.setattr(Tally, "shown", count)
    visitor = Visitor(engines["declared"], monkeypatch)
    for _ in range(6):
        visitor.ask(PAGE, path="/counted")
    assert len(counted) == 6
    assert len(set(counted)) == 1


def test_another_page_at_the_same_address_is_read(engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte is enough: a tracker in the place of a file of the site's own."""
    visitor = Visitor(engines["declared"], monkeypatch)
    for host in (b"www.facebook.com", b"www.racebook.com"):
        page = PAGE.replace(b"www.facebook.com", host)
        for _ in range(3):
            assert visitor.ask(page, path="/changing") == visitor.ask_reading(page, path="/changing")
        assert visitor.ask(page, path="/changing")[2].count(b"tr?id=1") == 1
        assert not visitor.was_read


def test_nonce_key_and_address_are_those_of_each_response(
    engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one response carries for itself stands in no other, although the page is not read again."""
    visitor = Visitor(engines["declared"], monkeypatch)
    for nonce in ("bm9uY2Ux", "bm9uY2Uy", "bm9uY2Uz"):
        policy = (NONCE[0], NONCE[1].format(nonce, nonce))
        sent = visitor.ask(PAGE, path="/nonce", headers=(policy,))
        assert sent == visitor.ask_reading(PAGE, path="/nonce", headers=(policy,))
        assert sent[2].count(b"bm9uY2U") == sent[2].count(nonce.encode()) > 0
    visitor.ask(PAGE, path="/nonce", headers=((NONCE[0], NONCE[1].format("eA==", "eA==")),))
    assert not visitor.was_read


def test_a_page_with_a_policy_of_its_own_is_read_each_time(engines: dict[str, Engine]) -> None:
    """What is added to a policy in the page is the response's."""
    visitor = Visitor(engines["declared"])
    page = PAGE.replace(
        b"<title>", b"<meta http-equiv=Content-Security-Policy content=\"script-src 'self' 'nonce-eA=='\"><title>"
    )
    for _ in range(4):
        visitor.ask(page, path="/policy")
        assert visitor.was_read


class Asked(FakeView):
    """Counts what it is asked, and gives what it is told to."""

    plans: PagePlans | None = None

    def __init__(self, plans: PagePlans) -> None:
        super().__init__()
        self.plans = plans
        self.banners: list[bytes] = []
        self.places: list[PageInsert] = []
        self.heads = 0

    def first(self, place: PageInsert) -> bytes:
        self.heads += 1
        return b"<!--first-->"

    def banner(self, place: PageInsert) -> bytes:
        self.places.append(place)
        return self.banners.pop(0)


def _sent(view: Asked, *banners: bytes) -> bytes:
    view.banners = list(banners)
    view.heads, view.places = 0, []
    head = RequestHead("GET", "https", "shop.example", "/", "", (("sec-fetch-dest", "document"),))
    exchange = Exchange(head, view)
    exchange.start(200, "OK", [("Content-Type", UTF8)])
    out = exchange.whole(b"<!doctype html><title>x</title><body><p>text</body>", last=True)
    assert out is not None
    return out


def test_where_the_view_gives_otherwise_the_page_is_read_and_nobody_is_asked_twice() -> None:
    """A banner that was there and is not, or the other way round, goes where a first reading would put it."""
    view = Asked(PagePlans())
    for _ in range(3):
        assert b"<body><b>one</b><p>" in _sent(view, b"<b>one</b>")
    assert b"<p>text<b>late</b></body>" in _sent(view, b"", b"<b>late</b>")
    assert (view.heads, len(view.places), view.banners) == (1, 2, [])
    assert [one.place.at_end for one in view.places] == [False, True]
    assert b"<body><b>two</b><p>" in _sent(view, b"<b>two</b>")
    assert (view.heads, len(view.places)) == (1, 1)


def test_the_view_is_asked_for_every_response() -> None:
    """So banners are counted, and every response gets its own."""
    view = Asked(PagePlans())
    for text in (b"<b>1</b>", b"<b>2</b>", b"<b>3</b>", b"<b>4</b>"):
        assert text in _sent(view, text)
        assert (view.heads, len(view.places)) == (1, 1)


def _inputs(path: str) -> PassInputs:
    return PassInputs(Url("https", "shop.example", path), "utf-8", False, True, True, True, b"", 0, 1)


def test_what_is_kept_is_bounded() -> None:
    """However many addresses a visitor makes up, and however long a page is."""
    plans = PagePlans()
    policy = HoldPolicy(Matcher([]), frozenset())
    for number in range(2_000):
        plans.see(_inputs(f"/{number}"), b"x" * 5_000, policy)
        plans.put(_inputs(f"/{number}"), PagePlan(b"x" * 5_000, policy, edits=((0, 0, b"y" * 100),) * 20))
    assert plans.size <= 2_097_152
    visitor_page = b"x" * LONGEST
    plans.see(_inputs("/long"), visitor_page, policy)
    assert plans.get(_inputs("/long"), visitor_page) is not None
    assert plans.get(_inputs("/long"), visitor_page[:-1] + b"y") is None


@pytest.mark.parametrize("read", [lambda page: page, lambda page: page + b" " * LONGEST], ids=["short", "long"])
def test_the_longest_pages_are_read_each_time(engines: dict[str, Engine], read: Callable[[bytes], bytes]) -> None:
    """They would take the room of many others."""
    visitor = Visitor(engines["declared"])
    page = read(PAGE)
    for _ in range(3):
        visitor.ask(page, path="/length")
    assert visitor.was_read is (len(page) > LONGEST)
