"""
What every language has to hold to: the files of texts, and the data of CLDR beside them.

Each rule runs over all languages that are shipped, so that adding one is adding its file.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from babel import Locale

from consent_mw import catalogue
from consent_mw import config
from consent_mw.catalogue import KINDS
from consent_mw.catalogue import PURPOSES
from consent_mw.catalogue.strangers import SUSPECT
from consent_mw.catalogue.strangers import WithStrangers
from consent_mw.core.model import OWN_MARKS
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.html.suspects import stranger_id
from consent_mw.notice import wording
from consent_mw.notice.assets import texts
from consent_mw.stats.texts import TEXTS
from tools import locale_data

FOLDER = Path(__file__).resolve().parents[2] / "static" / "i18n"
LANGUAGES = sorted(path.stem for path in FOLDER.glob("*.json"))

#: The script of a language that is not written in Latin letters, as Unicode names its letters.
SCRIPTS = {
    "ar": "ARABIC",
    "bg": "CYRILLIC",
    "bn": "BENGALI",
    "el": "GREEK",
    "fa": "ARABIC",
    "he": "HEBREW",
    "hi": "DEVANAGARI",
    "ja": "(CJK|HIRAGANA|KATAKANA|KATAKANA-HIRAGANA)",
    "ko": "HANGUL",
    "ru": "CYRILLIC",
    "th": "THAI",
    "uk": "CYRILLIC",
    "zh-Hans": "CJK",
    "zh-Hant": "CJK",
}

#: What stays in Latin letters in every script: names, and what a person looks for by these letters.
_NAMES = re.compile(r"Global Privacy Control|GPC|SHA-256|https|[Cc]ookies?|IP|\{\w+\}|EU|Data Privacy Framework|DPF")

#: The word that says what the notice is about: readers and programs that answer notices look for it.
COOKIES = {
    "ar": "ملفات تعريف الارتباط",
    "bg": "[Бб]исквитки",
    "bn": "কুকি",
    "ca": "[Gg]aletes",
    "cs": "[Cc]ookies",
    "cy": "[Cc]wcis",
    "da": "[Cc]ookies",
    "el": "[Cc]ookies",
    "et": "[Kk]üpsise",
    "fa": "کوکی",
    "fi": "[Ee]väste",
    "ga": "[Ff]ian[áa]in",
    "he": "עוגיות",
    "hi": "कुकी",
    "hr": "[Kk]olačić",
    "hu": "[Ss]üti|[Cc]ookie",
    "id": "[Cc]ookie",
    "is": "[Vv]afrakök",
    "it": "[Cc]ookie",
    "ja": "Cookie|クッキー",
    "ko": "쿠키",
    "lt": "[Ss]lapuk",
    "lv": "[Ss]īkdat",
    "mt": "[Cc]ookies",
    "nb": "[Ii]nformasjonskapsler",
    "pl": "[Cc]ookie",
    "ro": "[Cc]ookie",
    "ru": "cookie",
    "sk": "[Cc]ookie",
    "sl": "[Pp]iškotk",
    "sv": "[Cc]ookies|[Kk]akor",
    "th": "คุกกี้",
    "tr": "[Çç]erez",
    "uk": "cookie",
    "vi": "[Cc]ookie",
    "zh-Hans": "Cookie",
    "zh-Hant": "Cookie",
}


def own(tag: str) -> Mapping[str, str]:
    """Return what the language's file says."""
    return texts().own(tag)


# -- texts


def test_every_language_of_the_list_is_there() -> None:
    """The official languages of the EU and twenty more have texts, and no file is of a language without data."""
    assert (set(LANGUAGES), len(LANGUAGES)) == (set(locale_data.LOCALES), 44)


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_text_is_there_and_no_other(tag: str) -> None:
    """A language has the keys of the English texts in its own plural forms: none is missing, none unknown."""
    assert sorted(own(tag)) == sorted(wording.sentences(tag))


@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_order_is_that_of_english(tag: str) -> None:
    """The files can be read side by side."""
    assert list(own(tag)) == list(wording.sentences(tag))


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_place_is_kept(tag: str) -> None:
    """Each text fills the places that the English one fills; a form of one number need not say it."""
    for key, english in wording.sentences(tag).items():
        spare = wording.may_omit(tag, key)
        assert wording.places(own(tag)[key]) - spare == wording.places(english) - spare, key


