"""
Which wording of the notice a visit gets, where several are compared.

Nothing is stored for it, neither in the browser nor here. The wording is drawn by a keyed hash of the day, the address
and the browser, so it stays the same on every page of a visit and on every machine, and nobody can tell afterwards who
got which. The hash is used for nothing else. It changes every day: visitors who share an address and a browser (an
office) would otherwise always get the same one, and count as one opinion.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from consent_mw.core.model import Site
from consent_mw.http.forwarded import address_of
from consent_mw.http.request import RequestHead

__all__ = ["WordingDraw"]


class WordingDraw:
    """
    Draws the wording of a visit; all are drawn equally often.

    Args:
        site: The configuration.
        keys: Signing keys, oldest first.
        today: Returns whole days since 1970-01-01 UTC.
    """

    def __init__(self, site: Site, keys: tuple[str, ...], today: Callable[[], int]) -> None:
        self._names = ("", *site.wordings)
        self._proxies = site.trusted_proxies
        self._key = f"consent_mw.wording.v1\0{site.id}\0{keys[-1]}".encode()
        self._today = today

    def of(self, head: RequestHead, remote: str) -> str:
        """Return the name of the wording for a request; empty for the site's own words."""
        if len(self._names) == 1:
            return ""
        address = address_of(remote, head, self._proxies)
        facts = "\0".join((str(self._today()), address, head.header("user-agent") or ""))
        drawn = hmac.digest(self._key, facts.encode("utf-8", "replace"), "sha256")
        return self._names[int.from_bytes(drawn[:8], "big") % len(self._names)]
