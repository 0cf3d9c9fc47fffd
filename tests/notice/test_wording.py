"""The words in the visitor's language: numbers, lists and dates, the owner's own texts, and what is missing."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest
from babel.lists import format_list
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.model import Purpose
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.notice import wording
from consent_mw.notice.assets import Assets
from consent_mw.notice.assets import texts
from consent_mw.notice.banner import Notice
from consent_mw.notice.languages import canonical
from consent_mw.notice.wording import choose_language
from tools.locale_data import LOCALES

COUNTER = Service(id="counter", name="Counter", vendor="Counter Ltd", purposes=("analytics",))


def said(tag: str) -> dict[str, str]:
    """Return what CLDR says of a language, whether it has texts or not."""
    return dict(texts().locale(tag))


@pytest.mark.parametrize("tag", sorted(LOCALES))
@pytest.mark.parametrize("items", [[], ["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d", "e"]], ids=len)
def test_lists_are_those_of_babel(tag: str, items: list[str]) -> None:
    """However many items, each language lists them as Babel does."""
    assert wording.listed(said(tag), items) == format_list(items, locale=LOCALES[tag])


@pytest.mark.parametrize(("tag", "around"), [("ar", "\u2068{}\u2069"), ("he", "\u2068{}\u2069"), ("de", "{}")])
def test_names_in_a_list_keep_their_direction(tag: str, around: str) -> None:
    """Two Latin names with a comma between them do not turn the order of a list from right to left."""
    names = [around.format(name) for name in ("Hotjar", "Matomo", "Clarity")]
    assert wording.listed(said(tag), ["Hotjar", "Matomo", "Clarity"], tag) == wording.listed(said(tag), names)


@given(st.lists(st.text(), max_size=6))
def test_what_items_say_is_not_read(items: list[str]) -> None:
    """Names with braces in them are listed as they are."""
    assert all(item in wording.listed(said("en"), items) for item in items)


@pytest.mark.parametrize(("kind", "profiles"), [("ad-exchange", True), ("email-marketing", False), ("", False)])
def test_marketing_says_that_it_profiles_where_it_does(kind: str, profiles: bool) -> None:
    """Visitors are told of profiles across sites where one of the services makes them, in every language."""
    pixel = Service(id="pixel", name="Pixel", vendor="V", purposes=("marketing",), kind=kind)
    site = Site(services=(pixel,), languages=("en", "de"))
    key = "purpose.marketing.profiles" if profiles else "purpose.marketing.description"
    for tag in site.languages:
        assert wording.purpose_description(Purpose("marketing"), tag, site) == texts()[tag][key]


def test_numbers_have_the_digits_of_the_language() -> None:
    """Persian and Bengali have digits of their own; most others do not."""
    assert [wording.numeral(said(tag), 540) for tag in ("fa", "bn", "de", "ja")] == ["۵۴۰", "৫৪০", "540", "540"]


@pytest.mark.parametrize(("number", "expected"), [(0, "0 days"), (1, "1 day"), (2, "2 days"), (540, "540 days")])
def test_nouns_agree_with_their_number(number: int, expected: str) -> None:
    """One day, two days."""
    assert wording.counted(wording.wording("en"), "page.days", number) == expected


def test_the_form_falls_back_to_the_general_one() -> None:
    """A language whose form was left out takes the general one rather than failing."""
    say = {"plural.few": "n = 3", "x.other": "{count} xs"}
    assert wording.counted(say, "x", 3) == "3 xs"


# -- which language


@pytest.mark.parametrize(
    ("languages", "accepted", "expected"),
    [
        (("en", "de-AT"), "de", "de-AT"),
        (("en", "fr"), "fr-CA", "fr"),
        (("en", "de"), "DE", "de"),
        (("en", "de", "tlh"), "tlh", "en"),
    ],
)
def test_tags_meet_in_any_spelling(languages: tuple[str, ...], accepted: str, expected: str) -> None:
    """What the site calls a language and what the browser calls it need not be spelt alike."""
    assert choose_language(Site(languages=languages), accepted) == expected


@pytest.mark.parametrize(
    ("languages", "accepted", "expected"),
    [
        (("en", "zh-Hans", "zh-Hant"), "zh-TW", "zh-Hant"),
        (("en", "zh-Hans", "zh-Hant"), "zh-CN,zh;q=0.9", "zh-Hans"),
        (("en", "zh-CN"), "zh-Hans-SG", "zh-CN"),
        (("en", "nb"), "no-NO", "nb"),
        (("en", "no"), "nn", "no"),
        (("en", "he"), "iw", "he"),
        (("en", "id"), "in-ID", "id"),
        (("en", "pt", "pt-BR"), "pt-BR,pt;q=0.9", "pt-BR"),
        (("en", "pt-BR", "pt"), "pt-PT", "pt"),
        (("en", "pt-BR"), "pt-PT", "pt-BR"),
    ],
)
def test_aliases_meet(languages: tuple[str, ...], accepted: str, expected: str) -> None:
    """Old codes, countries that stand for a script, and close relatives find their language."""
    own = MappingProxyType({canonical(tag): {"banner.title": "x"} for tag in languages})
    assert choose_language(Site(languages=languages, texts=own), accepted) == expected


def test_a_language_of_the_owners_own_is_offered() -> None:
    """A language that is not built in is there once the owner wrote texts in it."""
    own = MappingProxyType({"eu": {"banner.title": "Cookieak"}})
    assert choose_language(Site(languages=("en", "eu"), texts=own), "eu") == "eu"


# -- the owner's own texts


def test_the_owners_text_goes_first() -> None:
    """In its language only, and beside the built-in ones."""
    site = Site(texts=MappingProxyType({"de": {"banner.title": "Kekse"}}))
    say = wording.wording("de-AT", site)
    assert (say["banner.title"], say["action.save"]) == ("Kekse", wording.wording("de")["action.save"])
    assert wording.wording("en", site) == wording.wording("en")


def test_a_text_is_not_taken_over_by_another_variant() -> None:
    """What is written for the language as a whole is not meant for a variant that has texts of its own."""
    site = Site(texts=MappingProxyType({"zh-Hans": {"banner.title": "X"}}))
    assert wording.wording("zh-Hant", site)["banner.title"] != "X"


def test_the_banner_and_the_purposes_say_it() -> None:
    """The markup, the labels and the kept notice have the owner's words."""
    own = {"en": {"banner.title": "Biscuits?", "purpose.analytics.label": "Measuring"}}
    site = Site(services=(COUNTER,), purposes=(Purpose("analytics"),), texts=MappingProxyType(own))
    document = Notice(site, Assets()).document.decode()
    assert ("Biscuits?" in document, "Measuring" in document, "Cookies: your choice" in document) == (True, True, False)
    assert wording.purpose_label(Purpose("analytics"), "en", site) == "Measuring"


