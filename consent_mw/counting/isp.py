"""
The visitor's provider: the IP address of a request, and the lookups that find the provider's domain.

``ptr`` queries the machine's name servers. ``mmdb:FILE`` reads a local database, so that no other party learns of the
visitor. Both run in the background, and drop the address when they are done.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import logging
import re
from bisect import bisect_right
from collections.abc import Callable
from typing import Protocol

from consent_mw.errors import ConfigError
from consent_mw.errors import Problem
from consent_mw.http.forwarded import address_of
from consent_mw.http.request import RequestHead

__all__ = ["IspLookup", "client_address", "open_lookup"]

_log = logging.getLogger("consent_mw")


class IspLookup(Protocol):
    """Finds the provider behind an address, in the background."""

    def find(self, address: str, done: Callable[[str], None]) -> None:
        """
        Call ``done`` once, from any thread, with the provider's domain, the slug of its name, or UNKNOWN.

        Returns at once and never raises. The address is forgotten before ``done`` is called.
        """
        ...

    def close(self, grace: float = 0.0) -> None:
        """Wait up to ``grace`` seconds for pending lookups; those that are not done by then are UNKNOWN."""
        ...


# -- the address of a request


def client_address(remote: str, head: RequestHead, trusted_proxies: int) -> str:
    """
    Return the public address that a request came from; empty if it is unknown or not public.

    Args:
        remote: The address that the server sees.
        head: The request; only ``X-Forwarded-For`` is read, and only if there are trusted proxies.
        trusted_proxies: The number of the site's proxies that append to that header. Entries further left come from the
            client.

    Returns:
        The canonical text of a public address; IPv4-mapped IPv6 addresses become IPv4.
    """
    return _public(address_of(remote, head, trusted_proxies))


_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]{2,45})(?:%[^\]]{0,32})?\](?::[0-9]{1,5})?", re.ASCII)
_PLAIN = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){3})(?::[0-9]{1,5})?|([0-9A-Fa-f:.]{2,45})(?:%.{0,32})?", re.ASCII)


def _public(text: str) -> str:
    """Return the public address in ``text``, without port, brackets and zone; empty if there is none."""
    text = text.strip(" \t\"'")
    found = _BRACKETED.fullmatch(text) or _PLAIN.fullmatch(text) if len(text) <= 96 else None
    if found is None:
        return ""
    try:
        address = ipaddress.ip_address(found[found.lastindex or 0])
    except ValueError:
        return ""
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    starts, ends = _NOBODYS[address.version]
    number = int(address)
    place = bisect_right(starts, number) - 1
    return "" if place >= 0 and number <= ends[place] else str(address)


def _ranges(*networks: str) -> tuple[list[int], list[int]]:
    """Return the first and the last addresses of networks, in order."""
    parsed = sorted(map(ipaddress.ip_network, networks))
    return [int(network[0]) for network in parsed], [int(network[-1]) for network in parsed]


#: Addresses that no provider assigns to customers (IANA's special-purpose address registries). Python's ``is_global``
#: knows them, too, but it caches the addresses that it is asked about, and no address may be stored here.
_NOBODYS = {
    4: _ranges(
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/3"),
    ),
    # Nothing outside of 2000::/3 is assigned; inside are protocols, examples, and 6to4, which has no reverse names.
    6: _ranges("::/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "4000::/2", "8000::/1"),
}


# -- the setting


def open_lookup(setting: str, *, explicit: bool) -> IspLookup | None:
    """
    Return the lookup that the setting ``isp`` names, or None if providers are not counted.

    Args:
        setting: ``ptr``, ``mmdb:FILE`` or ``off``.
        explicit: Whether the owner wrote it. By default, providers are not counted if the libraries are missing.

    Raises:
        ConfigError: the setting is none of these, its libraries are missing, or the file does not contain providers.
    """
    kind, _, file = setting.partition(":")
    if setting == "off":
        return None
    if setting != "ptr" and (kind != "mmdb" or not file):
        what = f"There is no such way to find providers: {setting!r}."
        raise ConfigError([Problem("site.isp", what, 'Write "ptr", "mmdb:FILE" or "off".')])
    missing = [name for name in _LIBRARIES[kind] if importlib.util.find_spec(name) is None]
    if missing and explicit:
        what = f"isp = {setting!r} needs libraries that are not installed: {', '.join(missing)}."
        raise ConfigError([Problem("site.isp", what, f'Run: {_INSTALL}, or write isp = "off".')])
    if missing:
        _log.info("providers are not counted, since their libraries are not installed; to count them: %s", _INSTALL)
        return None
    # Only the configured lookup is imported.
    if kind == "ptr":
        from consent_mw.counting.ptr import PtrLookup

        return PtrLookup()
    from consent_mw.counting.mmdb import MmdbLookup

    return MmdbLookup(file)


_LIBRARIES = {"ptr": ("dns", "publicsuffixlist"), "mmdb": ("maxminddb", "publicsuffixlist")}
_INSTALL = "pip install consent_mw[isp]"
