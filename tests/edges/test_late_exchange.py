"""Responses that are not pages: data, files and redirects need no exchange, so they cost next to nothing."""

from __future__ import annotations

from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentMiddleware
from consent_mw import current
from consent_mw.engine import Engine
from consent_mw.http.exchange import Exchange
from tests.running import run

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

Message = MutableMapping[str, Any]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Exchange]:
    """Return the exchanges that are made during the test."""
    found: list[Exchange] = []
    real = Engine.exchange

    def exchange(engine: Engine, *given: Any) -> Exchange:
        found.append(real(engine, *given))
        return found[-1]

    monkeypatch.setattr(Engine, "exchange", exchange)
    return found


def _wsgi(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/asks":
        assert not current(environ).allows("marketing")
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
    return [b"{}"]


async def _asgi(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[..., Awaitable[None]]
) -> None:
    if scope["path"] == "/asks":
        assert not current(scope).allows("marketing")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


def _call_wsgi(folder: Path) -> Callable[[str], dict[str, str]]:
    wrapped = ConsentMiddleware(_wsgi, {"site": {"records": f"sqlite:///{folder}/consent.db"}})

    def call(path: str) -> dict[str, str]:
        environ: WSGIEnvironment = {"PATH_INFO": path, "HTTP_ACCEPT_ENCODING": "gzip"}
        setup_testing_defaults(environ)
        sent: list[tuple[str, str]] = []

        def start(status: str, headers: list[tuple[str, str]], error: object = None) -> Callable[[bytes], object]:
            sent.extend(headers)
            return lambda data: None

        assert b"".join(wrapped(environ, start)) == b"{}"
        return {name.lower(): value for name, value in sent}

    return call


def _call_asgi(folder: Path) -> Callable[[str], dict[str, str]]:
    wrapped = ConsentASGIMiddleware(_asgi, {"site": {"records": f"sqlite:///{folder}/consent.db"}})

    def call(path: str) -> dict[str, str]:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"accept-encoding", b"gzip")]
        run(wrapped({"type": "http", "method": "GET", "path": path, "headers": headers}, receive, send))
        assert sent[1]["body"] == b"{}"
        return {name.decode(): value.decode() for name, value in sent[0]["headers"]}

    return call


@pytest.mark.parametrize("edge", [_call_wsgi, _call_asgi])
def test_a_response_that_plainly_passes_needs_no_exchange(
    edge: Callable[[Path], Callable[[str], dict[str, str]]], made: list[Exchange], tmp_path: Path
) -> None:
    """Neither the visitor nor the request matters for data; a view that asks still gets its answer."""
    call = edge(tmp_path)
    assert (call("/data")["content-type"], len(made)) == ("application/json", 0)
    assert (call("/asks")["cache-control"], len(made)) == ("private, no-cache", 1)
