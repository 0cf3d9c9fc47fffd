"""
The cookie for visitors who object to being counted.

It has one value and is the same for everybody, so it is not signed and identifies nobody.
"""

from __future__ import annotations

from consent_mw.http.cookies import DAY_SECONDS
from consent_mw.http.cookies import HOST_PREFIX
from consent_mw.http.cookies import MAX_DAYS
from consent_mw.http.cookies import cookies_of
from consent_mw.http.cookies import prefix_for
from consent_mw.http.cookies import set_cookie
from consent_mw.http.request import RequestHead

__all__ = ["SECURE_NAME", "objected", "objection_cookie"]

PLAIN_NAME = "cmw-uncounted"
SECURE_NAME = HOST_PREFIX + PLAIN_NAME
_OBJECTS = "1"


def objected(head: RequestHead) -> bool:
    """Return whether the visitor objects to being counted. Duplicate cookies do not matter."""
    name = SECURE_NAME if head.scheme == "https" else PLAIN_NAME
    # Most requests have no objection: search for the name before parsing any header.
    if not any(key == "cookie" and name in value for key, value in head.headers):
        return False
    return (name, _OBJECTS) in cookies_of(head)


def objection_cookie(head: RequestHead, *, object: bool, insecure: bool = False) -> str | None:
    """
    Return the Set-Cookie value that stores or deletes an objection; None if no cookie may be set.

    Args:
        head: The request that is answered.
        object: Whether the visitor objects.
        insecure: The setting ``allow_insecure_http``.
    """
    prefix = prefix_for(head, insecure=insecure)
    if prefix is None:
        return None
    return set_cookie(
        prefix + PLAIN_NAME,
        _OBJECTS if object else "",
        seconds=MAX_DAYS * DAY_SECONDS if object else 0,
    )
