"""
Retake the screenshots in the documentation: ``python -m demo_site.screenshots``.

The screenshots of the notice in every look are made by ``python -m tools.notice_pictures``.

This needs Chromium and the ``audit`` extra (playwright). The default browser is ``/usr/bin/chromium``;
``CONSENT_MW_CHROMIUM`` overrides it.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser
from playwright.sync_api import ViewportSize
from playwright.sync_api import sync_playwright

from consent_mw import config
from consent_mw.cli.preview import Gallery
from consent_mw.cli.preview import write
from demo_site.farm import Farm
from demo_site.servers import serve_near
from demo_site.shop import create_held_app
from demo_site.shop import make_visits

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
WIDTH, HEIGHT = 1200, 750
#: The size of the window for the owner's page: its first charts fit in.
RATES = ViewportSize(width=1280, height=1476)
MADE_UP_DAYS = 140
#: Languages and layouts in the pictures of the notice.
LANGUAGES = ("en", "de", "ar", "ja")
LAYOUTS = (("bar", "bottom"), ("corner", "bottom-end"), ("dialog", "center"))
CONFIG = Path(__file__).resolve().parent / "consent.toml"


def main() -> int:
    """Write every picture; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo_site.screenshots")
    parser.parse_args()
    path = os.environ.get("CONSENT_MW_CHROMIUM", "/usr/bin/chromium")
    # Chromium's sandbox does not work as root, the usual user in a container.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    logging.getLogger("consent_mw").setLevel(logging.ERROR)
    farm = Farm()
    with tempfile.TemporaryDirectory() as records, serve_near(farm, 0) as farm_server:
        make_visits(Path(records), MADE_UP_DAYS)
        shop = create_held_app(farm_server.port, Path(records))
        with serve_near(shop, 0) as shop_server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=arguments)
            IMAGES.mkdir(exist_ok=True)
            _take(browser, f"http://localhost:{shop_server.port}", f"http://farm.localhost:{farm_server.port}")
            _take_rates(browser, f"http://localhost:{shop_server.port}")
            _take_looks(browser)
            browser.close()
        shop.extensions["consent_mw"].close()
        farm.close()
    return 0


def _take(browser: Browser, shop: str, farm: str) -> None:
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
    page = context.new_page()
    page.goto(shop + "/", wait_until="networkidle")
    page.screenshot(path=IMAGES / "banner.png")
    page.goto(shop + "/journal/one-lamp-five-faces", wait_until="networkidle")
    page.click('[data-cmw-banner] [data-cmw-action="reject-all"]')
    page.locator(".video").scroll_into_view_if_needed()
    page.locator(".video").screenshot(path=IMAGES / "placeholder.png")
    context.clear_cookies()
    page.goto(shop + "/", wait_until="networkidle")
    page.click('[data-cmw-banner] [data-cmw-action="accept-all"]')
    page.wait_for_load_state("networkidle")
    for path in ("/", "/software/portrait-studio", "/journal/one-lamp-five-faces", "/privacy", "/"):
        page.goto(shop + path, wait_until="networkidle")
    watching = context.new_page()
    watching.goto(farm + "/", wait_until="load")
    watching.screenshot(path=IMAGES / "farm.png")
    context.close()


def _take_looks(browser: Browser) -> None:
    """Take the picture of the three layouts, light and dark, in the preview."""
    page = browser.new_page(viewport={"width": 1240, "height": 900}, color_scheme="light")
    with tempfile.TemporaryDirectory() as folder:
        write(Gallery(config.load(CONFIG), LANGUAGES[:1], today=0), Path(folder))
        page.goto(f"file://{folder}/index.html")
        wanted = {f"{layout}.{position}" for layout, position in LAYOUTS}
        for box in page.locator("[name=place]").all():
            box.set_checked(box.get_attribute("value") in wanted)
        page.evaluate("document.querySelectorAll('iframe').forEach(frame => { frame.loading = 'eager'; })")
        page.wait_for_load_state("networkidle")
        page.locator("#looks").screenshot(path=IMAGES / "looks.png")
    page.close()


def _take_rates(browser: Browser, shop: str) -> None:
    page = browser.new_page(viewport=RATES, color_scheme="light", locale="en-GB")
    page.goto(shop + "/_cmw/stats?period=12w&purpose=analytics", wait_until="networkidle")
    page.screenshot(path=IMAGES / "stats.png")
    page.close()


if __name__ == "__main__":
    sys.exit(main())
