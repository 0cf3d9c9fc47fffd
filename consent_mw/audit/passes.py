"""
The visitors of an audit, and the crawl.

The first visitor never chooses, and crawls: from the first address along the application's routes, the sitemap and
links, never to another host, and only a few pages of each URL pattern. If the site has our notice, the other visitors
view the same pages: one whose browser sends Global Privacy Control and one who refuses. If the owner lets the audit
grant something, which writes a record, also one who accepts and one who withdraws.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from html import unescape
from urllib.parse import urlencode
from urllib.parse import urljoin
from urllib.parse import urlsplit

from consent_mw.audit.pages import AuditedPage
from consent_mw.audit.pages import Reader
from consent_mw.audit.pages import way_on
from consent_mw.audit.targets import AuditTarget
from consent_mw.audit.targets import Response

__all__ = [
    "ACCEPT",
    "GPC",
    "PASSES",
    "REJECT",
    "UNTOUCHED",
    "WITHDRAW",
    "AuditVisitor",
    "Limits",
    "Told",
    "Walk",
    "tells_nobody",
    "walk",
]

#: Called before each page with the pages done, the expected total of all visits, the visit, and the page's path.
Told = Callable[[int, int, str, str], object]

UNTOUCHED = "before a choice"
GPC = "with Global Privacy Control"
REJECT = "after a refusal"
ACCEPT = "after acceptance"
WITHDRAW = "after withdrawal"
#: The passes in order.
PASSES = (UNTOUCHED, GPC, REJECT, ACCEPT, WITHDRAW)

#: The user agent, which is counted as a program, not as a person.
_AGENT = "Mozilla/5.0 (compatible; consent-mw-audit bot)"
_LOCATION = re.compile(r"<loc>\s*([^<\s]+)\s*</loc>")
_DIGITS = re.compile(r"\d+")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: How many redirects in a row are followed, as in browsers.
_MOST_REDIRECTS = 20
#: The longest address that is followed, in characters.
_LONGEST = 2_000
#: The most addresses in the queue.
_QUEUE = 10_000


def tells_nobody(done: int, total: int, visit: str, path: str) -> None:
    """Report no progress."""


@dataclass(frozen=True, slots=True)
class Limits:
    """
    The limits of an audit.

    Args:
        pages: The most pages.
        alike: The most pages of one URL pattern.
        seconds: Time limit for everything.
        accept: Whether it may grant something, which writes a consent record.
        cookies: Cookies for every request, as ``name=value``, such as a login.
    """

    pages: int = 50
    alike: int = 3
    seconds: float = 300.0
    accept: bool = False
    cookies: tuple[str, ...] = ()


@dataclass
class Walk:
    """The pages of an audit by pass, and what it could not examine."""

    pages: dict[str, list[AuditedPage]] = field(default_factory=dict)
    #: Path or step, and why it could not be examined.
    unseen: list[tuple[str, str]] = field(default_factory=list)
    #: Scheme and host of the site.
    origin: str = ""


class AuditVisitor:
    """A visitor without a browser, who keeps cookies."""

    def __init__(self, target: AuditTarget, cookies: Iterable[str], *, gpc: bool = False) -> None:
        self._target = target
        self._cookies = dict(pair.partition("=")[::2] for pair in cookies)
        self._gpc = {"Sec-GPC": "1"} if gpc else {}

    def get(self, path: str) -> Response:
        """Return the response to a navigation."""
        marks = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
        return self._ask(path, {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", **marks})

    @property
    def cookie_names(self) -> list[str]:
        """The names of its cookies."""
        return list(self._cookies)

    def choose(self, path: str, action: str) -> str:
        """Post the notice's form; return why it failed, or an empty string."""
        form = urlencode({"action": action, "back": "/"}).encode()
        headers = {
            "Accept": "text/html",
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": self._target.origin,
            "Sec-Fetch-Site": "same-origin",
        }
        answer = self._ask(path, headers, form)
        if answer.problem or answer.status not in (200, 204, 303):
            return answer.problem or f"the site answered {answer.status}"
        return ""

    def _ask(self, path: str, headers: dict[str, str], form: bytes | None = None) -> Response:
        sent = {"User-Agent": _AGENT, "Accept-Encoding": "gzip", **self._gpc, **headers}
        if self._cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        answer = self._target.ask(path, sent, form)
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                self._keep(value)
        return answer

    def _keep(self, set_cookie: str) -> None:
        pair, *attributes = set_cookie.split(";")
        name, _, value = pair.strip().partition("=")
        gone = any(part.strip().lower().replace(" ", "") == "max-age=0" for part in attributes)
        if gone:
            self._cookies.pop(name, None)
        elif name:
            self._cookies[name] = value


