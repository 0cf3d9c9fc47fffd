"""
The rows of the SQL stores: the columns of entries, seals, counters and figures, and how their values are read.

Somebody may have tampered with a row. Values of the wrong type raise ValueError, which the stores turn into
:class:`~consent_mw.errors.RecordsError`; a malformed set of ids is kept, so that verification reports its entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Mapping
from functools import lru_cache

from consent_mw.core.counts import Count
from consent_mw.core.seal import HASH_SIZE
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.core.seal import Seal

Value = str | int | bytes | None
Row = tuple[Value, ...]

#: The columns of an entry, and of a seal, as they are read.
ENTRY = "receipt, act, day, revision, purposes, services, gpc, language, notice, about, seal, place"
SEAL = "number, day, size, root, previous, signature, leaves"
#: The columns of a new entry, as they are written.
NEW = "site, step, receipt, act, day, revision, purposes, services, gpc, language, notice, about"


def kept_of(site: str, row: Row) -> Kept:
    """Return an entry with its seal and place, given its columns (:data:`ENTRY`)."""
    receipt, act, day, revision, purposes, services, gpc, language, notice, about, seal, place = row
    entry = Entry(
        site=site,
        receipt=str(receipt),
        act=Act(act),
        day=number_in(day),
        revision=str(revision),
        purposes=_set(str(purposes)),
        services=_set(str(services)),
        gpc=bool(gpc),
        language=str(language),
        notice=str(notice),
        about=str(about),
    )
    return Kept(entry, None if seal is None else number_in(seal), None if place is None else number_in(place))


def seal_of(site: str, row: Row) -> Seal:
    """Return a seal, given its columns (:data:`SEAL`)."""
    number, day, size, root, previous, signature, leaves = row
    joined = None if leaves is None else bytes_in(leaves)
    return Seal(
        site=site,
        number=number_in(number),
        day=number_in(day),
        size=number_in(size),
        root=bytes_in(root),
        previous=bytes_in(previous),
        leaves=None
        if joined is None
        else tuple(joined[at : at + HASH_SIZE] for at in range(0, len(joined), HASH_SIZE)),
        signature=str(signature),
    )


def row_of_entry(entry: Entry) -> Row:
    """Return the values of an entry's columns (:data:`NEW`)."""
    return (
        entry.site,
        entry.step,
        entry.receipt,
        entry.act.value,
        entry.day,
        entry.revision,
        _ids(entry.purposes),
        _ids(entry.services),
        int(entry.gpc),
        entry.language,
        entry.notice,
        entry.about,
    )


def row_of_seal(seal: Seal) -> Row:
    """Return the values of a seal's columns (:data:`SEAL`)."""
    leaves = None if seal.leaves is None else b"".join(seal.leaves)
    return seal.number, seal.day, seal.size, seal.root, seal.previous, seal.signature, leaves


def row_of_count(site: str, count: Count) -> Row:
    """Return the values of the columns that name a raw counter."""
    return site, count.day, count.table, count.value, count.outcome


def sorted_counts(counts: Iterable[Count]) -> list[Count]:
    """Return raw counters in the order in which every process writes them."""
    return sorted(counts, key=lambda count: (count.day, count.table, count.value, count.outcome))


def _ids(ids: frozenset[str]) -> str:
    return json.dumps(sorted(ids), separators=(",", ":"))


# The same few sets occur again and again: verification reads every entry.
@lru_cache(maxsize=1024)
def _set(text: str) -> frozenset[str]:
    """Return the ids in a row; keep a malformed value as it is, so that verification can report the entry."""
    try:
        ids = json.loads(text)
    except (ValueError, RecursionError):
        return frozenset({text})
    if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
        return frozenset({text})
    return frozenset(ids)


#: A report reads thousands of runs. Calling the decoder directly saves the overhead of :func:`json.loads`, which is a
#: third of the time.
_DECODER = json.JSONDecoder()


def cells_text(cells: Mapping[tuple[str, str], int]) -> str:
    """Return the cells of published figures as a JSON array, sorted."""
    return json.dumps([[value, outcome, number] for (value, outcome), number in sorted(cells.items())])


def cells_of(text: str, names: dict[tuple[str, str], tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return the cells of published figures; runs share ``names``, so that the garbage collector has less to scan."""
    cells = {}
    found, end = _DECODER.raw_decode(text)
    if end != len(text):
        found = json.loads(text)  # it reports the error, or accepts the white space
    for value, outcome, number in found:
        name = value, outcome
        cells[names.setdefault(name, name)] = number
    return cells


def number_in(value: Value) -> int:
    """Return a number in a row; raise ValueError if something else is in its place."""
    if not isinstance(value, int):
        raise ValueError(f"{value!r} stands where a number belongs")
    return value


def bytes_in(value: Value) -> bytes:
    """Return bytes in a row; raise ValueError if something else is in their place."""
    if not isinstance(value, bytes):
        raise ValueError(f"{value!r} stands where bytes belong")
    return value
