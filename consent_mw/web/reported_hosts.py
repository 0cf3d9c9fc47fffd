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
from consent_mw.html.urls import Url
from consent_mw.html.urls import resolve
from consent_mw.html.urls import site_of
from consent_mw.web.visit import Visit

__all__ = ["ReportedHosts", "is_host"]

#: The longest host that is counted, in characters.
_LONGEST = 100
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")
_NOWHERE = Url("", "", "")


def is_host(text: str) -> bool:
    """Return whether a text is a host that may be counted."""
    return len(text) <= _LONGEST and _HOST.fullmatch(text) is not None


class ReportedHosts:
    """Decides which reported hosts are counted; shared between threads."""

    def __init__(self) -> None:
        self._named: frozenset[str] = frozenset()

    def countable(self, hosts: Iterable[str], visit: Visit) -> list[str]:
        """
        Return the names under which hosts are counted, sorted and without duplicates.

        Args:
            hosts: Texts from the browser; a text that is no host is skipped.
            visit: The visit that reports them.
        """
        if not self._named:
            self._named = _named_hosts(visit.site)
        granted = [
            service for service in visit.site.services if service.necessary or service.id in visit.decision.granted
        ]
        own = site_of(resolve(f"https://{visit.head.host}/", _NOWHERE).host)
        return sorted(
            {
                host if host in self._named else site_of(host)
                for host in filter(is_host, hosts)
                if site_of(host) != own and not _belongs(host, granted)
            }
        )


def _named_hosts(site: Site) -> frozenset[str]:
    """Return the hosts in the rules of the catalogue and the site."""
    from consent_mw.catalogue.definitions import joined

    known = [*joined(site.definitions).values(), *site.services]
    return frozenset(rule.partition("/")[0] for service in known for rule in service.hosts)


def _belongs(host: str, services: Iterable[Service]) -> bool:
    """Return whether a rule of the services names the host or a domain above it."""
    for service in services:
        for rule in service.hosts:
            name = rule.partition("/")[0]
            if f".{host}".endswith(f".{name}") or (name.endswith(".*") and f".{host}".find(f".{name[:-1]}") >= 0):
                return True
    return False
