"""Visitors with different choices behind a real nginx and a real Varnish, configured as in docs/caching.md."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks import caches
from benchmarks import caching
from benchmarks.caches import Client
from benchmarks.caching import Visitor
from benchmarks.caching_site import PAGES

pytestmark = pytest.mark.slow

REQUESTS = 2000
#: Several threads may request the same page before the cache has it.
AT_ONCE = 4


@pytest.fixture(params=caches.CACHES)
def kind(request: pytest.FixtureRequest) -> str:
    """Return the name of each cache that is installed."""
    if why := caches.missing(request.param):
        pytest.skip(why)
    return str(request.param)


def test_private_pages_reach_nobody_else(kind: str) -> None:
    """A cache with its defaults stores no page, even if the application marks it as public."""
    found = caching.run(kind, "private", REQUESTS)
    assert (found.crossed, found.asked) == (0, found.requests)


def test_one_page_for_all_is_kept_as_the_application_said(kind: str) -> None:
    """Every visitor gets the page of an undecided visitor, and the site gets one request per page."""
    found = caching.run(kind, "shared", REQUESTS)
    assert found.crossed == 0
    assert PAGES <= found.asked <= PAGES * AT_ONCE


def test_a_page_of_a_class_reaches_its_class(kind: str) -> None:
    """Each visitor gets the granted page; the site gets one request per page and class, and all without a class."""
    found = caching.run(kind, "class", REQUESTS)
    assert found.crossed == 0
    classes, without = 7, REQUESTS / 9
    assert PAGES * classes + without * 0.7 <= found.asked <= PAGES * classes * AT_ONCE + without * 1.3


def test_a_cache_that_was_not_told_of_classes_keeps_nothing(kind: str) -> None:
    """Without the header that says that the cache keys on the class, pages are private."""
    found = caching.run(kind, "class", REQUESTS // 4, setup="default")
    assert (found.crossed, found.asked) == (0, found.requests)


def test_a_cache_that_ignores_what_it_is_told_would_be_found_out() -> None:
    """The check can fail: an nginx that ignores headers mixes up visitors."""
    if why := caches.missing("nginx"):
        pytest.skip(why)
    found = caching.run("nginx", "private", 400, more="    proxy_ignore_headers Cache-Control Vary;\n")
    assert found.crossed > 0


def cookies(visitor: Visitor) -> tuple[str, str]:
    """Return a visitor's signed cookie, and the one that a cache can read."""
    pairs = visitor.headers["Cookie"].split("; ")
    told = next(pair for pair in pairs if pair.startswith("__Host-cmw-state="))
    return next(pair for pair in pairs if pair != told), told


Attack = Callable[[Visitor, Visitor], Mapping[str, str]]
#: Requests with which an accepting visitor might poison the cache key of another class.
ATTACKS: Mapping[str, Attack] = {
    "another class": lambda me, other: {"Cookie": f"{cookies(me)[0]}; {cookies(other)[1]}"},
    "no class": lambda me, other: {"Cookie": cookies(me)[0]},
    "an unknown class": lambda me, other: {"Cookie": f"{cookies(me)[0]}; __Host-cmw-state=none"},
    "a spoilt class": lambda me, other: {"Cookie": f"{cookies(me)[0]}; {cookies(other)[1]}%"},
    "two classes": lambda me, other: {"Cookie": f"{cookies(me)[0]}; {cookies(other)[1]}; {cookies(me)[1]}"},
    "two classes, turned": lambda me, other: {"Cookie": f"{cookies(me)[0]}; {cookies(me)[1]}; {cookies(other)[1]}"},
    "classes in quotes": lambda me, other: {"Cookie": f'a="; {cookies(other)[1]}; b="; {me.headers["Cookie"]}'},
    "a class inside a value": lambda me, other: {"Cookie": f"a={cookies(other)[1]}; {me.headers['Cookie']}"},
    "another spelling": lambda me, other: {"Cookie": f"{cookies(other)[1].upper()}; {me.headers['Cookie']}"},
    "a tab": lambda me, other: {"Cookie": f"{cookies(me)[0]};\t{cookies(me)[1]}; {cookies(other)[1]}"},
    "two lines": lambda me, other: {"Cookie": cookies(other)[1], "cookie": me.headers["Cookie"]},
    "the header of the cache": lambda me, other: {"X-Cmw-Class": "none", **me.headers},
    "the fixed header": lambda me, other: {"X-Cmw-Class": "cookie", **me.headers},
    "the cookie of the snippet": lambda me, other: {"X-Cmw-Cookie": me.headers["Cookie"]},
    "a signal that is none": lambda me, other: {"Sec-GPC": "1, 1", **me.headers},
    "a frame": lambda me, other: {**me.headers, "Sec-Fetch-Dest": "iframe"},
    "a fragment": lambda me, other: {**me.headers, "HX-Request": "true"},
    "a part of a page": lambda me, other: {**me.headers, "X-Cmw-Piece": "1"},
    "a visit before the visit": lambda me, other: {**me.headers, "Sec-Purpose": "prefetch;prerender"},
    "two destinations": lambda me, other: {**me.headers, "Sec-Fetch-Dest": "document, iframe"},
    "another kind of page": lambda me, other: {**me.headers, "Accept": "application/xhtml+xml"},
    "a few bytes": lambda me, other: {**me.headers, "Range": "bytes=0-9"},
    "whatever there is": lambda me, other: {**me.headers, "If-None-Match": "*"},
    "somebody with a name": lambda me, other: {**me.headers, "Authorization": "Basic bWU6bWU="},
    "a cookie that ends on the way": lambda me, other: {**me.headers, "Connection": "keep-alive, Cookie"},
    "a class that ends on the way": lambda me, other: {**me.headers, "Connection": "keep-alive, X-Cmw-Class"},
    "the header of the cache, twice": lambda me, other: {
        "X-Cmw-Class": cookies(other)[1].partition("=")[2],
        "x-cmw-class": "cookie",
        **me.headers,
    },
    "the header of the cache, with underscores": lambda me, other: {"X_Cmw_Class": "none", **me.headers},
    "a class behind many cookies": lambda me, other: {
        "Cookie": "".join(f"c{number}=x; " for number in range(60)) + f"{cookies(me)[0]}; {cookies(other)[1]}"
    },
}


