"""
Take two strips of pictures of the notice in one sheet: ``python -m tools.motion_strip FILE.jpg``.

The first strip shows how it comes back. A visitor refuses and reopens the choice. The transition is paused in its first
frame and then set to each moment of the strip, so the pictures do not depend on the speed of the machine. With
``--reduced`` the visitor prefers reduced motion; the tool then checks that there is no transition.

The second strip shows a button at rest, under the pointer, with the focus of the keyboard and pressed, and the notice
while the answer is on its way. The tool checks that the last two look different from the first.

Needs Chromium and the ``audit`` extra (playwright).
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from benchmarks import visitor
from benchmarks.overhead import Server
from benchmarks.visitor_app import OURS
from benchmarks.visitor_app import PATHS
from tests.browser.harness import chromium
from tests.browser.harness.engines import executable

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from playwright.sync_api import Route

#: The moments, in milliseconds after the first frame.
MOMENTS = (0, 45, 90, 135, 180)
SIZE = (390, 640)
BANNER = "[data-cmw-banner]"
BUTTON = f'{BANNER} [data-cmw-action="accept-all"]'
#: The opacity of a button that is pressed or waits for an answer.
FAINT = "one => getComputedStyle(document.querySelector(one)).opacity === '0.6'"

#: Pauses transitions of the notice in their first frame; the promise resolves to their number.
_STOP = """() => {
  let frames = 0;
  window.stopped = new Promise(done => {
    const look = () => {
      const moving = document.getAnimations().filter(one => one.effect.target.matches('[data-cmw-banner]'));
      moving.forEach(one => one.pause());
      const shown = document.querySelector('[data-cmw-banner]:not([hidden])');
      if (moving.length || (shown && ++frames > 5)) done(moving.length);
      else requestAnimationFrame(look);
    };
    look();
  });
}"""
_MOMENT = """async moment => {
  document.getAnimations().forEach(one => { one.currentTime = moment; });
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""


def pictures(page: Page, address: str) -> list[bytes]:
    """Return the pictures of the notice as it comes back; a single one if nothing moves."""
    page.goto(address, wait_until="load")
    page.locator('[data-cmw-action="reject-all"]').click()
    page.locator("[data-cmw-reopen]").wait_for()
    page.evaluate(_STOP)
    page.locator('[data-cmw-action="open"]').click()
    if not page.evaluate("window.stopped"):
        return [page.screenshot()]
    found = []
    for moment in MOMENTS:
        page.evaluate(_MOMENT, moment)
        found.append(page.screenshot())
    return found


def states(page: Page) -> list[tuple[str, bytes]]:
    """Return the names and pictures of the states of a reopened notice; raise an error if a button does not react."""

    def picture(name: str) -> tuple[str, bytes]:
        return name, page.locator(BANNER).screenshot(animations="disabled")

    page.mouse.move(0, 0)
    found = [picture("at rest")]
    page.hover(BUTTON)
    found.append(picture("under the pointer"))
    page.mouse.move(0, 0)
    page.locator(BUTTON).focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    found.append(picture("with the focus"))
    waiting: list[Route] = []
    page.route("**/_cmw/choice", lambda route: waiting.append(route))
    page.hover(BUTTON)
    page.mouse.down()
    page.wait_for_function(FAINT, arg=BUTTON)
    found.append(picture("pressed"))
    with page.expect_request("**/_cmw/choice"):
        page.mouse.up()
    page.mouse.move(0, 0)
    page.locator(f"{BANNER} form[aria-busy=true]").wait_for()
    page.wait_for_function(FAINT, arg=BUTTON)
    found.append(picture("busy"))
    waiting[0].continue_()
    return found


def strip(found: Iterable[tuple[str, bytes]]) -> str:
    """Return the markup of a strip of pictures with their names."""
    cells = ""
    for name, one in found:
        source = f"data:image/png;base64,{base64.b64encode(one).decode()}"
        cells += f"<figure><img alt='' src='{source}'><figcaption>{name}</figcaption></figure>"
    return f"<div>{cells}</div>"


def main() -> int:
    """Make the sheet; return the exit status."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(prog="python -m tools.motion_strip", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("file", type=Path, help="where the sheet goes, a JPEG or PNG")
    parser.add_argument("--reduced", action="store_true", help="as somebody who wants less motion")
    wanted = parser.parse_args()
    path = executable(chromium.VARIABLE, *chromium.CANDIDATES)
    if path is None:
        print("No sheet was made: Chromium is not there.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server("benchmarks.visitor_app:make_site()", Path(folder), "gthread", visitor.SERVER)
        browser = playwright.chromium.launch(executable_path=path, args=chromium.flags())
        try:
            visitor.wait_for(server)
            page = browser.new_page(
                viewport={"width": SIZE[0], "height": SIZE[1]},
                reduced_motion="reduce" if wanted.reduced else "no-preference",
            )
            found = pictures(page, f"http://localhost:{server.port}{PATHS[OURS.name]}")
            moments = [(f"{moment} ms", one) for moment, one in zip(MOMENTS, found, strict=False)]
            style = "body{width:max-content;font:15px sans-serif}div{display:flex}figure{margin:8px}img{width:240px}"
            sheet = browser.new_page(viewport={"width": 1300, "height": 500})
            sheet.set_content(f"<style>{style}</style>{strip(moments)}{strip(states(page))}")
            kind: dict[str, Any] = {"type": "png"} if wanted.file.suffix == ".png" else {"type": "jpeg", "quality": 72}
            wanted.file.write_bytes(sheet.locator("body").screenshot(**kind))
        finally:
            browser.close()
            server.stop()
    still = len(found) == 1
    print(f"{len(found)} moments, 5 states: {'it is there at once' if still else 'it comes in'}: {wanted.file}")
    return 0 if still == wanted.reduced else 1


if __name__ == "__main__":
    sys.exit(main())
