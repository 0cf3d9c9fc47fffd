"""
An installed Firefox, behind the part of Playwright's interface that the audit uses.

Playwright drives its own patched build of Firefox. It can drive an installed Firefox only from a version that is newer
than the long-term releases. So :class:`Firefox` and the classes below it offer methods with the names and errors of
Playwright's, on top of :mod:`consent_mw.audit.bidi`. A profile is a user context of the protocol.

Firefox does not report the cause of a request. So wrappers around the APIs that load something are injected before any
script of a page, and report each address with the place in the script that called them. A request that no wrapper
reported was started by markup or a style sheet: its cause is the document. :data:`BLIND_SPOTS` lists what is missed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import secrets
import time
from collections.abc import AsyncIterator
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import asynccontextmanager
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Error

from consent_mw.audit.bidi import STARTING
from consent_mw.audit.bidi import BidiConnection
from consent_mw.audit.bidi import firefox_process
from consent_mw.audit.browser_views import Cause
from consent_mw.audit.browser_views import cause_in_stack
from consent_mw.audit.firefox_page import Emitter
from consent_mw.audit.firefox_page import FirefoxFrame
from consent_mw.audit.firefox_page import FirefoxPage
from consent_mw.audit.firefox_page import FirefoxRequest

__all__ = ["BLIND_SPOTS", "Firefox", "FirefoxRoute", "running_firefox"]

#: What the audit sees in Chromium but not in Firefox.
BLIND_SPOTS = (
    "Firefox cannot be told to switch scripts off: these visits were not made",
    "Firefox does not report requests of service workers and of shared workers",
    "Firefox does not tell which line of markup or style sheet started a request: its cause is the page",
)
_EVENTS = (
    "browsingContext.contextCreated",
    "browsingContext.contextDestroyed",
    "browsingContext.load",
    "browsingContext.navigationCommitted",
    "browsingContext.navigationFailed",
    "network.beforeRequestSent",
    "network.fetchError",
    "network.responseCompleted",
    "script.message",
)
#: How many bytes of a request's body are kept, and how many addresses of callers.
_BODY, _MOST_CALLERS = 100_000, 5_000
#: Playwright's names of the types of resources, by destination and by initiator.
_KINDS = {"style": "stylesheet", "iframe": "document", "frame": "document", "audio": "media", "video": "media"}
_BY_INITIATOR = {"xmlhttprequest": "xhr", "beacon": "ping", "css": "stylesheet", "img": "image"}

#: Reports which script asks for which address.
_CALLING = """(() => {
  const tell = globalThis[NAME];
  delete globalThis[NAME];
  if (!tell) return;
  const known = new Set();
  const said = address => {
    try {
      const url = new URL(String(address && address.url || address), document.baseURI).href.split('#')[0];
      if (known.has(url) || known.size > 2000 || !/^(https?|wss?):/.test(url)) return;
      known.add(url);
      tell(JSON.stringify([url, (new Error().stack || '').slice(0, 2000)]));
    } catch {}
  };
  const wrap = (owner, name, place) => {
    const own = owner && owner[name];
    if (own) owner[name] = function (...given) { said(given[place]); return own.apply(this, given); };
  };
  wrap(globalThis, 'fetch', 0);
  wrap(globalThis.XMLHttpRequest && XMLHttpRequest.prototype, 'open', 1);
  wrap(globalThis.Navigator && Navigator.prototype, 'sendBeacon', 0);
  for (const name of ['WebSocket', 'EventSource', 'Worker', 'SharedWorker']) if (globalThis[name])
    globalThis[name] = new Proxy(globalThis[name], {
      construct(own, given, target) { said(given[0]); return Reflect.construct(own, given, target); } });
  const setters = { HTMLImageElement: 'src', HTMLScriptElement: 'src', HTMLIFrameElement: 'src',
    HTMLLinkElement: 'href', HTMLMediaElement: 'src', HTMLEmbedElement: 'src', HTMLObjectElement: 'data' };
  for (const [type, name] of Object.entries(setters)) {
    const proto = globalThis[type] && globalThis[type].prototype;
    const own = proto && Object.getOwnPropertyDescriptor(proto, name);
    if (own && own.set) Object.defineProperty(proto, name, {
      ...own, set(value) { said(value); return own.set.call(this, value); } });
  }
  const set = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) {
    if (/^(src|href|data)$/i.test(name) && this.localName !== 'a') said(value);
    return set.call(this, name, value);
  };
})()"""


class _Named:
    """Playwright's ``browser_type``."""

    name = "firefox"


