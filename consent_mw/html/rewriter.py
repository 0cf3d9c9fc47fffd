"""
The streaming rewriter: takes the bytes of a page and returns the same bytes with the holds inserted.

Theory of operation. ``feed(chunk)`` appends the chunk to a buffer and lets each
:class:`~consent_mw.html.scanner.reading.Reading` read on as far as the bytes at hand allow. Readings note edits: an
offset in the page, a number of bytes to leave out, and bytes to insert. The buffer is then sent up to the position of
the hindmost reading, with the edits made, and forgotten. ``finish()`` returns the rest. The output does not depend on
how the page is cut into chunks.

Most pages have one reading. If browsers read a page in several ways, several readings are followed until they meet
again, and the edits of all of them are made.

Only the construct that the last chunk cut is kept back: a tag, an inline script, or one token of a style sheet. The
limit is ``HoldPolicy.hold_back`` bytes (1 MiB), and ``HoldPolicy.longest_script`` for an inline script. A script beyond
the limit is held; a tag beyond it is held unless its beginning proves it harmless. After an error the rewriter is dead.
"""

from __future__ import annotations

from bisect import bisect_left
from bisect import bisect_right
from itertools import pairwise

from consent_mw.errors import DeadRewriter
from consent_mw.errors import RefusedMarkup
from consent_mw.html.hold_policy import KEY
from consent_mw.html.hold_policy import KEY_IN_ADDRESS
from consent_mw.html.hold_policy import Edit
from consent_mw.html.holder import Holder
from consent_mw.html.iso2022jp import Piece
from consent_mw.html.iso2022jp import SourceBytes
from consent_mw.html.meta_csp import Amend
from consent_mw.html.scanner.document import Insert
from consent_mw.html.scanner.document import Names
from consent_mw.html.scanner.document import Panel
from consent_mw.html.scanner.document import Queue
from consent_mw.html.scanner.follower import MOST_HISTORY
from consent_mw.html.scanner.reading import Reading

#: The most readings of one page that are followed at once. Only an attack needs more.
_MOST_READINGS = 8
#: The bytes that are stored before the trees read on, once a page was longer than MOST_HISTORY.
_LATER_HISTORY = 512 * 1024
#: Chunks below this size are stored together, in bytes.
_SMALL = 4096


class Marks:
    """
    Puts the key of a response into insertions, each time with a different number.

    Args:
        key: The response's key; empty if nothing is released.
        xml: Whether the page is XHTML.
    """

    def __init__(self, key: str, *, xml: bool) -> None:
        self._key = key
        self._quote = '"' if xml else ""
        self._count = 0

    def __call__(self, inserted: bytes) -> bytes:
        """Return an insertion with its placeholder replaced by the key."""
        if not self._key:
            return inserted.replace(KEY_IN_ADDRESS, b"").replace(KEY, b"")
        self._count += 1
        mark = f" data-cmw-key={self._quote}{self._key}.{self._count}{self._quote}"
        return inserted.replace(KEY_IN_ADDRESS, f"cmw-key={self._key}#".encode()).replace(KEY, mark.encode())


