"""
Cookies of third-party services: which names only a vendor would choose, and how to expire the cookies.

A request has the names of cookies but not their domains and paths. So a cookie is expired for every domain and path
for which it may have been set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from consent_mw.core.globs import Globs
from consent_mw.core.globs import fits
from consent_mw.core.model import Service
from consent_mw.http.hosts import domains_of
from consent_mw.http.hosts import host_of

#: Set-Cookie values of one response: servers commonly take 100 header fields at most (Apache, gunicorn).
MAX_EXPIRED = 60
#: Their total length in characters: nginx accepts 4 KB of response headers from an application by default.
MAX_EXPIRED_SIZE = 2048
#: Number of paths besides ``/`` for which a cookie is expired, and the length of one in characters.
_MOST_PATHS = 7
_LONGEST_PATH = 200
_PREFIX = re.compile(r"__(?:Host-Http|Host|Secure|Http)-(?=.)", re.IGNORECASE)
_COOKIE_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
#: The fewest characters of a distinctive name: in lower case, with capitals, and after a leading underscore.
_LEAST_LOWER, _LEAST_CAPITAL, _LEAST_AFTER_UNDERSCORE = 6, 4, 2
#: Words in the names of cookies that a site may need itself: dropping one of those would break it.
_OWN_WORDS = re.compile(
    r"user|token|sess|login|auth|csrf|cart|lang|locale|unique|first|visitor$|client$", re.IGNORECASE
)
#: Our own cookies; no service's pattern applies to them.
_OWN = re.compile(r"(?:__(?:Host|Secure)-)?(?:port[0-9]{1,5}-)?cmw(?:-[a-z]+)*", re.ASCII)


def names_of(name: str) -> tuple[str, ...]:
    """Return the name and, if it has a prefix (RFC 6265bis section 4.1.3), also the name without it."""
    bare = _PREFIX.sub("", name)
    return (name, bare) if bare != name else (name,)


def is_own(name: str) -> bool:
    """Return whether a cookie is one of ours, which is never expired for a service."""
    return _OWN.fullmatch(name) is not None


def is_distinctive(glob: str) -> bool:
    """
    Return whether a cookie name in the catalogue is so typical of its vendor that no site would use it for its own.

    Short names and common words are not: a shop may have a cookie ``mbox`` or ``viewer_token`` of its own.
    """
    literal = glob.replace("*", "")
    if literal.startswith("_"):
        return len(literal.strip("_-")) >= _LEAST_AFTER_UNDERSCORE
    least = _LEAST_LOWER if literal.islower() else _LEAST_CAPITAL
    return len(literal) >= least and not _OWN_WORDS.search(literal)


def is_surely_of(name: str, service: Service) -> bool:
    """Return whether a cookie belongs to ``service`` by a distinctive name."""
    return any(is_distinctive(glob) and any(fits(glob, known) for known in names_of(name)) for glob in service.cookies)


def expire(seen: Iterable[str], services: Iterable[Service], host: str, path: str = "/") -> list[str]:
    """
    Return Set-Cookie values that expire the cookies of ``services``.

    A cookie can only be replaced under the domain and path for which it was set, and the request does not name them. So
    each is expired for this host and for every registrable domain above it, first for ``/`` and then for every path
    above the request's.

    Args:
        seen: Names of the cookies in the request.
        services: The services whose cookies are to be expired; ``*`` in their names matches any run of characters.
        host: The request's Host header.
        path: The path of the request as the browser sees it, unquoted.

    Returns:
        At most 60 values of 2048 characters in total; the next request brings the remaining cookies again.
    """
    wanted = Globs((glob, True) for service in services for glob in service.cookies)
    names = [
        name
        for name in dict.fromkeys(seen)
        # A name that is not a token could inject attributes into the header.
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
    """Return the paths below the root for which a cookie sent to ``path`` may have been set, the nearest first."""
    quoted = quote(path, safe="/!$&'()*+,:=@~%")
    if not quoted.startswith("/"):
        return []
    folders = quoted.split("/")[1:-1]
    found = [] if quoted.endswith("/") else [quoted]
    for count in range(len(folders), 0, -1):
        folder = "/" + "/".join(folders[:count])
        found += [folder, folder + "/"]
    # Cookies with such long paths are unknown. An invalid path must not reach a header.
    return [place for place in found[:_MOST_PATHS] if len(place) <= _LONGEST_PATH]
