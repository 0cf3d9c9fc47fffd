"""Sites from other people's packages, wrapped as their owners would, and a visitor with a cookie jar."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import urlencode

from tests.edges.contract import Answer
from tests.edges.contract import ASGIApp
from tests.edges.contract import Ask
from tests.edges.contract import Message

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

TRACKER = "https://www.google-analytics.com/analytics.js"
HEADERS = {"accept": "text/html,*/*", "sec-fetch-dest": "document", "accept-encoding": "gzip, deflate"}


def quiet(folder: Path) -> dict[str, object]:
    """Return the settings of an owner who has declared nothing and keeps the link in the page as it is."""
    return {"site": {"records": f"sqlite:///{folder / 'consent.db'}", "isp": "off", "reopen": "link"}}


def asking(folder: Path) -> dict[str, object]:
    """Return the settings of an owner who asks about one tracker, and leaves telling its vendor to others."""
    return {**quiet(folder), "services": [{"use": "google-analytics"}], "signals": {"google": False}}


class Visitor:
    """
    A browser without scripts: it keeps cookies, and follows no redirect by itself.

    Args:
        ask: Asks the wrapped site.
        given: What the site itself answered last, before consent_mw; the tests compare with it.
    """

    def __init__(self, ask: Ask, given: list[bytes]) -> None:
        self._ask = ask
        self.given = given
        self.last: Answer = Answer(0, {}, b"")
        self.cookies: dict[str, str] = {}

    def send(self, path: str, method: str = "GET", body: bytes = b"", kind: str = "") -> Answer:
        """Send a request and keep the cookies of its answer."""
        self.given.clear()
        headers = dict(HEADERS)
        if kind:
            headers |= {"content-type": kind, "origin": "https://shop.example", "sec-fetch-site": "same-origin"}
            headers["referer"] = "https://shop.example" + path.partition("?")[0]
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.last = self._ask(path, method, headers, body)
        for line in answer.headers.get("set-cookie", []):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0" or morsel["expires"].startswith("Thu, 01 Jan 1970"):
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.coded_value
        return answer

    def post(self, path: str, fields: Mapping[str, str]) -> Answer:
        """Send a form."""
        return self.send(path, "POST", urlencode(fields).encode(), "application/x-www-form-urlencoded")

    def page(self, path: str) -> str:
        """Return the text of a page that has to be there."""
        answer = self.send(path)
        assert answer.status == 200, f"{path}: {answer.status} {text(answer)[:300]}"
        return text(answer)

    def choose(self, action: str) -> None:
        """Answer the banner."""
        assert self.post("/_cmw/choice", {"action": action, "back": "/"}).status == 303


def text(answer: Answer) -> str:
    """Return the text of an answer, out of its content coding."""
    return opened(answer, answer.body).decode()


def opened(answer: Answer, body: bytes) -> bytes:
    """Return a body out of the coding that the answer names."""
    coding = answer.headers.get("content-encoding", [""])[0]
    if coding == "gzip":
        return gzip.decompress(body)
    return zlib.decompress(body) if coding == "deflate" else body


def changed(visitor: Visitor, paths: Iterable[str]) -> list[str]:
    """Return the paths whose bytes are not what the site itself gave, and those that are no answer at all."""
    found = []
    for path in paths:
        answer = visitor.send(path)
        # The same bytes may be compressed in another way.
        if (
            answer.status != 200
            or not answer.body
            or opened(answer, answer.body) != opened(answer, b"".join(visitor.given))
        ):
            found.append(f"{path}: {answer.status}")
    return found


def expect_held_until_granted(visitor: Visitor, path: str, *, asked: bool = True) -> None:
    """Expect a page's snippet to be held for somebody new and after a refusal, and to be there after a grant."""
    live = f'src="{TRACKER}"'
    held = f'data-cmw-src="{TRACKER}"'
    new = visitor.page(path)
    given = opened(visitor.last, b"".join(visitor.given))
    assert (f" {live}" in new, held in new, "data-cmw-banner=" in new) == (False, True, asked)
    visitor.choose("reject-all")
    refused = visitor.page(path)
    assert (f" {live}" in refused, held in refused, "data-cmw-banner=" in refused) == (False, True, False)
    visitor.choose("accept-all")
    granted = visitor.page(path)
    assert (f" {live}" in granted, "data-cmw-held=" in granted, "data-cmw-banner=" in granted) == (True, False, False)
    assert live.encode() in given


def remember_wsgi(app: WSGIApplication, given: list[bytes]) -> WSGIApplication:
    """Return the application, with what it answers kept."""

    def remembering(environ: WSGIEnvironment, start_response: Any) -> Iterable[bytes]:
        body = app(environ, start_response)
        try:
            for piece in body:
                given.append(piece)
                yield piece
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    return remembering


def remember_asgi(app: ASGIApp, given: list[bytes]) -> ASGIApp:
    """Return the application, with what it answers kept."""

    async def remembering(scope: Message, receive: Any, send: Callable[..., Any]) -> None:
        async def keep(message: Message) -> None:
            given.append(message.get("body", b""))
            await send(message)

        await app(scope, receive, keep)

    return remembering
