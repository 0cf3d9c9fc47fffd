"""Verifying a ledger in Redis: what is not read for it, and what is found nevertheless."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from consent_mw.core.seal import Act
from consent_mw.core.seal import Seal
from consent_mw.proof.findings import Checkpoint
from consent_mw.proof.findings import FindingKind
from consent_mw.proof.findings import Verification
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import verify
from consent_mw.proof.verifying import verify_in_parallel
from consent_mw.records import ReadSeals
from consent_mw.records.redis import RedisRecords
from consent_mw.records.redis.keys import Keys
from consent_mw.records.redis.keys import document_of
from consent_mw.records.redis.keys import key_of
from consent_mw.records.redis.link import RedisLink
from tests.records import redis_servers
from tests.records.redis_servers import Deployment
from tests.records.samples import DAY
from tests.records.samples import a_grant

pytestmark = pytest.mark.skipif(redis_servers.program() is None, reason="redis-server is not on this machine")

SIGNING = ("k" * 40,)
_sites = (f"site-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """Start one server; each test has a site of its own."""
    with redis_servers.standalone() as started:
        yield started


class Shop:
    """
    A ledger of three seals.

    The first has three entries, of which the one at the first place was erased, the second the tombstone, its mark and
    an entry, the third one entry; one more is not sealed.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.site = next(_sites)
        self.url = deployment.patient
        self.ask: Callable[..., object] = deployment.servers[0].ask
        self.keys = Keys(self.site)
        self.store = RedisRecords(self.url, site=self.site)
        for receipt in ("one", "two", "too"):
            self.grant(receipt)
        self.seal()
        self.gone, *self.left = (kept.entry.receipt for kept in self.store.sealed(1))
        self.store.erase(self.gone, DAY, "mark-of-it")
        self.grant("three")
        self.seal()
        self.grant("four")
        self.seal()
        self.grant("five")

    def grant(self, receipt: str) -> None:
        """Append a grant."""
        self.store.append(a_grant(receipt, site=self.site, notice=""))

    def seal(self) -> None:
        """Seal what is not sealed yet."""
        seal_new(self.store, site=self.site, keys=SIGNING, today=DAY)

    def index(self, *members: bytes) -> None:
        """Add members to the index."""
        for member in members:
            self.ask("ZADD", self.keys.index, 0, member)

    def verify(self, since: int = 0) -> Verification:
        """Verify everything, or what came after a seal."""
        rules = {"site": self.site, "keys": SIGNING, "today": DAY, "record_days": 540}
        checkpoint = Checkpoint(since, self.store.seals(since, 1)[0].hash) if since else None
        return verify(self.store, since=checkpoint, **rules)  # type: ignore[arg-type]


@pytest.fixture
def shop(deployment: Deployment) -> Iterator[Shop]:
    """Return a ledger."""
    made = Shop(deployment)
    with closing(made.store):
        yield made


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make reading the whole index an error."""

    def refuse(*_: object) -> Iterator[object]:
        raise AssertionError("the whole index was read")

    monkeypatch.setattr(RedisRecords, "_walk", refuse)


# -- what is not read


@pytest.mark.usefixtures("unread")
def test_an_index_of_the_right_size_is_not_read(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an erasure and a purge, in full, in parts and from each seal, the sizes tell that nothing is astray."""
    monkeypatch.setattr("consent_mw.proof.verifying.worker_pool", ThreadPoolExecutor)  # starts sooner than processes
    for since, entries in ((0, 6), (1, 4), (2, 1), (3, 0)):
        found = shop.verify(since)
        assert (found.finding, found.entries, found.waiting) == (None, entries, 1)
    assert shop.verify().erased == 1
    shop.store.purge(DAY + 1)
    shop.grant("six")
    shop.seal()
    rules = {"site": shop.site, "keys": SIGNING, "today": DAY + 541, "record_days": 540}
    for found in (verify(shop.store, **rules), verify_in_parallel(shop.url, jobs=2, **rules)):  # type: ignore[arg-type]
        assert (found.finding, found.entries, found.purged, found.waiting) == (None, 2, 7, 0)


