"""How much the notice adds to a page, compressed: banner, style, runtime, guard and signals together."""

from __future__ import annotations

import re

import brotli
import pytest

from consent_mw import catalogue
from consent_mw import config
from consent_mw.core.choice import Action
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.core.decide import decide
from consent_mw.notice.assets import Assets
from consent_mw.notice.assets import texts
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage

#: Bytes under which a page stays for who has not decided, and for who has.
UNDECIDED = 6 * 1024
DECIDED = 2 * 1024

ASSETS = Assets()
SERVICES = ("google-analytics", "meta-pixel", "youtube", "clarity")
#: What a shop that advertises has.
TEN = (
    *SERVICES,
    *("google-tag-manager", "google-ads", "hotjar", "linkedin-insight", "tiktok-pixel", "google-maps"),
)
TODAY = 20_779


#: Sites with ten services each. Those that listen to a vendor's signals add most to a later page.
SITES = {
    "shop": TEN,
    "google": (
        *("google-tag-manager", "google-analytics", "google-analytics-advertising", "google-ads", "floodlight"),
        *("google-maps", "youtube", "vimeo", "firebase-analytics", "hotjar"),
    ),
    "advertising": (
        *("google-ads", "meta-pixel", "bing-uet", "linkedin-insight", "tiktok-pixel", "pinterest-tag"),
        *("criteo", "taboola", "outbrain-pixel", "clarity"),
    ),
    "statistics": (
        *("matomo", "clarity", "hotjar", "mixpanel", "amplitude", "segment", "hubspot", "fullstory"),
        *("mouseflow", "vimeo"),
    ),
    "tag managers": (
        *("google-tag-manager", "adobe-launch", "tealium", "ensighten", "commanders-act", "google-analytics"),
        *("matomo", "meta-pixel", "bing-uet", "clarity"),
    ),
    # Services with the longest lists of hosts.
    "hosts": (
        *("facebook-plugins", "amazon-associates", "hubspot", "shopify-analytics", "lead-forensics", "aws-rum"),
        *("google-tag-manager", "matomo", "firebase-analytics", "yandex-ads"),
    ),
}


class Shop:
    """A site with these services, whose pages can be made for any choice."""

    def __init__(self, lang: str, layout: str = "bar", services: tuple[str, ...] = SERVICES) -> None:
        own = {"name": "Shop", "privacy_policy": "/privacy", "languages": [lang], "layout": layout}
        self.site = config.load({"site": own, "services": [{"use": service} for service in services]})
        self.notice = Notice(self.site, ASSETS)
        self.lang = lang

    def insertions(self, action: Action | None = None, *granted: str) -> bytes:
        """Return all that is inserted into a page."""
        site = self.site
        purposes = frozenset(purpose for id_ in granted for purpose in site.by_id[id_].purposes)
        found = Record(action, TODAY, site.revision, purposes, frozenset(granted)) if action else NoRecord.ABSENT
        decided = decide(site, found, Signals(), TODAY)
        page = NoticePage(decided, self.lang, nonce="", back="/", root=site.mount, utf8=True)
        return self.notice.head(page) + self.notice.insertion(page)

    def later(self, *granted: str) -> int:
        """Return the weight for who has granted these."""
        everything = len(granted) == len(self.site.optional)
        return weight(self.insertions(Action.ACCEPT if everything else Action.PARTIAL, *granted))


def weight(text: bytes) -> int:
    """Return the bytes that brotli makes of it at its best."""
    return len(brotli.compress(text, quality=11))


@pytest.mark.parametrize("layout", ["bar", "corner", "dialog"])
def test_a_first_visit_is_light(layout: str) -> None:
    """Everything that a visitor needs to choose is under 6 KB, and none of it has to be asked for."""
    text = Shop("en", layout).insertions()
    assert weight(text) < UNDECIDED
    assert re.findall(rb"<[^>]*\s(?:src|href)=[^>]*/assets/[^>]*>", text) == []


@pytest.mark.parametrize("services", SITES.values(), ids=SITES)
def test_a_later_visit_is_lighter(services: tuple[str, ...]) -> None:
    """For who has decided, a page grows by less than 2 KB, whatever they granted: nothing, all, one, or all but one."""
    shop = Shop("en", services=services)
    assert len(shop.site.optional) == len(services) == 10
    choices = [(), services, services[::2], *((one,) for one in services)]
    choices += [tuple(other for other in services if other != one) for one in services]
    assert {granted: found for granted in choices if (found := shop.later(*granted)) >= DECIDED} == {}


def test_a_later_visit_is_light_with_every_service_that_is_told_of_the_choice() -> None:
    """
    However many services a site has, those that listen for signals, or wait for them, add most to its later pages.

    With all of them in a site, and forty others that have the most hosts, it stays under 2 KB for any grant.
    """
    optional = [service for service in catalogue.load().values() if not service.necessary]
    told = [service.id for service in optional if service.signals or service.waits]
    optional.sort(key=lambda service: -len("".join([*service.hosts, *service.paths])))
    many = tuple(dict.fromkeys([*told, *(service.id for service in optional)]))[: len(told) + 40]
    for lang in ("en", "ar"):
        shop = Shop(lang, services=many)
        choices = [(), many, *((one,) for one in told), many[:-1], many[1:], tuple(told), many[::2]]
        assert {granted: found for granted in choices if (found := shop.later(*granted)) >= DECIDED} == {}


def test_ten_services_are_not_too_heavy_in_any_language() -> None:
    """With ten services each language stays under 6 KB on a first visit, and under 2 KB after any answer."""
    heavy = []
    for lang in texts():
        shop = Shop(lang, services=TEN)
        later = max(shop.later(*TEN), shop.later("google-tag-manager"), shop.later("clarity"))
        if weight(shop.insertions()) >= UNDECIDED or later >= DECIDED:
            heavy.append(lang)
    assert heavy == []
