"""A tab of an installed Firefox, with its documents, elements and requests; see :mod:`consent_mw.audit.firefox`."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Callable
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

from playwright.async_api import Error
from playwright.async_api import TimeoutError as TookTooLong

if TYPE_CHECKING:
    from consent_mw.audit.firefox import FirefoxContext

__all__ = ["Emitter", "FirefoxFrame", "FirefoxLocator", "FirefoxPage", "FirefoxRequest"]

#: Seconds between two attempts to click.
_AGAIN = 0.05
#: Finds the elements of a locator, in open shadow trees, too.
_FINDING = """(wanted) => {
  const all = root => [...root.querySelectorAll(wanted.css),
    ...[...root.querySelectorAll('*')].flatMap(el => el.shadowRoot ? all(el.shadowRoot) : [])];
  const visible = el => { const box = el.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && getComputedStyle(el).visibility === 'visible'; };
  const text = el => (el.localName === 'input' ? el.value : el.textContent || '').replace(/\\s+/g, ' ').trim();
  let found = all(document);
  if (wanted.text) { const is = new RegExp(wanted.text, 'i'); found = found.filter(el => is.test(text(el))); }
  if (wanted.visible) found = found.filter(visible);
  return { found, one: found[wanted.place || 0], visible };
}"""


class Emitter:
    """Playwright's ``on`` and ``remove_listener``."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Callable[[Any], Any]]] = {}

    def on(self, name: str, listener: Callable[[Any], Any]) -> None:
        """Call a function on each event of that name."""
        self._listeners.setdefault(name, []).append(listener)

    def remove_listener(self, name: str, listener: Callable[[Any], Any]) -> None:
        """Stop calling a function."""
        with suppress(KeyError, ValueError):
            self._listeners[name].remove(listener)

    def emit(self, name: str, value: Any) -> None:
        """Call the listeners of an event."""
        for listener in list(self._listeners.get(name, ())):
            listener(value)


@dataclass(eq=False)
class FirefoxRequest:
    """A request, with Playwright's names where it has them."""

    id: str
    url: str
    method: str
    resource_type: str
    frame: FirefoxFrame
    headers: dict[str, str]
    #: The address that redirected to it.
    redirected_from: str = ""
    post_data_buffer: bytes | None = None
    #: The names of the cookies that its response set, and the bytes that it received.
    cookies_set: list[str] = field(default_factory=list)
    received: int = 0


@dataclass(eq=False)
class FirefoxFrame:
    """A document in a page."""

    page: FirefoxPage
    id: str
    url: str
    above: FirefoxFrame | None = None

    @property
    def document(self) -> str:
        """The address of the document, or that of the document around it as long as it has none."""
        return self.url if self.above is None or self.url.startswith("http") else self.above.document

    async def evaluate(self, script: str) -> Any:
        """Return the value of a JavaScript expression, or of a function without arguments."""
        value = "typeof it === 'function' ? await it() : it"
        wrapped = f"async () => {{ const it = ({script}); return JSON.stringify({value}) }}"
        return await self.page.call(self.id, wrapped)


