"""
The decision for one request, from the site, the record, the signals and the day.

A total, pure function: every combination of arguments gives a decision, and anything unreliable grants nothing. The
rules, in the order in which they apply; the numbers are repeated in the code:

(1) Necessary services and required purposes are always granted.
(2) If no declared service is optional, there is nothing to ask.
(3) Without a record, or without one that verifies, nothing else is granted.
(4) A record of another revision answered another question, so it grants nothing.
(5) A record older than ``choice_days`` has expired and grants nothing.
(6) A record dated more than one day ahead is not trusted and grants nothing. The day of tolerance is for machines
    whose clocks differ around midnight.
(7) A valid record grants what it lists and is still declared, and only if the visitor accepted something.
(8) Under GPC, services with the marketing purpose are revoked, and so is the purpose, unless the record was made under
    GPC: then it is an explicit choice despite the signal. A tag manager keeps running for another of its purposes that
    the record grants.
(9) The visitor is asked if something is optional and no record is valid, unless GPC has answered everything.
(10) A suspect that was discovered after the choice is held, and a valid record goes on granting what it grants.
    Visitors who granted everything, or the suspect's purposes, are asked about it. Those who refused have answered.
"""

from __future__ import annotations

from consent_mw.core.choice import Action
from consent_mw.core.choice import Decision
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Reason
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.core.model import MARKETING
from consent_mw.core.model import NECESSARY
from consent_mw.core.model import Service
from consent_mw.core.model import Site

_GRANTING = frozenset({Action.ACCEPT, Action.PARTIAL})

#: Days by which a record may be ahead of this machine's clock.
CLOCK_SLACK_DAYS = 1


def decide(site: Site, found: Record | NoRecord, signals: Signals, today: int) -> Decision:
    """
    Decide what may run for one request.

    Args:
        found: The result of reading the cookie: a verified record, or the reason why there is none.
        today: Whole days since 1970-01-01 UTC.

    Returns:
        A decision whose ``record`` is set only if that record counts (``Reason.CHOSEN``).
    """
    granted = frozenset(service.id for service in site.services if service.necessary)  # (1)
    purposes = frozenset(purpose.id for purpose in site.purposes if purpose.required) | {NECESSARY}  # (1)
    reason = _reason(site, found, today)
    record = found if reason is Reason.CHOSEN and isinstance(found, Record) else None
    if record is not None and record.action in _GRANTING:  # (7)
        refused = signals.gpc and not record.gpc  # (8)
        known = {purpose.id for purpose in site.purposes}.union(*(service.purposes for service in site.optional))
        left = (record.purposes & known) - ({MARKETING} if refused else set())
        granted |= {
            service.id
            for service in site.optional
            if service.id in record.services
            and not (refused and MARKETING in service.purposes and not (service.manager and service.runs_for(left)))
        }
        purposes |= left
    asking = reason is not Reason.NOTHING_TO_ASK
    unanswered = site.optional if record is None else _unanswered(site, record)  # (9), (10)
    open_question = any(not (signals.gpc and service.opted_out) for service in unanswered)
    return Decision(
        granted=granted,
        purposes=purposes,
        prompt=asking and open_question,
        reason=reason,
        gpc=signals.gpc,
        record=record,
    )


def _unanswered(site: Site, record: Record) -> list[Service]:
    """Return the suspects that a valid record does not mention; rule (10)."""
    if record.action not in _GRANTING:
        return []
    return [
        service
        for service in site.optional
        if service.suspected
        and service.id not in record.services
        and (record.action is Action.ACCEPT or service.runs_for(record.purposes))
    ]


def _reason(site: Site, found: Record | NoRecord, today: int) -> Reason:
    """Return the reason why ``found`` counts or does not."""
    if not site.optional:  # (2)
        return Reason.NOTHING_TO_ASK
    if isinstance(found, NoRecord):  # (3)
        return Reason(found.value)
    if found.revision != site.revision:  # (4)
        return Reason.REVISED
    if today - found.day > site.choice_days:  # (5)
        return Reason.EXPIRED
    if found.day - today > CLOCK_SLACK_DAYS:  # (6)
        return Reason.FROM_THE_FUTURE
    return Reason.CHOSEN
