"""
The harness sees a browser's requests: otherwise tests that count zero requests would prove nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.harness import background
from tests.browser.harness.answers import failing
from tests.browser.harness.chromium import Chromium
from tests.browser.harness.engines import BrowserError
from tests.browser.harness.engines import Click
from tests.browser.harness.engines import Engine
from tests.browser.harness.engines import Open
from tests.browser.harness.engines import visit
from tests.browser.harness.journeys import from_page
from tests.browser.harness.proxy import Lane
from tests.browser.harness.proxy import Proxy
from tests.browser.harness.site import FIRST_PARTY
from tests.browser.harness.site import PageSite

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

PAGE = b"""<!doctype html><title>seen</title>
<link rel="stylesheet" href="https://style.example/a.css">
<img src="https://image.example/a.gif"><img src="http://plain.example/a.gif">
<iframe src="https://frame.example/a.html"></iframe>
<script src="https://script.example/a.js?x=1|2"></script>
<script>new Image().src = "https://made.example/a.gif"</script>
<noscript><img src="https://noscript.example/a.gif"></noscript>
<form method="post" action="/next"><button class="go">go</button></form>
"""
BOTH = {"style.example", "image.example", "plain.example", "frame.example"}


def hosts(lane: Lane, since: int = 0) -> set[str]:
    """Return the foreign hosts that were requested."""
    return {hit.host for hit in lane.foreign(since) if hit.method != "CONNECT"}


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts-on", "scripts-off"])
def test_every_request_of_a_page_is_logged(proxy: Proxy, engine: Engine, scripts: bool) -> None:
    """A page's images, styles, frames and scripts are in the log, and those of scripts only with scripts on."""
    with proxy.lane({FIRST_PARTY: PageSite(PAGE)}) as lane:
        visit(engine, lane, scripts, [Open(f"https://{FIRST_PARTY}/")])
        found = {hit.host for hit in background.without_background(lane.foreign()) if hit.method != "CONNECT"}
    assert BOTH | ({"script.example", "made.example"} if scripts else {"noscript.example"}) == found


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts-on", "scripts-off"])
def test_forms_are_posted_and_answered(proxy: Proxy, engine: Engine, scripts: bool) -> None:
    """A click on a form's button reaches the first-party application, with and without scripts."""
    with proxy.lane({FIRST_PARTY: PageSite(PAGE)}) as lane:
        with engine.session(lane, scripts) as session:
            session.open(f"https://{FIRST_PARTY}/")
            session.click(".go")
            assert lane.wait_for(lambda hits: f"POST https://{FIRST_PARTY}/next" in map(str, hits))
        found = [str(hit) for hit in lane.hits() if hit.path == "/next"]
    assert [f"POST https://{FIRST_PARTY}/next"] == found


@pytest.mark.parametrize("name", ["chromium_profile", "webkit"])
def test_a_preconnect_is_logged_as_a_connection(proxy: Proxy, request: pytest.FixtureRequest, name: str) -> None:
    """A connection without a request is in the log (Firefox never makes one ahead behind a proxy)."""
    page = b'<!doctype html><link rel="preconnect" href="https://early.example"><p>x'
    with proxy.lane({FIRST_PARTY: PageSite(page)}) as lane:
        visit(request.getfixturevalue(name), lane, True, [Open(f"https://{FIRST_PARTY}/")])
        found = background.without_background(lane.foreign())
    assert {("CONNECT", "early.example")} == {(hit.method, hit.host) for hit in found}


@pytest.mark.parametrize("name", ["chromium_engine", "chromium_profile", "firefox", "webkit"])
def test_a_page_without_foreign_parts_causes_no_traffic(
    proxy: Proxy, request: pytest.FixtureRequest, name: str
) -> None:
    """A browser only requests the page, apart from the background requests in background.py."""
    with proxy.lane({FIRST_PARTY: PageSite(b"<!doctype html><title>x</title><p>x")}) as lane:
        visit(request.getfixturevalue(name), lane, True, [Open(f"https://{FIRST_PARTY}/")])
        found = background.without_background(lane.foreign())
    assert found == []


def test_a_ping_is_logged(proxy: Proxy, chromium_engine: Chromium) -> None:
    """Following a link with ``ping`` shows in the log: Debian's --disable-pings is not in force."""
    page = b'<!doctype html><a ping="https://ping.example/p" href="#x">x</a>'
    with proxy.lane({FIRST_PARTY: PageSite(page)}) as lane:
        visit(chromium_engine, lane, True, [Open(f"https://{FIRST_PARTY}/"), Click("a")])
        found = hosts(lane)
    assert {"ping.example"} == found


def test_lanes_do_not_mix(proxy: Proxy, chromium_engine: Chromium) -> None:
    """Two concurrent visits in one browser are logged separately."""
    pages = [b'<!doctype html><img src="https://%s.example/a.gif">' % name for name in (b"one", b"two")]
    with (
        proxy.lane({FIRST_PARTY: PageSite(pages[0])}) as one,
        proxy.lane({FIRST_PARTY: PageSite(pages[1])}) as two,
        chromium_engine.session(one, True) as first,
        chromium_engine.session(two, True) as second,
    ):
        first.open(f"https://{FIRST_PARTY}/")
        second.open(f"https://{FIRST_PARTY}/")
        found = [hosts(one), hosts(two)]
    assert [{"one.example"}, {"two.example"}] == found


def test_an_answer_may_be_an_error(proxy: Proxy, chromium_engine: Chromium) -> None:
    """With the failing answer an ``onerror`` handler runs."""
    page = b'<!doctype html><img src="https://a.example/a.gif" onerror="new Image().src=\'https://b.example/\'">'
    with proxy.lane({FIRST_PARTY: PageSite(page)}, failing) as lane:
        visit(chromium_engine, lane, True, [Open(f"https://{FIRST_PARTY}/")])
        found = hosts(lane)
    assert {"a.example", "b.example"} == found


def test_a_broken_application_is_reported(proxy: Proxy, chromium_engine: Chromium) -> None:
    """An exception in the first-party application is recorded for the test."""

    def broken(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        raise RuntimeError("broken on purpose")

    with proxy.lane({FIRST_PARTY: broken}) as lane:
        with pytest.raises(BrowserError):
            visit(chromium_engine, lane, True, [Open(f"https://{FIRST_PARTY}/")])
        found = lane.errors
    assert "broken on purpose" in found[0]


def test_a_page_that_never_loaded_is_no_silence() -> None:
    """A log in which the page itself is missing is an error, not an empty answer."""
    with pytest.raises(BrowserError):
        from_page([], f"https://{FIRST_PARTY}/")
