"""
Reads one response: what would load, what is held already, which form refuses, where links lead.

The rewriter finds what would load (:mod:`consent_mw.http.observed`). Before that, our marks in the page are renamed. An
element that is really held has no address that a browser would fetch, so it is not found; an element that only looks
held is. Lines and columns stay the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cached_property
from html.parser import HTMLParser
from urllib.parse import urljoin
from urllib.parse import urlsplit

from consent_mw.audit.aliases import Aliases
from consent_mw.audit.other_tools import is_kept
from consent_mw.audit.targets import Response
from consent_mw.catalogue.definitions import joined
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Signals
from consent_mw.core.decide import decide
from consent_mw.core.globs import Globs
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.engine.codings import known_codings
from consent_mw.engine.prepared import Prepared
from consent_mw.errors import RefusedMarkup
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.places import Places
from consent_mw.html.suspects import host_of_stranger
from consent_mw.html.urls import Url
from consent_mw.html.urls import resolve
from consent_mw.html.watched import SeenHold
from consent_mw.http.observed import Observer
from consent_mw.http.observed import ObservingView
from consent_mw.http.request import RequestHead
from consent_mw.http.tracker_cookies import is_own
from consent_mw.http.tracker_cookies import names_of
from consent_mw.notice.assets import Assets

__all__ = ["AuditedPage", "PageMarks", "Reader", "SeenLoad", "host_in", "way_on"]

#: Our marks and their replacements of equal length, for reading a page again.
_MARK, _READ_MARK = b"data-cmw-", b"cmw-read-"
#: Headers about the transfer of a body that is opened already.
_UNREAD = frozenset({"content-encoding", "content-length"})
_ANY_MARK = re.compile(_MARK, re.IGNORECASE)
_NO_PAGE = Url("https", "", "/")
_LOADING = frozenset({"script", "img", "iframe", "link", "object", "embed", "source", "video", "audio"})
#: The elements that lead to other pages of the site, and the attribute that says where.
_LEADING = {"a": "href", "area": "href", "iframe": "src", "frame": "src"}
_ADDRESS = re.compile(r"(?:https?:|wss?:)?//([A-Za-z0-9.-]+\.[A-Za-z0-9-]+)(?::\d+)?")


@dataclass(frozen=True, slots=True)
class SeenLoad:
    """
    Something in a response that reaches a third party or sets its cookie.

    Args:
        service: The service from catalogue or configuration; for an unknown third party, one named after its host.
        seen: Its place.
        host: The host in its markup, if any.
        is_held: Whether the configuration holds it until the visitor opts in.
    """

    service: Service
    seen: SeenHold
    host: str
    is_held: bool


@dataclass
class PageMarks:
    """What a page's markup contains."""

    #: Path and query of link targets on the same host.
    links: list[str] = field(default_factory=list)
    #: The number of held elements, by the ids in their marks.
    held: dict[tuple[str, ...], int] = field(default_factory=dict)
    #: The action of the notice's form; empty if there is no notice.
    choice: str = ""
    #: The number of our notices.
    notices: int = 0
    #: What elements load: address and line, once for each host.
    sources: dict[str, tuple[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditedPage:
    """
    One response that was read.

    Args:
        path: Its path and query.
        problem: Why not all of it could be examined.
        is_page: Whether it is HTML.
        refused: Why the middleware would refuse it.
    """

    path: str
    status: int = 0
    loads: tuple[SeenLoad, ...] = ()
    marks: PageMarks = field(default_factory=PageMarks)
    cookies: tuple[str, ...] = ()
    problem: str = ""
    is_page: bool = False
    refused: str = ""
    text: str = ""


class _Marks(HTMLParser):
    """Reads links, marks and the notice's form. A mistake here affects only the report, and leaks nothing."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.found = PageMarks()
        self._in_notice = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if ids := values.get("data-cmw-held"):
            key = tuple(ids.split(","))
            self.found.held[key] = self.found.held.get(key, 0) + 1
        self.found.notices += "data-cmw-banner" in values
        self._in_notice |= "data-cmw-banner" in values
        address = values.get("data" if tag == "object" else "href" if tag == "link" else "src", "")
        if tag in _LOADING and (host := host_in(address)):
            self.found.sources.setdefault(host, (address, self.getpos()[0]))
        if tag == "form" and self._in_notice and not self.found.choice:
            self.found.choice = way_on(self._url, values.get("action", ""))
        target = values.get(_LEADING.get(tag, ""), "")
        if target and "nofollow" not in values.get("rel", "") and (way := way_on(self._url, target)):
            self.found.links.append(way)


def way_on(url: str, address: str) -> str:
    """Return path and query of an address in a page if it is on the page's own host, or an empty string."""
    try:
        here, parts = urlsplit(url), urlsplit(urljoin(url, address.strip()))
    except ValueError:
        return ""
    if (parts.scheme, parts.netloc) != (here.scheme, here.netloc):
        return ""
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def host_in(markup: str) -> str:
    """Return the first host in a piece of markup, or an empty string."""
    found = _ADDRESS.search(markup)
    return found[1].lower() if found else ""


class Reader:
    """
    Reads the responses of one site.

    Args:
        site: The configuration.
        aliases: Looks up CNAME aliases; None to skip that.
    """

    def __init__(self, site: Site, aliases: Aliases | None = None) -> None:
        self.site = site
        self._aliases = aliases
        #: All known services, including the site's own.
        self.services = {**joined(site.definitions), **site.by_id}
        self._undecided = decide(site, NoRecord.ABSENT, Signals(), 0)
        self._policy = self._policy_of(site)
        self._codings = known_codings()

    @cached_property
    def _strict(self) -> HoldPolicy:
        """A policy that holds every third party."""
        return self._policy_of(replace(self.site, unknown="hold"))

    def _policy_of(self, site: Site) -> HoldPolicy:
        prepared = Prepared(site, joined(site.definitions), Assets.shipped())
        return prepared.hold_policy(self._undecided, site.mount, Places(site.optional))

    def read(self, origin: str, path: str, answer: Response, *, whole: bool = True) -> AuditedPage:
        """
        Return what a response contains of services.

        Args:
            whole: Whether to look also for unknown third parties that are not held, for links and for marks.
        """
        if not answer.status:
            return AuditedPage(path, problem=answer.problem)
        try:
            body = self._opened(answer)
        except (RefusedMarkup, ValueError) as error:
            return AuditedPage(path, answer.status, problem=f"its content coding cannot be opened: {error}")
        headers = [(name, value) for name, value in answer.headers if name.lower() not in _UNREAD]
        unmarked = _ANY_MARK.sub(_READ_MARK, body)
        parts = urlsplit(origin + path)
        head = RequestHead("GET", parts.scheme, parts.netloc, parts.path, parts.query, (("accept", "text/html"),))
        seen, is_page, refused = self._observe(head, self._policy, answer.status, headers, unmarked)
        every = self._observe(head, self._strict, answer.status, headers, unmarked)[0] if whole else ()
        places = {(hold.element, hold.line, hold.column) for hold in seen}
        loads = [self._load(hold, is_held=True) for hold in seen]
        loads += [
            self._load(hold, is_held=False)
            for hold in every
            if (hold.element, hold.line, hold.column) not in places and host_in(hold.markup)
        ]
        marks, text = PageMarks(), ""
        if is_page and whole:
            text = body.decode("utf-8", "replace")
            reader = _Marks(origin + path)
            reader.feed(text)
            marks = reader.found
        return AuditedPage(
            path,
            answer.status,
            tuple(sorted(loads, key=lambda load: (load.seen.line, load.seen.column))),
            marks,
            tuple(value for name, value in answer.headers if name.lower() == "set-cookie"),
            answer.problem,
            is_page,
            refused,
            text,
        )

    def services_at(self, url: str, origin: str) -> tuple[Service, ...]:
        """Return the known or declared services that a request for ``url`` from a page of ``origin`` reaches."""
        ids = self._policy.matcher.url(url, resolve(origin + "/", _NO_PAGE))
        return tuple(self.services[id_] for id_ in ids if id_ in self.services)

    def behind_alias(self, url: str, origin: str) -> tuple[Service, tuple[str, ...]] | None:
        """Return the optional service that a host is an alias of, with the chain of names; None if there is none."""
        if self._aliases is None or self.services_at(url, origin):
            return None
        chain = self._aliases.of(host_in(url))
        for name in chain:
            for service in self.services_at(f"https://{name}/", origin):
                if self.waits(service):
                    return service, chain
        return None

    def waits(self, service: Service) -> bool:
        """Return whether a service needs the visitor's consent."""
        return service.id not in self._policy.allowed and not service.necessary

    def may_load(self, url: str) -> bool:
        """Return whether the owner allows a host that belongs to no service."""
        return self._policy.allows(resolve(url, _NO_PAGE))

    def keepers(self, kind: str, name: str) -> tuple[Service, ...]:
        """Return the services that store something under a name: a cookie, a storage key, a database."""
        globs = self._kept_by.get(kind)
        names = names_of(name) if kind == "cookie" else (name,)
        ids = dict.fromkeys(id_ for one in names for id_ in globs.values(one)) if globs else {}
        return tuple(self.services[id_] for id_ in ids)

    @cached_property
    def _kept_by(self) -> Mapping[str, Globs[str]]:
        every = self.services.values()
        keys = Globs((glob, service.id) for service in every for glob in service.storage)
        return {
            "cookie": Globs((glob, service.id) for service in every for glob in service.cookies),
            "local storage": keys,
            "session storage": keys,
            # An owner's service has one setting for all that it stores.
            "IndexedDB": Globs(
                (glob, service.id) for service in every for glob in (*service.databases, *service.storage)
            ),
        }

    def _opened(self, answer: Response) -> bytes:
        body = answer.body
        for name in reversed([part.strip().lower() for part in answer.header("content-encoding").split(",")]):
            if name in ("", "identity"):
                continue
            if name not in self._codings:
                raise ValueError(f"{name} is not known here")
            body = b"".join(self._codings[name].opener().open(body))
        return body

    def _observe(
        self, head: RequestHead, policy: HoldPolicy, status: int, headers: list[tuple[str, str]], body: bytes
    ) -> tuple[tuple[SeenHold, ...], bool, str]:
        def cookie_services(name: str) -> list[str]:
            ids = [] if is_own(name) else policy.matcher.cookie(name)
            # Services of one vendor may share a cookie: it stays as long as one of them runs.
            return [] if not policy.allowed.isdisjoint(ids) else list(ids)

        view = ObservingView(self._undecided, policy, self._codings, cookie_services)
        observer = Observer(head, view)
        observer.start(status, "", headers)
        observer.feed(body)
        found = observer.finish()
        # Browsers do not run scripts that another consent tool keeps. We hold them, since that tool may release them.
        holds = (hold for hold in found.holds if not (hold.element == "script" and is_kept(hold.markup)))
        return tuple(holds), found.is_page, found.refused

    def _load(self, hold: SeenHold, *, is_held: bool) -> SeenLoad:
        host = host_in(hold.markup)
        hold = replace(hold, markup=hold.markup.replace(_READ_MARK.decode(), _MARK.decode()))
        for id_ in hold.ids:
            if id_ in self.services and (is_held or id_ != UNKNOWN_SERVICE):
                return SeenLoad(self.services[id_], hold, host, is_held)
        id_ = hold.ids[0] if hold.ids else "unknown"
        name = host_of_stranger(id_) or host or id_
        return SeenLoad(Service(name.lower(), name, "", ()), hold, host, is_held)