@pytest.mark.parametrize("tag", LANGUAGES)
def test_no_text_is_empty_or_has_space_around_it(tag: str) -> None:
    """Nothing is left out silently, and nothing runs into its neighbours or gapes."""
    wrong = [key for key, text in own(tag).items() if not text or text != text.strip() or "  " in text]
    assert wrong == []


@pytest.mark.parametrize("tag", LANGUAGES)
def test_no_text_has_invisible_or_broken_characters(tag: str) -> None:
    """Texts are in Unicode's composed form, without control characters; joiners only where a script needs them."""
    joiners = {"\N{ZERO WIDTH NON-JOINER}", "\N{ZERO WIDTH JOINER}"} if tag in {"fa", "bn", "hi"} else set()
    for key, text in own(tag).items():
        assert text == unicodedata.normalize("NFC", text), key
        assert [char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Co", "Cn"} - joiners
                and char not in joiners] == [], key  # fmt: skip


def test_french_marks_have_their_spaces() -> None:
    """French sets a space that never breaks before : ; ? ! and inside guillemets, in every text that we have."""
    folders = (FOLDER, FOLDER / "kinds", FOLDER / "locale")
    found = [json.loads((folder / "fr.json").read_text(encoding="utf-8")) for folder in folders]
    # A colon within a word (an address, a time) is no mark of a sentence.
    wrong = re.compile(r"(?<![\u00a0\u202f])(?:[;?!»]|:(?!\S))|«(?![\u00a0\u202f])")
    assert [text for texts_of in (*found, TEXTS["fr"]) for text in texts_of.values() if wrong.search(text)] == []


@pytest.mark.parametrize("tag", sorted(SCRIPTS.keys() & set(LANGUAGES)))
def test_no_latin_words_are_left_in_other_scripts(tag: str) -> None:
    """A text that somebody forgot to translate would show by its letters."""
    for key, text in own(tag).items():
        letters = [char for char in _NAMES.sub("", text) if char.isalpha()]
        foreign = [char for char in letters if not re.match(SCRIPTS[tag], unicodedata.name(char))]
        assert foreign == [], (key, text)


@pytest.mark.parametrize("tag", sorted(set(LANGUAGES) - {"en"}))
def test_sentences_are_translated(tag: str) -> None:
    """No sentence is the English one."""
    english = wording.sentences(tag)
    same = [key for key, text in own(tag).items() if text == english[key] and text.count(" ") > 2]
    assert same == []


@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_banner_speaks_of_cookies(tag: str) -> None:
    """Its heading or first sentence has the word that people, and programs that answer for them, look for."""
    said = own(tag)["banner.title"] + " " + own(tag)["banner.text"]
    assert re.search(COOKIES.get(tag, "[Cc]ookies"), said), said


@pytest.mark.parametrize("tag", LANGUAGES)
def test_buttons_are_named_as_they_read(tag: str) -> None:
    """A sentence that names a button or a switch uses the words that stand on it."""
    said = own(tag)
    assert said["action.accept-all"] in said["gpc.page"]
    assert re.sub(r"\s*[(（]\{count\}[)）]", "", said["page.all"]) in said["page.rule"]


@pytest.mark.parametrize("tag", LANGUAGES)
def test_accept_and_reject_are_about_as_long(tag: str) -> None:
    """Neither answer is hidden in a long phrase: one button is at most twice as long as the other."""
    lengths = sorted(len(own(tag)[f"action.{action}"]) for action in ("accept-all", "reject-all"))
    assert lengths[1] <= 2 * lengths[0]


@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_three_choices_have_three_names(tag: str) -> None:
    """No two buttons read the same."""
    names = [own(tag)[f"action.{action}"] for action in ("accept-all", "reject-all", "choose", "save", "withdraw")]
    assert len({name.casefold() for name in names}) == len(names)


# -- what CLDR says


@pytest.mark.parametrize("tag", sorted(locale_data.LOCALES))
def test_the_shipped_data_are_those_of_cldr(tag: str) -> None:
    """``python -m tools.locale_data`` would change nothing."""
    assert (FOLDER / "locale" / f"{tag}.json").read_text(encoding="utf-8") == locale_data.document(tag)


def test_there_are_no_other_data() -> None:
    """Each file of locale data is of a language in the list, and each of them has one."""
    assert {path.stem for path in (FOLDER / "locale").glob("*.json")} == set(locale_data.LOCALES)


