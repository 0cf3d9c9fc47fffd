"""
The texts of the notice and the pages, and the choice of the visitor's language.

The built-in texts come from :mod:`consent_mw.notice.assets`; the owner's texts under ``[texts.LANG]`` take precedence.
A text that neither has is taken from English.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from functools import cache
from types import MappingProxyType

from consent_mw.core.days import calendar
from consent_mw.core.model import OWN_MARKS
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.core.model import Purpose
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.notice import plurals
from consent_mw.notice.assets import FALLBACK_LANGUAGE
from consent_mw.notice.assets import texts
from consent_mw.notice.languages import canonical
from consent_mw.notice.languages import nearest

#: Languages written from right to left, by primary subtag.
RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})

#: How many characters of an Accept-Language header are read; browsers send fewer than 200.
_LANGUAGE_HEADER_LIMIT = 1000

#: Keys of CLDR data that are not texts.
_RULES = ("digits", "plural.")

_PLACE = re.compile(r"\{(\w+)\}")
_ASCII_DIGITS = "0123456789"
#: Kinds of services that recognise visitors on other sites.
_PROFILING = frozenset(
    {
        *("ad-server", "ad-exchange", "ad-network", "ad-measurement", "retargeting", "data-platform"),
        *("content-recommendation", "sponsored-search", "attribution"),
    }
)


# -- choice of the language


def direction(lang: str) -> str:
    """Return ``rtl`` for a language that is written from right to left, else ``ltr``."""
    return "rtl" if canonical(lang).partition("-")[0] in RIGHT_TO_LEFT else "ltr"


def offered_languages(site: Site) -> tuple[str, ...]:
    """Return those of ``site.languages`` that have built-in texts or the owner's; English if there are none."""
    known = [tag for tag in site.languages if nearest(tag, texts()) or nearest(tag, site.texts)]
    return tuple(known) or (FALLBACK_LANGUAGE,)


def choose_language(site: Site, accept_language: str, page_lang: str = "") -> str:
    """
    Return the language of the notice, one of ``site.languages``.

    The page's own language comes first, since a notice in a language other than the page's looks out of place. The
    browser's preference is second, and the first language of the site third.
    """
    languages = offered_languages(site)
    if len(languages) == 1:
        return languages[0]
    return page_language(site, page_lang) or _best(languages, _asked(accept_language)) or languages[0]


def page_language(site: Site, page_lang: str) -> str:
    """Return the language of ``site.languages`` that matches the page's declared one, or an empty string."""
    languages = offered_languages(site)
    if len(languages) == 1:
        return languages[0]
    return _best(languages, [(page_lang, 1.0)]) if page_lang.strip() else ""


def _asked(accept_language: str) -> Iterable[tuple[str, float]]:
    """Parse an Accept-Language header into languages and their quality (RFC 9110, section 12.5.4)."""
    from werkzeug.datastructures import LanguageAccept
    from werkzeug.http import parse_accept_header

    return parse_accept_header(accept_language[:_LANGUAGE_HEADER_LIMIT], LanguageAccept)


def _best(languages: tuple[str, ...], asked: Iterable[tuple[str, float]]) -> str:
    """Return the best match for the requested languages, or an empty string."""
    from werkzeug.datastructures import LanguageAccept

    by_form = {canonical(tag): tag for tag in reversed(languages)}
    found = LanguageAccept([(canonical(tag), quality) for tag, quality in asked]).best_match(by_form)
    return by_form[found] if found else ""


# -- texts


def localised(text: Mapping[str, str], lang: str) -> str:
    """Return the text in the language, its primary language, English, or any language; empty if there is none."""
    tag = nearest(lang, text) or nearest(FALLBACK_LANGUAGE, text)
    return text[tag] if tag else next(iter(text.values()), "")


def notes_within(site: Site, first: int, last: int, lang: str) -> list[tuple[int, str]]:
    """Return the owner's notes for the days from ``first`` to ``last``, in the language."""
    return [(note.day, localised(note.text, lang)) for note in site.annotations if first <= note.day <= last]


def wording(lang: str, site: Site | None = None) -> Mapping[str, str]:
    """Return the texts in the language, or in English; a site's own texts take precedence."""
    known = texts()
    tag = nearest(lang, known)
    built_in = known[tag or FALLBACK_LANGUAGE]
    own = _of_the_owner(site, lang) if site is not None and site.texts else None
    if not own:
        return built_in
    return MappingProxyType({**built_in, **({} if tag else _locale(lang)), **own})


def service_name(service: Service, lang: str, site: Site | None = None) -> str:
    """Return the name of the service for visitors."""
    return _of_the_catalogue(service, "", service.name, lang, site)


