"""
A validator for ASGI: it is between a server and an application, and refuses violations of the specification.

It checks ASGI 3.0, HTTP 2.5, WebSocket 2.5 and Lifespan 2.0: the keys of a scope and their types, the messages received
and sent, their order and keys, and the length of a response. asgiref has types for these, but no checks.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
App = Callable[..., Awaitable[None]]

LOWER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
#: The same with upper case, which the specification does not allow.
CAPITALS = re.compile(LOWER.pattern, re.IGNORECASE)
_VALUE = re.compile(rb"[^\x00\r\n]*")
_SCHEMES = {"http": ("http", "https"), "websocket": ("ws", "wss")}


class Broken(AssertionError):
    """A server or an application violates the specification."""


def need(condition: object, what: str) -> None:
    """Raise Broken unless the condition is true."""
    if not condition:
        raise Broken(what)


def strict(app: App, *, name: re.Pattern[bytes] = LOWER) -> App:
    """
    Return the application behind a validator.

    Args:
        name: The pattern of the names of sent headers; Django uses upper case.
    """

    async def refereed(scope: Message, receive: Any, send: Any) -> None:
        check_scope(scope)
        referee = _REFEREES[scope["type"]](scope, receive, send)
        referee.name = name
        await app(scope, referee.receive, referee.send)
        referee.end()

    return refereed


def check_scope(scope: Message) -> None:
    """Refuse an invalid scope."""
    need(isinstance(scope, dict), "the scope is no dict")
    need(scope.get("type") in _REFEREES, f"unknown type of scope {scope.get('type')!r}")
    need(isinstance(scope.get("asgi"), dict) and isinstance(scope["asgi"].get("version"), str), "scope['asgi']")
    need(isinstance(scope.get("state", {}), dict), "scope['state']")
    if scope["type"] == "lifespan":
        return
    need(scope.get("http_version") in ("1.0", "1.1", "2", "3"), "scope['http_version']")
    need(scope.get("scheme", "http") in _SCHEMES[scope["type"]], "scope['scheme']")
    need(isinstance(scope.get("path"), str) and scope["path"].startswith("/"), "scope['path']")
    need(isinstance(scope.get("raw_path", b""), bytes | None), "scope['raw_path']")
    need(isinstance(scope.get("query_string"), bytes), "scope['query_string']")
    need(isinstance(scope.get("root_path", ""), str), "scope['root_path']")
    check_headers(scope.get("headers"))
    if scope["type"] == "http":
        need(isinstance(scope.get("method"), str) and scope["method"].isupper(), "scope['method']")
    for peer in ("client", "server"):
        given = scope.get(peer)
        need(given is None or (len(given) == 2 and isinstance(given[0], str)), f"scope[{peer!r}]")
    need(isinstance(scope.get("extensions", {}), dict | None), "scope['extensions']")


def check_headers(headers: Any, form: re.Pattern[bytes] = LOWER) -> None:
    """Refuse headers that are not pairs of bytes with lower-case names."""
    need(isinstance(headers, list | tuple), f"headers are no list: {headers!r}")
    for pair in headers:
        need(len(pair) == 2, f"a header is no pair: {pair!r}")
        name, value = pair
        need(isinstance(name, bytes) and form.fullmatch(name), f"the name of a header: {name!r}")
        need(isinstance(value, bytes) and _VALUE.fullmatch(value), f"the value of {name!r}: {value!r}")


def check_keys(message: Message, known: dict[str, type | tuple[type, ...]], needed: tuple[str, ...] = ()) -> None:
    """Refuse a message with a missing key, an unknown key, or a value of the wrong type."""
    need(isinstance(message, dict), "a message is no dict")
    kind = message["type"]
    for key in needed:
        need(key in message, f"{kind} without {key!r}")
    for key, value in message.items():
        need(key == "type" or key in known, f"{kind} with an unknown key {key!r}")
        if key != "type":
            wanted = known[key]
            right = isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))
            need(right, f"{kind}: {key!r} is {type(value).__name__}")


class Http:
    """The messages of one request."""

    name = LOWER

    def __init__(self, scope: Message, receive: Any, send: Any) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._asked = True
        self._left = False
        self._status = 0
        self._length: int | None = None
        self._sent = 0
        self._trailers = False
        self._done = False
        self._final = False

    async def receive(self) -> Message:
        """Pass on a message of the server if it is valid."""
        message: Message = await self._receive()
        if message["type"] == "http.disconnect":
            check_keys(message, {})
            self._left = True
        else:
            need(message["type"] == "http.request", f"unexpected {message['type']}")
            need(self._asked and not self._left, "http.request after the request's end")
            check_keys(message, {"body": bytes, "more_body": bool})
            self._asked = message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Pass on a message of the application if it is valid."""
        kind = message["type"]
        need(not self._final, f"{kind} after the answer's end")
        known = {
            "http.response.start": self._start,
            "http.response.body": self._body,
            "http.response.pathsend": self._path,
            "http.response.zerocopysend": self._file,
            "http.response.trailers": self._trailer,
            "http.response.early_hint": self._hint,
            "http.response.push": self._push,
        }
        need(kind in known, f"unknown message {kind}")
        extension = kind in ("http.response.start", "http.response.body") or kind in (
            self._scope.get("extensions") or {}
        )
        need(extension, f"{kind}, which the server did not offer")
        known[kind](message)
        await self._send(message)

    def end(self) -> None:
        """Refuse an application that returned before the end of its response."""
        need(self._left or self._final, "the application returned before the end of its answer")

    def _start(self, message: Message) -> None:
        need(not self._status, "http.response.start twice")
        check_keys(message, {"status": int, "headers": (list, tuple), "trailers": bool}, ("status",))
        need(100 <= message["status"] < 1000, f"status {message['status']}")
        headers = message.get("headers", [])
        check_headers(headers, self.name)
        lengths = [value for name, value in headers if name.lower() == b"content-length"]
        need(len(lengths) < 2, f"several lengths: {lengths}")
        self._length = int(lengths[0]) if lengths else None
        self._status = message["status"]
        self._trailers = message.get("trailers", False)
        if self._status in (204, 304):
            need(self._status != 204 or not lengths, "204 with a length (RFC 9110, section 8.6)")

    def _body(self, message: Message) -> None:
        check_keys(message, {"body": bytes, "more_body": bool})
        self._piece(len(message.get("body", b"")), more=message.get("more_body", False))

    def _path(self, message: Message) -> None:
        check_keys(message, {"path": str}, ("path",))
        need(not self._sent, "http.response.pathsend after a body")
        self._piece(0, more=False, counted=False)

    def _file(self, message: Message) -> None:
        check_keys(message, {"file": object, "offset": int, "count": int, "more_body": bool}, ("file",))
        self._piece(0, more=message.get("more_body", False), counted=False)

    def _piece(self, size: int, *, more: bool, counted: bool = True) -> None:
        need(self._status, "a body before the head")
        need(not self._done, "a body after the body's end")
        self._sent += size
        if self._scope["method"] == "HEAD":
            counted = False  # an application may send a body that the server omits
        empty = self._status in (204, 304) or self._status < 200
        need(not (empty and self._sent), f"{self._sent} bytes where none may be")
        if not more:
            self._done = True
            self._final = not self._trailers
            right = empty or not counted or self._length in (None, self._sent)
            need(right, f"Content-Length {self._length}, and {self._sent} bytes")
        elif self._length is not None and counted:
            need(self._sent <= self._length, f"more than the {self._length} bytes that were announced")

    def _trailer(self, message: Message) -> None:
        check_keys(message, {"headers": (list, tuple), "more_trailers": bool})
        need(self._trailers and self._done, "trailers that were not announced, or before the body's end")
        check_headers(message.get("headers", []))
        self._final = not message.get("more_trailers", False)

    def _hint(self, message: Message) -> None:
        check_keys(message, {"links": (list, tuple)}, ("links",))
        need(not self._status, "early hints after the head")
        need(all(isinstance(link, bytes) for link in message["links"]), "links are no bytes")

    def _push(self, message: Message) -> None:
        check_keys(message, {"path": str, "headers": (list, tuple)}, ("path", "headers"))


