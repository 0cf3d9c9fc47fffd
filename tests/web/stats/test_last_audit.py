"""The last result of an audit, on the owner's page: what was open, how long ago, and that nobody can make one up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consent_mw.proof.audits import WEEKS
from consent_mw.proof.audits import AuditResult
from consent_mw.proof.audits import keep_result
from consent_mw.proof.audits import last_result
from consent_mw.proof.audits import results
from consent_mw.stats.texts import TEXTS
from tests.web.doubles import SITE
from tests.web.doubles import TODAY
from tests.web.doubles import FakeContext
from tests.web.stats.owner import inside

RESULT = AuditResult(SITE.id, TODAY - 9, "https://shop.example/", 12, 1, 2, before=42, now=0)


def test_the_page_says_what_was_open_and_how_long_ago() -> None:
    """With what loaded before consent_mw, where that was compared."""
    browser = inside()
    page = browser.get("/stats").text
    assert f"No audit in the last {WEEKS} weeks. The command is: <code>consent-mw audit --record</code>" in page
    keep_result(browser.context.records, RESULT, browser.context.keys())
    page = browser.get("/stats").text.replace("\xa0", " ")
    assert "(9 days ago). 3 findings were open." in page
    assert "Before a choice 42 elements loaded without consent_mw, and 0 with it." in page
    keep_result(browser.context.records, replace(RESULT, day=TODAY - 1, errors=0, warnings=0), browser.context.keys())
    assert "(yesterday). Nothing was open." in browser.get("/stats").text


@pytest.mark.parametrize("lang", sorted(TEXTS))
def test_it_is_said_in_the_languages_of_the_figures(lang: str) -> None:
    """Each of them has the words."""
    browser = inside()
    keep_result(browser.context.records, replace(RESULT, day=TODAY), browser.context.keys())
    page = browser.get(f"/stats?lang={lang}").text
    assert f"({TEXTS[lang]['audit.today']})" in page


def test_the_newest_of_a_day_counts() -> None:
    """Each audit of a day is kept, and the last one is shown."""
    context = FakeContext()
    for errors in (3, 2, 1):
        keep_result(context.records, replace(RESULT, errors=errors), context.keys())
    found = list(results(context.records, SITE.id, TODAY, context.keys()))
    assert [one.errors for one in found if one] == [1, 2, 3]


def test_a_result_that_was_changed_or_signed_by_another_does_not_count() -> None:
    """It is listed as what it is, and the page shows the one before."""
    context = FakeContext()
    keep_result(context.records, RESULT, context.keys())
    keep_result(context.records, replace(RESULT, errors=0), ("another key of somebody else, long enough",))
    found = list(results(context.records, SITE.id, TODAY, context.keys()))
    assert [one and one.errors for one in found] == [None, 1]
    last = last_result(context.records, SITE.id, TODAY, context.keys())
    assert last is not None
    assert last.errors == 1


def test_results_of_long_ago_are_not_looked_for() -> None:
    """The page asks the store a bounded number of times."""
    context = FakeContext()
    keep_result(context.records, replace(RESULT, day=TODAY - 7 * WEEKS), context.keys())
    assert last_result(context.records, SITE.id, TODAY, context.keys()) is None
