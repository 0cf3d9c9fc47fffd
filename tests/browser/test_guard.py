"""
The guard in real browsers: requests of site scripts to held hosts wait for the grant, and nothing breaks.

``guard_pages/ways.js`` loads resources in every possible way, and writes the results into the page. Each browser visits
it once, behind the real middleware and a proxy that sees every request, and accepts everything.
"""

from __future__ import annotations

import html
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from tests.browser.harness import background
from tests.browser.harness.answers import GIF
from tests.browser.harness.answers import Answer
from tests.browser.harness.answers import failing
from tests.browser.harness.answers import fitting
from tests.browser.harness.chromium import Chromium
from tests.browser.harness.engines import PATIENCE
from tests.browser.harness.engines import Engine
from tests.browser.harness.engines import Session
from tests.browser.harness.proxy import Hit
from tests.browser.harness.proxy import Proxy
from tests.browser.harness.site import FIRST_PARTY
from tests.browser.harness.site import ROOT
from tests.browser.harness.wrapped import Wrapped

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

PAGES = Path(__file__).parent / "guard_pages"

_SERVICE = {"vendor": "Nobody Ltd", "country": "DE", "policy": "https://nobody.example/"}
CONFIG = {
    "services": [
        {"id": "held", "name": "Held", "hosts": ["held.example"], "purposes": ["analytics"], **_SERVICE},
        {"id": "other", "name": "Other", "hosts": ["other.example"], "purposes": ["marketing"], **_SERVICE},
    ]
}

Notes = Mapping[str, list[object]]

#: The results in the page before the grant; held elements are missing, since they report nothing.
BEFORE: Notes = {
    "worker": [41],
    "text in code": [41],
    "writes": ["body"],
    "read script": ["same"],
    "read clone": ["same"],
    "read lazy": ["same"],
    "textarea": ['<img src="https://held.example/kept.gif">'],
    "text in a value": ["title"],
    "untouched": ["<i>&amp; text about held.example</i>"],
    "script own": ["load"],
    "script changed": ["load"],
    "script free": ["load"],
    "script marked": ["load"],
    "img own": ["load"],
    "fetch": ["TypeError"],
    "fetch request": ["TypeError"],
    "fetch url": ["TypeError"],
    "fetch own": ["answered"],
    "fetch free": ["answered"],
    "xhr": ["sent", "error 0", "loadend 0"],
    "xhr sync": ["threw NetworkError"],
    "beacon": [True],
    "beacon free": [True],
    "socket": ["true,0,1", "error", "close 1006 3"],
    "subclass": [True],
    "events": ["error 2"],
    "font": ["failed"],
    "frame fetch": ["TypeError"],
    "frame fetch own": ["answered"],
    "frame xhr": ["error"],
    "frame in a frame": ["TypeError"],
    "frame of another place": ["function"],
    "rules": ['3own.gif")'],
    "sheet": ['rgb(1, 2, 3)url("about:invalid")'],
    "names": ["fetch,1,WebSocket,true,function,setAttribute,2,set src"],
}

#: Elements that load once they are released, each once.
LOADED = frozenset(
    [
        "script",
        "script attribute",
        "script ordered",
        "script url",
        "script other",
        "img",
        "img srcset",
        "iframe",
        "iframe attribute",
        "iframe srcdoc",
        "iframe srcdoc without quotes",
        "iframe page",
        "img srcset without spaces",
        "frame picture",
        "link",
        "link preload",
        "embed",
        "object",
        "pixel",
        "clone",
        "lazy",
        "inner",
        "inner frame",
        "fragment",
        "write",
    ]
)
#: The requests of the release to held hosts.
ASKED = frozenset(
    [
        "script.js",
        "base.js",
        "given.js",
        "attribute.js",
        "ordered.js",
        "url.js",
        "other.js",
        "img.gif",
        "large.gif",
        "frame",
        "frame2",
        "srcdoc.gif",
        "unquoted.gif",
        "code.gif",
        "page.gif",
        "tight.gif",
        "frame-picture.gif",
        "frame-inner.gif",
        "frame-write.js",
        "command.gif",
        "filter.gif",
        "link.css",
        "preload.gif",
        "poster.gif",
        "video.mp4",
        "source.mp4",
        "audio.mp3",
        "embed.gif",
        "object.gif",
        "pixel.gif",
        "clone.gif",
        "lazy.gif",
        "inner.gif",
        "inner",
        "outer.gif",
        "adjacent.gif",
        "template.gif",
        "fragment.js",
        "write.gif",
        "write.js?a=1&b=2",
        "drawn.gif",
        "linked.gif",
        "drawn.js",
        "button.gif",
        "named.gif",
        "node.gif",
        "apart.gif",
        "apart2.gif",
        "unsafe.gif",
        "parsed.gif",
    ]
)
#: Videos may be requested in parts.
IN_PARTS = frozenset({"video.mp4", "source.mp4", "audio.mp3"})


