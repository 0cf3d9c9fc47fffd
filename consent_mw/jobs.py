"""
The visitor's choice outside of a request: in queues, scheduled jobs, and other code that runs after the response.

Create ``ConsentJobs(config)`` with the site's configuration, in the process that serves the site and in the worker. One
freezes a decision, the other thaws it::

    jobs = ConsentJobs("consent.toml")
    queue.send(order.id, jobs.freeze(consent_mw.current(environ)))  # in the view
    if jobs.thaw(text, ask_ledger=True).allows("marketing"): ...    # in the worker

A frozen decision is a short signed string. It holds the same as the cookie: the day, the grants, and the receipt id if
there is one; nothing else about the visitor. Thawing makes a new decision: a choice that has expired meanwhile, or that
answered another question, grants nothing. A string that does not verify grants nothing either. No string from a queue
raises.

The steps of :meth:`ConsentJobs.thaw`; the numbers are repeated in the code:

(1) The text has the form of a frozen decision, and a bounded length.
(2) One of the site's keys signed it, for this use and this site.
(3) Its content can be read.
(4) The current configuration decides, with the opt-out signal that was frozen.
(5) If the ledger is asked, the receipt is in it and has not ended.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from consent_mw.core.choice import Action
from consent_mw.core.choice import Decision
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Reason
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.core.decide import decide
from consent_mw.core.model import Site
from consent_mw.core.seal import ENDS
from consent_mw.core.seal import GRANTS
from consent_mw.errors import RecordsError

if TYPE_CHECKING:
    from consent_mw.cookies.choice import CookieJar
    from consent_mw.records import Records
    from consent_mw.records.observations import SiteObservations

__all__ = ["ConsentJobs"]

#: Most characters of a frozen decision; ours are always shorter.
_LONGEST = 4096
#: Version, opt-out signal, the cookie's payload or the reason why there is none, signature.
_FROZEN = re.compile(r"(1\.([01])\.(?:!([a-z-]{1,32})|([A-Za-z0-9~_-]+)))\.([A-Za-z0-9_-]{43})", re.ASCII)
_SECONDS_OF_DAY = 86_400


class ConsentJobs:
    """
    Freezes and thaws decisions, and finds those of receipts; safe for threads and forks.

    The records are opened on first use.

    Args:
        config: The same configuration as for :class:`consent_mw.ConsentMiddleware`.
        clock: Seconds since 1970-01-01 UTC.

    Raises:
        ConfigError: with every mistake in ``config``.
    """

    def __init__(
        self,
        config: None | str | os.PathLike[str] | Mapping[str, object] | Site = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        from consent_mw.config import load  # imported here, so that importing this module stays cheap
        from consent_mw.cookies.keys import load_keys
        from consent_mw.core.signing import signer

        self._site = config if isinstance(config, Site) else load(config)
        self._keys = load_keys(self._site, os.environ)
        # Domain separation: neither a cookie nor another site's string may pass as a frozen decision.
        self._signer = signer(self._keys, "consent_mw.decision.v1", self._site.id, self._site.name)
        self._clock = clock
        self._lock = Lock()
        self._records: Records | None = None
        self._observations: SiteObservations | None = None

    def freeze(self, decision: Decision) -> str:
        """
        Return the decision as a signed string: ASCII without spaces, at most 4096 characters.

        Raises:
            ConsentError: if the choice is too large for a cookie.
        """
        record = decision.record
        held = (
            f"!{decision.reason.value}" if record is None else self._jar(self._asked(record.revision)).payload(record)
        )
        return self._signer.sign(f"1.{int(decision.gpc)}.{held}").decode("ascii")

    def thaw(self, text: str, *, ask_ledger: bool = False) -> Decision:
        """
        Return the current decision for a frozen one; if it is not valid, only necessary services are granted.

        Args:
            text: From :meth:`freeze`.
            ask_ledger: Whether to ask the records too, so that a withdrawal since then counts.

        Raises:
            RecordsError: if the records cannot be reached but are needed, because of ``ask_ledger`` or because the site
                declares no services. Nothing is known then: retry the job later.
        """
        from consent_mw.core.signing import is_canonical

        today = self._today()
        shape = _FROZEN.fullmatch(text) if len(text) <= _LONGEST else None
        if shape is None or not is_canonical(shape[5]):  # (1)
            return decide(self._site, NoRecord.MALFORMED, Signals(), today)
        if not self._signer.validate(text):  # (2)
            return decide(self._site, NoRecord.FORGED, Signals(), today)
        site = self._now(_revision_of(shape[4] or ""))
        signals = Signals(gpc=shape[2] == "1")
        if shape[3]:
            return _without(site, shape[3], signals, today)
        record = self._jar(site).parse(shape[4])
        if record is None:  # (3)
            return decide(site, NoRecord.MALFORMED, signals, today)
        decision = decide(site, record, signals, today)  # (4)
        if ask_ledger and decision.record is not None and record.receipt and self._ended(record.receipt):  # (5)
            return _without(site, Reason.ENDED.value, signals, today)
        return decision

    def find(self, receipt: str) -> Decision:
        """
        Return the decision for a receipt from the records; for an unknown one, only necessary services are granted.

        The records do not contain later opt-out signals. If one may have arrived since, freeze the decision instead.

        Args:
            receipt: ``decision.receipt`` of an earlier request, or the one passed to ``on_change``.

        Raises:
            RecordsError: if the records cannot be reached. Nothing is known then: retry later.
        """
        today = self._today()
        entries = [kept.entry for kept in self._open().history(receipt)] if receipt else []
        grant = next((entry for entry in entries if entry.act in GRANTS), None)
        site = self._now("" if grant is None else grant.revision)
        if grant is None:
            return decide(site, NoRecord.ABSENT, Signals(), today)
        if any(entry.act in ENDS for entry in entries):
            return _without(site, Reason.ENDED.value, Signals(), today)
        record = Record(
            action=Action(grant.act.value),
            day=grant.day,
            revision=grant.revision,
            purposes=grant.purposes,
            services=grant.services,
            receipt=grant.receipt,
            gpc=grant.gpc,
        )
        return decide(site, record, Signals(gpc=grant.gpc), today)

    def close(self) -> None:
        """Close the records; they are reopened on next use."""
        with self._lock:
            records, self._records, self._observations = self._records, None, None
        if records is not None:
            records.close()

    # -- the parts

    def _today(self) -> int:
        return int(self._clock() // _SECONDS_OF_DAY)

    def _jar(self, site: Site) -> CookieJar:
        from consent_mw.cookies.choice import CookieJar

        return CookieJar(site, self._keys)

    def _open(self) -> Records:
        from consent_mw.records import open_records

        with self._lock:
            if self._records is None:
                self._records = open_records(self._site.records, site=self._site.id, spool=self._site.spool)
            return self._records

    def _asked(self, revision: str) -> Site:
        """Return the site whose notice is in effect, or the coming one if the answer has its revision."""
        before = self._site.before
        if before is None or self._clock() >= self._site.takes_effect or revision == self._site.revision:
            return self._site
        return before

    def _now(self, revision: str = "") -> Site:
        """Return the site, with its learned services, by which an answer with this revision is judged."""
        site = self._asked(revision)
        if not site.grows:
            return site
        from consent_mw.catalogue.definitions import joined
        from consent_mw.catalogue.strangers import learnable
        from consent_mw.records.observations import SiteObservations

        try:
            records = self._open()
            with self._lock:
                if self._observations is None:
                    self._observations = SiteObservations(
                        records, learnable(site, joined(site.definitions)), self._today
                    )
            self._observations.share()
        except RecordsError:
            # Declared services are known without the records; unknown third parties are not granted.
            if site.learning:
                raise
        learned = self._observations.services if self._observations is not None else ()
        return replace(site, services=site.services + learned)

    def _ended(self, receipt: str) -> bool:
        """Return whether the receipt has ended; one that is not in the ledger was erased."""
        history = self._open().history(receipt)
        return not history or any(kept.entry.act in ENDS for kept in history)


def _revision_of(payload: str) -> str:
    """Return the revision in the readable part of a choice, or an empty string."""
    fields = payload.split("~")
    return fields[2] if len(fields) > 2 else ""


def _without(site: Site, reason: str, signals: Signals, today: int) -> Decision:
    """Return the decision without a choice, with the reason of an earlier decision."""
    decision = decide(site, NoRecord.ABSENT, signals, today)
    known = next((known for known in Reason if known.value == reason), Reason.MALFORMED)
    return decision if decision.reason is Reason.NOTHING_TO_ASK else replace(decision, reason=known)
