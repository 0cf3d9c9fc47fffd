"""The guard parses addresses as the browser does, and matches them as the matcher does."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck
from hypothesis import Phase
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from playwright.sync_api import Browser
from playwright.sync_api import Page

from consent_mw.core.model import Service
from consent_mw.html.match import Matcher
from consent_mw.html.urls import Url
from consent_mw.notice.guard import host_list
from tests.web.doubles import ASSETS

PAGE = "https://own.example/folder/page?q=1"


def service(id_: str, *hosts: str, paths: tuple[str, ...] = ()) -> Service:
    """Return a service with these rules."""
    return Service(id=id_, name=id_, vendor=id_, purposes=("analytics",), hosts=hosts, paths=paths)


SERVICES = (
    service("plain", "held.example", "own.example", "xn--bcher-kva.example"),
    service("parts", "own.example/tr?", "big.*/maps", "held.example/free/held/", "cdn.example/gtag/js?id=G-"),
    service("paths", paths=("/matomo.php", "/stats/")),
    service("runs", "held.example/free/", "good.held.example", "big.*/maps/api"),
)
ALLOWED = frozenset({"runs"})
MATCHER = Matcher(SERVICES)

HOSTS = st.sampled_from(
    [
        *("held.example", "HELD.Example", "www.held.example", "good.held.example", "a.good.held.example"),
        *("unheld.example", "held.example.net", "held.example.", "own.example", "www.own.example", "cdn.example"),
        *("big.com", "big.co.uk", "www.big.de", "big.evil.com", "b\u00fccher.example", "b%C3%BCcher.example"),
        *("held%2Eexample", "held\u3002example", "held.example\u00ad", "127.0.0.1", "[::1]"),
    ]
)
STARTS = st.sampled_from(
    [
        "https://",
        "http://",
        "//",
        "HTTPS://",
        "wss:",
        "https:\\\\",
        " \thttps://",
        "https:/",
        "/",
        "",
        "ht\ntps://",
        "\\\\",
    ]
)
USERS = st.sampled_from(["", "", "", "user@", "user:word@", "held.example@", "held.example:443@", "a%40b@"])
PORTS = st.sampled_from(["", "", ":443", ":8080", ":"])
PATHS = st.sampled_from(
    [
        *("", "/", "/x.js", "/free/", "/free/x", "/free/held/x", "/free/../x", "/free/%2e%2e/free/held/x", "\\free\\x"),
        *("/tr?id=1", "/tr", "/maps", "/maps/api/js", "/mapsapi", "/gtag/js?id=G-1", "/gtag/js?id=X"),
        *("/a/matomo.php?x", "/matomo.phpx", "/matomo.php", "/x?u=/stats/", "/x#/matomo.php"),
        *("?id=//held.example", "#//held.example"),
    ]
)
ADDRESSES = st.builds("{}{}{}{}{}".format, STARTS, USERS, HOSTS, PORTS, PATHS) | st.sampled_from(
    ["data:text/javascript,//held.example", "blob:https://held.example/1", "javascript:'//held.example'", "about:blank"]
)

#: For each address: whether the guard holds it, and whether the browser would send a request for it at all.
ASK = """addresses => addresses.map(address => {
  const script = document.createElement('script');
  script.src = address;
  const asked = URL.canParse(address, document.baseURI) && new URL(address, document.baseURI).hostname !== '';
  return [script.hasAttribute('data-cmw-guard'), asked];
})"""


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    """A page with the guard and the list of everybody, as after a choice, at an address that no server answers."""
    code = ASSETS.read("hosts.js").decode().replace('"(hosts)"', json.dumps(host_list(SERVICES, frozenset())))
    code += ASSETS.read("guard.js").decode()
    text = f'<!doctype html><script data-cmw-hosts="" data-cmw-granted="{",".join(ALLOWED)}">{code}</script>'
    context = chromium.new_context()
    context.route("**/*", lambda route: route.fulfill(body=text, content_type="text/html"))
    tab = context.new_page()
    tab.goto(PAGE)
    yield tab
    context.close()


@settings(max_examples=20, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(addresses=st.lists(ADDRESSES, min_size=100, max_size=100, unique=True))
def test_the_guard_holds_what_the_matcher_would_hold(page: Page, addresses: list[str]) -> None:
    """
    For addresses in all forms that browsers accept, guard.js and html/match.py agree.

    An address without a host for the browser causes no request.
    """
    base = Url("https", "own.example", "/folder/page?q=1")
    for address, (held, asked) in zip(addresses, page.evaluate(ASK, addresses), strict=True):
        if asked:
            expected = bool(frozenset(MATCHER.url(address, base)) - ALLOWED)
            assert (address, held) == (address, expected)


def test_long_markup_is_read_in_time_that_grows_with_it(page: Page) -> None:
    """Half a megabyte of markup without a held address passes, although every piece could start a path rule."""
    assert page.evaluate("document.createElement('p').innerHTML = '/stats<b>/matomo</b>'.repeat(25000)").startswith(
        "/s"
    )
