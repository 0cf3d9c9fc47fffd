"""
Responses that plainly go out as they are: most of what a site sends is no page.

What is said here follows from :mod:`consent_mw.http.headers`, and costs one look at the headers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from consent_mw.http.headers import DEPENDENT
from consent_mw.http.headers import Handling
from consent_mw.http.headers import judge

__all__ = ["passes"]

#: Longer values of Content-Type are no plain ones.
_LONGEST_TYPE = 128


def passes(status: int, headers: Sequence[tuple[str, str]]) -> bool:
    """
    Return whether a response plainly goes out as it is, whatever was asked for and whoever asks.

    So it is with most of what is no page; of the others :func:`judge` and :func:`without_held` say what becomes.
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
    """Whether a response of this one type passes, whatever else its head says."""
    headers = [("content-type", content_type)]
    verdicts = (judge(200, headers, document=document) for document in (False, True))
    return all(verdict.handling is Handling.PASS for verdict in verdicts)
