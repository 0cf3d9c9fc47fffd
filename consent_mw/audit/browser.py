"""
Runs the visits of an audit in a real browser.

Each visitor has a fresh profile. The one who never chooses comes twice, with scripts and without. One sends Global
Privacy Control, and one presses the button that refuses. If the owner lets the audit grant something, another one
accepts and then withdraws. The first one finds the notice; the others are on the site side by side. They open the pages
that :mod:`consent_mw.audit.passes` found, and :mod:`consent_mw.audit.browser_page` records what each page does.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from collections.abc import Coroutine
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import urlsplit

from consent_mw.audit.autoconsent import Autoconsent
from consent_mw.audit.browser_page import LiveBounds
from consent_mw.audit.browser_page import PageRecorder
from consent_mw.audit.browser_start import CHROMIUM
from consent_mw.audit.browser_start import FIREFOX
from consent_mw.audit.browser_start import first_line
from consent_mw.audit.browser_start import launched
from consent_mw.audit.browser_views import LivePage
from consent_mw.audit.notices import OWN
from consent_mw.audit.notices import NoticeLook
from consent_mw.audit.notices import find_notice
from consent_mw.audit.notices import press
from consent_mw.audit.passes import ACCEPT
from consent_mw.audit.passes import GPC
from consent_mw.audit.passes import PASSES
from consent_mw.audit.passes import REJECT
from consent_mw.audit.passes import UNTOUCHED
from consent_mw.audit.passes import WITHDRAW
from consent_mw.audit.passes import Told
from consent_mw.audit.passes import tells_nobody
from consent_mw.audit.storage_watch import StorageWatch
from consent_mw.audit.targets import AppTarget
from consent_mw.audit.targets import AuditTarget
from consent_mw.audit.withdrawing import take_back

if TYPE_CHECKING:
    from playwright.async_api import Browser
    from playwright.async_api import BrowserContext
    from playwright.async_api import Page
    from playwright.async_api import Route

__all__ = ["NO_SCRIPTS", "LivePlan", "LiveWalk", "browse", "walk_in"]

#: How many visitors are on the site at once, in Chromium and in Firefox, which is slower with several.
_SIDE_BY_SIDE, _SIDE_BY_SIDE_FIREFOX = 3, 1
#: Suffix of the name of a pass without scripts.
NO_SCRIPTS = ", without scripts"
#: Seconds for closing a profile.
_CLOSING = 10.0
#: The fewest seconds for a step that reads a page, whatever its own limit.
_SLACK = 15.0
_OBJECTING = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true, configurable: true})"
_ASKED_AGAIN = "the visitor who refused is asked again on the next page"


@dataclass(frozen=True, slots=True)
class LivePlan:
    """
    What to do in the browser, and its limits.

    Args:
        seconds: Limit for all visits together.
        accept: Whether something may be granted, which writes a consent record.
        cookies: Cookies for the site, as ``name=value``, such as a login.
        hosts: Hosts that may be reached besides the site's own; ``*`` for all.
        passes: The passes to make; empty for all that apply to the site.
        bounds: The limits of each page.
        pictures: Whether to take a screenshot of the first page in each pass.
        state: Initial cookies and storage of each visitor in Playwright's format, such as a login.
        helper: Answers the notices of other tools; None to use their buttons alone.
    """

    seconds: float = 300.0
    accept: bool = False
    cookies: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()
    bounds: LiveBounds = field(default_factory=LiveBounds)
    pictures: bool = False
    state: Mapping[str, Any] | None = None
    helper: Autoconsent | None = None


@dataclass
class LiveWalk:
    """What the browser recorded: pages by pass, and the notice."""

    pages: dict[str, list[LivePage]] = field(default_factory=dict)
    notice: NoticeLook | None = None
    #: Path or step, and why it could not be examined.
    unseen: list[tuple[str, str]] = field(default_factory=list)
    #: PNG screenshots of the first page, by pass.
    pictures: dict[str, bytes] = field(default_factory=dict)
    #: The browser and its version.
    browser: str = ""


def browse(
    target: AuditTarget,
    paths: Sequence[str],
    plan: LivePlan,
    executable: str = "",
    told: Told = tells_nobody,
    engine: str = CHROMIUM,
) -> LiveWalk:
    """
    Start a browser and visit pages with it.

    Raises:
        NoBrowser: Playwright or the browser is not installed.
    """

    async def run() -> LiveWalk:
        async with launched(target.origin, plan.hosts, executable, engine) as browser:
            return await walk_in(browser, target, paths, plan, told)

    return asyncio.run(run())


async def walk_in(
    browser: Browser,
    target: AuditTarget,
    paths: Sequence[str],
    plan: LivePlan,
    told: Told = tells_nobody,
    **profile: Any,
) -> LiveWalk:
    """
    Visit pages with a running browser.

    Args:
        told: Called before each page.
        profile: More arguments for Playwright's ``new_context``.
    """
    visits = _Visits(browser, target, list(paths), plan, told, profile)
    await visits.all()
    visits.found.browser = f"{browser.browser_type.name} {browser.version}"
    return visits.found


class _Visits:
    """Runs the visitors: first the one who never chooses, who finds the notice, then the others side by side."""

    def __init__(
        self,
        browser: Browser,
        target: AuditTarget,
        paths: list[str],
        plan: LivePlan,
        told: Told,
        profile: dict[str, Any],
    ) -> None:
        self.found = LiveWalk()
        self._browser = browser
        self._target = target
        self._paths = paths
        self._plan = plan
        self._told = told
        self._profile = profile
        self._deadline = time.monotonic() + plan.seconds

    @property
    def _is_firefox(self) -> bool:
        return self._browser.browser_type.name == FIREFOX

    async def all(self) -> None:
        """Make all visits that apply to the site."""
        if self._is_firefox:
            from consent_mw.audit.firefox import BLIND_SPOTS

            self.found.unseen += [("in Firefox", blind) for blind in BLIND_SPOTS]
        await self._visitor(UNTOUCHED)
        visits = [self._visitor(UNTOUCHED + NO_SCRIPTS, scripts=False), self._visitor(GPC, objects=True)]
        room = asyncio.Semaphore(_SIDE_BY_SIDE_FIREFOX if self._is_firefox else _SIDE_BY_SIDE)

        async def made(visit: Coroutine[Any, Any, None]) -> None:
            async with room:
                await visit

        await asyncio.gather(*map(made, [*visits, *self._after_a_choice()]))
        order = [one + more for one in PASSES for more in ("", NO_SCRIPTS)]
        self.found.pages = dict(sorted(self.found.pages.items(), key=lambda pair: order.index(pair[0])))

    def _after_a_choice(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Yield the visits of those who choose, as far as the notice allows."""
        notice = self.found.notice
        if notice is None:
            if not self._plan.passes:
                self.found.unseen.append(("after a choice", "no notice was found in a browser"))
            return
        if notice.can(accept=False):
            yield self._visitor(REJECT, chooses=True)
        else:
            self.found.unseen.append((REJECT, "no button was found that refuses"))
        if notice.tool == OWN and notice.reject is not None:
            yield self._visitor(REJECT + NO_SCRIPTS, chooses=True, scripts=False)
        if self._plan.accept and notice.can(accept=True):
            yield self._visitor(ACCEPT, chooses=True, accepts=True)

    def _comes(self, name: str) -> bool:
        """Return whether a visit is planned, and possible in this browser."""
        is_without = name.endswith(NO_SCRIPTS)
        return (not self._plan.passes or name in self._plan.passes) and not (self._is_firefox and is_without)

    def _expected(self) -> int:
        """Return how many pages all visits will open; until the first visit is over, as if it found our notice."""
        notice, is_first = self.found.notice, len(self.found.pages) == 1
        chosen = [REJECT] if is_first or notice is not None else []
        if is_first or (notice is not None and notice.tool == OWN):
            chosen.append(REJECT + NO_SCRIPTS)
        if chosen and self._plan.accept:
            chosen += [ACCEPT, WITHDRAW]
        visits = [UNTOUCHED, UNTOUCHED + NO_SCRIPTS, GPC, *chosen]
        # A choice is made on a page that is opened once more.
        return sum(len(self._paths) + (name in chosen) for name in visits if self._comes(name))

    async def _visitor(
        self, name: str, *, scripts: bool = True, objects: bool = False, chooses: bool = False, accepts: bool = False
    ) -> None:
        """Run one visitor: view the pages, or choose on the first page and then view all of them."""
        from playwright.async_api import Error

        if not self._comes(name):
            return
        watch = StorageWatch()
        try:
            context = await self._context(watch, scripts=scripts, objects=objects)
        except Error as error:
            self.found.unseen.append((name, f"the browser failed: {error.message[:200]}"))
            return
        try:
            if chooses:
                first = self.found.pages.setdefault(name, [])
                page = await self._choose(context, watch, name, lambda page: self._press(page, accepts))
                if page is None:
                    del self.found.pages[name]
                    return
                first.append(page)
            await self._look(context, watch, name)
            if accepts:
                await self._withdraw(context, watch)
        finally:
            with suppress(Exception):  # a profile that does not close ends with the browser
                await asyncio.wait_for(context.close(), _CLOSING)

    async def _withdraw(self, context: BrowserContext, watch: StorageWatch) -> None:
        tool = self.found.notice.tool if self.found.notice is not None else ""
        page = await self._choose(context, watch, WITHDRAW, lambda page: take_back(page, tool, self._plan.helper))
        if page is not None:
            self.found.pages[WITHDRAW] = [page]
            await self._look(context, watch, WITHDRAW)

    async def _context(self, watch: StorageWatch, *, scripts: bool, objects: bool) -> BrowserContext:
        options: dict[str, Any] = {"java_script_enabled": scripts, "accept_downloads": False, **self._profile}
        if self._plan.state is not None:
            options["storage_state"] = self._plan.state
        context = await self._browser.new_context(**options)
        if objects:
            await context.set_extra_http_headers({"Sec-GPC": "1"})
            await context.add_init_script(_OBJECTING)
        if scripts:
            await watch.attach(context)
        if self._plan.cookies:
            pairs = [pair.partition("=") for pair in self._plan.cookies]
            await context.add_cookies(
                [{"name": name, "value": value, "url": self._target.origin + "/"} for name, _, value in pairs]
            )
        if isinstance(self._target, AppTarget):
            own = re.compile("^" + re.escape(self._target.origin) + "/")
            await context.route(own, lambda route: self._answer(context, route))
        return context

    async def _answer(self, context: BrowserContext, route: Route) -> None:
        """Answer a request for the application in this process."""
        request = route.request
        headers = {name: value for name, value in request.headers.items() if not name.startswith(":")}
        cookies = await context.cookies(request.url)
        if cookies:
            headers["cookie"] = "; ".join(f"{one.get('name')}={one.get('value')}" for one in cookies)
        parts = urlsplit(request.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        form = (request.post_data_buffer or b"") if request.method == "POST" else None
        headers.pop("accept-encoding", None)
        answer = await asyncio.to_thread(self._target.ask, path, headers, form)
        with suppress(Exception):  # the page may be gone by now
            if not answer.status:
                await route.abort()
                return
            # Playwright expects a complete, uncompressed body.
            kept = [(k, v) for k, v in answer.headers if k.lower() not in ("content-length", "transfer-encoding")]
            joined: dict[str, str] = {}
            for name, value in kept:
                key = name.lower()
                joined[key] = joined[key] + ("\n" if key == "set-cookie" else ", ") + value if key in joined else value
            await route.fulfill(status=answer.status, headers=joined, body=answer.body)

    async def _look(self, context: BrowserContext, watch: StorageWatch, name: str) -> None:
        seen = self.found.pages.setdefault(name, [])
        for path in self._paths:
            if time.monotonic() > self._deadline:
                self.found.unseen.append((name, "the time was over"))
                return
            done = sum(map(len, self.found.pages.values()))
            self._told(done, max(self._expected(), done + 1), f"{name}, in a browser", path)
            recorder = PageRecorder(context, watch, self._target.origin, path)
            judges = name == UNTOUCHED and self.found.notice is None

            async def view(recorder: PageRecorder = recorder, judges: bool = judges) -> None:
                await recorder.open(self._plan.bounds)
                await recorder.visit()
                if judges:
                    self.found.notice = await self._find_notice(recorder.page)
                await self._picture(recorder, name)
                await recorder.stir()
                if judges and self.found.notice is None:  # some notices wait for a movement, or for a timer
                    self.found.notice = await self._find_notice(recorder.page)
                if name == REJECT:
                    await self._see_whether_it_asks_again(recorder.page)

            seen.append(await self._bounded(recorder, view, name))

    @property
    def _patience(self) -> float:
        """Seconds for a step that reads a page: what the owner allows for loading one, and never less than usual."""
        return max(_SLACK, self._plan.bounds.seconds)

    async def _find_notice(self, page: Page) -> NoticeLook | None:
        return await asyncio.wait_for(find_notice(page, self._plan.helper), self._patience)

    async def _press(self, page: Page, accepts: bool) -> str:
        return await press(page, accept=accepts, helper=self._plan.helper)

    async def _see_whether_it_asks_again(self, page: Page) -> None:
        """Note it if a page shows the notice to the visitor who has refused."""
        notice = self.found.notice
        again = await asyncio.wait_for(find_notice(page), self._patience)
        if notice is None or again is None or again.tool != notice.tool or again.accept is None:
            return
        if _ASKED_AGAIN not in notice.less:
            notice.less.append(_ASKED_AGAIN)

    async def _picture(self, recorder: PageRecorder, name: str) -> None:
        """Take a screenshot of the first page of a pass, if wanted."""
        from playwright.async_api import Error

        if self._plan.pictures and name not in self.found.pictures:
            with suppress(Error):  # the report contains the page anyway
                self.found.pictures[name] = await recorder.page.screenshot(animations="disabled")

    async def _choose(
        self, context: BrowserContext, watch: StorageWatch, name: str, act: Callable[..., Any]
    ) -> LivePage | None:
        """Choose on the first page that allows it; return what followed, or None if no page does."""
        why = "no page could be opened"
        for path in self._paths[:3]:
            recorder = PageRecorder(context, watch, self._target.origin, path)
            done: list[str] = []

            async def view(recorder: PageRecorder = recorder, done: list[str] = done) -> None:
                await recorder.open(self._plan.bounds)
                await recorder.visit()
                recorder.forget()
                why = await act(recorder.page)
                if why:  # the notice may wait for a movement, or for a timer
                    await recorder.stir()
                    why = await act(recorder.page)
                done.append(why)
                await recorder.settle(self._plan.bounds.seconds)
                await recorder.stir()

            page = await self._bounded(recorder, view, name)
            if done == [""]:
                return page
            why = done[0] if done else "; ".join(page.problems) or why
        self.found.unseen.append((name, f"the choice could not be made: {why}"))
        return None

    async def _bounded(self, recorder: PageRecorder, view: Callable[[], Any], name: str) -> LivePage:
        """Run a view of a page; an error is reported, and ends only this view."""
        from playwright.async_api import Error

        limit = 2 * self._plan.bounds.seconds + self._plan.bounds.linger + self._patience
        try:
            await asyncio.wait_for(view(), limit)
        except TimeoutError:
            recorder.record.problems.append("the page did not answer any more")
        except Error as error:
            if not recorder.was_closed:
                recorder.record.problems.append(first_line(error))
        try:
            page = await asyncio.wait_for(recorder.end(), self._patience)
        except (TimeoutError, Error, AssertionError):
            page = recorder.record
        self.found.unseen += [(f"{page.path} {name}, in a browser", problem) for problem in page.problems]
        return page
