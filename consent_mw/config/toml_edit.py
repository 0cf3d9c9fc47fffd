"""
Changes single settings in the text of a TOML file, and leaves every other character unchanged.

Theory of operation. An edit is a path and a value. The scanner of :mod:`consent_mw.config.toml_lines` finds the place
of each value, key and table, so an edit is the replacement of a few characters:

- An existing value is replaced in place; a comment after it stays.
- A new key gets a line after the last key of its table, before the blank lines and comments that precede the next
  table.
- A new table is inserted after the last table of its family, or at the end of the file.
- Removing a key removes its line. Removing an item of an array of tables also removes the comment directly above it,
  which is about this item; comments separated by a blank line stay.

The text is scanned again after each edit, so that one edit never shifts the places of another. At the end the standard
parser reads the result, which must have exactly the values that the same edits produce in the parsed tables. Otherwise
nothing is changed, and :class:`UneditableText` names the setting. So if this module handles some form of TOML badly,
the owner has to edit the file by hand, but no setting is lost.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consent_mw.config.toml_lines import Path
from consent_mw.config.toml_lines import ScanLost
from consent_mw.config.toml_lines import TableSpan
from consent_mw.config.toml_lines import TomlScanner
from consent_mw.config.toml_lines import toml_string
from consent_mw.errors import ConsentError

__all__ = ["Edit", "Kind", "UneditableText", "applied", "edited"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
#: Comment lines directly above a place; not those at the start of the file, which are about the whole file.
_OWN_COMMENT = re.compile(r"(?<=\n)(?:[ \t]*#[^\n]*\n)+\Z")
#: The number of keys of a path that become a header, as in docs/settings.md: ``[texts.de]``.
_HEADER_KEYS = 2

#: What an edit does: ``set`` a value, ``remove`` a key or an item, or ``add`` an item to a list of tables.
Kind = str


class UneditableText(ConsentError):
    """The text has a form in which this setting cannot be changed safely; ``path`` names it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{'.'.join(map(str, path))} cannot be changed here. Change it in the file itself.")


@dataclass(frozen=True, slots=True)
class Edit:
    """
    One change of a configuration.

    Args:
        path: The path of the value, for example ``("theme", "main")`` or ``("services", 2, "purposes")``. For ``add``
            the path of the list.
        value: A string, number, flag, list or table. None removes the key, or the item of a list.
        kind: ``set``, ``remove`` or ``add``.
    """

    path: Path
    value: Any = None
    kind: Kind = "set"


