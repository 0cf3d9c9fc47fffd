"""Receipts: their content, their proofs, and that no altered file passes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw import config
from consent_mw.core.seal import Act
from consent_mw.proof.receipts import LARGEST
from consent_mw.proof.receipts import ReceiptError
from consent_mw.proof.receipts import ReceiptState
from consent_mw.proof.receipts import receipt_document
from consent_mw.proof.receipts import verify_receipt
from tests.records.books import KEYS
from tests.records.books import Book

OWNER = config.load(
    {"site": {"id": "shop", "name": "Shop & Söhne", "controller": "Shop Ltd, London", "contact": "/contact"}}
)
OTHER_KEY = ("somebody else's key, long enough!",)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    """Return a ledger with three seals; receipt-2 was granted in the first and withdrawn in the second."""
    made = Book(tmp_path_factory.mktemp("book")).filled(5)
    made.end(1)
    made.filled(3, 1)
    yield made
    made.store.close()


def document(book: Book, receipt: str = "receipt-2", keys: tuple[str, ...] = KEYS) -> bytes:
    """Return the receipt."""
    made = receipt_document(book.store, receipt, site=OWNER, keys=keys)
    assert made is not None
    return made


@pytest.fixture(scope="module")
def said(book: Book) -> dict[str, Any]:
    """Return the parsed receipt."""
    told: dict[str, Any] = json.loads(document(book))
    return told


def dumped(told: object) -> bytes:
    """Return a file with this content."""
    return json.dumps(told).encode()


# -- creating a receipt


def test_a_receipt_proves_itself(book: Book) -> None:
    """The proofs of the grant and its end lead to the roots of their seals."""
    verdict = verify_receipt(document(book))
    assert [(one.entry.act, one.state, one.seal and one.seal.number) for one in verdict.entries] == [
        (Act.PARTIAL, ReceiptState.PROVED, 1),
        (Act.WITHDRAW, ReceiptState.PROVED, 2),
    ]
    assert (verdict.ok, verdict.signed, verdict.receipt, verdict.site) == (True, None, "receipt-2", "shop")


def test_the_seals_of_a_receipt_are_those_of_the_chain(book: Book) -> None:
    """A receipt contains the hashes of the ledger's seals."""
    verdict = verify_receipt(document(book))
    assert [one.seal and one.seal.hash for one in verdict.entries] == [seal.hash for seal in book.seals()[:2]]


def test_the_keys_prove_that_it_is_the_sites_own(book: Book) -> None:
    """With the site's keys, the signatures of the document and of its seals are checked."""
    assert [verify_receipt(document(book), KEYS).signed, verify_receipt(document(book), KEYS).ok] == [True, True]


def test_a_receipt_without_a_signature_is_not_the_sites_own(book: Book) -> None:
    """A document made without keys is consistent, but fails if keys are given."""
    made = document(book, keys=())
    assert (verify_receipt(made).ok, verify_receipt(made, KEYS).signed, b"signature" in made) == (True, False, True)


def test_another_key_is_told(book: Book) -> None:
    """With other keys, the document and its seals fail."""
    assert len(verify_receipt(document(book), OTHER_KEY).problems) == 3


def test_the_same_ledger_gives_the_same_bytes(book: Book) -> None:
    """Downloading a receipt twice gives the same file."""
    assert document(book) == document(book)


def test_an_unknown_receipt_has_no_document(book: Book) -> None:
    """An unknown or erased receipt gives None."""
    assert receipt_document(book.store, "unheard-of", site=OWNER, keys=KEYS) is None


def test_who_answers_for_it_is_in_it(said: dict[str, Any]) -> None:
    """A receipt names the controller with its contact, the notice, and how to verify it."""
    assert (said["site"]["controller"], said["site"]["contact"], said["entries"][0]["entry"]["notice"]) == (
        "Shop Ltd, London",
        "/contact",
        "a" * 64,
    )
    assert any("consent-mw receipt verify" in line for line in said["how_to_verify"])


def test_what_waits_says_so(tmp_path: Path) -> None:
    """An unsealed entry has no proof yet, and the receipt says when to come again."""
    book = Book(tmp_path)
    book.grant()
    made = document(book, "receipt-1")
    book.store.close()
    assert "when its day is over" in json.loads(made)["entries"][0]["waits"]
    verdict = verify_receipt(made, KEYS)
    assert (verdict.ok, verdict.signed, verdict.entries[0].state) == (True, True, ReceiptState.WAITS)


def test_what_waits_has_its_own_leaf(tmp_path: Path) -> None:
    """An edited entry without a proof does not match its own leaf."""
    book = Book(tmp_path)
    book.grant()
    made = document(book, "receipt-1")
    book.store.close()
    assert verify_receipt(made.replace(b'"language": "en"', b'"language": "de"')).problems == (
        "entries[0]: the leaf does not match the entry.",
    )


def test_what_was_purged_from_the_seal_has_no_proof(tmp_path: Path) -> None:
    """If the leaves of a seal were purged, the receipt claims no proof."""
    book = Book(tmp_path).filled(2)
    book.tamper("UPDATE seals SET leaves = NULL")
    made = document(book, "receipt-1")
    book.store.close()
    assert verify_receipt(made).entries[0].state is ReceiptState.WAITS


def test_an_edited_ledger_gives_a_receipt_that_fails(tmp_path: Path) -> None:
    """The receipt of an edited entry shows that the entry is not in its seal."""
    book = Book(tmp_path).filled(4)
    book.tamper("UPDATE ledger SET services = '[]' WHERE receipt = 'receipt-2'")
    made = document(book)
    book.store.close()
    assert verify_receipt(made).problems == (
        "entries[0].proof: the path does not connect the entry to the root in the seal.",
    )