def test_nobody_puts_a_page_of_one_class_under_the_name_of_another(kind: str) -> None:
    """Whatever an accepting visitor sends first, all others then get the page of their own choice."""
    with caching.behind(kind, "class") as (port, _):
        crowd = {visitor.name: visitor for visitor in caching.visitors(port, "class")}
        me, client = crowd["accepted"], Client(port)
        for number, (name, attack) in enumerate(ATTACKS.items()):
            for method in ("GET", "HEAD", "GET"):
                for other in (crowd["refused"], crowd["marketing"]):
                    client.get(f"/{number}", {"Accept": "text/html", **attack(me, other)}, method)
            wrong = [one for one in crowd if not crowd[one].fits(client.get(f"/{number}", crowd[one].headers).body)]
            assert wrong == [], name
        client.close()


#: Forged forwarding headers: a tracker's host, another prefix, plain http.
FORWARDED: Mapping[str, Mapping[str, str]] = {
    "a host": {"X-Forwarded-Host": "www.google-analytics.com"},
    "another host": {"X-Forwarded-Host": "static.hotjar.com, static.hotjar.com"},
    "two lines": {"X-Forwarded-Host": "connect.facebook.net", "x-forwarded-host": "connect.facebook.net"},
    "a prefix": {"X-Forwarded-Prefix": "/uploads/mallory"},
    "a scheme": {"X-Forwarded-Proto": "http"},
    "underscores, which servers read as hyphens": {
        "X_Forwarded_Host": "www.google-analytics.com",
        "X_Forwarded_Prefix": "/uploads/mallory",
    },
    "the standard's own header": {"Forwarded": 'for=a;host="www.google-analytics.com";proto=http'},
    "a host with a user": {"X-Forwarded-Host": "shop.example@www.google-analytics.com"},
    "a port": {"X-Forwarded-Host": "www.google-analytics.com:443", "X-Forwarded-Port": "80"},
    "an address of another path": {"X-Original-URL": "/uploads/mallory", "X-Rewrite-URL": "/uploads/mallory"},
    "what a proxy is to leave out": {"Connection": "keep-alive, X-Forwarded-Proto, X-Forwarded-Host"},
    "a full stop and capitals": {"X-Forwarded-Host": "WWW.Google-Analytics.COM."},
    "an empty host": {"X-Forwarded-Host": "", "X-Forwarded-Proto": "", "X-Forwarded-Prefix": ""},
    "a long list": {"X-Forwarded-Host": ", ".join(["www.google-analytics.com"] * 60)},
    "other names of a host": {
        "X-Host": "www.google-analytics.com",
        "X-Forwarded-Server": "www.google-analytics.com",
        "X-Original-Host": "www.google-analytics.com",
        "X-Http-Host-Override": "www.google-analytics.com",
    },
    "other names of a scheme": {
        "X-Forwarded-Ssl": "off",
        "X-Forwarded-Protocol": "http",
        "X-Forwarded-Scheme": "http",
        "X-Url-Scheme": "http",
        "Front-End-Https": "off",
    },
    "other names of a prefix": {"Script-Name": "/mallory", "X-Script-Name": "/mallory", "X-Forwarded-Path": "/mallory"},
    "another method": {"X-Http-Method-Override": "POST", "X-Method-Override": "HEAD"},
    "all of it": {
        "X-Forwarded-Host": "www.google-analytics.com",
        "X-Forwarded-Prefix": "/m",
        "X-Forwarded-Proto": "http",
    },
}


