"""
The fields of the editor: each one edits a setting, reads its value from the file, and reads a new value from a form.

An empty field removes its setting from the file, so that the default applies again. :mod:`consent_mw.config` checks the
values after all of them have been set; a field itself only refuses text that is not a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as made_by
from typing import TYPE_CHECKING
from typing import Any

from consent_mw.config.editable import value_at
from consent_mw.config.problems import dotted
from consent_mw.config.toml_lines import Path
from consent_mw.notice.languages import canonical
from consent_mw.notice.wording import direction

if TYPE_CHECKING:
    from django.http import QueryDict

__all__ = ["Field", "FieldGroup", "FilledField", "put", "put_all", "text_path"]


@dataclass(frozen=True)
class Field:
    """
    One setting in a form.

    Args:
        path: Its path in the file, with numbers for items of lists.
        label: Its name for the owner.
        kind: ``line``, ``text``, ``number``, ``flag``, ``choice``, ``colour``, ``lines`` (a list, one item a line) or
            ``boxes`` (a list of known words).
        note: What it is for, in a sentence.
        usual: What holds while it is empty.
        choices: For ``choice`` and ``boxes``: values and names.
        lang: The language of a text.
        key: A name in forms that does not depend on the places of items; by default the path.
        by_language: The first language of the site, if the value may be a plain text in that language.
        effective: For ``boxes``: the words that hold while the file has none.
    """

    path: Path
    label: str
    kind: str = "line"
    note: str = ""
    usual: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    lang: str = ""
    key: str = ""
    by_language: str = ""
    effective: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name in the form, and its id in the page."""
        return self.key or "/".join(map(str, self.path))

    @property
    def direction(self) -> str:
        """The direction in which its text is written."""
        return direction(self.lang) if self.lang else "auto"

    def value(self, tables: Mapping[str, Any]) -> Any:
        """Return its value in the file, or None."""
        found = value_at(tables, self.path)
        if found is None and self.by_language:
            plain = value_at(tables, self.path[:-1])
            return plain if isinstance(plain, str) and self.path[-1] == self.by_language else None
        return found

    def posted(self, post: QueryDict) -> tuple[Any, str]:
        """Return the value in a form, None if it is empty, and what is wrong with it."""
        if self.kind == "boxes":
            return post.getlist(self.name) or None, ""
        text = str(post.get(self.name, "")).replace("\r\n", "\n").strip()
        if self.kind == "lines":
            return [line.strip() for line in text.split("\n") if line.strip()] or None, ""
        if not text:
            return None, ""
        if self.kind == "number":
            return (int(text), "") if text.isascii() and text.isdigit() else (text, "Write a whole number.")
        if self.kind == "flag":
            return text == "true", ""
        return " ".join(text.split("\n")), ""


@dataclass
class FilledField:
    """A field with the value to show, as text or as a list, and its problems."""

    field: Field
    value: Any
    problems: list[str] = made_by(default_factory=list)

    @property
    def text(self) -> str:
        """The value as the text of an input."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if isinstance(self.value, list):
            return "\n".join(map(str, self.value))
        return "" if self.value is None else str(self.value)

    @property
    def options(self) -> list[tuple[str, str, bool]]:
        """The choices, each with its name and whether it is chosen."""
        chosen = self.value if isinstance(self.value, list) else [self.text]
        return [(value, label, value in chosen) for value, label in self.field.choices]

    @property
    def rows(self) -> int:
        """The height of a field for several lines."""
        text = self.text or self.field.usual
        return min(8, 2 + len(text) // 70) if self.field.kind == "text" else max(2, self.text.count("\n") + 2)

    @property
    def described_by(self) -> str:
        """The ids of its note and its problems."""
        name = self.field.name
        return " ".join(
            [f"{name}-note"] * bool(self.field.note or self.field.usual) + [f"{name}-error"] * bool(self.problems)
        )

    @property
    def swatch(self) -> str:
        """The colour to show beside a colour's field."""
        return (self.text or self.field.usual) if self.field.kind == "colour" else ""

    def concerns(self, where: str) -> bool:
        """Return whether a problem at that place, ``consent.toml:12: theme.main``, is about this field."""
        place = where.rpartition(": ")[2]
        own = dotted(self.field.path)
        return place == own or place.startswith((f"{own}[", f"{own}."))


@dataclass
class FieldGroup:
    """Fields under one heading; ``folded`` groups show when they are opened or one of their fields has a value."""

    title: str
    fields: list[FilledField]
    note: str = ""
    folded: bool = False
    #: For services: what the form needs beside the fields.
    service: str = ""

    @property
    def open(self) -> bool:
        """Whether it is shown open."""
        return not self.folded or any(one.value is not None or one.problems for one in self.fields)


def put(tables: dict[str, Any], field: Field, value: Any) -> None:
    """Set the value of a field in a copy of the tables; None removes it."""
    if field.by_language and isinstance(plain := value_at(tables, field.path[:-1]), str):
        if field.path[-1] == field.by_language and value is not None:
            _inside(tables, field.path[:-2])[field.path[-2]] = value
            return
        if value is None and field.path[-1] != field.by_language:
            return
        _inside(tables, field.path[:-2])[field.path[-2]] = {field.by_language: plain}
    if value is None and value_at(tables, field.path) is None:
        return
    inner = _inside(tables, field.path[:-1])
    if value is None:
        inner.pop(field.path[-1], None)
    else:
        inner[field.path[-1]] = value


def put_all(tables: dict[str, Any], fields: Iterable[tuple[Field, Any]]) -> None:
    """Set the values of several fields in a copy of the tables, those that differ from what holds."""
    for field, value in fields:
        holds = field.value(tables) or list(field.effective) or None
        if field.kind == "boxes" and set(value or ()) == set(holds or ()):
            continue
        if value != holds:
            put(tables, field, value)


def _inside(tables: Any, path: Path) -> Any:
    """Return the table at the path; tables and items of lists that are missing are made."""
    for place, key in enumerate(path):
        if isinstance(key, int):
            tables.extend({} for _ in range(key + 1 - len(tables)))
            tables = tables[key]
        else:
            is_list = place + 1 < len(path) and isinstance(path[place + 1], int)
            tables = tables.setdefault(key, [] if is_list else {})
    return tables


def text_path(tables: Mapping[str, Any], lang: str, key: str) -> Path:
    """Return where the file has the text, or where it would be put: quoted and nested keys both occur."""
    texts = tables.get("texts")
    texts = texts if isinstance(texts, Mapping) else {}
    tag = next((tag for tag in texts if canonical(tag) == canonical(lang)), lang)
    found = next((path for path in _paths(texts.get(tag)) if ".".join(path) == key), (key,))
    return ("texts", tag, *found)


def _paths(table: object, above: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    if isinstance(table, Mapping):
        for key, value in table.items():
            yield from _paths(value, (*above, key))
    else:
        yield above
