"""Choices of other tools: what each cookie says, what of it counts, and that nothing else does."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw import config
from consent_mw.cookies.migrating import TOOLS
from consent_mw.cookies.migrating import granted_before
from consent_mw.cookies.migrating import refused_before
from consent_mw.cookies.migrating import their_choice
from consent_mw.core.choice import Action
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Record
from consent_mw.core.model import Site
from consent_mw.errors import ConfigError
from consent_mw.http.request import RequestHead

#: 2026-11-29, and the same day as the tools write it.
TODAY = 20_786
ISO, MILLISECONDS = "2026-11-28T10:00:00.000Z", (TODAY - 1) * 86_400_000
SERVICES = ("google-analytics", "meta-pixel", "youtube")


def packed(value: object) -> str:
    """Return JSON as scripts put it into cookies."""
    return quote(json.dumps(value, separators=(",", ":")))


def cc3(*names: str, day: str = ISO) -> str:
    """Return the cookie of CookieConsent 3."""
    return "cc_cookie=" + packed({"categories": names, "revision": 0, "consentTimestamp": day, "consentId": "x"})


def cookiebot(statistics: bool, marketing: bool, method: str = "explicit") -> str:
    """Return the cookie of Cookiebot."""
    said = f"necessary:true,preferences:false,statistics:{statistics},marketing:{marketing}".lower()
    return "CookieConsent=" + quote(
        f"{{stamp:'ab==',{said},method:'{method}',ver:1,utc:{MILLISECONDS},region:'de'}}", safe="{}:"
    )


def onetrust(groups: str) -> str:
    """Return the cookies of OneTrust."""
    return f"OptanonAlertBoxClosed={ISO}; OptanonConsent=isGpcEnabled=0&groups={quote(groups)}&AwaitingReconsent=false"


def wtm(*, answered: bool = True, **state: str) -> str:
    """Return the cookie of Wagtail Tag Manager, which it also sets before anybody answers."""
    meta = {"id": "x", "set_timestamp": MILLISECONDS / 1000} if answered else {"refresh_timestamp": MILLISECONDS / 1000}
    given = {"meta": meta, "state": {"necessary": "true", **state}}
    return "wtm=" + base64.b64encode(json.dumps(given).encode()).decode()


#: For each tool: all granted, statistics alone, and all refused, as it writes them.
SAID: dict[str, tuple[str, str, str]] = {
    "cookieconsent-3": (cc3("necessary", "analytics", "marketing"), cc3("necessary", "analytics"), cc3("necessary")),
    "cookieconsent-2": (
        "cc_cookie=" + packed({"level": ["necessary", "analytics", "targeting"], "revision": 0, "consent_date": ISO}),
        "cc_cookie=" + packed({"categories": ["necessary", "analytics"], "last_consent_update": ISO}),
        "cc_cookie=" + packed({"categories": ["necessary"], "last_consent_update": ISO}),
    ),
    "cookiebot": (cookiebot(True, True), cookiebot(True, False), cookiebot(False, False)),
    "onetrust": (
        onetrust("C0001:1,C0002:1,C0004:1"),
        onetrust("C0001:1,C0002:1,C0004:0"),
        onetrust("C0001:1,C0002:0,C0004:0"),
    ),
    "cookieyes": (
        "cookieyes-consent=" + quote("consent:yes,action:yes,necessary:yes,analytics:yes,advertisement:yes"),
        "cookieyes-consent=consentid:x,consent:yes,action:yes,necessary:yes,analytics:yes,advertisement:no",
        "cookieyes-consent=consentid:x,consent:no,action:yes,necessary:yes,analytics:no,advertisement:no",
    ),
    "complianz": (
        "cmplz_banner-status=dismissed; cmplz_statistics=allow; cmplz_marketing=allow",
        "cmplz_banner-status=dismissed; cmplz_statistics=allow; cmplz_marketing=deny",
        "cmplz_banner-status=dismissed; cmplz_statistics=deny; cmplz_marketing=deny",
    ),
    "c15t": (
        f"c15t=c.necessary:1,c.measurement:1,c.marketing:1,i.t:{MILLISECONDS},i.sid:sub_x",
        f"c15t=c.necessary:1,c.measurement:1,c.marketing:0,i.t:{MILLISECONDS}",
        f"c15t=c.necessary:1,i.t:{MILLISECONDS},i.sid:sub_x",
    ),
    "django-cookie-consent": (
        'cookie_consent="analytics=2024-01-01T00:00:00|marketing=2024-01-01T00:00:00"',
        "cookie_consent=analytics=2024-01-01T00:00:00|marketing=-1",
        "cookie_consent=analytics=-1|marketing=-1",
    ),
    "wagtail-tag-manager": (
        wtm(statistics="true", marketing="true"),
        wtm(statistics="true", marketing="false"),
        "wtm=necessary:true|preferences:unset|statistics:false|marketing:false; wtm_id=x",
    ),
    "klaro": (
        "klaro=" + packed({"google-analytics": True, "meta-pixel": True, "session": True}),
        "klaro=" + packed({"googleAnalytics": True, "metaPixel": False}),
        "klaro=" + packed({"google-analytics": False, "session": True}),
    ),
    "tarteaucitron": (
        "tarteaucitron=!gtag=true!facebookpixel=true!other=wait",
        "tarteaucitron=!gtag=true!facebookpixel=false",
        "tarteaucitron=!gtag=false!facebookpixel=false",
    ),
}  # fmt: skip


def site(*tools: str, **settings: object) -> Site:
    """Return a site that takes over choices until the end of the year."""
    given = {"name": "x", "migrate_from": list(tools or TOOLS), "migrate_until": "2026-12-31", **settings}
    return config.load({"site": given, "services": [{"use": id_} for id_ in SERVICES]})


def head(cookies: str, **headers: str) -> RequestHead:
    """Return a request with these cookies."""
    return RequestHead("GET", "https", "x.example", "/", "", (("cookie", cookies), *headers.items()))


def taken(cookies: str, tool: str, **more: Any) -> tuple[set[str], set[str]] | str:
    """Return the purposes and services that are taken over, ``"refused"``, or two empty sets."""
    where, request = more.pop("site", None) or site(tool), head(cookies, **more)
    if isinstance(refused_before(where, request, NoRecord.ABSENT, TODAY), Record):
        return "refused"
    found = granted_before(where, request, NoRecord.ABSENT, TODAY)
    return (set(found.purposes), set(found.services)) if found else (set(), set())


@pytest.mark.parametrize("tool", SAID)
def test_a_refusal_counts(tool: str) -> None:
    """Who said no to everything is refused here without a further question."""
    assert taken(SAID[tool][2], tool) == "refused"


@pytest.mark.parametrize("tool", sorted(SAID.keys() - {"klaro", "tarteaucitron"}))
def test_grants_become_the_purposes_that_they_stand_for(tool: str) -> None:
    """All, and statistics alone; what nobody was asked about (embeds) stays held."""
    assert taken(SAID[tool][0], tool) == ({"analytics", "marketing"}, set())
    assert taken(SAID[tool][1], tool) == ({"analytics"}, set())


@pytest.mark.parametrize("tool", ["klaro", "tarteaucitron"])
def test_grants_by_service_become_services(tool: str) -> None:
    """Tools that name services grant these, and no purpose with them."""
    assert taken(SAID[tool][0], tool) == (set(), {"google-analytics", "meta-pixel"})
    assert taken(SAID[tool][1], tool) == (set(), {"google-analytics"})


@pytest.mark.parametrize(
    ("tool", "cookies"),
    [
        ("cookieconsent-3", cc3("ads", "marketing")),  # two of theirs for one of ours
        ("cookieconsent-3", cc3("unheard-of")),
        ("cookieconsent-3", cc3("analytics", day="2020-01-01T00:00:00Z")),
        ("cookieconsent-3", cc3("analytics", day="2027-01-01T00:00:00Z")),
        ("cookieconsent-3", cc3("analytics") + "; " + cc3("analytics")),
        ("cookieconsent-3", "cc_cookie=" + packed({"categories": "analytics", "consentTimestamp": ISO})),
        ("cookieconsent-3", "cc_cookie=" + "[" * 4_000),
        ("cookieconsent-3", cc3("analytics", *(["x" * 60] * 90))),
        ("cookiebot", cookiebot(True, True, "implied")),
        ("onetrust", "OptanonConsent=groups=C0001:1,C0002:1"),
        ("cookieyes", "cookieyes-consent=consent:yes,action:,analytics:yes"),
        ("complianz", "cmplz_statistics=allow"),
        ("osano-cookieconsent", "cookieconsent_status=allow"),
        ("osano-cookieconsent", "cookieconsent_status=dismiss"),
        ("tarteaucitron", "tarteaucitron=!gtag=wait"),
        ("wagtail-tag-manager", "wtm=necessary:true|statistics:pending|marketing:unset; wtm_id=x"),
        ("wagtail-tag-manager", "wtm=necessary:true|statistics:true|marketing:false"),
        ("wagtail-tag-manager", wtm(answered=False, statistics="true", marketing="false")),
        ("c15t", "c15t=c.necessary:1,c.measurement:1"),
        ("c15t", f"c15t=i.t:{MILLISECONDS}"),
        ("klaro", "klaro=" + packed({"session": True})),
    ],
)  # fmt: skip
def test_what_is_no_answer_to_us_asks_again(tool: str, cookies: str) -> None:
    """Assumed, unfinished, ambiguous, old, doubled or broken: nothing is taken over, and nothing is refused."""
    assert taken(cookies, tool) == (set(), set())


@pytest.mark.parametrize(
    ("cookies", "granted"),
    [
        ('cookie_consent="analytics=|marketing=-1"', {"analytics"}),
        ("cookie_consent=analytics=|social=", {"analytics", "embeds"}),
        ("cookie_consent=statistics=2026-11-28T10:00:00+00:00|advertising=", {"analytics", "marketing"}),
        ("cookie_consent=marketing=|advertising=", set()),
        ("cookie_consent=analytics|marketing", set()),
    ],
)
def test_a_group_without_cookies_is_granted_with_an_empty_version(cookies: str, granted: set[str]) -> None:
    """django-cookie-consent writes the date of a group's newest cookie, and nothing if the group lists none."""
    assert taken(cookies, "django-cookie-consent") == (granted, set())


