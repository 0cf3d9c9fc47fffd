"""
WebKitGTK's MiniBrowser, driven by selenium on a screen in memory; a fresh process for every session.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service
from selenium.webdriver.webkitgtk.webdriver import WebDriver

from tests.browser.harness.engines import BrowserError
from tests.browser.harness.engines import arrived
from tests.browser.harness.engines import executable
from tests.browser.harness.engines import heard
from tests.browser.harness.engines import missing
from tests.browser.harness.proxy import Lane
from tests.browser.harness.xvfb import screen

DRIVER_VARIABLE = "CONSENT_MW_WEBKITDRIVER"
BROWSER_VARIABLE = "CONSENT_MW_MINIBROWSER"
PACKAGES = "webkit2gtk-driver xvfb"


def find() -> tuple[str, str, str]:
    """Return the paths of driver, browser and X server; skip (or fail in CI) if one is missing."""
    driver = executable(DRIVER_VARIABLE, "/usr/bin/WebKitWebDriver", "WebKitWebDriver")
    # Debian keeps MiniBrowser next to the library, in the folder of the architecture.
    places = sorted(Path("/usr/lib").glob("*/webkit*gtk-*/MiniBrowser"), reverse=True)
    browser = executable(BROWSER_VARIABLE, *map(str, places), "MiniBrowser")
    server = executable("CONSENT_MW_XVFB", "/usr/bin/Xvfb", "Xvfb")
    if driver is None or browser is None or server is None:
        missing("WebKitGTK (MiniBrowser, WebKitWebDriver, Xvfb)", DRIVER_VARIABLE, PACKAGES)
    return driver, browser, server


class WebKitSession:
    """One MiniBrowser with one tab."""

    def __init__(self, lane: Lane, driver: WebDriver) -> None:
        self._lane = lane
        self._driver = driver

    def open(self, url: str) -> None:
        """See :class:`~tests.browser.harness.engines.Session`."""
        self._driver.get(url)
        self._lane.settle()

    def click(self, selector: str) -> None:
        """See :class:`~tests.browser.harness.engines.Session`."""
        mark = self._lane.mark()
        self._driver.find_element(By.CSS_SELECTOR, selector).click()
        heard(self._lane, selector, mark)
        self._lane.settle()

    def follow(self, selector: str, url: str) -> None:
        """See :class:`~tests.browser.harness.engines.Session`; the click itself waits for the page's load."""
        mark = self._lane.mark()
        self.click(selector)
        arrived(self._lane, url, mark)

    def html(self) -> str:
        """See :class:`~tests.browser.harness.engines.Session`."""
        return str(self._driver.page_source)


class WebKit:
    """The WebKitGTK engine."""

    name = "webkit"

    def __init__(self, paths: tuple[str, str, str]) -> None:
        self._driver, self._browser, self._server = paths

    @contextlib.contextmanager
    def session(self, lane: Lane, scripts: bool) -> Iterator[WebKitSession]:
        """See :class:`~tests.browser.harness.engines.Engine`."""
        options = Options()
        options.binary_location = self._browser
        options.accept_insecure_certs = True
        for argument in ("--automation", f"--proxy={lane.address}", "--ignore-tls-errors"):
            options.add_argument(argument)
        if not scripts:
            options.add_argument("--enable-javascript=false")
        with contextlib.ExitStack() as stack:
            home = stack.enter_context(tempfile.TemporaryDirectory(prefix="cmw-webkit-", ignore_cleanup_errors=True))
            display = stack.enter_context(screen(self._server))
            service = Service(self._driver, log_output=subprocess.DEVNULL, env=_environ(display, home))
            try:
                driver = WebDriver(options=options, service=service)
                stack.callback(driver.quit)
                yield WebKitSession(lane, driver)
            except WebDriverException as error:
                raise BrowserError(f"WebKitGTK: {error.msg}") from error


def _environ(display: str, home: str) -> dict[str, str]:
    """Return an environment in which WebKit only writes below ``home``."""
    return {
        **os.environ,
        "DISPLAY": display,
        "GDK_BACKEND": "x11",
        "GSETTINGS_BACKEND": "memory",
        "HOME": home,
        "XDG_CACHE_HOME": f"{home}/cache",
        "XDG_CONFIG_HOME": f"{home}/config",
        "XDG_DATA_HOME": f"{home}/data",
        # A container has no session bus, accessibility bus or graphics card.
        "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "NO_AT_BRIDGE": "1",
        "WEBKIT_DISABLE_DMABUF_RENDERER": "1",
    }
