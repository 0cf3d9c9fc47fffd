"""
What the ledger stores of one act, and how to prove later that nobody changed it.

An entry has canonical bytes; their hash is its leaf. New entries are sealed from time to time: their leaves, sorted
so that no order of arrival remains, are the leaves of a Merkle tree (RFC 6962, section 2.1). Its root goes into a
seal, which names the seal before it. Whoever knows a seal can tell whether any entry up to it was edited, removed,
inserted or moved. Whoever holds a receipt can show with a handful of hashes that it is in a seal. A seal carries a
day, and no finer time.

Leaves and nodes are hashed with different first bytes, so that neither passes for the other. Seals and entries carry
different names for the same reason.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

#: Length of a hash, in bytes.
HASH_SIZE = 32

#: Stands for the seal before the first one.
NO_SEAL = bytes(HASH_SIZE)

# JSON's own way to write a text, without turning what is not ASCII into escapes.
_text = json.encoder.encode_basestring

_ENTRY = "consent_mw.entry.v1"
_SEAL = "consent_mw.seal.v1"


class Act(Enum):
    """What one entry of the ledger says."""

    #: Everything was granted, or a part of it.
    ACCEPT = "accept"
    PARTIAL = "partial"
    #: What the receipt stood for ended: by a withdrawal, or because another choice took its place.
    WITHDRAW = "withdraw"
    REPLACE = "replace"
    #: A sealed entry was erased at its person's request; ``Entry.about`` says where it stood.
    ERASE = "erase"


#: Acts that begin a receipt; each receipt has at most one of them, and at most one act that ends it.
GRANTS = frozenset({Act.ACCEPT, Act.PARTIAL})
ENDS = frozenset({Act.WITHDRAW, Act.REPLACE})


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One consent record as the ledger keeps it: nothing in it is about a device or a person.

    Args:
        site: The site's id.
        receipt: The random id that the visitor's cookie holds; of a tombstone, a random id of its own.
        act: What happened.
        day: Whole days since 1970-01-01 UTC.
        revision: What was agreed to (:attr:`consent_mw.core.model.Site.revision`).
        purposes: Ids of the purposes granted.
        services: Ids of the services granted.
        gpc: Whether the opt-out signal was present.
        language: The language tag of the notice that was shown.
        notice: The hash that addresses that notice.
        about: Of a tombstone, ``SEAL/PLACE`` of the entry that was erased; else empty.
    """

    site: str
    receipt: str
    act: Act
    day: int
    revision: str = ""
    purposes: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    gpc: bool = False
    language: str = ""
    notice: str = ""
    about: str = ""

    @property
    def step(self) -> int:
        """0 for what begins a receipt, 1 for what ends it: with the receipt, the entry's key."""
        return 1 if self.act in ENDS else 0

    @property
    def canonical(self) -> bytes:
        """The bytes that are hashed: JSON with sorted keys and no spaces, in UTF-8."""
        # Written out, which is five times faster than json.dumps: a ledger is verified entry by entry.
        return (
            f'{{"about":{_text(self.about)},"act":{_text(self.act.value)},"day":{self.day:d},"format":"{_ENTRY}",'
            f'"gpc":{"true" if self.gpc else "false"},"language":{_text(self.language)},"notice":{_text(self.notice)},'
            f'"purposes":{_ids(self.purposes)},"receipt":{_text(self.receipt)},"revision":{_text(self.revision)},'
            f'"services":{_ids(self.services)},"site":{_text(self.site)}}}'
        ).encode("utf-8", "surrogatepass")

    @property
    def leaf(self) -> bytes:
        """The hash of the entry as a leaf (RFC 6962, section 2.1); it hides what is in it as the receipt is random."""
        return hashlib.sha256(b"\x00" + self.canonical).digest()


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry with the place where it was sealed: both None as long as it waits."""

    entry: Entry
    seal: int | None = None
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """
    One link of a site's chain.

    Args:
        number: Counts from 1 without gaps.
        day: Of the sealing, in whole days since 1970-01-01 UTC.
        size: How many entries it covers.
        root: The root of their Merkle tree.
        previous: The hash of the seal before, or :data:`NO_SEAL`.
        leaves: The leaves in order; None once retention has taken the entries away.
        signature: Over :attr:`hash`, by one of the site's keys, as ``records.sealing`` makes it.
    """

    site: str
    number: int
    day: int
    size: int
    root: bytes
    previous: bytes
    leaves: tuple[bytes, ...] | None = None
    signature: str = ""

    @property
    def hash(self) -> bytes:
        """What the next seal names, and the signature covers: everything but the leaves, whose root is in it."""
        return hashlib.sha256(
            _canonical(
                {
                    "format": _SEAL,
                    "site": self.site,
                    "number": self.number,
                    "day": self.day,
                    "size": self.size,
                    "root": self.root.hex(),
                    "previous": self.previous.hex(),
                }
            )
        ).digest()


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries in the order of a seal: by leaf, which says nothing of their arrival."""
    return sorted(entries, key=lambda entry: entry.leaf)


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash of the leaves (RFC 6962, section 2.1); of none, the hash of nothing."""
    if not leaves:
        return hashlib.sha256().digest()
    level = list(leaves)
    while len(level) > 1:
        odd = [level[-1]] if len(level) % 2 else []
        level = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)] + odd
    return level[0]


def inclusion_proof(leaves: Sequence[bytes], place: int) -> tuple[bytes, ...]:
    """
    Return the hashes that lead from the leaf at ``place`` to the root (RFC 6962, section 2.1.1).

    Raises:
        IndexError: there is no such place.
    """
    if not 0 <= place < len(leaves):
        raise IndexError(f"place {place} of {len(leaves)} leaves")
    path: list[bytes] = []
    level = list(leaves)
    while len(level) > 1:
        beside = place ^ 1
        if beside < len(level):
            path.append(level[beside])
        odd = [level[-1]] if len(level) % 2 else []
        level = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)] + odd
        place //= 2
    return tuple(path)


def root_of_proof(leaf: bytes, place: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that ``path`` leads to (RFC 9162, section 2.1.3.2), or None where it does not fit the tree."""
    if not 0 <= place < size:
        return None
    node, last, rest = leaf, size - 1, list(path)
    while last:
        if place % 2 or place < last:
            if not rest:
                return None
            beside = rest.pop(0)
            node = _node(beside, node) if place % 2 else _node(node, beside)
        place //= 2
        last //= 2
    return None if rest else node


# The same few sets occur again and again.
@lru_cache(maxsize=1024)
def _ids(ids: frozenset[str]) -> str:
    return f"[{','.join(map(_text, sorted(ids)))}]"


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
