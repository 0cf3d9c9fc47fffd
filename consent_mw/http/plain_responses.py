"""
The fast path for responses that go out unchanged: most responses of a site are not pages.

The result is the one that :mod:`consent_mw.http.headers` would give, at the price of one look at the headers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from consent_mw.http.headers import Handling
from consent_mw.http.headers import judge
from consent_mw.http.held_fields import DEPENDENT

__all__ = ["passes"]

#: A longer Content-Type is left to :func:`judge`.
_LONGEST_TYPE = 128


def passes(status: int, headers: Sequence[tuple[str, str]]) -> bool:
    """
    Return whether a response goes out unchanged, whatever the request and the visitor's choice.

    This is true of most responses that are not pages. :func:`judge` and
    :func:`~consent_mw.http.held_fields.without_held` decide about the others.
    """
    plain = status == 304
    for name, value in headers:
        lower = name.lower()
        if lower in DEPENDENT:
            return False
        if lower == "content-type" and status != 304:
            if plain or len(value) > _LONGEST_TYPE or not _is_plain(value):
                return False
            plain = True
    return plain


@lru_cache(maxsize=256)
def _is_plain(content_type: str) -> bool:
    """Whether a response of this type passes whatever its other headers say."""
    headers = [("content-type", content_type)]
    verdicts = (judge(200, headers, document=document) for document in (False, True))
    return all(verdict.handling is Handling.PASS for verdict in verdicts)