def test_of_two_names_for_one_service_the_refusal_counts() -> None:
    """Yes to one and no to the other is no."""
    assert taken("klaro=" + packed({"google-analytics": True, "googleAnalytics": False}), "klaro") == "refused"


def test_one_no_for_everything_is_a_refusal() -> None:
    """Osano's notice has one answer: no is a refusal, yes is to nothing in particular."""
    assert taken("cookieconsent_status=deny", "osano-cookieconsent") == "refused"


def test_the_signal_takes_marketing_away() -> None:
    """A browser that objects is not granted marketing by what another tool heard before."""
    assert taken(SAID["cookiebot"][0], "cookiebot", **{"sec-gpc": "1"}) == ({"analytics"}, set())


def test_a_refusal_of_any_tool_goes_before_a_grant() -> None:
    """With two tools on a site the one that was refused counts."""
    cookies = SAID["cookiebot"][0] + "; " + SAID["klaro"][2]
    assert taken(cookies, "", site=site("cookiebot", "klaro")) == "refused"


def test_only_named_tools_count_for_the_stated_time_and_beside_no_choice_of_ours() -> None:
    """Other tools, a later day, and a visitor who answered us: the cookie says nothing."""
    cookies, request = SAID["cookiebot"][2], head(SAID["cookiebot"][2])
    assert taken(cookies, "", site=site("klaro")) == (set(), set())
    mine = site("cookiebot")
    assert refused_before(mine, request, NoRecord.ABSENT, mine.migrate_until) == Record(
        Action.REJECT, mine.migrate_until, mine.revision
    )
    assert refused_before(mine, request, NoRecord.ABSENT, mine.migrate_until + 1) is NoRecord.ABSENT
    assert refused_before(mine, request, NoRecord.FORGED, TODAY) is NoRecord.FORGED


@given(st.text(max_size=80), st.sampled_from(sorted(TOOLS)), st.text(max_size=200))
def test_no_cookie_raises(name: str, tool: str, value: str) -> None:
    """Whatever a browser sends, it says something or nothing."""
    for cookie in ("cc_cookie", "klaro", "tarteaucitron", "CookieConsent", "OptanonConsent", "c15t", "wtm", name):
        their_choice(head(f"{cookie}={value}; OptanonAlertBoxClosed={ISO}"), tool)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"migrate_until": 0}, "how long"),
        ({"migrate_from": ["usercentrics"]}, "usercentrics"),
        ({"caching": "shared"}, "one visitor's"),
    ],
)
def test_mistakes_in_the_settings_are_named(settings: Mapping[str, object], said: str) -> None:
    """A missing day, a tool that keeps nothing that a server can read, pages for many."""
    settings = dict(settings)
    given = {"site": {"migrate_from": ["klaro"], "migrate_until": "2026-12-31", **settings}}
    if not settings.get("migrate_until", 1):
        del given["site"]["migrate_until"]
    with pytest.raises(ConfigError, match=said):
        config.load(given)