@pytest.mark.parametrize("way", ["shared", "class"])
def test_a_stranger_who_writes_forwarding_headers_poisons_no_page(kind: str, way: str) -> None:
    """With trusted proxies, a forged host, prefix or scheme does not affect other visitors' pages."""
    with caching.behind(kind, way, proxies=1) as (port, _):
        client = Client(port)
        page = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
        clean = client.get("/clean", page).body.replace(b"/clean", b"").replace(b"clean", b"")
        for number, (name, headers) in enumerate(FORWARDED.items()):
            for _ in range(2):
                client.get(f"/{number}", {**page, **headers})
            for _ in range(2):
                body = client.get(f"/{number}", page).body
                assert body.replace(f"/{number}".encode(), b"").count(b"data-cmw-held") == clean.count(
                    b"data-cmw-held"
                ), name
                assert b"mallory" not in body, name
                assert b'src="/m/' not in body, name
                assert b"data-cmw-banner" in body, name
        client.close()


def test_a_proxy_that_lets_forwarding_headers_pass_would_be_found_out() -> None:
    """The check can fail: without the recipe, the forged page differs, and Vary separates it."""
    if why := caches.missing("nginx"):
        pytest.skip(why)
    with caching.behind("nginx", "shared", setup="default", more="", proxies=1) as (port, _):
        client = Client(port)
        page = {"Sec-Fetch-Dest": "document", "Accept": "text/html"}
        poisoned = client.get("/1", {**page, "X-Forwarded-Host": "www.google-analytics.com"})
        clean = client.get("/1", page)
        client.close()
    assert poisoned.body.count(b"data-cmw-held") < clean.body.count(b"data-cmw-held")
    assert "X-Forwarded-Host" in clean.headers["vary"]


def test_other_caches_on_the_way_are_told_that_a_page_for_a_class_is_private(kind: str) -> None:
    """
    A page that the cache stores leaves it as private, the first time and the next.

    A visitor who has asked to see an embed once is answered by the site.
    """
    with caching.behind(kind, "class") as (port, site):
        client = Client(port)
        answers = [client.get("/1", {"Sec-Fetch-Dest": "document"}) for _ in range(2)]
        assert caching.asked(site) == 1
        client.get("/1", {"Sec-Fetch-Dest": "document", "Cookie": "__Host-cmw-once=1"})
        assert caching.asked(site) == 2
        client.close()
    for answer in answers:
        assert answer.headers["cache-control"] == "private, no-cache"
        assert answer.headers["vary"] == "Cookie, Sec-GPC"


def test_a_page_in_a_shared_cache_is_asked_for_again_by_its_tag(kind: str) -> None:
    """A browser that has the page gets 304 from the cache, or the whole page after the notice has changed."""
    with caching.behind(kind, "shared") as (port, site):
        client = Client(port)
        tag = client.get("/1", {"Sec-Fetch-Dest": "document"}).headers["etag"]
        again = [
            client.get("/1", {"Sec-Fetch-Dest": "document", "If-None-Match": value}).status
            for value in (tag, tag.replace("~cmw.s", "~cmw.s0"))
        ]
        client.close()
        assert (again, caching.asked(site)) == ([304, 200], 1)


@pytest.mark.parametrize("setup", ["shared", "class"])
def test_the_snippet_for_several_languages_fits_into_the_others(setup: str, tmp_path: Path) -> None:
    """The documented snippet for languages can be combined with that of each mode."""
    if why := caches.missing("nginx"):
        pytest.skip(why)
    known = caches.snippets()
    added = known["nginx", "languages, in location { }"]
    if setup == "shared":
        added = added.replace("|$cmw_class", "")
    # If a directive occurs twice, the snippet's one applies.
    twice = ("proxy_cache_key", "proxy_ignore_headers", "proxy_set_header Accept-Encoding")
    lines = caches.nginx_config(setup, caches.free_port(), caches.free_port(), tmp_path).splitlines(keepends=True)
    config = "".join(line for line in lines if not line.strip().startswith(twice))
    config = config.replace("location / {", "location / {\n" + added)
    config = config.replace("http {", "http {\n" + known["nginx", "languages, in http { }"])
    (tmp_path / "nginx.conf").write_text(config, "utf-8")
    command = [caches.NGINX, "-t", "-p", str(tmp_path), "-e", str(tmp_path / "log"), "-c", str(tmp_path / "nginx.conf")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
