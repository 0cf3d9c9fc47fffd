"""
The cookies of other parties: which of them a service may have set, and what makes a browser forget them.

A request tells the names of cookies and nothing of where they came from. So
a cookie that has to go is expired wherever it may have been set for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from consent_mw.core.globs import Globs
from consent_mw.core.model import Service
from consent_mw.http.hosts import domains_of
from consent_mw.http.hosts import host_of

#: Set-Cookie values of one response: servers commonly take 100 header fields at most (Apache, gunicorn).
MAX_EXPIRED = 60
#: Characters of them together: nginx takes 4 KB of response headers from an application unless it is told otherwise.
MAX_EXPIRED_SIZE = 2048
#: Paths for which a cookie is expired beside the whole site, and characters of one.
_MOST_PATHS = 7
_LONGEST_PATH = 200
_PREFIX = re.compile(r"__(?:Host-Http|Host|Secure|Http)-(?=.)", re.IGNORECASE)
_COOKIE_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
#: Our own cookies, whatever a service says its are called.
_OWN = re.compile(r"(?:__(?:Host|Secure)-)?(?:port[0-9]{1,5}-)?cmw(?:-[a-z]+)*", re.ASCII)


def names_of(name: str) -> tuple[str, ...]:
    """Return the name as catalogues know it, too, where a prefix was put before it (RFC 6265bis section 4.1.3)."""
    bare = _PREFIX.sub("", name)
    return (name, bare) if bare != name else (name,)


def is_own(name: str) -> bool:
    """Return whether a cookie is one of ours, which no pattern of any service makes go."""
    return _OWN.fullmatch(name) is not None


def expire(seen: Iterable[str], services: Iterable[Service], host: str, path: str = "/") -> list[str]:
    """
    Return Set-Cookie values that make a browser forget the cookies of ``services``.

    A cookie can only be replaced under the domain and the path that it was set for, which no request tells: each is
    expired for this host alone and for every domain above it that a site may own, on the whole site first, and then
    on every path that the request is under.

    Args:
        seen: Names of cookies as the request brought them.
        services: Those whose cookies have to go; ``*`` in their names stands for any run of characters.
        host: The request's Host header.
        path: Of the request, as the browser sees it, unquoted.

    Returns:
        At most 60 values of 2048 characters together; what is left over is seen again by the next request.
    """
    wanted = Globs((glob, True) for service in services for glob in service.cookies)
    names = [
        name
        for name in dict.fromkeys(seen)
        # A name that is no token could carry attributes of its own into the header.
        if not is_own(name) and _COOKIE_NAME.fullmatch(name) and any(map(wanted.fits, names_of(name)))
    ]
    domains = domains_of(host_of(host)) if names else []
    found: list[str] = []
    size = 0
    for place in ["/", *_paths(path)] if names else []:
        for name in names:
            prefix = name.lower()
            if prefix.startswith("__host-") and place != "/":
                continue
            secure = "; Secure" if prefix.startswith("__") and _PREFIX.match(prefix) else ""
            for domain in [""] if prefix.startswith("__host-") else ["", *domains]:
                value = f"{name}=; Path={place}; Max-Age=0" + (f"; Domain={domain}" if domain else "") + secure
                size += len(value)
                if len(found) == MAX_EXPIRED or size > MAX_EXPIRED_SIZE:
                    return found
                found.append(value)
    return found


def _paths(path: str) -> list[str]:
    """Return the paths below the root that a cookie sent to ``path`` may be set for, the nearest first."""
    quoted = quote(path, safe="/!$&'()*+,:=@~%")
    if not quoted.startswith("/"):
        return []
    folders = quoted.split("/")[1:-1]
    found = [] if quoted.endswith("/") else [quoted]
    for count in range(len(folders), 0, -1):
        folder = "/" + "/".join(folders[:count])
        found += [folder, folder + "/"]
    # No cookie of that length of a path is known; what is no path reaches no header.
    return [place for place in found[:_MOST_PATHS] if len(place) <= _LONGEST_PATH]
