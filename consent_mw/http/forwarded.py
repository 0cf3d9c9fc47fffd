"""
What the visitor sees of the site, where proxies of the owner's own stand before it.

Proxies tell it in ``X-Forwarded-Proto``, ``-Host`` and ``-Prefix``. Each adds
to the end of a list, and visitors can write whatever they like before that:
of the entries, the one that the outermost of the stated proxies wrote counts,
and none where there are fewer entries than proxies.
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
