"""
The ASGI edge: every way in which ASGI lets an application answer, and what is not HTTP.
"""

from __future__ import annotations

import gzip
import json
import re
import tempfile
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from consent_mw import ConsentASGIMiddleware
from consent_mw import consent_banner
from consent_mw import current
from consent_mw.core.counts import SHOWN
from consent_mw.core.counts import TOTAL
from tests.running import run

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Wrap = Callable[[App], ConsentASGIMiddleware]

HTML = [(b"content-type", b"text/html; charset=utf-8")]
HELD = b'<script async src="https://www.google-analytics.com/analytics.js"></script>'
PAGE = b"<!doctype html><title>t</title><body><h1>x</h1>" + HELD + b"</body>"


class Answer:
    """What a server would have sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    @property
    def head(self) -> Message:
        """The message that starts the response; there is one."""
        (start,) = (message for message in self.messages if message["type"] == "http.response.start")
        return start

    @property
    def status(self) -> int:
        return int(self.head["status"])

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages if m["type"] == "http.response.body")

    def header(self, name: bytes) -> bytes | None:
        """Return the header, which may be there once."""
        found = [value for key, value in self.head["headers"] if key == name]
        assert len(found) < 2
        return found[0] if found else None


def scope(path: str = "/", method: str = "GET", **more: object) -> Scope:
    """Return the scope of a visitor's request for a page."""
    headers = [(b"host", b"localhost"), (b"sec-fetch-dest", b"document"), *more.pop("headers", [])]  # type: ignore[misc]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 80),
        "extensions": {"http.response.pathsend": {}, "http.response.zerocopysend": {}, "http.response.early_hint": {}},
        **more,
    }


def call(app: App, given: Scope | None = None, body: bytes = b"") -> Answer:
    """Call the app as a server does."""
    answer = Answer()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        answer.messages.append(message)

    run(app(given or scope(), receive, send))
    return answer


@pytest.fixture
def wrap(tmp_path: Path) -> Wrap:
    """Wrap an application, with records in a folder of the test."""
    return lambda app: ConsentASGIMiddleware(app, {"site": {"records": f"sqlite:///{tmp_path}/consent.db"}})


def page_app(*chunks: bytes, headers: list[tuple[bytes, bytes]] | None = None, status: int = 200) -> App:
    """Return an app that answers with these chunks."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": HTML if headers is None else headers})
        for number, chunk in enumerate(chunks, 1):
            await send({"type": "http.response.body", "body": chunk, "more_body": number < len(chunks)})

    return app


def test_a_page_is_held(wrap: Wrap) -> None:
    """A page in one piece comes out held, with its banner and its new length."""
    answer = call(wrap(page_app(PAGE, headers=[*HTML, (b"content-length", b"%d" % len(PAGE))])))
    assert b"data-cmw-held=google-analytics" in answer.body
    assert b"data-cmw-banner" in answer.body
    assert answer.header(b"content-length") == b"%d" % len(answer.body)


def test_a_page_in_chunks_is_held(wrap: Wrap) -> None:
    """Chunks may cut a tag anywhere."""
    answer = call(wrap(page_app(*(PAGE[at : at + 7] for at in range(0, len(PAGE), 7)))))
    assert b"data-cmw-src" in answer.body
    assert answer.header(b"content-length") is None
    assert [message.get("more_body", False) for message in answer.messages[1:]][-1] is False


def test_a_chunk_in_gives_the_chunk_out(wrap: Wrap) -> None:
    """A slow app's first words reach the visitor before its last ones are made."""
    sent: list[int] = []
    answer = Answer()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HTML})
        for word in (b"<p>one", b"<p>two"):
            await send({"type": "http.response.body", "body": word, "more_body": True})
            sent.append(len(answer.body))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send(message: Message) -> None:
        answer.messages.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    run(wrap(app)(scope(), receive, send))
    assert 0 < sent[0] < sent[1]


def test_what_is_no_page_passes_message_by_message(wrap: Wrap) -> None:
    """Events are not gathered, and nothing is changed in them."""
    events = [b"data: <script src=https://www.google-analytics.com/analytics.js>\n\n", b"data: 2\n\n"]
    bare = call(page_app(*events, headers=[(b"content-type", b"text/event-stream")]))
    answer = call(wrap(page_app(*events, headers=[(b"content-type", b"text/event-stream")])))
    assert answer.messages == bare.messages


