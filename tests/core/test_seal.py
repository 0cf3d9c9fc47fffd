"""Leaves, trees and proofs against RFC 6962, written here a second time as it defines them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import assume
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.seal import HASH_SIZE
from consent_mw.core.seal import NO_SEAL
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Seal
from consent_mw.core.seal import in_order
from consent_mw.core.seal import inclusion_proof
from consent_mw.core.seal import merkle_root
from consent_mw.core.seal import root_of_proof

ENTRY = Entry(
    site="shop",
    receipt="r-1",
    act=Act.PARTIAL,
    day=20_000,
    revision="0123456789ab",
    purposes=frozenset({"marketing", "analytics"}),
    services=frozenset({"x"}),
    gpc=True,
    language="de",
    notice="n" * 64,
)

ids = st.frozensets(st.text(max_size=8), max_size=4)
entries = st.builds(
    Entry,
    site=st.text(max_size=8),
    receipt=st.text(max_size=8),
    act=st.sampled_from(Act),
    day=st.integers(-10_000, 10**9),
    revision=st.text(max_size=12),
    purposes=ids,
    services=ids,
    gpc=st.booleans(),
    language=st.text(max_size=5),
    notice=st.text(max_size=8),
    about=st.text(max_size=8),
)
some_leaves = st.lists(st.binary(min_size=HASH_SIZE, max_size=HASH_SIZE), min_size=1, max_size=40)


def sha256(data: bytes) -> bytes:
    """Return the hash that all of this is made of."""
    return hashlib.sha256(data).digest()


def split(size: int) -> int:
    """Return the largest power of two that is smaller than ``size`` (RFC 6962, section 2.1)."""
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def tree_hash(leaves: list[bytes]) -> bytes:
    """Return MTH of RFC 6962, section 2.1, for leaves that are hashed already."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    at = split(len(leaves))
    return sha256(b"\x01" + tree_hash(leaves[:at]) + tree_hash(leaves[at:]))


