"""Real servers answer as the edges do when they are called in the test's own process, and end without a loss."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import re
import time
from collections.abc import Iterator
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from consent_mw.core.counts import ACCEPT
from consent_mw.core.counts import SHOWN
from consent_mw.core.counts import TOTAL
from consent_mw.core.seal import Act
from consent_mw.records import open_records
from tests.edges import contract
from tests.edges.contract import HELD
from tests.edges.contract import VECTORS
from tests.edges.contract import Answer
from tests.edges.contract import Ask
from tests.edges.servers.harness import KEY
from tests.edges.servers.harness import KINDS
from tests.edges.servers.harness import PATIENT
from tests.edges.servers.harness import Server
from tests.edges.servers.harness import serving
from tests.edges.servers.sites import PICTURE
from tests.edges.servers.sites import config

pytestmark = pytest.mark.slow

VISITOR = {
    "sec-fetch-dest": "document",
    "accept": "text/html",
    "accept-encoding": "gzip",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
}
FORM = {
    "content-type": "application/x-www-form-urlencoded",
    "sec-fetch-site": "same-origin",
    "user-agent": VISITOR["user-agent"],
}
TRIAL, BARE, SHOP, FRAMEWORK = "trial.localhost", "bare.localhost", "shop.localhost", "framework.localhost"
SHOP_PAGES = ("/", "/software/portrait-studio", "/basket", "/journal/one-lamp-five-faces", "/privacy", "/missing")
STREAMS = ("text/html", "text/event-stream")
#: Visitors who leave in mid-stream; more than the server keeps threads.
LEAVING = 8


def opened(found: Answer) -> tuple[int, Mapping[str, list[str]], bytes]:
    """Return an answer without its coding, which differs in bytes where it was flushed, and with one key for all."""
    gzipped = found.headers.get("content-encoding") == ["gzip"]
    body = gzip.decompress(found.body) if gzipped else found.body
    # In UTF-16 each of its letters has a zero before or behind it.
    body = re.sub(rb"(k\0?e\0?y\0?=\0?(?:\"\0?)?)(?:[0-9a-f]\0?){16}", rb"\1", body)
    # A server may write a list of values in its own way.
    headers = {name: [value.replace(", ", ",") for value in values] for name, values in found.headers.items()}
    return found.status, headers, body


def choose(server: Server, action: str, host: str = "localhost") -> str:
    """Make a choice by the banner's form and return the Cookie header that keeps it."""
    found = server.ask("/_cmw/choice", "POST", FORM, f"action={action}&back=/page".encode(), host)
    assert (found.status, found.headers["location"]) == (303, ["/page"])
    (cookie,) = (value for value in found.headers["set-cookie"] if value.startswith("cmw="))
    return cookie.partition(";")[0]


@pytest.fixture(scope="session")
def in_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Return what asks the contract's plain site without any server."""
    folder = tmp_path_factory.mktemp("in_process")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONSENT_KEYS", KEY)
        ask = contract.ask_wsgi(contract.plain_wsgi(config(folder)), scheme="http")
    yield cache_of(ask)


def cache_of(ask: Ask) -> Ask:
    """Return what asks for each page once."""

    @cache  # as often as there are servers
    def once(path: str) -> Answer:
        return ask(path, "GET", {**VISITOR, "host": "localhost"}, b"")

    return lambda path, method, headers, body: once(path)


@pytest.mark.parametrize("host", ["localhost", FRAMEWORK])
def test_a_server_gives_what_the_edge_gives(server: Server, in_process: Ask, host: str) -> None:
    """Status, headers and body of every vector are the same through a real server as without one."""
    expected = {name: opened(in_process(f"/{name}", "GET", {}, b"")) for name in VECTORS}
    found = {name: opened(server.ask(f"/{name}", headers=VISITOR, host=host)) for name in VECTORS}
    assert {name: found[name] for name in VECTORS if found[name] != expected[name]} == {}


def test_a_choice_holds_and_releases(server: Server) -> None:
    """The banner's form works through the server: a grant gives the tag back, a refusal keeps it held."""
    found = {}
    for action in ("accept-all", "reject-all"):
        page = server.ask("/page", headers={**VISITOR, "cookie": choose(server, action)})
        found[action] = HELD.encode() in opened(page)[2]
    assert found == {"accept-all": True, "reject-all": False}