def test_a_file_that_is_no_page_goes_by_its_path(wrap: Wrap) -> None:
    """The server sends a file itself where it can."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"image/png")]})
        await send({"type": "http.response.pathsend", "path": "/a.png"})

    assert call(wrap(app)).messages[1] == {"type": "http.response.pathsend", "path": "/a.png"}


def test_a_page_that_is_sent_by_its_path_is_held(wrap: Wrap, tmp_path: Path) -> None:
    """Sending a file is no way around the rewriter."""
    (tmp_path / "page.html").write_bytes(PAGE)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HTML})
        await send({"type": "http.response.pathsend", "path": str(tmp_path / "page.html")})

    answer = call(wrap(app))
    assert b"data-cmw-src" in answer.body
    assert {message["type"] for message in answer.messages} == {"http.response.start", "http.response.body"}


@pytest.mark.parametrize("part", [{}, {"offset": 0}, {"offset": 3, "count": len(PAGE)}], ids=["whole", "from", "part"])
def test_a_page_that_is_sent_from_an_open_file_is_held(wrap: Wrap, part: dict[str, int]) -> None:
    """Zero-copy sends of pages are read and rewritten, the stated part of the file and no more."""
    with tempfile.TemporaryFile() as file:
        file.write(b"xyz"[: part.get("offset", 0)] + PAGE + (b"not this" if "count" in part else b""))
        file.seek(0)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": HTML})
            await send({"type": "http.response.zerocopysend", "file": file, **part})

        answer = call(wrap(app))
    assert b"data-cmw-src" in answer.body
    assert b"not this" not in answer.body


def test_a_compressed_page_is_held(wrap: Wrap) -> None:
    """A compressing middleware inside hides nothing."""
    answer = call(wrap(page_app(gzip.compress(PAGE), headers=[*HTML, (b"content-encoding", b"gzip")])))
    assert b"data-cmw-src" in gzip.decompress(answer.body)


def test_what_is_not_http_passes(wrap: Wrap) -> None:
    """WebSockets and what may come get the app's own scope and channels; for a WebSocket the sending one is ours."""
    seen: list[tuple[object, ...]] = []

    async def app(*given: object) -> None:
        seen.append(given)

    async def receive() -> Message:
        return {}

    async def send(message: Message) -> None:
        """Take nothing."""

    for kind in ("websocket", "webtransport"):
        given = {"type": kind}
        run(wrap(app)(given, receive, send))
        (of_scope, of_receive, of_send) = seen.pop()
        assert of_scope is given
        assert of_receive is receive
        assert (of_send is send) is (kind != "websocket")


@pytest.mark.parametrize("kind", ["websocket.accept", "websocket.http.response.start"])
def test_a_handshake_sets_no_cookie_of_what_is_held(wrap: Wrap, kind: str) -> None:
    """
    The cookie of an undeclared tracker is taken out; other headers, deletions and messages stay as they are.

    Browsers take cookies from the response to a handshake (RFC 6455, section 4.1).
    """
    kept = [(b"Set-Cookie", b"own=1"), (b"x-other", b"a\xff"), (b"set-cookie", b"_fbp=; Max-Age=0")]
    held = [(b"set-cookie", b"_fbp=1; Path=/"), (b"Set-Cookie", b"__Secure-_fbp=1; Secure")]
    first: Message = {"type": kind, "headers": [*kept, *held], "subprotocol": "x"}
    rest: list[Message] = [
        {"type": "websocket.send", "text": "_fbp=1"},
        {"type": kind},
        {"type": "websocket.close", "headers": held},
    ]
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in (first, *rest):
            await send(message)

    async def send(message: Message) -> None:
        sent.append(message)

    given = scope(type="websocket", scheme="wss")
    del given["method"]
    run(wrap(app)(given, None, send))
    assert sent == [{**first, "headers": kept}, *rest]


def live(app: ConsentASGIMiddleware, then: Callable[[], None] = lambda: None) -> list[str]:
    """Start and shut down an application as a server does, and return what it answered."""
    said: list[str] = []
    events = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Message:
        return {"type": next(events)}

    async def send(message: Message) -> None:
        said.append(message["type"])
        if message["type"].startswith("lifespan.shutdown"):
            then()

    run(app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send))
    return said


