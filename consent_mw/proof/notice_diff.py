"""
What differs between two notices, as people ask for it: which words, purposes, services and facts about the site.

Two documents are flattened to places with one value each and compared place by place. Purposes and services are named
by their ids, so that a new one in the middle is one addition and not a change of all that follow. Parts that are made
of the others, such as the markup of the banner, and parts that nobody reads, such as the digests of scripts, are told
in one line each, without their text.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["NoticeDifference", "differences"]

#: What is told without its text: made from other parts, or not for reading.
_OPAQUE = frozenset({"styles", "runtime", "release", "banner", "banner_gpc", "reopen", "reopen_gpc"})


@dataclass(frozen=True, slots=True)
class NoticeDifference:
    """
    One place in which two notices differ.

    Args:
        place: Names with `` / `` between them, such as ``services / matomo / country``.
        before: The value there; None if the first notice has no such place, or if its text is not told.
        after: The same of the second.
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
    """Replace the places of a purpose, service or language that only one notice has by one difference."""
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


#: Parts whose second name is that of something whole.
_GROUPS = frozenset({"purposes", "services", "languages"})


def _places(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the places of a value with their texts."""
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
