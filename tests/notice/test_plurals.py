"""The plural rules: read as CLDR writes them, and the same form as Babel gives for every number and language."""

from __future__ import annotations

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.notice import plurals
from consent_mw.notice.assets import texts
from tools.locale_data import LOCALES


def rules(tag: str) -> dict[str, str]:
    """Return the shipped rules of a language."""
    found = texts().locale(tag)
    return {form: found[f"plural.{form}"] for form in plurals.FORMS if f"plural.{form}" in found}


@pytest.mark.parametrize("tag", sorted(LOCALES))
def test_the_form_is_that_of_babel(tag: str) -> None:
    """From 0 to 200, and for round and long numbers, each language takes the form that Babel takes."""
    numbers = [*range(201), 365, 540, 1000, 1001, 1002, 1005, 1011, 36_500]
    babel = Locale.parse(LOCALES[tag]).plural_form
    assert [plurals.form_of(rules(tag), number) for number in numbers] == [babel(number) for number in numbers]


@pytest.mark.parametrize(
    ("rule", "true", "false"),
    [
        ("n = 1", [1], [0, 2, 11]),
        ("i = 0,1", [0, 1], [2]),
        ("n % 10 = 2..4 and n % 100 != 12..14", [2, 24, 103], [5, 12, 113]),
        ("v != 0", [], [0, 1, 2]),
        ("n = 0 or n % 100 = 3..10", [0, 3, 110], [1, 2, 111]),
        ("e = 0 and i != 0", [1], [0]),
    ],
)
def test_rules_are_read_as_written(rule: str, true: list[int], false: list[int]) -> None:
    """Relations, ranges, lists, remainders, "and" before "or"."""
    assert ([plurals.holds(rule, n) for n in true], [plurals.holds(rule, n) for n in false]) == (
        [True] * len(true),
        [False] * len(false),
    )


@pytest.mark.parametrize("rule", ["", "n", "n = x", "x = 1", "n = 1 and", "n = 1,", "n < 3"])
def test_what_is_no_rule_is_an_error(rule: str) -> None:
    """A rule that is not understood is never taken for one that does not hold."""
    with pytest.raises(ValueError, match="not a relation of a plural rule"):
        plurals.holds(rule, 1)


def test_without_rules_there_is_one_form() -> None:
    """A language without plural forms has "other" alone."""
    assert (plurals.form_of({}, 1), plurals.needed({})) == ("other", ("other",))


def test_the_forms_needed_are_those_that_whole_numbers_take() -> None:
    """Polish says every whole number without "other", Welsh needs all six."""
    assert plurals.needed(rules("pl")) == ("one", "few", "many")
    assert plurals.needed(rules("cy")) == plurals.FORMS


def test_a_form_of_one_number_stands_alone() -> None:
    """One day is "one" in English only; in Russian twenty-one days are too."""
    assert (plurals.stands_alone(rules("en"), "one"), plurals.stands_alone(rules("ru"), "one")) == (True, False)


@given(st.sampled_from(sorted(LOCALES)), st.integers(0, 10**12))
def test_any_number_has_a_form(tag: str, number: int) -> None:
    """Whatever the number, the form is one that CLDR knows."""
    assert plurals.form_of(rules(tag), number) in plurals.FORMS
