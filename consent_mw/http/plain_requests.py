"""
The fast path for requests that the application sees as they came: most requests of browsers.

The result is the one that :meth:`consent_mw.http.exchange.Exchange.request_changes` would give on a site that hides no
cookies, at the price of one look at the headers. So an exchange is made only if the response, or a view, needs one.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from consent_mw.http.content_coding import narrowed
from consent_mw.http.intent import CLOSED
from consent_mw.http.request import FieldNames

__all__ = ["fields_stay", "variables_stay"]

_CONDITIONS = FieldNames(CLOSED)


def variables_stay(variables: Mapping[str, Any], codings: frozenset[str]) -> bool:
    """
    Return whether a request passes to the application unchanged.

    Args:
        variables: The request as CGI variables (PEP 3333).
        codings: The names of the content codings that can be decoded.
    """
    # The few conditions are looked up among the variables, of which a request has many more.
    if not variables.keys().isdisjoint(_CONDITIONS.variables):
        return False
    accepted = variables.get("HTTP_ACCEPT_ENCODING")
    return accepted is None or (bool(accepted) and narrowed(accepted, codings) == accepted)


def fields_stay(headers: Iterable[tuple[bytes, bytes]], codings: frozenset[str]) -> bool:
    """
    Return whether a request passes to the application unchanged.

    Args:
        headers: The request's headers in ASGI's form.
        codings: The names of the content codings that can be decoded.
    """
    given = False
    for name, value in headers:
        lower = bytes(name).lower()
        if lower in _CONDITIONS.raw:
            return False
        if lower == b"accept-encoding":
            accepted = value.decode("latin-1")
            if given or not accepted or narrowed(accepted, codings) != accepted:
                return False
            given = True
    return True