def walk(
    target: AuditTarget,
    reader: Reader,
    begin: list[str],
    limits: Limits,
    told: Told = tells_nobody,
) -> Walk:
    """
    Visit a site, and return the pages.

    Args:
        begin: The paths to start with.
        told: Called before each page.
    """
    deadline = time.monotonic() + limits.seconds
    found = Walk(origin=target.origin)
    first = AuditVisitor(target, limits.cookies)
    pages = found.pages[UNTOUCHED] = _crawl(first, target.origin, reader, begin, limits, deadline, found, told)
    form = next((page.marks.choice for page in pages if page.marks.choice), "")
    if not form:
        return found
    paths = [page.path for page in pages if page.is_page]
    total = len(pages) + len(paths) * (_visits(limits) - 1)

    def follow(name: str, visitor: AuditVisitor) -> None:
        seen = found.pages.setdefault(name, [])
        for path in paths:
            if time.monotonic() > deadline:
                found.unseen.append((name, "the time was over"))
                return
            told(sum(map(len, found.pages.values())), total, name, path)
            seen.append(reader.read(target.origin, path, visitor.get(path)))

    def after(name: str, visitor: AuditVisitor, action: str) -> bool:
        if problem := visitor.choose(form, action):
            found.unseen.append((name, f"the choice was not taken: {problem}"))
            return False
        follow(name, visitor)
        return True

    follow(GPC, AuditVisitor(target, limits.cookies, gpc=True))
    after(REJECT, AuditVisitor(target, limits.cookies), "reject-all")
    if limits.accept:
        granting = AuditVisitor(target, limits.cookies)
        if after(ACCEPT, granting, "accept-all"):
            after(WITHDRAW, granting, "withdraw")
    return found


def _visits(limits: Limits) -> int:
    """Return how many visitors come to a site that has our notice."""
    return len(PASSES) if limits.accept else PASSES.index(REJECT) + 1


def _crawl(
    visitor: AuditVisitor,
    origin: str,
    reader: Reader,
    begin: list[str],
    limits: Limits,
    deadline: float,
    found: Walk,
    told: Told,
) -> list[AuditedPage]:
    ways = _Ways(begin, limits.alike, reader.site.mount + "/")
    pages: list[AuditedPage] = []
    # Redirects and files cost a request, but are not pages.
    most = limits.pages * 4
    has_notice = False
    for address in _sitemap(visitor, origin):
        ways.add(address)
    while len(pages) < limits.pages and most > 0 and (path := ways.take()):
        if time.monotonic() > deadline:
            found.unseen.append((path, "the time was over"))
            break
        most -= 1
        expected = len(pages) + min(ways.queued + 1, limits.pages - len(pages))
        told(len(pages), expected * (_visits(limits) if has_notice else 1), UNTOUCHED, path)
        answer = visitor.get(path)
        if answer.status in _REDIRECTS:
            if problem := _redirected(ways, origin, path, answer):
                found.unseen.append((path, problem))
            continue
        page = reader.read(origin, path, answer)
        if page.problem or answer.status >= 400:  # noqa: PLR2004
            found.unseen.append((path, page.problem or f"the site answered {answer.status}"))
        if page.is_page or page.loads:
            pages.append(page)
            has_notice = has_notice or bool(page.marks.choice)
        for link in page.marks.links:
            ways.add(link)
    if ways.waiting:
        found.unseen.append((f"{ways.waiting:,} addresses", "more than the limits allow, or alike"))
    return pages


