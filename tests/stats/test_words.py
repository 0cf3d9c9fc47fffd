"""The sentence on top says what the figures say, and how sure they are."""

from __future__ import annotations

import pytest

from consent_mw.core.counts import Figures
from consent_mw.stats import report
from consent_mw.stats import sentence
from consent_mw.stats import wilson
from consent_mw.stats.periods import day_of
from consent_mw.stats.sentence import percent
from consent_mw.stats.sentence import plain
from consent_mw.stats.sentence import points
from consent_mw.stats.words import ENGLISH

LAST = day_of("2026-05-30")
FIRST = LAST - 27


def days(first: int, last: int, granted: int, others: int, *, times: int = 10) -> list[Figures]:
    """Return days on which so many of the answers grant statistics."""
    found = []
    for day in range(first, last + 1):
        cells = {
            "accept": times * granted // 2,
            "partial": times * granted // 2 + times,
            "reject": times * others - times,
        }
        found.append(Figures("answers", day, day, {("", name): n for name, n in (cells | {"unanswered": 99}).items()}))
        purpose = {**cells, "partial": times * granted // 2, "partial_without": times}
        found.append(Figures("purpose", day, day, {("analytics", name): n for name, n in purpose.items()}))
    return found


def said(*figures: Figures) -> str:
    """Return the sentence about four weeks."""
    return sentence(report(figures, first=FIRST, last=LAST))


def test_it_says_what_changed_since_the_notice_did() -> None:
    """After a change of the notice the days since are compared with as many before; the rate is the period's."""
    changed = day_of("2026-05-03")
    mark = Figures("revision", changed, changed, {("r2", "since"): 10})
    figures = [*days(FIRST - 28, changed - 1, 66, 34), *days(changed, LAST, 62, 38), mark]
    assert said(*figures) == "62% of answers accept statistics, down 4 points since the notice changed on 3 May."


def test_it_compares_with_the_period_before() -> None:
    """Without a change of the notice the comparison is with as many days before."""
    figures = [*days(FIRST - 28, FIRST - 1, 50, 50), *days(FIRST, LAST, 62, 38)]
    assert said(*figures) == "62% of answers accept statistics, up 12 points on the 4 weeks before."


def test_it_calls_noise_no_change() -> None:
    """A change that may be chance is not called one."""
    figures = [*days(FIRST - 7, FIRST - 1, 50, 50, times=2), *days(LAST - 7, LAST, 52, 48, times=2)]
    assert said(*figures) == "52% of answers accept statistics, about the same as in the 4 weeks before."


def test_it_warns_of_few_answers() -> None:
    """Where the interval is wide the sentence gives it."""
    cells = {"accept": 12, "partial": 10, "reject": 15, "unanswered": 60}
    few = Figures("answers", LAST, LAST, {("", name): number for name, number in cells.items()})
    assert said(few) == "59% of answers accept at least one purpose; so few answers leave 43% to 74% possible."


def test_it_says_when_there_is_nothing_yet() -> None:
    """Without figures it says when there will be some."""
    assert said().startswith("No figures for this period yet: they appear when a day is complete and at least 10")


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ({"granted": 20, "ungranted": 80}, "20% of visits that were asked accept at least one purpose; too few"),
        ({"answered": 20, "unanswered": 80}, "Too few answers yet: rates appear when at least 10 visits"),
        ({"asked": 80}, "Too few answers yet: rates appear when at least 10 visits"),
    ],
)
def test_it_says_no_more_than_merged_columns_tell(cells: dict[str, int], text: str) -> None:
    """Where columns had to be merged it says what is left, and why there is no more."""
    assert said(Figures("answers", FIRST, LAST, {("", name): number for name, number in cells.items()})).startswith(
        text
    )


def test_it_uses_the_names_that_the_owner_gave() -> None:
    """A label of the site's own stands for the built-in word."""
    found = report(days(FIRST, LAST, 62, 38), first=FIRST, last=LAST)
    assert sentence(found, {"analytics": "our counting"}) == "62% of answers accept our counting."


@pytest.mark.parametrize(
    ("count", "of", "text"),
    [(0, 10, "0%"), (1, 1000, "under 1%"), (999, 1000, "over 99%"), (10, 10, "100%"), (1, 3, "33%")],
)
def test_only_all_reads_as_all(count: int, of: int, text: str) -> None:
    """Rounding makes nobody of somebody, and all of nearly all, nowhere."""
    rate = wilson(count, of)
    assert rate is not None
    assert percent(ENGLISH, rate) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(4.2, "4 points"), (-1.0, "1 point"), (0.34, "0.3 points"), (1.94, "1.9 points"), (-12.6, "13 points")],
)
def test_points_are_read_out(number: float, text: str) -> None:
    """A small change keeps a digit, one point is one, and the sign is in the words around it."""
    assert plain(points(ENGLISH, number)) == text
