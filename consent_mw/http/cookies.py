"""
Cookies in headers: how to read a Cookie header, how to write Set-Cookie, and where a cookie of ours may be kept.

Every module that reads or writes a cookie goes through here, so that all of them agree on what a header says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterator

from consent_mw.http.hosts import host_of
from consent_mw.http.hosts import is_local
from consent_mw.http.request import RequestHead

#: Binds a cookie to one host, over https, for the whole site (RFC 6265bis section 4.1.3.2).
HOST_PREFIX = "__Host-"
#: Marks a cookie as set over https; unlike ``__Host-`` it may have a domain (RFC 6265bis section 4.1.3.1).
SECURE_PREFIX = "__Secure-"
#: Browsers cap the lifetime of a cookie at 400 days (RFC 6265bis section 5.5).
MAX_DAYS = 400
DAY_SECONDS = 86_400

#: The white space that a cookie parser strips (RFC 6265bis section 5.6).
_SPACE = " \t"
_AGE = re.compile(r"[ \t]*max-age[ \t]*=", re.IGNORECASE)
_NO_AGE = re.compile(r"[ \t]*max-age[ \t]*=[ \t]*(?:0+|-[0-9]+)[ \t]*", re.IGNORECASE)
_DATE = re.compile(r"[ \t]*expires[ \t]*=", re.IGNORECASE)
#: Servers write a date in 1970 to delete a cookie.
_OLD_DATE = re.compile(
    r"[ \t]*expires[ \t]*=[ \t]*[a-z]{3,9},? [0-9]{1,2}[ -][a-z]{3}[ -]19[0-9]{2} [0-9:]{8}(?: GMT)?[ \t]*",
    re.IGNORECASE,
)


def prefix_for(head: RequestHead, *, insecure: bool) -> str | None:
    """
    Return the prefix for the names of our cookies, or None if no cookie may be kept.

    Over https that is ``__Host-``. Over plain http anybody on the way could read and replace a cookie, so there we
    keep one only on the visitor's own machine, or if the owner accepts the risk.

    Args:
        head: The request that is answered.
        insecure: The setting ``allow_insecure_http``.
    """
    return prefix_at(head.scheme, head.host, insecure=insecure)


def prefix_at(scheme: str, host: str, *, insecure: bool) -> str | None:
    """Return the prefix as :func:`prefix_for` does, given the scheme of the request and its Host header."""
    if scheme == "https":
        return HOST_PREFIX
    if scheme == "http" and (insecure or is_local(host_of(host))):
        return ""
    return None


def parse_cookies(header: str) -> Iterator[tuple[str, str]]:
    """
    Yield name and value of each cookie in a Cookie header, in order, repeats kept.

    The rule is that of RFC 6265bis section 5.6: the first ``=`` ends the name, and spaces and tabs around either are
    dropped. A pair without a name (``=a=b``) is yielded with an empty one: no page of the site set it as ``a``, and it
    must never pass for a cookie of ours.
    """
    for pair in header.split(";"):
        name, _, value = pair.partition("=")
        yield name.strip(_SPACE), value.strip(_SPACE)


def cookies_of(head: RequestHead) -> Iterator[tuple[str, str]]:
    """Yield name and value of each cookie that a request carries; HTTP/2 may split them over several headers."""
    for header in head.cookie_headers:
        yield from parse_cookies(header)


def values_of(head: RequestHead, name: str) -> list[str]:
    """Return the values of all cookies with this name."""
    for header in head.cookie_headers:
        if name in header:
            return [value for key, value in cookies_of(head) if key == name]
    return []  # usually, and without parsing the other cookies


def names_in(head: RequestHead) -> list[str]:
    """Return the names that servers and scripts may read out of the request's cookies (:func:`name_of_pair`)."""
    return [name_of_pair(pair) for header in head.cookie_headers for pair in header.split(";")]


def name_of_pair(pair: str) -> str:
    """
    Return the name under which a cookie comes back, given its pair or a whole Set-Cookie value.

    A browser stores a cookie without a name (``=_ga=1``) and sends the text behind the sign as it is (RFC 6265bis
    sections 5.6 and 5.8.3). Servers and scripts then read a name out of it.
    """
    text = pair.partition(";")[0].strip(_SPACE)
    if text.startswith("="):
        text = text.lstrip("=" + _SPACE)
    return text.partition("=")[0].strip(_SPACE)


def deletes(set_cookie: str) -> bool:
    """
    Return whether a Set-Cookie value certainly deletes the cookie: by an age of zero, or by a date in the last century.

    An age counts more than a date (RFC 6265bis section 5.7). Browsers differ in what they make of unusual values, so
    these are not taken for deletions.
    """
    attributes = set_cookie.split(";")[1:]
    ages = [part for part in attributes if _AGE.match(part)]
    if ages:
        return all(map(_NO_AGE.fullmatch, ages))
    dates = [part for part in attributes if _DATE.match(part)]
    return bool(dates) and all(map(_OLD_DATE.fullmatch, dates))


def without(header: str, dropped: Callable[[str], bool]) -> str:
    """Return a Cookie header without the cookies whose names are ``dropped``; unchanged if there are none."""
    pairs = header.split(";")
    kept = [pair for pair in pairs if not dropped(name_of_pair(pair))]
    return header if len(kept) == len(pairs) else ";".join(kept).strip(_SPACE)


def set_cookie(name: str, value: str, *, seconds: int, domain: str = "", hidden: bool = True) -> str:
    """
    Return a Set-Cookie value for the whole site; a name with a prefix is sent over https only, as prefixes require.

    Args:
        seconds: Lifetime; 0 deletes the cookie.
        domain: Host and subdomains that get the cookie; empty for the answering host alone.
        hidden: Whether scripts of the page must not read it.
    """
    shared = f"; Domain={domain}" if domain else ""
    flags = ("; HttpOnly" if hidden else "") + ("; Secure" if name.startswith("__") else "")
    return f"{name}={value}; Path=/; Max-Age={seconds}; SameSite=Lax{shared}{flags}"


def delete_cookie(name: str, *, path: str = "/", domain: str = "") -> str:
    """Return the Set-Cookie value that deletes a cookie; path and domain must be those it was set with."""
    shared = f"; Domain={domain}" if domain else ""
    secure = "; Secure" if name.startswith("__") else ""
    return f"{name}=; Path={path}; Max-Age=0{shared}{secure}"