class _Table:
    """A state machine: a table of the messages that each state may receive and send, and of the next states."""

    name = LOWER

    states: dict[str, dict[str, str]] = {}
    first = ""
    ends: frozenset[str] = frozenset()

    def __init__(self, scope: Message, receive: Any, send: Any) -> None:
        self._receive, self._send = receive, send
        self._state = self.first

    def _take(self, message: Message, way: str) -> None:
        step = f"{way} {message['type']}"
        need(step in self.states[self._state], f"{step} in the state {self._state}")
        self._state = self.states[self._state][step]

    async def receive(self) -> Message:
        """Pass on a message of the server if it is valid."""
        message: Message = await self._receive()
        self._take(message, "<")
        return message

    async def send(self, message: Message) -> None:
        """Pass on a message of the application if it is valid."""
        self._take(message, ">")
        await self._send(message)

    def end(self) -> None:
        """Refuse an application that returned too early."""
        need(self._state in self.ends, f"the application returned in the state {self._state}")


class Lifespan(_Table):
    """The lifespan protocol."""

    first = "new"
    ends = frozenset({"new", "ended", "failed"})
    states = {
        "new": {"< lifespan.startup": "starting"},
        "starting": {"> lifespan.startup.complete": "up", "> lifespan.startup.failed": "failed"},
        "up": {"< lifespan.shutdown": "ending"},
        "ending": {"> lifespan.shutdown.complete": "ended", "> lifespan.shutdown.failed": "failed"},
        "ended": {},
        "failed": {},
    }


class Websocket(_Table):
    """The WebSocket protocol."""

    first = "new"
    ends = frozenset({"new", "asked", "closed"})
    states = {
        "new": {"< websocket.connect": "asked"},
        "asked": {"> websocket.accept": "open", "> websocket.close": "closed", "< websocket.disconnect": "closed"},
        "open": {
            "< websocket.receive": "open",
            "> websocket.send": "open",
            "> websocket.close": "closed",
            "< websocket.disconnect": "closed",
        },
        "closed": {"< websocket.disconnect": "closed"},
    }


_REFEREES: dict[str, Any] = {"http": Http, "lifespan": Lifespan, "websocket": Websocket}
