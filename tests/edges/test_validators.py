"""Both edges between referees, over every vector of the contract: nothing that they give or send breaks a rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Any
from wsgiref.validate import validator

import pytest
from werkzeug.middleware.lint import LintMiddleware

from consent_mw import ConsentASGIMiddleware
from consent_mw import ConsentMiddleware
from tests.edges import contract
from tests.edges.contract import VECTORS
from tests.edges.contract import Ask
from tests.edges.contract import bare_asgi
from tests.edges.contract import bare_wsgi
from tests.edges.strict_asgi import CAPITALS
from tests.edges.strict_asgi import LOWER
from tests.edges.strict_asgi import Broken
from tests.edges.strict_asgi import strict
from tests.running import run

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

# Every warning is an error in this suite, but two that are no fault of ours: RFC 9110, section 10.2.2, has allowed
# relative addresses since 2014; and a framework minds a stream of the other kind.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Absolute URLs required for location header:Warning"),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning"),
]

VISITOR = {"sec-fetch-dest": "document", "accept": "text/html", "accept-encoding": "gzip"}
FORM = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
OWN_PAGES = ("/_cmw/", "/_cmw/receipt", "/_cmw/nothing", "/_cmw/placeholder/youtube", "/_cmw/state")
#: A 304 has no type by the referees' book, and these sites give one to everything.
UNTYPED = "fresh"
_WSGI = ("wsgi", "flask", "bottle", "falcon", "django-wsgi")
_ASGI = ("asgi", "starlette", "fastapi", "quart", "django-asgi")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Return a configuration with records of this module, and what adds headers and calls switched on."""
    records = f"sqlite:///{tmp_path_factory.mktemp('strict')}/consent.db"
    site = {"records": records, "hide_cookies": True, "server_timing": True, "on_change": lambda *told: None}
    return {"site": site, "services": [{"use": "google-analytics"}, {"use": "youtube"}]}


def whole_way(ask: Ask) -> tuple[str, ...]:
    """Make the choices by the form; return the cookies of nobody, of a refusal and of a grant."""
    cookies = [""]
    for action in ("reject-all", "accept-all"):
        answer = ask("/_cmw/choice", "POST", {**FORM, "cookie": "_ga=1"}, f"action={action}&back=/page".encode())
        assert answer.status == 303
        cookies.append(answer.headers["set-cookie"][-1].partition(";")[0])
    return tuple(cookies)


def everything(ask: Ask, methods: tuple[str, ...] = ("GET", "HEAD")) -> None:
    """Visit every vector and every page of ours, in every state of a choice."""
    for cookie in whole_way(ask):
        for path in (*(f"/{name}" for name in VECTORS if name != UNTYPED), *OWN_PAGES):
            for method in methods:
                ask(path, method, {**VISITOR, "cookie": f"_ga=1; {cookie}", "sec-gpc": "1"}, b"")
                ask(path, method, {"cookie": cookie, "hx-request": "true", "range": "bytes=0-9"}, b"")


def linted(app: WSGIApplication) -> WSGIApplication:
    """Return the application behind Werkzeug's referee, which takes what is not closed for broken too."""
    return LintMiddleware(app)


@pytest.mark.parametrize("referee", [validator, linted], ids=["wsgiref", "werkzeug"])
def test_the_wsgi_edge_keeps_to_the_protocol_on_both_sides(
    referee: Callable[[WSGIApplication], WSGIApplication], config: dict[str, object]
) -> None:
    """Between two referees of a kind, warnings as errors, nothing is found: not by the app, not by the server."""
    ask = contract.ask_wsgi(referee(ConsentMiddleware(referee(bare_wsgi), config)))
    # Werkzeug's referee counts the bytes of a body that HEAD does not have.
    everything(ask, ("GET", "HEAD") if referee is validator else ("GET",))


