"""Where a site may be: under a prefix, behind proxies, beside other sites in one process."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentMiddleware
from tests.browser.harness.bytes import get
from tests.edges.contract import HELD
from tests.edges.contract import SITES
from tests.edges.contract import Ask
from tests.edges.contract import ask_asgi
from tests.edges.contract import ask_wsgi
from tests.edges.contract import asking
from tests.edges.contract import bare_asgi
from tests.edges.contract import bare_wsgi

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

pytestmark = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")

DOCUMENT = {"sec-fetch-dest": "document"}
FORM = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
#: As a proxy of the owner's tells it.
TOLD = {"x-forwarded-proto": "https", "x-forwarded-host": "www.shop.example", "x-forwarded-prefix": "/shop"}


def settings(folder: Path, **site: object) -> dict[str, object]:
    """Return a configuration with its records in that folder."""
    records = f"sqlite:///{folder}/consent.db"
    return {"site": {"records": records, **site}, "services": [{"use": "google-analytics"}]}


def actions(body: bytes) -> set[str]:
    """Return where the forms of a page go to."""
    return set(re.findall(r'<form[^>]* action="([^"]*)"', body.decode()))


def choose(ask: Ask, root: str, headers: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Accept everything by the form; return the cookie and where the visitor goes."""
    body = f"action=accept-all&back={root}/page".encode()
    answer = ask("/_cmw/choice" if headers else f"{root}/_cmw/choice", "POST", {**FORM, **(headers or {})}, body)
    assert answer.status == 303
    (cookie,) = (value for value in answer.headers["set-cookie"] if "cmw=" in value)
    return cookie.partition(";")[0], answer.headers["location"][0]


# -- under a prefix


def dispatched(app: WSGIApplication) -> Ask:
    """Mount a WSGI site at /shop, as its owner would."""
    return ask_wsgi(DispatcherMiddleware(bare_wsgi, {"/shop": app}))


def mounted(app: Any) -> Ask:
    """Mount an ASGI site at /shop, as its owner would."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    return ask_asgi(Starlette(routes=[Mount("/shop", app)]))


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_a_site_under_a_prefix_is_whole(kind: str, tmp_path: Path) -> None:
    """The banner's form, the way back, and the next page are under the prefix, without a word in the settings."""
    config = settings(tmp_path)
    ask = (
        dispatched(ConsentMiddleware(bare_wsgi, config))
        if kind == "wsgi"
        else mounted(ConsentASGIMiddleware(_below("/shop"), config))
    )
    assert actions(ask("/shop/page", "GET", DOCUMENT, b"").body) == {"/shop/_cmw/choice"}
    cookie, back = choose(ask, "/shop")
    assert back == "/shop/page"
    assert HELD in ask("/shop/page", "GET", {**DOCUMENT, "cookie": cookie}, b"").body.decode()


def _below(prefix: str) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await bare_asgi({**scope, "path": scope["path"].removeprefix(prefix)}, receive, send)

    return app


# -- behind proxies


@pytest.mark.parametrize("name", SITES)
def test_a_stated_proxy_is_believed_at_every_edge(name: str, tmp_path: Path) -> None:
    """Over http from the proxy, the visitor's https, host and prefix count: the choice is kept, and forms go home."""
    made = asking(name, settings(tmp_path, trusted_proxies=1))
    assert actions(made("/page", "GET", {**DOCUMENT, **TOLD}, b"").body) == {"/shop/_cmw/choice"}
    cookie, back = choose(made, "/shop", TOLD)
    assert (cookie.partition("=")[0], back) == ("__Host-cmw", "/shop/page")


def plain(app: WSGIApplication) -> Ask:
    """Ask over plain http, as a proxy does that ended TLS."""
    return ask_wsgi(app, "http")


def test_without_a_stated_proxy_its_headers_are_the_visitors_own(tmp_path: Path) -> None:
    """Whoever sends the headers of a proxy gets the page of plain http, where nobody is asked."""
    ask = plain(ConsentMiddleware(bare_wsgi, settings(tmp_path)))
    assert actions(ask("/page", "GET", {**DOCUMENT, **TOLD}, b"").body) == set()


