"""Entity tags go out marked with their variant, and come back only to the variant that they are of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.validators import marked
from consent_mw.core.validators import unmarked

OPAQUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"'))
VARIANT = st.text("0123456789abcdef", min_size=1, max_size=12)


@given(OPAQUE, st.booleans(), VARIANT)
def test_the_app_gets_its_own_tag_back(opaque: str, weak: bool, variant: str) -> None:
    """Whatever the tag, it returns as it was, weak or strong."""
    tag = f'W/"{opaque}"' if weak else f'"{opaque}"'
    assert unmarked(marked(tag, variant), variant) == tag


@given(OPAQUE, VARIANT, VARIANT)
def test_a_tag_of_another_variant_is_forgotten(opaque: str, one: str, other: str) -> None:
    """A page of another state is never said to be fresh."""
    assert bool(unmarked(marked(f'"{opaque}"', one), other)) is (one == other)


@pytest.mark.parametrize("value", ["*", '"abc"', 'W/"abc"', "abc", '"~cmw."', '"a~cmw.x12"', ""])
def test_a_tag_without_a_mark_is_forgotten(value: str) -> None:
    """A page from before the site was wrapped is not shown again."""
    assert unmarked(value, "12") == ""


def test_of_several_tags_those_of_the_variant_remain() -> None:
    """A browser may hold several pages of one address."""
    given = ", ".join((marked('"a"', "1"), marked('"b"', "2"), marked('W/"c"', "1"), '"d"'))
    assert unmarked(given, "1") == '"a", W/"c"'


@pytest.mark.parametrize("tag", ["abc", '"a"b"', "W/abc", "", '"\x00"'])
def test_what_is_no_tag_does_not_go_out(tag: str) -> None:
    """An app's mistake is not made into a tag that says something."""
    assert marked(tag, "1") == ""


@given(st.text())
def test_any_header_can_be_read(value: str) -> None:
    """Visitors may send anything."""
    assert isinstance(unmarked(value, "1") + marked(value, "1"), str)