@pytest.mark.parametrize("tag", sorted(locale_data.LOCALES))
def test_the_direction_is_that_of_cldr(tag: str) -> None:
    """Languages from right to left are known as such."""
    assert wording.direction(tag) == Locale.parse(locale_data.LOCALES[tag]).text_direction


@pytest.mark.parametrize("tag", sorted(locale_data.LOCALES))
def test_translators_and_cldr_do_not_meet(tag: str) -> None:
    """No text is in both kinds of files, so that nothing is typed twice."""
    data = json.loads((FOLDER / "locale" / f"{tag}.json").read_text(encoding="utf-8"))
    assert set(data) & set(texts().own("en")) == set()


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("d. MMMM y", "{day}. {month} {year}"),
        ("d 'de' MMMM 'de' y", "{day} de {month} de {year}"),
        ("y年M月d日", "{year}年{number}月{day}日"),
        ("d MMMM G y", "{day} {month} ERA {year}"),
        ("d 'o''clock' y", "{day} o'clock {year}"),
    ],
)
def test_date_patterns_get_our_names(pattern: str, expected: str) -> None:
    """Fields become places, quoted text stays text."""
    assert locale_data.date_pattern(pattern, "ERA") == expected


def test_a_field_that_is_not_known_is_an_error() -> None:
    """A pattern with the day of the week is not shown half."""
    with pytest.raises(ValueError, match="a field that is not known"):
        locale_data.date_pattern("EEEE, d MMMM y", "")


@pytest.mark.parametrize("id_", [stranger_id("unknown.test"), "file-tracker-js", UNKNOWN_SERVICE])
@pytest.mark.parametrize("tag", LANGUAGES)
def test_a_suspect_is_described_in_the_language_of_the_visitor(tag: str, id_: str) -> None:
    """Visitors read what a suspect is in their own language."""
    service = WithStrangers(catalogue.load())[id_]
    assert wording.service_description(service, tag)[1] == ""


@pytest.mark.parametrize("tag", sorted(set(LANGUAGES) - {"en"}))
def test_services_that_stand_for_no_company_are_named_in_the_language_of_the_visitor(tag: str) -> None:
    """Third parties without a name and the site's own code are words, not names: each is translated, and told apart."""
    known = catalogue.load()
    marks = {OWN_MARKS + purpose for purpose in PURPOSES}
    found = [known[id_] for id_ in known if id_ == UNKNOWN_SERVICE or id_ in marks]
    names = [wording.service_name(service, tag) for service in found]
    english = {text for service in found for text in (service.name, service.vendor, *service.description.values())}
    shown = {*names, *(wording.service_vendor(service, tag) for service in found)}
    shown |= {wording.service_description(service, tag)[0] for service in found}
    assert (shown & english, len(set(names)), len(found)) == (set(), 5, 5)


def test_the_owners_words_for_them_are_kept() -> None:
    """A name, a provider or a description that the owner wrote is shown as it is; the others are translated."""
    plain = catalogue.load()[UNKNOWN_SERVICE]
    service = replace(plain, name="Partner", description={"en": "Our partners."})
    assert wording.service_name(service, "de") == "Partner"
    assert wording.service_vendor(service, "de") == "Dritte, die die Website nicht genannt hat"
    assert wording.service_description(service, "de") == ("Our partners.", "en")
    own = catalogue.load()["site-analytics"]
    site = config.load({"texts": {"de": {"service.own": "Eigenes: {purpose}", "purpose.analytics.label": "Zahlen"}}})
    assert wording.service_name(own, "de", site) == "Eigenes: Zahlen"


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_kind_of_service_has_a_sentence(tag: str) -> None:
    """Each kind of the catalogue is described in one sentence, and each differently, in the language's own script."""
    found = texts().kinds(tag)
    assert list(found) == [*KINDS, SUSPECT]
    assert len(set(found.values())) == len(found)
    assert [text for text in found.values() if not re.fullmatch(r"\S.*[.。।]|\S.*", text) or "  " in text] == []
    if tag in SCRIPTS:
        script = re.compile(SCRIPTS[tag])
        letters = [[unicodedata.name(one, "") for one in text if one.isalpha()] for text in found.values()]
        assert all(any(script.match(name) for name in names) for names in letters)
