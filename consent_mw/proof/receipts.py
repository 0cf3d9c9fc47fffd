"""
Receipts: a visitor's copy of a consent record, which anybody can verify without the ledger.

Theory of operation. A receipt is a JSON document. It contains the entries of one receipt id as they are in the ledger.
For each sealed entry it adds an inclusion proof: the hashes that connect the entry to the root in its seal. Anyone who
has a receipt, or the hash of a later seal, can prove that the ledger was changed afterwards.

The steps of :func:`verify_receipt`; the numbers are repeated in the code:

(1) The document is JSON of bounded size, in the format that it declares.
(2) Every entry is complete, and belongs to the receipt and site of the document.
(3) The leaf of each entry is the hash of its content.
(4) The inclusion proof connects the leaf, at its place, to the root in the seal.
(5) The hash of the seal is the hash of its content.
(6) If keys are given, one of them signed each seal and the document.

Limits: without the site's keys, a document proves that it matches its seals, but not that the seals are the site's.
For that, check with ``--ledger``, or against a hash that was recorded elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from consent_mw.core.days import iso
from consent_mw.core.model import Site
from consent_mw.core.seal import FROM_COOKIE
from consent_mw.core.seal import HASH_SIZE
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.core.seal import Seal
from consent_mw.core.seal import inclusion_proof
from consent_mw.core.seal import root_of_proof
from consent_mw.core.signing import signer
from consent_mw.errors import ConsentError
from consent_mw.proof.signing import is_signed
from consent_mw.records import Ledger

__all__ = [
    "LARGEST",
    "EntryVerdict",
    "ReceiptError",
    "ReceiptVerdict",
    "ReceiptState",
    "receipt_document",
    "verify_receipt",
]

#: The largest document that is read, in bytes; our own have a few thousand.
LARGEST = 1_048_576

_FORMAT = "consent_mw.receipt.v1"
_CONTEXT = "consent_mw.receipt.v1"
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
#: The longest proof: its length is the depth of the tree.
_DEEPEST = 64
_LARGEST_NUMBER = 2**53
_MOST_ENTRIES = 64

_HOW = (
    "Each entry says what was granted or ended, on which day, under which notice. Nothing in it tells who you are.",
    "entry: its leaf is SHA-256 of a zero byte and the entry as JSON, keys sorted, no spaces, UTF-8, without escapes "
    "for characters that are not ASCII.",
    "proof: hash the leaf together with the hashes in path, from the first to the last, as RFC 9162, section 2.1.3.2 "
    "says; the result is the root in the seal.",
    "seal: its hash is SHA-256 of the JSON object of format consent_mw.seal.v1, site, number, day, size, root and "
    "previous, written in the same way. Each seal names the hash of the one before it, so none can be changed later "
    "without changing all that follow.",
    "notice: the address of the exact text and look that was shown; ask the site for it, or open it from your receipt "
    "page.",
    "A program does all of this: consent-mw receipt verify FILE",
)
_WAITS = "This entry waits for its seal, which is made when its day is over (UTC). Fetch the receipt again then."
_AGAIN = (
    "The store had lost this entry, and the site wrote it again from the signed cookie. The cookie does not say which "
    "notice was shown."
)


class ReceiptError(ConsentError):
    """A file is not a valid receipt; the message names the place of the error."""


class ReceiptState(Enum):
    """The result of verifying an entry."""

    PROVED = "proved"
    #: The entry was not sealed yet when the receipt was made.
    WAITS = "waits"
    #: The document contradicts itself.
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class EntryVerdict:
    """
    The result for one entry of a receipt.

    Args:
        seal: Its seal from the document, without leaves; None if it is not sealed yet.
        what: The problem, in one sentence; empty if there is none.
    """

    entry: Entry
    state: ReceiptState
    seal: Seal | None
    place: int | None
    what: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptVerdict:
    """
    The result for a receipt.

    Args:
        entries: In the order of the document.
        signed: Whether the signature is valid; None if no key was given.
        what: The problem with the document as a whole; empty if there is none.
    """

    receipt: str
    site: str
    entries: tuple[EntryVerdict, ...]
    signed: bool | None
    what: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is no problem; entries may still be unsealed."""
        return not self.what and all(verdict.state is not ReceiptState.WRONG for verdict in self.entries)

    @property
    def problems(self) -> tuple[str, ...]:
        """All problems, one sentence each."""
        return tuple(filter(None, (self.what, *(verdict.what for verdict in self.entries))))


# -- creating a receipt


