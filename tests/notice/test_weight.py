"""How much the notice adds to a page, compressed: banner, style, runtime, guard and signals together."""

from __future__ import annotations

import re

import brotli
import pytest

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


def insertions(
    lang: str, layout: str, action: Action | None = None, *granted: str, services: tuple[str, ...] = SERVICES
) -> bytes:
    """Return all that is inserted into a page of a site with these services."""
    site = config.load(
        {
            "site": {"name": "Shop", "privacy_policy": "/privacy", "languages": [lang], "layout": layout},
            "services": [{"use": service} for service in services],
        }
    )
    purposes = frozenset(purpose for id_ in granted for purpose in site.by_id[id_].purposes)
    found = Record(action, TODAY, site.revision, purposes, frozenset(granted)) if action else NoRecord.ABSENT
    page = NoticePage(decide(site, found, Signals(), TODAY), lang, nonce="", back="/", root=site.mount, utf8=True)
    notice = Notice(site, ASSETS)
    return notice.head(page) + notice.insertion(page)


def weight(text: bytes) -> int:
    """Return the bytes that brotli makes of it at its best."""
    return len(brotli.compress(text, quality=11))


@pytest.mark.parametrize("layout", ["bar", "corner", "dialog"])
def test_a_first_visit_is_light(layout: str) -> None:
    """Everything that a visitor needs to choose is under 6 KB, and none of it has to be asked for."""
    text = insertions("en", layout)
    assert weight(text) < UNDECIDED
    assert re.findall(rb"<[^>]*\s(?:src|href)=[^>]*/assets/[^>]*>", text) == []


@pytest.mark.parametrize(
    ("action", "granted"),
    [(Action.REJECT, ()), (Action.PARTIAL, ("youtube",)), (Action.ACCEPT, SERVICES)],
    ids=["rejected", "partial", "accepted"],
)
def test_a_later_visit_is_lighter(action: Action, granted: tuple[str, ...]) -> None:
    """For who has decided, the page grows by less than 2 KB; the rest is in files that the browser has."""
    assert weight(insertions("en", "bar", action, *granted)) < DECIDED


def test_no_language_is_too_heavy() -> None:
    """The texts of some languages take more bytes: on a page in UTF-8 none takes a first visit over 6 KB."""
    assert [lang for lang in texts() if weight(insertions(lang, "bar")) >= UNDECIDED] == []


def test_ten_services_are_not_too_heavy_in_any_language() -> None:
    """The guard's list grows with every service: ten common ones still leave a first visit under 6 KB."""
    heavy = [lang for lang in texts() if weight(insertions(lang, "bar", services=TEN)) >= UNDECIDED]
    assert heavy == []