@pytest.mark.parametrize("proxies", [0, 1])
def test_proxy_fix_outside_says_the_same(proxies: int, tmp_path: Path) -> None:
    """Where a wrapper outside has read the headers already, nothing is put twice; it is enough by itself."""
    app = ConsentMiddleware(bare_wsgi, settings(tmp_path, trusted_proxies=proxies))
    ask = plain(ProxyFix(app, x_proto=1, x_host=1, x_prefix=1))
    assert actions(ask("/page", "GET", {**DOCUMENT, **TOLD}, b"").body) == {"/shop/_cmw/choice"}
    assert choose(ask, "/shop", TOLD)[0].startswith("__Host-cmw=")


def test_the_application_sees_what_it_saw(tmp_path: Path) -> None:
    """What is believed is for consent_mw alone: who tells the application is its owner's decision."""
    seen: list[tuple[str, str, str]] = []

    def app(environ: WSGIEnvironment, start_response: Callable[..., object]) -> Iterable[bytes]:
        seen.append((environ["wsgi.url_scheme"], environ["HTTP_HOST"], environ["SCRIPT_NAME"]))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b""]

    plain(ConsentMiddleware(app, settings(tmp_path, trusted_proxies=1)))("/page", "GET", TOLD, b"")
    assert seen == [("http", "shop.example", "")]


def test_a_relative_address_starts_from_where_the_visitor_is(tmp_path: Path) -> None:
    """A rule for a path of the site's own host counts from the host, not from where the application is mounted."""

    def app(environ: WSGIEnvironment, start_response: Callable[..., object]) -> Iterable[bytes]:
        links = [("Content-Type", "text/html"), ("Link", "<stats/a.js>; rel=preload; as=script")]
        start_response("200 OK", links)
        return [b"<!doctype html><img src=stats/a.gif>"]

    service = {"id": "s", "name": "S", "vendor": "S", "purposes": ["analytics"], "hosts": ["shop.example/blog/stats/"]}
    wrapped = ConsentMiddleware(app, {**settings(tmp_path), "services": [service]})
    for prefix, held in (("/blog", True), ("", False)):
        answer = get(wrapped, "https://shop.example/page", SCRIPT_NAME=prefix, HTTP_SEC_FETCH_DEST="document")
        assert (b"data-cmw-src=stats/a.gif" in answer.body, "Link" not in dict(answer.headers)) == (held, held), prefix


# -- several sites


def test_sites_in_one_process_keep_apart(tmp_path: Path) -> None:
    """Two sites, each with settings, records and keys of its own, hold and ask by their own."""
    made: dict[str, Ask] = {}
    for name, service in (("one", "google-analytics"), ("two", "meta-pixel")):
        (tmp_path / name).mkdir()
        site = {"id": name, "name": name, "records": f"sqlite:///{tmp_path}/{name}/consent.db"}
        made[name] = ask_wsgi(ConsentMiddleware(bare_wsgi, {"site": site, "services": [{"use": service}]}))
    cookie, _ = choose(made["one"], "")
    held = [HELD not in made[name]("/page", "GET", {**DOCUMENT, "cookie": cookie}, b"").body.decode() for name in made]
    assert held == [False, True]
    texts = [made[name]("/_cmw/", "GET", {}, b"").body.decode() for name in made]
    assert [("Google Analytics" in text, "Meta" in text) for text in texts] == [(True, False), (False, True)]


@pytest.mark.parametrize("name", SITES)
def test_subdomains_share_a_choice_at_every_edge(name: str, tmp_path: Path) -> None:
    """A choice for the whole domain is set, and counts, wherever the site is."""
    ask = asking(name, settings(tmp_path, cookie_domain="shop.example"))
    cookie, _ = choose(ask, "")
    assert cookie.startswith("__Secure-cmw=")
    assert HELD in ask("/page", "GET", {**DOCUMENT, "cookie": cookie}, b"").body.decode()
