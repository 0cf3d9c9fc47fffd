"""
The markup inserted first in ``<body>``: the banner, the control that reopens the choice, and the runtime.

The banner is a complete form that works without JavaScript. If the page is not known to be UTF-8, the markup is pure
ASCII (with numeric references), so it fits any ASCII-compatible charset. It is well-formed XML, so it fits an XHTML
page too.

The markup for a site, a language and a visitor's state is built once and cached. A request only fills in slots, such as
its URL and its nonce.

Limits: an inline script cannot be written portably into an XHTML page, so such a page links to the runtime. A page
whose policy forbids inline code (``NoticePage.inline`` is false) links to the style sheets as well.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from consent_mw.core.choice import Decision
from consent_mw.core.model import MARKETING
from consent_mw.core.model import NECESSARY
from consent_mw.core.model import STANDARD_WORDING
from consent_mw.core.model import Purpose
from consent_mw.core.model import Site
from consent_mw.notice import additions
from consent_mw.notice import shared_page as everybody
from consent_mw.notice.assets import Assets
from consent_mw.notice.assets import compact_css
from consent_mw.notice.escaping import escape
from consent_mw.notice.guard import GuardCode
from consent_mw.notice.offer import offered
from consent_mw.notice.purpose_rows import PurposeRows
from consent_mw.notice.recorded import SERVICE_FACTS
from consent_mw.notice.recorded import SITE_FACTS
from consent_mw.notice.recorded import UNSEEN
from consent_mw.notice.theme import control_look
from consent_mw.notice.theme import page_rules
from consent_mw.notice.theme import position_of
from consent_mw.notice.theme import sheets_of
from consent_mw.notice.vendor_signals import SignalCode
from consent_mw.notice.wording import direction
from consent_mw.notice.wording import isolated
from consent_mw.notice.wording import numeral
from consent_mw.notice.wording import offered_languages
from consent_mw.notice.wording import purpose_description
from consent_mw.notice.wording import purpose_label
from consent_mw.notice.wording import service_description
from consent_mw.notice.wording import wording

#: The state of a visitor without a choice; otherwise the state is the value of an Action.
UNDECIDED = "none"

# escape() removes U+0001, so a name between two of them is always a slot and never text from outside.
_SLOT = re.compile(r"\x01(\w+)\x01")


def state_of(decision: Decision) -> str:
    """Return the visitor's state for scripts and style sheets: ``accept``, ``partial``, ``reject``, ... or ``none``."""
    return decision.record.action.value if decision.record is not None else UNDECIDED


@dataclass(frozen=True, slots=True)
class NoticePage:
    """
    A page that the notice is inserted into.

    Args:
        decision: The decision for this visitor.
        lang: From :func:`consent_mw.notice.wording.choose_language`.
        nonce: The nonce of the page's Content-Security-Policy, or empty.
        back: The page's own path and query.
        root: The mount's full path, for example ``/_cmw`` or ``/prefix/_cmw``.
        inline: Whether the page's policy allows inline code.
        xml: Whether it is an XHTML page.
        linked: Whether the page's policy allows our linked scripts.
        loads: Whether it allows our scripts to load other scripts, and to create code from text.
        closed: Whether the page's policy excludes services that may be granted later, so that a grant needs a reload.
        shared: Whether caches serve the page to everybody.
        key: The key in the marks of the page (:attr:`consent_mw.html.rewriter.Rewriter.key`), or empty.
        news: Why a visitor who has chosen before is asked again (:mod:`consent_mw.notice.reasked`), or empty.
        utf8: Whether the page is known to be UTF-8; otherwise only ASCII is inserted.
        take: Whether the visitor granted something in another consent tool whose choices are taken over.
        sheets: Whether the page has a head of ours, and its policy allows our linked style sheets.
    """

    decision: Decision
    lang: str
    nonce: str
    back: str
    root: str
    inline: bool = True
    xml: bool = False
    linked: bool = True
    loads: bool = True
    closed: bool = False
    shared: bool = False
    key: str = ""
    news: str = ""
    utf8: bool = False
    take: bool = False
    sheets: bool = True


@dataclass(frozen=True, slots=True)
class _Variant:
    """The facts besides the site that determine the markup of an insertion."""

    lang: str
    prompt: bool
    gpc: bool
    inline: bool
    xml: bool
    nonced: bool
    linked: bool
    loads: bool
    closed: bool
    #: Whether code at the start of the page tells vendors the choice.
    told: bool
    shared: bool
    utf8: bool
    sheets: bool


