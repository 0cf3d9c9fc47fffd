"""
Take a strip of pictures of the notice as it comes back: ``python -m tools.motion_strip FILE.jpg``.

A visitor refuses and reopens the choice. The transition is paused in its first frame and then set to each moment of the
strip, so the pictures do not depend on the speed of the machine. With ``--reduced`` the visitor prefers reduced motion;
the tool then checks that there is no transition.

Needs Chromium and the ``audit`` extra (playwright).
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import visitor
from benchmarks.overhead import Server
from benchmarks.visitor_app import OURS
from benchmarks.visitor_app import PATHS
from tests.browser.harness import chromium
from tests.browser.harness.engines import executable

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: The moments, in milliseconds after the first frame.
MOMENTS = (0, 45, 90, 135, 180)
SIZE = (390, 640)

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


def main() -> int:
    """Make the strip; return the exit status."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(prog="python -m tools.motion_strip", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("file", type=Path, help="where the strip goes, as a JPEG")
    parser.add_argument("--reduced", action="store_true", help="as somebody who wants less motion")
    wanted = parser.parse_args()
    path = executable(chromium.VARIABLE, *chromium.CANDIDATES)
    if path is None:
        print("No strip was made: Chromium is not there.", file=sys.stderr)
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
            cells = "".join(
                f"<figure><img src='data:image/png;base64,{base64.b64encode(one).decode()}'>"
                f"<figcaption>{moment} ms</figcaption></figure>"
                for moment, one in zip(MOMENTS, found, strict=False)
            )
            style = "body{display:flex;width:max-content;font:15px sans-serif}figure{margin:8px}img{width:220px}"
            sheet = browser.new_page(viewport={"width": 1300, "height": 500})
            sheet.set_content(f"<style>{style}</style>{cells}")
            wanted.file.write_bytes(sheet.locator("body").screenshot(type="jpeg", quality=72))
        finally:
            browser.close()
            server.stop()
    still = len(found) == 1
    print(f"{len(found)} pictures: {'it is there at once' if still else 'it comes in'}: {wanted.file}")
    return 0 if still == wanted.reduced else 1


if __name__ == "__main__":
    sys.exit(main())
