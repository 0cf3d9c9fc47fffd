"""
Mappings from strings to strings, packed into bytes that are read without being unpacked.

A process that needs a few of ten thousand entries maps the file into memory and decodes only these. The mapped pages
are shared by all processes.

Theory of operation
-------------------

Each table is a hash table with open addressing. A slot is a number of four bytes: 0 if it is empty, otherwise the
offset of an entry plus one. The search for a key starts at the slot of its CRC-32 and ends at an empty slot; at most
half of the slots are used. The entries come before the slots, in their original order: the lengths of key and value,
the key, and the value. Numbers are little-endian. A directory at the start tells where each table is.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from zlib import crc32

__all__ = ["Packed", "PackedTable", "pack"]

_NUMBER = struct.Struct("<I")
_LENGTHS = struct.Struct("<II")


def pack(tables: Mapping[str, Mapping[str, str]]) -> bytes:
    """Return the tables, by name, packed into the bytes that :class:`Packed` reads."""
    body = bytearray()
    directory: dict[str, tuple[int, int, int, int]] = {}
    for name, table in tables.items():
        first = len(body)
        count = 2 << len(table).bit_length()
        slots = [0] * count
        for key, value in table.items():
            raw, content = key.encode(), value.encode()
            slot = crc32(raw) % count
            while slots[slot]:
                slot = (slot + 1) % count
            slots[slot] = len(body) + 1
            body += _LENGTHS.pack(len(raw), len(content)) + raw + content
        directory[name] = first, len(body), count, len(table)
        body += struct.pack(f"<{count}I", *slots)
    head = json.dumps(directory, separators=(",", ":")).encode()
    return _NUMBER.pack(len(head)) + head + bytes(body)


class PackedTable:
    """
    One of the tables.

    Args:
        body: The entries and slots of all tables.
        first: The offset of its first entry in ``body``.
        slots: The offset of its first slot; its entries end there.
        count: The number of slots.
        length: The number of entries.
    """

    __slots__ = ("_body", "_count", "_first", "_length", "_slots")

    def __init__(self, body: memoryview, first: int, slots: int, count: int, length: int) -> None:
        self._body = body
        self._first = first
        self._slots = slots
        self._count = count
        self._length = length

    def __len__(self) -> int:
        """Return the number of entries."""
        return self._length

    def get(self, key: str) -> str | None:
        """Return the value of a key, or None."""
        body, raw = self._body, key.encode("utf-8", "surrogatepass")
        slot = crc32(raw) % self._count
        while entry := _NUMBER.unpack_from(body, self._slots + 4 * slot)[0]:
            length, size = _LENGTHS.unpack_from(body, entry - 1)
            at = entry + 7
            if length == len(raw) and body[at : at + length] == raw:
                return str(body[at + length : at + length + size], "utf-8")
            slot = (slot + 1) % self._count
        return None

    def __contains__(self, key: str) -> bool:
        """Whether there is an entry for a key."""
        return self.get(key) is not None

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys, in the order in which they were given."""
        at = self._first
        while at < self._slots:
            length, size = _LENGTHS.unpack_from(self._body, at)
            at += 8
            yield str(self._body[at : at + length], "utf-8")
            at += length + size

    def ending_with(self, end: str) -> Iterator[str]:
        """Yield the keys that end with a text; a table that does not contain it anywhere is not walked."""
        if re.search(re.escape(end.encode()), self._body[self._first : self._slots]):
            yield from (key for key in self if key.endswith(end))


class Packed:
    """
    The tables that :func:`pack` packed into bytes.

    Args:
        content: The bytes. They may be a memory-mapped file, which is kept open.
    """

    def __init__(self, content: memoryview) -> None:
        end = 4 + int(_NUMBER.unpack_from(content)[0])
        directory: Mapping[str, Iterable[int]] = json.loads(bytes(content[4:end]))
        self._tables = {name: PackedTable(content[end:], *where) for name, where in directory.items()}

    def __getitem__(self, name: str) -> PackedTable:
        """Return a table by its name."""
        return self._tables[name]
