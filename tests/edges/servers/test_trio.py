"""The ASGI edge on another loop than asyncio's: Hypercorn with trio."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.edges.contract import HELD
from tests.edges.contract import VECTORS
from tests.edges.contract import Ask
from tests.edges.servers.harness import Connection
from tests.edges.servers.harness import Server
from tests.edges.servers.harness import serving
from tests.edges.servers.sites import SECOND
from tests.edges.servers.test_servers import VISITOR
from tests.edges.servers.test_servers import choose
from tests.edges.servers.test_servers import in_process as in_process  # a fixture
from tests.edges.servers.test_servers import opened

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trio() -> Iterator[Server]:
    """Run Hypercorn on trio."""
    with serving("hypercorn-trio") as running:
        yield running


def test_trio_gives_what_the_edge_gives(trio: Server, in_process: Ask) -> None:
    """Every vector is the same through trio as without a server, and so is the whole way of a choice."""
    expected = {name: opened(in_process(f"/{name}", "GET", {}, b"")) for name in VECTORS}
    found = {name: opened(trio.ask(f"/{name}", headers=VISITOR)) for name in VECTORS}
    assert {name: found[name] for name in VECTORS if found[name] != expected[name]} == {}
    page = trio.ask("/page", headers={**VISITOR, "cookie": choose(trio, "accept-all")})
    assert HELD.encode() in opened(page)[2]


@pytest.mark.parametrize("kind", ["text/html", "text/event-stream"])
def test_a_stream_comes_piece_by_piece_on_trio(trio: Server, kind: str) -> None:
    """What has been sent is there before the application goes on."""
    mark = kind.partition("/")[2]
    stream = trio.open(f"/waits?mark={mark}&kind={kind}")
    stream.until(b"data: 1" if mark == "event-stream" else b"<p>first</p>")
    (trio.folder / f"{mark}.go").touch()
    rest = stream.rest()
    assert (b"data: 2" if mark == "event-stream" else b"<p>second<script data-cmw-held=") in rest
    assert (SECOND in rest) is False


def test_a_websocket_passes(trio: Server) -> None:
    """A connection is upgraded, and what is said on it goes both ways as it is, markup or not (RFC 6455)."""
    key = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    with socket.create_connection(("127.0.0.1", trio.port), timeout=30) as stream:
        stream.sendall(f"GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n{key}\r\n".encode())
        talk = Connection(stream)
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in talk.until(b"\r\n\r\n")
        text = HELD.encode()
        stream.sendall(b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text)  # one masked frame, by a mask of zeros
        assert text in talk.until(text)


def test_who_leaves_ends_the_application_on_trio(trio: Server) -> None:
    """Visitors who leave in mid-stream cancel what served them, page or events, and leave no file open."""
    before = trio.state()
    for number in range(4):
        stream = trio.open(f"/endless?mark=left&kind={'text/html' if number % 2 else 'text/event-stream'}")
        stream.until(b"data: 1" if number % 2 == 0 else b"<p>first</p>")
        stream.close()
    assert trio.left("left", 4) == ["closed"] * 4
    assert trio.state()[1] <= before[1] + 1
