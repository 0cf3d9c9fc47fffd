"""Cookies that an application sets for trackers: which are dropped, and what a site learns from them."""

from __future__ import annotations

import pytest

from consent_mw.engine import Engine
from tests.engine.visits import BANNER
from tests.engine.visits import Make
from tests.engine.visits import choice
from tests.engine.visits import declared
from tests.engine.visits import head
from tests.engine.visits import visit


def test_tracker_cookies_are_dropped_and_expired_without_consent(make: Make) -> None:
    """What the app tries to set for a held service is dropped; what the browser shows is taken away everywhere."""
    engine = make(declared("google-analytics"))
    _, headers = visit(engine, b"<p>", ("cookie", "_ga=1; own=2; _ga_ABC=3"), sets=["_ga=1; Path=/", "own=1"])
    cookies = [value for name, value in headers if name == "Set-Cookie"]
    assert cookies == [
        "own=1",
        *(
            f"{name}=; Path={path}; Max-Age=0{domain}"
            for path in ("/", "/a")
            for name in ("_ga", "_ga_ABC")
            for domain in ("", "; Domain=shop.example", "; Domain=www.shop.example")
        ),
    ]


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_no_form_of_set_cookie_brings_a_held_cookie_in(make: Make, kind: str) -> None:
    """Attributes, the header's case, repeats, prefixes and a missing name change nothing, on pages and elsewhere."""
    exchange = make(declared("google-analytics")).exchange(head())
    held = ["_ga=1; Secure", "__Host-_ga=1; Path=/; Secure", "__Secure-_gid=2", "=_ga=3", "_ga_ABC=4;HttpOnly"]
    own = ["own=1", "ga=2", "x_ga=3", "session=_ga=1; Path=/"]
    names = ["set-cookie", "SET-COOKIE", "Set-Cookie"]
    exchange.start(200, "OK", [("Content-Type", kind), *((names[n % 3], v) for n, v in enumerate(held + own + held))])
    assert [value for name, value in exchange.headers if name.lower() == "set-cookie"] == own


def kept(engine: Engine, *sets: str, cookie: str = "") -> list[str]:
    """Return the names of cookies that a response may set."""
    _, headers = visit(engine, b"<p>", ("cookie", cookie), sets=[f"{name}=1" for name in sets])
    return [value.partition("=")[0] for name, value in headers if name == "Set-Cookie" and "Max-Age=0" not in value]


def test_a_site_learns_a_tracker_from_the_cookie_that_it_sets(make: Make) -> None:
    """A server that sends events itself has no tag in its pages. Visitors are asked, and their grant counts."""
    engine = make()
    assert kept(engine, "_fbp", "own") == ["own"]
    assert [service.id for service in engine.now().site.services] == ["meta-pixel"]
    assert BANNER in visit(engine, b"<!doctype html><body><p>")[0]
    assert kept(engine, "_fbp", "own", cookie=choice(engine, "meta-pixel")) == ["_fbp", "own"]


def test_a_tracker_that_is_not_declared_sets_no_cookie(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is asked about it, so nobody grants it. The log says how to declare it."""
    engine = make(declared("youtube"))
    assert kept(engine, "_fbp", "__Secure-_ttp", "own", cookie=choice(engine, "youtube")) == ["own"]
    assert 'use = "meta-pixel"' in caplog.text


def test_an_application_may_delete_a_tracker_s_cookie(make: Make) -> None:
    """It does what a refusal asks for, whether the tracker is declared or not, and teaches nothing."""
    gone = ["_fbp=; Max-Age=0", "_ga=x; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]
    for engine in (make(), make(declared("google-analytics"))):
        _, headers = visit(engine, b"<p>", sets=gone)
        assert [value for name, value in headers if name == "Set-Cookie"] == gone
    assert make().now().site.services == ()


def test_names_that_a_site_may_give_its_own_cookies_stay(make: Make) -> None:
    """The catalogue has short and common names, too. They count for declared services only."""
    names = ["mbox", "srv_id", "viewer_token", "ssCartProducts", "sessionid", "csrftoken", "_session_id"]
    engine = make(declared("youtube"))
    assert kept(engine, *names) == names
    assert [service.id for service in make().now().site.services] == []


def test_a_visitor_teaches_a_site_nothing(make: Make) -> None:
    """Anybody can send a cookie of any name."""
    engine = make(hide_cookies=True)
    visit(engine, b"<p>", ("cookie", "_fbp=1; _hjid=2"))
    assert engine.now().site.services == ()


def test_a_cookie_that_a_running_service_shares_stays(make: Make) -> None:
    """Where two services set a cookie of one name, it goes when neither of them may run."""
    engine = make(declared("wistia", "mux"))
    arriving = ("cookie", f"muxData=1; {choice(engine, 'mux')}")
    assert "muxData" not in str(visit(engine, b"<p>", arriving)[1])
    assert "muxData=;" in str(visit(engine, b"<p>", ("cookie", "muxData=1"))[1])