async def knows_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer both events, and pages."""
    if scope["type"] != "lifespan":
        await page_app(PAGE)(scope, receive, send)
        return
    for kind in ("startup", "shutdown"):
        assert (await receive())["type"] == f"lifespan.{kind}"
        await send({"type": f"lifespan.{kind}.complete"})


async def fails_on_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse what is not a page, as Django does."""
    if scope["type"] != "http":
        raise ValueError("this application serves HTTP only")
    await page_app(PAGE)(scope, receive, send)


async def leaves_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Do nothing with what is not a page."""
    if scope["type"] == "http":
        await page_app(PAGE)(scope, receive, send)


@pytest.mark.parametrize("app", [knows_lifespan, fails_on_lifespan, leaves_lifespan])
def test_counts_are_written_before_the_server_hears_of_the_end(wrap: Wrap, app: App) -> None:
    """Some servers end their process right then; an application that knows no lifespan is answered for."""
    wrapped = wrap(app)
    browser = b"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
    call(wrapped, scope(headers=[(b"user-agent", browser)]))
    written: list[int] = []

    def look() -> None:
        counts = wrapped.engine.records.counts(1 << 30)
        written.append(sum(n for count, n in counts.items() if (count.table, count.outcome) == (TOTAL, SHOWN)))

    assert live(wrapped, look) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert written == [1]


def test_an_application_that_cannot_start_is_not_answered_for(wrap: Wrap) -> None:
    """An error after the server's event was heard is the server's to know."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise RuntimeError("no database")

    with pytest.raises(RuntimeError, match="no database"):
        live(wrap(app))


