"""
Starts the browser of an audit: Chromium with Playwright, or an installed Firefox.

The browser can reach only the site's own host and allowed hosts: it is started so that no other name resolves. Requests
to other hosts are still recorded, but what their responses would load is not seen.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from collections.abc import Sequence
from contextlib import AsyncExitStack
from contextlib import asynccontextmanager
from contextlib import suppress
from typing import TYPE_CHECKING
from typing import cast
from urllib.parse import urlsplit

from consent_mw.errors import ConsentError

if TYPE_CHECKING:
    from playwright.async_api import Browser
    from playwright.async_api import Error
    from playwright.async_api import Playwright

    from consent_mw.audit.firefox import Firefox

__all__ = ["CHROMIUM", "ENGINES", "FIREFOX", "NoBrowser", "first_line", "launched"]

CHROMIUM, FIREFOX = "chromium", "firefox"
#: The browsers that an audit can use.
ENGINES = (CHROMIUM, FIREFOX)
#: Seconds for closing a browser.
_CLOSING = 10.0
_CANDIDATES = (
    "/usr/lib/chromium/chromium",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
_FIREFOXES = ("firefox-esr", "firefox", "/Applications/Firefox.app/Contents/MacOS/firefox")
_HOST = re.compile(r"[A-Za-z0-9.-]+")


class NoBrowser(ConsentError):
    """The browser or Playwright is missing; the message says what to install."""


@asynccontextmanager
async def launched(
    origin: str, hosts: Sequence[str], executable: str = "", engine: str = CHROMIUM
) -> AsyncIterator[Browser]:
    """
    Start a browser that can reach only the site and the allowed hosts.

    Args:
        executable: Path of the browser; empty for the one that is found.
        engine: One of :data:`ENGINES`.

    Raises:
        NoBrowser: Playwright or the browser is not installed.
    """
    try:
        from playwright.async_api import async_playwright
    except ImportError:
        raise NoBrowser("A browser needs Playwright: pip install 'consent_mw[audit]'.") from None
    if engine == FIREFOX:
        async with _firefox(origin, hosts, executable) as firefox:
            # It has the methods of Playwright's browser that are used here.
            yield cast("Browser", firefox)
        return
    async with async_playwright() as playwright:
        browser = await _start(playwright, _flags(origin, hosts), executable)
        try:
            yield browser
        finally:
            with suppress(Exception):  # Playwright's exit ends it at the latest
                await asyncio.wait_for(browser.close(), _CLOSING)


@asynccontextmanager
async def _firefox(origin: str, hosts: Sequence[str], executable: str) -> AsyncIterator[Firefox]:
    from playwright.async_api import Error

    try:
        from consent_mw.audit.firefox import running_firefox
    except ImportError:
        raise NoBrowser("Firefox needs websocket-client: pip install 'consent_mw[audit]'.") from None
    path = executable or next((found for name in _FIREFOXES if (found := shutil.which(name))), None)
    if path is None:
        raise NoBrowser("No Firefox was found: install Firefox, or name one with --browser-path.")
    async with AsyncExitStack() as stack:
        try:
            firefox = await stack.enter_async_context(running_firefox(path, _reachable(origin, hosts)))
        except Error as error:
            raise NoBrowser(f"{path} did not start: {first_line(error)}") from None
        yield firefox


def _reachable(origin: str, hosts: Sequence[str]) -> list[str]:
    """Return the hosts that a browser may reach; ``*`` for all."""
    own = urlsplit(origin).hostname or "localhost"
    return list(dict.fromkeys([own, *(host for host in hosts if host == "*" or _HOST.fullmatch(host))]))


def _flags(origin: str, hosts: Sequence[str]) -> list[str]:
    flags = ["--disable-quic", "--disable-component-update"]
    if "*" not in hosts:
        rules = ", ".join(["MAP * ~NOTFOUND", *(f"EXCLUDE {host}" for host in _reachable(origin, hosts))])
        flags.append(f"--host-resolver-rules={rules}")
    return flags


async def _start(playwright: Playwright, flags: list[str], executable: str) -> Browser:
    from playwright.async_api import Error

    path = executable or next((found for name in _CANDIDATES if (found := shutil.which(name))), None)
    own = playwright.chromium.executable_path
    if not executable and os.path.exists(own):
        path = own
    if path is None:
        raise NoBrowser("No Chromium was found: install the package chromium, or run `playwright install chromium`.")
    why = ""
    # Chromium's sandbox needs a user that is not root, and namespaces that some containers lack.
    for sandbox in (True, False) if os.name == "posix" and os.geteuid() else (False,):
        try:
            return await playwright.chromium.launch(executable_path=path, args=flags, chromium_sandbox=sandbox)
        except Error as error:
            why = first_line(error)
    raise NoBrowser(f"{path} did not start: {why}")


def first_line(error: Error) -> str:
    """Return the first line of a browser's error, shortened."""
    return error.message.strip().partition("\n")[0][:200]