def service_vendor(service: Service, lang: str, site: Site | None = None) -> str:
    """Return the provider of the service for visitors, or an empty string."""
    return _of_the_catalogue(service, ".vendor", service.vendor, lang, site)


def service_description(service: Service, lang: str, site: Site | None = None) -> tuple[str, str]:
    """
    Return the description of a service, and the language of that text if it is not ``lang``, else an empty string.

    The owner's or the catalogue's description is preferred if it is in the language. Otherwise the description of the
    service's kind is used, which every built-in language has, or else the description in another language.
    """
    tag = nearest(lang, texts())
    if nearest(lang, service.description):
        return localised(service.description, lang), ""
    if tag and (of_kind := texts().kinds(tag).get(service.kind)):
        return of_kind, ""
    if not service.description:
        return "", ""
    found = localised(service.description, lang)
    translated = _of_the_catalogue(service, ".description", found, lang, site)
    if tag and translated != found:
        return translated, ""
    return found, nearest(FALLBACK_LANGUAGE, service.description) or next(iter(service.description))


def _of_the_catalogue(service: Service, part: str, text: str, lang: str, site: Site | None) -> str:
    """
    Return a text about a service in the language if it is the catalogue's own; else the text as it is.

    The catalogue has services that stand for no company: third parties without a name, and the site's own code, by
    purpose. Their texts are words, not names, so they are translated unless the owner has written others.

    Args:
        service: The service.
        part: Which text: empty for the name, ``.vendor`` or ``.description``.
        text: The text.
        lang: The language.
        site: The site, whose own texts take precedence.
    """
    purpose = service.id.removeprefix(OWN_MARKS)
    is_own = purpose != service.id
    if not (is_own or service.id == UNKNOWN_SERVICE):
        return text
    key = f"service.{'own' if is_own else 'unknown'}{part}"
    english = texts().own(FALLBACK_LANGUAGE)
    if text != fill(english[key], purpose=english.get(f"purpose.{purpose}.label", "")):
        return text
    label = purpose_label(Purpose(purpose), lang, site) if is_own else ""
    return fill(wording(lang, site)[key], purpose=label)


def language_name(lang: str) -> str:
    """Return the language's own name, or its tag if it is unknown."""
    known = texts()
    found = nearest(lang, known)
    return known[found].get("language.name", lang) if found else lang


def purpose_label(purpose: Purpose, lang: str, site: Site | None = None) -> str:
    """Return the name of the purpose for visitors."""
    return localised(purpose.label, lang) or wording(lang, site).get(f"purpose.{purpose.id}.label", purpose.id)


def purpose_description(purpose: Purpose, lang: str, site: Site | None = None) -> str:
    """
    Return the description of the purpose, in one sentence, or an empty string.

    That of marketing mentions profiling across sites if one of the site's services does that.
    """
    say = wording(lang, site)
    usual = say.get(f"purpose.{purpose.id}.description", "")
    if any(
        purpose.id in service.purposes and service.kind in _PROFILING for service in (site.optional if site else ())
    ):
        usual = say.get(f"purpose.{purpose.id}.profiles", usual)
    return localised(purpose.description, lang) or usual


# -- values in texts


def fill(text: str, /, **values: str) -> str:
    """Fill in the placeholders of a text; one without a value is kept."""
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), text)


def numeral(say: Mapping[str, str], number: int) -> str:
    """Return a whole number in the digits of the language."""
    digits = say.get("digits")
    return str(number).translate(str.maketrans(_ASCII_DIGITS, digits)) if digits else str(number)


def dated(say: Mapping[str, str], day: int) -> str:
    """Return the date of a day, counted from 1970-01-01, in the language's format; its number if it has no date."""
    found = calendar(day)
    if found is None:
        return numeral(say, day)
    return fill(
        say["date"],
        day=numeral(say, found.day),
        month=say[f"month.{found.month}"],
        number=numeral(say, found.month),
        year=numeral(say, found.year),
    )


def counted(say: Mapping[str, str], key: str, number: int) -> str:
    """Return the plural form of a text for the number (``key.one``, ``key.few``, ...), with the number filled in."""
    form = plurals.form_of(_plural_rules(say), number)
    text = say.get(f"{key}.{form}") or say[f"{key}.{plurals.OTHER}"]
    return fill(text, count=numeral(say, number))


def isolated(lang: str, text: str) -> str:
    """
    Return a name for a sentence of the language, so that its letters do not turn the order of what is around it.

    In a language from right to left, two Latin names with a comma between them would be read from left to right. Each
    is put between the characters FSI and PDI (Unicode Standard Annex 9, section 2.4), which work in attributes, too.
    """
    return f"\u2068{text}\u2069" if text and direction(lang) == "rtl" else text


