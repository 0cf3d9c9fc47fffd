"""
Reads choices that visitors made with the site's previous consent tool from that tool's cookies.

Theory of operation
-------------------

Another tool's cookie is unsigned visitor input. A refusal needs no proof, so it counts at once and on every page
(:func:`refused_before`). A grant is taken over only by an explicit request, ``POST /choice`` with ``action=migrate``,
like every grant: it is first written to the ledger, with a document that names its origin instead of a notice, and the
visitor gets our own cookie (:func:`granted_before`).

A category grants one of our purposes only if it is the only category for it. A service's name counts only if it is
unambiguous. Anything without a counterpart stays held. If several tools are configured, the first one with a readable
choice counts, but a refusal by any of them takes precedence.

Parsing is strict: a cookie is ignored if it occurs twice, is longer than 4,096 characters, or does not have exactly the
form that its tool writes. Each form is parsed once from left to right.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import parse_qsl
from urllib.parse import unquote

from consent_mw.core.choice import Action
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Record
from consent_mw.core.days import EPOCH
from consent_mw.core.model import MARKETING
from consent_mw.core.model import Site
from consent_mw.http.cookies import values_of
from consent_mw.http.request import RequestHead

__all__ = ["TOOLS", "TakenChoice", "TheirChoice", "granted_before", "document_of", "refused_before", "their_choice"]

#: Limits: characters of a cookie, and names in it.
_LONGEST, _MOST = 4_096, 200
_WORD = re.compile(r"[\w .:/-]{1,80}")
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})T")
#: The tools' names for what cannot be refused.
_ALWAYS = frozenset({"necessary", "strictly-necessary", "essential", "required", "C0001"})
#: How many days the other tool's clock may be ahead of ours.
_AHEAD = 1

Get = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class TheirChoice:
    """
    A visitor's choice with another tool.

    Args:
        tool: The id of the tool.
        granted: What was granted, by the tool's own names.
        refused: What was refused, by the tool's own names.
        day: Whole days since 1970-01-01 UTC; None if the cookie has no date.
    """

    tool: str
    granted: frozenset[str]
    refused: frozenset[str]
    day: int | None = None


@dataclass(frozen=True, slots=True)
class TakenChoice:
    """
    The part of such a choice that can be taken over.

    Args:
        tool: The id of the tool.
        purposes: Ids of our purposes that were granted.
        services: Ids of services that were granted individually.
        day: The day of the choice; None if it is unknown.
    """

    tool: str
    purposes: frozenset[str]
    services: frozenset[str]
    day: int | None


# -- the forms of their cookies


def _object(text: str) -> Mapping[str, Any]:
    """Return a JSON object; empty if the text is not one."""
    try:
        found = json.loads(unquote(text))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and len(found) <= _MOST else {}


def _sorted_out(tool: str, said: Iterable[tuple[str, object]], day: int | None = None) -> TheirChoice | None:
    """Return the choice from names with True or False; other values are ignored."""
    granted: set[str] = set()
    refused: set[str] = set()
    for name, value in said:
        if not _WORD.fullmatch(name):
            return None
        if name not in _ALWAYS and isinstance(value, bool):
            (granted if value else refused).add(name)
    return TheirChoice(tool, frozenset(granted), frozenset(refused - granted), day) if granted or refused else None


def _iso_day(text: object) -> int | None:
    found = _DAY.match(text) if isinstance(text, str) else None
    try:
        return (date(*map(int, found.groups())) - EPOCH).days if found else None
    except ValueError:
        return None


def _unix_day(number: object, *, per_second: int) -> int | None:
    plain = isinstance(number, int | float) and not isinstance(number, bool) and 0 < number < 1e14
    return int(number // (86_400 * per_second)) if plain and isinstance(number, int | float) else None


def _listed(tool: str, key: str, dates: tuple[str, ...], given: Mapping[str, Any]) -> TheirChoice | None:
    """Return a choice from a list of grants; what is missing was refused or is not on the site."""
    names = given.get(key)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names[:_MOST]):
        return None
    if not all(_WORD.fullmatch(name) for name in names[:_MOST]):
        return None
    day = next((day for name in dates if (day := _iso_day(given.get(name))) is not None), None)
    return TheirChoice(tool, frozenset(names[:_MOST]) - _ALWAYS, frozenset(), day)


def _cookieconsent_3(get: Get) -> TheirChoice | None:
    given = _object(get("cc_cookie"))
    if "consentTimestamp" not in given:
        return None  # written by version 2
    return _listed("cookieconsent-3", "categories", ("lastConsentTimestamp", "consentTimestamp"), given)


def _cookieconsent_2(get: Get) -> TheirChoice | None:
    given = _object(get("cc_cookie"))
    key = "level" if "level" in given else "categories"
    if "consentTimestamp" in given:
        return None  # written by version 3
    return _listed("cookieconsent-2", key, ("last_consent_update", "consent_date"), given)


def _osano(get: Get) -> TheirChoice | None:
    said = {"allow": True, "deny": False}.get(get("cookieconsent_status"))
    # One answer for everything: "no" is a refusal, but "yes" grants nothing in particular.
    return _sorted_out("osano-cookieconsent", [("everything", said)]) if said is not None else None


def _klaro(get: Get) -> TheirChoice | None:
    return _sorted_out("klaro", _object(get("klaro")).items())


def _tarteaucitron(get: Get) -> TheirChoice | None:
    pairs = [part.partition("=") for part in unquote(get("tarteaucitron")).split("!")[1 : _MOST + 1]]
    answers = {"true": True, "false": False}
    return _sorted_out("tarteaucitron", [(name, answers[value]) for name, _, value in pairs if value in answers])


_COOKIEBOT = re.compile(r"(\w+):(?:'([^']*)'|([\w-]+))")


def _cookiebot(get: Get) -> TheirChoice | None:
    text = unquote(get("CookieConsent"))
    if not (text.startswith("{") and text.endswith("}")):
        return None
    given = {name: quoted or plain for name, quoted, plain in _COOKIEBOT.findall(text)}
    if given.get("method") != "explicit":
        return None  # assumed by the tool, not chosen
    answers = {"true": True, "false": False}
    words = ((name, answers.get(given.get(name, ""))) for name in _WORDS["cookiebot"])
    utc = given.get("utc", "")
    day = _unix_day(int(utc), per_second=1_000) if utc.isascii() and utc.isdigit() and len(utc) < 15 else None
    return _sorted_out("cookiebot", words, day)


def _onetrust(get: Get) -> TheirChoice | None:
    closed = _iso_day(unquote(get("OptanonAlertBoxClosed")))
    if closed is None:
        return None  # the other cookie contains an assumption
    try:
        fields = dict(parse_qsl(get("OptanonConsent"), max_num_fields=_MOST))
    except ValueError:
        return None
    pairs = [part.partition(":") for part in fields.get("groups", "").split(",")[:_MOST]]
    answers = {"1": True, "0": False}
    return _sorted_out("onetrust", [(n, answers[v]) for n, _, v in pairs if v in answers], closed)


def _cookieyes(get: Get) -> TheirChoice | None:
    given = dict(part.partition(":")[::2] for part in unquote(get("cookieyes-consent")).split(",")[:_MOST])
    if given.get("action") != "yes":
        return None
    answers = {"yes": True, "no": False}
    return _sorted_out("cookieyes", [(name, answers.get(given.get(name, ""))) for name in _WORDS["cookieyes"]])


def _complianz(get: Get) -> TheirChoice | None:
    if get("cmplz_banner-status") != "dismissed":
        return None
    answers = {"allow": True, "deny": False}
    return _sorted_out("complianz", [(name, answers.get(get(f"cmplz_{name}"))) for name in _WORDS["complianz"]])


def _c15t(get: Get) -> TheirChoice | None:
    text = unquote(get("c15t"))
    given = dict(part.partition(":")[::2] for part in text.split(",")[:_MOST]) if text else {}
    words = {name[2:]: value for name, value in given.items() if name.startswith("c.")}
    time = given.get("i.t", "")
    day = _unix_day(int(time), per_second=1_000) if time.isascii() and time.isdigit() and len(time) < 15 else None
    if day is None or not words or not all(_WORD.fullmatch(name) for name in words):
        return None
    # It lists what was granted; versions before 2 list refusals as well, with 0.
    granted = frozenset(name for name, value in words.items() if value == "1") - _ALWAYS
    return TheirChoice("c15t", granted, frozenset(name for name, value in words.items() if value == "0"), day)


def _django_cookie_consent(get: Get) -> TheirChoice | None:
    pairs = [part.partition("=") for part in unquote(get("cookie_consent").strip('"')).split("|")[:_MOST]]
    # What follows "=" is the date of the group's newest cookie, and nothing for a group that lists no cookies.
    declined = ("-1", "declined")
    return _sorted_out("django-cookie-consent", [(name, v not in declined) for name, is_, v in pairs if name and is_])


_WTM = re.compile(r"(?:\w+:(?:true|false|unset|pending)\|?){1,60}")


def _wagtail_tag_manager(get: Get) -> TheirChoice | None:
    text, tool = unquote(get("wtm")).strip('"'), "wagtail-tag-manager"
    answers = {"true": True, "false": False}
    # The tool also sets the state without an answer, and grants whatever is "delayed" on the second page. Only an
    # answer has an id.
    if _WTM.fullmatch(text):
        if not get("wtm_id"):
            return None
        pairs = [part.partition(":") for part in text.split("|")]
        return _sorted_out(tool, [(name, answers.get(value)) for name, _, value in pairs if name])
    try:
        given = _object(base64.b64decode(text.encode("ascii"), validate=True).decode("utf-8"))
    except (ValueError, binascii.Error):
        return None
    state, meta = given.get("state"), given.get("meta")
    if not isinstance(state, dict) or not isinstance(meta, dict) or not meta.get("id"):
        return None
    said = [(name, answers.get(value) if isinstance(value, str) else None) for name, value in state.items()]
    day = _unix_day(meta.get("set_timestamp"), per_second=1)
    return _sorted_out(tool, said[:_MOST], day)


_READERS: Mapping[str, Callable[[Get], TheirChoice | None]] = {
    "cookieconsent-3": _cookieconsent_3,
    "cookieconsent-2": _cookieconsent_2,
    "osano-cookieconsent": _osano,
    "klaro": _klaro,
    "tarteaucitron": _tarteaucitron,
    "cookiebot": _cookiebot,
    "onetrust": _onetrust,
    "cookieyes": _cookieyes,
    "complianz": _complianz,
    "c15t": _c15t,
    "django-cookie-consent": _django_cookie_consent,
    "wagtail-tag-manager": _wagtail_tag_manager,
}

#: The tools whose choices can be read on the server. (Usercentrics keeps them in the browser's storage.)
TOOLS = tuple(_READERS)

#: The tools' names for what a visitor may refuse, with our purpose for each, if there is one.
_WORDS: Mapping[str, Mapping[str, str]] = {
    "cookieconsent-3": {
        "functionality": "preferences", "analytics": "analytics", "ads": MARKETING, "marketing": MARKETING,
    },
    "cookieconsent-2": {
        "preferences": "preferences", "analytics": "analytics", "targeting": MARKETING, "ads": MARKETING,
    },
    "osano-cookieconsent": {},
    "klaro": {},
    "tarteaucitron": {},
    "cookiebot": {"preferences": "preferences", "statistics": "analytics", "marketing": MARKETING},
    "onetrust": {"C0002": "analytics", "C0003": "preferences", "C0004": MARKETING, "C0005": "embeds"},
    "cookieyes": {
        "functional": "preferences", "analytics": "analytics", "performance": "", "advertisement": MARKETING,
    },
    "complianz": {"preferences": "preferences", "statistics": "analytics", "marketing": MARKETING},
    "c15t": {"functionality": "preferences", "measurement": "analytics", "marketing": MARKETING},
    "django-cookie-consent": {
        "preferences": "preferences", "functional": "preferences", "analytics": "analytics", "statistics": "analytics",
        "marketing": MARKETING, "advertising": MARKETING, "advertisement": MARKETING, "social": "embeds",
    },
    "wagtail-tag-manager": {"preferences": "preferences", "statistics": "analytics", "marketing": MARKETING},
}  # fmt: skip

#: The tools' names for services, with the catalogue's service for each.
_SERVICES: Mapping[str, str] = {
    "gtag": "google-analytics",
    "analytics": "google-analytics",
    "gajs": "google-analytics",
    "googleanalytics": "google-analytics",
    "ga": "google-analytics",
    "googletagmanager": "google-tag-manager",
    "gtm": "google-tag-manager",
    "facebookpixel": "meta-pixel",
    "metapixel": "meta-pixel",
    "matomo": "matomo",
    "matomocloud": "matomo-cloud",
    "hotjar": "hotjar",
    "clarity": "clarity",
    "linkedininsighttag": "linkedin-insight",
    "bingads": "bing-uet",
    "tiktok": "tiktok-pixel",
    "youtube": "youtube",
    "vimeo": "vimeo",
}
#: The tools that name services and no categories.
_BY_SERVICE = frozenset({"klaro", "tarteaucitron"})


# -- what counts on this site


def their_choice(head: RequestHead, tool: str) -> TheirChoice | None:
    """Return the visitor's choice with a tool from the request's cookies, or None; never raises."""

    def get(name: str) -> str:
        values = values_of(head, name)
        return values[0] if len(values) == 1 and len(values[0]) <= _LONGEST else ""

    return _READERS[tool](get)


def refused_before(site: Site, head: RequestHead, found: Record | NoRecord, today: int) -> Record | NoRecord:
    """
    Return a refusal if the visitor refused everything with another tool and has not chosen here yet.

    Args:
        found: The result of reading our own cookie.
        today: Whole days since 1970-01-01 UTC.
    """
    if any(_is_refusal(site, one) for one in _said(site, head, found, today)):
        return Record(Action.REJECT, today, site.revision)
    return found


def granted_before(site: Site, head: RequestHead, found: Record | NoRecord, today: int) -> TakenChoice | None:
    """Return the grants with another tool that can be taken over, or None."""
    said = _said(site, head, found, today)
    if not said or isinstance(refused_before(site, head, found, today), Record):
        return None
    return _taken(site, said[0], gpc=head.signals.gpc)


def _said(site: Site, head: RequestHead, found: Record | NoRecord, today: int) -> list[TheirChoice]:
    """Return the choices that count today, in the order of the configuration."""
    if not site.migrate_from or found is not NoRecord.ABSENT or today > site.migrate_until:
        return []
    every = (their_choice(head, tool) for tool in site.migrate_from)
    return [
        one for one in every if one is not None and (one.day is None or -_AHEAD <= today - one.day <= site.choice_days)
    ]


def _is_refusal(site: Site, said: TheirChoice) -> bool:
    """Return whether a choice grants nothing, or nothing known while it refuses something known."""
    if not said.granted:
        return True
    if _taken(site, said, gpc=False) is not None:
        return False
    words = _WORDS[said.tool]
    return any(words.get(word) or _meant(site, word) for word in said.refused)


def _taken(site: Site, said: TheirChoice, *, gpc: bool) -> TakenChoice | None:
    """Return the part of a choice that maps to exactly one of our purposes or services."""
    words = _WORDS[said.tool]
    theirs: dict[str, list[str]] = {}
    for word in said.granted | said.refused:
        if ours := words.get(word):
            theirs.setdefault(ours, []).append(word)
    known = {purpose.id for purpose in site.purposes if not purpose.required}
    purposes = {
        ours for ours, names in theirs.items() if ours in known and len(names) == 1 and names[0] in said.granted
    }
    services = _services(site, said) if said.tool in _BY_SERVICE else set()
    if gpc:
        purposes.discard(MARKETING)
        services = {id_ for id_ in services if not site.by_id[id_].opted_out}
    used = {purpose for service in site.optional for purpose in service.purposes}
    purposes &= used
    return TakenChoice(said.tool, frozenset(purposes), frozenset(services), said.day) if purposes or services else None


def _services(site: Site, said: TheirChoice) -> set[str]:
    """Return the ids of the services that were granted by unambiguous names."""
    meant: dict[str, list[str]] = {}
    for word in said.granted | said.refused:
        ids = _meant(site, word)
        if len(ids) == 1:
            meant.setdefault(ids[0], []).append(word)
    return {id_ for id_, words in meant.items() if all(word in said.granted for word in words)}


def _meant(site: Site, word: str) -> list[str]:
    """Return the ids of the services that a tool's name for a service may mean."""
    plain = _plain(word)
    return [
        one.id for one in site.optional if plain in (_plain(one.id), _plain(one.name)) or _SERVICES.get(plain) == one.id
    ]


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def document_of(taken: TakenChoice) -> bytes:
    """Return the document that the ledger stores instead of a notice: only the origin of such grants."""
    found = {
        "format": "consent_mw.taken-over.v1",
        "tool": taken.tool,
        "meaning": "No notice of this site was shown for this grant. It was read from the cookie that the tool named"
        " here left in the visitor's browser, and says what the visitor chose there.",
        "words": {word: ours for word, ours in sorted(_WORDS[taken.tool].items()) if ours},
    }
    return json.dumps(found, sort_keys=True, ensure_ascii=True, indent=1).encode()