def receipt_document(records: Ledger, receipt: str, *, site: Site, keys: tuple[str, ...] = ()) -> bytes | None:
    """
    Return the document of a receipt, or None if the ledger does not contain it.

    The same ledger gives the same bytes.

    Args:
        site: The site that the ledger belongs to, with its controller.
        keys: Oldest first; the last one signs the document, so that the site recognises its own receipts. If there are
            none, it is not signed.

    Raises:
        RecordsError: the store fails.
    """
    history = records.history(receipt)
    if not history:
        return None
    document: dict[str, object] = {
        "format": _FORMAT,
        "receipt": receipt,
        "site": {
            "id": site.id,
            "name": site.name,
            "controller": site.controller,
            "contact": site.contact,
            "privacy_policy": site.privacy_policy,
            "supervisory_authority": site.supervisory_authority,
        },
        "entries": [_entry(records, kept) for kept in history],
        "how_to_verify": list(_HOW),
    }
    if keys:
        document["signature"] = signer(keys, _CONTEXT).get_signature(_signed_part(document)).decode("ascii")
    return json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _entry(records: Ledger, kept: Kept) -> dict[str, object]:
    """Return an entry in the form of the document."""
    entry = kept.entry
    fields: dict[str, object] = {
        "date": iso(entry.day),
        "entry": json.loads(entry.canonical),
        "leaf": entry.leaf.hex(),
        **({"written_again": _AGAIN} if entry.about == FROM_COOKIE else {}),
    }
    seal = next(iter(records.seals(kept.seal, 1)), None) if kept.seal is not None else None
    if seal is None or kept.place is None or seal.leaves is None or not kept.place < len(seal.leaves):
        return {**fields, "waits": _WAITS, "proof": None}
    return {
        **fields,
        "proof": {
            "seal": {
                "number": seal.number,
                "day": seal.day,
                "size": seal.size,
                "root": seal.root.hex(),
                "previous": seal.previous.hex(),
                "hash": seal.hash.hex(),
                "signature": seal.signature,
            },
            "place": kept.place,
            "path": [beside.hex() for beside in inclusion_proof(seal.leaves, kept.place)],
        },
    }


def _signed_part(document: Mapping[str, object]) -> bytes:
    """Return the digest that the signature of a document covers: everything but the signature."""
    rest = {key: value for key, value in document.items() if key != "signature"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).digest()


# -- verifying a receipt


def verify_receipt(document: bytes, keys: tuple[str, ...] = ()) -> ReceiptVerdict:
    """
    Verify a receipt from its content alone, and return the result.

    Args:
        document: The file as it was downloaded.
        keys: The site's keys, if available.

    Raises:
        ReceiptError: if it is not a receipt.
    """
    fields = _parsed(document)  # (1)
    receipt = _text(fields, "receipt")
    site = _text(_object(fields, "site"), "id")
    given = fields.get("entries")
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST_ENTRIES:
        raise ReceiptError(f"entries is not a list of 1 to {_MOST_ENTRIES} entries.")
    entries = tuple(_checked(item, f"entries[{number}]", keys) for number, item in enumerate(given))
    for number, verdict in enumerate(entries):  # (2)
        if (verdict.entry.receipt, verdict.entry.site) != (receipt, site):
            raise ReceiptError(f"entries[{number}] belongs to another receipt or site than the document.")
    signed, what = None, ""
    if keys:  # (6)
        signature = fields.get("signature")
        signed = (
            isinstance(signature, str)
            and signature.isascii()
            and signer(keys, _CONTEXT).verify_signature(_signed_part(fields), signature)
        )
        what = (
            "" if signed else "The document was changed after it was signed, or was signed by a key that is not given."
        )
    return ReceiptVerdict(receipt, site, entries, signed, what)


