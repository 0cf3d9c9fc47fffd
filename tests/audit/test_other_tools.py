"""Another consent tool is found by what it shows in a browser, and named once."""

from __future__ import annotations

import pytest

from consent_mw import config
from consent_mw.audit.browser import LiveWalk
from consent_mw.audit.browser_findings import add_browser
from consent_mw.audit.findings import AuditReport
from consent_mw.audit.findings import other_tool
from consent_mw.audit.notices import OWN
from consent_mw.audit.notices import NoticeLook
from consent_mw.audit.other_tools import OTHER_TOOLS
from consent_mw.audit.other_tools import OtherTool
from consent_mw.audit.pages import Reader


def found(report: AuditReport, tool: str) -> list[tuple[str, str]]:
    """Return the findings once a browser has seen the notice of a tool."""
    walk = LiveWalk()
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