class Firefox:
    """A running Firefox."""

    browser_type = _Named()

    def __init__(self, address: str) -> None:
        self.version = ""
        self.contexts: dict[str, FirefoxContext] = {}
        #: The frames by their id.
        self.frames: dict[str, FirefoxFrame] = {}
        self._requests: dict[str, FirefoxRequest] = {}
        self.connection = BidiConnection(address, self._event)

    async def begin(self) -> None:
        """Begin the session."""
        wanted = {"acceptInsecureCerts": True, "unhandledPromptBehavior": {"default": "dismiss"}}
        session = await self.connection.command("session.new", STARTING, capabilities={"alwaysMatch": wanted})
        self.version = str(session["capabilities"]["browserVersion"])
        await self.connection.command("session.subscribe", events=list(_EVENTS))
        await self.connection.command("network.addDataCollector", dataTypes=["request"], maxEncodedDataSize=_BODY)

    async def new_context(self, **options: Any) -> FirefoxContext:
        """Return a new profile; the options are Playwright's, of which it knows ``storage_state`` and ``viewport``."""
        made = await self.connection.command("browser.createUserContext")
        context = self.contexts[made["userContext"]] = FirefoxContext(self, made["userContext"], options)
        await context.begin()
        return context

    async def close(self) -> None:
        """End the session."""
        with suppress(Error):
            await self.connection.command("browser.close", 5)
        await self.connection.close()

    def _event(self, method: str, event: Mapping[str, Any]) -> None:
        if method == "script.message":
            for context in self.contexts.values():
                context.heard(event["channel"], event["data"].get("value"))
            return
        if method.startswith("browsingContext."):
            self._about_frame(method.partition(".")[2], event)
            return
        request = self._requests.get(event["request"]["request"])
        if method == "network.beforeRequestSent":
            self._asked(event, request)
        elif request is not None:
            response = event.get("response", {})
            # A response that the audit itself supplied has a size, but was not received.
            request.received = max(response.get("bytesReceived") or 0, response.get("bodySize") or 0)
            names = (one["value"].get("value", "") for one in response.get("headers", ()) if _is(one, "set-cookie"))
            request.cookies_set = [line.partition("=")[0].strip() for value in names for line in value.split("\n")]
            request.frame.page.context.emit("requestfinished" if response else "requestfailed", request)

    def _about_frame(self, what: str, event: Mapping[str, Any]) -> None:
        id_ = event["context"]
        if what == "contextCreated":
            context, above = self.contexts.get(event["userContext"]), self.frames.get(event["parent"] or "")
            if above is not None:
                self.frames[id_] = FirefoxFrame(above.page, id_, event["url"], above)
            elif context is not None:
                page = FirefoxPage(context, id_)
                self.frames[id_] = page.main_frame
                opener = self.frames.get(event.get("originalOpener") or "")
                if opener is not None:
                    opener.page.emit("popup", page)
        elif (frame := self.frames.get(id_)) is not None:
            if what == "contextDestroyed":
                del self.frames[id_]
            else:
                frame.url = event.get("url", frame.url)
            if frame is frame.page.main_frame:
                frame.page.happened(what)

    def _asked(self, event: Mapping[str, Any], before: FirefoxRequest | None) -> None:
        frame, asked = self.frames.get(event["context"] or ""), event["request"]
        if frame is None or not asked["url"].startswith(("http:", "https:")):
            return
        headers = {one["name"].lower(): one["value"].get("value", "") for one in asked["headers"]}
        url, kind = asked["url"], asked["destination"] or asked["initiatorType"] or "other"
        kind = _KINDS.get(kind) or _BY_INITIATOR.get(kind) or kind
        if headers.get("accept") == "text/event-stream":
            kind = "eventsource"
        redirected = ""
        if before is not None and event["redirectCount"]:
            redirected = before.url
            before.frame.page.context.emit("requestfinished", before)
        request = FirefoxRequest(asked["request"], url, asked["method"], kind, frame, headers, redirected)
        self._requests[request.id] = request
        context = frame.page.context
        context.emit("request", request)
        if asked["bodySize"] or event["isBlocked"]:
            context.work(self._follow(request, has_body=bool(asked["bodySize"]), blocked=event["isBlocked"]))

    async def _follow(self, request: FirefoxRequest, *, has_body: bool, blocked: bool) -> None:
        """Read the body of a request, and answer the request if it waits for an answer."""
        if has_body:
            with suppress(Error):  # too long, or gone
                data = await self.connection.command("network.getData", request=request.id, dataType="request")
                value = data["bytes"]["value"]
                is_text = data["bytes"]["type"] == "string"
                request.post_data_buffer = value.encode() if is_text else base64.b64decode(value)
        if blocked:
            await request.frame.page.context.answer(FirefoxRoute(self.connection, request))


