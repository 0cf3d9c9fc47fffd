"""
Write the CLDR data of each language: ``python -m tools.locale_data``; with ``--check`` only compare.

The files ``static/i18n/locale/TAG.json`` contain data that translators need not type: the names of countries, of months
as used in dates, and of the language itself, the patterns of dates and lists, the plural rules, and the digits if they
are not 0 to 9. Babel provides the data and is needed only here; the pinned version always produces the same files.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from babel import Locale

from consent_mw.notice import plurals

FOLDER = Path(__file__).resolve().parent.parent / "static" / "i18n" / "locale"

#: Every language that texts may be written in, and its name in CLDR. English is British English.
LOCALES: Mapping[str, str] = MappingProxyType(
    {tag: tag for tag in (
        "ar", "bg", "bn", "ca", "cs", "cy", "da", "de", "el", "es", "et", "fa", "fi", "fr", "ga", "he", "hi", "hr",
        "hu", "id", "is", "it", "ja", "ko", "lt", "lv", "mt", "nb", "nl", "pl", "ro", "ru", "sk", "sl", "sv", "th",
        "tr", "uk", "vi",
    )}
    | {"en": "en_GB", "pt": "pt_PT", "pt-BR": "pt_BR", "zh-Hans": "zh_Hans", "zh-Hant": "zh_Hant"}
)  # fmt: skip

#: Names for a list of languages, if the name in CLDR is unsuitable.
_NAMES = {"id": "Bahasa Indonesia", "pt-BR": "Português (Brasil)", "zh-Hans": "简体中文", "zh-Hant": "繁體中文"}

#: Two-letter codes that are not countries: unions, unknown regions, and codes for tests.
_NO_COUNTRIES = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})

#: The first of the ten digits, by numbering system.
_ZEROS = {"arab": "\N{ARABIC-INDIC DIGIT ZERO}", "arabext": "\N{EXTENDED ARABIC-INDIC DIGIT ZERO}",
          "beng": "\N{BENGALI DIGIT ZERO}"}  # fmt: skip

_LISTS = {"list.two": "2", "list.start": "start", "list.middle": "middle", "list.end": "end"}
#: A quoted text, or the fields of a date (Unicode Technical Standard 35, part 4).
_DATE_PART = re.compile(r"'((?:[^']|'')*)'|(d{1,2}|M{1,4}|L{4}|y{1,4}|G)|([^a-zA-Z'])|(.)")


def entries(tag: str) -> dict[str, str]:
    """Return the CLDR data of the language, by the keys of our texts."""
    locale = Locale.parse(LOCALES[tag])
    name = _NAMES.get(tag) or str(locale.language_name)
    lists = locale.list_patterns["standard"]
    found = {
        "language.name": name[:1].upper() + name[1:],
        "date": date_pattern(str(locale.date_formats["long"].pattern), str(locale.eras["abbreviated"][1])),
        **{key: str(lists[part]) for key, part in _LISTS.items()},
        **{f"month.{number}": str(locale.months["format"]["wide"][number]) for number in range(1, 13)},
        **{f"plural.{form}": rule for form, rule in rules(locale).items()},
        **{f"country.{code}": str(locale.territories[code]) for code in countries(locale)},
    }
    system = locale.default_numbering_system
    if system != "latn":
        found["digits"] = "".join(chr(ord(_ZEROS[system]) + digit) for digit in range(10))
    return found


def date_pattern(pattern: str, era: str) -> str:
    """Return a CLDR date pattern with our field names: ``{day} {month} {year}``, ``{number}`` for a numeric month."""

    def part(found: re.Match[str]) -> str:
        quoted, field, other, unknown = found.groups()
        if unknown is not None:
            raise ValueError(f"the date pattern {pattern!r} has a field that is not known here")
        if field is None:
            return (quoted or "'").replace("''", "'") if quoted is not None else other
        if field == "G":
            return era
        fields = {"d": "{day}", "y": "{year}", "M": "{number}" if len(field) < 3 else "{month}", "L": "{month}"}
        return fields[field[0]]

    return _DATE_PART.sub(part, pattern)


def rules(locale: Locale) -> dict[str, str]:
    """Return the plural rules that whole numbers need, in CLDR's syntax."""
    every = {
        form: rule.replace(" not in ", " != ").replace(" in ", " = ").replace(" mod ", " % ")
        for form, rule in locale.plural_form.rules.items()
    }
    return {form: every[form] for form in plurals.needed(every) if form in every}


def countries(locale: Locale) -> Iterator[str]:
    """Yield the codes of countries, in order."""
    for code in sorted(locale.territories):
        if re.fullmatch("[A-Z]{2}", code) and code not in _NO_COUNTRIES:
            yield code


def document(tag: str) -> str:
    """Return the content of the language's file."""
    return json.dumps(entries(tag), ensure_ascii=False, indent=1) + "\n"


def outdated() -> list[str]:
    """Return the names of the files that are out of date or missing, or belong to no language."""
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    wanted = {f"{tag}.json": document(tag) for tag in LOCALES}
    return sorted(name for name in there.keys() | wanted.keys() if there.get(name) != wanted.get(name))


def main(arguments: list[str]) -> int:
    """Write the files of all languages and remove those of dropped languages, or only check."""
    names = outdated()
    if "--check" in arguments:
        for name in names:
            print(f"static/i18n/locale/{name} is out of date: run python -m tools.locale_data", file=sys.stderr)
        return 1 if names else 0
    FOLDER.mkdir(exist_ok=True)
    for name in names:
        tag = name.removesuffix(".json")
        if tag in LOCALES:
            (FOLDER / name).write_text(document(tag), encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
