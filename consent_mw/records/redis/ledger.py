"""The ledger in Redis: entries, seals, notices and marks of erased receipts."""

from __future__ import annotations

import logging
import zlib
from bisect import bisect_left
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from redis.exceptions import RedisError

from consent_mw.core.seal import ABOUT_NOBODY
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.core.seal import Seal
from consent_mw.errors import RecordsError
from consent_mw.records import Canonical
from consent_mw.records import ReadSeals
from consent_mw.records.redis import keys
from consent_mw.records.redis import scripts
from consent_mw.records.redis.link import RedisLink
from consent_mw.records.redis.link import reason
from consent_mw.records.redis.store import PAGE
from consent_mw.records.redis.store import RedisStore
from consent_mw.records.redis.store import pairs
from consent_mw.records.rules import check
from consent_mw.records.rules import check_taken
from consent_mw.records.rules import mark as mark_entry
from consent_mw.records.rules import tombstone

_log = logging.getLogger("consent_mw")

#: The most entries in one seal; each costs the server a few microseconds during which it answers nobody
#: (decision 0061). Older versions made seals of up to 5,000.
SEALED = 500
#: Number of seals that are read at once; each has up to 5,000 leaves.
SEALS = 10
#: How often to look again for an entry that another process is moving.
TRIES = 5