def applied(edits: Iterable[Edit], tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of parsed tables with the edits made."""
    made: Any = copy.deepcopy(dict(tables))
    for edit in edits:
        inner, last = made, edit.path[-1]
        for key in edit.path[:-1]:
            inner = inner.setdefault(key, {}) if isinstance(key, str) else inner[key]
        if edit.kind == "add":
            inner.setdefault(last, []).append(copy.deepcopy(edit.value))
        elif edit.kind == "remove":
            del inner[last]
        else:
            inner[last] = copy.deepcopy(edit.value)
    return dict(made)


def edited(text: str, edits: Iterable[Edit]) -> str:
    """
    Return the text with the edits made, in order.

    Raises:
        UneditableText: if an edit cannot be made, or did not have its exact effect.
    """
    body = text.removeprefix("\ufeff")
    mark = text[: len(text) - len(body)]
    windows = "\r\n" in body
    body = body.replace("\r\n", "\n")
    tables: Mapping[str, Any] = tomllib.loads(body)
    for edit in edits:
        try:
            made = _Place(body).made(edit)
            tables = applied([edit], tables)
            exact = _pruned(tomllib.loads(made)) == _pruned(tables)
        except (ScanLost, tomllib.TOMLDecodeError, LookupError, TypeError, AttributeError):
            exact = False
        if not exact:
            raise UneditableText(edit.path)
        body = made
    return mark + (body.replace("\n", "\r\n") if windows else body)


def _pruned(tables: Any) -> Any:
    """Return tables without empty tables inside, since an edit may leave a header without keys."""
    if isinstance(tables, Mapping):
        inner = {key: _pruned(value) for key, value in tables.items()}
        return {key: value for key, value in inner.items() if value not in ({}, [])}
    return [_pruned(item) for item in tables] if isinstance(tables, list) else tables


class _Place:
    """One scan of a text, for one edit."""

    def __init__(self, text: str) -> None:
        self.text = text if text.endswith("\n") or not text else text + "\n"
        self.scan = TomlScanner(self.text)
        self.scan.document()

    def made(self, edit: Edit) -> str:
        """Return the text with the edit."""
        if edit.kind == "add":
            return self._added(edit.path, edit.value)
        if edit.kind == "remove":
            return self._removed(edit.path)
        if edit.path in self.scan.values:
            return self._replaced(*self.scan.values[edit.path], _value(edit.value))
        return self._inserted(edit.path, edit.value)

    def _replaced(self, start: int, end: int, words: str) -> str:
        return self.text[:start] + words + self.text[end:]

    # -- a new key

    def _inserted(self, path: Path, value: Any) -> str:
        around = next((path[:n] for n in range(len(path) - 1, 0, -1) if path[:n] in self.scan.values), None)
        if around is not None:
            return self._in_inline_table(around, path, value)
        table = max(
            (one for one in self.scan.tables if path[: len(one.path)] == one.path and len(one.path) < len(path)),
            key=lambda one: len(one.path),
        )
        head = path[: min(_HEADER_KEYS, len(path) - 1)]
        rest = path[len(table.path) :]
        dotted = any(key[: len(table.path) + 1] == (*table.path, rest[0]) for key in self._keys_of(table))
        if len(table.path) >= len(head) or dotted:
            indent = self._indent(table)
            return self._after(table, f"{indent}{_dotted(rest)} = {_value(value)}\n")
        words = f"\n[{_dotted(head)}]\n{_dotted(path[len(head) :])} = {_value(value)}\n"
        return self._behind_family(head[:1], words)

    def _keys_of(self, table: TableSpan) -> list[Path]:
        return [key for key, (_, within) in self.scan.keys_at.items() if within == table.path]

    def _indent(self, table: TableSpan) -> str:
        """Return the white space before the table's last key."""
        starts = [start for start, within in self.scan.keys_at.values() if within == table.path]
        if not starts:
            return ""
        line = self.text.rfind("\n", 0, max(starts)) + 1
        return self.text[line : max(starts)]

    def _after(self, table: TableSpan, words: str) -> str:
        """Return the text with a line after the table's last key; at the top level, of a text without any, first."""
        at = self._line_end(table.end) if table.path or self._keys_of(table) else 0
        return self.text[:at] + words + self.text[at:]

    def _line_end(self, at: int) -> int:
        """Return where the line ends, with its line break."""
        return self.text.find("\n", at) + 1 or len(self.text)

    def _behind_family(self, family: Path, words: str) -> str:
        related = [one for one in self.scan.tables if one.path[:1] == family]
        if not related:
            text = self.text.rstrip("\n")
            return f"{text}\n{words}" if text else words.removeprefix("\n")
        return self._after(related[-1], words)

    def _in_inline_table(self, around: Path, path: Path, value: Any) -> str:
        start, end = self.scan.values[around]
        pair = f"{_dotted(path[len(around) :])} = {_value(value)}"
        inside = self.text[start + 1 : end - 1]
        if not self.text.startswith("{", start):
            raise ScanLost
        words = f"{{{inside.rstrip()}, {pair} }}" if inside.strip() else f"{{ {pair} }}"
        return self._replaced(start, end, words)

    # -- removing a key or an item

    def _removed(self, path: Path) -> str:
        if path in self.scan.keys_at:
            start, within = self.scan.keys_at[path]
            inline = within in self.scan.values
            return self._without_item(start, path) if inline else self._without_lines(start, self.scan.values[path][1])
        if path in self.scan.values:
            return self._without_item(self.scan.values[path][0], path)
        tables = [one for one in self.scan.tables if one.path[: len(path)] == path]
        if not tables:
            raise ScanLost
        text = self.text
        for one in reversed(tables):
            start = one.start
            if comment := _OWN_COMMENT.search(text[: text.rfind("\n", 0, start) + 1]):
                start = comment.start()
            rest = text[self._line_end(one.end) :].removeprefix("\n")
            text = text[:start] + rest if rest else text[:start].rstrip("\n") + "\n"
        return text.removeprefix("\n")

    def _without_lines(self, start: int, end: int) -> str:
        return self.text[: self.text.rfind("\n", 0, start) + 1] + self.text[self._line_end(end) :]

    def _without_item(self, start: int, path: Path) -> str:
        """Return the text without an item of an inline table or array, and without one of its commas."""
        before, after = self.text[:start], self.text[self.scan.values[path][1] :]
        if follows := re.match(r"[ \t]*,[ \t]*", after):
            return before + after[follows.end() :]
        return re.sub(r"[ \t\n]*,[ \t\n]*\Z", "", before) + after

    # -- adding an item to a list of tables

    def _added(self, path: Path, table: Mapping[str, Any]) -> str:
        if path in self.scan.values:
            start, end = self.scan.values[path]
            inside = self.text[start + 1 : end - 1].rstrip().removesuffix(",")
            lines = "\n" in inside or "#" in inside
            comma = f"{inside},{chr(10) if lines else ' '}" if inside.strip() else ""
            return self._replaced(start, end, f"[{comma}{_value(table)}{chr(10) if lines else ''}]")
        pairs = "".join(f"{_dotted(key)} = {_value(value)}\n" for key, value in _leaves(table))
        return self._behind_family(path[:1], f"\n[[{_dotted(path)}]]\n{pairs}")


def _leaves(table: Mapping[str, Any], above: Path = ()) -> Iterable[tuple[Path, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _dotted(path: Path) -> str:
    return ".".join(str(key) if _BARE.fullmatch(str(key)) else toml_string(str(key)) for key in path)


def _value(value: Any) -> str:
    """Return a value as TOML, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_dotted((key,))} = {_value(inner)}" for key, inner in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    return str(value)
