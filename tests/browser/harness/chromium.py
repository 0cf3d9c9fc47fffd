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
from tests.browser.harness.engines import arrived
from tests.browser.harness.engines import executable
from tests.browser.harness.engines import heard
from tests.browser.harness.engines import missing
from tests.browser.harness.proxy import Lane

VARIABLE = "CONSENT_MW_CHROMIUM"
PACKAGES = "chromium chromium-headless-shell"

T = TypeVar("T")

#: The User-Agent of an ordinary desktop browser.
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"


#: Chromium only respects the last list of this flag, so this one also contains the necessary parts of Playwright's.
FEATURES_OFF = (
    # The browser's background requests.
    "AimEnabled",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PreconnectToSearch",
    # Keep pages on plain http.
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    # Save the renderers that each window starts for its invisible address bar.
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    "WebUIOmniboxPopup",
    # All pages of a test come from this machine, whatever their addresses are.
    "LocalNetworkAccessChecks",
    # Playwright relies on these.
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "PaintHolding",
)


def flags() -> list[str]:
    """Return the flags in addition to Playwright's, which already switch off most of the background traffic."""
    found = [
        # The browser's own requests, such as reports, must not come from a "HeadlessChrome".
        f"--user-agent={PERSON}",
        # Prevent every DNS query, whatever a page tries.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost",
        "--disable-quic",
        # The proxy's certificates are not trusted; without this flag every connection is made twice.
        "--ignore-certificate-errors",
        f"--disable-features={','.join(FEATURES_OFF)}",
        # Direct the remaining requests at start-up to names that do not exist (see background.py).
        "--component-updater=url-source=http://update.invalid/",
        "--gaia-url=https://accounts.invalid",
        "--autofill-server-url=https://autofill.invalid/",
    ]
    if os.geteuid() == 0:
        # Chromium refuses to run its sandbox as root, as in a container.
        found.append("--no-sandbox")
    return found


#: The real binary first: Debian's wrapper in /usr/bin adds flags such as --disable-pings, which hide requests.
CANDIDATES = ["/usr/lib/chromium/chromium", "/usr/bin/chromium", "chromium", "chromium-browser"]
#: The same engine without windows, profiles and extensions: a page takes a third less processor time.
SHELLS = ["/usr/lib/chromium/chromium-headless-shell", "chromium-headless-shell"]


def find(*, whole: bool = False) -> str:
    """
    Return the path of a browser; skip (or fail in CI) if there is none.

    Args:
        whole: Whether it must be the full browser, with extensions, profiles and preconnects.
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
        #: The errors that scripts of the page did not catch, each with its first line.
        self.page_errors: list[str] = []
        self._listen()

    def _listen(self) -> None:
        self._page.on("pageerror", lambda error: self.page_errors.append(str(error).partition("\n")[0]))

    def open(self, url: str) -> None:
        """See :class:`~tests.browser.harness.engines.Session`."""
        self._arrive(url)
        # A page that redirects at once (meta refresh) interrupts its own load; only the log matters.
        with contextlib.suppress(Error):
            self._engine.run(self._page.wait_for_load_state("load", timeout=PATIENCE * 1000))
        self._lane.settle(self._quiet)

    def _arrive(self, url: str) -> None:
        """Navigate to ``url``; if the last page interrupts this by navigating itself, use a new tab."""
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
                self._listen()
            else:
                return

    def click(self, selector: str) -> None:
        """See :class:`~tests.browser.harness.engines.Session`."""
        mark = self._lane.mark()
        self._engine.run(self._page.locator(selector).first.click(timeout=PATIENCE * 1000))
        heard(self._lane, selector, mark)
        self._rest()

    def follow(self, selector: str, url: str) -> None:
        """See :class:`~tests.browser.harness.engines.Session`."""
        mark = self._lane.mark()
        self._engine.run(self._page.locator(selector).first.click(timeout=PATIENCE * 1000))
        self._engine.run(self._page.wait_for_url(url, timeout=PATIENCE * 1000))
        arrived(self._lane, url, mark)

    def press(self, selector: str, quiet: float) -> bool:
        """Press Enter on an element, whatever lies over it; return whether it could be done."""
        try:
            self._engine.run(self._page.locator(selector).first.press("Enter", timeout=5000, no_wait_after=True))
        except Error:
            return False
        self._lane.settle(quiet)
        return True

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
    """Playwright with its own event loop and thread, so that any number of threads can use it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="playwright", daemon=True)
        self._thread.start()
        self.playwright: Playwright = self.run(async_playwright().start())

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run ``work`` on the loop and wait for it; any thread may call."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE * 2)

    def close(self) -> None:
        """Stop Playwright and the thread."""
        self.run(self.playwright.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Chromium(_Loop):
    """One browser process; each session is a separate context in it, like an "incognito" window."""

    name = "chromium"

    def __init__(self, path: str, background: Lane) -> None:
        """Start ``path``; requests of the browser outside any page go to ``background``."""
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
        """Stop the browser, Playwright and the thread."""
        self.run(self._browser.close())
        super().close()


class ChromiumProfile(_Loop):
    """
    Chromium with an ordinary profile and one process per session.

    This is slower, but only here does Chromium act on ``preconnect``: preloading is off in the contexts of
    :class:`Chromium`.
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
                # The browser process makes preconnects some time after the load.
                yield ChromiumSession(self, lane, self.run(context.new_page()), quiet=0.75)
            finally:
                self.run(context.close())
