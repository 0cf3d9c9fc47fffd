"""
Chromium, driven through Playwright's own thread so that several visits run side by side in one browser.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import threading
from collections.abc import Coroutine
from collections.abc import Iterator
from typing import TypeVar

from playwright.async_api import Browser
from playwright.async_api import Error
from playwright.async_api import Page
from playwright.async_api import Playwright
from playwright.async_api import async_playwright

from tests.browser.harness.engines import PATIENCE
from tests.browser.harness.engines import BrowserError
from tests.browser.harness.engines import executable
from tests.browser.harness.engines import heard
from tests.browser.harness.engines import missing
from tests.browser.harness.proxy import Lane

VARIABLE = "CONSENT_MW_CHROMIUM"
PACKAGES = "chromium chromium-headless-shell"

T = TypeVar("T")

#: The name of a browser that people use.
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"


#: Chromium heeds only the last such list, so this one stands for Playwright's too, as far as that matters here.
FEATURES_OFF = (
    # Errands of the browser's own.
    "AimEnabled",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PreconnectToSearch",
    # A page over plain http stays what it is.
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    # Every window would start a renderer or two for an address bar that nobody sees.
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    "WebUIOmniboxPopup",
    # The pages of a test are all on this machine, whatever address they seem to have.
    "LocalNetworkAccessChecks",
    # What Playwright itself relies on.
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "PaintHolding",
)


def flags() -> list[str]:
    """Return the flags beside Playwright's own, which already switch off most traffic of the browser's own."""
    found = [
        # What the browser itself sends, such as reports, is to come from a person, not from a "HeadlessChrome".
        f"--user-agent={PERSON}",
        # Nothing may be looked up outside the proxy, whatever a page tries.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost",
        "--disable-quic",
        # The proxy's certificates are nobody's; without this every connection is made twice.
        "--ignore-certificate-errors",
        f"--disable-features={','.join(FEATURES_OFF)}",
        # What Chromium still asks for at its start goes to names that do not exist (see background.py).
        "--component-updater=url-source=http://update.invalid/",
        "--gaia-url=https://accounts.invalid",
        "--autofill-server-url=https://autofill.invalid/",
    ]
    if os.geteuid() == 0:
        # Chromium refuses to run its sandbox as root, which is what a container is.
        found.append("--no-sandbox")
    return found


#: The browser itself first: Debian's wrapper in /usr/bin adds flags, --disable-pings among them: less would be seen.
CANDIDATES = ["/usr/lib/chromium/chromium", "/usr/bin/chromium", "chromium", "chromium-browser"]
#: The same engine without windows, profiles and extensions: it takes a third less processor time for a page.
SHELLS = ["/usr/lib/chromium/chromium-headless-shell", "chromium-headless-shell"]


def find(*, whole: bool = False) -> str:
    """
    Return the path of a browser; skip (or fail in CI) if there is none.

    Args:
        whole: Whether it must be the browser that people use, with extensions, profiles and preconnects.
    """
    path = executable(VARIABLE, *([] if whole else SHELLS), *CANDIDATES)
    return path if path is not None else missing("Chromium", VARIABLE, PACKAGES)


class ChromiumSession:
    """One browser context with one page."""

    def __init__(self, engine: _Loop, lane: Lane, page: Page, quiet: float = 0.25) -> None:
        self._engine = engine
        self._lane = lane
        self._page = page
        self._quiet = quiet

    def open(self, url: str) -> None:
        """See :class:`~tests.browser.harness.engines.Session`."""
        self._arrive(url)
        # A page that sends the visitor on at once (meta refresh) interrupts its own load; the log is what counts.
        with contextlib.suppress(Error):
            self._engine.run(self._page.wait_for_load_state("load", timeout=PATIENCE * 1000))
        self._lane.settle(self._quiet)

    def _arrive(self, url: str) -> None:
        """Put the document at ``url`` in place; where the last page crosses that by leaving itself, in a new tab."""
        for last in (False, True):
            try:
                self._engine.run(self._page.goto(url, wait_until="commit", timeout=PATIENCE * 1000))
            except Error as error:
                if last:
                    raise BrowserError(f"{url}: {error.message}") from error
                context = self._page.context
                self._engine.run(self._page.close())
                self._lane.settle(self._quiet)
                self._page = self._engine.run(context.new_page())
            else:
                return

    def click(self, selector: str) -> None:
        """See :class:`~tests.browser.harness.engines.Session`."""
        mark = self._lane.mark()
        self._engine.run(self._page.locator(selector).first.click(timeout=PATIENCE * 1000))
        heard(self._lane, selector, mark)
        self._rest()

    def click_inside(self, frame: str, selector: str) -> None:
        """Click an element of the document in a frame, and wait as after any click."""
        inside = self._page.frame_locator(frame).locator(selector).first
        self._engine.run(inside.click(timeout=PATIENCE * 1000))
        self._rest()

    def _rest(self) -> None:
        self._lane.settle(self._quiet)
        self._engine.run(self._page.wait_for_load_state("load", timeout=PATIENCE * 1000))
        self._lane.settle(self._quiet)

    def html(self) -> str:
        """See :class:`~tests.browser.harness.engines.Session`."""
        return self._engine.run(self._page.content())


class _Loop:
    """Playwright on an event loop and thread of its own, so that any number of threads can use it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="playwright", daemon=True)
        self._thread.start()
        self.playwright: Playwright = self.run(async_playwright().start())

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run ``work`` on the loop and wait for it; any thread may call."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE * 2)

    def close(self) -> None:
        """End Playwright and the thread."""
        self.run(self.playwright.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Chromium(_Loop):
    """One browser process; every session is a context of its own in it (as "incognito" windows are)."""

    name = "chromium"

    def __init__(self, path: str, background: Lane) -> None:
        """Start ``path``; what the browser asks for outside any page goes to ``background``."""
        super().__init__()
        self._browser: Browser = self.run(
            self.playwright.chromium.launch(
                executable_path=path,
                args=flags(),
                proxy={"server": background.address},
            )
        )

    @contextlib.contextmanager
    def session(self, lane: Lane, scripts: bool) -> Iterator[ChromiumSession]:
        """See :class:`~tests.browser.harness.engines.Engine`."""
        context = self.run(
            self._browser.new_context(
                proxy={"server": lane.address}, ignore_https_errors=True, java_script_enabled=scripts
            )
        )
        try:
            yield ChromiumSession(self, lane, self.run(context.new_page()))
        finally:
            self.run(context.close())

    def close(self) -> None:
        """End the browser, Playwright and the thread."""
        self.run(self._browser.close())
        super().close()


class ChromiumProfile(_Loop):
    """
    Chromium with an ordinary profile, a process for each session.

    Slower, but only here does Chromium act on ``preconnect``: its preloading
    is off in the contexts of :class:`Chromium`.
    """

    name = "chromium-profile"

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    @contextlib.contextmanager
    def session(self, lane: Lane, scripts: bool) -> Iterator[ChromiumSession]:
        """See :class:`~tests.browser.harness.engines.Engine`."""
        with tempfile.TemporaryDirectory(prefix="cmw-chromium-", ignore_cleanup_errors=True) as home:
            context = self.run(
                self.playwright.chromium.launch_persistent_context(
                    home,
                    executable_path=self._path,
                    args=flags(),
                    proxy={"server": lane.address},
                    ignore_https_errors=True,
                    java_script_enabled=scripts,
                )
            )
            try:
                # Preconnects are made after the load, by the browser process, when it gets to it.
                yield ChromiumSession(self, lane, self.run(context.new_page()), quiet=0.75)
            finally:
                self.run(context.close())
