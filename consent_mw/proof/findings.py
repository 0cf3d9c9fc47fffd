"""The result of verifying a ledger: the finding, the numbers, and the checkpoint from which the next run continues."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from enum import Enum

from consent_mw.core.seal import NO_SEAL
from consent_mw.core.seal import Kept

__all__ = ["BEGINNING", "Checkpoint", "Finding", "FindingKind", "ChainPart", "VerificationRules", "Verification"]


class FindingKind(Enum):
    """The kinds of findings."""

    #: The entry at a place is not the one that was sealed there.
    EDITED = "edited"
    #: A place is empty, and there is no tombstone for it.
    REMOVED = "removed"
    #: An entry claims a place that is taken or does not exist.
    INSERTED = "inserted"
    #: A sealed entry is in another place.
    MOVED = "moved"
    #: A seal is missing, or does not refer to the previous one.
    CHAIN = "chain broken"
    #: A seal, or its list of leaves, was changed.
    SEAL = "seal edited"
    #: A seal is unchanged, but its signature was changed.
    SIGNATURE = "signature wrong"
    #: A seal was signed by a key that was not given.
    KEY = "key unknown"
    #: Entries were dropped before their retention was over.
    PURGED = "purged too early"
    #: The recorded head is not in the chain.
    TRUNCATED = "chain cut short"
    #: A notice is missing or was changed.
    NOTICE = "notice lost"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    The first change that a verification found.

    Args:
        what: A description, in one sentence.
        seal: The number of the seal in question, or None.
        place: The place in it, or None.
        receipt: The receipt of the entry in question, or empty.
    """

    kind: FindingKind
    what: str
    seal: int | None = None
    place: int | None = None
    receipt: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """
    The result of a verification. With a finding, the numbers are those up to it.

    Args:
        finding: None if nothing was changed after it was sealed.
        seals: Number of seals that were checked.
        entries: Number of intact entries in them.
        erased: Number of entries that were erased on request and left a tombstone.
        purged: Number of entries that were dropped when their retention was over.
        waiting: Number of entries that are not sealed yet, and prove nothing yet.
        head: The hash of the last seal, in hex; empty without seals. Record it elsewhere to detect later that the
            chain was cut short.
        signed: False if no key was given, so that no signature was checked.
    """

    finding: Finding | None
    seals: int
    entries: int
    erased: int
    purged: int
    waiting: int
    head: str
    signed: bool

    @property
    def ok(self) -> bool:
        """Whether there is no finding."""
        return self.finding is None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """
    The last seal that was verified.

    Args:
        seal: Its number.
        head: Its hash.
    """

    seal: int
    head: bytes


@dataclass(frozen=True, slots=True)
class VerificationRules:
    """The arguments of :func:`verify` that every part of a verification needs."""

    site: str
    keys: tuple[str, ...]
    today: int
    record_days: int
    head: str


@dataclass
class ChainPart:
    """The result for a part of the chain."""

    end: Checkpoint
    finding: Finding | None = None
    entries: int = 0
    erased: int = 0
    purged: int = 0
    noted: bool = False
    #: Number of entries that the store has in these seals, intact or not.
    there: int = 0
    #: Empty places that are accounted for: by a tombstone, or because a tombstone may have been purged.
    excused: set[tuple[int, int]] = field(default_factory=set)
    #: For each notice an entry that refers to it, or the number of a seal that has such an entry.
    shown: dict[str, Kept | int] = field(default_factory=dict)

    def add(self, other: ChainPart) -> None:
        """Add the part of the chain that follows."""
        self.end, self.finding = other.end, other.finding
        self.entries += other.entries
        self.erased += other.erased
        self.purged += other.purged
        self.there += other.there
        self.noted = self.noted or other.noted
        self.excused |= other.excused
        self.shown = other.shown | self.shown


BEGINNING = Checkpoint(0, NO_SEAL)
