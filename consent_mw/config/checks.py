"""
Checks of single configuration values: each returns the value in the form that the model uses, or raises.

The checks do not know the place of a value. :mod:`consent_mw.config` adds it and turns the exceptions into problems.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from types import MappingProxyType

from consent_mw.config.toml_lines import Path
from consent_mw.html import service_rules

# Characters that are not allowed in a page: HTML 13.1.2.1 and XML 1.0 section 2.2.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class ValueProblem(Exception):
    """
    One value cannot be used.

    Args:
        what: The problem, in one sentence.
        remedy: What to write instead; with ``near``, the text after the suggestion.
        at: The place inside the value.
        near: For an unknown word: the word and the known words.
    """

    def __init__(
        self, what: str, remedy: str = "", at: Path = (), near: tuple[str, Iterable[str]] | None = None
    ) -> None:
        self.what = what
        self.remedy = remedy
        self.at = at
        self.near = near

    def inside(self, key: str | int) -> ValueProblem:
        """Return the same problem with a path that starts outside the value."""
        return ValueProblem(self.what, self.remedy, (key, *self.at), self.near)


class ValueProblems(Exception):
    """One value has several problems."""

    def __init__(self, problems: list[ValueProblem]) -> None:
        self.problems = problems


#: Returns the value in the form that the model uses; raises ValueProblem or ValueProblems.
Check = Callable[[object], object]


def kind(value: object) -> str:
    """Return a readable name for the type of a value, such as "a number"."""
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "a string"),
        ((list, tuple), "a list"),
        (Mapping, "a table"),
    )
    names = (name for kind, name in kinds if isinstance(value, kind))
    return next(names, "nothing" if value is None else f"a {type(value).__name__}")


def text(value: object) -> str:
    """Return a non-empty string without control characters."""
    if not isinstance(value, str):
        raise ValueProblem(f"This is {kind(value)}, not a string.", "Put it in quotes.")
    if not value.strip():
        raise ValueProblem("The string is empty.", "Write something, or leave the key out.")
    if _CONTROL.search(value):
        raise ValueProblem("The string contains a control character.", "Remove it: pages must not contain it.")
    return value


def shape(form: re.Pattern[str], what: str, remedy: str) -> Check:
    """Return a check that a string matches a pattern."""

    def check(value: object) -> object:
        if not form.fullmatch(text(value)):
            raise ValueProblem(f"{value!r} is not {what}.", remedy)
        return value

    return check


def one_of(known: tuple[str, ...]) -> Check:
    """Return a check that a string is one of the known words."""

    def check(value: object) -> object:
        word = text(value)
        if word not in known:
            raise ValueProblem(f"{word!r} is not known here.", near=(word, known))
        return word

    return check


def number(low: int, high: int, unit: str, why: str = "") -> Check:
    """Return a check of a whole number between two bounds."""

    def check(value: object) -> object:
        remedy = f"Write a whole number of {unit} from {low} to {high}{why}."
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueProblem(f"This is {kind(value)}, not a whole number.", remedy)
        if not low <= value <= high:
            raise ValueProblem(f"{value} is out of range.", remedy)
        return value

    return check


def flag(value: object) -> object:
    """Return true or false."""
    if not isinstance(value, bool):
        raise ValueProblem(f"This is {kind(value)}, not true or false.", "Write true or false, without quotes.")
    return value


def texts(check: Check, least: int = 0) -> Check:
    """Return a check of a list of texts, each of which passes ``check``."""

    def check_all(value: object) -> object:
        if not isinstance(value, list | tuple):
            raise ValueProblem(f"This is {kind(value)}, not a list.", 'Write ["one", "two"].')
        if len(value) < least:
            raise ValueProblem("The list is empty.", "Write at least one item.")
        problems: list[ValueProblem] = []
        items: list[object] = []
        for number, item in enumerate(value):
            try:
                checked = check(item)
                if checked in items:
                    raise ValueProblem(f"{item!r} occurs twice.", "Keep one of them.")
                items.append(checked)
            except ValueProblem as problem:
                problems.append(problem.inside(number))
        if problems:
            raise ValueProblems(problems)
        return tuple(items)

    return check_all


def by_language(language: str = "") -> Check:
    """Return a check of a table of texts by language; a plain text counts as ``language``."""

    def check(value: object) -> object:
        if isinstance(value, str) and language:
            return MappingProxyType({language: text(value)})
        if not isinstance(value, Mapping):
            raise ValueProblem(f"This is {kind(value)}, not a table of texts by language.", 'Write en = "…" below it.')
        problems: list[ValueProblem] = []
        for tag, words in value.items():
            try:
                if not service_rules.LANGUAGE.fullmatch(str(tag)):
                    raise ValueProblem(f"{tag!r} is not a language tag.", "Write en, de, pt-BR and the like.")
                text(words)
            except ValueProblem as problem:
                problems.append(problem.inside(str(tag)))
        if problems:
            raise ValueProblems(problems)
        return MappingProxyType(dict(value))

    return check


def pattern(form: re.Pattern[str], what: str) -> Check:
    """Return a check of a name pattern: ``*`` is allowed, but a pattern must not match every name."""

    def check(value: object) -> object:
        word = text(value)
        if not form.fullmatch(word):
            raise ValueProblem(f"{word!r} is not {what}.", "Write only the name, with * for the part that varies.")
        if service_rules.is_too_wide(word):
            raise ValueProblem(f"{word!r} would match unrelated names too.", "Write more of the name.")
        return word

    return check