@pytest.mark.usefixtures("unread")
def test_what_is_written_meanwhile_does_not_disturb_the_sizes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries that come, and a seal that is made, after the seals were read and before the sizes are."""
    outside = shop.store.outside

    def later(read: ReadSeals) -> Iterator[object]:
        shop.seal()
        shop.grant("six")
        return outside(read)

    monkeypatch.setattr(shop.store, "outside", later)
    found = shop.verify()
    assert (found.finding, found.seals, found.waiting) == (None, 3, 1)


def test_an_erasure_meanwhile_is_no_finding(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index is one member smaller than the seals that were read: it is read, and found in order."""
    outside = shop.store.outside

    def later(read: ReadSeals) -> Iterator[object]:
        shop.store.erase(shop.left[0], DAY)
        return outside(read)

    monkeypatch.setattr(shop.store, "outside", later)
    assert (shop.verify().finding, shop.verify().erased) == (None, 2)


def test_what_the_server_joins_is_what_is_hashed(shop: Shop) -> None:
    """They are equal byte for byte, for texts that JSON has to escape; a seal with an empty place has no such form."""
    odd = ['"', "\\", "\n\r\t\b\f", "\x01\x1f", "\x7f", "é", "\u2028", "😀", '","receipt":"', "{}", "/"]
    for number, text in enumerate(odd):
        grant = a_grant(f"{number}{text}", site=shop.site, language=text, notice=text, services=frozenset({text}))
        shop.store.append(grant)
    shop.seal()
    joined = shop.store.canonical(4)
    assert joined is not None
    assert joined.entries == [kept.entry.canonical for kept in shop.store.sealed(4)]
    assert joined.notices == frozenset(odd)
    assert (shop.store.canonical(1), shop.store.canonical(5)) == (None, None)
    assert shop.verify().ok


def test_tombstones_come_from_every_seal_and_from_the_unsealed(shop: Shop) -> None:
    """Those of seals before the given one are left out; a name of an act that is written with an escape counts."""
    shop.store.erase(shop.left[0], DAY)
    about = "1/0"
    for first, count in ((1, 3), (2, 3), (3, 1)):
        stones = list(shop.store.tombstones(first))
        assert (len(stones), {kept.entry.act for kept in stones}) == (count, {Act.ERASE})
        assert (about in {kept.entry.about for kept in stones}) == (first < 3)
    place, kept = next((place, kept) for place, kept in hash_of(shop, 2) if about.encode() in kept)
    shop.ask("HSET", shop.keys.sealed(2), place, kept.replace(b'"erase"', rb'"\u0065rase"'))
    assert about in {kept.entry.about for kept in shop.store.tombstones()}
    assert shop.verify().ok


# -- what is found


def hash_of(shop: Shop, number: int) -> list[tuple[bytes, bytes]]:
    """Return the places of a seal with what they hold."""
    flat = shop.ask("HGETALL", shop.keys.sealed(number))
    assert isinstance(flat, list)
    return list(zip(flat[::2], flat[1::2], strict=True))


def dangles(shop: Shop) -> None:
    """Add a member that leads to no entry."""
    shop.index(b"nobody\x000\x00")


def dangles_at_the_erased_place(shop: Shop) -> None:
    """Bring back the member of what was erased."""
    shop.index(shop.gone.encode() + b"\x000\x001/0")


def dangles_for_one_that_waits(shop: Shop) -> None:
    """Add a member that leads to no entry, and an unsealed entry that no member leads to."""
    dangles(shop)
    shop.ask("ZADD", shop.keys.waiting, 0, b"other\x000\x00" + document_of(a_grant()))


def dangles_for_one_that_waits_twice(shop: Shop) -> None:
    """Add a member that leads to no entry, and a second document of an unsealed entry."""
    dangles(shop)
    shop.ask("ZADD", shop.keys.waiting, 0, b"five\x000\x00" + document_of(a_grant(language="zz")))


