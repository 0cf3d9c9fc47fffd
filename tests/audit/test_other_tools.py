"""Another consent tool is found by what it shows in a browser, and named once."""

from __future__ import annotations

import pytest

from consent_mw import config
from consent_mw.audit.browser import LiveWalk
from consent_mw.audit.browser_findings import add_browser
from consent_mw.audit.browser_views import KeptItem
from consent_mw.audit.browser_views import LivePage
from consent_mw.audit.findings import AuditReport
from consent_mw.audit.findings import other_tool
from consent_mw.audit.notices import OWN
from consent_mw.audit.notices import NoticeLook
from consent_mw.audit.other_tools import OTHER_TOOLS
from consent_mw.audit.other_tools import OtherTool
from consent_mw.audit.pages import Reader
from consent_mw.audit.passes import REJECT


def found(report: AuditReport, tool: str, *kept: KeptItem) -> list[tuple[str, str]]:
    """Return the findings once a browser has seen the notice of a tool, and kept something."""
    walk = LiveWalk({REJECT: [LivePage("/", kept=list(kept))]})
    walk.notice = NoticeLook(tool)
    add_browser(report, walk, Reader(config.load({"site": {"name": "x"}})), "https://localhost")
    return [(one.kind, one.service) for one in report.findings]


@pytest.mark.parametrize("tool", OTHER_TOOLS, ids=lambda tool: tool.id)
def test_a_notice_that_only_a_browser_shows_names_its_tool(tool: OtherTool) -> None:
    """Scripts make the notice, so the page as it was sent says nothing of the tool."""
    assert found(AuditReport("x", "2026-11-29"), tool.id) == [("other-tool", tool.id)]


def test_a_tool_that_the_page_names_is_named_once() -> None:
    """The page as it was sent already told."""
    known = other_tool(OTHER_TOOLS[0])
    assert found(AuditReport("x", "2026-11-29", findings=[known]), OTHER_TOOLS[0].id) == [
        ("other-tool", OTHER_TOOLS[0].id)
    ]


@pytest.mark.parametrize(
    ("said", "tool", "name"),
    [
        ("usercentrics-api", "usercentrics", "Usercentrics"),
        ("Complianz opt-out", "complianz", "Complianz"),
        ("Cybotcookiebot", "cookiebot", "Cookiebot"),
        ("tarteaucitron.js", "tarteaucitron", "tarteaucitron"),
        ("didomi", "didomi", "didomi"),
        ("osano", "osano", "osano"),
    ],
)
def test_a_tool_that_autoconsent_names_is_named(said: str, tool: str, name: str) -> None:
    """By our name where both mean the same, and by its own otherwise."""
    report = AuditReport("x", "2026-11-29")
    assert found(report, said) == [("other-tool", tool)]
    assert report.findings[0].what == f"{name} is on the site."


@pytest.mark.parametrize("tool", [OWN, "", "HEURISTIC", "auto_DE_shop.example_x1y"])
def test_a_notice_without_a_known_tool_is_no_other_tool(tool: str) -> None:
    """Our own, and those of which only the words are known: there is nothing to take out by name."""
    assert found(AuditReport("x", "2026-11-29"), tool) == []


@pytest.mark.parametrize(
    ("tool", "names"),
    [
        ("cookieconsent-3", ["cc_cookie"]),
        ("klaro", ["klaro"]),
        ("tarteaucitron", ["tarteaucitron"]),
        ("cookiebot", ["CookieConsent"]),
        ("onetrust", ["OptanonConsent", "OptanonAlertBoxClosed"]),
        ("cookieyes", ["cookieyes-consent"]),
        ("complianz", ["cmplz_banner-status", "cmplz_marketing", "cmplz_functional"]),
        ("usercentrics", ["uc_user_interaction", "uc_settings"]),
        ("c15t", ["c15t"]),
        ("django-cookie-consent", ["cookie_consent"]),
        ("wagtail-tag-manager", ["wtm", "wtm_id"]),
    ],
)
def test_the_choice_of_a_tool_is_named_and_is_no_finding(tool: str, names: list[str]) -> None:
    """Even if each page prolongs it: it goes with the tool."""
    report = AuditReport("x", "2026-11-30")
    kept = [KeptItem("cookie", name, "localhost", 365, "script https://localhost/:1:1", True, True) for name in names]
    assert found(report, tool, *kept) == [("other-tool", tool)]
    assert all(name in report.findings[0].what for name in names)


def test_the_choice_of_a_tool_may_have_a_name_of_the_sites_own() -> None:
    """The script of the tool set it. What the page's own script sets is not the tool's."""
    report = AuditReport("x", "2026-11-30")
    setter = "script https://localhost/js/klaro.min.js:1:3639"
    kept = [
        KeptItem("cookie", "choice", "localhost", 120, setter),
        KeptItem("local storage", "choice", "localhost", 0, setter),
        KeptItem("cookie", "mystery", "localhost", 120, "script https://localhost/app.js:1:1"),
    ]
    assert found(report, "klaro", *kept) == [("unknown-cookie", ""), ("other-tool", "klaro")]
    assert report.findings[1].what == (
        "Klaro is on the site. It keeps the visitor's choice in the cookie choice and local storage (choice)."
    )


def test_a_cookie_of_a_tool_that_is_not_there_stays_a_finding() -> None:
    """Its name alone does not tell who set it."""
    assert found(AuditReport("x", "2026-11-30"), "", KeptItem("cookie", "cmplz_marketing", "localhost", 365)) == [
        ("unknown-cookie", "")
    ]
