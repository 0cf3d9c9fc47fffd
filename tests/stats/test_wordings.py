"""The comparison of wordings: honest however often somebody looks, and made from published figures alone."""

from __future__ import annotations

import random

import pytest

from consent_mw.core.counts import VARIANT
from consent_mw.core.counts import Figures
from consent_mw.stats.rates import Rate
from consent_mw.stats.rates import always_valid
from consent_mw.stats.rates import wilson
from consent_mw.stats.wordings import compared

FORMS = ("bar/standard.aaaa", "bar/short.bbbb")


def rate(count: int, of: int) -> Rate:
    """Return a rate."""
    found = wilson(count, of)
    assert found is not None
    return found


def looks(chance: random.Random, shares: tuple[float, float], visits: int, days: int) -> list[bool]:
    """Return for each day whether a look on it finds a difference between two wordings with these rates."""
    counts, of, found = [0, 0], 0, []
    for _ in range(days):
        of += visits
        for arm, share in enumerate(shares):
            counts[arm] += sum(chance.random() < share for _ in range(visits))
        found.append(always_valid(rate(counts[1], of), rate(counts[0], of)).certain)
    return found


@pytest.mark.parametrize("share", [0.05, 0.4, 0.9])
@pytest.mark.parametrize("visits", [10, 60])
def test_looking_every_day_finds_no_difference_where_there_is_none(share: float, visits: int) -> None:
    """Of 200 comparisons of equal wordings, looked at on each of 40 days, fewer than 5 % ever show a difference."""
    chance = random.Random(f"{share} {visits}")
    wrong = sum(any(looks(chance, (share, share), visits, 40)) for _ in range(200))
    assert wrong < 10


def test_a_difference_that_is_there_is_found() -> None:
    """Ten points between two wordings are seen in nine of ten comparisons with 6,000 visits."""
    chance = random.Random("there")
    assert sum(any(looks(chance, (0.4, 0.5), 100, 30)) for _ in range(20)) >= 18


def test_an_interval_for_one_look_would_be_wrong() -> None:
    """The same looks with plain confidence intervals find a difference far more often than 5 % of the time."""
    chance = random.Random("plain")
    wrong = 0
    for _ in range(100):
        counts, of, seen = [0, 0], 0, False
        for _ in range(40):
            of += 40
            counts = [one + sum(chance.random() < 0.4 for _ in range(40)) for one in counts]
            one, other = (rate(count, of) for count in counts)
            seen = (
                seen
                or one.low > other.high
                or other.low > one.high
                or abs(one.share - other.share) > 1.96 * ((0.48 / of) ** 0.5)
            )
        wrong += seen
    assert wrong > 15


@pytest.mark.parametrize("counts", [(0, 0), (10, 10), (0, 10)])
def test_the_ends_of_the_scale_are_no_certainty(counts: tuple[int, int]) -> None:
    """A handful of visits that all end alike shows nothing, and no range is wider than the scale."""
    moved = always_valid(rate(counts[0], 10), rate(counts[1], 10))
    assert -100 <= moved.low <= moved.points <= moved.high <= 100
    assert moved.certain == (counts == (0, 10))


def test_more_comparisons_are_each_stricter() -> None:
    """Of three wordings, chance must not choose one."""
    one, three = (always_valid(rate(55, 100), rate(45, 100), number) for number in (1, 3))
    assert three.low < one.low < one.high < three.high


def run(first: int, cells: dict[tuple[str, str], int], table: str = VARIANT) -> Figures:
    """Return a published week."""
    return Figures(table, first, first + 6, cells)


def week(granted: int, ungranted: int, form: str) -> dict[tuple[str, str], int]:
    """Return the cells of a form."""
    return {(form, "accept"): granted, (form, "partial"): 10, (form, "reject"): ungranted, (form, "unanswered"): 10}


def test_only_weeks_with_all_wordings_count() -> None:
    """A week in which one of them has no row of its own says nothing about their difference."""
    both = week(30, 50, FORMS[0]) | week(40, 40, FORMS[1])
    figures = [run(0, both), run(7, week(500, 10, FORMS[0])), run(14, both), run(0, both, "browser")]
    standard, short = compared(figures, FORMS)
    assert standard.visits == rate(80, 200)
    assert short.visits == rate(100, 200)
    assert short.answers == rate(100, 180)
    assert standard.difference is None
    assert short.difference == always_valid(rate(100, 200), rate(80, 200))


def test_nothing_is_told_before_anything_was_published() -> None:
    """Without figures, every rate is unknown."""
    assert [(one.visits, one.difference) for one in compared([], FORMS)] == [(None, None), (None, None)]
