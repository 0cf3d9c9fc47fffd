"""
Records one view of one page in a browser: every request with its cause, and everything that was stored.

Theory of operation
-------------------

Two sources are combined. Chromium's DevTools protocol
(https://chromedevtools.github.io/devtools-protocol/tot/Network/) reports the requests and sockets of a page with their
initiator: the line of the HTML, the script with its line and column, or a redirect. Playwright reports all requests of
the page, including those of workers and of frames in other processes, but without an initiator. A request that only
Playwright reports is recorded with its frame. An installed Firefox reports all requests in one way, and
:mod:`consent_mw.audit.firefox` knows which script called for an address.

Cookies are read from the browser. Who set a cookie is known from the response header, or from wrappers around the
page's storage APIs, which are injected before any of its scripts and report names, never values.

A page cannot block a view: each step has a time limit, and a page that makes too many requests or loads too much is
closed. :attr:`~consent_mw.audit.browser_views.LivePage.problems` says what was cut short.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import urlsplit

from consent_mw.audit.browser_scripts import CONSENTS
from consent_mw.audit.browser_scripts import KEPT_IN_FRAME
from consent_mw.audit.browser_scripts import LEAVING
from consent_mw.audit.browser_scripts import STIRRING
from consent_mw.audit.browser_views import Cause
from consent_mw.audit.browser_views import KeptItem
from consent_mw.audit.browser_views import LivePage
from consent_mw.audit.browser_views import LiveRequest
from consent_mw.audit.browser_views import is_identifier
from consent_mw.audit.storage_watch import StorageWatch

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext
    from playwright.async_api import Page

    from consent_mw.audit.firefox_page import FirefoxRequest

__all__ = ["LiveBounds", "PageRecorder"]

#: The longest chain of causes.
_LONGEST_CHAIN = 8
#: How many characters of an address, a request body and a name are kept.
_ADDRESS, _BODY, _NAME = 2_000, 2_000, 120
#: The most names that are kept for one page.
_MOST_NAMES = 1_000
#: The most frames whose storage is read.
_MOST_FRAMES = 30
#: Seconds for closing a window that a page opened.
_CLOSING = 10.0
#: Seconds between two checks whether a page is idle.
_LOOK = 0.05
#: Seconds by which a cookie ends later than before if it was set again.
_RENEWED = 0.05
#: Kinds of requests that do not end.
_OPEN_ENDED = frozenset({"eventsource", "websocket"})


@dataclass(frozen=True, slots=True)
class LiveBounds:
    """
    The limits of one view of a page.

    Args:
        seconds: Time limit for loading, and for each step after it; what happened until then counts.
        size: The most bytes that it may load.
        requests: The most requests that it may make.
        silence: Seconds without a request after which it counts as loaded.
        linger: Seconds for which it is observed after that, to catch timers.
    """

    seconds: float = 20.0
    size: int = 50_000_000
    requests: int = 2_000
    silence: float = 0.4
    linger: float = 1.0


class PageRecorder:
    """
    Records one page from opening to closing.

    Args:
        path: Path and query, for the record.
        origin: Scheme and host of the site.
    """

    def __init__(self, context: BrowserContext, watch: StorageWatch, origin: str, path: str) -> None:
        self.record = LivePage(path)
        self._context = context
        self._watch = watch
        self._origin = origin
        self._page: Page | None = None
        self._bounds = LiveBounds()
        self._causes: dict[str, Cause] = {}
        self._addresses: dict[str, str] = {}
        self._raw: list[tuple[str, str, str]] = []
        self._others: list[tuple[str, str, str]] = []
        self._of_firefox: list[FirefoxRequest] = []
        #: Requests of this page that have not ended, with their addresses.
        self._open: dict[int, str] = {}
        self._changed = time.monotonic()
        self._loaded = 0
        self._has_download = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None
        self._is_stuck = False
        self._has_crashed = False

    @property
    def was_closed(self) -> bool:
        """Whether the page was closed because it exceeded a limit, or its tab crashed."""
        return self._closing is not None or self._has_crashed

    @property
    def _is_chromium(self) -> bool:
        return self._context.browser is not None and self._context.browser.browser_type.name == "chromium"

    @property
    def page(self) -> Page:
        """The page, once it is open."""
        assert self._page is not None  # noqa: S101 -- opened first
        return self._page

    @property
    def _step(self) -> float:
        return self._bounds.seconds

    async def open(self, bounds: LiveBounds) -> None:
        """Open an empty page, and record everything from then on."""
        from playwright.async_api import Error

        self._bounds = bounds
        self._watch.begin()
        page = self._page = await self._context.new_page()
        page.set_default_timeout(bounds.seconds * 1000)
        page.on("dialog", lambda dialog: asyncio.ensure_future(_dismissed(dialog)))
        page.on("download", self._downloads)
        page.on("crash", self._crashed)
        page.on("popup", lambda popup: asyncio.ensure_future(_closed(popup)))
        self._context.on("request", self._began)
        self._context.on("requestfinished", self._ended)
        self._context.on("requestfailed", self._ended)
        if self._is_chromium:
            session = await self._context.new_cdp_session(page)
            session.on("Network.requestWillBeSent", self._sent)
            session.on("Network.webSocketCreated", self._socket)
            session.on("Network.webTransportCreated", self._socket)
            session.on("Network.responseReceivedExtraInfo", self._answered)
            session.on("Network.dataReceived", self._received)
            await session.send("Network.enable")
            with suppress(Error):  # fails if scripts are disabled
                # To know the cause of what starts asynchronously (a picture, a timer), too.
                await session.send("Debugger.enable")
                await session.send("Debugger.setSkipAllPauses", {"skip": True})
                await session.send("Debugger.setAsyncCallStackDepth", {"maxDepth": 8})

    async def visit(self) -> None:
        """Navigate to the page, and wait until it is idle."""
        from playwright.async_api import Error
        from playwright.async_api import TimeoutError as TookTooLong

        deadline = time.monotonic() + self._bounds.seconds
        try:
            await self.page.goto(self._origin + self.record.path, wait_until="commit")
            await self._loaded_or_left(max(deadline - time.monotonic(), 0.1))
        except TookTooLong:
            self._problem(f"it was still loading after {self._bounds.seconds:g} seconds")
        except Error as error:
            if "Download is starting" not in error.message:
                self._problem(_first_line(error.message))
                return
        await self.settle(max(deadline - time.monotonic(), 0.1))

    async def stir(self) -> None:
        """
        Do what a visitor does first: scroll, move, and wait; then wait until the page is idle again.

        Lazy parts of the page load, and so does what waits for a movement or for a timer.

        Raises:
            TimeoutError: its scripts do not end.
        """
        from playwright.async_api import Error

        try:
            await asyncio.wait_for(
                self.page.evaluate(STIRRING.replace("STIR", json.dumps(self._watch.stir))), self._step
            )
        except TimeoutError:
            self._is_stuck = True
            raise
        except Error:
            pass  # it has navigated to another page meanwhile
        await asyncio.sleep(self._bounds.linger)
        await self.settle(self._bounds.seconds)

    async def _loaded_or_left(self, seconds: float) -> None:
        """Wait until the page is loaded, or a download has taken its place: then it never is."""
        loading = asyncio.ensure_future(self.page.wait_for_load_state("load", timeout=seconds * 1000))
        leaving = asyncio.ensure_future(self._has_download.wait())
        await asyncio.wait((loading, leaving), return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if loading.done():
            loading.result()
        else:
            loading.cancel()

    async def settle(self, seconds: float) -> None:
        """Wait until the page makes no more requests, for at most that many seconds."""
        until = time.monotonic() + seconds
        while self._is_waiting() or time.monotonic() - self._changed < self._bounds.silence:
            if time.monotonic() > until:
                self._problem(f"it was still loading after {self._bounds.seconds:g} seconds")
                return
            if self._closing is not None:
                return
            await asyncio.sleep(_LOOK)

    def forget(self) -> None:
        """Discard what was recorded so far: only what follows counts."""
        self._raw.clear()
        self._others.clear()
        self._of_firefox.clear()
        self._changed = time.monotonic()

    async def end(self) -> LivePage:
        """Read what was stored, close the page, and return the record."""
        from playwright.async_api import Error

        if not self._is_stuck:
            with suppress(Error, TimeoutError):
                await self._read_storage()
                self.record.told = tuple(
                    (str(queue_and_signal), value == "granted")
                    for queue_and_signal, value in await asyncio.wait_for(self.page.evaluate(CONSENTS), self._step)
                )
            with suppress(Error, TimeoutError):
                await asyncio.wait_for(self.page.evaluate(LEAVING), self._step)
                await asyncio.sleep(_LOOK * 2)
                if not self._is_chromium:
                    # Firefox reports a request from another process than the one that made it.
                    self._changed = time.monotonic()
                    await self.settle(self._step)
        with suppress(Error, TimeoutError):
            await asyncio.wait_for(self.page.close(), self._step)
        for name, listener in (
            ("request", self._began),
            ("requestfinished", self._ended),
            ("requestfailed", self._ended),
        ):
            self._context.remove_listener(name, listener)
        with suppress(Error, TimeoutError):
            await asyncio.wait_for(self._read_cookies(), self._step)
        self.record.requests = self._requests()
        for blind in sorted(self._watch.unseen):
            self._problem(f"{blind} are not seen")
        self.record.traits = {script: tuple(sorted(read)) for script, read in self._watch.traits.items()}
        return self.record

    # -- events

    def _crashed(self, _: Any) -> None:
        """Note the crash; all that fails from then on fails because of it."""
        self._problem("the tab crashed")
        self._has_crashed = self._is_stuck = True

    def _problem(self, text: str) -> None:
        if not self._has_crashed and text not in self.record.problems:
            self.record.problems.append(text)

    def _too_much(self, text: str) -> None:
        self._problem(text)
        if self._closing is None:
            self._closing = asyncio.ensure_future(_closed(self.page))

    def _began(self, request: Any) -> None:
        self._changed = time.monotonic()
        if request.resource_type not in _OPEN_ENDED and self._is_own(request):
            self._open[id(request)] = request.url
        if len(self._others) + len(self._of_firefox) >= self._bounds.requests:
            self._too_much(f"it made more than {self._bounds.requests:,} requests")
            return
        if not self._is_chromium:
            self._of_firefox.append(request)
            return
        if request.url.startswith(("http:", "https:")):
            frame = ""
            with suppress(Exception):  # the request of a service worker has no frame
                frame = request.frame.url
            self._others.append((request.url[:_ADDRESS], request.resource_type, frame))

    def _is_own(self, request: Any) -> bool:
        """Return whether a request is not one of a window that the page opened, whose end is not reported."""
        try:
            return request.frame.page is self._page
        except Exception:  # the request of a service worker, or the first one of another window
            return not request.is_navigation_request()

    def _is_waiting(self) -> bool:
        """Return whether a request has not ended, but for the scripts of shared workers, whose end is not reported."""
        blind = tuple(self._watch.unseen)
        return any(not any(one.endswith(f" {urlsplit(url).path}") for one in blind) for url in self._open.values())

    def _downloads(self, download: Any) -> None:
        """Cancel a download, whose request never ends."""
        self._open = {id_: url for id_, url in self._open.items() if url != download.url}
        self._has_download.set()
        asyncio.ensure_future(_cancelled(download))

    def _ended(self, request: Any) -> None:
        self._changed = time.monotonic()
        self._open.pop(id(request), None)
        if not self._is_chromium:
            self._count(request.received)
            for name in request.cookies_set:
                self._watch.set_by_header(name, request.url)

    def _sent(self, event: Mapping[str, Any]) -> None:
        self._changed = time.monotonic()
        asked, url = event["request"], event["request"]["url"][:_ADDRESS]
        if not url.startswith(("http:", "https:")) or len(self._raw) >= self._bounds.requests:
            return
        if before := event.get("redirectResponse"):
            cause = Cause("redirect", before["url"][:_ADDRESS])
        else:
            cause = _cause_of(event.get("initiator", {}), event.get("documentURL", ""))
        self._causes.setdefault(url, cause)
        self._addresses[event["requestId"]] = url
        self._raw.append((url, event.get("type", "other").lower(), str(asked.get("postData", ""))[:_BODY]))

    def _socket(self, event: Mapping[str, Any]) -> None:
        url = event["url"][:_ADDRESS]
        self._causes.setdefault(url, _cause_of(event.get("initiator", {}), ""))
        if len(self._raw) < self._bounds.requests:
            self._raw.append((url, "websocket", ""))

    def _answered(self, event: Mapping[str, Any]) -> None:
        url = self._addresses.get(event["requestId"], "")
        for name, value in event.get("headers", {}).items():
            if name.lower() == "set-cookie":
                for line in value.split("\n"):
                    self._watch.set_by_header(line.partition("=")[0].strip(), url)

    def _received(self, event: Mapping[str, Any]) -> None:
        self._count(event.get("dataLength", 0))

    def _count(self, size: int) -> None:
        self._loaded += size
        if self._loaded > self._bounds.size:
            self._too_much(f"it loaded more than {self._bounds.size:,} bytes")

    # -- the end of a view

    async def _read_storage(self) -> None:
        seen: set[tuple[str, str, str]] = set()
        for frame in self.page.frames[:_MOST_FRAMES]:
            parts = urlsplit(frame.url)
            origin = f"{parts.scheme}://{parts.netloc}"
            if parts.scheme not in ("http", "https"):
                continue
            found = await asyncio.wait_for(frame.evaluate(KEPT_IN_FRAME), self._step)
            for kind, name, is_id in found:
                if (kind, name, origin) not in seen and len(seen) < _MOST_NAMES:
                    seen.add((kind, name, origin))
                    setter = self._watch.setters.get((kind, name), "")
                    self.record.kept.append(KeptItem(kind, name, origin, 0, setter, is_id=bool(is_id)))

    async def _read_cookies(self) -> None:
        now = time.time()
        for cookie in (await self._context.cookies())[:_MOST_NAMES]:
            name, expires = cookie.get("name", "")[:_NAME], cookie.get("expires", -1)
            days = max(0, round((expires - now) / 86_400)) if expires > 0 else 0
            setter, domain = self._watch.setters.get(("cookie", name), ""), cookie.get("domain", "")
            before = self._watch.ends.get((name, domain), expires)
            self._watch.ends[name, domain] = expires
            renewed, is_id = expires > before + _RENEWED, is_identifier(cookie.get("value", ""))
            self.record.kept.append(KeptItem("cookie", name, domain, days, setter, is_id=is_id, is_renewed=renewed))

    def _requests(self) -> list[LiveRequest]:
        self._explain_firefox()
        known = {url for url, _, _ in self._raw}
        bodies = self._watch.bodies
        found = [LiveRequest(url, kind, self._chain(url), body or bodies.get(url, "")) for url, kind, body in self._raw]
        for url, cause in self._watch.peers.items():
            address = "stun://" + url.partition(":")[2].partition("?")[0]
            found.append(LiveRequest(address[:_ADDRESS], "webrtc", (cause, *self._chain(cause.url))))
        for url, kind, frame in self._others:
            if url not in known:
                known.add(url)
                cause = Cause("frame", frame) if frame and frame != url else Cause("worker", "")
                found.append(LiveRequest(url, kind, (cause, *self._chain(frame))))
        return found

    def _explain_firefox(self) -> None:
        """Add the requests in Firefox, whose causes and bodies are complete only now."""
        for request in self._of_firefox:
            callers, document = request.frame.page.context.callers, request.frame.document[:_ADDRESS]
            url, kind = request.url.partition("#")[0][:_ADDRESS], request.resource_type
            if url not in callers and (socket := url.replace("http", "ws", 1)) in callers:
                url, kind = socket, "websocket"
            if request.redirected_from:
                cause = Cause("redirect", request.redirected_from[:_ADDRESS])
            else:
                cause = callers.get(url) or Cause("visit" if document in (url, "about:blank") else "frame", document)
            self._causes.setdefault(url, cause)
            self._raw.append((url, kind, (request.post_data_buffer or b"").decode("utf-8", "replace")[:_BODY]))

    def _chain(self, url: str) -> tuple[Cause, ...]:
        """Return the chain of causes of a request, up to the page itself."""
        chain: list[Cause] = []
        while (cause := self._causes.get(url)) and cause not in chain and len(chain) < _LONGEST_CHAIN:
            chain.append(cause)
            url = cause.url
        return tuple(chain)


def _cause_of(initiator: Mapping[str, Any], document: str) -> Cause:
    """Return the cause of a request from the protocol's initiator, whose lines and columns count from 0."""
    stack = initiator.get("stack")
    while stack:
        for frame in stack.get("callFrames", ()):
            if frame.get("url", "").startswith(("http:", "https:")):
                return Cause("script", frame["url"][:_ADDRESS], frame["lineNumber"] + 1, frame["columnNumber"] + 1)
        stack = stack.get("parent")
    if url := initiator.get("url", ""):
        how = "parser" if initiator.get("type") == "parser" else "script"
        line = initiator.get("lineNumber")
        column = initiator.get("columnNumber", 0)
        return Cause(how, url[:_ADDRESS], int(line) + 1 if line is not None else 0, int(column) + 1)
    return Cause("visit", document[:_ADDRESS])


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0][:200] if lines else "it could not be opened"


async def _dismissed(dialog: Any) -> None:
    with suppress(Exception):  # the page may be gone by now
        await dialog.dismiss()


async def _cancelled(download: Any) -> None:
    with suppress(Exception):
        await download.cancel()


async def _closed(page: Page) -> None:
    with suppress(Exception):
        await asyncio.wait_for(page.close(), _CLOSING)