def _is(header: Mapping[str, Any], name: str) -> bool:
    return str(header["name"]).lower() == name


@dataclass(frozen=True)
class FirefoxRoute:
    """A request that is paused until the audit decides about it."""

    connection: BidiConnection
    request: FirefoxRequest

    async def abort(self) -> None:
        """Make the request fail."""
        with suppress(Error):  # the page may be gone
            await self.connection.command("network.failRequest", request=self.request.id)

    async def go_on(self) -> None:
        """Send the request to the network."""
        with suppress(Error):
            await self.connection.command("network.continueRequest", request=self.request.id)

    async def fulfill(self, *, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Supply the response; several values of ``set-cookie`` are separated by line feeds."""
        context = self.request.frame.page.context
        for line in headers.get("set-cookie", "").split("\n"):
            # Firefox ignores the cookies of an answer that is given here.
            if line.strip():
                await context.take_cookie(line, self.request.url)
        lines = [(name, value) for name, values in headers.items() for value in values.split("\n")]
        await self.connection.command(
            "network.provideResponse",
            request=self.request.id,
            statusCode=status,
            reasonPhrase="",
            headers=[{"name": name, "value": {"type": "string", "value": value}} for name, value in lines],
            body={"type": "base64", "value": base64.b64encode(body).decode()},
        )


class FirefoxContext(Emitter):
    """A profile, with its own cookies and storage."""

    def __init__(self, browser: Firefox, id_: str, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.browser = browser
        self.id = id_
        #: The place in a script that requested an address.
        self.callers: dict[str, Cause] = {}
        self._options = options
        self._bindings: dict[str, Callable[[object, object], object]] = {}
        self._routes: list[tuple[re.Pattern[str], Callable[[FirefoxRoute], Any]]] = []
        self._tasks: set[asyncio.Future[None]] = set()

    async def begin(self) -> None:
        """Prepare the profile."""
        await self._command("browser.setDownloadBehavior", downloadBehavior={"type": "denied"}, userContexts=[self.id])
        name = "_" + secrets.token_hex(8)
        await self.expose_binding(name, self._called)
        await self.add_init_script(_CALLING.replace("NAME", json.dumps(name)))
        state = self._options.get("storage_state") or {}
        await self.add_cookies(state.get("cookies", ()))
        for origin in state.get("origins", ()):
            items = {one["name"]: one["value"] for one in origin.get("localStorage", ())}
            script = f"""if (location.origin === {json.dumps(origin["origin"])})
              for (const [name, value] of Object.entries({json.dumps(items)}))
                if (localStorage.getItem(name) === null) localStorage.setItem(name, value)"""
            await self.add_init_script(f"(() => {{ {script} }})()")

    async def _command(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        return await self.browser.connection.command(method, **parameters)

    @property
    def _partition(self) -> dict[str, str]:
        return {"type": "storageKey", "userContext": self.id}

    async def new_page(self) -> FirefoxPage:
        """Open an empty page."""
        made = await self._command("browsingContext.create", type="window", userContext=self.id)
        page = self.browser.frames[made["context"]].page
        size = self._options.get("viewport") or {"width": 1280, "height": 720}
        await self._command("browsingContext.setViewport", context=page.id, viewport=dict(size))
        return page

    async def add_init_script(self, script: str) -> None:
        """Run a script in every document before the document's own scripts."""
        await self._command(
            "script.addPreloadScript", functionDeclaration=f"() => {{ {script} }}", userContexts=[self.id]
        )

    async def expose_binding(self, name: str, heard: Callable[[object, object], object]) -> None:
        """Add a function to every document, which passes its argument to ``heard``."""
        channel = f"{self.id}-{name}"
        self._bindings[channel] = heard
        await self._command(
            "script.addPreloadScript",
            functionDeclaration=f"(tell) => {{ globalThis[{json.dumps(name)}] = text => tell(text) }}",
            arguments=[{"type": "channel", "value": {"channel": channel}}],
            userContexts=[self.id],
        )

    def heard(self, channel: str, text: object) -> None:
        """Pass a message from a document to the function that was bound to its channel."""
        if channel in self._bindings:
            self._bindings[channel](None, text)

    def _called(self, _: object, text: object) -> None:
        with suppress(ValueError, TypeError):
            url, stack = json.loads(str(text))
            if len(self.callers) < _MOST_CALLERS and (cause := cause_in_stack(str(stack))):
                self.callers.setdefault(str(url), cause)

    async def set_extra_http_headers(self, headers: Mapping[str, str]) -> None:
        """Send headers with every request."""
        lines = [{"name": name, "value": {"type": "string", "value": value}} for name, value in headers.items()]
        await self._command("network.setExtraHeaders", headers=lines, userContexts=[self.id])

    async def route(self, pattern: re.Pattern[str], answer: Callable[[FirefoxRoute], Any]) -> None:
        """Let a function decide about requests whose addresses match a pattern."""
        if not any(context._routes for context in self.browser.contexts.values()):
            await self._command("network.addIntercept", phases=["beforeRequestSent"])
        self._routes.append((pattern, answer))

    async def answer(self, route: FirefoxRoute) -> None:
        """Decide about a paused request."""
        for pattern, answer in self._routes:
            if pattern.match(route.request.url):
                await answer(route)
                return
        await route.go_on()

    def work(self, coroutine: Any) -> None:
        """Run a task in the background; errors are ignored, since they come from pages that are gone."""

        async def do() -> None:
            with suppress(Error):
                await coroutine

        task = asyncio.ensure_future(do())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- cookies

    async def cookies(self, url: str = "") -> list[dict[str, Any]]:
        """Return the cookies for a URL, or all of them."""
        found = await self._command("storage.getCookies", partition=self._partition)
        host, path = urlsplit(url).hostname or "", urlsplit(url).path or "/"
        return [
            {
                "name": one["name"],
                "value": one["value"].get("value", ""),
                "domain": one["domain"],
                "path": one["path"],
                "expires": one.get("expiry", -1),
            }
            for one in found["cookies"]
            if not url or (_fits(host, one["domain"]) and path.startswith(one["path"].rstrip("/") or "/"))
        ]

    async def add_cookies(self, cookies: Sequence[Mapping[str, Any]]) -> None:
        """Set cookies, given with a ``url``, or with ``domain`` and ``path``."""
        for one in cookies:
            parts = urlsplit(one.get("url", ""))
            cookie: dict[str, Any] = {
                "name": one["name"],
                "value": {"type": "string", "value": one["value"]},
                "domain": one.get("domain") or parts.hostname or "",
                "path": one.get("path", "/"),
                "httpOnly": bool(one.get("httpOnly")),
                "secure": bool(one.get("secure", parts.scheme == "https")),
            }
            if one.get("sameSite"):
                cookie["sameSite"] = str(one["sameSite"]).lower()
            if (expires := one.get("expires", -1)) is not None and expires > 0:
                cookie["expiry"] = round(expires)
            await self._command("storage.setCookie", cookie=cookie, partition=self._partition)

    async def take_cookie(self, line: str, url: str) -> None:
        """Carry out a ``Set-Cookie`` header."""
        pair, *attributes = line.split(";")
        name, _, value = pair.strip().partition("=")
        given = {key.strip().lower(): text.strip() for key, _, text in (one.partition("=") for one in attributes)}
        expires = -1.0
        with suppress(ValueError):
            if "max-age" in given:
                expires = time.time() + int(given["max-age"])
            elif "expires" in given:
                expires = parsedate_to_datetime(given["expires"]).timestamp()
        cookie = {
            "name": name,
            "value": value,
            "domain": given.get("domain") or urlsplit(url).hostname,
            "path": given.get("path") or "/",
            "httpOnly": "httponly" in given,
            "secure": "secure" in given,
            "sameSite": given.get("samesite"),
            "expires": expires,
        }
        with suppress(Error):  # a browser refuses some cookies, too
            if -1 < expires <= time.time():
                await self._command("storage.deleteCookies", filter={"name": name}, partition=self._partition)
            else:
                await self.add_cookies([cookie])

    async def close(self) -> None:
        """Remove the profile with its pages."""
        await self._command("browser.removeUserContext", userContext=self.id)
        self.browser.contexts.pop(self.id, None)


def _fits(host: str, domain: str) -> bool:
    return host == domain.lstrip(".") or (domain.startswith(".") and host.endswith(domain))


@asynccontextmanager
async def running_firefox(path: str, hosts: Sequence[str]) -> AsyncIterator[Firefox]:
    """
    Start a Firefox that can reach only these hosts.

    Raises:
        Error: it does not start.
    """
    async with firefox_process(path, hosts) as address:
        firefox = Firefox(address)
        try:
            await firefox.begin()
            yield firefox
        finally:
            await firefox.close()
