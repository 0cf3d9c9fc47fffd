"""
The meaning of a posted form: pure functions from texts to values. None of them raises.

A form may contain anything. Undeclared ids are dropped, so nothing undeclared can ever be granted. An unknown action
has no effect.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import parse_qsl
from urllib.parse import quote
from urllib.parse import unquote
from urllib.parse import urlsplit

from consent_mw.core.choice import Action
from consent_mw.core.choice import Choice
from consent_mw.core.choice import Decision
from consent_mw.core.globs import Globs
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.http.request import RequestHead
from consent_mw.http.tracker_cookies import names_of
from consent_mw.notice.offer import covered
from consent_mw.notice.offer import offered

#: The largest form, in bytes. A hundred services with long names need a quarter of it.
FORM_LIMIT = 16 * 1024

#: The most fields of a form; our forms always have fewer within FORM_LIMIT.
_FIELD_LIMIT = 2000

#: The most hosts that one form reports as stopped, and the longest field with them, in characters.
_STOPPED_LIMIT = 32
_STOPPED_LENGTH = 4000

#: The longest path to go back to, in characters; a limit for URLs that browsers and servers have in common.
_BACK_LIMIT = 2000

#: Paths under the mount that only accept forms.
_DEEDS = ("choice", "counting", "once", "receipt/erase")

#: A host name, and no IP address.
_HOST_NAME = re.compile(r"(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class RequestedAction(Enum):
    """The values of the field ``action``."""

    ACCEPT_ALL = "accept-all"
    REJECT_ALL = "reject-all"
    SAVE = "save"
    WITHDRAW = "withdraw"
    #: Take over what the visitor granted with another tool, as its cookie says.
    MIGRATE = "migrate"


@dataclass(frozen=True, slots=True)
class PostedForm:
    """
    The fields of any of our forms.

    Args:
        asked: The action; None if it is missing or unknown.
        purposes: The ticked purposes.
        services: The ticked services.
        back: Where to go afterwards.
        lang: The language of the page with the form.
        counted: ``yes`` or ``no``: whether the visitor wants to be counted.
        held: The signed choice whose record should be erased.
        once: Services whose embeds should be shown for one page view.
        shown: Which suspects the notice named (:attr:`consent_mw.core.model.Site.suspects_digest`).
        revision: The revision that the notice asked about (:attr:`consent_mw.core.model.Site.asked`); empty if it named
            none.
        stopped: Hosts that the guard stopped in the page, as the browser says; they may be anything.
        opened: ``yes`` or ``no``: whether the visitor had opened the choices; other texts say nothing about it.
        wording: The wording of the notice that was answered; empty in forms without one.
    """

    asked: RequestedAction | None
    purposes: frozenset[str]
    services: frozenset[str]
    back: str
    lang: str
    counted: str = ""
    held: str = ""
    once: frozenset[str] = frozenset()
    shown: str = ""
    revision: str = ""
    stopped: tuple[str, ...] = ()
    opened: str = ""
    wording: str = ""


class Origin(Enum):
    """Where a POST comes from, according to the browser."""

    SAME = "same"
    FOREIGN = "foreign"
    UNTOLD = "untold"


def read_form(body: bytes) -> PostedForm:
    """Read an ``application/x-www-form-urlencoded`` body; the first of several actions counts."""
    try:
        fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FIELD_LIMIT)
    except ValueError:
        fields = []
    values: dict[str, list[str]] = {}
    for name, value in fields:
        values.setdefault(name, []).append(value)
    action = _first(values, "action")
    return PostedForm(
        asked=next((asked for asked in RequestedAction if asked.value == action), None),
        purposes=frozenset(values.get("purpose", ())),
        services=frozenset(values.get("service", ())),
        back=_first(values, "back"),
        lang=_first(values, "lang"),
        counted=_first(values, "counted"),
        held=_first(values, "held"),
        once=frozenset(filter(None, _first(values, "once").split(","))),
        shown=_first(values, "shown"),
        revision=_first(values, "asked"),
        stopped=_stopped(_first(values, "stopped")),
        opened=_first(values, "opened"),
        wording=_first(values, "wording"),
    )


def grants(form: PostedForm) -> bool:
    """
    Return whether the form could grant something, regardless of the ids in it.

    Asking to be counted again grants something, and so does showing an embed once.
    """
    if form.counted == "yes" or form.once:
        return True
    return form.asked in (RequestedAction.ACCEPT_ALL, RequestedAction.MIGRATE) or (
        form.asked is RequestedAction.SAVE and bool(form.purposes or form.services)
    )


def opened(form: PostedForm) -> bool:
    """
    Return whether the choices were opened before this answer.

    A notice without scripts cannot report it, but its save button is among the choices, so whoever used that button had
    opened them. A panel also has a save button but no choices, and its form contains ``no``.
    """
    return form.opened == "yes" or (form.asked is RequestedAction.SAVE and form.opened != "no")


def origin_of(head: RequestHead) -> Origin:
    """
    Return where the request comes from.

    A page's script cannot set Sec-Fetch-Site (Fetch Metadata Request Headers, section 2), so it takes precedence over
    Origin. ``same-site`` counts as foreign, since another subdomain may belong to someone else.

    ``Origin: null`` means that the browser conceals the origin (Fetch, section 3.1): a page with
    ``Referrer-Policy: no-referrer`` sends it with its own forms. It counts as a missing Origin.
    """
    sites = head.all("sec-fetch-site")
    if sites:
        return Origin.SAME if set(sites) <= {"same-origin", "none"} else Origin.FOREIGN
    origins = head.all("origin")
    named = [origin for origin in origins if origin.strip() != "null"]
    own = _origin(f"{head.scheme}://{head.host}")
    if named and (own is None or any(_origin(origin) != own for origin in named)):
        return Origin.FOREIGN
    return Origin.SAME if named and named == origins else Origin.UNTOLD


def _origin(text: str) -> tuple[str, str, str] | None:
    """Return scheme, host and port of an origin; None if it is ``null`` or malformed."""
    scheme, separator, authority = text.strip().lower().partition("://")
    if not separator or scheme not in _DEFAULT_PORTS or not authority or re.search(r"[/?#@\\\s]", authority):
        return None
    match = re.fullmatch(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?", authority)
    return (scheme, match[1], match[2] or _DEFAULT_PORTS[scheme]) if match else None


def choice_of(site: Site, form: PostedForm, *, gpc: bool, granted_before: bool) -> Choice | None:
    """
    Return the visitor's choice, or None if the form has no known action.

    ``save`` grants the ticked services, services whose purposes are all ticked, and tag managers with a ticked purpose.
    A purpose is granted if it is ticked, or if all its services are granted. Under an opt-out signal (``gpc``), "accept
    all" leaves marketing out, but an explicit tick is the visitor's own decision.

    A ticked purpose does not grant suspects that the site learned after the notice was shown, since the notice did not
    name them. "Accept all" does.
    """
    if form.asked is None:
        return None
    if form.asked is RequestedAction.ACCEPT_ALL:
        purposes, services = covered(site, gpc)
    elif form.asked is RequestedAction.SAVE:
        ticked = form.purposes & {purpose.id for purpose in offered(site)}
        unseen = site.suspects if form.shown != site.suspects_digest else frozenset()
        services = frozenset(
            service.id
            for service in site.optional
            if service.id in form.services or (service.runs_for(ticked) and service.id not in unseen)
        )
        purposes = ticked | complete_purposes(site, services)
    else:
        purposes = services = frozenset()
    if purposes or services:
        everything = services == covered(site, gpc=False)[1] and all(
            purposes.issuperset(service.purposes) for service in site.optional if service.manager
        )
        return Choice(Action.ACCEPT if everything else Action.PARTIAL, purposes, services)
    return Choice(Action.WITHDRAW if granted_before else Action.REJECT)


def complete_purposes(site: Site, services: Iterable[str]) -> frozenset[str]:
    """
    Return the offered purposes that have services, all of which are among ``services``.

    A purpose with a tag manager is granted only by its own tick: a grant of the manager does not cover everything that
    the manager could load for that purpose.
    """
    granted = frozenset(services)
    users = {purpose.id: users_of(site, purpose.id) for purpose in offered(site)}
    return frozenset(
        id
        for id, using in users.items()
        if using and all(service.id in granted and not service.manager for service in using)
    )


def users_of(site: Site, purpose: str) -> tuple[Service, ...]:
    """Return the services that need consent and serve the purpose."""
    return tuple(service for service in site.optional if purpose in service.purposes)


def granted_optional(site: Site, decision: Decision) -> frozenset[str]:
    """Return the ids of optional services that are granted."""
    return frozenset(service.id for service in site.optional if service.id in decision.granted)


def to_expire(site: Site, granted: frozenset[str], seen: Sequence[str]) -> tuple[list[str], list[Service]]:
    """
    Return the cookie names to remove after a choice, and the services that they belong to.

    A name that a running service uses too is kept, since services of one vendor may share cookies.
    """
    running = [service for service in site.services if service.necessary or service.id in granted]
    stopped = [service for service in site.optional if service.id not in granted]
    kept, dropped = _globs(running), _globs(stopped)
    names = [
        name
        for name in dict.fromkeys(seen)
        if any(map(dropped.fits, names_of(name))) and not any(map(kept.fits, names_of(name)))
    ]
    return names, stopped


def _globs(services: Iterable[Service]) -> Globs[bool]:
    """Return the globs of the services' cookie names."""
    return Globs((glob, True) for service in services for glob in service.cookies)