def _redirected(ways: _Ways, origin: str, path: str, answer: Response) -> str:
    """Follow a redirect on the host; return why it is not followed if that matters, or an empty string."""
    location = answer.header("location")
    if location and (way := way_on(origin + path, location)):
        return "" if ways.redirect(path, way) else f"it redirects more than {_MOST_REDIRECTS} times"
    if not ways.is_first(path):
        return ""  # a link to another site
    try:
        parts = urlsplit(urljoin(origin + path, location.strip()))
        elsewhere = f"{parts.scheme}://{parts.netloc}/" if location and parts.netloc else ""
    except ValueError:
        elsewhere = ""
    return f"it redirects to {elsewhere}: audit that address" if elsewhere else "it redirects to no address"


def _sitemap(visitor: AuditVisitor, origin: str) -> list[str]:
    answer = visitor.get("/sitemap.xml")
    if answer.status != 200 or "xml" not in answer.header("content-type"):  # noqa: PLR2004
        return []
    found = _LOCATION.findall(answer.body.decode("utf-8", "replace"))
    return [way for address in found[:1_000] if (way := way_on(origin, unescape(address)))]


class _Ways:
    """The queue of addresses: each once, a few of each URL pattern."""

    def __init__(self, begin: Iterable[str], alike: int, ours: str) -> None:
        self._alike = alike
        self._ours = ours
        self._known: set[str] = set()
        self._shapes: dict[str, int] = {}
        self._queue: deque[str] = deque()
        self._left = 0
        #: The addresses that redirected, one after the other, to an address.
        self._chains: dict[str, tuple[str, ...]] = {}
        self._first: set[str] = set()
        for path in begin:
            self.add(path, redirected=True)
            self._first.add(path)

    def add(self, path: str, *, redirected: bool = False) -> bool:
        """Add an address unless it is known, or there are enough of its pattern."""
        if path.startswith(self._ours) or path in self._known or len(path) > _LONGEST or len(self._known) >= _QUEUE:
            return False
        self._known.add(path)
        shape = _shape(path)
        if not redirected and self._shapes.get(shape, 0) >= self._alike:
            self._left += 1
            return False
        self._shapes[shape] = self._shapes.get(shape, 0) + 1
        self._queue.append(path)
        return True

    def redirect(self, path: str, way: str) -> bool:
        """
        Add the target of a redirect; return False if too many led to it.

        A target that redirected here is asked for again: some sites set a cookie and send the visitor back.
        """
        chain = (*self._chains.get(path, ()), path)
        if len(chain) > _MOST_REDIRECTS:
            return False
        if way in chain:
            self._queue.append(way)
        elif not self.add(way, redirected=True):
            return True
        self._chains[way] = chain
        if self.is_first(path):
            self._first.add(way)
        return True

    def is_first(self, path: str) -> bool:
        """Return whether the audit began with this address, or was redirected from there."""
        return path in self._first

    def take(self) -> str:
        """Return the next address, or an empty string."""
        return self._queue.popleft() if self._queue else ""

    @property
    def queued(self) -> int:
        """The number of addresses in the queue."""
        return len(self._queue)

    @property
    def waiting(self) -> int:
        """The number of known addresses that were not requested."""
        return len(self._queue) + self._left


def _shape(path: str) -> str:
    """Return the URL pattern of an address: without the parts that distinguish pages of one template."""
    parts = _DIGITS.sub("#", path.partition("?")[0]).strip("/").split("/")
    if len(parts) > 1:
        parts[-1] = "*"
    return "/".join(parts)
