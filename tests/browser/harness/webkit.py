"""
WebKitGTK's MiniBrowser, driven through WebKitWebDriver on a screen in memory; a fresh process for every session.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import tempfile
import time
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path

from tests.browser.harness.engines import PATIENCE
from tests.browser.harness.engines import BrowserError
from tests.browser.harness.engines import executable
from tests.browser.harness.engines import missing
from tests.browser.harness.marionette import ELEMENT
from tests.browser.harness.processes import free_port
from tests.browser.harness.processes import running
from tests.browser.harness.proxy import Lane
from tests.browser.harness.xvfb import screen

DRIVER_VARIABLE = "CONSENT_MW_WEBKITDRIVER"
BROWSER_VARIABLE = "CONSENT_MW_MINIBROWSER"
PACKAGES = "webkit2gtk-driver xvfb"


def find() -> tuple[str, str, str]:
    """Return the paths of driver, browser and X server; skip (or fail in CI) where one is absent."""
    driver = executable(DRIVER_VARIABLE, "/usr/bin/WebKitWebDriver", "WebKitWebDriver")
    # Debian keeps MiniBrowser beside the library, under the architecture's own folder.
    places = sorted(Path("/usr/lib").glob("*/webkit*gtk-*/MiniBrowser"), reverse=True)
    browser = executable(BROWSER_VARIABLE, *map(str, places), "MiniBrowser")
    server = executable("CONSENT_MW_XVFB", "/usr/bin/Xvfb", "Xvfb")
    if driver is None or browser is None or server is None:
        missing("WebKitGTK (MiniBrowser, WebKitWebDriver, Xvfb)", DRIVER_VARIABLE, PACKAGES)
    return driver, browser, server


class Driver:
    """The HTTP side of one WebKitWebDriver."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._session = ""

    def ready(self) -> bool:
        """Return whether the driver answers yet."""
        try:
            self._ask("GET", "/status", None)
        except OSError:
            return False
        return True

    def start(self, capabilities: Mapping[str, object]) -> None:
        """Start the browser."""
        found = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        if not isinstance(found, dict):
            raise BrowserError(f"WebKitWebDriver: no session in {found!r}")
        self._session = f"/session/{found['sessionId']}"

    def post(self, path: str, body: Mapping[str, object]) -> object:
        """Send a command of the session and return its value."""
        return self._ask("POST", self._session + path, body)

    def get(self, path: str) -> object:
        """Ask the session for a value."""
        return self._ask("GET", self._session + path, None)

    def end(self) -> None:
        """End the browser."""
        self._ask("DELETE", self._session, None)

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None) -> object:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE * 2)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            value: object = json.loads(response.read()).get("value")
        finally:
            connection.close()
        if response.status != 200:
            raise BrowserError(f"{method} {path}: {value}")
        return value


class WebKitSession:
    """One MiniBrowser with one tab."""

    def __init__(self, lane: Lane, driver: Driver) -> None:
        self._lane = lane
        self._driver = driver

    def open(self, url: str) -> None:
        """See :class:`~tests.browser.harness.engines.Session`."""
        self._driver.post("/url", {"url": url})
        self._lane.settle()

    def click(self, selector: str) -> None:
        """See :class:`~tests.browser.harness.engines.Session`."""
        found = self._driver.post("/element", {"using": "css selector", "value": selector})
        if not isinstance(found, dict):
            raise BrowserError(f"no element for {selector}")
        self._driver.post(f"/element/{found[ELEMENT]}/click", {})
        self._lane.settle()

    def html(self) -> str:
        """See :class:`~tests.browser.harness.engines.Session`."""
        return str(self._driver.get("/source"))


class WebKit:
    """WebKitGTK as it can be started."""

    name = "webkit"

    def __init__(self, paths: tuple[str, str, str]) -> None:
        self._driver, self._browser, self._server = paths

    @contextlib.contextmanager
    def session(self, lane: Lane, scripts: bool) -> Iterator[WebKitSession]:
        """See :class:`~tests.browser.harness.engines.Engine`."""
        args = ["--automation", f"--proxy={lane.address}", "--ignore-tls-errors"]
        if not scripts:
            args.append("--enable-javascript=false")
        with contextlib.ExitStack() as stack:
            home = stack.enter_context(_home())
            driver = stack.enter_context(_driver(self._driver, stack.enter_context(screen(self._server)), home))
            options = {"binary": self._browser, "args": args}
            driver.start({"acceptInsecureCerts": True, "webkitgtk:browserOptions": options})
            stack.callback(driver.end)
            yield WebKitSession(lane, driver)


def _home() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="cmw-webkit-", ignore_cleanup_errors=True)


@contextlib.contextmanager
def _driver(path: str, display: str, home: str) -> Iterator[Driver]:
    """Run WebKitWebDriver with everything it may write kept under ``home``."""
    port = free_port()
    environ = {
        **os.environ,
        "DISPLAY": display,
        "GDK_BACKEND": "x11",
        "GSETTINGS_BACKEND": "memory",
        "HOME": home,
        "XDG_CACHE_HOME": f"{home}/cache",
        "XDG_CONFIG_HOME": f"{home}/config",
        "XDG_DATA_HOME": f"{home}/data",
        # No session bus, no accessibility bus, no graphics card: none is there in a container.
        "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "NO_AT_BRIDGE": "1",
        "WEBKIT_DISABLE_DMABUF_RENDERER": "1",
    }
    with running([path, f"--port={port}"], environ) as process:
        driver = Driver(port)
        deadline = time.monotonic() + PATIENCE
        while not driver.ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise BrowserError(f"WebKitWebDriver does not listen (status {process.poll()})")
            time.sleep(0.05)
        yield driver
