"""
The values that everything else passes around: frozen, and without behaviour beyond themselves.

Days are whole days since 1970-01-01 UTC; no finer time is ever stored with a choice. Texts are mappings from a
language tag to a text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Set
from dataclasses import dataclass
from dataclasses import field
from enum import Enum
from functools import cached_property
from types import MappingProxyType

NECESSARY = "necessary"
MARKETING = "marketing"

#: The pseudo-service under which an unknown third party is held (``unknown = "pixels" | "hold"``).
UNKNOWN_SERVICE = "unknown"

#: Stands beside the ids of services that are shown once: all that they bring, and not their frames alone.
WHOLE = "-"

#: What the ids of the services begin with that stand for an owner's own marks; a purpose follows.
OWN_MARKS = "site-"


def _no_text() -> Mapping[str, str]:
    return MappingProxyType({})


def _no_texts() -> Mapping[str, Mapping[str, str]]:
    return MappingProxyType({})


def _no_days() -> Mapping[str, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Purpose:
    """
    A reason for processing.

    Empty ``label`` or ``description`` stand for the built-in text of that
    purpose in the visitor's language.
    """

    id: str
    label: Mapping[str, str] = field(default_factory=_no_text)
    description: Mapping[str, str] = field(default_factory=_no_text)
    required: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """
    One thing that can be held, with the party behind it.

    Args:
        id: Lower-case letters, digits and hyphens.
        purposes: Purpose ids; the service is released when all are granted (a tag manager: one), or it is itself.
        hosts: ``host`` or ``host/path-prefix``; the host stands for its subdomains too, and
            ``name.*`` for any public suffix behind ``name``. The longest prefix wins.
        paths: Path rules on any host, first-party ones too: the text must occur in the
            path and query at the start of a segment (``/matomo.php?``). ``?id=G-``: the address of a script has a
            parameter that begins so, in whatever place.
        inline: Code that marks an inline script or handler (``fbq(``, ``_paq.push``).
        elements: ``name``, ``name[attr]``, ``name[attr=value]``, ``name[attr*=part]`` or ``[attr]``, for markup that
            loads something through a library (``amp-analytics[type=gtag]``); of several conditions all must hold.
        cookies: Names of first-party cookies it sets; ``*`` stands for any run of characters.
        storage: Names of its localStorage and sessionStorage keys, likewise.
        databases: Names of its IndexedDB databases, likewise.
        queue: The globals that its own snippet leaves for the site's code to call: ``_paq[]`` (an array), ``fbq()``
            (a function), ``mixpanel.track()`` (a method).
        places: Where its embed stands that a script makes: the element that the script fills
            (``.calendly-inline-widget``, ``#disqus_thread``, ``[data-tf-widget]``), or the script itself
            (``script[src*=gist.github.com]``, ``script: hbspt.forms.create(``).
        poster: Address, on the owner's site, of a picture to show where an embed is held; or empty.
        cookie_days: How long the cookies last, in days by their name; 0 for the session.
        kind: What it does, in one of the words of :data:`consent_mw.catalogue.KINDS`; empty where nobody says.
        country: ISO 3166-1 alpha-2 code of where the data goes.
        policy: Address of the vendor's privacy policy.
        opt_out: Address of the vendor's opt-out, or empty.
        safeguard: ``adequacy``, ``scc``, ``dpf``, ``bcr`` or empty.
        retention_days: How long the vendor keeps the data, in days; 0 where unknown.
        lawful_basis: ``consent``, ``contract``, ``legal-obligation`` or ``legitimate-interest``;
            anything that is held rests on consent.
        tracker: True where no owner may declare it necessary.
        embed: True where its iframes show something a visitor looks at.
        manager: True for a tag manager, which loads other tags: it is released when one of its purposes is
            granted, and told which.
        signals: Whose tags it is or loads, so that they are told of the choice in their own way: ``google``,
            ``microsoft``, ``clarity``, ``meta``.
    """

    id: str
    name: str
    vendor: str
    purposes: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    inline: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    storage: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    cookie_days: Mapping[str, int] = field(default_factory=_no_days)
    kind: str = ""
    country: str = ""
    policy: str = ""
    opt_out: str = ""
    safeguard: str = ""
    retention_days: int = 0
    lawful_basis: str = "consent"
    tracker: bool = False
    embed: bool = False
    manager: bool = False
    signals: tuple[str, ...] = ()
    poster: str = ""
    description: Mapping[str, str] = field(default_factory=_no_text)

    @property
    def necessary(self) -> bool:
        """Whether it runs without consent."""
        return self.purposes == (NECESSARY,)

    def runs_for(self, purposes: Set[str]) -> bool:
        """Return whether these purposes, granted, let it run: all that it has, or one of a tag manager's."""
        return not purposes.isdisjoint(self.purposes) if self.manager else purposes >= set(self.purposes)

    @property
    def opted_out(self) -> bool:
        """Whether an opt-out signal takes it away: it needs marketing, and is no tag manager with other purposes."""
        return not self.runs_for(set(self.purposes) - {MARKETING})


@dataclass(frozen=True, slots=True)
class StatsAccess:
    """
    Who may look at the consent rates; with nothing set, nobody.

    Args:
        password: A hash as ``consent-mw stats passwd`` writes it.
        token: The SHA-256 of the bearer token for the JSON, in hex, as ``consent-mw stats token`` writes it.
        check: The host site's own check: takes the WSGI environ of the request and says yes or no.
    """

    password: str = ""
    token: str = ""
    check: Callable[[Mapping[str, object]], bool] | None = None

    @property
    def open(self) -> bool:
        """Whether there is any way in."""
        return bool(self.password or self.token or self.check)


@dataclass(frozen=True, slots=True)
class Theme:
    """
    The owner's look: what is empty stays as it is built in.

    Args:
        light: Colours as ``#rrggbb``, by the name of the custom property without ``--cmw-``.
        dark: The same for visitors who prefer dark.
        radius: Of buttons, in CSS pixels; -1 where the owner said nothing.
        font: A list of font families as in CSS.
        width: The most that the notice takes, in em; 0 where the owner said nothing.
    """

    light: Mapping[str, str] = field(default_factory=_no_text)
    dark: Mapping[str, str] = field(default_factory=_no_text)
    radius: int = -1
    font: str = ""
    width: int = 0


@dataclass(frozen=True, slots=True)
class VendorSignals:
    """Which vendors' tags are told of the choice by their own interfaces, once they may run; and Google's options."""

    google: bool = True
    microsoft: bool = True
    clarity: bool = True
    meta: bool = True
    url_passthrough: bool = False
    ads_data_redaction: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What changed in what visitors are asked: the day, in days since 1970-01-01, and one line by language."""

    day: int
    text: Mapping[str, str]


@dataclass(frozen=True)
class Site:
    """Everything an owner configured; built by :func:`consent_mw.config.load`, valid by construction."""

    #: Under which records are kept; sites that share a store need different ones.
    id: str = "site"
    name: str = ""
    controller: str = ""
    contact: str = ""
    privacy_policy: str = ""
    supervisory_authority: str = ""
    keys_env: str = "CONSENT_KEYS"
    records: str = "sqlite:///consent.db"
    #: Where grants wait while records on another machine cannot be reached; empty where records are local.
    spool: str = ""
    #: ``on``, or ``report``: pages go out as they are, and what would be done to them is counted.
    mode: str = "on"
    #: With ``mode = "report"``: the share of visitors, in percent, for whom it is on all the same.
    live_share: int = 0
    #: With ``mode = "report"``: the file that what would be done is counted in.
    report_file: str = "consent-report.db"
    unknown: str = "pixels"
    #: Hosts of third parties, some with a path, that are let through whatever ``unknown`` says.
    allow_hosts: tuple[str, ...] = ()
    caching: str = "private"
    release: str = "in_place"
    reopen: str = "button"
    mount: str = "/_cmw"
    choice_days: int = 180
    record_days: int = 540
    hold_back: int = 1_048_576
    #: Grants that one address may add to the ledger in an hour, by process; 0 for no limit.
    grants_per_hour: int = 300
    allow_insecure_http: bool = False
    #: What is counted: ``all``; ``granted``, browser, OS and ISP only of those who granted something; or ``off``.
    counters: str = "all"
    #: Where the ISP's domain comes from: ``ptr``, ``mmdb:FILE`` or ``off``; empty: ``ptr`` if its libraries are there.
    isp: str = ""
    #: How many proxies in front of the site add to X-Forwarded-For.
    trusted_proxies: int = 0
    #: What becomes of the site's Content-Security-Policy: ``off`` (our own code is let in), ``tighten``, ``enforce``.
    csp: str = "off"
    #: Whether browsers are asked to report what a policy stopped; hosts are counted by day.
    csp_reports: bool = False
    #: The domain whose subdomains share a choice; empty for this host alone.
    cookie_domain: str = ""
    #: Whether the cookies of held services are kept from the app.
    hide_cookies: bool = False
    #: Whether responses say how long we took (Server-Timing).
    server_timing: bool = False
    #: Called after a choice was recorded.
    on_change: Callable[..., object] | None = None
    #: Whether what scripts make at run time is held as well.
    guard: bool = True
    layout: str = "bar"
    #: Where the notice stands; empty: at the bottom, or in the middle for a dialog.
    position: str = ""
    theme: Theme = field(default_factory=Theme)
    signals: VendorSignals = field(default_factory=VendorSignals)
    #: What changed, the latest first.
    changes: tuple[Change, ...] = ()
    #: Where no notice is shown and nobody is counted, and where nothing is read or changed: paths, some with a host.
    quiet: tuple[str, ...] = ()
    untouched: tuple[str, ...] = ()
    #: Sites of their own for some hosts, by patterns of host names, in the order in which they are tried.
    hosts: tuple[tuple[str, Site], ...] = ()
    stats: StatsAccess = field(default_factory=StatsAccess)
    languages: tuple[str, ...] = ("en",)
    #: The owner's own words, by canonical language tag and then by the key of the text.
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=_no_texts)
    purposes: tuple[Purpose, ...] = ()
    services: tuple[Service, ...] = ()
    #: The folder of the owner's own entries of the catalogue, absolute; empty where there is none.
    catalogue: str = ""
    #: What is in it: services that the site knows without having declared them.
    definitions: tuple[Service, ...] = ()
    #: True where the owner declared no service: those seen in the pages are declared as they turn up.
    learning: bool = True

    @property
    def grows(self) -> bool:
        """Whether pages teach services that visitors are asked about: all, or strangers that look like trackers."""
        return self.learning or self.unknown == "suspects"

    @cached_property
    def by_id(self) -> Mapping[str, Service]:
        """The declared services by id."""
        return MappingProxyType({service.id: service for service in self.services})

    @cached_property
    def optional(self) -> tuple[Service, ...]:
        """The declared services that need consent, in the order of declaration."""
        return tuple(service for service in self.services if not service.necessary)

    @cached_property
    def revision(self) -> str:
        """
        Twelve hex digits over what a visitor agrees to: purposes, services, vendors, retention, transfers.

        A changed wording leaves it as it is; a changed meaning does not.
        """
        meaning = {
            "controller": self.controller,
            "services": sorted(
                [s.id, s.vendor, sorted(s.purposes), s.country, s.safeguard, s.retention_days, s.lawful_basis]
                for s in self.optional
            ),
        }
        canonical = json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(b"consent_mw.revision.v1\0" + canonical.encode()).hexdigest()[:12]


class Action(Enum):
    """What a visitor did."""

    ACCEPT = "accept"
    PARTIAL = "partial"
    REJECT = "reject"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a visitor said, before it is recorded: the purposes and services granted."""

    action: Action
    purposes: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Record:
    """
    A choice as the cookie and the ledger keep it.

    ``receipt`` is empty unless something was granted, so that a refusal
    cannot identify anyone.
    """

    action: Action
    day: int
    revision: str
    purposes: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    receipt: str = ""
    gpc: bool = False


class NoRecord(Enum):
    """Why there is no usable record: each counts as "not granted"."""

    ABSENT = "absent"
    DUPLICATE = "duplicate"
    OVERSIZE = "oversize"
    MALFORMED = "malformed"
    FORGED = "forged"


class Reason(Enum):
    """Why a decision fell as it did."""

    CHOSEN = "chosen"
    NOTHING_TO_ASK = "nothing-to-ask"
    ABSENT = "absent"
    DUPLICATE = "duplicate"
    OVERSIZE = "oversize"
    MALFORMED = "malformed"
    FORGED = "forged"
    EXPIRED = "expired"
    REVISED = "revised"
    FROM_THE_FUTURE = "from-the-future"
    #: By the ledger the choice was withdrawn, replaced or erased since.
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Signals:
    """What the browser says for the visitor on every request."""

    gpc: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows for one request: ``granted`` holds service ids, ``purposes`` purpose ids."""

    granted: frozenset[str]
    purposes: frozenset[str]
    prompt: bool
    reason: Reason
    gpc: bool = False
    record: Record | None = field(default=None)

    def allows(self, name: str) -> bool:
        """Return whether the purpose or service ``name`` may run now."""
        return name == NECESSARY or name in self.purposes or name in self.granted

    @property
    def receipt(self) -> str:
        """The receipt id of the choice that counts; empty unless something was granted."""
        return self.record.receipt if self.record is not None else ""
