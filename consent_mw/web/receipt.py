"""
The visitor's own record: view, download, verify and erase it. The pages work without scripts, and identify the
visitor by the cookie alone.

============================  ===================================================
GET /receipt                  the stored data, how long they are kept, and the actions
GET /receipt/download         the receipt as a file, with its proof
GET /receipt/notice           the notice that was answered, in words
GET /receipt/notice/shown     the same as it was shown, for a frame; nothing works in it
GET /receipt/notice/document  the stored document, byte for byte
POST /receipt/erase           withdraws the choice and erases its record
============================  ===================================================

Erasing always withdraws the choice. If the store fails, the choice is withdrawn anyway, the answer is a 503, and its
form contains the signed choice from the cookie, so that the visitor can try again. Afterwards the cookie is that of a
refusal, which is the same for everybody on that day.

The pages show the entry in the ledger. If the store does not answer, they show the content of the cookie, and say so.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace
from typing import TypeVar

from flask import Flask
from flask import Response
from flask import render_template
from flask import request
from werkzeug.wrappers import Response as AnyResponse

from consent_mw.core.choice import Action
from consent_mw.core.choice import Choice
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.core.days import iso
from consent_mw.core.decide import decide
from consent_mw.core.seal import ENDS
from consent_mw.core.seal import GRANTS
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.notice.escaping import escape
from consent_mw.notice.wording import direction
from consent_mw.notice.wording import language_name
from consent_mw.notice.wording import localised
from consent_mw.web.context import WebContext
from consent_mw.web.record import Proof
from consent_mw.web.record import count
from consent_mw.web.record import loggable
from consent_mw.web.values import Fact
from consent_mw.web.values import Pages
from consent_mw.web.visit import RETRY_AFTER
from consent_mw.web.visit import Refused
from consent_mw.web.visit import Visit
from consent_mw.web.visit import cookie_of
from consent_mw.web.visit import frame
from consent_mw.web.visit import posted
from consent_mw.web.visit import see_other
from consent_mw.web.visit import settle
from consent_mw.web.visit import visit_of

T = TypeVar("T")

logger = logging.getLogger("consent_mw.web")

#: The policy for the notice as it was shown: only its own style sheet is allowed.
_INERT = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'self'"
#: The policy for the page around it.
_AROUND = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """
    The stored data of one receipt.

    Args:
        number: The receipt id.
        note: A remark above the facts, or empty.
        facts: What was granted, and when.
        state: ``sealed`` or ``waiting``; empty if the ledger has no entry or does not answer.
        until: The date of its purge, as text; empty if ``state`` is empty.
    """

    number: str
    note: str
    facts: tuple[Fact, ...]
    state: str = ""
    until: str = ""
    iso_until: str = ""


@dataclass(frozen=True, slots=True)
class ShownNotice:
    """
    A stored notice, as the visitor saw it: in one language, with or without an opt-out signal.

    Args:
        lang: Its language.
        purposes: Names and descriptions of the purposes it asked for.
        services: Names, vendors and descriptions of the services that needed consent.
        page: The banner and its style sheet, as a separate page.
        document: The stored bytes.
    """

    lang: str
    purposes: tuple[tuple[str, str], ...]
    services: tuple[tuple[str, str, str], ...]
    page: str
    document: bytes

    @property
    def dir(self) -> str:
        """The direction of its language."""
        return direction(self.lang)


def register(app: Flask, context: WebContext) -> None:
    """Add the pages to the application."""
    proof = Proof(context)

    @app.get("/receipt")
    def receipt() -> Response:
        visit = _visit(context)
        pages = visit.pages()
        around = frame(context, visit, visit.back(request.args.get("back", "")))
        body = render_template(
            "receipt.html",
            **around,
            view=_view(context, visit, pages, f"{visit.root}/receipt/notice?{around['carried']}"),
            nothing=pages.fill(f"receipt.none.{_why_nothing(visit)}", term=pages.term()),
            held=_held(context, visit),
            responsible=pages.responsible(),
        )
        return Response(body)

    @app.get("/receipt/download")
    def download() -> Response:
        from consent_mw.proof.receipts import receipt_document  # needed only for receipts

        visit = _visit(context)
        if not visit.receipt:
            raise Refused(404, "error.receipt")
        site, keys = visit.site, context.keys()
        document = _asked(lambda: receipt_document(context.records, visit.receipt, site=site, keys=keys))
        if document is None:
            raise Refused(404, "receipt.gone")
        return _file(document, f"consent-receipt-{iso(context.today())}.json")

    @app.get("/receipt/notice")
    def notice() -> Response:
        visit = _visit(context)
        entry = _granted(context, visit)
        shown = _asked(lambda: _shown(context, entry))
        pages = visit.pages()
        body = render_template(
            "notice.html",
            **frame(context, visit, visit.back(request.args.get("back", ""))),
            shown=shown,
            intro=pages.fill("receipt.shown.intro", date=pages.date(entry.day)),
            digest=entry.notice,
        )
        answer = Response(body)
        answer.headers["Content-Security-Policy"] = _AROUND
        return answer

    @app.get("/receipt/notice/shown")
    def notice_as_shown() -> Response:
        answer = Response(_there(context).page)
        answer.headers["Content-Security-Policy"] = _INERT
        answer.headers["X-Frame-Options"] = "SAMEORIGIN"
        return answer

    @app.get("/receipt/notice/document")
    def notice_document() -> Response:
        shown = _there(context)
        return _file(shown.document, f"consent-notice-{hashlib.sha256(shown.document).hexdigest()[:12]}.json")

    @app.post("/receipt/erase")
    def erase() -> AnyResponse:
        visit = visit_of(context)
        form = posted(visit)
        visit = visit.in_language(form.lang)
        # The receipt in the cookie, and the one that the page showed, if the visitor has chosen again since.
        receipts = {visit.receipt, _receipt_in(context, visit, form.held)} - {""}
        if not receipts:
            return see_other(f"{visit.root}/receipt")
        record = Record(Action.REJECT, context.today(), visit.site.revision)
        cookie = cookie_of(context, visit, record)
        left = [receipt for receipt in sorted(receipts) if not proof.erase(visit, receipt)]
        count(context, visit, Choice(Action.WITHDRAW))
        pages = visit.pages()
        title = "receipt.kept" if left else "receipt.erased"
        body = render_template(
            "erased.html",
            **frame(context, visit, visit.back(form.back)),
            title=pages.say[title],
            text=pages.fill(f"{title}.text", number=pages.join(left)),
            held=(_held(context, visit) or form.held) if left else "",
            contact=pages.contact(),
        )
        answer = Response(body, status=503 if left else 200)
        if left:
            answer.headers["Retry-After"] = RETRY_AFTER
        settle(
            context, answer, visit, cookie, decide(visit.site, record, Signals(gpc=visit.decision.gpc), context.today())
        )
        return answer


def _visit(context: WebContext) -> Visit:
    return visit_of(context).in_language(request.args.get("lang", ""))


def _file(document: bytes, name: str) -> Response:
    answer = Response(document, content_type="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _asked(ask: Callable[[], T]) -> T:
    """
    Return the store's answer.

    Raises:
        Refused: if the store fails.
    """
    try:
        return ask()
    except Exception as error:
        logger.error("what is kept under a receipt could not be read: %s", loggable(error))
        raise Refused(503, "error.away") from error


# -- the cookie


def _held(context: WebContext, visit: Visit) -> str:
    """Return the signed choice in the cookie, if it has a receipt; else an empty string."""
    held = [request.cookies[name] for name in context.cookies.names(visit.head) if name in request.cookies]
    return held[0] if held and visit.receipt else ""


def _receipt_in(context: WebContext, visit: Visit, held: str) -> str:
    """Return the receipt in a signed choice from a form; an empty string if the signature is invalid."""
    name = context.cookies.name(visit.head)
    if not name or not held:
        return ""
    found = context.cookies.read(replace(visit.head, headers=(("cookie", f"{name}={held}"),)))
    return found.receipt if isinstance(found, Record) else ""


def _why_nothing(visit: Visit) -> str:
    if not isinstance(visit.found, Record):
        return "undecided"
    return "withdrawn" if visit.found.action is Action.WITHDRAW else "refused"


# -- the ledger


def _view(context: WebContext, visit: Visit, pages: Pages, notice: str) -> ReceiptView | None:
    """Return the stored data of the visitor's receipt, or None; ``notice`` is the URL of its notice."""
    found = visit.found
    if not isinstance(found, Record) or not found.receipt:
        return None
    try:
        history = context.records.history(found.receipt)
        if not history and context.lost.write_again(found, visit.site.revision):
            history = context.records.history(found.receipt)
    except Exception as error:
        logger.error("what is kept under a receipt could not be read: %s", loggable(error))
        act = Act.ACCEPT if found.action is Action.ACCEPT else Act.PARTIAL
        entry = Entry(
            "", found.receipt, act, found.day, purposes=found.purposes, services=found.services, gpc=found.gpc
        )
        return ReceiptView(found.receipt, pages.say["receipt.away"], tuple(_facts(pages, entry, notice)))
    if not history:
        return ReceiptView(found.receipt, pages.say["receipt.gone"], ())
    last = max(kept.entry.day for kept in history) + visit.site.record_days
    return ReceiptView(
        number=found.receipt,
        note="",
        facts=tuple(fact for kept in history for fact in _facts(pages, kept.entry, notice)),
        state="sealed" if all(kept.seal is not None for kept in history) else "waiting",
        until=pages.date(last),
        iso_until=iso(last),
    )