def test_the_demonstration_is_served(server: Server) -> None:
    """Every page of the shop comes with what the banner needs, held for somebody new and live after a grant."""
    new = {path: server.ask(path, headers=VISITOR, host=SHOP) for path in SHOP_PAGES}
    cookie = choose(server, "accept-all", SHOP)
    granted = {path: server.ask(path, headers={**VISITOR, "cookie": cookie}, host=SHOP) for path in SHOP_PAGES}
    for path in SHOP_PAGES:
        assert (path, new[path].status, granted[path].status) == (path, *[404 if path == "/missing" else 200] * 2)
        assert b"data-cmw-held=" in opened(new[path])[2], path
        assert b"data-cmw-banner=" not in opened(granted[path])[2], path


def test_the_shop_takes_an_order(server: Server) -> None:
    """Forms, sessions and redirects of a wrapped site work through the server."""
    jar: dict[str, str] = {}

    def step(path: str, method: str = "GET", body: bytes = b"") -> Answer:
        cookies = "; ".join(f"{name}={value}" for name, value in jar.items())
        found = server.ask(path, method, {**VISITOR, **FORM, "cookie": cookies}, body, SHOP)
        for value in found.headers.get("set-cookie", []):
            name, _, rest = value.partition("=")
            jar[name] = rest.partition(";")[0]
        return found

    (link, *_) = [part for part in opened(step("/"))[2].decode().split('"') if part.startswith("/software/")]
    assert step("/basket", "POST", f"slug={link.removeprefix('/software/')}".encode()).status == 303
    assert step("/checkout").status == 200
    assert step("/checkout", "POST", b"name=Ada").headers["location"] == ["/thanks"]
    assert b"PS-" in opened(step("/thanks"))[2]


def test_the_pages_under_the_mount_are_served(server: Server) -> None:
    """What visitors and owners open comes through the server."""
    page = server.ask("/_cmw/", headers=VISITOR)
    assert (page.status, page.headers["content-type"]) == (200, ["text/html; charset=utf-8"])
    assert server.ask("/_cmw/stats", headers=VISITOR, host=SHOP).status == 200


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_comes_piece_by_piece(server: Server, kind: str) -> None:
    """The first piece of events or of a page is with the visitor while the application still waits for the second."""
    mark = "waits-" + kind[5:9]
    first, second = (b"data: 1\n\n", b"data: 2\n\n") if kind == STREAMS[1] else (b"first", b"second")
    connection = server.open(f"/waits?mark={mark}&kind={kind}", host=TRIAL)
    assert second not in connection.until(first)
    (server.folder / f"{mark}.go").touch()
    body = connection.rest()
    assert (second in body, HELD.encode() in body) == (True, False)


@pytest.mark.parametrize("path", ["/page", "/gzip", "/stream"])
def test_head_brings_nothing_of_a_page(server: Server, path: str) -> None:
    """HEAD is answered with a head alone, whatever the application makes of it."""
    connection = server.open(path, "HEAD", "Accept: text/html\r\n")
    head, _, body = connection.rest().partition(b"\r\n\r\n")
    # Waitress ends each answer whose length it was not told as if it had pieces.
    assert (head.split()[1], body.removeprefix(b"0\r\n\r\n")) == (b"200", b"")


def test_a_request_body_reaches_the_application(server: Server) -> None:
    """What a visitor uploads goes through untouched."""
    data = bytes(range(256)) * 800
    found = server.ask("/echo", "POST", {"content-type": "application/octet-stream"}, data, TRIAL)
    assert (found.status, found.body == data) == (200, True)


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        ({}, 200, PICTURE),
        ({"range": "bytes=10-19"}, 206, PICTURE[10:20]),
        ({"if-none-match": f'"{len(PICTURE):x}"'}, 304, b""),
    ],
    ids=["whole", "range", "not modified"],
)
def test_a_file_goes_out_as_without_consent_mw(
    server: Server, headers: Mapping[str, str], status: int, body: bytes
) -> None:
    """Files go by the server's own way of sending them, and in parts; a known one is not sent again."""
    held, bare = (server.ask("/picture.png", headers=headers, host=host) for host in (TRIAL, BARE))
    assert (held.status, held.body == body, held) == (status, True, bare)


def test_the_servers_own_way_to_send_files_is_open(server: Server) -> None:
    """The application sees the server's file wrapper, or its sending by path, through the edge."""
    assert server.ask("/picture.png", host=TRIAL).headers["x-way"] == [server.kind.file]