class RedisLedger(RedisStore):
    """The ledger of a site."""

    def append(self, entry: Entry, marks: Sequence[str] = ()) -> None:
        """Write an entry unless it was erased; it is durable when this returns. Repeating the call changes nothing."""
        check(entry, self.site)
        with self._using() as link:
            names = (self._keys.index, self._keys.waiting, self._keys.schema)
            found = map(keys.mark_key, marks)
            link.script(scripts.APPEND, names, (keys.key_of(entry), keys.document_of(entry), *found), repeat=True)

    def take(self, entries: Sequence[Entry], marks: Mapping[str, Sequence[str]]) -> int:
        """Append entries from elsewhere, but none of a receipt that was erased; return how many are new."""
        args: list[str | bytes | int] = []
        for entry in entries:
            check_taken(entry, self.site)
            found = [keys.mark_key(number) for number in marks.get(entry.receipt, ())]
            args += [keys.key_of(entry), keys.document_of(entry), len(found), *found]
        with self._using() as link:
            names = (self._keys.index, self._keys.waiting, self._keys.schema)
            return int(link.script(scripts.TAKE, names, args, slow=True, repeat=True))

    def history(self, receipt: str) -> list[Kept]:
        """Return the entries of a receipt, by step."""
        with self._using() as link:
            return [kept for _, kept in self._entries(link, self._members(link, receipt)) if kept]

    def entries(self, first: str = "", end: str = "") -> Iterator[Kept]:
        """Yield every entry, or those of a range of receipts, by receipt and step, a page at a time."""
        return (kept for _, kept in self._walk(first, end) if kept)

    def canonical(self, number: int) -> Canonical | None:
        """Return the entries of a seal, which the server joined to one text and looked up in the index."""
        with self._using() as link:
            call = (self._keys.index, self._keys.sealed(number)), (number,)
            (joined,) = link.look_up(scripts.JOINED, [call])
        try:
            return keys.canonical_of(self.site, joined) if joined else None
        except (ValueError, TypeError):
            return None  # the slower way says what cannot be read

    def outside(self, read: ReadSeals) -> Iterator[Kept | str]:
        """
        Yield the entries that are in none of the seals 1 to ``read.last``, and receipts whose entries are gone.

        The index has a member for each sealed entry and each unsealed one. :meth:`sealed` returns only entries that it
        has. So if every unsealed entry is in the index as well, and the index has no more members than there are
        entries, then each member leads to an entry, and the index need not be read. Otherwise it is read whole. Of
        seals before ``read.first``, the entries are only counted.
        """
        counted = self._are_all(read)
        before = b""
        for key, entry in self._waiting():
            if entry is None or key == before:
                counted = False  # nobody finds this entry: a member that leads nowhere may take its place in the count
            else:
                yield Kept(entry)
            before = key
        if counted:
            return
        for member, one in self._walk():
            if one is None:
                yield member.partition(b"\0")[0].decode(errors="replace")
            elif one.seal is not None and not 1 <= one.seal <= read.last:
                yield one

    def _are_all(self, read: ReadSeals) -> bool:
        """Return whether the index has as many members as there are entries."""
        with self._using() as link:
            names = (self._keys.index, self._keys.waiting, self._keys.head)
            indexed, waiting, head = link.script(scripts.SIZES, names, (), slow=True, repeat=True, confirm=False)
            sealed = read.entries
            there = self._numbers(link, int(head))
            others = [number for number in there if not read.first <= number <= read.last]
            for at in range(0, len(others), PAGE):
                lengths = [("HLEN", self._keys.sealed(number)) for number in others[at : at + PAGE]]
                sealed += sum(link.read_all(lengths, slow=True))
        return bool(indexed - waiting == sealed)

    def _waiting(self) -> Iterator[tuple[bytes, Entry | None]]:
        """Yield the keys of the unsealed entries in order, each with its entry, or with None if the index lacks it."""
        names = (self._keys.index, self._keys.waiting)
        after = b"-"
        while True:
            with self._using() as link:
                (found,) = link.look_up(scripts.INDEXED, [(names, (after, PAGE))])
                page = [
                    (keys.split(kept)[0], keys.entry_of(self.site, kept)) if indexed else (b"", None)
                    for kept, indexed in pairs(found)
                ]
            yield from page
            if len(page) < PAGE:
                return
            after = b"(" + found[-2]

    def tombstones(self, first: int = 1) -> Iterator[Kept]:
        """Yield the tombstones that are in no seal, or in seals from number ``first`` on."""
        yield from (Kept(entry) for _, entry in self._waiting() if entry and entry.act is Act.ERASE)
        with self._using() as link:
            numbers = self._numbers(link)
        numbers = numbers[bisect_left(numbers, first) :]
        for at in range(0, len(numbers), SEALS):
            few = numbers[at : at + SEALS]
            calls = [((self._keys.index, self._keys.sealed(number)), (number,)) for number in few]
            with self._using() as link:
                answers = link.look_up(scripts.TOMBSTONES, calls)
                page = [
                    Kept(keys.entry_of(self.site, kept), number, int(place))
                    for number, found in zip(few, answers, strict=True)
                    for place, kept in pairs(found)
                ]
            yield from (kept for kept in page if kept.entry.act is Act.ERASE)

    def _walk(self, first: str = "", end: str = "") -> Iterator[tuple[bytes, Kept | None]]:
        """Yield the members of the index in order, each with its entry, from a receipt on and before another one."""
        after = b"[" + first.encode() if first else b"-"
        last = b"(" + end.encode() if end else b"+"
        while True:
            with self._using() as link:
                page = link.read("ZRANGEBYLEX", self._keys.index, after, last, "LIMIT", 0, PAGE, slow=True)
                found = self._entries(link, page)
            yield from found
            if len(page) < PAGE:
                return
            after = b"(" + keys.split(page[-1])[0] + b"\xff"  # skips the entry even if it is sealed meanwhile

    def keep_notice(self, digest: str, document: bytes) -> None:
        """Store the document durably under its hash."""
        with self._using() as link:
            # Every process stores every notice when it starts: nearly all exist already, and need no write.
            if not link.read("HEXISTS", self._keys.notices, digest.encode()):
                names = (self._keys.notices, self._keys.schema)
                link.script(scripts.KEEP_NOTICE, names, (digest.encode(), zlib.compress(document, 9)), repeat=True)

    def notice(self, digest: str) -> bytes | None:
        """Return the document with that hash, or None."""
        with self._using() as link:
            found = link.read("HGET", self._keys.notices, digest.encode())
            return None if found is None else zlib.decompress(found)

    def unsealed(self, limit: int, day: int | None = None) -> list[Entry]:
        """Return up to ``limit`` unsealed entries by receipt, without those of ``day`` or the next day."""
        found: list[Entry] = []
        after = b"-"
        while len(found) < limit:
            most = min(PAGE, limit - len(found))
            with self._using() as link:
                page = link.read("ZRANGEBYLEX", self._keys.waiting, after, "+", "LIMIT", 0, most, slow=True)
                entries = [keys.entry_of(self.site, member) for member in page]
            found += [entry for entry in entries if day is None or entry.day not in (day, day + 1)]
            if len(page) < most:
                break
            after = b"(" + page[-1]
        return found

    def most_in_seal(self) -> int:
        """Return the most entries that one seal may have: the server answers nobody while it stores one."""
        return SEALED

    def add_seal(self, seal: Seal, entries: Sequence[Entry]) -> bool:
        """Store a seal and move its entries into it, or return False with nothing changed."""
        if any(entry.site != self.site for entry in entries):
            return False
        with self._using() as link:
            pairs = [(keys.key_of(entry), keys.document_of(entry)) for entry in entries]
            if len({key for key, _ in pairs}) < len(pairs):
                return False
            names = self._keys
            done = link.script(
                scripts.ADD_SEAL,
                (
                    names.head,
                    names.index,
                    names.waiting,
                    names.sealed(seal.number),
                    names.seals,
                    names.leaves,
                    names.kept,
                ),
                (
                    seal.number,
                    seal.day,
                    keys.seal_text(seal),
                    b"".join(seal.leaves or ()),
                    *(part for pair in pairs for part in pair),
                ),
                slow=True,
            )
            return bool(done)

    def last_seal(self) -> Seal | None:
        """Return the newest seal, or None."""
        with self._using() as link:
            head = link.read("GET", self._keys.head)
            if head is None:
                return None
            if found := self._seals(link, [int(head)]):
                return found[0]
            # The chain was cut short by somebody: show what is left.
            left = [int(number) for number in link.read("HKEYS", self._keys.seals, slow=True)]
            return self._seals(link, [max(left)])[0] if left else None

    def seals(self, first: int = 1, limit: int = 1000) -> list[Seal]:
        """Return up to ``limit`` seals from number ``first`` on, in order."""
        with self._using() as link:
            numbers = self._numbers(link)
            numbers = numbers[bisect_left(numbers, first) :]
            found: list[Seal] = []
            while numbers and len(found) < limit:
                most = min(SEALS, limit - len(found))
                found += self._seals(link, numbers[:most])
                numbers = numbers[most:]
            return found

    def sealed(self, number: int) -> list[Kept]:
        """Return the entries that claim to be in that seal, by place."""
        with self._using() as link:
            found = link.read("HGETALL", self._keys.sealed(number), slow=True)
            there = sorted(pairs(found), key=lambda one: (int(one[0]), one[1]))
            if not there:
                return []
            # An entry that is not in the index counts as missing.
            members = [keys.split(kept)[0] + b"%d/%b" % (number, place) for place, kept in there]
            scores = link.read("ZMSCORE", self._keys.index, *members, slow=True)
            return [
                Kept(keys.entry_of(self.site, kept), number, int(place))
                for (place, kept), score in zip(there, scores, strict=True)
                if score is not None
            ]

    def erase(self, receipt: str, day: int, mark: str = "") -> int:
        """Erase the entries of a receipt, leave a tombstone for each sealed one, and a mark; return their number."""
        entry = mark_entry(self.site, day, mark)
        marked = (keys.key_of(entry), keys.document_of(entry)) if mark else (b"", b"")
        with self._using() as link:
            for _ in range(TRIES):
                found = self._entries(link, self._members(link, receipt))
                if not (found or mark) or any(kept and kept.entry.act in ABOUT_NOBODY for _, kept in found):
                    return 0
                names = [self._keys.index, self._keys.waiting, self._keys.erased]
                args: list[str | bytes | int] = [receipt.encode() + b"\0", len(found), *marked]
                for member, _ in found:
                    key, where = keys.split(member)
                    place = keys.stand(where)
                    if place is None:
                        args += [key, where, 0, 0, b"", b""]
                        continue
                    names.append(self._keys.sealed(place[0]))
                    left = tombstone(self.site, day, *place)
                    args += [key, where, len(names), place[1], keys.key_of(left), keys.document_of(left)]
                if (erased := link.script(scripts.ERASE, names, args)) >= 0:
                    return int(erased)
            raise RecordsError("The records of this receipt are changing all the time: try again.")

    def adopt(self, seal: Seal | None, kept: Iterable[Kept]) -> None:
        """Store a seal of another store with its entries, or unsealed entries; see :class:`CopyTarget`."""
        names = self._keys
        rows = list(kept)
        number, sealed = (seal.number, names.sealed(seal.number)) if seal else ("", names.schema)
        with self._using() as link:
            for first in range(0, len(rows), PAGE):
                args: list[str | bytes | int] = [number]
                for one in rows[first : first + PAGE]:
                    args += [keys.key_of(one.entry), one.place or 0, keys.document_of(one.entry)]
                link.script(scripts.ADOPT, (names.index, names.waiting, sealed), args, slow=True, repeat=True)
            if seal is not None:  # last: until then, its entries are in no seal
                text = (seal.number, seal.day, keys.seal_text(seal), b"".join(seal.leaves or ()))
                places = (names.head, names.seals, names.leaves, names.kept)
                link.script(scripts.ADOPT_SEAL, places, text, slow=True, repeat=True)

    def clear(self, marks: Sequence[Entry]) -> None:
        """Delete everything of the site but the marks; see :class:`CopyTarget`."""
        names = self._keys
        every = (
            *(names.index, names.waiting, names.erased, names.head, names.seals, names.leaves, names.kept),
            *(names.notices, names.counts, names.tables, names.learned, names.observed),
        )
        args = [part for entry in marks for part in (keys.key_of(entry), keys.document_of(entry))]
        with self._using() as link:
            link.script(scripts.CLEAR, every, args, slow=True, repeat=True)
            # Keys that the ones above no longer refer to; an interrupted call may have left some of them.
            for pattern in names.scattered:
                cursor = b"0"
                while True:
                    cursor, found = link.read("SCAN", cursor, "MATCH", pattern, "COUNT", PAGE, slow=True)
                    if found:
                        link.write("UNLINK", *found)
                    if cursor == b"0":
                        break

    def due(self, before: int) -> tuple[int, int]:
        """Return the number of entries in seals dated before that day, and in all seals that were not purged."""
        names = self._keys
        due = sealed = 0
        with self._using() as link:
            numbers = link.read("ZRANGE", names.kept, 0, -1, slow=True)
            for at in range(0, len(numbers), PAGE):
                texts = link.read("HMGET", names.seals, *numbers[at : at + PAGE], slow=True)
                for text in filter(None, texts):
                    day, size = keys.day_and_size(text)
                    sealed += size
                    due += size if day < before else 0
        return due, sealed

    def purge(self, before: int) -> int:
        """Drop the entries and leaves of seals dated before that day, seal by seal; return the number of entries."""
        names = self._keys
        dropped = 0
        with self._using() as link:
            while due := link.read("ZRANGEBYSCORE", names.kept, "-inf", f"({before}", "LIMIT", 0, SEALS):
                for number in due:
                    gone = (names.index, names.sealed(int(number)), names.leaves, names.kept, names.erased)
                    dropped += link.script(scripts.PURGE, gone, (number,), slow=True)
            if link.read("EXISTS", names.erased):
                self._wipe(link)
        return dropped

    # -- helpers

    def _numbers(self, link: RedisLink, head: int | None = None) -> Sequence[int]:
        """Return the numbers of the seals up to the head, in order."""
        newest, size = link.read_all([("GET", self._keys.head), ("HLEN", self._keys.seals)])
        last = int(newest or 0) if head is None else head
        if last <= size:
            return range(1, last + 1)
        # Seals are missing, or somebody changed the head, which may be any number.
        every = sorted(map(int, link.read("HKEYS", self._keys.seals, slow=True)))
        return [number for number in every if 1 <= number <= last]

    def _members(self, link: RedisLink, receipt: str) -> list[bytes]:
        """Return the index members of a receipt, by step."""
        head = receipt.encode() + b"\0"
        found: list[bytes] = link.read("ZRANGEBYLEX", self._keys.index, b"[" + head, b"(" + head + b"\xff")
        return found

    def _entries(self, link: RedisLink, members: Sequence[bytes]) -> list[tuple[bytes, Kept | None]]:
        """Return each member of the index with its entry, or with None if the entry is gone."""
        found: dict[bytes, tuple[bytes, Kept | None]] = {}
        left = list(members)
        for _ in range(TRIES):
            asked: list[tuple[str | bytes | int, ...]] = []
            for member in left:
                key, where = keys.split(member)
                place = keys.stand(where)
                if place is None:
                    asked.append(("ZRANGEBYLEX", self._keys.waiting, b"[" + key, b"(" + key + b"\xff", "LIMIT", 0, 1))
                else:
                    asked.append(("HMGET", self._keys.sealed(place[0]), place[1]))
            answers = link.read_all(asked, slow=len(asked) > 2) if asked else []
            missing = []
            for member, answer in zip(left, answers, strict=True):
                key, where = keys.split(member)
                kept = answer[0] if answer else None
                if kept is not None and kept.startswith(key):
                    found[key] = member, Kept(keys.entry_of(self.site, kept), *(keys.stand(where) or (None, None)))
                else:
                    missing.append(key)
            if not missing:
                break
            # Sealed or erased since the index was read, or removed by somebody else.
            spans = [("ZRANGEBYLEX", self._keys.index, b"[" + key, b"(" + key + b"\xff") for key in missing]
            left = [member for answer in link.read_all(spans, slow=True) for member in answer]
        found.update({keys.split(member)[0]: (member, None) for member in left if keys.split(member)[0] not in found})
        return [found[key] for member in members if (key := keys.split(member)[0]) in found]

    def _seals(self, link: RedisLink, numbers: Sequence[int]) -> list[Seal]:
        """Return those of the seals that exist."""
        texts, leaves = link.read_all(
            [("HMGET", self._keys.seals, *numbers), ("HMGET", self._keys.leaves, *numbers)], slow=True
        )
        return [
            keys.seal_of(self.site, number, text, listed)
            for number, text, listed in zip(numbers, texts, leaves, strict=True)
            if text is not None
        ]

    def _wipe(self, link: RedisLink) -> None:
        """Ask the server to rewrite its append-only file, without the erased entries."""
        try:
            link.write("BGREWRITEAOF")
        except RedisError as error:
            _log.warning("what was erased is still in the append-only file: %s", reason(error, self._address))
        else:
            link.write("DEL", self._keys.erased)