def _parsed(document: bytes) -> Mapping[str, object]:
    """Return the JSON object of a document."""
    if len(document) > LARGEST:
        raise ReceiptError(f"The file has {len(document)} bytes, but no receipt is larger than {LARGEST}.")
    try:
        fields = json.loads(document.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise ReceiptError(f"The file is not UTF-8 (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        raise ReceiptError(f"The file is not JSON: {error.msg} in line {error.lineno}.") from None
    except RecursionError:
        raise ReceiptError("The file is nested too deeply.") from None
    except ValueError:  # from int(): a number of thousands of digits
        raise ReceiptError("The file contains a number that is too long for a receipt.") from None
    if not isinstance(fields, dict) or fields.get("format") != _FORMAT:
        raise ReceiptError(f'The file is not a receipt: it lacks "format": "{_FORMAT}".')
    return fields


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Refuse duplicate keys: parsers differ in which of the two they take."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ReceiptError("The file contains a key twice.")
    return found


def _no_number(name: str) -> object:
    raise ReceiptError(f"The file contains {name}, which is not a JSON number.")


def _checked(item: object, where: str, keys: tuple[str, ...]) -> EntryVerdict:
    """Verify one entry."""
    if not isinstance(item, dict):
        raise ReceiptError(f"{where} is not an object.")
    entry = _entry_of(_object(item, "entry", where), f"{where}.entry")
    if item.get("proof", False) is None:
        if _hash(item, "leaf", where) != entry.leaf:
            what = f"{where}: the leaf does not match the entry."
            return EntryVerdict(entry, ReceiptState.WRONG, None, None, what)
        return EntryVerdict(entry, ReceiptState.WAITS, None, None)
    proof = _object(item, "proof", where)
    where = f"{where}.proof"
    said = _object(proof, "seal", where)
    seal = Seal(
        site=entry.site,
        number=_number(said, "number", f"{where}.seal"),
        day=_number(said, "day", f"{where}.seal", least=-_LARGEST_NUMBER),
        size=_number(said, "size", f"{where}.seal"),
        root=_hash(said, "root", f"{where}.seal"),
        previous=_hash(said, "previous", f"{where}.seal"),
        signature=_text(said, "signature", f"{where}.seal"),
    )
    place = _number(proof, "place", where)
    path = proof.get("path")
    if not isinstance(path, list) or len(path) > _DEEPEST:
        raise ReceiptError(f"{where}.path is not a list of up to {_DEEPEST} hashes.")
    beside = [_hash({"path": one}, "path", where) for one in path]

    what = ""
    if _hash(item, "leaf", where) != entry.leaf:  # (3)
        what = "the leaf does not match the entry."
    elif root_of_proof(entry.leaf, place, seal.size, beside) != seal.root:  # (4)
        what = "the path does not connect the entry to the root in the seal."
    elif _hash(said, "hash", f"{where}.seal") != seal.hash:  # (5)
        what = "the hash of the seal does not match its content."
    elif keys and not is_signed(seal, keys):  # (6)
        what = "none of the keys given signed the seal."
    return EntryVerdict(
        entry, ReceiptState.WRONG if what else ReceiptState.PROVED, seal, place, f"{where}: {what}" if what else ""
    )


def _entry_of(fields: Mapping[str, object], where: str) -> Entry:
    """Parse an entry (2)."""
    try:
        act = Act(fields.get("act"))
    except ValueError:
        raise ReceiptError(f"{where}.act is not known.") from None
    gpc = fields.get("gpc")
    if not isinstance(gpc, bool):
        raise ReceiptError(f"{where}.gpc is neither true nor false.")
    entry = Entry(
        site=_text(fields, "site", where),
        receipt=_text(fields, "receipt", where),
        act=act,
        day=_number(fields, "day", where, least=-_LARGEST_NUMBER),
        revision=_text(fields, "revision", where),
        purposes=_ids(fields, "purposes", where),
        services=_ids(fields, "services", where),
        gpc=gpc,
        language=_text(fields, "language", where),
        notice=_text(fields, "notice", where),
        about=_text(fields, "about", where),
    )
    if json.loads(entry.canonical) != fields:
        raise ReceiptError(f"{where} has extra fields, or is in another format.")
    return entry


def _object(fields: Mapping[str, object], key: str, where: str = "") -> Mapping[str, object]:
    value = fields.get(key)
    if not isinstance(value, dict):
        raise ReceiptError(f"{_at(where, key)} is missing, or not an object.")
    return value


def _text(fields: Mapping[str, object], key: str, where: str = "") -> str:
    value = fields.get(key)
    if not isinstance(value, str):
        raise ReceiptError(f"{_at(where, key)} is missing, or not a string.")
    return value


def _number(fields: Mapping[str, object], key: str, where: str, *, least: int = 0) -> int:
    value = fields.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _LARGEST_NUMBER:
        raise ReceiptError(f"{_at(where, key)} is missing, or not a number in the allowed range.")
    return value


def _ids(fields: Mapping[str, object], key: str, where: str) -> frozenset[str]:
    value = fields.get(key)
    if not isinstance(value, list) or not all(isinstance(id, str) for id in value):
        raise ReceiptError(f"{_at(where, key)} is missing, or not a list of ids.")
    return frozenset(value)


def _hash(fields: Mapping[str, object], key: str, where: str) -> bytes:
    value = fields.get(key)
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise ReceiptError(f"{_at(where, key)} is missing, or not a hash of {HASH_SIZE} bytes in hex.")
    return bytes.fromhex(value)


def _at(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
