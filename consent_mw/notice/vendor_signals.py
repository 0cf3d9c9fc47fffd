"""
Signals to vendors: tell granted tags the visitor's choice, through their vendors' interfaces.

A held tag needs no signal, since it does not run. So a signal is sent only if one of the services that listen to it is
granted. The code is identical in every page (``static/signals.js``), so that a policy can allow its hash; the variable
parts are in attributes.

Purposes and their names in Google's consent mode, version 2:

* ``analytics``: analytics_storage
* ``marketing``: ad_storage, ad_user_data and ad_personalization
* ``preferences``: functionality_storage and personalization_storage

A site's own code may make a vendor's tag wait for consent (``_paq.push(['requireConsent'])``). Once the service is
granted, such a call is answered with the one that ends the wait. The calls are in the catalogue (the field ``waits``).
So a service with such calls needs the code, too.

A grant of a single service counts as a grant of its purposes to its own vendor, unless it is a tag manager.

Limits: no vendor has a signal for ``embeds`` or for an owner's own purposes. Renamed queues (``dataLayer``) are not
supported.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Mapping

from consent_mw.catalogue import SIGNALS
from consent_mw.core.choice import Decision
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.notice.assets import Assets
from consent_mw.notice.escaping import quoted
from consent_mw.notice.page_facts import FirstPage

__all__ = ["CODE", "SignalCode"]

#: The file that sends the signals.
CODE = "signals.js"

#: Options of Google's consent mode.
_OPTIONS = ("url_passthrough", "ads_data_redaction")
#: The purposes that vendors have signals for, in the order that the code expects.
_PURPOSES = ("analytics", "marketing", "preferences")


class SignalCode:
    """
    The code that sends signals from a site's pages; created once and shared between threads.

    Args:
        site: The current site; a site that has learned a service needs a new one.
        assets: The static files.
    """

    def __init__(self, site: Site, assets: Assets) -> None:
        self._path = assets.path(CODE)
        self._code = assets.read(CODE).decode("ascii")
        listening = [*(one for family in SIGNALS for one in _listening(site, family)), *_waiting(site)]
        self._ids = frozenset(service.id for service in listening)
        #: The site's settings for the code, as JSON; empty if no declared service listens to a signal.
        self.settings = _settings(site)

    def wanted(self, decision: Decision) -> bool:
        """Return whether a tag that listens to a signal may run in this visitor's pages."""
        return not self._ids.isdisjoint(decision.granted)

    def markup(self, page: FirstPage) -> bytes:
        """Return the script to insert first in the head; empty if no tag that listens to a signal may run."""
        decision = page.decision
        if not self.wanted(decision):
            return b""
        on = sorted((self._ids & decision.granted) | decision.purposes.intersection(_PURPOSES))
        attributes = f"data-cmw-signals={quoted(self.settings)} data-cmw-on={quoted(','.join(on))}"
        if page.nonce:
            attributes += f" nonce={quoted(page.nonce)}"
        if page.inline and not page.xml:
            script = f"<script {attributes}>{self._code}</script>"
        else:
            script = f"<script {attributes} src={quoted(f'{page.root}/{self._path}')}></script>"
        return script.encode("ascii", "xmlcharrefreplace")

    @property
    def parts(self) -> Mapping[str, str]:
        """The code's path below the mount, and its settings; empty if no service listens."""
        return {"path": self._path, "plan": self.settings} if self.settings else {}

    @property
    def attributes(self) -> str:
        """
        Attributes for the script element of the runtime, which loads the code after a grant; or an empty string.

        They are not needed if :meth:`markup` has inserted the code into the page.
        """
        if not self.settings:
            return ""
        return f' data-cmw-signals={quoted(self.settings)} data-cmw-signals-src="{self._path}"'


def _settings(site: Site) -> str:
    """
    Return the settings for the code.

    For each vendor, they are lists of ids: the services that listen; then, for statistics, for marketing and for
    preferences, the purposes and services any of which allows it; and for Google the options that are on. ``waits`` has
    the calls to answer, by service.
    """
    plan: dict[str, object] = {}
    for family in SIGNALS:
        if listening := _listening(site, family):
            lists = [[service.id for service in listening], *(_meaning(one, listening) for one in _PURPOSES)]
            options = [option for option in _OPTIONS if getattr(site.signals, option)]
            plan[family] = [*lists, options] if family == "google" else lists
    if waiting := _waiting(site):
        plan["waits"] = {service.id: [_call(text) for text in service.waits] for service in waiting}
    return json.dumps(plan, separators=(",", ":")) if plan else ""


def _listening(site: Site, family: str) -> list[Service]:
    """Return the services that listen to the vendor's signal."""
    return [service for service in site.optional if family in service.signals] if getattr(site.signals, family) else []


def _waiting(site: Site) -> list[Service]:
    """Return the services that a site's own code can make wait."""
    return [service for service in site.optional if service.waits]


def _call(text: str) -> list[object]:
    """Return an entry of ``waits`` as the code reads it: the global, the words of the call, and those of its answer."""
    call, answer = (
        [{"true": True, "false": False}.get(word, word) for word in part.split(" ")] for part in text.split(" > ")
    )
    return [call[0], call[1:], answer]


def _meaning(purpose: str, listening: Iterable[Service]) -> list[str]:
    """Return the ids of the purpose and of services; a grant of any of them allows the vendor that purpose."""
    return [purpose, *(one.id for one in listening if purpose in one.purposes and not one.manager)]
