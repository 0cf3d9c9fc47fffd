"""
The Content-Security-Policies of a page: the site's own, extended for our code and without held sources, plus our own.

:class:`Policing` is made once for a site, :class:`PagePolicies` for each page. :mod:`consent_mw.html.csp` parses and
edits policies; this module knows the page and its visitor.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Protocol
from weakref import ref

from consent_mw.core.cache import BoundedCache
from consent_mw.core.lazy import lazy
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.html import csp
from consent_mw.html.match import Matcher
from consent_mw.html.urls import Url
from consent_mw.html.urls import public_suffix_length
from consent_mw.html.urls import site_of
from consent_mw.http.headers import Headers
from consent_mw.http.request import RequestHead

logger = logging.getLogger("consent_mw")

_ENFORCED = "content-security-policy"
_TRIED = "content-security-policy-report-only"
#: Headers that make a page accept only linked scripts with a hash, https://w3c.github.io/webappsec-subresource-integrity/
_INTEGRITY = frozenset({"integrity-policy", "integrity-policy-report-only"})
_POLICY_HEADERS = _INTEGRITY | {_ENFORCED, _TRIED}

#: The name of our endpoint in Reporting-Endpoints.
_GROUP = "cmw"
#: The limits of the cache of source expressions, in entries and bytes.
_KEPT_SOURCES, _KEPT_SIZE = 4096, 4_194_304
#: Matches any subdomain of a host.
_SOME = "cmw-any."

#: Inline elements in our own markup, as the notice writes them.
_INLINE = re.compile(rb"<(script|style)\b([^>]*)>(.*?)</\1>", re.DOTALL)
_LINKED = re.compile(rb"\ssrc=")
_ADDRESS = re.compile(r"[0-9.]+|\[.*|localhost|[^.]+")


def hash_of(text: bytes) -> str:
    """Return the source expression that allows an inline script or style sheet with this text."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text).digest()).decode() + "'"