def path_of(place: int, leaves: list[bytes]) -> list[bytes]:
    """Return PATH of RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    at = split(len(leaves))
    if place < at:
        return [*path_of(place, leaves[:at]), tree_hash(leaves[at:])]
    return [*path_of(place - at, leaves[at:]), tree_hash(leaves[:at])]


def leaves_of(size: int) -> list[bytes]:
    """Return so many different leaves."""
    return [sha256(b"\x00%d" % number) for number in range(size)]


# -- entries


def test_an_entry_is_hashed_over_these_bytes() -> None:
    """The canonical bytes are written down here once: what is in a ledger depends on them."""
    assert ENTRY.canonical == (
        b'{"about":"","act":"partial","day":20000,"format":"consent_mw.entry.v1","gpc":true,"language":"de","notice":"'
        + b"n" * 64
        + b'","purposes":["analytics","marketing"],"receipt":"r-1","revision":"0123456789ab","services":["x"],'
        b'"site":"shop"}'
    )


@given(entries)
def test_the_canonical_bytes_are_json(entry: Entry) -> None:
    """What is written out by hand is what json.dumps makes of the same values, whatever they hold."""
    values = {
        "format": "consent_mw.entry.v1",
        "site": entry.site,
        "receipt": entry.receipt,
        "act": entry.act.value,
        "day": entry.day,
        "revision": entry.revision,
        "purposes": sorted(entry.purposes),
        "services": sorted(entry.services),
        "gpc": entry.gpc,
        "language": entry.language,
        "notice": entry.notice,
        "about": entry.about,
    }
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text.encode("utf-8", "surrogatepass") == entry.canonical


@given(entries, entries)
def test_different_entries_have_different_leaves(one: Entry, other: Entry) -> None:
    """No two different entries share their bytes, so none can stand for the other."""
    assert (one == other) == (one.leaf == other.leaf)


def test_a_leaf_is_hashed_as_a_leaf() -> None:
    """The first byte tells leaves from nodes (RFC 6962, section 2.1)."""
    assert sha256(b"\x00" + ENTRY.canonical) == ENTRY.leaf


@pytest.mark.parametrize(
    ("act", "step"),
    [(Act.ACCEPT, 0), (Act.PARTIAL, 0), (Act.ERASE, 0), (Act.WITHDRAW, 1), (Act.REPLACE, 1)],
)
def test_a_receipt_begins_with_step_0_and_ends_with_step_1(act: Act, step: int) -> None:
    """Grants and tombstones begin a receipt, what ends one comes second."""
    assert replace(ENTRY, act=act).step == step


@given(st.permutations([replace(ENTRY, receipt=str(number)) for number in range(6)]))
def test_the_order_of_a_seal_tells_nothing_of_the_arrival(arrived: list[Entry]) -> None:
    """Whatever order entries come in, they are sealed in one and the same."""
    assert in_order(arrived) == in_order(arrived[::-1])


# -- trees


@pytest.mark.parametrize("size", [*range(70), 127, 128, 129, 1000])
def test_the_root_is_that_of_the_rfc(size: int) -> None:
    """The root of any number of leaves is the one that the recursive definition gives."""
    assert merkle_root(leaves_of(size)) == tree_hash(leaves_of(size))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 33, 65])
def test_the_path_is_that_of_the_rfc(size: int) -> None:
    """The proof for each place is the one that the recursive definition gives."""
    leaves = leaves_of(size)
    assert [list(inclusion_proof(leaves, at)) for at in range(size)] == [path_of(at, leaves) for at in range(size)]


def test_a_leaf_cannot_pass_as_a_node() -> None:
    """The root over two leaves is not the leaf of an entry with the same bytes (second preimage)."""
    left, right = leaves_of(2)
    assert merkle_root([left, right]) != sha256(b"\x00" + left + right)


# -- proofs


@given(some_leaves, st.data())
def test_a_right_proof_leads_to_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    """Each leaf with its own path leads to the root."""
    place = data.draw(st.integers(0, len(leaves) - 1))
    path = inclusion_proof(leaves, place)
    assert root_of_proof(leaves[place], place, len(leaves), path) == merkle_root(leaves)


@given(some_leaves, st.data())
def test_one_changed_bit_leads_elsewhere(leaves: list[bytes], data: st.DataObject) -> None:
    """A flipped bit in the leaf, or anywhere in the path, gives another root."""
    place = data.draw(st.integers(0, len(leaves) - 1))
    chain = [leaves[place], *inclusion_proof(leaves, place)]
    link, byte, bit = data.draw(
        st.tuples(st.integers(0, len(chain) - 1), st.integers(0, HASH_SIZE - 1), st.integers(0, 7))
    )
    changed = bytearray(chain[link])
    changed[byte] ^= 1 << bit
    chain[link] = bytes(changed)
    assert root_of_proof(chain[0], place, len(leaves), chain[1:]) != merkle_root(leaves)


@given(st.integers(2, 40), st.data())
def test_another_place_leads_elsewhere(size: int, data: st.DataObject) -> None:
    """A proof holds for its place only."""
    leaves = leaves_of(size)
    place = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(-2, size + 2))
    assume(other != place)
    assert root_of_proof(leaves[place], other, size, inclusion_proof(leaves, place)) != merkle_root(leaves)


@given(st.integers(1, 40), st.data())
def test_a_path_of_another_length_fits_nothing(size: int, data: st.DataObject) -> None:
    """A path that is too long or too short is no proof at all."""
    leaves = leaves_of(size)
    place = data.draw(st.integers(0, size - 1))
    path = list(inclusion_proof(leaves, place))
    answers = [root_of_proof(leaves[place], place, size, [*path, NO_SEAL])]
    answers += [root_of_proof(leaves[place], place, size, path[:-1])] if path else []
    assert answers == [None] * len(answers)


@pytest.mark.parametrize("size", [0, 1, 2, 5])
def test_a_tree_that_claims_another_size_is_another_tree(size: int) -> None:
    """The last leaf of three proves nothing in a tree that is said to be smaller or larger."""
    leaves = leaves_of(3)
    assert root_of_proof(leaves[2], 2, size, inclusion_proof(leaves, 2)) != merkle_root(leaves)


@pytest.mark.parametrize("place", [-1, 3])
def test_no_proof_for_a_place_that_is_not_there(place: int) -> None:
    """A place outside the tree is an error, not a proof."""
    with pytest.raises(IndexError, match=f"place {place} of 3 leaves"):
        inclusion_proof(leaves_of(3), place)


# -- seals


SEAL = Seal("shop", 2, 20_000, 3, merkle_root(leaves_of(3)), b"\x01" * HASH_SIZE, tuple(leaves_of(3)), "signed")


def test_a_seal_is_hashed_over_these_bytes() -> None:
    """The bytes of a seal are written down here once: chains depend on them."""
    root = SEAL.root.hex().encode()
    assert sha256(
        b'{"day":20000,"format":"consent_mw.seal.v1","number":2,"previous":"'
        + b"01" * HASH_SIZE
        + b'","root":"'
        + root
        + b'","site":"shop","size":3}'
    ) == (SEAL.hash)


@pytest.mark.parametrize(
    "change",
    [
        {"site": "other"},
        {"number": 3},
        {"day": 20_001},
        {"size": 4},
        {"root": NO_SEAL},
        {"previous": NO_SEAL},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_part_of_a_seal_is_in_its_hash(change: dict[str, object]) -> None:
    """A seal with another site, number, day, size, root or predecessor is another seal."""
    assert replace(SEAL, **change).hash != SEAL.hash  # type: ignore[arg-type]


def test_a_seal_keeps_its_hash_when_its_leaves_are_gone() -> None:
    """Retention takes the leaves, and the chain still holds."""
    assert replace(SEAL, leaves=None, signature="").hash == SEAL.hash
