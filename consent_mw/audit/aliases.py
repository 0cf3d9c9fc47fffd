"""
CNAME cloaking: hosts of the site that are aliases of a vendor's host.

Browsers treat such a host as part of the site, so its cookies are first-party, and lists of trackers do not contain it.
Only DNS reveals it (RFC 1034, section 3.6.2), which is queried if the owner names a resolver.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from consent_mw.errors import ConsentError

if TYPE_CHECKING:
    from dns.resolver import Resolver

__all__ = ["Aliases", "NoResolver"]

#: Limits: steps of a chain, and hosts that are looked up.
_LONGEST, _MOST = 8, 500
#: Seconds for one query.
_PATIENCE = 3.0


class NoResolver(ConsentError):
    """DNS cannot be queried; the message says what is missing."""


class Aliases:
    """
    Looks up the aliases of hosts.

    Args:
        resolver: ``ADDRESS`` or ``ADDRESS:PORT``; empty for this machine's resolver.

    Raises:
        NoResolver: if dnspython is not installed, or the machine has no resolver.
    """

    def __init__(self, resolver: str = "") -> None:
        self._resolver = _resolver(resolver)
        self._known: dict[str, tuple[str, ...]] = {}

    def of(self, host: str) -> tuple[str, ...]:
        """Return the chain of names that a host is an alias of, the nearest first; empty if it is none or DNS fails."""
        if host not in self._known:
            if len(self._known) >= _MOST or not host:
                return ()
            self._known[host] = tuple(self._follow(host))
        return self._known[host]

    def _follow(self, host: str) -> list[str]:
        import dns.exception

        chain: list[str] = []
        while len(chain) < _LONGEST:
            try:
                answer = self._resolver.resolve(f"{chain[-1] if chain else host}.", "CNAME", search=False)
            except (dns.exception.DNSException, ValueError):
                break  # not an alias, no such name, or no answer
            name = next(iter(answer)).target.to_text(omit_final_dot=True).lower()
            if name in chain or name == host:
                break
            chain.append(name)
        return chain


def _resolver(named: str) -> Resolver:
    try:
        import dns.resolver
    except ImportError:
        raise NoResolver('A resolver needs dnspython: pip install "consent_mw[isp]".') from None
    try:
        found = dns.resolver.Resolver(configure=not named)
        if named:
            parts = urlsplit(f"//[{named}]" if named.count(":") > 1 and not named.startswith("[") else f"//{named}")
            found.nameservers = [str(ip_address(parts.hostname or ""))]
            found.port = parts.port or 53
    except dns.resolver.NoResolverConfiguration:
        raise NoResolver("This machine has no resolver. Name one: --resolver 9.9.9.9.") from None
    except ValueError:
        raise NoResolver(f"{named!r} is not an address of a resolver. Write ADDRESS or ADDRESS:PORT.") from None
    found.timeout = found.lifetime = _PATIENCE
    return found
