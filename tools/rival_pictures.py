"""
Take pictures of our notice and of others' on one page, as one sheet: ``python -m tools.rival_pictures FILE.jpg``.

The page, the texts and the three choices are those of the benchmark "What the visitor meets"
(:mod:`benchmarks.visitor`), with each tool set up according to its documentation. Each row of the sheet is a notice,
and each column a window. ``docs/benchmarks.md`` shows the sheet next to the figures.

Needs Chromium, the ``audit`` extra (playwright) and the packages of tests/npm (``.ci/npm``).
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from benchmarks import c15t_bundle
from benchmarks import visitor
from benchmarks.overhead import Server
from benchmarks.visitor_app import OTHERS
from benchmarks.visitor_app import OURS
from benchmarks.visitor_app import PATHS
from benchmarks.visitor_app import Setup
from tests.browser.harness import chromium
from tests.browser.harness.engines import executable

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SIZES = ((320, 640), (568, 320), (768, 1024), (1440, 900))
#: The height of a row of the sheet, in CSS pixels.
HEIGHT = 260
_STYLE = (
    "body{margin:0;padding:20px;width:max-content;font:15px/1.4 sans-serif;background:#e9ecf1;color:#171a21}"
    "table{border-spacing:16px}th{text-align:start;font-weight:600}"
    f"img{{height:{HEIGHT}px;display:block;border:1px solid #aab;background:#fff}}"
)


def picture(browser: Browser, server: Server, setup: Setup, size: tuple[int, int]) -> bytes:
    """Return a picture of the page with the notice in a window of that size, as a new visitor sees it."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    try:
        page = context.new_page()
        page.goto(f"http://localhost:{server.port}{PATHS[setup.name]}", wait_until="networkidle")
        page.wait_for_function(visitor.SHOWN, arg=setup.banner)
        return page.screenshot(animations="disabled")
    finally:
        context.close()


def sheet(browser: Browser, server: Server, *, png: bool = False) -> bytes:
    """Return the sheet as a JPEG, or as a PNG."""
    heads = "".join(f"<th>{width}x{height}</th>" for width, height in SIZES)
    rows = []
    for setup in (OURS, *OTHERS):
        found = [base64.b64encode(picture(browser, server, setup, size)).decode() for size in SIZES]
        cells = "".join(f'<td><img alt="" src="data:image/png;base64,{one}"></td>' for one in found)
        rows.append(f"<tr><th>{visitor.name(setup)}</th>{cells}</tr>")
    page = browser.new_page(viewport={"width": 1600, "height": 900})
    page.set_content(f"<style>{_STYLE}</style><table><tr><td></td>{heads}</tr>{''.join(rows)}</table>")
    kind: dict[str, Any] = {"type": "png"} if png else {"type": "jpeg", "quality": 72}
    return page.locator("body").screenshot(**kind)


def main() -> int:
    """Create the sheet; return the exit status."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(
        prog="python -m tools.rival_pictures", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("file", type=Path, help="where the sheet goes, a JPEG or PNG")
    wanted = parser.parse_args()
    if lacking := visitor.missing():
        print(f"No sheet was made: {lacking} is not there.", file=sys.stderr)
        return 1
    path = executable(chromium.VARIABLE, *chromium.CANDIDATES)
    c15t_bundle.folder()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server("benchmarks.visitor_app:make_site()", Path(folder), "gthread", visitor.SERVER)
        browser = playwright.chromium.launch(executable_path=path, args=chromium.flags())
        try:
            visitor.wait_for(server)
            wanted.file.write_bytes(sheet(browser, server, png=wanted.file.suffix == ".png"))
        finally:
            browser.close()
            server.stop()
    print(f"{1 + len(OTHERS)} notices in {len(SIZES)} windows: {wanted.file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