def safe_back(text: str, root: str, home: str) -> str:
    """
    Return the path to go back to, or ``home`` if ``text`` is not a path of this site.

    Browsers interpret ``//host``, ``/\\host`` and the same with tabs or newlines as another host (URL Standard, section
    4.4), so these are refused. A path that only accepts forms cannot be opened, so it is refused, too.

    Args:
        text: The path in the form or link.
        root: The mount's full path.
        home: The path of the site's first page.
    """
    if not text.startswith("/") or text.startswith("//") or "\\" in text or len(text) > _BACK_LIMIT:
        return home
    if _CONTROL.search(text):
        return home
    try:
        path = urlsplit(text).path
        safe = quote(text, safe="/?#[]@!$&'()*+,;=:%-._~|")
    except (ValueError, UnicodeEncodeError):
        return home
    plain = posixpath.normpath(unquote(path))
    if plain.startswith("//") or any(f"{plain}/".startswith(f"{root}/{deed}/") for deed in _DEEDS):
        return home
    return safe


def referring_path(head: RequestHead, root: str) -> str:
    """
    Return the path and query of the page of this site that led to the request; empty if it is unknown.

    A page under the mount is none to go back to. The result is not validated (:func:`safe_back`).

    Args:
        head: The request.
        root: The mount's full path.
    """
    scheme, _, rest = (head.header("referer") or "").partition("://")
    authority, _, path = rest.partition("/")
    origin = _origin(f"{scheme}://{authority}")
    if origin is None or origin != _origin(f"{head.scheme}://{head.host}"):
        return ""
    before_query = re.split(r"[?#]", path)[0]
    return "" if f"/{before_query}/".startswith(f"{root}/") else f"/{path}"


def _stopped(text: str) -> tuple[str, ...]:
    """Return the host names in the field, the first ones only; none if the field is too long."""
    if len(text) > _STOPPED_LENGTH:
        return ()
    return tuple(filter(_HOST_NAME.fullmatch, text.split(" ", _STOPPED_LIMIT)[:_STOPPED_LIMIT]))


def _first(values: Mapping[str, Sequence[str]], name: str) -> str:
    return next(iter(values.get(name, ())), "")