class FirefoxPage(Emitter):
    """A tab."""

    def __init__(self, context: FirefoxContext, id_: str) -> None:
        super().__init__()
        self.context = context
        self.id = id_
        self.main_frame = FirefoxFrame(self, id_, "about:blank")
        self._was: set[str] = set()
        self._seconds = 30.0

    @property
    def frames(self) -> list[FirefoxFrame]:
        """All documents in the page."""
        return [frame for frame in self.context.browser.frames.values() if frame.page is self]

    def set_default_timeout(self, milliseconds: float) -> None:
        """Set the time limit for loading a page, in milliseconds."""
        self._seconds = milliseconds / 1000

    def happened(self, what: str) -> None:
        """Record the progress of the navigation."""
        self._was.add(what)
        self.emit("state", what)

    async def _until(self, wanted: str, seconds: float) -> None:
        """
        Wait until the navigation reaches a state.

        Raises:
            Error: it fails, or as TimeoutError of Playwright's, if it takes too long.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def look(_: object = None) -> None:
            if self._was & {wanted, "navigationFailed", "contextDestroyed"} and not done.done():
                done.set_result(None)

        self.on("state", look)
        look()
        try:
            await asyncio.wait_for(done, seconds)
        except TimeoutError:
            raise TookTooLong(f"no {wanted} within {seconds:g} seconds") from None
        finally:
            self.remove_listener("state", look)
        if "contextDestroyed" in self._was:
            raise Error("the page was closed")
        if wanted not in self._was:
            raise Error("the page could not be opened")

    async def goto(self, url: str, wait_until: str = "commit") -> None:
        """Navigate, and wait until the document begins."""
        self._was.clear()
        command = self.context.browser.connection.command
        await command("browsingContext.navigate", self._seconds, context=self.id, url=url, wait="none")
        await self._until("navigationCommitted", self._seconds)

    async def wait_for_load_state(self, state: str, timeout: float) -> None:
        """Wait until the document is loaded, for so many milliseconds."""
        await self._until("load", timeout / 1000)

    async def call(self, frame: str, function: str, *given: object) -> Any:
        """Call a function that returns JSON, and return the value."""
        found = await self.call_for(frame, function, *given)
        text = found.get("value")
        return json.loads(text) if isinstance(text, str) else None

    async def call_for(self, frame: str, function: str, *given: object) -> Mapping[str, Any]:
        """
        Call a function with arguments, and return the protocol's value.

        Raises:
            Error: it throws.
        """
        answer = await self.context.browser.connection.command(
            "script.callFunction",
            functionDeclaration=f"(...given) => ({function})(...given.map(text => JSON.parse(text)))",
            arguments=[{"type": "string", "value": json.dumps(one)} for one in given],
            target={"context": frame},
            awaitPromise=True,
        )
        if answer["type"] == "exception":
            raise Error(str(answer["exceptionDetails"].get("text", "it threw")))
        found: Mapping[str, Any] = answer["result"]
        return found

    async def evaluate(self, script: str) -> Any:
        """Return the value of a JavaScript expression, or of a function without arguments."""
        return await self.main_frame.evaluate(script)

    async def screenshot(self, animations: str = "allow") -> bytes:
        """Return a PNG of the window."""
        found = await self.context.browser.connection.command("browsingContext.captureScreenshot", context=self.id)
        return base64.b64decode(found["data"])

    def locator(self, css: str) -> FirefoxLocator:
        """Return the elements that a selector finds."""
        visible = css.endswith(":visible")
        return FirefoxLocator(self, css.removesuffix(":visible"), visible=visible)

    async def close(self) -> None:
        """Close the tab."""
        await self.context.browser.connection.command("browsingContext.close", context=self.id)


@dataclass(frozen=True)
class FirefoxLocator:
    """Elements of a page, which are looked up again on each use."""

    page: FirefoxPage
    css: str
    text: str = ""
    place: int = 0
    visible: bool = False

    async def _ask(self, what: str) -> Any:
        wanted = {"css": self.css, "text": self.text, "place": self.place, "visible": self.visible}
        function = f"(wanted) => {{ const at = ({_FINDING})(wanted); return JSON.stringify({what}) }}"
        return await self.page.call(self.page.id, function, wanted)

    async def count(self) -> int:
        """Return the number of elements."""
        return int(await self._ask("at.found.length"))

    async def is_visible(self) -> bool:
        """Return whether the element can be seen."""
        return bool(await self._ask("!!at.one && at.visible(at.one)"))

    async def evaluate(self, function: str) -> Any:
        """Return the value of a function of the element."""
        return await self._ask(f"({function})(at.one)")

    def nth(self, place: int) -> FirefoxLocator:
        """Return one of the elements."""
        return replace(self, place=place)

    @property
    def first(self) -> FirefoxLocator:
        """The first element."""
        return self.nth(0)

    def filter(self, *, has_text: re.Pattern[str]) -> FirefoxLocator:
        """Return those whose text matches a pattern."""
        return replace(self, text=has_text.pattern)

    async def click(self, *, timeout: float) -> None:
        """
        Click the middle of the element as soon as it can be clicked there, within so many milliseconds.

        Raises:
            Error: it cannot be clicked.
        """
        ready = """!!at.one && at.visible(at.one) && (el => {
          el.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
          const box = el.getBoundingClientRect();
          const hit = el.getRootNode().elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
          return !!hit && (el.contains(hit) || hit.contains(el) && hit.matches('button,a,label'));
        })(at.one)"""
        deadline = time.monotonic() + timeout / 1000
        while not await self._ask(ready):
            if time.monotonic() > deadline:
                raise Error(f"{self.css} cannot be clicked: it is hidden, covered or gone")
            await asyncio.sleep(_AGAIN)
        wanted = {"css": self.css, "text": self.text, "place": self.place, "visible": self.visible}
        node = await self.page.call_for(self.page.id, f"(wanted) => ({_FINDING})(wanted).one", wanted)
        place = {"type": "element", "element": {"sharedId": node["sharedId"]}}
        steps = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": place},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        await self.page.context.browser.connection.command(
            "input.performActions",
            context=self.page.id,
            actions=[{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps}],
        )