def _facts(pages: Pages, entry: Entry, notice: str) -> list[Fact]:
    """Return the facts of an entry."""
    say = pages.say
    if entry.act in ENDS:
        return [Fact(say["receipt.ended"], pages.date(entry.day))]
    facts = [Fact(say["receipt.day"], pages.date(entry.day))]
    if entry.purposes:
        facts.append(Fact(say["receipt.granted"], pages.purpose_names(entry.purposes)))
    if entry.services:
        facts.append(Fact(say["receipt.services"], pages.service_names(entry.services)))
    if entry.gpc:
        facts.append(Fact(say["receipt.signal"], say["receipt.signal.sent"]))
    if entry.notice:
        language = language_name(entry.language)
        facts.append(Fact(say["receipt.notice"], pages.fill("receipt.notice.link", language=language), notice))
    return facts


def _granted(context: WebContext, visit: Visit) -> Entry:
    """
    Return the grant with the visitor's receipt.

    Raises:
        Refused: if there is no receipt, no grant with it, or the store fails.
    """
    if not visit.receipt:
        raise Refused(404, "error.receipt")
    history = _asked(lambda: context.records.history(visit.receipt))
    entry = next((kept.entry for kept in history if kept.entry.act in GRANTS), None)
    if entry is None:
        raise Refused(404, "receipt.gone")
    return entry


