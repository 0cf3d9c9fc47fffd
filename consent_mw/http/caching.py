"""
Who may keep a page: the one visitor it was made for, everybody, or everybody of one class.

A page that depends on the choice may reach nobody else, so it is private unless the owner says otherwise.
``caching = "shared"`` makes one page for all, as for somebody who has not decided. ``caching = "class"`` makes a
handful: a *class* is what the page depends on beside its address (state, what is granted, the signal), and it is the
value of a cookie that the cache can read. A cookie that can be read can be forged, so a page is given to a class only
where the signed cookie says the same; what the two disagree about is nobody's but this visitor's.

All of it is pure: the steps of :func:`plan` are numbered, and the numbers repeated at the code.

(1) Only what can be told apart by its address is shared: GET and HEAD, of a whole page, where a choice can be kept.
(2) Shared: the decision is that of a visitor who has not decided and sends no signal.
(3) By class: the cache must say that it keys on the class, and on which; without that the page is private.
(4) The class that the cache names, the cookie that arrives and the signed choice must agree; else the page is
    private and not stored at all, and the cookie is put right.
(5) What no class stands for (single services, ids nobody declared) is private.
(6) A page for a class says nothing of the one visitor: the receipt goes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from enum import Enum

from consent_mw.core.model import NECESSARY
from consent_mw.core.model import Action
from consent_mw.core.model import Decision
from consent_mw.core.model import Site
from consent_mw.http.forwarded import FORWARDING
from consent_mw.http.headers import Headers
from consent_mw.http.headers import for_class
from consent_mw.http.headers import for_everybody
from consent_mw.http.headers import for_one_visitor
from consent_mw.http.request import RequestHead

#: The request header by which a cache says which class it keys on; ``cookie`` stands for the cookie as it arrives.
CLASS_HEADER = "x-cmw-class"
BY_COOKIE = "cookie"
#: The class of who has not decided; the cookie is then absent.
UNDECIDED_CLASS = "none"
#: The word of a choice that no class stands for.
_OWN = "own"
_OPTED_OUT = "-gpc"
#: A class as it may stand in the cookie.
CLASS = re.compile(r"(?:reject|withdraw|own|g[0-9a-f]{10})-[0-9a-f]{8}", re.ASCII)
#: Purposes of which every combination is a class; of more, only what grants all or nothing is one.
_MOST_PURPOSES = 5


class Scope(Enum):
    """For whom a page may be kept."""

    ONE = "one"
    ALL = "all"
    CLASS = "class"


@dataclass(frozen=True, slots=True)
class Caching:
    """
    Who may keep the page, and on what it depends.

    Args:
        depends: Request headers that the page depends on, although caches keep it.
        name: Of the class.
        stored: False where not even the visitor's own browser may keep it.
    """

    scope: Scope = Scope.ONE
    depends: tuple[str, ...] = ()
    name: str = ""
    stored: bool = True

    def headers(self, given: Sequence[tuple[str, str]]) -> Headers:
        """Return the headers of a rewritten page, from those that the app gave."""
        if self.scope is Scope.ALL:
            return for_everybody(given, depends=self.depends)
        if self.scope is Scope.CLASS:
            return for_class(given, self.name, depends=self.depends)
        return for_one_visitor(given, stored=self.stored)


#: What holds where the owner said nothing of caches.
FOR_ONE = Caching()


@dataclass(frozen=True, slots=True)
class CachePlan:
    """
    What follows for one request.

    Args:
        decision: What the page is made from.
        right: What the readable cookie has to be put to (empty: taken away), or None where it may stay.
    """

    decision: Decision
    caching: Caching = FOR_ONE
    right: str | None = None


def plan(site: Site, head: RequestHead, decision: Decision, arrived: str | None, undecided: Decision) -> CachePlan:
    """
    Return who may keep the response to a request for a whole page whose banner can be answered, and its decision.

    Args:
        decision: What holds for the visitor.
        arrived: The readable cookie; empty without one, None where what came is not to be relied on.
        undecided: What holds for a visitor who has not chosen and sends no signal.
    """
    own = CachePlan(decision)
    if site.caching == "private" or head.method not in ("GET", "HEAD"):  # (1)
        return own
    depends = _depends(site)
    if site.caching == "shared":  # (2)
        return CachePlan(undecided, Caching(Scope.ALL, depends))
    named = head.all(CLASS_HEADER)
    if not named:  # (3)
        return own
    expected = class_of(site, decision)
    name = (expected or UNDECIDED_CLASS) + (_OPTED_OUT if decision.gpc else "")
    if arrived != expected or named not in ([name], [BY_COOKIE]):  # (4)
        return CachePlan(decision, Caching(stored=False), None if arrived == expected else expected)
    if expected.startswith(_OWN):  # (5)
        return own
    if decision.record is not None:  # (6)
        decision = replace(decision, record=replace(decision.record, receipt=""))
    return CachePlan(decision, Caching(Scope.CLASS, depends, name))


def _depends(site: Site) -> tuple[str, ...]:
    """
    Return the request headers that a page for caches depends on.

    What proxies say of scheme, host and prefix decides what is the site's own, and so what is held. A proxy that lets
    a stranger's header through must not make the stranger's page everybody's: a cache that obeys Vary keeps it apart.
    """
    languages = ("Accept-Language",) if len(site.languages) > 1 else ()
    return languages + (FORWARDING if site.trusted_proxies else ())


def class_of(site: Site, decision: Decision) -> str:
    """
    Return the value of the readable cookie for a decision; empty for who has not decided.

    It says what was granted by a short hash, and of which revision of the site, so that equal choices are equal and
    nobody is told from anybody who chose the same.
    """
    record = decision.record
    if record is None:
        return ""
    if record.action in (Action.REJECT, Action.WITHDRAW):
        word = record.action.value
    elif _stands(site, decision):
        granted = sorted(service.id for service in site.optional if service.id in decision.granted)
        meaning = (site.revision, record.action.value, granted, sorted(decision.purposes))
        word = "g" + hashlib.sha256(b"consent_mw.class.v1\0" + repr(meaning).encode()).hexdigest()[:10]
    else:
        word = _OWN
    return f"{word}-{site.revision[:8]}"


def _stands(site: Site, decision: Decision) -> bool:
    """Whether a class stands for a decision: services by their purposes alone, of combinations that are few."""
    used = {purpose for service in site.optional for purpose in service.purposes} - {NECESSARY}
    worded = {one.id for one in site.purposes if not one.required and (one.label or one.description)}
    granted = [service for service in site.optional if service.id in decision.granted]
    if len(used | worded) > _MOST_PURPOSES:
        return not granted or (len(granted) == len(site.optional) and decision.purposes >= used | worded)
    return granted == [service for service in site.optional if service.runs_for(decision.purposes)]
