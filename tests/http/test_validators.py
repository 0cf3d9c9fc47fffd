"""Entity tags go out marked with their variant, and come back only to the variant that they are of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.http.request import RequestHead
from consent_mw.http.validators import Conditions
from consent_mw.http.validators import asked_of
from consent_mw.http.validators import conditions_of
from consent_mw.http.validators import dated
from consent_mw.http.validators import marked
from consent_mw.http.validators import restored

OPAQUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"'))
VARIANT = st.text("0123456789abcdef", min_size=1, max_size=12)


@given(OPAQUE, st.booleans(), VARIANT)
def test_the_app_gets_its_own_tag_back(opaque: str, weak: bool, variant: str) -> None:
    """Whatever the tag, it returns as it was, weak or strong."""
    tag = f'W/"{opaque}"' if weak else f'"{opaque}"'
    assert asked_of(marked(tag, variant), variant).tags == tag


@given(OPAQUE, VARIANT, VARIANT)
def test_a_tag_of_another_variant_is_forgotten(opaque: str, one: str, other: str) -> None:
    """A page of another state is never said to be fresh."""
    assert bool(asked_of(marked(f'"{opaque}"', one), other).tags) is (one == other)


@pytest.mark.parametrize("value", ["*", '"abc"', 'W/"abc"', "abc", '"~cmw."', '"a~cmw.x12"', ""])
def test_a_tag_without_a_mark_is_forgotten(value: str) -> None:
    """A page from before the site was wrapped is not shown again."""
    assert asked_of(value, "12") == Conditions()


def test_of_several_tags_those_of_the_variant_remain() -> None:
    """A browser may hold several pages of one address."""
    given = ", ".join((marked('"a"', "1"), marked('"b"', "2"), marked('W/"c"', "1"), '"d"'))
    assert asked_of(given, "1").tags == '"a", W/"c"'


@pytest.mark.parametrize("tag", ["abc", '"a"b"', "W/abc", "", '"\x00"'])
def test_what_is_no_tag_does_not_go_out(tag: str) -> None:
    """An app's mistake is not made into a tag that says something."""
    assert marked(tag, "1") == ""


@given(st.text())
def test_any_header_can_be_read(value: str) -> None:
    """Visitors may send anything."""
    assert isinstance(asked_of(value, "1").tags + marked(value, "1") + dated(value, "1") + restored(value), str)


DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


@given(VARIANT)
def test_a_date_comes_back_as_a_date(variant: str) -> None:
    """An app that knows only when it changed a page is asked by that date, for the variant that it was sent in."""
    tag = dated(DATE, variant)
    assert asked_of(tag, variant) == Conditions("", DATE, tag)
    assert asked_of(tag, variant + "0") == Conditions()


@pytest.mark.parametrize("date", ["", "today", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37", 'x"'])
def test_what_is_no_date_makes_no_tag(date: str) -> None:
    """Only the one form that servers send is taken."""
    assert dated(date, "1") == ""


def test_of_several_dates_none_is_asked_for() -> None:
    """A 304 would not say which of the pages is meant."""
    other = DATE.replace("1994", "1995")
    assert asked_of(f"{dated(DATE, '1')}, {dated(other, '1')}", "1") == Conditions()


def test_a_tag_goes_before_a_date() -> None:
    """Where the app has tags, it is asked by tags alone."""
    assert asked_of(f"{dated(DATE, '1')}, {marked(chr(34) + 'a' + chr(34), '1')}", "1").tags == '"a"'


def conditions(*headers: tuple[str, str], page: bool) -> tuple[Conditions, dict[str, str | None]]:
    """Return what becomes of the headers of a request, in variant 1."""
    head = RequestHead("GET", "https", "shop.example", "/", "", headers)
    return conditions_of(head, lambda: "1", page=page)


def test_a_page_is_asked_for_by_tags_of_its_variant_alone() -> None:
    """Neither a tag without a mark nor a date of its own reaches the app."""
    asked, changes = conditions(
        ("if-none-match", '"plain", W/"a~cmw.s1", W/"b~cmw.s2"'), ("if-modified-since", DATE), page=True
    )
    assert changes == {"if-none-match": '"a"', "if-modified-since": None}
    assert asked.tags == '"a"'


def test_what_is_no_page_keeps_its_own_tags() -> None:
    """A file that passes has the app's own tags, and a fragment of a page comes back under ours."""
    assert conditions(("if-none-match", '"plain"'), ("if-modified-since", DATE), page=False) == (Conditions(), {})
    _, changes = conditions(("if-none-match", '"plain", W/"a~cmw.s1"'), page=False)
    assert changes["if-none-match"] == '"a", "plain"'


def test_a_date_does_not_stand_in_for_a_forgotten_tag() -> None:
    """Without its tag, the date beside it would say that a page of another variant is fresh."""
    _, changes = conditions(("if-none-match", 'W/"a~cmw.s2"'), ("if-modified-since", DATE), page=False)
    assert changes == {"if-none-match": None, "if-modified-since": None}


def test_who_writes_is_asked_for_the_app_s_own_state() -> None:
    """What was inserted into a page is no reason to refuse a change to it."""
    _, changes = conditions(("if-match", 'W/"a~cmw.s1", W/"b~cmw.w9", "c", W/"x~cmw.d1"'), page=False)
    assert changes == {"if-match": '"a", W/"b", "c", W/"x~cmw.d1"'}


def test_no_part_of_a_rewritten_page_is_asked_for() -> None:
    """A range of the app's own bytes does not go on where the rewritten page stopped."""
    _, changes = conditions(("if-range", 'W/"a~cmw.s1"'), ("range", "bytes=9-"), page=False)
    assert changes == {"if-range": None, "range": None}


@pytest.mark.parametrize(
    ("tags", "etag", "expected"),
    [
        (Conditions('"a"', "", "x"), '"a"', True),
        (Conditions('"a"', "", "x"), 'W/"a"', True),
        (Conditions('"a"', "", "x"), '"b"', False),
        (Conditions('"a"', "", "x"), "", True),
        (Conditions("", DATE, "x"), '"b"', True),
        (Conditions(), '"b"', False),
    ],
)
def test_which_page_a_304_is_about(tags: Conditions, etag: str, expected: bool) -> None:
    """An answer about a tag of the app's own is not taken for one about a page."""
    assert tags.about([("ETag", etag)] if etag else []) is expected
