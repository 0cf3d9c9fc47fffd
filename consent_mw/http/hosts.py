"""Host names from the Host header: whether they name this machine, and which cookies they may get."""

from __future__ import annotations

import ipaddress
import re

_HOST_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)


def host_of(authority: str) -> str:
    """Return the host in a Host header: lower case, without port, brackets and final dot."""
    host = authority.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


def port_of(authority: str) -> str:
    """Return the port in a Host header; empty if there is none."""
    host, colon, port = authority.strip().rpartition(":")
    named = colon and port.isascii() and port.isdigit() and len(port) <= 5 and (":" not in host or host.endswith("]"))
    return port if named else ""


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if not host[:1].isdigit() and ":" not in host:
        return None  # a name; checking is cheaper than raising
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_local(host: str) -> bool:
    """Return whether browsers treat ``host`` as this machine (Secure Contexts section 3.1)."""
    address = _address(host)
    return host == "localhost" or host.endswith(".localhost") or (address is not None and address.is_loopback)


def domains_of(host: str) -> list[str]:
    """Return ``host`` and each domain above it, the widest first; none for an IP address or a single label."""
    # The client chooses the Host header: an invalid name must not end up in our headers.
    if len(host) > 253 or not _HOST_NAME.fullmatch(host) or _address(host) is not None:
        return []
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 2, -1, -1)]
