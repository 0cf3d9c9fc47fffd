"""
What the visitor sees of the site when the owner's proxies stand in front of it, and whose address it is.

Proxies report it in ``X-Forwarded-Proto``, ``-Host``, ``-Prefix`` and ``-For``. Each proxy appends to a list, and
visitors can write anything at its start. The entry of the outermost of the stated proxies counts; if there are fewer
entries than proxies, none does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace

from consent_mw.http.request import RequestHead

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+=:@%-]+)*/?", re.ASCII)
#: Characters of a list that are looked at, from its end.
_READ = 1_000
#: Characters of one ``X-Forwarded-For`` that are looked at, from its end.
_READ_HOPS = 2048
#: What a page depends on where proxies are trusted: these decide what is the site's own.
FORWARDING = ("X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix")


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What the stated proxies say; empty where they say nothing that can be believed."""

    scheme: str = ""
    host: str = ""
    prefix: str = ""


def forwarded(header: Callable[[str], str], proxies: int) -> Forwarded:
    """
    Return what the proxies say of a request.

    Args:
        header: Gives the request's header of that name (lower case), repeats joined by commas; empty without one.
        proxies: How many the owner has.
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
    Return the address that a request came from, as it was written; empty if the proxies do not say.

    Args:
        remote: The address that the server sees.
        proxies: How many the owner has; without any, ``remote`` is the answer.
    """
    if not proxies:
        return remote
    hops = hops_of(head)
    return hops[-proxies] if len(hops) >= proxies else ""


def hops_of(head: RequestHead) -> list[str]:
    """Return the entries of ``X-Forwarded-For``, the nearest proxy's last."""
    return [hop for value in head.all("x-forwarded-for") for hop in value[-_READ_HOPS:].split(",")]


def under(prefix: str, script_name: str) -> str:
    """Return what the paths of the site begin with; a server or a wrapper may have put the prefix there already."""
    if script_name == prefix or script_name.startswith(prefix + "/"):
        return script_name
    return prefix + script_name


def as_visited(head: RequestHead, script_name: str, proxies: int) -> tuple[RequestHead, str]:
    """Return the request as the visitor sent it, and what the paths of the site begin with."""
    if not proxies:
        return head, script_name
    said = forwarded(lambda name: ",".join(head.all(name)), proxies)
    return (
        replace(head, scheme=said.scheme or head.scheme, host=said.host or head.host),
        under(said.prefix, script_name),
    )
