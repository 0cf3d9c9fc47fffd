"""Record a choice: ledger entries that prove it, and one count."""

from __future__ import annotations

import hashlib
import logging

from consent_mw.cookies.migrating import TakenChoice
from consent_mw.cookies.migrating import document_of
from consent_mw.core import counts
from consent_mw.core.choice import Action
from consent_mw.core.choice import Choice
from consent_mw.core.choice import Record
from consent_mw.core.model import STANDARD_WORDING
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.errors import RecordsError
from consent_mw.proof.erasing import erase
from consent_mw.web.context import WebContext
from consent_mw.web.limits import ClientLimit
from consent_mw.web.visit import Refused
from consent_mw.web.visit import Visit
from consent_mw.web.visit import remote

logger = logging.getLogger("consent_mw.web")

_OUTCOMES = {
    Action.ACCEPT: counts.ACCEPT,
    Action.PARTIAL: counts.PARTIAL,
    Action.REJECT: counts.REJECT,
    Action.WITHDRAW: counts.WITHDRAW,
}


class Proof:
    """Writes choices into the ledger; can be shared between threads."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._limit = ClientLimit()
        #: Notices that this process has stored, by digest, with the day of storing.
        self._kept: dict[str, int] = {}

    def record(self, visit: Visit, record: Record, old: str, taken: TakenChoice | None = None) -> None:
        """
        Append a grant, then the end of the grant that it replaces.

        Args:
            old: The receipt that the record replaces or withdraws, or empty.
            taken: The choice that was taken over from another tool; None for an answer to our notice.

        Raises:
            Refused: if the grant could not be recorded, or its client sent too many; the grant then has no effect.
        """
        if record.receipt:
            site = visit.site
            if not self._limit.allows(
                remote(), visit.head, proxies=site.trusted_proxies, an_hour=site.grants_per_hour, what="grants"
            ):
                raise Refused(429)
            try:
                self._grant(visit, record, taken)
            except RecordsError as error:
                self._context.refusals.number += 1
                logger.error("a grant was refused, because it could not be recorded: %s", error)
                raise Refused(503) from error
        if old:
            self.end(visit, old, Act.REPLACE if record.receipt else Act.WITHDRAW)

    def _grant(self, visit: Visit, record: Record, taken: TakenChoice | None) -> None:
        notice = self._context.notice(visit.wording)
        digest, today = notice.digest, self._context.today()
        if taken is not None:
            digest = hashlib.sha256(document_of(taken)).hexdigest()
        if self._kept.get(digest) != today:
            # Store it again each day: a store that was restored from a backup may lack it.
            self._context.records.keep_notice(digest, notice.document if taken is None else document_of(taken))
            self._kept = {**self._kept, digest: today}
        self._context.records.append(
            Entry(
                site=visit.site.id,
                receipt=record.receipt,
                act=Act.ACCEPT if record.action is Action.ACCEPT else Act.PARTIAL,
                day=record.day,
                revision=record.revision,
                purposes=record.purposes,
                services=record.services,
                gpc=record.gpc,
                language=visit.lang,
                notice=digest,
            )
        )

    def end(self, visit: Visit, receipt: str, act: Act) -> None:
        """Append the end of a receipt. The receipt ends even if the store fails."""
        try:
            self._context.records.append(
                Entry(
                    site=visit.site.id,
                    receipt=receipt,
                    act=act,
                    day=self._context.today(),
                    revision=visit.site.revision,
                )
            )
        except Exception as error:
            logger.error("a withdrawal is honoured, but could not be recorded: %s", loggable(error))

    def erase(self, visit: Visit, receipt: str) -> bool:
        """Erase the entries of a receipt. If the store fails, append its end instead and return False."""
        try:
            context = self._context
            erase(context.records, receipt, site=visit.site.id, keys=context.keys(), today=context.today())
        except Exception as error:
            logger.error("a record could not be erased: %s", loggable(error))
            self.end(visit, receipt, Act.WITHDRAW)
            return False
        return True


def loggable(error: Exception) -> str:
    """Return the part of an error that may be logged; messages of other libraries may contain a receipt."""
    return str(error) if isinstance(error, RecordsError) else type(error).__name__


def count(context: WebContext, visit: Visit, chosen: Choice, *, opened: bool = False, wording: str = "") -> None:
    """
    Count an answer unless it repeats the current choice. A failure never affects the answer.

    Args:
        opened: Whether the visitor had opened the choices before.
        wording: The wording that the answered form names. Without one, the answer counts for the wording that the
            visit was asked with, wherever it was given.
    """
    held = visit.decision.record
    if held is not None and (held.purposes, held.services) == (chosen.purposes, chosen.services):
        return
    try:
        if context.counting is not None:
            named = wording in (STANDARD_WORDING, *context.site().wordings)
            asked = wording if named else context.drawn(visit.head, remote())
            context.counting.answered(
                visit.head,
                remote(),
                _OUTCOMES[chosen.action],
                chosen.purposes,
                counts.BannerShown(visit.lang, context.site().form(asked), visit.decision.gpc, opened=opened),
            )
    except Exception as error:
        # The error's message may quote the request.
        logger.error("an answer could not be counted: %s", type(error).__name__)
