"""
A browser for the tests of a site: what scripts load before consent, and after a refusal.

It stays open for the whole test run, in a thread of its own, so that tests may run event loops themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC
from datetime import datetime
from pathlib import Path
from threading import Lock
from threading import Thread
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar
from urllib.parse import urlsplit

from consent_mw.audit.browser import LivePlan
from consent_mw.audit.browser import walk_in
from consent_mw.audit.browser_findings import add_browser
from consent_mw.audit.browser_page import LiveBounds
from consent_mw.audit.browser_start import CHROMIUM
from consent_mw.audit.browser_start import FIREFOX
from consent_mw.audit.browser_start import launched
from consent_mw.audit.findings import report_of
from consent_mw.audit.passes import Limits
from consent_mw.audit.passes import walk
from consent_mw.audit.routes import site_around
from consent_mw.audit.targets import APP_ORIGIN
from consent_mw.audit.targets import AppTarget
from consent_mw.audit.targets import AuditTarget
from consent_mw.audit.targets import Bounds
from consent_mw.audit.targets import UrlTarget
from consent_mw.testing import Configuration
from consent_mw.testing import reader_of

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from consent_mw.audit.findings import AuditReport

__all__ = ["ConsentBrowser"]

Found = TypeVar("Found")
#: The hosts that a test's own server may have.
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
#: Findings, and places of each, that a message lists.
_NAMED, _PLACES = 20, 2


class ConsentBrowser:
    """
    Visits a site as ``consent-mw audit --browser`` does.

    Hosts other than the local ones cannot be reached: requests to them are seen, and fail.

    Args:
        executable: The Chromium or Firefox to use, told apart by the name of the file; empty for the Chromium that is
            found.
        config: The configuration for visits that name none.
        patience: Seconds that a page may take to load.
        linger: Seconds that a page is watched after it became idle.
    """

    def __init__(
        self, executable: str = "", *, config: Configuration = None, patience: float = 20.0, linger: float = 0.3
    ) -> None:
        self._executable = executable
        self._config = config
        self._bounds = LiveBounds(seconds=patience, linger=linger)
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open = AsyncExitStack()
        self._browser: Browser | None = None

    def assert_held(
        self,
        target: Any,
        *paths: str,
        config: Configuration = None,
    ) -> None:
        """
        Fail if pages load or store anything for a visitor who has not agreed to it.

        The visitors are those of :meth:`audit`; warnings and notes of the audit do not fail.

        Args:
            target: A WSGI or ASGI application, or the address of a local server.
            paths: The pages; default: the start page.
            config: As for :func:`consent_mw.testing.assert_held`.

        Raises:
            AssertionError: listing what fires, what set it off, and for whom.
            ConfigError, NoBrowser, ValueError: as :meth:`audit`.
        """
        report = self.audit(target, *paths, config=config)
        errors = [one for one in report.open if one.severity == "error"]
        lines = []
        for one in errors[:_NAMED]:
            lines.append(f"  {one.kind} {', '.join(one.passes)}: {one.what}")
            lines += [f"    {place.path}:{place.line}:{place.column}  {place.markup}" for place in one.places[:_PLACES]]
        if lines:
            more = f"\n  and {len(errors) - _NAMED} more" if len(errors) > _NAMED else ""
            raise AssertionError("Not everything waits for consent:\n" + "\n".join(lines) + more)

    def audit(
        self,
        target: Any,
        *paths: str,
        config: Configuration = None,
        accept: bool = False,
    ) -> AuditReport:
        """
        Return the report on pages, as visitors see them: undecided, with GPC, after a refusal, and without scripts.

        Args:
            target: A WSGI or ASGI application, or the address of a local server.
            paths: The pages; default: the start page.
            config: As for :func:`consent_mw.testing.assert_held`; an application that is wrapped has its own.
            accept: Whether to accept and withdraw as well, which writes a record into the site's ledger.

        Raises:
            ConfigError: with every mistake in the configuration.
            NoBrowser: if Playwright or the browser is not installed.
            ValueError: for the address of another machine, and for a page that the site does not have.
        """
        given, asked = self._config if config is None else config, list(paths or ("/",))
        found = _target(target)
        if given is None and isinstance(found, AppTarget):
            given = site_around(found.app)
        reader = reader_of(given)
        try:
            seen = walk(found, reader, asked, Limits(pages=len(asked), accept=accept))
            if missing := [f"{path}: {why}" for path, why in seen.unseen if path in asked]:
                raise ValueError(f"These pages could not be looked at: {'; '.join(missing)}")
            report = report_of(found.origin, seen, reader, datetime.now(UTC).date())
            plan = LivePlan(accept=accept, bounds=self._bounds)
            live = self._call(walk_in(self._started(), found, asked, plan))
            add_browser(report, live, reader, found.origin)
            return report
        finally:
            found.close()

    def close(self) -> None:
        """Close the browser, if it was started."""
        with self._lock:
            loop, self._loop, self._browser = self._loop, None, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._open.aclose(), loop).result(30)
            loop.call_soon_threadsafe(loop.stop)

    def _started(self) -> Browser:
        with self._lock:
            if self._browser is None:
                if self._loop is None:
                    self._loop = asyncio.new_event_loop()
                    Thread(target=_run, args=(self._loop,), daemon=True).start()
                engine = FIREFOX if "firefox" in Path(self._executable).name.lower() else CHROMIUM
                opening = self._open.enter_async_context(launched(APP_ORIGIN, _LOCAL, self._executable, engine))
                self._browser = asyncio.run_coroutine_threadsafe(opening, self._loop).result()
            return self._browser

    def _call(self, work: Coroutine[None, None, Found]) -> Found:
        assert self._loop is not None  # noqa: S101 -- started first
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def _target(given: Any) -> AuditTarget:
    """Return what a test names: an application, or the address of a server on this machine."""
    if not isinstance(given, str):
        return AppTarget(given, Bounds())
    if (urlsplit(given).hostname or "") not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError(f"{given} is not on this machine. Name an application, or http://127.0.0.1:PORT/.")
    return UrlTarget(given, Bounds())
