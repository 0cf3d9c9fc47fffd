"""
Hosts that browsers report as stopped, by a policy or by the guard: which are counted, and under which name.

Only the host of an address is read. It is reduced to its registrable domain unless the catalogue or the owner
names it: a subdomain that was made for one visitor must not be stored. The site's own hosts are left out, and so are
those of services that the visitor granted, since a page loaded before the grant goes on reporting them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.html.service_index import parts_of
from consent_mw.html.urls import Url
from consent_mw.html.urls import resolve
from consent_mw.html.urls import site_of
from consent_mw.web.visit import Visit

__all__ = ["countable", "is_host"]

#: The longest host that is counted, in characters.
_LONGEST = 100
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")
_NOWHERE = Url("", "", "")


def is_host(text: str) -> bool:
    """Return whether a text is a host that may be counted."""
    return len(text) <= _LONGEST and _HOST.fullmatch(text) is not None


def countable(hosts: Iterable[str], visit: Visit) -> list[str]:
    """
    Return the names under which reported hosts are counted, sorted and without duplicates.

    Args:
        hosts: Texts from the browser; a text that is not a host is skipped.
        visit: The visit that reports them.
    """
    reported = set(filter(is_host, hosts))
    if not reported:
        return []
    granted = [service for service in visit.site.services if service.necessary or service.id in visit.decision.granted]
    named = _NamedHosts(visit.site)
    own = site_of(resolve(f"https://{visit.head.host}/", _NOWHERE).host)
    return sorted(
        {
            host if host in named else site_of(host)
            for host in reported
            if site_of(host) != own and not _belongs(host, granted)
        }
    )


class _NamedHosts:
    """The hosts in the rules of the catalogue and of a site, without making the catalogue's services."""

    def __init__(self, site: Site) -> None:
        from consent_mw.catalogue.definitions import joined

        self._index, beside = parts_of(joined(site.definitions))
        self._beside = {rule.partition("/")[0] for one in (*beside.values(), *site.services) for rule in one.hosts}

    def __contains__(self, host: str) -> bool:
        """Whether a rule names the host."""
        return host in self._beside or (self._index is not None and bool(self._index.on_host(host)))


def _belongs(host: str, services: Iterable[Service]) -> bool:
    """Return whether a rule of the services names the host or a domain above it."""
    for service in services:
        for rule in service.hosts:
            name = rule.partition("/")[0]
            if f".{host}".endswith(f".{name}") or (name.endswith(".*") and f".{host}".find(f".{name[:-1]}") >= 0):
                return True
    return False
