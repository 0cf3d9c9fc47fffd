"""Only a page gets a notice and a count: decided by the request as well as by the response, at a real edge."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import Client
from werkzeug.test import TestResponse

from consent_mw import ConsentMiddleware
from consent_mw.core.counts import ASKED
from consent_mw.core.counts import TOTAL
from consent_mw.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

TAG = '<script src="https://www.google-analytics.com/analytics.js"></script>'
HELD = "data-cmw-held=google-analytics"
PAGE = f"<!doctype html><html lang=en><head><title>t</title></head><body><p>text{TAG}</body></html>"
PIECE = f"<nav>menu{TAG}</nav>"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
NAVIGATION = {
    "User-Agent": AGENT,
    "Accept": "text/html,*/*;q=0.8",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Site": "none",
}
OURS = ("data-cmw-banner", "data-cmw-runtime", "data-cmw-hosts")

Answer = tuple[int, str, str, dict[str, str]]
Site = Callable[..., "Visited"]


class Visited:
    """A site and what was counted on it."""

    def __init__(self, folder: Path, answers: dict[str, Answer], **config: object) -> None:
        self.answers = answers
        own = {"records": f"sqlite:///{folder}/consent.db", "isp": "off"}
        self.wrapped = ConsentMiddleware(self.app, {"site": own, "services": [{"use": "google-analytics"}], **config})
        self.client = Client(self.wrapped)

    def app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as the test says."""
        status, kind, body, headers = self.answers[environ["PATH_INFO"]]
        start_response(f"{status} Told", [("Content-Type", kind), *headers.items()])
        return [body.encode()]

    def get(self, path: str, base: str = "https://shop.example", **headers: str) -> TestResponse:
        """Ask for a path; without headers as a browser that opens a page."""
        told = {name.replace("_", "-"): value for name, value in headers.items()} or NAVIGATION
        return self.client.get(path, base_url=base, headers=told)

    @property
    def asked(self) -> int:
        """How many were counted as asked."""
        waiting = self.wrapped.engine.tally._waiting
        return sum(number for (_, *key), number in waiting.items() if key == [TOTAL, "", ASKED])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Make sites."""
    made: list[Visited] = []

    def make(answers: dict[str, Answer], **config: object) -> Visited:
        made.append(Visited(tmp_path, answers, **config))
        return made[-1]

    yield make
    for one in made:
        one.wrapped.close()


def page(status: int = 200, body: str = PAGE, **headers: str) -> Answer:
    """Return an answer with HTML in it."""
    return status, "text/html; charset=utf-8", body, {name.replace("_", "-"): value for name, value in headers.items()}


def test_a_page_is_asked_about_and_counted(site: Site) -> None:
    """The measure of what follows: a navigation to a page has all of ours, and counts once."""
    one = site({"/": page()})
    text = one.get("/").text
    assert [mark in text for mark in OURS] == [True, True, True]
    assert (HELD in text, one.asked) == (True, 1)


@pytest.mark.parametrize(
    "answer",
    [
        page(Content_Disposition="attachment; filename=report.html"),
        page(X_Cmw_Piece="1", body=PIECE),
        page(401, WWW_Authenticate="Digest realm=x"),
        page(412),
    ],
    ids=["attachment", "piece", "challenge", "condition"],
)
def test_what_is_no_page_is_held_and_left_alone_otherwise(site: Site, answer: Answer) -> None:
    """Its tracker is held, nothing of ours is in it, nobody is counted, and what was meant for us does not go out."""
    one = site({"/": answer})
    response = one.get("/")
    assert [mark in response.text for mark in OURS] == [False, False, False]
    assert (HELD in response.text, one.asked) == (True, 0)
    assert "X-Cmw-Piece" not in response.headers


@pytest.mark.parametrize(
    "body",
    ["", " \n\t", "<!-- x -->", "\n<!--a--><!---->\n<!-- <p>b</p> -->", "\ufeff<!-->", "<!--#set var=a -->", "<!-- x"],
)
def test_an_empty_page_stays_empty(site: Site, body: str) -> None:
    """Where the site sends nothing, or nothing but comments, nothing is added, however often it is asked for."""
    one = site({"/": page(body=body)})
    assert [one.get("/").text for _ in range(4)] == [body] * 4
    assert one.asked == 0


@pytest.mark.parametrize(
    "body",
    [
        '<!--#include virtual="/top.html"-->\n<!--# include file="foot.html" -->',
        '<!-- shop --><!--#exec cgi="/page.cgi" -->',
        '<!--#echo encoding="none" var="PAGE" -->',
        "<!--esi <esi:include src='/page'/>-->",
        "<esi:include src='/page'/>",
        "<!-- x --><p>text</p>",
        "<!-- x -->text",
    ],
)
def test_a_page_of_includes_is_asked_about(site: Site, body: str) -> None:
    """A server in front replaces these comments by a page; a comment above a page changes nothing."""
    one = site({"/": page(body=body)})
    assert [OURS[0] in one.get("/").text for _ in range(4)] == [True] * 4


def test_a_redirect_is_as_small_as_the_site_made_it(site: Site) -> None:
    """Its bytes stay, cookies of what is held go, and the page behind it counts."""
    moved = page(301, "<p>moved", Location="/", Set_Cookie="_ga=1")
    one = site({"/old": moved, "/": page()})
    response = one.get("/old")
    assert (response.text, one.asked) == ("<p>moved", 0)
    assert "Set-Cookie" not in response.headers
    one.get("/")
    assert one.asked == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"User_Agent": AGENT},
        {"User_Agent": AGENT, "Accept": "*/*"},
        {"User_Agent": AGENT, "Accept": "image/webp,*/*"},
        {"User_Agent": AGENT, "Accept": "text/html", "X_Requested_With": "XMLHttpRequest"},
        {"User_Agent": AGENT, "Accept": "text/html", "Sec_Fetch_Dest": "empty"},
        {"User_Agent": "kube-probe/1.30", "Accept": "*/*"},
    ],
    ids=["nothing", "anything", "picture", "script", "fetch", "probe"],
)
def test_who_asks_for_no_page_gets_none(site: Site, headers: dict[str, str]) -> None:
    """What is held is held; a fragment, a health check and a picture get nothing inserted, and count for nobody."""
    one = site({"/": page(), "/ok": page(body="OK")})
    assert one.get("/ok", **headers).text == "OK"
    text = one.get("/", **headers).text
    assert [mark in text for mark in OURS] == [False, False, False]
    assert (HELD in text, one.asked) == (True, 0)


@pytest.mark.parametrize(
    "include",
    ['<!--#include virtual="/menu" -->', '<esi:include src="/menu"/>', '<!--# include virtual="/$which" -->'],
    ids=["ssi", "esi", "variable"],
)
def test_the_parts_of_a_page_have_no_notice_of_their_own(site: Site, include: str) -> None:
    """What a page includes is asked for with the headers of the page, and is a part of it all the same."""
    whole = PAGE.replace("<p>", f"{include}<p>")
    one = site({"/": page(body=whole), "/menu": page(body=PIECE), "/other": page(body=PAGE)})
    assert OURS[0] in one.get("/").text
    part = one.get("/menu").text
    assert [mark in part for mark in OURS] == [False, False, False]
    assert HELD in part
    assert OURS[0] in one.get("/other").text
    assert one.asked == 2


def test_a_fragment_that_no_page_includes_is_a_page(site: Site) -> None:
    """Who opens a page without html, head and body is asked like anybody."""
    one = site({"/": page(body="<h1>Hello</h1>")})
    assert (OURS[0] in one.get("/").text, one.asked) == (True, 1)


@pytest.mark.parametrize("pattern", ["/admin/", "/ad*/", "shop.example/admin/", "*.example/*"])
def test_where_the_owner_wants_no_notice_there_is_none(site: Site, pattern: str) -> None:
    """Such a page is held, without a banner and a count; others, and other hosts, are as ever."""
    one = site({"/admin/users": page(), "/": page()}, paths={"quiet": [pattern]})
    text = one.get("/admin/users").text
    assert (OURS[0] in text, OURS[1] in text, HELD in text, one.asked) == (False, False, True, 0)
    assert OURS[0] in one.get("/", base="https://other.test").text


def test_a_pattern_that_names_a_port_is_refused(site: Site) -> None:
    """Ports have no say in a pattern, and who writes one hears so."""
    with pytest.raises(ConfigError, match='names a port. Write "localhost/admin/"'):
        site({}, paths={"quiet": ["localhost:8000/admin/"]})


@pytest.mark.parametrize("base", ["http://localhost:8000", "http://localhost:5001", "http://localhost"])
def test_a_pattern_with_a_host_means_every_port(site: Site, base: str) -> None:
    """Two development servers of one host are the same to a pattern."""
    one = site({"/admin/": page(), "/": page()}, paths={"quiet": ["localhost/admin/"]})
    assert [OURS[0] in one.get(path, base=base).text for path in ("/admin/", "/")] == [False, True]


def test_where_the_owner_wants_nothing_touched_nothing_is(site: Site) -> None:
    """The response goes out as the application made it, whatever is in it."""
    answer = page(Set_Cookie="_ga=1; Path=/", Cache_Control="public", ETag='"1"')
    one = site({"/docs/api": answer, "/docs": answer}, paths={"untouched": ["/docs/*"]})
    response = one.get("/docs/api")
    assert response.text == PAGE
    assert {name: response.headers[name] for name in answer[3]} == {
        "Set-Cookie": "_ga=1; Path=/",
        "Cache-Control": "public",
        "ETag": '"1"',
    }
    assert HELD in one.get("/docs").text


def test_hosts_have_sites_of_their_own(site: Site, tmp_path: Path) -> None:
    """One middleware serves several hosts, each with its own services, notice, mount and records."""
    german = {
        "site": {"id": "de", "languages": ["de"], "mount": "/_wahl", "records": f"sqlite:///{tmp_path}/de.db"},
        "services": [{"use": "google-analytics"}, {"use": "meta-pixel"}],
    }
    one = site({"/": page()}, hosts={"*.shop.example": german})
    assert 'lang="de"' in (inner := one.get("/", base="https://www.shop.example").text)
    assert "/_wahl/choice" in inner
    assert "/_cmw/choice" in one.get("/", base="https://shop.example").text
    assert one.get("/_wahl/", base="https://www.shop.example", Accept="text/html").status_code == 200
