"""
Finds the places in a page where embeds would appear that are loaded by scripts.

A held frame is replaced by a panel in the same place. A calendar, a form or a comment section has no frame until its
script runs. Its place is the element that the script fills (``.calendly-inline-widget``), or the script itself if the
embed appears next to it (``script: hbspt.forms.create(``). The catalogue lists these places.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from typing import NamedTuple

from consent_mw.core.model import Service
from consent_mw.html.code import Ids

__all__ = ["Places"]

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_PART = re.compile(r"([.#])([\w-]+)|\[([a-z][a-z0-9:_-]*)(?:(\*?=)([^\]]*))?\]")
_CODE = "script: "
#: What code says of an element between the start of a call and the element's id: ``("id"``, ``({container: 'id'``.
_ELEMENT = re.compile(
    rb"\s*(?:document\.(?:getElementById|querySelector)\(\s*|\{[^{}]{0,200}?\b(?:container|target)\s*:\s*)?"
    rb"[\"'`]#?([A-Za-z][\w-]{0,99})[\"'`]"
)

#: Returns the value of an attribute, or None if it is missing.
ValueOf = Callable[[bytes], str | None]


class PlaceRule(NamedTuple):
    name: bytes
    #: Attribute, operator ("", "=", "*=", "~=") and value.
    conditions: tuple[tuple[bytes, str, str], ...]
    id: str

    def fits(self, value_of: ValueOf) -> bool:
        """Return whether an element of that name meets the conditions."""
        for attribute, operator, wanted in self.conditions:
            value = value_of(attribute)
            if value is None:
                return False
            if operator == "~=" and wanted not in value.split():
                return False
            if (operator == "=" and value != wanted) or (operator == "*=" and wanted not in value):
                return False
        return True


class Places:
    """
    The places of a set of services; created once per site.

    Args:
        services: The services that visitors are asked about.
    """

    def __init__(self, services: Iterable[Service] = ()) -> None:
        self._rules: list[PlaceRule] = []
        #: The rules for scripts by a part of their code.
        self._codes: list[tuple[bytes, str]] = []
        self.ids = frozenset(self._read(services))
        #: The rules for scripts by their attributes.
        self._scripts = [rule for rule in self._rules if rule.name == b"script"]
        #: The rules for any element, and those for the elements that rules name.
        self._anywhere = [rule for rule in self._rules if not rule.name]
        self._by_name = {
            name: [rule for rule in self._rules if rule.name in (b"", name)]
            for name in {one.name for one in self._rules}
        }
        #: Where the tokenizer must stop: the attribute of a rule's first condition, and a part of its value.
        first = [rule.conditions[0] for rule in self._rules if _is_hidden(rule)]
        self.marks = tuple(sorted({(attribute.decode(), text) for attribute, _, text in first}))

    def _read(self, services: Iterable[Service]) -> Iterable[str]:
        for service in services:
            for text in service.places:
                yield service.id
                if text.startswith(_CODE):
                    self._codes.append((text.removeprefix(_CODE).encode(), service.id))
                    continue
                name = _NAME.match(text)
                conditions = tuple(
                    (
                        ({".": "class", "#": "id"}.get(sign) or attribute).encode(),
                        {".": "~=", "#": "="}.get(sign, operator),
                        word or value,
                    )
                    for sign, word, attribute, operator, value in _PART.findall(text, name.end() if name else 0)
                )
                self._rules.append(PlaceRule(name.group().encode() if name else b"", conditions, service.id))

    def __bool__(self) -> bool:
        """Whether there are any places."""
        return bool(self._rules or self._codes)

    @property
    def has_scripts(self) -> bool:
        """Whether some of them are at scripts."""
        return bool(self._scripts or self._codes)

    def of_element(self, name: bytes, value_of: ValueOf) -> Ids:
        """Return the services whose embeds appear in an element, by its name and attributes."""
        rules = self._by_name.get(name, self._anywhere)
        return tuple(dict.fromkeys([rule.id for rule in rules if rule.fits(value_of)])) if rules else ()

    def element_in(self, code: bytes) -> str:
        """Return the id of the element in which a script's text creates an embed; empty if it names none."""
        for part, _ in self._codes:
            at = code.find(part)
            if at >= 0 and (found := _ELEMENT.match(code, at + len(part))):
                return found.group(1).decode("ascii")
        return ""

    def of_script(self, value_of: ValueOf, code: bytes) -> Ids:
        """Return the services whose embeds appear at a script, by its attributes and its text."""
        found = [rule.id for rule in self._scripts if rule.fits(value_of)]
        return tuple(dict.fromkeys([*found, *(id_ for part, id_ in self._codes if part in code)]))


def _is_hidden(rule: PlaceRule) -> bool:
    """Whether the tokenizer would skip the elements of a rule: it stops at scripts and custom elements anyway."""
    return rule.name != b"script" and b"-" not in rule.name and bool(rule.conditions)
