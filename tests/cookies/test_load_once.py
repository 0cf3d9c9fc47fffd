"""The cookie that shows an embed for one view of one page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consent_mw.cookies.load_once import OneTime
from consent_mw.core.model import Site
from consent_mw.http.request import RequestHead

KEYS = ("0123456789abcdef0123456789abcdef", "f" * 32)
SITE = Site(name="shop")
NOW = 1_800_000_000


def jar(at: float = NOW, keys: tuple[str, ...] = KEYS, site: Site = SITE) -> OneTime:
    """Return what writes and reads at a time."""
    return OneTime(site, keys, lambda: at)


def value(*ids: str, page: str = "/lessons?n=3", name: str = "__Host-cmw") -> str:
    """Return the pair of name and value of a new cookie."""
    return jar().write(name, ids or ("video",), page).partition(";")[0]


def request(cookie: str, *, method: str = "GET", **headers: str) -> RequestHead:
    """Return a request for a page."""
    told = tuple((name.replace("_", "-"), text) for name, text in headers.items())
    return RequestHead(
        method, "https", "shop.example", "/lessons", "n=3", (("cookie", cookie), ("accept", "text/html"), *told)
    )


def read(cookie: str, *, page: str = "/lessons?n=3", by: OneTime | None = None) -> frozenset[str]:
    """Return what a request for the page shows."""
    return (by or jar()).read("__Host-cmw", request(cookie), page)


def test_it_shows_the_services_it_was_made_for() -> None:
    """One view of the page gets the services of the embed, among whatever cookies."""
    assert read(f"a=b; {value('video', 'heat-map')}; c=d") == {"video", "heat-map"}


def test_it_lives_for_a_minute() -> None:
    """A second before its end it shows the embed, at its end no more; nor does one from the future."""
    cookie = value()
    assert [bool(read(cookie, by=jar(NOW + seconds))) for seconds in (0, 59, 60, 61, -1)] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize("page", ["/lessons", "/lessons?n=4", "/other?n=3", "/?n=3"])
def test_it_is_for_one_page(page: str) -> None:
    """Another page, or the same with another query, shows nothing."""
    assert read(value(), page=page) == frozenset()


def test_a_path_is_the_same_however_it_is_escaped() -> None:
    """The form's address is escaped and the server's is not; both mean one page."""
    assert read(value(page="/caf%C3%A9?n=3#x"), page="/caf\u00e9?n=3") == {"video"}


def test_what_is_not_signed_for_this_use_shows_nothing() -> None:
    """Changed ids, another end, another site's signature, and an unknown key do not verify."""
    cookie = value()
    longer = cookie.replace(f"{NOW + 60}", f"{NOW + 61}")
    assert [read(text) for text in (cookie.replace("video", "pixel"), longer, cookie[:-2], "")] == [frozenset()] * 4
    assert read(cookie, by=jar(site=replace(SITE, name="other"))) == frozenset()
    assert read(cookie, by=jar(keys=("e" * 32,))) == frozenset()


def test_older_keys_verify() -> None:
    """A cookie that was signed just before a new key came still counts."""
    assert read(value(), by=jar(keys=(KEYS[1], "d" * 32))) == {"video"}


@pytest.mark.parametrize("cookie", ["{0}; {0}", "x={0}", "cmw-once=1", "__Host-cmw-once=1.video.\u00e9", "{0}="])
def test_what_is_malformed_shows_nothing(cookie: str) -> None:
    """Doubled, misnamed and misshapen cookies count as none, and raise nothing."""
    assert read(cookie.format(value())) == frozenset()


@pytest.mark.parametrize(
    "head",
    [
        request(value(), method="POST"),
        request(value(), sec_fetch_dest="empty"),
        request(value(), sec_fetch_dest="iframe"),
        request(value(), sec_purpose="prefetch"),
        request(value(), x_requested_with="XMLHttpRequest"),
    ],
    ids=["post", "fetch", "frame", "prefetch", "fragment"],
)
def test_only_the_page_itself_shows_it(head: RequestHead) -> None:
    """What is no whole page that the visitor opens does not use the cookie up."""
    assert jar().read("__Host-cmw", head, "/lessons?n=3") == frozenset()


@pytest.mark.parametrize("ids", [(), ("Video",), ("a_b",), tuple("abcdefghi"), ("a;b",)])
def test_ids_that_cannot_stand_in_it_make_no_cookie(ids: tuple[str, ...]) -> None:
    """No ids, too many, and ids with other characters give nothing to set."""
    assert jar().write("__Host-cmw", ids, "/") == ""


def test_it_can_be_taken_away() -> None:
    """The expiring cookie has the same name and attributes."""
    assert jar().gone("cmw") == "cmw-once=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly"
