"""
The differences between two notices in readable form: words, purposes, services and facts about the site.

Each document is flattened to places with one value each, and the places are compared. Purposes and services are named
by their ids, so that inserting one is a single addition instead of a change to all that follow. Parts that derive from
others, such as the markup of the banner, and parts that nobody reads, such as the digests of scripts, are reported in
one line each, without their text.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["NoticeDifference", "differences"]

#: Parts that are reported without their text: they derive from other parts, or nobody reads them.
_OPAQUE = frozenset({"styles", "runtime", "release", "banner", "banner_gpc", "reopen", "reopen_gpc"})


@dataclass(frozen=True, slots=True)
class NoticeDifference:
    """
    One place in which two notices differ.

    Args:
        place: Names with `` / `` between them, such as ``services / matomo / country``.
        before: The value there; None if the first notice has no such place, or if its text is not reported.
        after: The same for the second notice.
        verb: ``added``, ``removed`` or ``changed``.
    """

    place: str
    before: str | None
    after: str | None
    verb: str


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[NoticeDifference]:
    """Return the places in which two notice documents differ, in the order of the places."""
    first, second = dict(_places(before, ())), dict(_places(after, ()))
    found = []
    for path in sorted(first.keys() | second.keys()):
        one, other = first.get(path), second.get(path)
        if one == other:
            continue
        verb = "added" if one is None else "removed" if other is None else "changed"
        told = not _OPAQUE.intersection(path)
        found.append(NoticeDifference(" / ".join(path), one if told else None, other if told else None, verb))
    return _whole(found, first, second)


def _whole(
    found: list[NoticeDifference], first: Mapping[tuple[str, ...], str], second: Mapping[tuple[str, ...], str]
) -> list[NoticeDifference]:
    """Merge the differences of a purpose, service or language that is in only one of the notices into one."""
    groups = [{path[:2] for path in side if path[0] in _GROUPS} for side in (first, second)]
    alone = {
        " / ".join(group): verb
        for verb, groups_there in (("removed", groups[0] - groups[1]), ("added", groups[1] - groups[0]))
        for group in groups_there
    }
    kept = [one for one in found if " / ".join(one.place.split(" / ")[:2]) not in alone]
    return sorted(
        [*kept, *(NoticeDifference(place, None, None, verb) for place, verb in alone.items())],
        key=lambda one: one.place,
    )


#: Parts whose second name identifies a purpose, a service or a language.
_GROUPS = frozenset({"purposes", "services", "languages"})


def _places(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the places inside a value, each with its text."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _places(inner, (*path, str(key)))
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) and "id" in each for each in value):
        for each in value:
            yield from _places({key: inner for key, inner in each.items() if key != "id"}, (*path, str(each["id"])))
    elif isinstance(value, list):
        yield path, ", ".join(map(str, value))
    else:
        yield path, str(value)
