"""
Who may keep a page: the one visitor it was made for, everybody, or everybody of one class.

A page that depends on the visitor's choice must not reach anybody else, so it is private unless the owner says
otherwise. With ``caching = "shared"`` everybody gets the page of a visitor who has not decided. With ``caching =
"class"`` there are a few variants: a *class* is everything that the page depends on besides its address (state, grants,
opt-out signal). Its name is the value of a cookie that the cache can read. Visitors can forge such a cookie, so a page
is stored for a class only if the signed cookie agrees; if the two disagree, the page is for this visitor alone.

The steps of :func:`plan` are numbered; the numbers are repeated in the code.

(1) Only responses that their address identifies are shared: GET and HEAD, of a whole page, if a choice can be kept.
(2) Shared: the decision is that of a visitor who has not decided and sends no signal.
(3) By class: the cache must name the class that it keys on; otherwise the page is private.
(4) The class that the cache names, the readable cookie and the signed choice must agree; otherwise the page is private
    and not stored at all, and the readable cookie is corrected.
(5) A choice that no class represents (single services, undeclared ids) is private.
(6) A page for a class contains nothing about the individual visitor: the receipt is removed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from enum import Enum

from consent_mw.core.choice import Action
from consent_mw.core.choice import Decision
from consent_mw.core.model import NECESSARY
from consent_mw.core.model import Site
from consent_mw.http.forwarded import FORWARDING
from consent_mw.http.headers import Headers
from consent_mw.http.headers import for_class
from consent_mw.http.headers import for_everybody
from consent_mw.http.headers import for_one_visitor
from consent_mw.http.request import RequestHead

#: The request header in which a cache names the class that it keys on; ``cookie`` means the cookie as it arrived.
CLASS_HEADER = "x-cmw-class"
BY_COOKIE = "cookie"
#: The class of visitors who have not decided; they have no cookie.
UNDECIDED_CLASS = "none"
#: The word for a choice that no class represents.
_OWN = "own"
_OPTED_OUT = "-gpc"
#: A class as the cookie contains it.
CLASS = re.compile(r"(?:reject|withdraw|own|g[0-9a-f]{10})-[0-9a-f]{8}", re.ASCII)
#: With up to this many purposes every combination is a class; with more, only all or nothing.
_MOST_PURPOSES = 5


class Scope(Enum):
    """Whom a stored page may be served to."""

    ONE = "one"
    ALL = "all"
    CLASS = "class"


@dataclass(frozen=True, slots=True)
class Caching:
    """
    Who may keep the page, and what it depends on.

    Args:
        depends: Request headers on which a page in a shared cache still depends.
        name: The name of the class.
        stored: False if not even the visitor's own browser may keep it.
    """

    scope: Scope = Scope.ONE
    depends: tuple[str, ...] = ()
    name: str = ""
    stored: bool = True

    def headers(self, given: Sequence[tuple[str, str]]) -> Headers:
        """Return the headers of a rewritten page, given those of the application."""
        if self.scope is Scope.ALL:
            return for_everybody(given, depends=self.depends)
        if self.scope is Scope.CLASS:
            return for_class(given, self.name, depends=self.depends)
        return for_one_visitor(given, stored=self.stored)


#: The default: the owner has not configured caches.
FOR_ONE = Caching()


@dataclass(frozen=True, slots=True)
class CachePlan:
    """
    How one response is cached.

    Args:
        decision: The decision that the page is made for.
        right: The correct value of the readable cookie (empty: delete it), or None if it can stay.
    """

    decision: Decision
    caching: Caching = FOR_ONE
    right: str | None = None


def plan(site: Site, head: RequestHead, decision: Decision, arrived: str | None, undecided: Decision) -> CachePlan:
    """
    Return who may keep a whole page on which a choice can be made, and the decision to make it for.

    Args:
        decision: The visitor's decision.
        arrived: The readable cookie; empty without one, None if it cannot be relied on.
        undecided: The decision of a visitor who has not chosen and sends no signal.
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
    Return the request headers that a page in a shared cache depends on.

    The scheme, host and prefix that proxies report decide what is first-party, and so what is held. If a proxy lets a
    forged header through, the resulting page must not be served to everybody: a cache that obeys Vary keeps it apart.
    """
    languages = ("Accept-Language",) if len(site.languages) > 1 else ()
    return languages + (FORWARDING if site.trusted_proxies else ())


def class_of(site: Site, decision: Decision) -> str:
    """
    Return the value of the readable cookie for a decision; empty if the visitor has not decided.

    It is a short hash of the grants with the site's revision. Visitors who chose the same have the same value, so it
    does not tell them apart.
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
    """Whether a class represents a decision: services follow from purposes, and there are few combinations of those."""
    used = {purpose for service in site.optional for purpose in service.purposes} - {NECESSARY}
    worded = {one.id for one in site.purposes if not one.required and (one.label or one.description)}
    granted = [service for service in site.optional if service.id in decision.granted]
    if len(used | worded) > _MOST_PURPOSES:
        return not granted or (len(granted) == len(site.optional) and decision.purposes >= used | worded)
    return granted == [service for service in site.optional if service.runs_for(decision.purposes)]