def test_ways_around_the_rewriter_are_closed(wrap: Wrap) -> None:
    """For a page the app sees no range and no validators, and only codings that can be opened."""
    seen: list[dict[bytes, bytes]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(dict(scope["headers"]))
        await page_app(b"")(scope, receive, send)

    given = [(b"range", b"bytes=0-1"), (b"if-none-match", b'"x"'), (b"accept-encoding", b"gzip, compress")]
    call(wrap(app), scope(headers=given))
    assert seen == [{b"host": b"localhost", b"sec-fetch-dest": b"document", b"accept-encoding": b"gzip"}]


def test_early_hints_name_nothing_that_is_held(wrap: Wrap) -> None:
    """Hints go out before the page does, and make a browser connect."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        own, held = b"</own.css>; rel=preload; as=style", b"<https://www.google-analytics.com>; rel=preconnect"
        await send({"type": "http.response.early_hint", "links": [own, held]})
        await send({"type": "http.response.early_hint", "links": [held]})
        await page_app(b"<p>")(scope, receive, send)

    hints = [m["links"] for m in call(wrap(app)).messages if m["type"] == "http.response.early_hint"]
    assert hints == [[b"</own.css>; rel=preload; as=style"]]


def test_trailers_and_what_is_unknown_pass(wrap: Wrap) -> None:
    """Messages that say nothing of the page's body are the server's business."""
    trailers = {"type": "http.response.trailers", "headers": [], "more_trailers": False}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await page_app(PAGE)(scope, receive, send)
        await send(trailers)

    assert call(wrap(app)).messages[-1] == trailers


@pytest.mark.parametrize("kind", [b"text/html", b"text/css"])
def test_digests_behind_the_body_are_those_of_the_bytes_that_went_out(wrap: Wrap, kind: bytes) -> None:
    """A page that was rewritten loses the digest of the app's own bytes; what passes keeps it."""
    fields = [(b"repr-digest", b"sha-256=:x:"), (b"server-timing", b"app;dur=1")]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await page_app(PAGE, headers=[(b"content-type", kind)])(scope, receive, send)
        await send({"type": "http.response.trailers", "headers": fields, "more_trailers": False})

    assert call(wrap(app)).messages[-1]["headers"] == (fields if kind == b"text/css" else fields[1:])


def test_an_error_before_the_first_byte_is_the_server_s_to_answer(wrap: Wrap) -> None:
    """Nothing went out, so the server can still say what happened."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HTML})
        raise ValueError("no page")

    answer = Answer()

    async def send(message: Message) -> None:
        answer.messages.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ValueError, match="no page"):
        run(wrap(app)(scope(), receive, send))
    assert answer.messages == []


def test_an_error_midway_sends_nothing_more(wrap: Wrap) -> None:
    """What was kept back, a piece of a tag perhaps, does not go out raw."""
    answer = Answer()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HTML})
        await send({"type": "http.response.body", "body": b"<p>text" + HELD[:30], "more_body": True})
        raise ValueError("broken")

    async def send(message: Message) -> None:
        answer.messages.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ValueError, match="broken"):
        run(wrap(app)(scope(), receive, send))
    assert b"google-analytics" not in answer.body


def test_work_after_the_answer_goes_on(wrap: Wrap) -> None:
    """Background tasks of the app run once the page is out."""
    done: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await page_app(PAGE)(scope, receive, send)
        done.append(1)

    call(wrap(app))
    assert done == [1]


def test_a_head_request_gets_no_body(wrap: Wrap) -> None:
    """The head is that of the page; how long it would be is not said."""
    answer = call(wrap(page_app(PAGE)), scope(method="HEAD"))
    assert (answer.body, answer.header(b"content-length")) == (b"", None)


def test_current_tells_what_the_visitor_allows(wrap: Wrap) -> None:
    """Handlers ask the scope; without the middleware they are told why they cannot."""
    allowed: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        allowed.extend(current(scope).allows(name) for name in ("necessary", "analytics"))
        await page_app(b"")(scope, receive, send)

    call(wrap(app))
    assert allowed == [True, False]
    with pytest.raises(LookupError, match="wrap the application"):
        current({})


def test_an_application_says_where_the_banner_stands(wrap: Wrap) -> None:
    """Whatever renders the page, the mark for the banner's place can be had from the scope."""

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        page = f"<body>{HELD.decode()}<main>{consent_banner(scope)}</main></body>"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": page.encode()})

    page = call(wrap(app)).body
    assert page.index(b"<main>") < page.index(b'data-cmw-banner=""') < page.index(b"</main>")
    with pytest.raises(LookupError, match="wrap the application"):
        consent_banner({})


def test_wrapped_twice_the_outer_one_decides(wrap: Wrap, tmp_path: Path) -> None:
    """What the inner one would hold must be there for the outer one to see."""
    inner = ConsentASGIMiddleware(page_app(PAGE), {"site": {"records": f"sqlite:///{tmp_path}/other.db"}})
    assert call(wrap(inner)).body.count(b'data-cmw-banner=""') == 1


@pytest.mark.parametrize(
    ("root", "path"), [("", "/_cmw/state"), ("/shop", "/shop/_cmw/state"), ("/shop", "/_cmw/state")]
)
def test_our_own_pages_are_served(wrap: Wrap, root: str, path: str) -> None:
    """The pages under the mount are there, whether the server's path holds the root path or not."""
    answer = call(wrap(page_app(PAGE)), scope(path, root_path=root))
    assert (answer.status, json.loads(answer.body)["state"]) == (200, "none")


def test_the_whole_way_of_a_choice(wrap: Wrap) -> None:
    """A visitor who accepts by the banner's form gets the tag as the app wrote it on the next page."""
    app = wrap(page_app(PAGE))
    assert b"data-cmw-src" in call(app).body
    form = b"action=accept-all&back=/"
    headers = [
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"content-length", b"%d" % len(form)),
        (b"sec-fetch-site", b"same-origin"),
    ]
    chosen = call(app, scope("/_cmw/choice", "POST", headers=headers), form)
    assert (chosen.status, chosen.header(b"location")) == (303, b"/")
    cookies = [value for key, value in chosen.head["headers"] if key == b"set-cookie"]
    (cookie,) = [value.partition(b";")[0] for value in cookies if value.startswith(b"cmw=")]
    page = call(app, scope(headers=[(b"cookie", cookie)])).body
    assert HELD in page
    assert not re.search(rb"data-cmw-banner", page)


def test_a_form_that_is_too_large_is_refused(wrap: Wrap) -> None:
    """Nobody fills the memory through the form of the banner."""
    headers = [(b"content-type", b"application/x-www-form-urlencoded"), (b"sec-fetch-site", b"same-origin")]
    answer = call(wrap(page_app(PAGE)), scope("/_cmw/choice", "POST", headers=headers), b"a=" + b"x" * 100_000)
    assert answer.status == 413
