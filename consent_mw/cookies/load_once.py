"""
The cookie for "load this once" without JavaScript.

It lists services, is signed and HttpOnly, and expires after a minute. The next view of the one page that it was made
for shows the embeds of these services and deletes the cookie. It is not consent: nothing else of the services runs,
nothing is recorded, and nothing persists. A cookie that does not verify shows nothing. Nothing that a browser sends
raises an error here.

The steps of :meth:`OneTime.read`; the numbers are repeated in the code:

(1) The request is for a whole page, and is not a prefetch.
(2) Exactly one cookie has the name, and the shape.
(3) One of the keys signed it for this site, this use, and this page.
(4) It has not expired.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from urllib.parse import unquote

from consent_mw.core.model import Site
from consent_mw.core.signing import signer
from consent_mw.http.cookies import set_cookie
from consent_mw.http.cookies import values_of
from consent_mw.http.intent import wants_banner
from consent_mw.http.request import RequestHead

#: Seconds between the click and the page that shows the embed.
LIFETIME = 60
#: Suffix of the choice cookie's name.
SUFFIX = "-once"
#: Most services of one embed; no element is held for more.
MOST = 8

_TOKEN = re.compile(
    r"(?P<until>[1-9][0-9]{0,11})\.(?P<ids>[a-z0-9-]+(?:_[a-z0-9-]+){0,7})\.(?P<mac>[A-Za-z0-9_-]{43})", re.ASCII
)
_ID = re.compile(r"[a-z0-9-]+", re.ASCII)


class OneTime:
    """
    Writes and reads the one-time cookie of one site.

    Args:
        keys: Oldest first; the last one signs, all of them verify.
        clock: Seconds since 1970-01-01 UTC.
    """

    def __init__(self, site: Site, keys: tuple[str, ...], clock: Callable[[], float]) -> None:
        self._signer = signer(keys, "consent_mw.once.v1", site.name, site.mount)
        self._clock = clock

    def write(self, name: str, ids: Iterable[str], page: str) -> str:
        """
        Return the Set-Cookie value that shows the embeds of services once; empty if the ids do not fit a cookie.

        Args:
            name: The name of the choice's cookie.
            ids: The services.
            page: Path and query of the page that will show them.
        """
        wanted = sorted(set(ids))
        if not 0 < len(wanted) <= MOST or not all(map(_ID.fullmatch, wanted)):
            return ""
        text = f"{int(self._clock()) + LIFETIME}.{'_'.join(wanted)}"
        mac = self._signer.get_signature(_signed(text, page)).decode("ascii")
        return set_cookie(name + SUFFIX, f"{text}.{mac}", seconds=LIFETIME)

    def read(self, name: str, head: RequestHead, page: str) -> frozenset[str]:
        """Return the services whose embeds this one view of the page shows; never raises."""
        if head.method != "GET" or not wants_banner(head) or head.header("sec-purpose"):  # (1)
            return frozenset()
        values = values_of(head, name + SUFFIX)
        found = _TOKEN.fullmatch(values[0]) if len(values) == 1 else None  # (2)
        if found is None:
            return frozenset()
        text = f"{found['until']}.{found['ids']}"
        if not self._signer.verify_signature(_signed(text, page), found["mac"]):  # (3)
            return frozenset()
        left = int(found["until"]) - self._clock()
        return frozenset(found["ids"].split("_")) if 0 < left <= LIFETIME else frozenset()  # (4)

    @staticmethod
    def gone(name: str) -> str:
        """Return the Set-Cookie value that deletes the cookie."""
        return set_cookie(name + SUFFIX, "", seconds=0)


def _signed(text: str, page: str) -> bytes:
    """Return the signed bytes: the cookie's text and the page, with its path unescaped."""
    path, _, query = page.partition("#")[0].partition("?")
    return f"{text}\0{unquote(path)}?{query}".encode("utf-8", "replace")
