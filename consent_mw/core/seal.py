"""
Ledger entries, seals, and the Merkle proofs that connect them.

Theory of operation. The hash of an entry's canonical bytes is its leaf. New entries are sealed from time to time: their
leaves, sorted so that the order of arrival is lost, are the leaves of a Merkle tree (RFC 6962, section 2.1). Its root
goes into a seal, which contains the hash of the previous seal. Anyone who knows a seal can detect whether any entry up
to it was edited, removed, inserted or moved. Anyone who holds a receipt can prove with a few hashes that it is in a
seal. A seal contains a day, and no finer time.

Leaves and nodes are hashed with different prefixes, so that neither can pass as the other. The formats of seals and
entries have different names for the same reason.
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

#: The previous hash of the first seal.
NO_SEAL = bytes(HASH_SIZE)

# JSON string encoding without escapes for non-ASCII characters.
_text = json.encoder.encode_basestring

#: The name of the format of an entry's canonical bytes.
ENTRY_FORMAT = "consent_mw.entry.v1"
_SEAL = "consent_mw.seal.v1"


class Act(Enum):
    """The act that an entry records."""

    #: Everything was granted, or a part of it.
    ACCEPT = "accept"
    PARTIAL = "partial"
    #: The grant ended: it was withdrawn, or another choice replaced it.
    WITHDRAW = "withdraw"
    REPLACE = "replace"
    #: An erasure: the tombstone of a sealed entry, whose place is ``Entry.about``, or the mark of a receipt.
    ERASE = "erase"
    #: A document of the owner, such as the result of an audit, was put under seal; ``Entry.notice`` is its hash.
    DOCUMENT = "document"


#: Acts that begin a receipt; each receipt has at most one of them, and at most one act that ends it.
GRANTS = frozenset({Act.ACCEPT, Act.PARTIAL})
ENDS = frozenset({Act.WITHDRAW, Act.REPLACE})
#: Acts that are about nobody: no receipt of a visitor leads to them, and nobody can ask for their erasure.
ABOUT_NOBODY = frozenset({Act.ERASE, Act.DOCUMENT})

#: ``Entry.about`` of the mark that an erasure leaves; it keeps late copies of the erased receipt out of the ledger.
MARK = "mark"
#: ``Entry.about`` of a grant that the store had lost and that was written again from the visitor's cookie.
FROM_COOKIE = "cookie"
#: ``Entry.about`` of the result of an audit.
AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One consent record in the ledger; it contains nothing about a device or a person.

    Args:
        site: The site's id.
        receipt: The random id in the visitor's cookie; a tombstone has its own random id, a mark a keyed hash.
        act: What happened.
        day: Whole days since 1970-01-01 UTC.
        revision: What was agreed to (:attr:`consent_mw.core.model.Site.revision`).
        purposes: Ids of the purposes granted.
        services: Ids of the services granted.
        gpc: Whether the opt-out signal was present.
        language: The language tag of the notice that was shown.
        notice: The hash of that notice, or of the document.
        about: For a tombstone, ``SEAL/PLACE`` of the erased entry; for others :data:`MARK`, :data:`FROM_COOKIE`,
            :data:`AUDIT`, or empty.
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
        """0 for the act that begins a receipt, 1 for the one that ends it; receipt and step are the entry's key."""
        return 1 if self.act in ENDS else 0

    @property
    def canonical(self) -> bytes:
        """The bytes that are hashed: JSON with sorted keys and no spaces, in UTF-8."""
        before, after = self.around_receipt
        return before + receipt_bytes(self.receipt) + after

    @property
    def around_receipt(self) -> tuple[bytes, bytes]:
        """The canonical bytes before and after the receipt, which entries with the same content have in common."""
        # Hand-written, which is five times faster than json.dumps: verification does this for every entry.
        before = (
            f'{{"about":{_text(self.about)},"act":{_text(self.act.value)},"day":{self.day:d},"format":"{ENTRY_FORMAT}",'
            f'"gpc":{"true" if self.gpc else "false"},"language":{_text(self.language)},"notice":{_text(self.notice)},'
            f'"purposes":{_ids(self.purposes)},"receipt":'
        )
        after = f',"revision":{_text(self.revision)},"services":{_ids(self.services)},"site":{_text(self.site)}}}'
        return before.encode("utf-8", "surrogatepass"), after.encode("utf-8", "surrogatepass")

    @property
    def leaf(self) -> bytes:
        """The leaf hash of the entry (RFC 6962, section 2.1); the random receipt keeps it from being guessed."""
        return hashlib.sha256(b"\x00" + self.canonical).digest()


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry with its seal and place; both are None until it is sealed."""

    entry: Entry
    seal: int | None = None
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """
    One link of a site's chain.

    Args:
        number: Counts from 1 without gaps.
        day: The day of the sealing, in whole days since 1970-01-01 UTC.
        size: How many entries it covers.
        root: The root of their Merkle tree.
        previous: The hash of the previous seal, or :data:`NO_SEAL`.
        leaves: The leaves in order; None once the entries have been purged.
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
        """The hash that the next seal contains and the signature covers; it includes the root, not the leaves."""
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


def receipt_bytes(receipt: str) -> bytes:
    """Return a receipt as the canonical bytes of its entry contain it."""
    return _text(receipt).encode("utf-8", "surrogatepass")


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries in the order of a seal: by leaf, which reveals nothing about their arrival."""
    return sorted(entries, key=lambda entry: entry.leaf)


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash of the leaves (RFC 6962, section 2.1); for no leaves, the hash of nothing."""
    if not leaves:
        return hashlib.sha256().digest()
    level = list(leaves)
    while len(level) > 1:
        odd = [level[-1]] if len(level) % 2 else []
        level = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)] + odd
    return level[0]


def inclusion_proof(leaves: Sequence[bytes], place: int) -> tuple[bytes, ...]:
    """
    Return the inclusion proof: the hashes that connect the leaf at ``place`` to the root (RFC 6962, section 2.1.1).

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
    """Compute the root from an inclusion proof (RFC 9162, section 2.1.3.2); None if it does not fit the tree."""
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
