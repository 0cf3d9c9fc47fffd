"""
Rate limits per client, for grants and for reports of policies.

Theory of operation. Anyone can post grants with a script, and each is a row that is kept for years. So each IP address
has a token bucket: a grant takes one token, and the bucket refills in an hour. A grant without a token is refused, as
if the store had failed: the earlier choice remains, and refusals and withdrawals are always accepted.

Limits: the buckets are in the memory of one process, so several workers together allow a multiple, and a restart
refills them. Only keyed hashes of addresses are kept, with a key that lives as long as the process. IPv6 clients are
distinguished by the first 56 bits, which providers assign to a household. A client with many addresses has a bucket for
each of them.

Behind a proxy that ``trusted_proxies`` does not include, all visitors have the proxy's address. If that is a private
address, its bucket is ten times as large, and the address that it appends to ``X-Forwarded-For`` gets its own bucket. A
log line names the setting when a bucket is empty.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import secrets
import threading
import time
from collections.abc import Callable

from consent_mw.core.cache import BoundedCache
from consent_mw.http.forwarded import address_of
from consent_mw.http.forwarded import hops_of
from consent_mw.http.request import RequestHead

__all__ = ["ClientLimit", "clients_of"]

logger = logging.getLogger("consent_mw.web")

#: Seconds in which an empty bucket fills.
WINDOW = 3600.0
#: Limits of the cache of buckets, in clients and bytes; beyond these the least recently active client is dropped.
_CLIENTS = 20_000
_CLIENT_BYTES = 8_000_000
#: The factor for the bucket of an undeclared proxy, which serves many visitors.
_PROXY = 10
#: Bits of an IPv6 address that distinguish clients.
_PREFIX = 56
#: The longest address that is read, in characters.
_LONGEST = 64


class ClientLimit:
    """
    One bucket of tokens for each client; can be shared between threads.

    Args:
        clock: A monotonic clock, in seconds.
        key: The key for the hashes of addresses.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, key: bytes = b"") -> None:
        self._clock = clock
        self._key = key or secrets.token_bytes(32)
        self._lock = threading.Lock()
        #: By client: the remaining tokens, and the time of that state.
        self._left: BoundedCache[bytes, tuple[float, float]] = BoundedCache(_CLIENTS, _CLIENT_BYTES)
        self._warned = -WINDOW

    def allows(self, remote: str, head: RequestHead, *, proxies: int, an_hour: int, what: str) -> bool:
        """
        Take a token from each bucket of a request's client; return False, taking none, if one is empty.

        Args:
            remote: The address that the server sees.
            head: The request; its ``X-Forwarded-For`` is read.
            proxies: The setting ``trusted_proxies``.
            an_hour: Tokens of a full bucket; 0 for no limit.
            what: What is limited, for the log.
        """
        if not an_hour:
            return True
        with self._lock:
            now = self._clock()
            taken: list[tuple[bytes, float]] = []
            for client, share in clients_of(remote, head, proxies):
                most = an_hour * share
                name = hashlib.blake2b(client.encode("utf-8", "replace"), digest_size=16, key=self._key).digest()
                left, when = self._left.get(name) or (float(most), now)
                left = min(most, left + (now - when) * most / WINDOW)
                if left < 1:
                    self._warn(now, what, an_hour)
                    return False
                taken.append((name, left - 1))
            for name, left in taken:
                self._left.put(name, (left, now))
            return True

    def _warn(self, now: float, what: str, an_hour: int) -> None:
        """Log that a client reached its limit, at most once an hour, so that clients cannot flood the log."""
        if now - self._warned >= WINDOW:
            self._warned = now
            logger.error(
                "one address sent more than %d %s in an hour, and further ones are refused. If that is your own proxy,"
                " set trusted_proxies; if many visitors share an address, raise grants_per_hour",
                an_hour,
                what,
            )


def clients_of(remote: str, head: RequestHead, proxies: int) -> list[tuple[str, int]]:
    """Return the clients that a request counts for, each with the factor of its bucket."""
    address = address_of(remote, head, proxies) or remote
    if proxies or not _is_private(address):
        return [(_network(address), 1)]
    hops = hops_of(head)
    if not hops:
        return [(f"proxy {_network(address)}", _PROXY)]
    return [(_network(hops[-1]), 1), (f"proxy {_network(address)}", _PROXY)]


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Parse an address from a server or proxy, which may have brackets, a port and a zone."""
    host = text.strip(" \t\"'")[:_LONGEST]
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_private(text: str) -> bool:
    address = _parsed(text)
    if address is None:
        return not text.strip()  # the peer of a Unix socket has no address
    return any(address in network for network in _PRIVATE if network.version == address.version)


def _network(text: str) -> str:
    """Return the text that identifies the network of an address."""
    address = _parsed(text)
    if address is None:
        return text.strip()[:_LONGEST]
    if address.version == 4:
        return str(address)
    return hex(int(address) >> (128 - _PREFIX))


#: Networks of an owner's own proxies (RFC 1918, RFC 4193, RFC 6598, and the machine itself).
_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7"),
    )
)