@pytest.mark.parametrize("server", ["gunicorn-sync", "gunicorn-gthread"], indirect=True)
def test_the_kernel_sends_the_file(server: Server) -> None:
    """A picture goes out by sendfile, as it does without consent_mw; a page that is sent as a file does not."""
    times = [int(server.ask("/sent").body)]
    for path, host in (("/picture.png", BARE), ("/picture.png", TRIAL), ("/page.html", TRIAL)):
        server.ask(path, headers=VISITOR, host=host)
        times.append(int(server.ask("/sent").body))
    bare, held, page = (after - before for before, after in pairwise(times))
    assert (bare > 0, held, page) == (True, bare, 0)


@pytest.mark.parametrize("headers", [{}, {"range": "bytes=0-9"}], ids=["whole", "range"])
def test_a_page_sent_as_a_file_is_held(server: Server, headers: Mapping[str, str]) -> None:
    """A page does not slip out by the server's own way of sending files, nor in parts."""
    found = server.ask("/page.html", headers={**VISITOR, **headers}, host=TRIAL)
    assert (found.status, b"data-cmw-held=" in found.body, HELD.encode() in found.body) == (200, True, False)


@pytest.mark.parametrize("kind", STREAMS)
def test_who_leaves_ends_the_application(server: Server, kind: str) -> None:
    """When visitors leave in mid-stream the application is told, once each, and leaves no thread or file behind."""
    mark = "left-" + kind[5:9]

    def leave(many: int) -> None:
        for _ in range(many):
            connection = server.open(f"/endless?mark={mark}&kind={kind}", host=TRIAL)
            connection.until(b"data: 1" if kind == STREAMS[1] else b"first")
            connection.close()

    leave(2)  # the server's threads, and the site's files, are there from now on
    assert server.left(mark, 2) == ["closed"] * 2
    before = server.state()
    leave(LEAVING)
    assert server.left(mark, 2 + LEAVING) == ["closed"] * (2 + LEAVING)

    def more() -> list[bool]:
        """Whether there is one thread, or one file, more for each who left."""
        return [after - then >= LEAVING for after, then in zip(server.state(), before, strict=True)]

    until = time.monotonic() + PATIENT / 2
    while any(more()) and time.monotonic() < until:
        time.sleep(0.1)
    assert more() == [False, False]


def outcome(server: Server, path: str, host: str) -> tuple[object, ...]:
    """Return how a request ends: the status, what of the body came, and whether the answer was whole."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENT)) as connection:
        try:
            connection.request("GET", path, headers={"Host": host, "Accept": "text/html"})
            response = connection.getresponse()
            status = response.status
        except (OSError, http.client.HTTPException) as error:
            return (type(error).__name__,)
        try:
            body, whole = response.read(), True
        except http.client.IncompleteRead as error:
            body, whole = error.partial, False
        except OSError:
            body, whole = b"", False
    return status, b"<p>first" in body, b"the application failed" in body, whole


@pytest.mark.parametrize("path", ["/fails-before", "/fails-after"])
def test_a_failure_ends_as_without_consent_mw(server: Server, path: str) -> None:
    """The server sees the application's exception, before and after the first byte, and serves on."""
    assert outcome(server, path, TRIAL) == outcome(server, path, BARE)
    assert server.ask("/page", headers=VISITOR).status == 200


@pytest.mark.parametrize("name", KINDS)
def test_the_end_of_a_server_loses_no_count(name: str) -> None:
    """A server that ends in good order has written what it counted, and no process of it is left."""
    with serving(name) as server:
        for _ in range(3):
            server.ask("/page", headers=VISITOR, host=FRAMEWORK)
        choose(server, "accept-all", FRAMEWORK)
        if name == "uwsgi":
            expect_said(server, "POST")
        server.terminate()
        assert not server.alive()
        counts, acts = kept(server.folder / "consent.db")
        assert (counts, acts) == ({SHOWN: 3, ACCEPT: 1}, [Act.ACCEPT]), server.said()[-2000:]


def expect_said(server: Server, word: str) -> None:
    """Wait until the server's log has the word: uWSGI runs no exit handlers in a worker that still ends a request."""
    end = time.monotonic() + 10
    while word not in server.said() and time.monotonic() < end:
        time.sleep(0.05)


def kept(file: Path) -> tuple[dict[str, int], list[Act]]:
    """Return the totals and the consents that are in the records."""
    with contextlib.closing(open_records(f"sqlite:///{file}", site="contract")) as records:
        counts = {count.outcome: number for count, number in records.counts(1 << 30).items() if count.table == TOTAL}
        return (
            {outcome: number for outcome, number in counts.items() if outcome in (SHOWN, ACCEPT)},
            [found.entry.act for found in records.entries()],
        )