def dangles_for_one_in_a_seal(shop: Shop) -> None:
    """Add a member that leads to no entry, and an entry at the erased place that no member leads to."""
    dangles(shop)
    kept = shop.gone.encode() + b"\x000\x00" + document_of(a_grant(notice=""))
    shop.ask("HSET", shop.keys.sealed(1), 0, kept)


def dangles_for_one_place_written_twice(shop: Shop) -> None:
    """Add a member that leads to no entry, and the same place once more in other digits."""
    dangles(shop)
    ((place, kept),) = hash_of(shop, 3)
    shop.ask("HSET", shop.keys.sealed(3), b"0" + place, kept)


def dangles_for_a_document_that_is_nonsense(shop: Shop) -> None:
    """Add a member that leads to no entry, and something unsealed that is no entry."""
    dangles(shop)
    shop.ask("ZADD", shop.keys.waiting, 0, b"nonsense")


@pytest.mark.parametrize(
    "tamper",
    [
        dangles,
        dangles_at_the_erased_place,
        dangles_for_one_that_waits,
        dangles_for_one_that_waits_twice,
        dangles_for_a_document_that_is_nonsense,
        dangles_for_one_place_written_twice,
    ],
)
def test_a_member_that_leads_nowhere_is_found(shop: Shop, tamper: Callable[[Shop], None]) -> None:
    """Also if something else was added or removed so that the sizes fit, and by a verification that goes on."""
    tamper(shop)
    for since in (0, 2):
        finding = shop.verify(since).finding
        assert finding is not None
        assert (finding.kind, finding.receipt in {"nobody", shop.gone}) == (FindingKind.REMOVED, True)


def test_a_full_verification_compares_the_index_with_what_it_read(shop: Shop) -> None:
    """An entry of a seal that is not in the index does not count, so it cannot stand for a member."""
    dangles_for_one_in_a_seal(shop)
    finding = shop.verify().finding
    assert finding is not None
    assert (finding.kind, finding.receipt) == (FindingKind.REMOVED, "nobody")


@pytest.mark.parametrize("number", [0, 99])
def test_an_entry_of_a_seal_that_does_not_exist_is_found(shop: Shop, number: int) -> None:
    """Whatever the number says."""
    grant = a_grant("forged", site=shop.site)
    shop.index(key_of(grant) + f"{number}/0".encode())
    shop.ask("HSET", shop.keys.sealed(number), 0, key_of(grant) + document_of(grant))
    for since in (0, 2):
        finding = shop.verify(since).finding
        assert finding is not None
        assert (finding.kind, finding.receipt) == (FindingKind.INSERTED, "forged")


def test_a_joined_text_hides_no_entry(shop: Shop) -> None:
    """An entry that contains the beginning of the next one is not read as two, although the text would be the same."""
    numbers = [(place, kept) for place, kept in sorted(hash_of(shop, 2))]
    (first, one), (second, other) = numbers[:2]
    head, rest = other.split(b"\0", 1)
    shop.ask("HSET", shop.keys.sealed(2), first, one + b"\0" + head, second, rest)
    finding = shop.verify(1).finding
    assert finding is not None
    assert (finding.kind, finding.seal) == (FindingKind.EDITED, 2)


def test_a_head_that_somebody_set_does_not_keep_a_verification_busy(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only seals that exist are asked for, however large the number is, and they verify as before."""
    asked: list[int] = []
    read = RedisRecords._seals

    def watched(store: RedisRecords, link: RedisLink, numbers: Sequence[int]) -> list[Seal]:
        asked.extend(numbers)
        return read(store, link, numbers)

    shop.ask("SET", shop.keys.head, 5_000)
    monkeypatch.setattr(RedisRecords, "_seals", watched)
    assert [seal.number for seal in shop.store.seals(2)] == asked == [2, 3]
    assert shop.verify().seals == 3
