"""
Providers by reverse DNS: the name of an address, believed only if it resolves back to the address.

Anybody can give their address any name; only the owner of the name can confirm it (RFC 1912 section 2.1).
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from consent_mw.counting.background import Background
from consent_mw.public_suffix import registrable

if TYPE_CHECKING:
    from dns.resolver import Resolver

__all__ = ["PtrLookup"]

_log = logging.getLogger("consent_mw")

#: The number of threads, each of which mostly waits for name servers.
ASKING = 4
#: Seconds for one query to one server, and for each of the two queries of a lookup.
PATIENCE = 1.0
LIFETIME = 2.0
#: How many names of an address are followed; more would be an attempt to keep us busy.
MAX_NAMES = 4


class PtrLookup(Background):
    """
    Reverse DNS, forward-confirmed, reduced to the registrable domain.

    Args:
        nameservers: Addresses of name servers; the machine's own if empty.
        port: Their port.
    """

    threads = ASKING

    def __init__(self, nameservers: Sequence[str] = (), port: int = 53) -> None:
        self._nameservers = tuple(nameservers)
        self._port = port
        self._own: Resolver | None = None
        self._told = False
        super().__init__()

    def _resolver(self) -> Resolver:
        import dns.resolver  # imported late: only needed on the first lookup

        if self._own is None:
            try:
                resolver = dns.resolver.Resolver(configure=not self._nameservers)
            except dns.resolver.NoResolverConfiguration:
                if not self._told:
                    self._told = True
                    _log.warning('providers stay unknown: this machine has no name servers; write isp = "off"')
                raise
            if self._nameservers:
                resolver.nameservers = list(self._nameservers)
                resolver.port = self._port
            resolver.timeout = PATIENCE
            resolver.lifetime = LIFETIME
            resolver.cache = None  # it would store addresses
            self._own = resolver
        return self._own

    def _resolve(self, address: str) -> str:
        import dns.reversename

        resolver = self._resolver()
        answer = resolver.resolve(dns.reversename.from_address(address), "PTR", search=False)
        for record in list(answer)[:MAX_NAMES]:
            name = record.target.to_text(omit_final_dot=True).lower()
            domain = registrable(name)
            if domain and self._leads_back(resolver, name, address):
                return domain
        return ""

    def _leads_back(self, resolver: Resolver, name: str, address: str) -> bool:
        """Return whether ``name`` resolves to this address: anybody can give their address any name."""
        import dns.exception

        wanted = ipaddress.ip_address(address)
        kind = "A" if wanted.version == 4 else "AAAA"
        try:
            answer = resolver.resolve(f"{name}.", kind, search=False)
        except dns.exception.DNSException:
            return False
        return any(ipaddress.ip_address(record.address) == wanted for record in answer)
