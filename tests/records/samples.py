"""Sample entries, seals and counts for a store, and helpers for concurrent use."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import replace

from consent_mw.core.seal import NO_SEAL
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Seal
from consent_mw.core.seal import in_order
from consent_mw.core.seal import merkle_root
from consent_mw.records import Records

SITE = "site"
DAY = 20_779


def a_grant(receipt: str = "r" * 22, **fields: object) -> Entry:
    """Return a grant with a value in every field."""
    entry = Entry(
        site=SITE,
        receipt=receipt,
        act=Act.PARTIAL,
        day=DAY,
        revision="0123456789ab",
        purposes=frozenset({"marketing", "analytics"}),
        services=frozenset({"youtube", "ga"}),
        gpc=True,
        language="de",
        notice="ab" * 32,
    )
    return replace(entry, **fields)  # type: ignore[arg-type]


def its_end(entry: Entry, act: Act = Act.WITHDRAW) -> Entry:
    """Return the entry that ends a grant."""
    return replace(entry, act=act, purposes=frozenset(), services=frozenset())


def next_seal(store: Records, entries: Sequence[Entry], day: int = DAY, site: str = SITE) -> Seal:
    """Return the next seal of the store's chain, over the entries."""
    last = store.last_seal()
    leaves = tuple(entry.leaf for entry in entries)
    return Seal(
        site=site,
        number=last.number + 1 if last else 1,
        day=day,
        size=len(leaves),
        root=merkle_root(leaves),
        previous=last.hash if last else NO_SEAL,
        leaves=leaves,
        signature="signed",
    )


def seal_all(store: Records, day: int = DAY, site: str = SITE) -> Seal:
    """Seal all unsealed entries, and return the seal."""
    entries = in_order(store.unsealed(10_000))
    seal = next_seal(store, entries, day, site)
    assert store.add_seal(seal, entries)
    return seal


def in_processes(count: int, work: Callable[..., None], *arguments: object) -> list[int | None]:
    """Call ``work(number, *arguments)`` in ``count`` forked processes at once, and return their exit codes."""
    forking = multiprocessing.get_context("fork")
    gate = forking.Barrier(count)
    children = [forking.Process(target=_together, args=(gate, work, number, *arguments)) for number in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    return [child.exitcode for child in children]


def run_together(work: list[Callable[[], None]]) -> None:
    """Call each function in its own thread."""
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _together(gate: threading.Barrier, work: Callable[..., None], *arguments: object) -> None:
    gate.wait(60)
    work(*arguments)