@pytest.mark.slow
@pytest.mark.parametrize("name", _WSGI)
def test_what_a_wsgi_server_gets_keeps_to_the_protocol(name: str, config: dict[str, object]) -> None:
    """In each framework's site a server meets nothing that either referee refuses."""
    app = contract._WSGI[name](config)
    everything(contract.ask_wsgi(validator(app)))
    everything(contract.ask_wsgi(linted(app)), ("GET",))


def test_the_asgi_edge_keeps_to_the_protocol_on_both_sides(config: dict[str, object]) -> None:
    """Between two referees nothing is found: not by the app, not by the server."""
    everything(contract.ask_asgi(strict(ConsentASGIMiddleware(strict(bare_asgi), config))))


@pytest.mark.slow
@pytest.mark.parametrize("name", _ASGI)
def test_what_an_asgi_server_gets_keeps_to_the_protocol(name: str, config: dict[str, object]) -> None:
    """In each framework's site a server meets nothing that the referee refuses."""
    # Django writes its headers' names with capitals.
    names = CAPITALS if name == "django-asgi" else LOWER
    everything(contract.ask_asgi(strict(contract._ASGI[name](config), name=names)))


def conversation(app: Any, scope: dict[str, Any], received: list[dict[str, Any]]) -> list[str]:
    """Run an application through a conversation, and return the types of what it sent."""
    sent: list[str] = []
    waiting = iter(received)

    async def receive() -> dict[str, Any]:
        return next(waiting)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    run(app({"asgi": {"version": "3.0"}, **scope}, receive, send))
    return sent


def test_the_life_of_a_process_and_of_a_socket_keep_to_the_protocol(config: dict[str, object]) -> None:
    """What passes through passes in order: startup and shutdown, connection and its end."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            for step in ("startup", "shutdown"):
                assert (await receive())["type"] == f"lifespan.{step}"
                await send({"type": f"lifespan.{step}.complete"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": (await receive())["text"]})
        await send({"type": "websocket.close"})

    wrapped = strict(ConsentASGIMiddleware(strict(app), config))
    life = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    assert conversation(wrapped, {"type": "lifespan"}, life) == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    socket = {"type": "websocket", "http_version": "1.1", "path": "/", "query_string": b"", "headers": []}
    talk = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "x"}]
    assert conversation(wrapped, {**socket, "scheme": "wss"}, talk) == [
        "websocket.accept",
        "websocket.send",
        "websocket.close",
    ]


# -- the referee itself

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
BODY = {"type": "http.response.body", "body": b"ab"}


@pytest.mark.parametrize(
    ("messages", "broken"),
    [
        ([START, BODY], ""),
        ([START], "before the end"),
        ([BODY], "before the head"),
        ([START, START], "twice"),
        ([START, BODY, BODY], "after the answer's end"),
        ([START, {**BODY, "body": b"abc"}], "Content-Length 2, and 3"),
        ([START, {**BODY, "body": "ab"}], "'body' is str"),
        ([{**START, "headers": [(b"X-Y", b"1")]}, BODY], "the name of a header"),
        ([{**START, "headers": [(b"x", b"1\r\n")]}, BODY], "the value"),
        ([{**START, "status": "200"}, BODY], "'status' is str"),
        ([START, {"type": "http.response.pathsend", "path": "/x"}], "did not offer"),
        ([START, {**BODY, "colour": 1}], "unknown key"),
        ([{"type": "http.response.begin"}], "unknown message"),
    ],
)
def test_the_referee_refuses_what_the_specification_does(messages: list[dict[str, Any]], broken: str) -> None:
    """Each kind of mistake is seen: else a clean run would say nothing."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    ask = contract.ask_asgi(strict(app))
    if not broken:
        assert ask("/", "GET", {}, b"").body == b"ab"
        return
    with pytest.raises(Broken, match=broken):
        ask("/", "GET", {}, b"")


def test_the_wsgi_referees_see_what_is_not_closed() -> None:
    """Each kind of mistake is seen: else a clean run would say nothing."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "9")])
        return [b"x"]

    with pytest.raises(Warning, match="Content-Length"):
        contract.ask_wsgi(linted(app))("/", "GET", {}, b"")