class Rewriter:
    """
    Rewrites one document.

    Args:
        holder: The page, the decision and the rules.
        insert: Returns the banner; None for a fragment.
        first: Returns the code that runs before all other code; None for a fragment.
        undeclared: Whether the page may declare its charset in a meta element; ``first`` then follows that element.
        amend: Returns what to insert into a Content-Security-Policy in the page; None to leave it alone.

    Raises:
        DeadRewriter: on use after the end or an error.
        RefusedMarkup: if the page cannot be read safely.
    """

    def __init__(
        self,
        holder: Holder,
        insert: Insert | None = None,
        first: Insert | None = None,
        *,
        undeclared: bool = False,
        amend: Amend | None = None,
    ) -> None:
        self.holder = holder
        self.insert = insert
        self.first = first
        self.undeclared = undeclared
        self.amend = amend
        self.policies: list[str] = []
        #: Returns what to insert before a held script; None for a fragment.
        self.queue: Queue | None = None
        #: Returns what to insert before a script that names embeds in data; None for nothing.
        self.names: Names | None = None
        #: Returns the panel in place of an embed that a script would create; None for no panels.
        self.panel: Panel | None = None
        #: A secret in our marks, which no text of the page can contain; empty if nothing is released.
        self.key = ""
        self._marks: Marks | None = None
        #: The tag after which the author asks for the banner; may be set while the page arrives.
        self.mark = b""
        #: The services for which something was held, by id.
        self.held: set[str] = set()
        #: Whether the body has begun, so that elements with relative addresses may precede; true of all fragments.
        self.begun = False
        #: Whether a policy in the response's headers may allow inline scripts by their hashes, so that none is cut.
        self.has_hashes = False
        #: If this is a list, the offset in the output and the length of each insertion.
        self.trace: list[tuple[int, int]] | None = None
        #: If this is a list, the edits that were made, at offsets of the page.
        self.record: list[Edit] | None = None
        self._buffer = bytearray()
        self._history = PassedBytes()
        #: The bytes to send, if the readings read a decoded copy.
        self._source: SourceBytes | None = None
        self._origin = 0
        self._sent = 0
        self._alive = True
        self._readings: list[Reading] = [Reading(self, holder, primary=True)]

    def feed(self, chunk: bytes, pieces: list[Piece] | None = None) -> bytes:
        """
        Take the next bytes of the page and return what can be sent.

        Args:
            pieces: The pieces of ``chunk`` if it was decoded; their source bytes are sent.
        """
        self._check_alive()
        if pieces is not None:
            if self._source is None:
                self._source = SourceBytes()
                self._source.add([Piece(bytes(self._buffer), bytes(self._buffer))])
            self._source.add(pieces)
        # Read at most as much at once as may be kept back, so that the cuts do not decide which construct is too long.
        room = self._room()
        if len(chunk) <= room:
            return self._run(chunk, final=False)
        out = []
        at = 0
        view = memoryview(chunk)  # slicing it copies nothing
        while at < len(chunk):
            end = at + self._room()
            out.append(self._run(view[at:end], final=False))
            at = end
        return b"".join(out)

    def finish(self) -> bytes:
        """Return the rest of the page."""
        self._check_alive()
        out = self._run(b"", final=True)
        self._alive = False
        # The parts of a rewriter refer to each other. Break the cycle here: otherwise the page and its view would stay
        # in memory until the garbage collector runs, and it would run for every tenth page.
        for reading in self._readings:
            reading.end()
        self._readings = []
        self.insert = self.first = self.amend = self.queue = self.names = self.panel = None
        return out if self._source is None else out + self._source.rest()

    def _check_alive(self) -> None:
        if not self._alive:
            raise DeadRewriter("this rewriter has finished or failed; make a new one for each response")

    def _room(self) -> int:
        room = min(reading.cursor.room() for reading in self._readings)
        if room <= 0:
            self._alive = False
            raise RefusedMarkup("a part of the page that must be seen whole is longer than hold_back", "hold_back")
        return room

    def _run(self, chunk: bytes | memoryview, *, final: bool) -> bytes:
        self._alive = False
        self._history.add(chunk)
        self._buffer += chunk
        self._read(final=final)
        safe = min(reading.cursor.position for reading in self._readings)
        out = self._send(safe)
        self._alive = True
        return out

    def _read(self, *, final: bool) -> None:
        """
        Read on as far as the bytes at hand allow.

        Several readings move tag by tag, the hindmost first. So two of them meet wherever they can, and the number of
        readings at any time does not depend on how the page is cut.
        """
        buffer, origin = self._buffer, self._origin
        while True:
            if len(self._readings) == 1:
                self._readings[0].run(buffer, origin, final=final)
                if len(self._readings) == 1:
                    break
            hindmost = min(self._readings, key=lambda reading: reading.cursor.position)
            if not hindmost.step(buffer, origin, final=final) and hindmost.cursor.position < len(buffer):
                break
            self._merge()
            if all(reading.cursor.position >= len(buffer) for reading in self._readings):
                break

    def fork(self, reading: Reading) -> None:
        """Follow one more reading of the page."""
        if len(self._readings) >= _MOST_READINGS:
            raise RefusedMarkup("the page's markup can be read in too many ways to hold anything in it safely")
        self._readings.append(reading)

    def since(self, offset: int, end: int) -> bytes:
        """Return the bytes of the page from ``offset`` to ``end``, which the trees of a reading still have to read."""
        return self._history.since(offset, end)

    def readings(self) -> int:
        """Return the number of readings."""
        return len(self._readings)

    def forget(self, count: int) -> None:
        """Keep only the first ``count`` readings."""
        del self._readings[count:]

    def follows(self, reading: Reading) -> bool:
        """Return whether this reading is followed."""
        return any(one is reading for one in self._readings)

    def _merge(self) -> None:
        """Merge readings that will read the rest of the page alike."""
        kept: list[Reading] = []
        for reading in self._readings:
            twin = next((other for other in kept if other.agrees(reading)), None)
            if twin is None:
                kept.append(reading)
            else:
                twin.join(reading)
        self._readings = kept

    def _reconciled(self, edits: list[Edit]) -> list[Edit]:
        """
        Return the edits of several readings without the removals of a tag that another reading edits.

        The other reading sees the same tag and holds it as well, so the edits inside it are enough. The output then
        does not depend on where in the page the readings met.
        """
        kept = []
        for position, left_out, inserted in edits:
            start = position - self._origin
            one_tag = left_out > 1 and self._buffer.rfind(b"<", start, start + left_out) == start
            inside = one_tag and any(position < other < position + left_out for other, _, _ in edits)
            if not inside:
                kept.append((position, left_out, inserted))
        return kept

    def _send(self, safe: int) -> bytes:
        """Return the bytes up to ``safe`` with the edits made, and drop them from the buffer."""
        buffer, source = self._buffer, self._source
        edits = self._readings[0].cursor.edits
        if len(self._readings) > 1 or any(later[0] <= sooner[0] for sooner, later in pairwise(edits)):
            merged = [edit for reading in self._readings for edit in reading.cursor.edits]
            edits = self._reconciled(list(dict.fromkeys(sorted(merged, key=lambda edit: edit[0]))))
            if any(later[0] < sooner[0] + sooner[1] for sooner, later in pairwise(edits)):
                # If one reading removes an element that another keeps, the other may read what follows differently.
                raise RefusedMarkup("the page's markup can be read in several ways, so nothing may be left out of it")
        limit = self._origin + safe
        # The buffer is copied once, by the join: views of it are not copies.
        view = memoryview(buffer)
        parts: list[bytes | memoryview] = []
        at = counted = length = 0
        for count, (position, left_out, inserted) in enumerate(edits):
            if position > limit or (left_out and position + left_out > limit):
                # A removal is kept back until all of its bytes are there.
                safe = min(safe, position - self._origin)
                later = set(edits[count:])
                break
            if self.record is not None:
                self.record.append((position, left_out, inserted))
            if KEY in inserted:
                self._marks = self._marks or Marks(self.key, xml=self.holder.xml)
                inserted = self._marks(inserted)
            start = position - self._origin
            if start > at:
                parts.append(view[at:start] if source is None else source.take(start - at))
                at = start
            if self.trace is not None and inserted:
                length += sum(map(len, parts[counted:]))
                counted = len(parts)
                self.trace.append((self._sent + length, len(inserted)))
            parts.append(inserted if source is None else source.place(inserted))
            if source is not None and left_out:
                parts.append(source.drop(left_out))
            at = max(at, start + left_out)
        else:
            later = set()
        parts.append(view[at:safe] if source is None else source.take(safe - at))
        out = b"".join(parts)
        parts.clear()
        view.release()
        for reading in self._readings:
            reading.cursor.edits = [edit for edit in reading.cursor.edits if edit in later] if later else []
            reading.cursor.position -= safe
        del buffer[:safe]
        self._origin += safe
        self._history.trim(self._readings)
        self._sent += len(out)
        return out