@lru_cache(maxsize=32)
def inline_in(markup: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the source expressions for inline scripts, and those for inline style sheets, in our markup."""
    scripts: dict[str, None] = {}
    styles: dict[str, None] = {}
    for name, attributes, text in _INLINE.findall(markup):
        if name == b"style":
            styles[hash_of(text)] = None
        elif not _LINKED.search(attributes):
            scripts[hash_of(text)] = None
    return tuple(scripts), tuple(styles)


class Policing:
    """
    What the policies of a site's pages have in common; shared by threads.

    Args:
        site: The configuration.
        matcher: Recognises the services of the catalogue and the declared ones.
    """

    def __init__(self, site: Site, matcher: Matcher) -> None:
        self.tightens = site.csp in ("tighten", "enforce")
        self.enforces = site.csp == "enforce"
        self.reports = site.csp_reports
        self._matcher = matcher
        #: Needed only if sources are removed from the site's own policies.
        self._rules = [(_Pattern(rule), id_) for rule, id_ in matcher.host_rules()] if self.tightens else []
        self._known: BoundedCache[tuple[str, str, frozenset[str]], bool] = BoundedCache(_KEPT_SOURCES, _KEPT_SIZE)
        self._warned: set[str] = set()

    def held(self, source: str, page_host: str, allowed: frozenset[str]) -> bool:
        """
        Return whether a source expression allows nothing but held services.

        Args:
            source: A source expression with a host, as in a policy.
            page_host: The page's own host, to which rules for whole hosts do not apply.
            allowed: Ids of the services that may run.
        """
        key = (source, page_host, allowed)
        known = self._known.get(key)
        if known is None:
            known = self._judged(source, page_host, allowed)
            self._known.put(key, known)
        return known

    def _judged(self, source: str, page_host: str, allowed: frozenset[str]) -> bool:
        found = csp.host_and_path(source)
        if found is None:
            return False
        host, path = found
        wild = host.startswith("*")
        domain = host.removeprefix("*").removeprefix(".")
        ids: Sequence[str] = ()
        if domain:
            ids = self._matcher.resolved(Url("https", (_SOME if wild else "") + domain, path or "/"), page_host)
        within = {id_ for pattern, id_ in self._rules if not domain or pattern.within(domain, path, wild=wild)}
        if ids and allowed.isdisjoint(ids) and allowed.isdisjoint(within):
            return True
        if not allowed.issuperset({*ids, *within}) and wild:
            self.warn(source)
        return False

    def warn(self, source: str) -> None:
        """Warn, once for each source, that it allows held services but cannot be removed."""
        if source not in self._warned and len(self._warned) < 100:
            self._warned.add(source)
            logger.warning(
                "the site's Content-Security-Policy allows %s, which stands for services that are held and for others"
                ' too: csp = "tighten" leaves it. Name the hosts that the site needs instead',
                source,
            )

    def warn_stuck(self) -> None:
        """Warn, once, that a shared page cannot release anything, and what its policy would need."""
        if "" not in self._warned:
            self._warned.add("")
            logger.warning(
                "the site's Content-Security-Policy lets no linked script of the site itself run, so that nothing can"
                " be released in pages that everybody shares (caching = \"shared\"): add 'self' to its script-src, and"
                " consent-mw to its trusted-types if it has such a list"
            )


class _Pattern:
    """One host rule of a service (:class:`consent_mw.core.model.Service`)."""

    __slots__ = ("any_suffix", "host", "path")

    def __init__(self, rule: str) -> None:
        host, slash, path = rule.partition("/")
        self.any_suffix = host.endswith(".*")
        self.host = host.removesuffix(".*").lower()
        self.path = slash + path

    def within(self, domain: str, path: str, *, wild: bool) -> bool:
        """Whether the rule covers ``path`` on ``domain`` (and on its subdomains, if ``wild``)."""
        if self.any_suffix:
            labels = domain.split(".")
            domain = ".".join(labels[: -public_suffix_length(labels)])
        same = domain == self.host or domain.endswith("." + self.host)
        if not same and not (wild and self.host.endswith("." + domain)):
            return False
        return self.path.startswith(path) or path.startswith(self.path)


class PolicedPage(Protocol):
    """The part of :class:`consent_mw.engine.page_view.PageView` from which the policies are derived."""

    head: RequestHead
    #: The mount's full path.
    root: str

    @property
    def allowed(self) -> frozenset[str]:
        """Ids of the services that may run for this visitor."""
        ...

    @property
    def running(self) -> Iterable[Service]:
        """The declared services that may run."""
        ...

    @property
    def for_all(self) -> bool:
        """Whether the page is the same for everybody, so that its policies cannot depend on a choice."""
        ...

    def all_of_ours(self) -> bytes:
        """Return all markup that may be inserted into the page, inline if possible; empty if there will be none."""
        ...


class PagePolicies:
    """
    The policies of one page.

    Args:
        policing: The site's part.
        page: The page.
    """

    def __init__(self, policing: Policing, page: PolicedPage) -> None:
        self._policing = policing
        # The page refers to its policies. A strong reference back would leave the whole view to the garbage collector.
        self._page_ref = ref(page)
        self._follows = not page.for_all
        self._policies: list[str] = []
        #: The kinds of linked files that need a hash in the page: "script" and "style".
        self._hashed: frozenset[str] = frozenset()
        self._terms: tuple[tuple[str, ...], csp.Terms] | None = None
        self._known = False
        self._empty = False
        #: Whether a source was removed or a policy added, so that a grant takes effect only after a reload.
        self.closed = False

    @property
    def _page(self) -> PolicedPage:
        page = self._page_ref()
        if page is None:
            raise ReferenceError("the policies of a page are used after the page")
        return page

    @lazy
    def _own(self) -> csp.OwnContent:
        page = self._page
        return csp.OwnContent(page.head.scheme, page.head.host.rpartition("@")[2], page.root + "/")

    @lazy
    def _page_host(self) -> str:
        return self._own.host.partition(":")[0].lower()

    @property
    def demand(self) -> bool:
        """Whether policies in the page's headers, or the site's settings, affect what is inserted."""
        return bool(self._policies) or bool(self._hashed) or self.closed

    def adapt(self, headers: Headers) -> Headers:
        """Return the headers of the page with adapted policies."""
        if _POLICY_HEADERS.isdisjoint([name.lower() for name, _ in headers]):
            self._hashed = frozenset()
            return headers + self._added()
        # If there are two nonces, that of an enforced policy counts.
        values = [value for wanted in (_ENFORCED, _TRIED) for name, value in headers if name.lower() == wanted]
        if values:
            self._policies = [policy for value in values for policy in csp.policies_in(value)]
            self._know_ours()
            headers = [
                (name, self._changed(value)) if name.lower() in (_ENFORCED, _TRIED) else (name, value)
                for name, value in headers
            ]
        wanted = [value for name, value in headers if name.lower() in _INTEGRITY]
        self._hashed = frozenset(kind for kind in ("script", "style") for value in wanted if kind in value)
        return headers + self._added()

    def _know_ours(self) -> None:
        """Determine what may be inserted; only needed for pages with policies."""
        if self._known:
            return
        self._known = True
        nonce = next(filter(None, (csp.nonce_of(csp.parsed(policy)) for policy in self._policies)), "")
        inserted = self._page.all_of_ours()
        self._empty = not inserted
        scripts, styles = inline_in(inserted)
        self._own = replace(self._own, scripts=scripts, styles=styles, nonce=nonce)
        self._terms = None

    def amend(self, text: str) -> list[csp.Edit]:
        """Return the edits of a policy in a ``meta`` element of the page."""
        if "," in text:
            return []  # one policy by the standard, several in some browsers
        self._know_ours()
        edits = [] if self._empty else csp.additions(text, self._own, inserting=True)
        return edits + self._taken_out(text, inserting=True)

    def terms(self, in_page: tuple[str, ...]) -> csp.Terms:
        """
        Return what our code may do in the page under all its policies.

        Args:
            in_page: The policies in the page's ``meta`` elements.
        """
        if self._terms is None or self._terms[0] != in_page:
            self._terms = in_page, self._worked_out(in_page)
        return self._terms[1]

    def _worked_out(self, in_page: tuple[str, ...]) -> csp.Terms:
        unclear = [text for text in in_page if "," in text]
        plain = [text for text in in_page if "," not in text]
        parts = [part for text in unclear for part in csp.policies_in(text)]
        terms = csp.terms([*self._policies, *plain, *parts], self._own)._replace(inline=not unclear)
        if "script" in self._hashed:
            terms = terms._replace(linked=False, loads=False)
        if "style" in self._hashed:
            terms = terms._replace(sheets=False)
        if not (terms.loads or self._follows):
            self._policing.warn_stuck()
        return terms

    def _changed(self, value: str) -> str:
        changed = []
        for policy in csp.policies_in(value):
            edits = self._taken_out(policy)
            if not self._empty:
                # What else is needed follows from the remaining sources.
                policy, edits = csp.edited(policy, edits), []
                edits = csp.additions(policy, self._own)
            policy = csp.edited(policy, edits)
            if self._policing.reports and (address := self._report_address()):
                policy = csp.edited(policy, csp.reporting(policy, address))
            changed.append(policy)
        return ",".join(changed)

    def _taken_out(self, text: str, *, inserting: bool = False) -> list[csp.Edit]:
        if not (self._policing.tightens and self._follows):
            return []

        def held(source: str) -> bool:
            return self._policing.held(source, self._page_host, self._page.allowed)

        for source in csp.schemes_in(text):
            self._policing.warn(source)
        edits = csp.removals(text, held, inserting=inserting)
        self.closed = self.closed or bool(edits)
        return edits

    def _added(self) -> Headers:
        """Return the headers of our own policy and its reporting endpoint."""
        policing = self._policing
        if not (policing.enforces or policing.reports) or not self._follows:
            return []
        policy = csp.built(_sources(self._page.running, self._page_host))
        added: Headers = []
        address = self._report_address() if policing.reports else ""
        if address:
            group = _GROUP if self._page.head.scheme == "https" else ""
            policy = csp.edited(policy, csp.reporting(policy, address, group))
            if group:
                added.append(("Reporting-Endpoints", f'{group}="{address}"'))
        if policing.enforces:
            self.closed = True
        elif not address:
            return []
        name = "Content-Security-Policy" if policing.enforces else "Content-Security-Policy-Report-Only"
        return [(name, policy), *added]

    def _report_address(self) -> str:
        """Return the address for reports; empty if a policy cannot express it."""
        return self._page.root + "/csp" if self._own.address else ""


def _sources(services: Iterable[Service], page_host: str) -> list[str]:
    """Return the source expressions for the page's own site and for services, without duplicates."""
    hosts: dict[str, None] = {}
    if not _ADDRESS.fullmatch(page_host):
        site = site_of(page_host)
        hosts.update(dict.fromkeys(map(_on_any_port, [site, f"*.{site}"])))
    for service in services:
        for rule in service.hosts:
            host, slash, path = rule.partition("/")
            path = slash + path
            if host.endswith(".*") or csp.host_and_path(host) is None or re.search(r"[;,'\"?#\s]", path):
                continue  # no source expression can express it
            names = [host] if host.startswith("www.") else [host, f"*.{host}"]
            ends = [path] if path in ("", "/") or path.endswith("/") else [path, path + "/"]
            hosts.update(dict.fromkeys(_on_any_port(name) + end for name in names for end in ends))
    # A source expression without a scheme does not include WebSockets.
    return [form for host in hosts for form in (host, f"wss://{host}")]


def _on_any_port(host: str) -> str:
    # Host rules have no ports either.
    return host + ":*"
