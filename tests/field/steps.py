"""The steps of a visitor in a field case: each has one verb."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Browser
from playwright.sync_api import FrameLocator
from playwright.sync_api import Page

from tests.browser.harness.proxy import Lane
from tests.field.case import Case
from tests.field.site import CLIENTS
from tests.field.site import FieldSite
from tests.field.visitor import PATIENCE
from tests.field.visitor import Visitor

#: The script in offers.js, which documents itself.
OFFERS = (Path(__file__).parent / "offers.js").read_text(encoding="utf-8")
#: The address to which answers are sent.
_CHOICE = re.compile(r"/_cmw/choice(?:\?|$)")
#: Milliseconds between the two clicks of a double click.
_BETWEEN_CLICKS = 150
#: Milliseconds between two looks at the cookies.
_LOOK_AGAIN = 50
_MORE = frozenset(["expect", "wait", "viewport", "inside", "client", "headers", "method", "form", "visitor"])


@dataclass
class Stage:
    """A case while it is played: its site, its visitor once there is one, and the last response to a ``get``."""

    case: Case
    site: FieldSite
    browser: Browser
    lane: Lane
    visitor: Visitor | None = None
    jars: dict[str, dict[str, str]] = field(default_factory=dict)
    response: tuple[int, list[tuple[str, str]], bytes] = (0, [], b"")
    path: str = ""

    @property
    def there(self) -> Visitor:
        """The visitor; created when first needed."""
        if self.visitor is None:
            self.visitor = Visitor(self.browser, self.case, self.site, self.lane)
        return self.visitor

    def close(self) -> None:
        """Close the visitor's browser context."""
        if self.visitor is not None:
            self.visitor.context.close()


def verb_of(step: Mapping[str, Any]) -> str:
    """
    Return the verb of a step.

    Raises:
        ValueError: if there is not exactly one, or a word is unknown.
    """
    verbs = [word for word in step if word not in _MORE]
    if len(verbs) != 1 or verbs[0] not in _VERBS:
        raise ValueError(f"a step has one verb of {sorted(_VERBS)}; this one has {verbs}")
    return verbs[0]


def act(stage: Stage, step: Mapping[str, Any]) -> None:
    """Perform a step, and wait until the page has settled."""
    verb = verb_of(step)
    if verb == "get":
        _get(stage, step)
        return
    visitor = stage.there
    if "viewport" in step:
        width, height = step["viewport"]
        visitor.page.set_viewport_size({"width": width, "height": height})
    _VERBS[verb](stage, step)
    visitor.settle()
    if wait := step.get("wait", stage.case.told.get("wait", 0)):
        visitor.page.wait_for_timeout(wait)  # for a timer of the page; the case states its length


def _get(stage: Stage, step: Mapping[str, Any]) -> None:
    headers = {**CLIENTS[step.get("client", "browser")], **step.get("headers", {})}
    jar = stage.jars.setdefault(step["visitor"], {}) if "visitor" in step else {}
    if jar:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
    body = None
    if "form" in step:
        body = urlencode(step["form"], doseq=True)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    stage.path = step["get"]
    stage.response = stage.site.fetch(step.get("method", "GET"), stage.path, headers, body)
    for key, line in stage.response[1]:
        if key.lower() == "set-cookie":
            name, _, rest = line.partition("=")
            jar[name] = rest.partition(";")[0]


def _visit(stage: Stage, step: Mapping[str, Any]) -> None:
    url = step["visit"]
    stage.there.page.goto(url if "://" in url else stage.site.base + url, wait_until="load")


def _answer(stage: Stage, action: str) -> None:
    visitor = stage.there
    with visitor.page.expect_response(_CHOICE):
        visitor.page.locator(f"[data-cmw-banner] [value={action}]:visible").first.click()
    visitor.page.wait_for_function("() => !document.querySelector('[data-cmw-banner]:not([hidden])')?.offsetParent")
    left = PATIENCE
    while not visitor.answered() and left > 0:
        visitor.page.wait_for_timeout(_LOOK_AGAIN)
        left -= _LOOK_AGAIN


def _accept(stage: Stage, step: Mapping[str, Any]) -> None:
    _answer(stage, "accept-all")


def _reject(stage: Stage, step: Mapping[str, Any]) -> None:
    _answer(stage, "reject-all")


def _choose(stage: Stage, step: Mapping[str, Any]) -> None:
    page = stage.there.page
    page.locator("[data-cmw-banner] summary").first.click()
    for purpose in step["choose"]:
        page.locator(f"[data-cmw-banner] [name=purpose][value={purpose}]").first.check()
    _answer(stage, "save")


def _place(stage: Stage, step: Mapping[str, Any]) -> Page | FrameLocator:
    page = stage.there.page
    return page.frame_locator(step["inside"]) if "inside" in step else page


def _click(stage: Stage, step: Mapping[str, Any]) -> None:
    _place(stage, step).locator(step["click"]).first.click()


def _double_click(stage: Stage, step: Mapping[str, Any]) -> None:
    """Click twice at the same coordinates: the second click goes to whatever element is there by then."""
    page = stage.there.page
    box = _place(stage, step).locator(step["double_click"]).first.bounding_box()
    assert box is not None
    for _ in range(2):
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_timeout(_BETWEEN_CLICKS)


def _load_once(stage: Stage, step: Mapping[str, Any]) -> None:
    pressed = stage.there.page.evaluate(OFFERS, [step["load_once"], True])
    assert pressed, f"nothing in {step['load_once']} offers to load it"


def _reload(stage: Stage, step: Mapping[str, Any]) -> None:
    stage.there.page.reload(wait_until="load")


def _back(stage: Stage, step: Mapping[str, Any]) -> None:
    stage.there.page.go_back(wait_until="load")


def _withdraw(stage: Stage, step: Mapping[str, Any]) -> None:
    page = stage.there.page
    page.goto(stage.site.base + "/_cmw/", wait_until="load")
    with page.expect_response(_CHOICE):
        page.locator("button[value=withdraw]").first.click()


def _forget(stage: Stage, step: Mapping[str, Any]) -> None:
    stage.there.context.clear_cookies()
    stage.there.page.evaluate("sessionStorage.clear()")


def _run(stage: Stage, step: Mapping[str, Any]) -> None:
    stage.there.page.evaluate(step["run"])


_VERBS = {
    "visit": _visit,
    "accept": _accept,
    "reject": _reject,
    "choose": _choose,
    "click": _click,
    "double_click": _double_click,
    "load_once": _load_once,
    "reload": _reload,
    "back": _back,
    "withdraw": _withdraw,
    "forget": _forget,
    "run": _run,
    "get": _get,
}
