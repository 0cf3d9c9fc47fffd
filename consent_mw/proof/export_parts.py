"""
Exports in several processes, and of what was sealed since the last export.

Theory of operation. The ledger is cut into parts: ranges of receipts, or, for what is new, of seals. Worker processes
turn parts into text, and the calling process yields these texts in the order of the parts. So the bytes are the same as
those of one process; nothing is written to the disk on the way; and memory is bounded, because a part is small and only
a few of them are ahead of the output.

Receipts are random and begin with any character of base64url, so ranges of equal width have about as many entries. The
ranges cover all strings, whatever they begin with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import closing
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

from consent_mw.core.seal import Kept
from consent_mw.errors import RecordsError
from consent_mw.proof.export import FORMS
from consent_mw.proof.findings import Checkpoint
from consent_mw.proof.workers import worker_pool
from consent_mw.records import open_records
from consent_mw.records.replica import Reads
from consent_mw.records.replica import ReplicaReads

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["ExportJob", "ExportPart", "check_continues", "export_in_parts", "parts_by_receipt", "parts_by_seal"]

#: About as many entries are in a part.
ENTRIES = 5_000
#: Seals in a part: up to 20,000 entries.
SEALS = 4
#: The characters of a receipt (base64url) in the order of their bytes, and how many of them the limits of ranges have.
_DIGITS = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_LONG = 3
#: Parts for each process that may be ahead of the output.
_AHEAD = 4


class ExportPart(NamedTuple):
    """
    A part of a ledger: receipts from ``first`` on and before ``end`` (empty: no end), or else seals ``seals``.

    Args:
        seals: Numbers of seals, whose entries come by seal and place.
    """

    first: str = ""
    end: str = ""
    seals: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class ExportJob:
    """
    What the workers need.

    Args:
        url: The address of the store.
        replica: The address of its replica; empty if there is none.
        site: The site's id.
        form: The format, a key of :data:`consent_mw.proof.export.FORMS`.
        facts: What the format needs of the configuration (:attr:`consent_mw.proof.export.Form.facts`).
    """

    url: str
    replica: str
    site: str
    form: str
    facts: Mapping[str, Any]


def parts_by_receipt(entries: int) -> list[ExportPart]:
    """Return parts that together have every entry of a ledger with about so many."""
    most = len(_DIGITS) ** _LONG
    number = min(max(entries // ENTRIES, 1), most)
    limits = ["", *(_limit(at * most // number) for at in range(1, number)), ""]
    return [ExportPart(first, end) for first, end in zip(limits, limits[1:], strict=False)]


def parts_by_seal(first: int, last: int) -> list[ExportPart]:
    """Return parts that together have the seals ``first`` to ``last``."""
    return [ExportPart(seals=range(at, min(at + SEALS, last + 1))) for at in range(first, last + 1, SEALS)]


def check_continues(reads: Reads, since: Checkpoint) -> None:
    """
    Check that the seal of the last export is still in the chain.

    Raises:
        RecordsError: it is not, so what was exported may be gone or changed.
    """
    found = next(iter(reads.seals(since.seal, 1)), None)
    if found is None or found.number != since.seal or found.hash != since.head:
        raise RecordsError(
            f"Seal {since.seal}, up to which the ledger was exported before, is not there any more: verify the ledger, "
            "and export everything."
        )


def export_in_parts(job: ExportJob, parts: Sequence[ExportPart], reads: Reads, *, jobs: int = 1) -> Iterator[str]:
    """
    Yield an export of these parts.

    Args:
        reads: The ledger, for an export in this process.
        jobs: Number of processes; with 1, this process reads the ledger.

    Raises:
        RecordsError: the store fails.
    """
    form = FORMS[job.form]
    yield form.head
    texts = (
        (text for part in parts for text in _lines(job, reads, part)) if jobs == 1 else _from_workers(job, parts, jobs)
    )
    between = form.first
    for text in texts:
        if text:
            yield between + text
            between = form.between
    yield form.tail


def _lines(job: ExportJob, reads: Reads, part: ExportPart) -> Iterator[str]:
    """Yield the lines of a part, without what stands between them."""
    form = FORMS[job.form]
    return form.lines(reads, _entries(reads, part), job.facts)


def _entries(reads: Reads, part: ExportPart) -> Iterator[Kept]:
    if not part.seals:
        yield from reads.entries(part.first, part.end)
    for number in part.seals:
        yield from reads.sealed(number)


def _limit(at: int) -> str:
    found = ""
    for _ in range(_LONG):
        at, digit = divmod(at, len(_DIGITS))
        found = _DIGITS[digit] + found
    return found


# -- several processes


def _from_workers(job: ExportJob, parts: Sequence[ExportPart], jobs: int) -> Iterator[str]:
    """Yield the text of each part in order."""
    left = iter(parts)
    waiting: deque[Future[str]] = deque()
    with worker_pool(jobs) as pool:
        while True:
            while len(waiting) < _AHEAD * jobs and (part := next(left, None)) is not None:
                waiting.append(pool.submit(_text, job, part))
            if not waiting:
                return
            yield waiting.popleft().result()


def _text(job: ExportJob, part: ExportPart) -> str:
    """Return a part as text; runs in a worker process."""
    with _opened(job) as reads:
        return FORMS[job.form].between.join(_lines(job, reads, part))


@contextmanager
def _opened(job: ExportJob) -> Iterator[Reads]:
    """Open the store, or its replica."""
    with closing(open_records(job.url, site=job.site)) as store:
        reads = ReplicaReads(lambda: store, job.replica, site=job.site)
        with closing(reads):
            yield reads.source()
