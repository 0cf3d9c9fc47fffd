"""
The configuration of a site: frozen values without side effects.

Days are whole days since 1970-01-01 UTC. Texts are mappings from a language tag to a text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Set
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType

NECESSARY = "necessary"
MARKETING = "marketing"

#: The pseudo-service under which an unknown third party is held (``unknown = "pixels" | "hold"``).
UNKNOWN_SERVICE = "unknown"

#: Added to the ids of services whose embeds are shown once if everything of theirs may load, not only their frames.
WHOLE = "-"

#: The name of the site's own words, where others are compared with them.
STANDARD_WORDING = "standard"

#: Prefix of the pseudo-service ids for elements that an owner marked with a purpose; the purpose follows.
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

    An empty ``label`` or ``description`` means the built-in text in the visitor's language.
    """

    id: str
    label: Mapping[str, str] = field(default_factory=_no_text)
    description: Mapping[str, str] = field(default_factory=_no_text)
    required: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """
    A service that can be held, with its vendor.

    Args:
        id: Lower-case letters, digits and hyphens.
        purposes: Purpose ids; the service is released when all are granted (for a tag manager, one), or when it is
            itself.
        hosts: ``host`` or ``host/path-prefix``; a host includes its subdomains, and ``name.*`` matches any public
            suffix after ``name``. The longest prefix wins.
        paths: Path rules on any host, including the site's own: the text must occur in the path and query at the start
            of a segment (``/matomo.php?``). ``?id=G-`` matches a script URL with a parameter that begins like that, in
            any position.
        inline: Code that identifies an inline script or handler (``fbq(``, ``_paq.push``).
        elements: ``name``, ``name[attr]``, ``name[attr=value]``, ``name[attr*=part]`` or ``[attr]``, for markup that
            loads something through a library (``amp-analytics[type=gtag]``); of several conditions all must hold.
        cookies: Names of first-party cookies that it sets; ``*`` matches any run of characters.
        storage: Names of its localStorage and sessionStorage keys, likewise.
        databases: Names of its IndexedDB databases, likewise.
        queue: The globals that its snippet defines for the site's code to call: ``_paq[]`` (an array), ``fbq()`` (a
            function), ``mixpanel.track()`` (a method), ``kakaoPixel().purchase()`` (a method of what a call returns),
            ``google.maps.*`` (a library, with all that is below it).
        places: Where a script places its embed: the element that the script fills
            (``.calendly-inline-widget``, ``#disqus_thread``, ``[data-tf-widget]``), or the script itself
            (``script[src*=gist.github.com]``, ``script: hbspt.forms.create(``).
        poster: Path of a picture on the owner's site that is shown for a held embed; or empty.
        cookie_days: Lifetimes of the cookies in days, by name; 0 for the session.
        kind: One of :data:`consent_mw.catalogue.KINDS`; empty if unknown.
        country: ISO 3166-1 alpha-2 code of the country that data is sent to.
        policy: Address of the vendor's privacy policy.
        opt_out: Address of the vendor's opt-out, or empty.
        safeguard: ``adequacy``, ``scc``, ``dpf``, ``bcr`` or empty.
        retention_days: Days for which the vendor keeps the data; 0 if unknown.
        lawful_basis: ``consent``, ``contract``, ``legal-obligation`` or ``legitimate-interest``;
            anything that is held rests on consent.
        tracker: Whether it is a tracker, which can never be declared necessary.
        embed: Whether its iframes show visible content.
        manager: Whether it is a tag manager, which loads other tags: it is released when one of its purposes is
            granted, and is told which.
        signals: The vendors whose tags it is or loads, so that they are told of the choice through their own interface:
            ``google``, ``microsoft``, ``clarity``, ``meta``.
        waits: Calls by which a page makes the vendor's code wait for consent, and after ``>`` the call that ends it:
            ``pintrk setconsent false > setconsent true``.
        suspected: Whether it is a third party that nobody described and that pages of the site taught: visitors are
            asked about it, and answers given before remain valid.
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
    waits: tuple[str, ...] = ()
    suspected: bool = False
    poster: str = ""
    description: Mapping[str, str] = field(default_factory=_no_text)

    @property
    def necessary(self) -> bool:
        """Whether it runs without consent."""
        return self.purposes == (NECESSARY,)

    def runs_for(self, purposes: Set[str]) -> bool:
        """Return whether it runs if these purposes are granted: all of its own, or one for a tag manager."""
        return not purposes.isdisjoint(self.purposes) if self.manager else purposes >= set(self.purposes)

    @property
    def opted_out(self) -> bool:
        """Whether an opt-out signal revokes it: it needs marketing, and is not a tag manager with other purposes."""
        return not self.runs_for(set(self.purposes) - {MARKETING})


@dataclass(frozen=True, slots=True)
class StatsAccess:
    """
    Who may see the consent rates; by default nobody.

    Args:
        password: A hash as ``consent-mw stats passwd`` writes it.
        token: The SHA-256 of the bearer token for programs, in hex, as ``consent-mw stats token`` prints it.
        check: The owner's own check: takes the WSGI environ of the request and returns a bool.
    """

    password: str = ""
    token: str = ""
    check: Callable[[Mapping[str, object]], bool] | None = None

    @property
    def open(self) -> bool:
        """Whether any access is configured."""
        return bool(self.password or self.token or self.check)


@dataclass(frozen=True, slots=True)
class ReportDelivery:
    """
    Where ``consent-mw report --send`` sends the consent rates; by default nowhere.

    Args:
        to: The e-mail addresses that get it.
        sender: The address in its ``From``.
        smtp: The mail server, as ``smtp://``, ``smtp+starttls://`` or ``smtps://`` with an optional user.
        smtp_password_env: The environment variable with the user's password.
        webhook: An address that gets it as JSON; it may hold a secret.
    """

    to: tuple[str, ...] = ()
    sender: str = ""
    smtp: str = ""
    smtp_password_env: str = ""
    webhook: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Theme:
    """
    The owner's theme; empty values keep the built-in look.

    Args:
        light: Colours as ``#rrggbb``, by the name of the custom property without ``--cmw-``.
        dark: The same for visitors who prefer dark.
        radius: Of buttons, in CSS pixels; -1 if not set.
        font: A list of font families as in CSS.
        width: Maximum width of the notice, in em; 0 if not set.
        scheme: ``auto``, as the visitor prefers; ``light`` or ``dark`` for everybody; ``selector``, dark where
            ``dark_selector`` matches ``html`` or ``body``.
        dark_selector: A CSS selector such as ``html.dark``.
        brand: The colour from which all colours that are not set are derived; empty for the built-in colours.
        dark_brand: The same for the dark colours; empty for that of the light ones.
        logo: The path of a picture on the site.
        dark_logo: The same on a dark background; empty for the same picture.
    """

    light: Mapping[str, str] = field(default_factory=_no_text)
    dark: Mapping[str, str] = field(default_factory=_no_text)
    radius: int = -1
    font: str = ""
    width: int = 0
    scheme: str = "auto"
    dark_selector: str = ""
    brand: str = ""
    dark_brand: str = ""
    logo: str = ""
    dark_logo: str = ""


@dataclass(frozen=True, slots=True)
class VendorSignals:
    """The vendors whose tags are told of the choice once they may run, and Google's options."""

    google: bool = True
    microsoft: bool = True
    clarity: bool = True
    meta: bool = True
    url_passthrough: bool = False
    ads_data_redaction: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the question: its day, in days since 1970-01-01, and one line of text by language."""

    day: int
    text: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Annotation:
    """What the owner noted for a day, in days since 1970-01-01: one line of text by language, for the owner's pages."""

    day: int
    text: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the owner's in the notice, to an imprint for example: its address, and its words by language."""

    url: str
    label: Mapping[str, str]


