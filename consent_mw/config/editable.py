"""
The settings that can be edited in a browser (texts, purposes, services, look, facts), and their differences.

All others can be changed only in the file itself: keys, stores, proxies, functions to import, and everything that
decides what is let through. So an attacker with the stolen session of an editor cannot reach these.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from consent_mw.config.toml_edit import Edit
from consent_mw.config.toml_lines import Path

__all__ = ["FACTS", "LOOK", "between", "change_rows", "service_key", "value_at"]

#: Settings of ``[site]`` with facts that visitors read.
FACTS = ("controller", "contact", "privacy_policy", "supervisory_authority", "languages")
#: Settings of ``[site]`` about the look of the notice.
LOOK = (
    *("layout", "position", "dismiss", "show_services"),
    *("reopen", "reopen_position", "reopen_offset", "reopen_icon", "reopen_label"),
)
_TABLES = ("texts", "purposes", "theme")
_MISSING = object()


def service_key(table: object) -> str:
    """Return the key that identifies a declared service in the file: the value of ``use``, or its own id."""
    found = (table.get("use") or table.get("id")) if isinstance(table, Mapping) else None
    return found if isinstance(found, str) else ""


def value_at(tables: object, path: Path) -> Any:
    """Return the value at the path, or None."""
    for key in path:
        if isinstance(tables, Mapping):
            tables = tables.get(key)
        elif isinstance(tables, list) and isinstance(key, int) and key < len(tables):
            tables = tables[key]
        else:
            return None
    return tables


def between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Edit]:
    """Return the edits that turn the editable settings of ``before`` into those of ``after``."""
    edits: list[Edit] = []
    for key in (*FACTS, *LOOK):
        path: Path = ("site", key)
        edits += _changed(path, _get(before, path), _get(after, path))
    for name in _TABLES:
        edits += _changed((name,), _get(before, (name,)), _get(after, (name,)))
    edits += _changed_list("services", _tables(before, "services"), _tables(after, "services"), service_key)
    edits += _changed_list("links", _tables(before, "links"), _tables(after, "links"), None)
    return edits


def _get(tables: object, path: Path) -> Any:
    for key in path:
        if not isinstance(tables, Mapping) or key not in tables:
            return _MISSING
        tables = tables[key]
    return tables


def _tables(tables: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = tables.get(name)
    return found if isinstance(found, list) else []


def _changed(path: Path, old: Any, new: Any) -> Iterator[Edit]:
    """Yield the edits from one value to another, key by key in tables."""
    if old is new or old == new:
        return
    if isinstance(old, Mapping):
        inner = new if isinstance(new, Mapping) else {}
        for key in old:
            yield from _changed((*path, key), old[key], inner.get(key, _MISSING))
        if not isinstance(new, Mapping):
            if new is not _MISSING:
                yield Edit(path, new)
            return
        for key in new:
            if key not in old:
                yield from _changed((*path, key), _MISSING, new[key])
    elif new is _MISSING:
        yield Edit(path, kind="remove")
    elif isinstance(new, Mapping) and old is _MISSING:
        for key in new:
            yield from _changed((*path, key), _MISSING, new[key])
    else:
        yield Edit(path, new)


def _changed_list(name: str, old: Sequence[Any], new: Sequence[Any], key_of: Any) -> Iterator[Edit]:
    """Yield the edits from one list of tables to another; without ``key_of``, items are matched by position."""
    names = [key_of(item) if key_of else str(place) for place, item in enumerate(new)]
    wanted = {key: item for key, item in zip(names, new, strict=True) if key}
    gone, met = [], set()
    for place, item in enumerate(old):
        key = key_of(item) if key_of else str(place)
        if key in wanted and key not in met:
            met.add(key)
            yield from _changed((name, place), item, wanted[key])
        elif key:
            gone.append(place)
    yield from (Edit((name, place), kind="remove") for place in reversed(gone))
    yield from (Edit((name,), item, "add") for key, item in wanted.items() if key not in met)


def change_rows(before: Mapping[str, Any], edits: Iterable[Edit]) -> list[tuple[Path, Any, Any]]:
    """
    Return a row for each edit: the path, the value before and the value after; None for a missing value.

    A service is named by its key in place of its number.
    """
    rows: list[tuple[Path, Any, Any]] = []
    for edit in edits:
        if edit.kind == "add":
            rows.append(
                ((*edit.path, service_key(edit.value)) if edit.path == ("services",) else edit.path, None, edit.value)
            )
            continue
        path = edit.path
        if path[0] == "services":
            path = ("services", service_key(value_at(before, path[:2])), *path[2:])
        rows.append((path, value_at(before, edit.path), None if edit.kind == "remove" else edit.value))
    return rows
