"""
Checks of the single values of a configuration: each returns the value as the model keeps it, or raises.

Nothing here knows where a value stands; :mod:`consent_mw.config` adds the
place and turns what is raised into problems.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from types import MappingProxyType

from consent_mw.config.toml_lines import Path

#: The shape of a language tag, BCP 47 as far as web pages use it.
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
# None of these may stand in a page: HTML 13.1.2.1 and XML 1.0 section 2.2.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Wrong(Exception):
    """
    One value cannot be used.

    Args:
        what: What is wrong with it, in one sentence.
        remedy: What to write instead; with ``near``, what follows the nearest known word.
        at: The place inside the value.
        near: The word given and the words that are known, where that is the mistake.
    """

    def __init__(
        self, what: str, remedy: str = "", at: Path = (), near: tuple[str, Iterable[str]] | None = None
    ) -> None:
        self.what = what
        self.remedy = remedy
        self.at = at
        self.near = near

    def inside(self, key: str | int) -> Wrong:
        """Return the same mistake as seen from around the value."""
        return Wrong(self.what, self.remedy, (key, *self.at), self.near)


class Several(Exception):
    """More than one thing is wrong inside one value."""

    def __init__(self, wrongs: list[Wrong]) -> None:
        self.wrongs = wrongs


#: Returns the value as the model keeps it; raises Wrong or Several.
Check = Callable[[object], object]


def kind(value: object) -> str:
    """Return what an owner would call a value of this type."""
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "a text"),
        ((list, tuple), "a list"),
        (Mapping, "a table"),
    )
    names = (name for kind, name in kinds if isinstance(value, kind))
    return next(names, "nothing" if value is None else f"a {type(value).__name__}")


def text(value: object) -> str:
    """Return a text that may stand in a page and says something."""
    if not isinstance(value, str):
        raise Wrong(f"This is {kind(value)}, not a text.", "Put it between quotes.")
    if not value.strip():
        raise Wrong("The text is empty.", "Write something, or leave the key out.")
    if _CONTROL.search(value):
        raise Wrong("The text holds a control character.", "Take it out: it cannot stand in a page.")
    return value


def shape(form: re.Pattern[str], what: str, remedy: str) -> Check:
    """Return a check that a text has one shape."""

    def check(value: object) -> object:
        if not form.fullmatch(text(value)):
            raise Wrong(f"{value!r} is not {what}.", remedy)
        return value

    return check


def one_of(known: tuple[str, ...]) -> Check:
    """Return a check that a text is one of a few words."""

    def check(value: object) -> object:
        word = text(value)
        if word not in known:
            raise Wrong(f"{word!r} is not known here.", near=(word, known))
        return word

    return check


def number(low: int, high: int, unit: str, why: str = "") -> Check:
    """Return a check of a whole number between two bounds."""

    def check(value: object) -> object:
        remedy = f"Write a whole number of {unit} from {low} to {high}{why}."
        if isinstance(value, bool) or not isinstance(value, int):
            raise Wrong(f"This is {kind(value)}, not a whole number.", remedy)
        if not low <= value <= high:
            raise Wrong(f"{value} is out of range.", remedy)
        return value

    return check


def flag(value: object) -> object:
    """Return true or false."""
    if not isinstance(value, bool):
        raise Wrong(f"This is {kind(value)}, not true or false.", "Write true or false, without quotes.")
    return value


def texts(check: Check, least: int = 0) -> Check:
    """Return a check of a list of texts, each of which passes ``check``."""

    def check_all(value: object) -> object:
        if not isinstance(value, list | tuple):
            raise Wrong(f"This is {kind(value)}, not a list.", 'Write ["one", "two"].')
        if len(value) < least:
            raise Wrong("The list is empty.", "Write at least one item.")
        wrongs: list[Wrong] = []
        items: list[object] = []
        for number, item in enumerate(value):
            try:
                checked = check(item)
                if checked in items:
                    raise Wrong(f"{item!r} stands here twice.", "Keep one of them.")
                items.append(checked)
            except Wrong as wrong:
                wrongs.append(wrong.inside(number))
        if wrongs:
            raise Several(wrongs)
        return tuple(items)

    return check_all


def by_language(language: str = "") -> Check:
    """Return a check of a text per language; a plain text is in ``language``."""

    def check(value: object) -> object:
        if isinstance(value, str) and language:
            return MappingProxyType({language: text(value)})
        if not isinstance(value, Mapping):
            raise Wrong(f"This is {kind(value)}, not a text per language.", 'Write en = "…" below it.')
        wrongs: list[Wrong] = []
        for tag, words in value.items():
            try:
                if not LANGUAGE.fullmatch(str(tag)):
                    raise Wrong(f"{tag!r} is not a language tag.", "Write en, de, pt-BR and the like.")
                text(words)
            except Wrong as wrong:
                wrongs.append(wrong.inside(str(tag)))
        if wrongs:
            raise Several(wrongs)
        return MappingProxyType(dict(value))

    return check


def pattern(form: re.Pattern[str], what: str) -> Check:
    """Return a check of a name with ``*`` in it, which must not catch every name."""

    def check(value: object) -> object:
        word = text(value)
        if not form.fullmatch(word):
            raise Wrong(f"{word!r} is not {what}.", "Write the name alone, with * for the part that changes.")
        if not word.strip("*_-."):
            raise Wrong(f"{word!r} would catch the names of others too.", "Write more of the name.")
        return word

    return check
