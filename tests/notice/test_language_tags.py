"""Language tags: one spelling, aliases, and the nearest language that there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.notice.languages import canonical
from consent_mw.notice.languages import nearest


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("de", "de"),
        ("de-AT", "de-AT"),
        ("DE_at", "de-AT"),
        ("pt-br", "pt-BR"),
        ("pt-PT", "pt"),
        ("zh", "zh-Hans"),
        ("zh-CN", "zh-Hans"),
        ("zh_Hans_SG", "zh-Hans"),
        ("zh-TW", "zh-Hant"),
        ("zh-HK", "zh-Hant"),
        ("zh-Hant-MO", "zh-Hant"),
        ("no", "nb"),
        ("nn-NO", "nb"),
        ("iw-IL", "he"),
        ("in", "id"),
        (" en ", "en"),
        ("sr-latn-rs", "sr-Latn-RS"),
        ("ca-valencia", "ca-valencia"),
        ("", ""),
    ],
)
def test_a_tag_has_one_spelling(tag: str, expected: str) -> None:
    """Aliases, old codes, capitals and underscores lead to the tag that texts are filed under."""
    assert canonical(tag) == expected


@given(st.from_regex(r"[A-Za-z]{1,8}([-_][A-Za-z0-9]{1,8}){0,4}", fullmatch=True))
def test_the_spelling_is_settled_at_once(tag: str) -> None:
    """Whatever the tag, spelling it again changes nothing."""
    assert canonical(canonical(tag)) == canonical(tag)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [("de", "de"), ("de-AT", "de"), ("zh-CN", "zh-Hans"), ("no-NO", "nb"), ("pt-BR", "pt"), ("ja", ""), ("", "")],
)
def test_the_nearest_language_is_found(tag: str, expected: str) -> None:
    """The tag, its canonical form, its primary language, or nothing."""
    assert nearest(tag, {"de", "zh-Hans", "nb", "pt"}) == expected
