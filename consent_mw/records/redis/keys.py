"""The names of a site's Redis keys, and the encoding of their values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import Sighting
from consent_mw.core.seal import HASH_SIZE
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Seal
from consent_mw.core.seal import receipt_bytes
from consent_mw.errors import RecordsError
from consent_mw.records import Canonical

#: The version of this layout.
VERSION = 1


class Keys:
    """The names of a site's keys; the part in braces puts them all in one slot of a Cluster."""

    def __init__(self, site: str) -> None:
        # Quoted, so that a site's name cannot contain the closing brace or the separator.
        self.prefix = f"{{cmw:{quote(site, safe='')}}}:"
        self.schema = self.prefix + "schema"
        self.index = self.prefix + "index"
        self.waiting = self.prefix + "waiting"
        self.head = self.prefix + "head"
        self.seals = self.prefix + "seals"
        self.leaves = self.prefix + "leaves"
        self.kept = self.prefix + "kept"
        self.erased = self.prefix + "erased"
        self.notices = self.prefix + "notices"
        self.counts = self.prefix + "counts"
        self.tables = self.prefix + "tables"
        self.learned = self.prefix + "learned"
        self.observed = self.prefix + "observed"

    def sealed(self, number: int) -> str:
        """Return the key of the entries in a seal."""
        return f"{self.prefix}sealed:{number}"

    def figures(self, table: str) -> str:
        """Return the key of the published figures of a table."""
        return f"{self.prefix}figures:{quote(table, safe='')}"

    @property
    def scattered(self) -> tuple[str, ...]:
        """Patterns of the keys of which there are many; a prefix contains none of the characters of a pattern."""
        return f"{self.prefix}sealed:*", f"{self.prefix}figures:*"


# -- entries


def key_of(entry: Entry) -> bytes:
    """Return receipt and step, each followed by NUL, so that their byte order is by receipt and step."""
    if "\0" in entry.receipt:
        raise RecordsError("A receipt must not hold the character NUL.")
    return f"{entry.receipt}\0{entry.step}\0".encode()


def mark_key(number: str) -> bytes:
    """Return the key of the mark with this number."""
    return f"{number}\0{0}\0".encode()


def document_of(entry: Entry) -> bytes:
    """Return an entry without its key, as a JSON array."""
    values = (
        entry.act.value,
        entry.day,
        entry.revision,
        sorted(entry.purposes),
        sorted(entry.services),
        entry.gpc,
        entry.language,
        entry.notice,
        entry.about,
    )
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()


def entry_of(site: str, kept: bytes) -> Entry:
    """
    Return an entry from its key and its document.

    Raises:
        ValueError, TypeError: the text is damaged.
    """
    receipt, _, document = kept.split(b"\0", 2)
    act, day, revision, purposes, services, gpc, language, notice, about = json.loads(document)
    if not isinstance(day, int) or not isinstance(gpc, bool):
        raise ValueError("a day or a signal is none")
    return Entry(
        site=site,
        receipt=receipt.decode(),
        act=Act(act),
        day=day,
        revision=revision,
        purposes=frozenset(purposes),
        services=frozenset(services),
        gpc=gpc,
        language=language,
        notice=notice,
        about=about,
    )


def canonical_of(site: str, joined: bytes) -> Canonical | None:
    """
    Return the entries that the script ``JOINED`` returned, as they are hashed; None if one of them contains more NULs.

    Many entries of a seal have the same document, which is read once: only receipts differ.

    Raises:
        ValueError, TypeError: a text is damaged.
    """
    parts = joined.split(b"\0")
    documents = parts[2::3]
    # Each entry has at least two NULs, so that all of them have exactly two if the sum is right.
    if len(parts) != 3 * len(documents):
        return None
    read = {document: entry_of(site, b"\0\0" + document) for document in set(documents)}
    around = {document: entry.around_receipt for document, entry in read.items()}
    entries = []
    for receipt, document in zip(parts[::3], documents, strict=True):
        before, after = around[document]
        entries.append(before + receipt_bytes(receipt.decode()) + after)
    return Canonical(entries, frozenset(entry.notice for entry in read.values()) - {""})


def split(member: bytes) -> tuple[bytes, bytes]:
    """Return the key at the beginning, and the rest."""
    receipt, step, rest = member.split(b"\0", 2)
    return b"%b\0%b\0" % (receipt, step), rest


def stand(where: bytes) -> tuple[int, int] | None:
    """Return seal and place, or None for an entry that is not sealed yet."""
    if not where:
        return None
    seal, place = where.split(b"/")
    return int(seal), int(place)


# -- seals


def seal_text(seal: Seal) -> bytes:
    """Return a seal without its number and leaves, as a JSON array."""
    return json.dumps([seal.day, seal.size, seal.root.hex(), seal.previous.hex(), seal.signature]).encode()


def day_and_size(text: bytes) -> tuple[int, int]:
    """Return the day of a seal and the number of its entries."""
    day, size = json.loads(text)[:2]
    return int(day), int(size)


def seal_of(site: str, number: int, text: bytes, leaves: bytes | None) -> Seal:
    """
    Return a seal.

    Raises:
        ValueError, TypeError: the text is damaged.
    """
    day, size, root, previous, signature = json.loads(text)
    return Seal(
        site=site,
        number=number,
        day=day,
        size=size,
        root=bytes.fromhex(root),
        previous=bytes.fromhex(previous),
        leaves=None
        if leaves is None
        else tuple(leaves[at : at + HASH_SIZE] for at in range(0, len(leaves), HASH_SIZE)),
        signature=signature,
    )


# -- counters


def count_name(count: Count) -> bytes:
    """Return the name of a raw counter."""
    values = (count.day, count.table, count.value, count.outcome)
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()


def count_of(name: bytes) -> Count:
    """Return the raw counter with this name."""
    return Count(*json.loads(name))


def cells_text(cells: Mapping[tuple[str, str], int]) -> bytes:
    """Return the cells of published figures as a JSON array, sorted."""
    rows = [(value, outcome, number) for (value, outcome), number in sorted(cells.items())]
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False).encode()


def figures_of(table: str, run: bytes) -> Figures:
    """Return published figures from their first day, last day and cells."""
    first, last, cells = run.split(b" ", 2)
    rows = json.loads(cells)
    return Figures(table, int(first), int(last), {(value, outcome): number for value, outcome, number in rows})


# -- observations


def field_of(sighting: Sighting) -> bytes:
    """Return the field of a sighting in its hash: the id of a service as such, or else a JSON array."""
    if sighting.of_service:
        return sighting.service.encode()
    return json.dumps([*sighting[:3], int(sighting.held)], separators=(",", ":"), ensure_ascii=False).encode()


def sighting_of(field: bytes) -> Sighting:
    """
    Return the sighting with this field.

    Raises:
        ValueError, TypeError: the text is damaged.
    """
    name, kind, service, held = json.loads(field)
    return Sighting(name, kind, service, bool(held))


def occurrence_of(value: bytes) -> Occurrence:
    """
    Return the days, the pages and the place; an older version stored the first day alone.

    Raises:
        ValueError: the text is damaged.
    """
    first, _, rest = value.decode().partition(" ")
    last, pages, place = rest.split(" ", 2) if rest else (first, "0", "")
    return Occurrence(int(first), int(last), int(pages), place)