def listed(say: Mapping[str, str], items: Iterable[str], lang: str = "") -> str:
    """Join the items as in a sentence: ``a, b and c``; each keeps its direction in a language from right to left."""
    parts: Sequence[str] = [isolated(lang, item) for item in items]
    if len(parts) < 3:
        return _pair(say["list.two"], *parts) if len(parts) == 2 else "".join(parts)
    # Unicode Technical Standard 35, part 2, section 11. Start at the end, since in most languages only that pattern
    # differs.
    text = _pair(say["list.end"], parts[-2], parts[-1])
    for part in reversed(parts[1:-2]):
        text = _pair(say["list.middle"], part, text)
    return _pair(say["list.start"], parts[0], text)


def _of_the_owner(site: Site, lang: str) -> Mapping[str, str]:
    """Return the owner's texts; those for ``pt`` are not used for ``pt-BR`` if ``pt-BR`` has built-in texts."""
    plain = canonical(lang)
    return site.texts.get(plain) or site.texts.get(nearest(lang, texts()) or plain.partition("-")[0]) or {}


def _locale(lang: str) -> Mapping[str, str]:
    """Return the CLDR data of the language, even if it has no texts; that of English if it has no data."""
    plain = canonical(lang)
    known = texts()
    return known.locale(plain) or known.locale(plain.partition("-")[0]) or known.locale(FALLBACK_LANGUAGE)


def _pair(pattern: str, first: str, second: str) -> str:
    return re.sub(r"\{([01])\}", lambda place: second if place[1] == "1" else first, pattern)


def _plural_rules(say: Mapping[str, str]) -> dict[str, str]:
    return {form: say[f"plural.{form}"] for form in plurals.FORMS if f"plural.{form}" in say}


# -- texts for translators, and missing texts


def places(text: str) -> frozenset[str]:
    """Return the names of the placeholders, which a translation must keep."""
    return frozenset(_PLACE.findall(text))


def every_text(lang: str) -> Mapping[str, str]:
    """Return every text that the language can have, by key, with the placeholders that a translation must keep."""
    return MappingProxyType(
        sentences(lang) | {key: text for key, text in _locale(lang).items() if not key.startswith(_RULES)}
    )


def sentences(lang: str) -> dict[str, str]:
    """Return the English text of each key to translate, with the plural forms of the language."""
    forms = plural_forms(lang)
    found = {}
    for key, text in texts().own(FALLBACK_LANGUAGE).items():
        base, _, form = key.rpartition(".")
        if base not in _plural_keys():
            found[key] = text
        elif form == plurals.OTHER:
            found.update(dict.fromkeys((f"{base}.{one}" for one in forms), text))
    return found


def plural_forms(lang: str) -> tuple[str, ...]:
    """Return the forms that a text with ``{count}`` has in the language."""
    return plurals.needed(_plural_rules(_locale(lang)))


def may_omit(lang: str, key: str) -> frozenset[str]:
    """Return the placeholders that a text can omit: a form for only one number need not contain the number."""
    base, _, form = key.rpartition(".")
    alone = base in _plural_keys() and plurals.stands_alone(_plural_rules(_locale(lang)), form)
    return frozenset({"count"}) if alone else frozenset()


@cache
def _plural_keys() -> frozenset[str]:
    """Return the keys with plural forms, without the suffix for the form."""
    english = texts().own(FALLBACK_LANGUAGE)
    others = (key.removesuffix(f".{plurals.OTHER}") for key in english if key.endswith(f".{plurals.OTHER}"))
    return frozenset(key for key in others if f"{key}.one" in english)


def missing_texts(site: Site) -> Mapping[str, tuple[str, ...]]:
    """
    Return the keys of missing texts by language of the site; languages that are complete are left out.

    Built-in texts are listed by key. ``purposes.ID.label``, ``purposes.ID.description`` and
    ``services.ID.description`` are texts that the owner or the catalogue has only in other languages.
    """
    lacking = {tag: tuple(_missing(site, tag)) for tag in site.languages}
    return MappingProxyType({tag: keys for tag, keys in lacking.items() if keys})


def _missing(site: Site, lang: str) -> Iterable[str]:
    known = texts()
    built_in = nearest(lang, known)
    have = set(known.own(built_in) if built_in else ()) | set(_of_the_owner(site, lang))
    yield from (key for key in sentences(lang) if key not in have)
    written = [(f"purposes.{one.id}.label", one.label) for one in site.purposes]
    written += [(f"purposes.{one.id}.description", one.description) for one in site.purposes]
    written += [
        (f"services.{one.id}.description", one.description)
        for one in site.services
        if service_description(one, lang)[1]
    ]
    yield from (key for key, text in written if text and not nearest(lang, text))