def _there(context: WebContext) -> ShownNotice:
    """Return the notice of the visitor's grant; raise Refused if it is missing or was altered."""
    entry = _granted(context, _visit(context))
    shown = _asked(lambda: _shown(context, entry))
    if shown is None:
        raise Refused(404, "receipt.shown.missing")
    return shown


def _shown(context: WebContext, entry: Entry) -> ShownNotice | None:
    """Return the notice that an entry names; None if it is missing, or its bytes do not match its hash."""
    document = context.records.notice(entry.notice)
    if document is None or hashlib.sha256(document).hexdigest() != entry.notice:
        return None
    try:
        return _read_notice(document, entry)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None  # a format that this version does not know


def _read_notice(document: bytes, entry: Entry) -> ShownNotice:
    kept = json.loads(document)
    lang = entry.language
    banner = kept["languages"][lang]["banner_gpc" if entry.gpc else "banner"]
    style = kept["styles"]["banner.css"]
    # Disable links, which would only replace the content of the frame.
    page = (
        f'<!doctype html><html lang="{escape(lang)}" dir="{direction(lang)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(kept["site"]["name"])}</title>'
        f"<style>{style}</style></head><body>{banner.replace(' href=', ' data-href=')}</body></html>"
    )
    return ShownNotice(
        lang=lang,
        purposes=tuple(
            (localised(purpose["label"], lang), localised(purpose["description"], lang))
            for purpose in kept["purposes"]
            if not purpose["required"]
        ),
        services=tuple(
            (service["name"], service["vendor"], localised(service["description"], lang))
            for service in kept["services"]
            if service["purposes"] != ["necessary"]
        ),
        page=page,
        document=document,
    )
