"""Whether the choices were open when an answer was given: what the forms say, and what the counting hears of it."""

from __future__ import annotations

import re

import pytest

from tests.web.doubles import Visitor

ACCEPT = ("action", "accept-all")
REJECT = ("action", "reject-all")
SAVE = ("action", "save")


@pytest.mark.parametrize(
    ("fields", "opened"),
    [
        ([ACCEPT], False),
        ([ACCEPT, ("opened", "yes")], True),
        ([REJECT, ("opened", "yes")], True),
        ([REJECT, ("opened", "1; drop")], False),
        ([SAVE, ("purpose", "embeds")], True),
        ([SAVE, ("purpose", "embeds"), ("opened", "no")], False),
    ],
)
def test_the_count_hears_whether_the_choices_were_open(fields: list[tuple[str, str]], opened: bool) -> None:
    """The form says so; without a word, what is saved was chosen among them."""
    visitor = Visitor()
    visitor.post(*fields)
    assert visitor.context.counting.opened == [opened]


def test_the_page_of_choices_says_that_it_shows_them_and_a_panel_that_it_does_not() -> None:
    """Each form of ours that is no notice has the field."""
    visitor = Visitor()
    forms = [visitor.get("/").text, visitor.get("/placeholder/video").text]
    found = [re.findall(r'name="opened" value="(\w+)"', text) for text in forms]
    assert found == [["yes"], ["no"]]