def test_the_owners_name_of_a_purpose_goes_before_its_text() -> None:
    """A label in the purpose's own table is nearer than a text."""
    site = Site(texts=MappingProxyType({"en": {"purpose.analytics.label": "Measuring"}}))
    assert wording.purpose_label(Purpose("analytics", label={"en": "Numbers"}), "en", site) == "Numbers"


# -- what is missing


def test_nothing_is_missing_in_built_in_languages() -> None:
    """A site in languages of the project has every text."""
    assert wording.missing_texts(Site(languages=("en", "de-AT", "fr"))) == {}


def test_what_the_owner_left_out_is_missing() -> None:
    """Names and descriptions that are in some languages only are told for the others."""
    site = Site(
        languages=("en", "de"),
        purposes=(Purpose("surveys", label={"en": "Surveys"}),),
        services=(replace(COUNTER, description={"de": "Zählt."}),),
    )
    assert wording.missing_texts(site) == {
        "en": ("services.counter.description",),
        "de": ("purposes.surveys.label",),
    }


def test_of_a_language_of_ones_own_the_rest_is_missing() -> None:
    """Every built-in text that the owner did not write is told."""
    site = Site(languages=("eu",), texts=MappingProxyType({"eu": {"banner.title": "Cookieak"}}))
    missing = wording.missing_texts(site)["eu"]
    assert set(wording.sentences("eu")) - set(missing) == {"banner.title"}
