"""A visit by keyboard to a running site, from the first paint to the choice: layout shifts and focus."""

from __future__ import annotations

import random
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page
from playwright.sync_api import expect

from consent_mw import ConsentMiddleware
from consent_mw.web.form import choice_of
from consent_mw.web.form import read_form
from demo_site.servers import serve_near
from tests.browser.harness.looks import LAYOUTS
from tests.browser.harness.looks import document

if TYPE_CHECKING:
    from wsgiref.types import StartResponse
    from wsgiref.types import WSGIEnvironment

    from consent_mw.core.model import Site

#: The moved elements by name (null if removed since), and whether each counts as a layout shift; whether the notice was
#: there when the first frame with content was painted.
WATCH = """
  window.moved = [];
  new PerformanceObserver(list => list.getEntries().forEach(shift => shift.sources.forEach(({node}) => {
    const name = node && (node.closest && node.closest('.cmw-ui') ? 'notice' : node.localName || node.nodeName);
    moved.push([name, !shift.hadRecentInput]);
  }))).observe({type: 'layout-shift', buffered: true});
  window.first = null;
  const look = () => {
    const banner = document.querySelector('[data-cmw-banner]');
    if (!document.querySelector('main')) return requestAnimationFrame(look);
    window.first = banner ? banner.getBoundingClientRect().height > 100 : false;
  };
  requestAnimationFrame(look);
"""
FOCUS = "document.activeElement.dataset.cmwAction || document.activeElement.name || document.activeElement.localName"


def page_app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with a page of the shop."""
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [document(None).encode()]


@pytest.fixture
def visit(chromium: Browser, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The first view of a site with the layout."""
    layout, position = request.param
    site: dict[str, Any] = {
        "layout": layout,
        "records": f"sqlite:///{tmp_path}/consent.db",
        "privacy_policy": "/privacy",
    }
    if position:
        site["position"] = position
    config = {"site": site, "services": [{"use": "google-analytics"}]}
    app = ConsentMiddleware(page_app, config)
    with serve_near(app, 0) as server:
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
        context.add_init_script(WATCH)
        page = context.new_page()
        page.goto(f"http://localhost:{server.port}/")
        yield page
        context.close()
    app.engine.close()


def focused(page: Page, name: str) -> bool:
    """Wait until the element ``name`` has the focus."""
    page.wait_for_function(f"name => ({FOCUS}) === name", arg=name)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("visit", [*LAYOUTS, ("bar", "top")], indirect=True, ids=lambda place: "-".join(place))
def test_a_choice_by_keyboard(visit: Page) -> None:
    """
    The notice is in the first frame and causes no layout shift when it appears or disappears.

    Escape closes the boxes, gives the focus back and stores nothing; after the choice the focus is on the control
    that opens it again, and the page goes on from there.
    """
    page = visit
    page.wait_for_function("first !== null")
    assert (page.evaluate("first"), page.evaluate("moved")) == (True, [])
    for _ in range(3):
        page.keyboard.press("Tab")
    assert focused(page, "summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert focused(page, "purpose")
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    page.locator("details[open]").wait_for(state="detached")
    assert focused(page, "summary")
    assert page.context.cookies() == []
    page.keyboard.press("Enter")
    for _ in range(5):
        page.keyboard.press("Tab")
    expect(page.locator("details[open]")).to_have_count(1)
    page.locator("[value=accept-all]").focus()
    page.keyboard.press("Escape")
    page.locator("details[open]").wait_for(state="detached")
    assert focused(page, "summary")
    page.keyboard.press("Tab")
    assert focused(page, "reject-all")
    page.keyboard.press("Enter")
    page.locator("[data-cmw-banner]").wait_for(state="detached")
    assert focused(page, "open")
    status = page.locator("[role=status]", has_text="Your choice has been saved.")
    status.wait_for(state="attached")
    page.keyboard.press("Tab")
    assert focused(page, "input")
    # Opening and closing the boxes moves other parts of the notice, as intended. A busy browser may do that so late
    # that the key no longer counts as recent input.
    assert [found for found in page.evaluate("moved") if found[0] not in ("notice", None)] == []


#: Two services share a purpose, one has two, and a tag manager has two.
SHARED_SERVICES = ("google-analytics", "matomo", "google-tag-manager", "meta-pixel")
#: The form as it would be sent, the ticked services, and the purposes with whether they are ticked and mixed.
BOXES = """() => {
  const boxes = name => [...document.querySelectorAll(`input[name=${name}]`)];
  return {
    form: String(new URLSearchParams(new FormData(document.querySelector('.cmw-form')))),
    services: boxes('service').filter(box => box.checked).map(box => box.value),
    purposes: boxes('purpose').map(box => [box.value, box.checked, box.indeterminate]),
  };
}"""

#: Makes all events happen at one time, however slow the machine is.
AT_ONCE = """
  window.real = Object.getOwnPropertyDescriptor(Event.prototype, 'timeStamp');
  Object.defineProperty(Event.prototype, 'timeStamp', { ...real, get: () => 1 });
"""


@pytest.fixture
def both(chromium: Browser, tmp_path: Path) -> Iterator[tuple[Page, Site]]:
    """A page of a site some of whose services have several purposes."""
    own = {
        "id": "both",
        "name": "Both",
        "vendor": "Both Ltd",
        "purposes": ["analytics", "marketing"],
        "hosts": ["both.example"],
    }
    config = {
        "site": {"records": f"sqlite:///{tmp_path}/consent.db"},
        "services": [*({"use": id_} for id_ in SHARED_SERVICES), own],
    }
    app = ConsentMiddleware(page_app, config)
    with serve_near(app, 0) as server:
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.goto(f"http://localhost:{server.port}/")
        yield page, app.engine.site
        context.close()
    app.engine.close()


def test_the_boxes_say_what_the_server_grants(both: tuple[Page, Site]) -> None:
    """
    Whatever is ticked or not, in whatever order, the ticked services are those that saving would grant.

    A purpose is mixed if it is not ticked but one of its services is. A double click on the link that unfolds the
    services ticks none.
    """
    page, site = both
    page.click("summary")
    # The second click of a slow double click, which comes after the services.
    box = page.locator(".cmw-rows a").nth(1).bounding_box()
    assert box is not None
    page.evaluate(AT_ONCE)
    for _ in range(2):
        page.mouse.click(box["x"] + 20, box["y"] + 5)
        expect(page.locator("details[open]")).to_have_count(2)
    page.evaluate("Object.defineProperty(Event.prototype, 'timeStamp', real)")
    assert page.evaluate(BOXES)["services"] == []
    page.locator(".cmw-services:not([open]) > summary").click()
    boxes = page.locator("[data-cmw-banner] [type=checkbox]")
    for number in random.Random(7).choices(range(boxes.count()), k=15):
        boxes.nth(number).click()
        seen = page.evaluate(BOXES)
        form = read_form(f"{seen['form']}&action=save".encode())
        chosen = choice_of(site, form, gpc=False, granted_before=False)
        assert chosen is not None
        assert set(seen["services"]) == chosen.services
        running = {purpose for id_ in chosen.services for purpose in site.by_id[id_].purposes}
        expected = [[id_, id_ in form.purposes, id_ in running - form.purposes] for id_ in ("analytics", "marketing")]
        assert seen["purposes"] == expected