class Notice:
    """
    The notice of one site; it can be shared between threads.

    Args:
        site: The current site; a site that has learned a service needs a new notice.
        assets: The style sheets and the runtime.
    """

    def __init__(self, site: Site, assets: Assets) -> None:
        self.site = site
        self._assets = assets
        self._purposes = offered(site)
        self.guard = GuardCode(site, assets)
        self._signals = SignalCode(site, assets)
        self._sheets = sheets_of(site, assets, {tag: direction(tag) for tag in self.languages})
        # Every process registers them at start-up, since it may have to serve a file that another process linked to.
        self._linked = {prompt: assets.keep("look.css", self.style(prompt).encode()) for prompt in (True, False)}
        self._pages = assets.read("pages.css").decode() + compact_css(page_rules(site.theme))
        #: The path, below the mount, of the style sheet for the pages under the mount.
        self.pages_sheet = assets.keep("pages.css", self._pages.encode())
        self._kept: dict[_Variant, list[bytes]] = {}
        self._document = b""
        self._digest = ""
        self._runtime = everybody.runtime_of(site, assets)
        self._later = everybody.runtime_of(site, assets, later=True)
        self._runtime_at = assets.keep("runtime.js", self._later)

    def insertion(self, page: NoticePage) -> bytes:
        """Return the markup to insert first in the body; empty if no service of the site needs consent."""
        decision = page.decision
        if self._unneeded(decision):
            return b""
        variant = _Variant(
            *(page.lang, decision.prompt, decision.gpc, page.inline, page.xml, bool(page.nonce)),
            *(page.linked, page.loads, page.closed, self._signals.wanted(decision), page.shared, page.utf8),
            page.sheets,
        )
        parts = self._kept.get(variant)
        if parts is None:
            markup = _SLOT.split(self._markup(variant))
            parts = self._kept[variant] = [_bytes(part, page.utf8) for part in markup]
        slots = {
            b"nonce": page.nonce,
            b"root": page.root,
            b"back": page.back,
            b"query": self._query(page.back, page.lang),
        }
        filled = {name: _bytes(escape(text), page.utf8) for name, text in slots.items()}
        news = f'<p class="cmw-text cmw-news">{escape(page.news)}</p>' if page.news else ""
        marks = f'data-cmw-key="{escape(page.key)}" ' if page.key else ""
        filled[b"key"] = _bytes(marks + ('data-cmw-take="1" ' if page.take else ""), page.utf8)
        granted = ",".join(sorted(decision.granted | decision.purposes))
        # Without the attributes the visitor has not chosen, and only necessary services may run.
        attribute = "" if granted == NECESSARY else f'data-cmw-granted="{escape(granted)}" '
        filled[b"granted"] = _bytes(attribute, page.utf8)
        state = state_of(decision)
        filled[b"state"] = b"" if state == "none" else f'data-cmw-state="{state}" '.encode()
        filled[b"news"] = _bytes(news, page.utf8)
        # re.split with one group: literal parts at even indices, names of slots at odd ones.
        return b"".join(filled[part] if number % 2 else part for number, part in enumerate(parts))

    def banner(self, page: NoticePage, *, unfolding: bool = True) -> str:
        """
        Return only the banner; all text in it is escaped.

        Args:
            page: The page in which the visitor reopens the choice, or unfolds a purpose to its services.
            unfolding: Whether it has a box for each service, as scripts show it, instead of a link to the services.
        """
        slots = {"root": page.root, "back": page.back, "query": self._query(page.back, page.lang), "news": ""}
        again = page.decision.record is not None
        markup = self._banner(page.lang, page.decision.gpc, again=again, unfolding=unfolding)
        return _SLOT.sub(lambda slot: escape(slots[slot[1]]), markup)

    @property
    def control_look(self) -> str:
        """The control's rules in addition to the built-in ones, which scripts contain; empty for most sites."""
        return control_look(self.site, self._assets)

    def control(self, page: NoticePage) -> str:
        """Return the control that reopens the choice, for a page whose banner was answered; all text is escaped."""
        if self.site.reopen != "button":
            return ""
        slots = {"root": page.root, "query": self._query(page.back, page.lang)}
        return _SLOT.sub(lambda slot: escape(slots[slot[1]]), self._reopen(page.lang, page.decision.gpc))

    def head(self, page: NoticePage) -> bytes:
        """Return the markup to insert first in the head, so that it runs before everything else."""
        # Visitors who have chosen will view more pages, so the look of the control comes from a cached file. It is in
        # the head, where every browser waits for it before the first paint; and last, since scripts wait for it too.
        sheet = b""
        if page.sheets and not page.decision.prompt and self.style(False) and not self._unneeded(page.decision):
            sheet = _bytes(self._link(False, escape(page.root), escape(page.nonce)), page.utf8)
        return self.guard.markup(page) + self._signals.markup(page) + sheet

    def style(self, prompt: bool) -> str:
        """
        Return the style sheet to insert into a page.

        Args:
            prompt: Whether the page has the banner; otherwise the sheet is only for the control that reopens the
                choice.
        """
        if prompt:
            return self._sheets["banner.css"] + self._sheets.get("reopen.css", "")
        return self._sheets.get("alone.css", "")

    @property
    def document(self) -> bytes:
        """
        The notice document: canonical JSON with everything that visitors see, in every language.

        The notice can be shown again from it later. It contains the markup and the style sheets as they are sent (the
        markup as for the page ``/``), with and without an opt-out signal, the texts of the banner and the preferences,
        the purposes, the services, the controller, and the revision. The same configuration always produces the same
        bytes.
        """
        if not self._document:
            self._document = json.dumps(
                self._shown(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
            ).encode("utf-8", "backslashreplace")
        return self._document

    @property
    def digest(self) -> str:
        """The SHA-256 of :attr:`document` in hex, under which it is stored."""
        if not self._digest:
            self._digest = hashlib.sha256(self.document).hexdigest()
        return self._digest

    def _shown(self) -> dict[str, object]:
        """Return the content of :attr:`document`."""
        site = self.site
        sheets = {name: text for name, text in self._sheets.items() if name != "alone.css"}
        necessary = next((purpose for purpose in site.purposes if purpose.id == NECESSARY), Purpose(NECESSARY))
        unmarked = everybody.marks(site, shared=False)
        countries = {f"country.{service.country}" for service in site.services}
        return {
            "format": "consent_mw.notice.v1",
            "revision": site.revision,
            "site": {name: getattr(site, name) for name in SITE_FACTS},
            "purposes": [
                {
                    "id": purpose.id,
                    "required": purpose.id == NECESSARY,
                    "label": {lang: purpose_label(purpose, lang, self.site) for lang in self.languages},
                    "description": {lang: purpose_description(purpose, lang, self.site) for lang in self.languages},
                }
                for purpose in (necessary, *self._purposes)
            ],
            "services": [
                {name: getattr(service, name) for name in SERVICE_FACTS}
                | {"description": {lang: service_description(service, lang, site)[0] for lang in self.languages}}
                | ({"manager": True} if service.manager else {})
                for service in site.services
            ],
            "styles": {"pages.css": self._pages, **sheets},
            "runtime": hashlib.sha256(self._runtime).hexdigest(),
            "release": hashlib.sha256(self._assets.read("release.js")).hexdigest(),
            "languages": {
                lang: {
                    "banner": self._at_root(self._banner(lang, False, shared=site.caching == "shared"), lang),
                    "banner_gpc": self._at_root(self._banner(lang, True), lang),
                    "rows": self._at_root(self._rows(lang, False, unmarked, unfolding=True), lang),
                    "reopen": self._at_root(self._reopen(lang, False), lang) if site.reopen == "button" else "",
                    "reopen_gpc": self._at_root(self._reopen(lang, True), lang) if site.reopen == "button" else "",
                    "texts": {
                        key: text
                        for key, text in wording(lang, self.site).items()
                        if not key.startswith(UNSEEN) or key in countries
                    },
                }
                for lang in self.languages
            },
        }

    @property
    def signals(self) -> Mapping[str, str]:
        """The URL and settings of the code that tells vendors a choice made in the page; empty if there is none."""
        return self._signals.parts

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the notice is shown in, the site's first one first."""
        return offered_languages(self.site)

    def _unneeded(self, decision: Decision) -> bool:
        """Whether pages of this visitor stay as they are: nobody has to be asked, or nothing is held or offered."""
        optional = self.site.optional
        done = self.site.reopen != "button" and decision.granted.issuperset(service.id for service in optional)
        return not optional or (done and not decision.prompt)

    def _link(self, prompt: bool, root: str, nonce: str) -> str:
        # Both values are escaped already, or slots.
        mark = f' nonce="{nonce}"' if nonce else ""
        return f'<link rel="stylesheet" href="{root}/{self._linked[prompt]}" data-cmw-style=""{mark}/>'

    def _at_root(self, markup: str, lang: str) -> str:
        """Return the markup as it is sent with the page ``/``."""
        slots = {"root": self.site.mount, "back": "/", "query": self._query("/", lang), "news": ""}
        return _bytes(_SLOT.sub(lambda slot: escape(slots[slot[1]]), markup), False).decode("ascii")

    def _query(self, back: str, lang: str) -> str:
        fields = [("back", back)]
        if len(self.site.languages) > 1:
            fields.append(("lang", lang))
        return urlencode(fields, safe="/")

    def _markup(self, variant: _Variant) -> str:
        # Visitors do not see the control before they choose, and the response to the choice contains what it needs.
        first = variant.prompt and variant.inline and not (variant.shared or variant.gpc)
        reopening = self.site.reopen == "button" and not first
        nonce = ' nonce="\x01nonce\x01"' if variant.nonced else ""
        style = self._sheets["first.css"] if first else self.style(variant.prompt)
        if variant.sheets and not variant.prompt:
            style = ""  # it is linked in the head
        elif style and variant.inline:
            style = f'<style data-cmw-style=""{nonce}>{style}</style>'
        elif style:
            style = self._link(variant.prompt, "\x01root\x01", "\x01nonce\x01" if variant.nonced else "")
        banner = self._banner(variant.lang, variant.gpc, shared=variant.shared) if variant.prompt else ""
        reopen = self._reopen(variant.lang, variant.gpc, shared=variant.shared) if reopening else ""
        settings = "".join(
            [
                'data-cmw-runtime="" data-cmw-root="\x01root\x01" \x01state\x01',
                "\x01key\x01",
                "\x01granted\x01",
                # Without this attribute, the runtime sends the choice and reloads the page.
                f'data-cmw-more="{self._assets.path("release.js")}"' if variant.loads else "",
                f' data-cmw-shared="{self.site.revision[:8]}"' if variant.shared else "",
                "" if variant.told or variant.prompt else self._signals.attributes,
                ' data-cmw-release="reload"' if variant.closed or self.site.release == "reload" else "",
                nonce,
            ]
        )
        if (variant.prompt or not variant.linked) and variant.inline and not variant.xml:
            runtime = self._runtime if variant.prompt else self._later
            script = f"<script {settings}>{runtime.decode()}</script>"
        elif not variant.linked:
            script = ""  # the banner works as a form
        else:
            source = f"\x01root\x01/{self._runtime_at}"
            # The runtime must run when the page has been parsed, so "async" may be too late. On shared pages it removes
            # the banner before the first paint.
            when = "" if variant.shared else ' defer=""'
            script = f'<script {settings}{when} src="{source}"></script>'
        return style + banner + reopen + script + (everybody.end(self.site) if variant.prompt else "")

    def _banner(
        self, lang: str, gpc: bool, *, shared: bool = False, again: bool = False, unfolding: bool = False
    ) -> str:
        say = wording(lang, self.site)
        mark = everybody.marks(self.site, shared=shared)
        # The opt-out signal already answers for marketing, so the banner does not ask about it. The preferences page
        # can still turn it on.
        purposes = [purpose for purpose in self._purposes if not (gpc and purpose.id == MARKETING)]
        chips = "".join(f"<li{mark(one.id)}>{escape(purpose_label(one, lang, self.site))}</li>" for one in purposes)
        rows = self._rows(lang, gpc, mark, unfolding=unfolding)
        necessary = next((purpose for purpose in self.site.purposes if purpose.id == NECESSARY), Purpose(NECESSARY))
        label = escape(purpose_label(necessary, lang, self.site))
        note = self._text(purpose_description(necessary, lang, self.site))
        fields = '<input type="hidden" name="back" value="\x01back\x01"/>' + (
            f'<input type="hidden" name="lang" value="{lang}"/>' if len(self.site.languages) > 1 else ""
        )
        if self.site.wordings:
            fields += f'<input type="hidden" name="wording" value="{self.site.wording or STANDARD_WORDING}"/>'
        return "".join(
            [
                # One attribute keeps the notice out of the snippets of search engines.
                '<section class="cmw-ui cmw-banner" data-cmw-banner="" data-nosnippet="" role="dialog" '
                f'aria-labelledby="cmw-title" lang="{lang}" dir="{direction(lang)}"',
                f' data-cmw-position="{position_of(self.site)}"' if self.site.layout == "corner" else "",
                f"{mark('')}>",
                # When a choice is changed, closing the banner must not refuse everything.
                "" if again else additions.dismissal(self.site, fields, say),
                f'<form class="cmw-form" method="post" action="\x01root\x01/choice">{fields}',
                f'<input type="hidden" name="shown" value="{shown}"/>' if (shown := self.site.suspects_digest) else "",
                f'<input type="hidden" name="asked" value="{self.site.asked}"/>',
                f'<div class="cmw-intro">{additions.logo(self.site)}',
                f'<h2 class="cmw-title" id="cmw-title">{escape(say["banner.title"])}</h2>',
                f'\x01news\x01<p class="cmw-text">{self._text(say["banner.text"])}</p>',
                f'<ul class="cmw-list" role="list">{chips}</ul>',
                f'<p class="cmw-text">{self._text(say["banner.promise"])}</p>',
                everybody.under_signal(
                    f'<div class="cmw-gpc" role="status"><strong>{escape(say["gpc.short"])}.</strong> '
                    f"{escape(say['gpc.banner'])}</div>",
                    *(gpc, shared),
                ),
                f'<p class="cmw-about">{self._about(say, lang)}</p></div>',
                '<details class="cmw-more">',
                f'<summary class="cmw-btn">{escape(say["action.choose"])}</summary>',
                '<ul class="cmw-rows" role="list"><li class="cmw-row"><div>'
                f"<strong>{label}<em>{escape(say['banner.always'])}</em></strong>"
                f'<span class="cmw-note">{note}</span></div></li>{rows}</ul>',
                self._counted(say),
                '</details><div class="cmw-actions">',
                self._button("save", "cmw-btn cmw-save", say),
                self._button("reject-all", "cmw-btn", say),
                self._button("accept-all", "cmw-btn", say),
                "</div></form></section>",
            ]
        )

    def _rows(self, lang: str, gpc: bool, mark: Callable[[str], str], *, unfolding: bool) -> str:
        """Return the choices: a row for each purpose that the banner asks about."""
        rows = PurposeRows(self.site, lang, unfolding)
        return "".join(
            rows.row(one, number, mark(one.id))
            for number, one in enumerate(self._purposes, 1)
            if not (gpc and one.id == MARKETING)
        )

    def _about(self, say: Mapping[str, str], lang: str) -> str:
        """Return the controller, and the link to the full information."""
        name = isolated(lang, self.site.controller or self.site.name)
        controller = escape(say["banner.responsible"].replace("{controller}", name))
        number = len(self.site.optional)
        services = (
            say["banner.services"].replace("{count}", numeral(say, number)) if number > 1 else say["page.details"]
        )
        policy = escape(self.site.privacy_policy)
        return "".join(
            [
                f"<span>{controller}</span>" if self.site.controller or self.site.name else "",
                f'<a href="\x01root\x01/?\x01query\x01">{escape(services)}</a>',
                f'<a href="{policy}">{escape(say["banner.privacy"])}</a>' if policy else "",
                additions.link_items(self.site, lang),
            ]
        )

    def _text(self, text: str) -> str:
        return additions.text_with_links(self.site, text)

    def _counted(self, say: Mapping[str, str]) -> str:
        """Return the remark that answers are counted, with a link for objecting to it."""
        if self.site.counters == "off":
            return ""
        return (
            f'<p class="cmw-about"><span>{escape(say["banner.counted"])}</span>'
            f'<a href="\x01root\x01/?\x01query\x01#counting">{escape(say["banner.counted.more"])}</a></p>'
        )

    @staticmethod
    def _button(action: str, style: str, say: Mapping[str, str]) -> str:
        return (
            f'<button class="{style}" name="action" value="{action}" data-cmw-action="{action}">'
            f"{escape(say['action.' + action])}</button>"
        )

    def _reopen(self, lang: str, gpc: bool, *, shared: bool = False) -> str:
        say = wording(lang, self.site)
        label = escape(say["action.open"])
        status = f'<p class="cmw-signal" role="status">{escape(say["gpc.short"])}</p>'
        status = everybody.under_signal(status, gpc, shared)
        # The browser shows and dismisses its own tooltip, so WCAG 2.2, 1.4.13 does not apply to it.
        tip = "" if self.site.reopen_label == "always" else f' title="{label}"'
        return (
            f'<section class="cmw-ui cmw-reopen" data-cmw-reopen="" data-nosnippet="" aria-label="{label}" '
            f'lang="{lang}" dir="{direction(lang)}">'
            f'<a class="cmw-open" href="\x01root\x01/?\x01query\x01" data-cmw-action="open"{tip}>'
            f"{additions.control_icon(self.site)}<span>{label}</span></a>"
            f"{status}</section>"
        )


def _bytes(text: str, utf8: bool) -> bytes:
    return text.encode("utf-8" if utf8 else "ascii", "xmlcharrefreplace")
