"""
The site's address as visitors see it, and the visitor's own address, if the owner's proxies are in front of the site.

Proxies report them in ``X-Forwarded-Proto``, ``-Host``, ``-Prefix`` and ``-For``. Each proxy appends to a list, and
visitors can put anything at its start. The entry of the outermost configured proxy counts; if there are fewer entries
than proxies, none does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace

from consent_mw.http.request import RequestHead

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+=:@%-]+)*/?", re.ASCII)
#: Only this many characters at the end of a list are read.
_READ = 1_000
#: Only this many characters at the end of ``X-Forwarded-For`` are read.
_READ_HOPS = 2048
#: The headers that a page depends on if proxies are trusted: they decide what is first-party.
FORWARDING = ("X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix")


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What the configured proxies report; fields are empty if nothing credible was reported."""

    scheme: str = ""
    host: str = ""
    prefix: str = ""


def forwarded(header: Callable[[str], str], proxies: int) -> Forwarded:
    """
    Return what the proxies report about a request.

    Args:
        header: Returns the request header of that name (lower case), repeats joined by commas; empty if absent.
        proxies: The number of proxies.
    """
    if not proxies:
        return Forwarded()

    def told(name: str) -> str:
        entries = header(name)[-_READ:].split(",")
        return entries[-proxies].strip() if len(entries) >= proxies else ""

    scheme = told("x-forwarded-proto").lower()
    host = told("x-forwarded-host")
    prefix = told("x-forwarded-prefix")
    return Forwarded(
        scheme if scheme in ("http", "https") else "",
        host if _HOST.fullmatch(host) else "",
        prefix.rstrip("/") if _PREFIX.fullmatch(prefix) else "",
    )


def address_of(remote: str, head: RequestHead, proxies: int) -> str:
    """
    Return the address that a request came from, as reported; empty if the proxies do not report one.

    Args:
        remote: The address that the server sees.
        proxies: The number of proxies; if it is 0, ``remote`` is returned.
    """
    if not proxies:
        return remote
    hops = hops_of(head)
    return hops[-proxies] if len(hops) >= proxies else ""


def hops_of(head: RequestHead) -> list[str]:
    """Return the entries of ``X-Forwarded-For``; the nearest proxy's entry is the last."""
    return [hop for value in head.all("x-forwarded-for") for hop in value[-_READ_HOPS:].split(",")]


def under(prefix: str, script_name: str) -> str:
    """Return the prefix of the site's paths; a server or another middleware may have added it already."""
    if script_name == prefix or script_name.startswith(prefix + "/"):
        return script_name
    return prefix + script_name


def as_visited(head: RequestHead, script_name: str, proxies: int) -> tuple[RequestHead, str]:
    """Return the request as the visitor sent it, and the prefix of the site's paths."""
    if not proxies:
        return head, script_name
    said = forwarded(lambda name: ",".join(head.all(name)), proxies)
    return (
        replace(head, scheme=said.scheme or head.scheme, host=said.host or head.host),
        under(said.prefix, script_name),
    )