@dataclass(frozen=True)
class Site:
    """The configuration of a site; built by :func:`consent_mw.config.load`, valid by construction."""

    #: The id that records are stored under; sites that share a store need different ones.
    id: str = "site"
    name: str = ""
    controller: str = ""
    contact: str = ""
    privacy_policy: str = ""
    supervisory_authority: str = ""
    keys_env: str = "CONSENT_KEYS"
    records: str = "sqlite:///consent.db"
    #: The address of a read replica of the store, from which figures and exports are read; empty if there is none.
    replica: str = ""
    #: The spool file, for grants while a store on another machine is unreachable; empty for a local store.
    spool: str = ""
    #: ``on``, or ``report``: pages go out as they are, and what would be done to them is counted.
    mode: str = "on"
    #: With ``mode = "report"``: the share of visitors, in percent, for whom the mode is ``on``.
    live_share: int = 0
    #: With ``mode = "report"``: the file with the counts of what would be done.
    report_file: str = "consent-report.db"
    unknown: str = "suspects"
    #: Hosts of third parties, optionally with a path, that are let through whatever ``unknown`` is.
    allow_hosts: tuple[str, ...] = ()
    caching: str = "private"
    release: str = "in_place"
    reopen: str = "button"
    mount: str = "/_cmw"
    choice_days: int = 180
    record_days: int = 540
    hold_back: int = 1_048_576
    #: Grants that one IP address may add to the ledger per hour and process; 0 for no limit.
    grants_per_hour: int = 300
    allow_insecure_http: bool = False
    #: ``all``; ``granted``, to count browser, OS and ISP only for visitors who granted something; or ``off``.
    counters: str = "all"
    #: Source of the ISP's domain: ``ptr``, ``mmdb:FILE`` or ``off``; empty means ``ptr`` if its libraries are
    #: installed.
    isp: str = ""
    #: The number of proxies in front of the site that append to X-Forwarded-For.
    trusted_proxies: int = 0
    #: Changes to the site's Content-Security-Policy: ``off`` (only allow our own code), ``tighten``, ``enforce``.
    csp: str = "off"
    #: Whether browsers are asked to report blocked requests; their hosts are counted by day.
    csp_reports: bool = False
    #: The domain whose subdomains share a choice; empty for this host alone.
    cookie_domain: str = ""
    #: Whether the cookies of held services are hidden from the app.
    hide_cookies: bool = False
    #: Whether responses state the time that we took (Server-Timing).
    server_timing: bool = False
    #: Tools whose cookies tell what visitors chose before, and the last day on which they count.
    migrate_from: tuple[str, ...] = ()
    migrate_until: int = 0
    #: When this configuration takes effect, in seconds since 1970-01-01 UTC, and the configuration until then; 0 and
    #: None if it takes effect at once.
    takes_effect: int = 0
    before: Site | None = None
    #: Whether this is the question that is asked until another one takes effect.
    outgoing: bool = False
    #: Called after a choice was recorded.
    on_change: Callable[..., object] | None = None
    #: Whether tags and requests that scripts create at run time are held as well.
    guard: bool = True
    layout: str = "bar"
    #: The position of the notice; empty for the default of the layout.
    position: str = ""
    #: A second way to refuse, above the notice: ``text`` ("Continue without accepting"), ``cross``, or ``off``.
    dismiss: str = "off"
    #: Whether the notice names the services under each purpose.
    show_services: bool = False
    #: The control that opens the choices again: its place, its distance from the edge in CSS pixels, its icon (a name
    #: or the path of a picture), and whether its words are shown ``always`` or on ``hover``.
    reopen_position: str = "bottom-start"
    reopen_offset: int = 14
    reopen_icon: str = "switch"
    reopen_label: str = "hover"
    #: The owner's links, in their order.
    links: tuple[Link, ...] = ()
    theme: Theme = field(default_factory=Theme)
    signals: VendorSignals = field(default_factory=VendorSignals)
    #: The changes of the question, latest first.
    changes: tuple[Change, ...] = ()
    #: Patterns of paths without a notice and counting, and of paths that are not changed at all.
    quiet: tuple[str, ...] = ()
    untouched: tuple[str, ...] = ()
    #: Separate sites for some hosts, by host pattern, in the order in which they are tried.
    hosts: tuple[tuple[str, Site], ...] = ()
    stats: StatsAccess = field(default_factory=StatsAccess)
    report: ReportDelivery = field(default_factory=ReportDelivery)
    #: The owner's notes beside the consent rates, earliest first.
    annotations: tuple[Annotation, ...] = ()
    languages: tuple[str, ...] = ("en",)
    #: The owner's texts, by canonical language tag and then by key.
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=_no_texts)
    #: Other wordings of the notice to compare with these, by name: texts as above.
    wordings: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    #: The name of the wording that this site object has; empty for the site's own words.
    wording: str = ""
    purposes: tuple[Purpose, ...] = ()
    services: tuple[Service, ...] = ()
    #: The absolute path of the folder with the owner's catalogue entries; empty if there is none.
    catalogue: str = ""
    #: The services in that folder, which the site knows without declaring them.
    definitions: tuple[Service, ...] = ()
    #: Whether the owner declared no service, so that services seen in the pages are declared as they turn up.
    learning: bool = True

    @property
    def grows(self) -> bool:
        """Whether services are discovered in pages: all of them, or third parties that look like trackers."""
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
        A hash of what a visitor agrees to, in twelve hex digits: purposes, services, vendors, retention, transfers.

        A change of wording does not affect it; a change of meaning does. Suspects are left out: they are discovered at
        any time, even in the page on which an answer is given, and that answer has to remain valid.
        """
        meaning = {
            "controller": self.controller,
            "services": sorted(
                [s.id, s.vendor, sorted(s.purposes), s.country, s.safeguard, s.retention_days, s.lawful_basis]
                for s in self.optional
                if not s.suspected
            ),
        }
        canonical = json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(b"consent_mw.revision.v1\0" + canonical.encode()).hexdigest()[:12]

    @cached_property
    def suspects(self) -> frozenset[str]:
        """The ids of the undescribed third parties that visitors are asked about."""
        return frozenset(service.id for service in self.optional if service.suspected)

    @cached_property
    def suspects_digest(self) -> str:
        """Eight hex digits over :attr:`suspects`, by which a form says which of them it showed; empty for none."""
        text = ",".join(sorted(self.suspects))
        return hashlib.sha256(b"consent_mw.suspects.v1\0" + text.encode()).hexdigest()[:8] if text else ""

    def worded(self, name: str) -> Site:
        """Return the site with another of its wordings; the site itself for an unknown name."""
        if name not in self.wordings:
            return self
        texts = dict(self.texts)
        for lang, words in self.wordings[name].items():
            texts[lang] = MappingProxyType({**texts.get(lang, {}), **words})
        return replace(self, wording=name, texts=MappingProxyType(texts))

    def form(self, wording: str) -> str:
        """
        Return the form of the notice under which visits are counted: its layout, and its wording if there are several.

        Four hex digits change with the words, so that answers to one version are never counted for another.
        """
        if not self.wordings:
            return self.layout
        compared = {key for texts in self.wordings.values() for words in texts.values() for key in words}
        texts = self.worded(wording).texts
        kept = {lang: {key: text for key, text in own.items() if key in compared} for lang, own in texts.items()}
        words = json.dumps({lang: own for lang, own in kept.items() if own}, sort_keys=True)
        mark = hashlib.sha256(b"consent_mw.wording.v1\0" + words.encode("utf-8", "replace")).hexdigest()[:4]
        return f"{self.layout}/{wording if wording in self.wordings else STANDARD_WORDING}.{mark}"

    @property
    def asked(self) -> str:
        """
        Eight hex digits of the revision, by which a form says what it asked.

        Suspects are not part of it; see :attr:`suspects_digest`.
        """
        return self.revision[:8]

    def accepts(self, asked: str) -> bool:
        """
        Return whether a grant in answer to this question (:attr:`asked`) is one to this site's question.

        While the question changes, a form that names none was made before the machine knew of the change, so it asked
        the earlier question. At other times it is a form that the owner wrote.
        """
        return asked[:8] == self.asked if asked else self.outgoing or not self.takes_effect