# -- tampering with the file


def leaves(told: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield every value that is not a list or object, with its path."""
    if isinstance(told, dict | list):
        for key, value in told.items() if isinstance(told, dict) else enumerate(told):
            yield from leaves(value, (*path, key))
    else:
        yield path, told


def changed(told: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    """Return a copy of the receipt with another value in one place."""
    other = copy.deepcopy(told)
    inside: Any = other
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return other


def otherwise(value: object) -> object:
    """Return a different value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    assert isinstance(value, str)
    return ("1" if value[:1] != "1" else "2") + value[1:] if value else "x"


def holds(made: bytes, keys: tuple[str, ...] = ()) -> bool:
    """Return whether a file passes."""
    try:
        return verify_receipt(made, keys).ok
    except ReceiptError:
        return False


def test_every_value_is_protected_by_the_signature(said: dict[str, Any]) -> None:
    """After any change to the document, its signature is invalid."""
    passed = [path for path, value in leaves(said) if holds(dumped(changed(said, path, otherwise(value))), KEYS)]
    assert passed == []


def test_what_is_proved_is_protected_without_keys(said: dict[str, Any]) -> None:
    """After any change to an entry or its proof, the hashes do not match."""
    proved = [
        (path, value)
        for path, value in leaves(said)
        if path[0] == "entries" and path[2] in {"entry", "leaf", "proof"} and path[-1] != "signature"
    ]
    passed = [path for path, value in proved if holds(dumped(changed(said, path, otherwise(value))))]
    assert (passed, len(proved) > 30) == ([], True)


@pytest.mark.parametrize(
    "path",
    [
        ("receipt",),
        ("site",),
        ("entries",),
        ("entries", 0, "entry"),
        ("entries", 0, "leaf"),
        ("entries", 0, "proof", "path"),
        ("entries", 0, "proof", "seal"),
        ("entries", 0, "proof", "seal", "root"),
        ("entries", 0, "entry", "purposes"),
    ],
    ids=str,
)
@pytest.mark.parametrize("value", [None, 3, -1, "x", "0" * 65, [], {}, [[]], [1], True, 1.5], ids=repr)
def test_a_value_of_another_kind_is_an_error(said: dict[str, Any], path: tuple[Any, ...], value: object) -> None:
    """A missing part or one of another type does not pass, and raises only ReceiptError."""
    assert not holds(dumped(changed(said, path, value)))


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=8,
    ),
    st.data(),
)
def test_no_value_anywhere_breaks_the_reader(value: object, data: st.DataObject) -> None:
    """Any JSON in any place of a receipt gives a verdict or a ReceiptError."""
    path = data.draw(st.sampled_from([path for path, _ in leaves(SAMPLE)]))
    path = path[: data.draw(st.integers(1, len(path)))]
    assert holds(dumped(changed(SAMPLE, path, value))) in {True, False}


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(made: bytes) -> None:
    """Any bytes give a ReceiptError."""
    with pytest.raises(ReceiptError):
        verify_receipt(made)


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (b"", "not JSON: Expecting value in line 1"),
        (b"\xff\xfe", "not UTF-8"),
        (b"{}", "not a receipt"),
        (b"[]", "not a receipt"),
        (b'{"format": "consent_mw.receipt.v2"}', "not a receipt"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": ' + b"1" * 5000 + b"}", "a number"),
        (b"[" * 100_000, "nested too deeply"),
        (b" " * (LARGEST + 1), "no receipt is larger"),
        (b'{"format": "consent_mw.receipt.v1"}', "receipt is missing"),
    ],
    ids=["empty", "binary", "object", "list", "version", "twice", "nan", "digits", "deep", "large", "bare"],
)
def test_a_hostile_file_is_told_what_is_wrong(made: bytes, what: str) -> None:
    """A file that is not a receipt is refused in one sentence, without a traceback."""
    with pytest.raises(ReceiptError, match=what):
        verify_receipt(made)


def test_entries_of_another_receipt_do_not_pass(said: dict[str, Any], book: Book) -> None:
    """A genuine entry of another receipt does not pass."""
    other = json.loads(document(book, "receipt-3"))
    with pytest.raises(ReceiptError, match=r"entries\[0\] belongs to another receipt"):
        verify_receipt(dumped({**said, "entries": other["entries"]}))


def test_a_path_is_bounded(said: dict[str, Any]) -> None:
    """A proof longer than the depth of any tree is refused before it is evaluated."""
    with pytest.raises(ReceiptError, match="path is not a list of up to 64 hashes"):
        verify_receipt(dumped(changed(said, ("entries", 0, "proof", "path"), ["0" * 64] * 65)))


#: A small receipt in which Hypothesis replaces values.
SAMPLE: dict[str, Any] = {
    "format": "consent_mw.receipt.v1",
    "receipt": "r",
    "site": {"id": "shop"},
    "entries": [
        {
            "entry": {
                "about": "",
                "act": "accept",
                "day": 1,
                "format": "consent_mw.entry.v1",
                "gpc": False,
                "language": "en",
                "notice": "",
                "purposes": ["analytics"],
                "receipt": "r",
                "revision": "",
                "services": [],
                "site": "shop",
            },
            "leaf": "0" * 64,
            "proof": {
                "seal": {
                    "number": 1,
                    "day": 1,
                    "size": 1,
                    "root": "0" * 64,
                    "previous": "0" * 64,
                    "hash": "0" * 64,
                    "signature": "s",
                },
                "place": 0,
                "path": ["0" * 64],
            },
        }
    ],
}
