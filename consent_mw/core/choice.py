"""
What a visitor chose, and what follows from it: frozen values without side effects.

A :class:`Choice` is an answer, a :class:`Record` is an answer as the cookie and the ledger store it, and a
:class:`Decision` says what may run in one request. Days are whole days since 1970-01-01 UTC; no finer time is ever
stored with a choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from enum import Enum

from consent_mw.core.model import NECESSARY


class Action(Enum):
    """What a visitor did."""

    # Members are looked up for every page. Identity is a valid hash, and faster than Enum's hash of the name.
    __hash__ = object.__hash__

    ACCEPT = "accept"
    PARTIAL = "partial"
    REJECT = "reject"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class Choice:
    """A visitor's answer, before it is recorded: the granted purposes and services."""

    action: Action
    purposes: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Record:
    """
    A choice as the cookie and the ledger store it.

    ``receipt`` is empty unless something was granted, so that a refusal
    cannot identify anyone.
    """

    action: Action
    day: int
    revision: str
    purposes: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    receipt: str = ""
    gpc: bool = False


class NoRecord(Enum):
    """The reason why there is no usable record; each counts as "not granted"."""

    # Members are looked up for every page. Identity is a valid hash, and faster than Enum's hash of the name.
    __hash__ = object.__hash__

    ABSENT = "absent"
    DUPLICATE = "duplicate"
    OVERSIZE = "oversize"
    MALFORMED = "malformed"
    FORGED = "forged"


class Reason(Enum):
    """The reason for a decision."""

    # Members are looked up for every page. Identity is a valid hash, and faster than Enum's hash of the name.
    __hash__ = object.__hash__

    CHOSEN = "chosen"
    NOTHING_TO_ASK = "nothing-to-ask"
    ABSENT = "absent"
    DUPLICATE = "duplicate"
    OVERSIZE = "oversize"
    MALFORMED = "malformed"
    FORGED = "forged"
    EXPIRED = "expired"
    REVISED = "revised"
    FROM_THE_FUTURE = "from-the-future"
    #: According to the ledger, the choice was withdrawn, replaced or erased.
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Signals:
    """The preference signals that the browser sends with every request."""

    gpc: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision for one request: ``granted`` contains service ids, ``purposes`` purpose ids."""

    granted: frozenset[str]
    purposes: frozenset[str]
    prompt: bool
    reason: Reason
    gpc: bool = False
    record: Record | None = field(default=None)

    def allows(self, name: str) -> bool:
        """Return whether the purpose or service ``name`` may run now."""
        return name == NECESSARY or name in self.purposes or name in self.granted

    @property
    def receipt(self) -> str:
        """The receipt id of the choice that counts; empty unless something was granted."""
        return self.record.receipt if self.record is not None else ""