class PassedBytes:
    """The bytes of the page that a tree may have to read later; those that no reading needs are dropped."""

    def __init__(self) -> None:
        # The chunks as they came, each with its offset in the page. Few pages need any of them again.
        self._chunks: list[bytes] = []
        self._starts: list[int] = []
        #: Small chunks, gathered until they are worth an entry.
        self._small = bytearray()
        self._end = 0
        #: The size above which the trees read what is stored.
        self._limit = MOST_HISTORY

    def add(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes of the page."""
        if len(chunk) < _SMALL:
            self._small += chunk
            self._end += len(chunk)
            if len(self._small) >= _SMALL:
                self._gather()
            return
        self._gather()
        self._starts.append(self._end)
        self._chunks.append(bytes(chunk))  # the same object, if it is bytes
        self._end += len(chunk)

    def _gather(self) -> None:
        if self._small:
            self._starts.append(self._end - len(self._small))
            self._chunks.append(bytes(self._small))
            self._small.clear()

    def since(self, offset: int, end: int) -> bytes:
        """Return the bytes from ``offset`` of the page to ``end``."""
        self._gather()
        first = bisect_right(self._starts, offset) - 1
        last = bisect_left(self._starts, end)
        parts = [memoryview(chunk) for chunk in self._chunks[first:last]]
        if not parts:
            return b""
        parts[-1] = parts[-1][: end - self._starts[last - 1]]
        parts[0] = parts[0][offset - self._starts[first] :]
        return b"".join(parts)

    def trim(self, readings: list[Reading]) -> None:
        """Above the limit, let the trees read what is stored, and drop the chunks that no reading needs any more."""
        if self._end - (self._starts[0] if self._starts else 0) <= self._limit:
            return
        for reading in readings:
            reading.fold()
        needed = min(reading.needs_from for reading in readings)
        count = max(bisect_right(self._starts, needed) - 1, 0)
        del self._chunks[:count]
        del self._starts[:count]
        # A tree may be waiting for the end of a construct. Try again when as many bytes have arrived again.
        self._limit = max(_LATER_HISTORY, 2 * (self._end - needed))
