"""
Hears from the pages of a browser profile what their scripts do that no protocol tells: who stores what, and more.

:data:`consent_mw.audit.browser_scripts.TELLING` is put in before any script of a page, and reports names and places,
never values of what is stored.
"""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from consent_mw.audit.browser_scripts import TELLING
from consent_mw.audit.browser_views import Cause
from consent_mw.audit.browser_views import cause_in_stack

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

__all__ = ["StorageWatch"]

#: How many characters of an address, a request body and a name are kept.
_ADDRESS, _BODY, _NAME = 2_000, 2_000, 120
#: The most names that are kept, and the most scripts of a page whose reading is.
_MOST_NAMES, _MOST_SCRIPTS = 1_000, 100


class StorageWatch:
    """Records, for all pages of a browser profile, what is stored by whom."""

    def __init__(self) -> None:
        #: Kind and name of each stored item, with the place in the script that stored it.
        self.setters: dict[tuple[str, str], str] = {}
        #: What scripts of the present page read that tells browsers apart: the script, and what it read.
        self.traits: dict[str, set[str]] = {}
        #: Bodies that pages sent, by address; servers of peer connections; what is known not to be seen.
        self.bodies: dict[str, str] = {}
        self.peers: dict[str, Cause] = {}
        self.unseen: set[str] = set()
        #: When each cookie was to end, as it was seen last: seconds since 1970, by name and domain.
        self.ends: dict[tuple[str, str], float] = {}
        #: The event that lets time pass in a page.
        self.stir = "_" + secrets.token_hex(8)

    async def attach(self, context: BrowserContext) -> None:
        """Attach to a profile, before its first page."""
        name = "_" + secrets.token_hex(8)
        await context.expose_binding(name, self._heard)
        script = TELLING.replace("NAME", json.dumps(name)).replace("STIR", json.dumps(self.stir))
        await context.add_init_script(script)

    def begin(self) -> None:
        """Forget what belongs to the page before."""
        for one in (self.traits, self.bodies, self.peers, self.unseen):
            one.clear()

    def _heard(self, _: object, text: object) -> None:
        if max(len(self.bodies), len(self.peers), len(self.unseen)) >= _MOST_NAMES:
            return
        with suppress(ValueError, TypeError):
            kind, name, stack = json.loads(str(text)[:4_000])
            cause = cause_in_stack(str(stack))
            if kind == "body":
                self.bodies[str(name)[:_ADDRESS]] = str(stack)[:_BODY]
            elif kind == "peer":
                self.peers.setdefault(str(name), cause or Cause("script", ""))
            elif kind == "unseen":
                self.unseen.add(str(name))
            elif kind == "trait":
                if cause is not None and (cause.url in self.traits or len(self.traits) < _MOST_SCRIPTS):
                    self.traits.setdefault(cause.url, set()).add(str(name))
            elif len(self.setters) < _MOST_NAMES:
                self.setters.setdefault((str(kind), str(name)), str(cause or "script"))

    def set_by_header(self, name: str, url: str) -> None:
        """Record that a response header set a cookie."""
        if len(self.setters) < _MOST_NAMES:
            self.setters.setdefault(("cookie", name[:_NAME]), f"header of {url[:_ADDRESS]}")