def site(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with a page or a script of the folder, and every other request with a small response."""
    path = environ["PATH_INFO"].lstrip("/") or "ways.html"
    kind = {"html": "text/html; charset=utf-8", "gif": "image/gif"}.get(path.rpartition(".")[2], "text/javascript")
    start_response("200 OK", [("Content-Type", kind)])
    file = PAGES / path
    return [file.read_bytes() if file.is_file() else GIF if kind == "image/gif" else b""]


def answer(hit: Hit) -> Answer:
    """Answer for a foreign host; Firefox would request an empty video forever."""
    return failing(hit) if hit.path.endswith((".mp3", ".mp4")) else fitting(hit)


def notes(session: Session, enough: Callable[[Notes], bool]) -> Notes:
    """Return the results in the page, once they are enough or after a timeout."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = re.search(r'<pre id="out">(.*?)</pre>', session.html(), re.DOTALL)
        met: Notes = json.loads(html.unescape(found[1])) if found and found[1] else {}
        if enough(met) or time.monotonic() > deadline:
            return met
        time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class Seen:
    """The results and requests of one browser, before and after accepting everything."""

    before: Notes
    after: Notes
    asked_before: list[Hit]
    asked_after: list[Hit]
    #: The hosts that the choice told the server of.
    told: list[str]


@pytest.fixture(scope="module", params=["chromium_profile", "firefox"])
def seen(request: pytest.FixtureRequest, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The results of one visit with each engine."""
    engine: Engine = request.getfixturevalue(request.param)
    wrapped = Wrapped(tmp_path_factory.mktemp("site"), CONFIG).around(site)
    told: list[str] = []

    def heard(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] == "/_cmw/choice":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            told.extend(" ".join(parse_qs(body.decode()).get("stopped", [])).split())
            environ["wsgi.input"] = BytesIO(body)
        return wrapped(environ, start_response)

    with proxy.lane({FIRST_PARTY: heard}, answer) as lane, engine.session(lane, True) as session:
        session.open(ROOT)
        before = notes(session, lambda met: len(met.get("socket", ())) > 2 and BEFORE.keys() <= met.keys())
        mark = lane.mark()
        asked_before = background.without_background(lane.foreign())
        session.click("[data-cmw-banner] [value=accept-all]")
        after = notes(session, lambda met: met.keys() >= LOADED)
        lane.settle()
        return Seen(before, after, asked_before, background.without_background(lane.foreign(mark)), told)


def test_nothing_goes_to_held_hosts_before_the_grant(seen: Seen) -> None:
    """There are no requests or connections, except to undeclared hosts and those that the owner marked."""
    assert {hit.host for hit in seen.asked_before} == {"free.example", "marked.held.example"}


def test_the_choice_tells_which_hosts_were_stopped(seen: Seen) -> None:
    """Each once, for the inventory; nothing of an address but its host, and none that may load."""
    assert len(seen.told) == len(set(seen.told))
    assert {"held.example", "other.example", "transport.held.example", "filter.held.example"} <= set(seen.told)
    assert {
        host for host in seen.told if not host.endswith(("held.example", "other.example", "held.example."))
    } == set()
    assert "marked.held.example" not in seen.told


def test_the_page_meets_failures_and_values_as_browsers_give_them(seen: Seen) -> None:
    """Requests fail like network errors, held elements report nothing yet, and attributes return the values set."""
    assert seen.before == BEFORE


def test_what_was_held_loads_after_the_grant(seen: Seen) -> None:
    """The release loads every held element exactly once; failed requests are not repeated."""
    asked = Counter(hit.path.lstrip("/") for hit in seen.asked_after if hit.method != "CONNECT")
    assert frozenset(asked) == ASKED
    assert {name: count for name, count in asked.items() if count > 1 and name not in IN_PARTS} == {}


def test_held_elements_tell_once_that_they_have_loaded(seen: Seen) -> None:
    """There is no load or error event before the release, and one load event after it."""
    assert {name: seen.after.get(name) for name in LOADED} == dict.fromkeys(LOADED, ["load"])


def test_a_grant_releases_its_own_services_only(chromium_engine: Chromium, proxy: Proxy, tmp_path: Path) -> None:
    """A grant of marketing alone loads the marketing script, and none of the statistics."""
    wrapped = Wrapped(tmp_path, CONFIG).around(site)
    with proxy.lane({FIRST_PARTY: wrapped}, answer) as lane, chromium_engine.session(lane, True) as session:
        session.open(ROOT)
        mark = lane.mark()
        session.click("[data-cmw-banner] summary")
        session.click("[data-cmw-banner] [name=purpose][value=marketing]")
        session.click("[data-cmw-banner] [value=save]")
        notes(session, lambda met: "script other" in met)
        assert {hit.host for hit in background.without_background(lane.foreign(mark))} == {"other.example"}


def test_strict_and_wrapping_pages_do_not_break(chromium_engine: Chromium, proxy: Proxy, tmp_path: Path) -> None:
    """
    Trusted Types, a second guard, wrappers of the page and unusual values behave as without a guard.

    A trusted address is held like any other, and is loaded as a trusted one.
    """

    def strict(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = b"".join(
            site({**environ, "PATH_INFO": environ["PATH_INFO"].removesuffix("/") or "/strict.html"}, _ignore)
        )
        kind = "text/javascript" if environ["PATH_INFO"].endswith(".js") else "text/html; charset=utf-8"
        policy = ("Content-Security-Policy", "require-trusted-types-for 'script'")
        start_response("200 OK", [("Content-Type", kind), policy])
        return [body]

    with (
        proxy.lane({FIRST_PARTY: Wrapped(tmp_path, CONFIG).around(strict)}, answer) as lane,
        chromium_engine.session(lane, True) as session,
    ):
        session.open(ROOT)
        met = notes(session, lambda met: "wrapped" in met)
        assert background.without_background(lane.foreign()) == []
        session.click("[data-cmw-banner] [value=accept-all]")
        after = notes(session, lambda met: len(met["trusted"]) > 1)
        lane.settle()
        assert {hit.path for hit in lane.foreign() if hit.method == "GET"} == {"/trusted.js", "/wrapped.gif"}
    assert met == {
        "again": [True],
        "plain": ["TypeError"],
        "trusted": ["https://held.example/trusted.js"],
        "markup": ["<b>text</b>"],
        "wrapped": ["TypeError 1"],
        "wrapped attribute": ["https://held.example/wrapped.gif"],
        "odd values": ["/own.gif,undefined"],
        "no receiver": ["TypeError"],
        "no address": ["SyntaxError"],
        "odd event": ["told"],
    }
    assert after["trusted"] == ["https://held.example/trusted.js", "load"]


def test_no_setter_of_the_page_changes_a_hold(chromium_engine: Chromium, proxy: Proxy, tmp_path: Path) -> None:
    """Setters and errors planted under the names of held hosts let nothing pass, and a choice is sent all the same."""

    def planting(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return site({**environ, "PATH_INFO": environ["PATH_INFO"].removesuffix("/") or "/planted.html"}, start_response)

    with (
        proxy.lane({FIRST_PARTY: Wrapped(tmp_path, CONFIG).around(planting)}, answer) as lane,
        chromium_engine.session(lane, True) as session,
    ):
        session.open(ROOT)
        met = notes(session, lambda met: len(met.get("fetch", ())) > 1)
        assert met == {"fetch": ["failed", "failed"], "told": ["a.held.example,held.example,other.example"]}
        assert background.without_background(lane.foreign()) == []
        session.click("[data-cmw-banner] [value=accept-all]")
        notes(session, lambda met: bool(lane.foreign()))
        lane.settle()
        assert {hit.path for hit in lane.foreign() if hit.method == "GET"} == {"/c.gif", "/d.gif"}


def _ignore(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], object]:
    return lambda data: None
