"""
``mode = "report"``: pages go out unchanged, and what would have been held is counted, page by page.

Theory of operation
-------------------

A :class:`~consent_mw.http.shadow.ShadowExchange` reads each page on its way out with the hold policy of a visitor who
has not chosen. Findings are stored under the page's pattern: its path, with a star for each part that may be a name (an
id, a title, a token). So nothing that visitors write is stored, and pages of one template count as one. Of the markup,
only the element and the address without its query are stored. A buffer in this process is added to a file every few
seconds.

With ``live_share`` holding is on for some visitors: those who have chosen before, and a share of the others. Membership
is computed from the address, the browser and the keys, and stored nowhere; a visitor stays in the same group as long as
these stay the same.
"""

from __future__ import annotations

import hmac
import logging
import re
import threading
from collections.abc import Callable

from consent_mw.core.choice import Record
from consent_mw.core.model import Site
from consent_mw.engine.page_view import PageView
from consent_mw.errors import RecordsError
from consent_mw.html.watched import SeenHold
from consent_mw.http.exchange import Exchange
from consent_mw.http.forwarded import address_of
from consent_mw.http.observed import Observation
from consent_mw.http.observed import Observer
from consent_mw.http.observed import ObservingView
from consent_mw.http.request import RequestHead
from consent_mw.http.shadow import ShadowExchange
from consent_mw.records.sqlite.shadow import ShadowChange
from consent_mw.records.sqlite.shadow import ShadowFile

__all__ = ["Shadow", "page_pattern"]

logger = logging.getLogger("consent_mw")

#: The size of the buffer, in lines; findings that do not fit are dropped.
_WAITING = 5_000
#: Parts of a path that name a kind of page; all others may be names.
_WORD = re.compile(r"[a-z]{1,20}(?:[._-][a-z]{1,20})?", re.IGNORECASE | re.ASCII)
_PARTS = 6
_LINK = re.compile(r"(?:https?:|wss?:)?//([A-Za-z0-9.-]+(?::\d+)?(?:/[^\s?#\"'<>)]*)?)")
_SHARES = 10_000


def page_pattern(path: str) -> str:
    """Return a path with a star for each part that may be a name."""
    parts = path.strip("/").split("/")
    kept = [part if not part or _WORD.fullmatch(part) else "*" for part in parts[:_PARTS]]
    return "/" + "/".join(kept) + ("/…" if len(parts) > _PARTS else "")


class Shadow:
    """
    The findings of one process on a site that is only observed.

    Args:
        site: The configuration.
        keys: Signing keys, oldest first.
        today: Returns whole days since 1970-01-01 UTC.
    """

    def __init__(self, site: Site, keys: tuple[str, ...], today: Callable[[], int]) -> None:
        self._site = site
        self._key = f"consent_mw.share.v1\0{site.id}\0{keys[-1]}".encode()
        self._today = today
        self._file = ShadowFile(site.report_file, site=site.id)
        self._lock = threading.Lock()
        self._views: dict[str, int] = {}
        self._changes: dict[ShadowChange, tuple[int, int]] = {}
        share = f"{site.live_share} % of the visitors get" if site.live_share else "Nobody gets"
        logger.warning(
            'mode = "report": %s a notice and held pages; all others get the pages as they are, trackers included.'
            " See what would be done: consent-mw shadow",
            share,
        )

    def exchange(self, head: RequestHead, view: PageView) -> Exchange | None:
        """Return the exchange for a request that is only observed; None if holding is on for this visitor."""
        if self._is_live(head, view):
            return None

        def observe() -> Observer:
            return Observer(head, ObservingView(view.decision, view.hold_policy, view.codings, view.held_by_cookie))

        return ShadowExchange(head, view, observe, lambda seen: self._saw(view.path, seen))

    def _is_live(self, head: RequestHead, view: PageView) -> bool:
        if not self._site.live_share:
            return False
        if isinstance(view.choice, Record):
            return True
        address = address_of(view.remote, head, self._site.trusted_proxies)
        facts = "\0".join((address, head.header("user-agent") or "", head.header("accept-language") or ""))
        found = hmac.digest(self._key, facts.encode("utf-8", "replace"), "sha256")
        return int.from_bytes(found[:8], "big") % _SHARES < self._site.live_share * _SHARES // 100

    def _saw(self, path: str, seen: Observation) -> None:
        if not (seen.is_page or seen.holds):
            return
        page = page_pattern(path)
        changes = {_change(page, hold): hold.line for hold in reversed(seen.holds)}
        if seen.refused:
            changes[ShadowChange(page, "refuse", (), seen.refused)] = 0
        with self._lock:
            if len(self._changes) + len(self._views) > _WAITING:
                return
            self._views[page] = self._views.get(page, 0) + 1
            for change, line in changes.items():
                self._changes[change] = (line, self._changes.get(change, (0, 0))[1] + 1)

    def flush(self) -> None:
        """
        Add the findings to the file.

        Raises:
            RecordsError: the file cannot be written; the findings are lost.
        """
        with self._lock:
            views, self._views = self._views, {}
            changes, self._changes = self._changes, {}
        if views or changes:
            self._file.add(views, changes, self._today())

    def close(self) -> None:
        """Add the remaining findings, and close the file."""
        try:
            self.flush()
        except RecordsError as error:
            logger.warning("the last of what would be held is lost: %s", error)
        self._file.close()


def _change(page: str, hold: SeenHold) -> ShadowChange:
    """Return what is stored of a hold: element and address, without code and queries, which may be personal."""
    if hold.element == "header":
        name, _, value = hold.markup.partition(":")
        name = name.lower()
        shown = f"{name}: {value.strip().partition('=')[0]}" if name == "set-cookie" else name
        return ShadowChange(page, "drop", hold.ids, shown)
    found = _LINK.search(hold.markup)
    return ShadowChange(page, "hold", hold.ids, f"<{hold.element}>{f' {found[1]}' if found else ''}"[:200])
