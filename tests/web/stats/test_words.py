"""The words of the owner's pages: the sentence on top, numbers, dates and axes in each language."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw import stats
from consent_mw.core.counts import Figures
from consent_mw.stats.sentence import sentence
from consent_mw.stats.texts import TEXTS
from consent_mw.web.stats.words import PageWords
from tests.web.doubles import TODAY
from tests.web.stats.figures import YESTERDAY
from tests.web.stats.figures import merged
from tests.web.stats.figures import one_day
from tests.web.stats.figures import published
from tests.web.stats.owner import LABELS
from tests.web.stats.owner import Outline
from tests.web.stats.owner import inside
from tests.web.stats.owner import reported
from tests.web.stats.owner import show


@pytest.mark.parametrize(
    ("figures", "days"),
    [
        ([], 28),
        (one_day(), 28),
        (merged(), 84),
        (published(60), 28),
        (published(60, changed=[TODAY - 10]), 28),
        (published(60, changed=[TODAY - 400, TODAY - 20]), 28),
        (published(1), 1),
        (published(14), 7),
        (published(60, visits=60), 28),
    ],
    ids=["empty", "one day", "merged", "a month", "changed", "changed twice", "alone", "a week", "few"],
)
def test_the_sentence_is_that_of_the_terminal(figures: list[Figures], days: int) -> None:
    """In English the page says what ``consent-mw stats`` says, word for word."""
    found = reported(figures, days)
    assert sentence(PageWords("en"), found, LABELS).replace("\xa0", " ") == stats.sentence(found, LABELS)


def test_the_sentence_names_the_change_of_the_notice() -> None:
    """A drop since the notice changed is said with its size and its day, in the language of the page."""
    figures = published(60, visits=20_000, changed=[TODAY - 14])
    for lang, words in {
        "en": "since the notice changed on 8\xa0November",
        "de": "seit sich der Hinweis am 8.\xa0November geändert hat",
        "fr": "depuis le changement de l’avis le 8\xa0novembre",
    }.items():
        assert words in show(figures, f"?lang={lang}")


@pytest.mark.parametrize(("header", "lang"), [("de-AT,de;q=0.9", "de"), ("fr", "fr"), ("ja", "en"), ("", "en")])
def test_the_page_speaks_the_owners_language(header: str, lang: str) -> None:
    """The browser's language decides, whatever languages the site has."""
    answer = inside(published(7)).get("/stats", Accept_Language=header)
    assert Outline(answer.text).all("html")[0]["lang"] == lang


@pytest.mark.parametrize("lang", sorted(set(TEXTS) - {"en"}))
def test_texts_are_translated_with_their_places(lang: str) -> None:
    """Each translation is of a known text, and has the same places for values."""
    for key, text in TEXTS[lang].items():
        english = TEXTS["en"].get(key)
        if english is not None:
            places = [set(re.findall(r"\{\w+\}", each)) for each in (text, english)]
            assert places[0] == places[1], key
        else:
            assert key == "day.first"
    missing = {key for key in TEXTS["en"] if key not in TEXTS[lang]}
    assert missing <= {"thousands", "decimal", "range", "range.tight", "range.days", "day", "day.year", "day.bare"} | {
        "points",
        "points.one",
        "context.none",
        "get.csv",
        "s.end",
    }


@pytest.mark.parametrize(
    ("lang", "number", "share", "days"),
    [
        ("en", "1,234.5", "62.3%", "28\xa0Oct – 3\xa0Nov 2026"),
        ("de", "1.234,5", "62,3\xa0%", "28.\xa0Okt. – 3.\xa0Nov. 2026"),
        ("fr", "1\u202f234,5", "62,3\u202f%", "28\xa0oct. – 3\xa0nov. 2026"),
    ],
)
def test_numbers_and_dates_are_those_of_the_language(lang: str, number: str, share: str, days: str) -> None:
    """Thousands, decimals, percentages and ranges of days read as the language writes them."""
    words = PageWords(lang)
    assert (words.number(1234.5, 1), words.percent(0.623, 1), words.days(TODAY - 25, TODAY - 19)) == (
        number,
        share,
        days,
    )


def test_a_range_of_days_is_as_short_as_it_can_be() -> None:
    """What both ends share is said once; a day is a day; years are told where they differ."""
    words = PageWords("en")
    assert words.days(TODAY, TODAY) == "22\xa0Nov 2026"
    assert words.days(TODAY - 6, TODAY) == "16–22\xa0Nov 2026"
    assert words.days(TODAY - 365, TODAY) == "22\xa0Nov 2025 – 22\xa0Nov 2026"


def test_weeks_begin_on_a_monday() -> None:
    """The labels of a few weeks stand at Mondays."""
    assert [tick.label for tick in PageWords("en").ticks(TODAY - 28, YESTERDAY)] == [
        "26\xa0Oct",
        "2\xa0Nov",
        "9\xa0Nov",
        "16\xa0Nov",
    ]


@given(st.integers(0, 2_000_000), st.integers(0, 3700))
def test_any_period_has_a_readable_axis(first: int, length: int) -> None:
    """Whatever the days, the axis has few labels, in order, within its days."""
    first = min(first, 2_900_000 - length)
    ticks = PageWords("de").ticks(first, first + length)
    places = [tick.place for tick in ticks]
    assert len(ticks) <= 18
    assert places == sorted(places)
    assert all(first <= place <= first + length + 1 for place in places)
    assert len([tick for tick in ticks if tick.level == 0]) <= 7 or length > 2600
