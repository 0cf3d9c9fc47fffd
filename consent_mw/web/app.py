"""
The pages under the mount, as a Flask application that the engine calls with SCRIPT_NAME ending in the mount.

====================  ========================================================
GET /                 preferences: every purpose and service with its switch
POST /choice          the choice; the only address that changes anything
GET /placeholder/ids  what stands in the place of a held embed
GET /assets/name      static files under names that hold their hash
GET /state            the state as JSON, for pages that come back from a cache
====================  ========================================================

A POST to ``/choice`` goes through these steps, in this order; the numbers
are repeated at the code. Whatever fails, nothing has been granted.

(1) The form: ``application/x-www-form-urlencoded``, at most 16 KiB (415, 413).
(2) The origin: from another site it is refused; where the browser does not
    tell, a grant is refused and a refusal is honoured (403).
(3) The fields: an unknown action is an error (400), unknown ids are left out.
(4) The choice becomes a record; a random receipt id exists only if something
    was granted.
(5) A grant needs a cookie to live in (403) and a ledger row that lasts (503).
    What it replaces, or what is withdrawn, is closed in the ledger under its
    old receipt; that is tried, and never stands in the way of a refusal.
(6) The cookie is set.
(7) Cookies of services that may not run (any more) are expired.
(8) The answer: 303 to a path of this site, or JSON where that is asked for.

Nothing here keeps an address, a user agent, a referrer or a path.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from dataclasses import replace
from urllib.parse import quote
from urllib.parse import urlencode
from urllib.parse import urlsplit

from flask import Flask
from flask import Response
from flask import jsonify
from flask import render_template
from flask import request
from werkzeug.exceptions import HTTPException

from consent_mw.banner import choose_language
from consent_mw.banner import direction
from consent_mw.banner import state_of
from consent_mw.banner import wording
from consent_mw.catalogue import load as load_catalogue
from consent_mw.cookies import expire
from consent_mw.core.decide import decide
from consent_mw.core.model import Action
from consent_mw.core.model import Choice
from consent_mw.core.model import Decision
from consent_mw.core.model import NoRecord
from consent_mw.core.model import Record
from consent_mw.core.model import RequestHead
from consent_mw.core.model import Signals
from consent_mw.core.model import Site
from consent_mw.errors import RecordsError
from consent_mw.web.choice import FORM_LIMIT
from consent_mw.web.choice import Form
from consent_mw.web.choice import Origin
from consent_mw.web.choice import choice_of
from consent_mw.web.choice import granted_optional
from consent_mw.web.choice import grants
from consent_mw.web.choice import origin_of
from consent_mw.web.choice import read_form
from consent_mw.web.choice import safe_back
from consent_mw.web.choice import to_expire
from consent_mw.web.context import WebContext
from consent_mw.web.pages import Pages

logger = logging.getLogger("consent_mw.web")

_FORM_TYPE = "application/x-www-form-urlencoded"
_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors "

#: Seconds after which a grant that could not be recorded may be tried again.
_RETRY_AFTER = "10"

_ERROR_TEXTS = {
    400: "error.action",
    403: "error.origin",
    404: "error.missing",
    405: "error.method",
    413: "error.size",
    415: "error.form",
    500: "error.server",
    503: "error.records",
}


class _Refused(Exception):
    """A step of a choice failed: the status of the answer, and the key of the text that says why."""

    def __init__(self, status: int, key: str = "") -> None:
        super().__init__(status)
        self.status = status
        self.key = key or _ERROR_TEXTS[status]


@dataclass(frozen=True, slots=True)
class _Visit:
    """One request as the views see it."""

    site: Site
    head: RequestHead
    found: Record | NoRecord
    decision: Decision
    root: str
    home: str
    lang: str

    def back(self, text: str) -> str:
        """Return the path to go back to, checked."""
        return safe_back(text, self.root, self.home)

    def pages(self) -> Pages:
        """Return what the templates show."""
        return Pages(self.site, self.decision, self.found, self.lang)

    def in_language(self, lang: str) -> _Visit:
        """Return the same visit in the language, if the site has it."""
        return replace(self, lang=lang) if lang in self.site.languages else self


def create_app(context: WebContext) -> Flask:
    """Return the application; several threads may call it at once."""
    app = Flask("consent_mw.web", static_folder=None, template_folder="templates")
    app.config["MAX_CONTENT_LENGTH"] = FORM_LIMIT
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True

    @app.get("/")
    def preferences() -> Response:
        visit = _visit(context).in_language(request.args.get("lang", ""))
        back = visit.back(request.args.get("back", ""))
        pages = visit.pages()
        languages = visit.site.languages if len(visit.site.languages) > 1 else ()
        body = render_template(
            "preferences.html",
            **_frame(context, visit, back),
            site=visit.site,
            gpc=visit.decision.gpc,
            languages=[(tag, urlencode({"back": back, "lang": tag}, safe="/")) for tag in languages],
            state=pages.state(),
            purposes=pages.purposes(),
            necessary=pages.necessary(),
            responsible=pages.responsible(),
        )
        return Response(body)

    @app.post("/choice")
    def choice() -> Response:
        visit = _visit(context)
        form = _posted(visit)  # (1), (2)
        visit = visit.in_language(form.lang)
        gpc = visit.decision.gpc
        old = visit.found.receipt if isinstance(visit.found, Record) else ""
        chosen = choice_of(visit.site, form, gpc=gpc, granted_before=bool(old))
        if chosen is None:
            raise _Refused(400)  # (3)
        record = _record(context, visit.site, chosen, gpc)  # (4)
        cookie = _cookie(context, visit, record)
        _prove(context, visit, record, old)  # (5)
        decision = decide(visit.site, record, Signals(gpc=gpc), context.today())
        if _wants_json():
            answer = jsonify(_state(decision))
        else:
            answer = Response(status=303)
            answer.headers["Location"] = visit.back(form.back)  # (8)
        answer.headers.add("Set-Cookie", cookie)  # (6)
        names, services = to_expire(visit.site, granted_optional(visit.site, decision), list(request.cookies))
        for value in expire(names, services, visit.head.host):
            answer.headers.add("Set-Cookie", value)  # (7)
        return answer

    @app.get("/placeholder/<ids>")
    def placeholder(ids: str) -> Response:
        visit = _visit(context)
        view = visit.pages().placeholder(ids, load_catalogue)
        if view is None:
            raise _Refused(404)
        back = visit.back(_referring_path(visit.head))
        query = urlencode({"back": back}, safe="/")
        body = render_template("placeholder.html", **_frame(context, visit, back), view=view, query=query)
        return Response(body)

    @app.get("/assets/<name>")
    def asset(name: str) -> Response:
        found = context.assets.find(f"assets/{name}")
        if found is None:
            raise _Refused(404)
        answer = Response(found[0], content_type=found[1])
        # The name changes with the content, so a copy never goes stale.
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer

    @app.get("/state")
    def state() -> Response:
        return jsonify(_state(_visit(context).decision))

    @app.errorhandler(_Refused)
    def refused(error: _Refused) -> Response:
        answer = _failure(context, error.status, error.key)
        if error.status == 503:
            answer.headers["Retry-After"] = _RETRY_AFTER
        return answer

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> Response:
        status = error.code or 500
        answer = _failure(context, status, _ERROR_TEXTS.get(status, "error.form"))
        for name, value in error.get_headers():
            if name == "Allow":
                answer.headers["Allow"] = value
        return answer

    @app.errorhandler(Exception)
    def broken(error: Exception) -> Response:
        logger.error("a page under the mount failed; nothing was changed", exc_info=error)
        return _failure(context, 500, _ERROR_TEXTS[500])

    @app.after_request
    def protect(answer: Response) -> Response:
        headers = answer.headers
        headers.setdefault("Cache-Control", "no-store")
        headers["X-Content-Type-Options"] = "nosniff"
        if answer.mimetype == "text/html":
            # A placeholder is made to stand in a page of the same site; everything else asks for a click that
            # nobody may cover with a frame.
            framed = request.endpoint == "placeholder"
            headers["Content-Security-Policy"] = _POLICY + ("'self'" if framed else "'none'")
            headers["X-Frame-Options"] = "SAMEORIGIN" if framed else "DENY"
            headers["Referrer-Policy"] = "same-origin"
            headers["X-Robots-Tag"] = "noindex"
            # A page that isolates itself shows no frame that does not agree to be isolated.
            headers["Cross-Origin-Embedder-Policy"] = "require-corp"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return answer

    return app


def _visit(context: WebContext) -> _Visit:
    site = context.site()
    head = _head()
    found = context.cookies.read(head)
    root = quote(request.environ.get("SCRIPT_NAME", "").encode("latin-1", "replace"), safe="/~!$&'()*+,;=:@")
    return _Visit(
        site=site,
        head=head,
        found=found,
        decision=decide(site, found, head.signals, context.today()),
        root=root,
        home=root.removesuffix(site.mount) + "/",
        lang=choose_language(site, head.header("accept-language") or ""),
    )


def _head() -> RequestHead:
    environ = request.environ
    return RequestHead(
        method=environ["REQUEST_METHOD"],
        scheme=environ["wsgi.url_scheme"],
        host=environ.get("HTTP_HOST") or f"{environ.get('SERVER_NAME', '')}:{environ.get('SERVER_PORT', '')}",
        path=environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""),
        query=environ.get("QUERY_STRING", ""),
        headers=tuple(
            (name.removeprefix("HTTP_").replace("_", "-").lower(), value)
            for name, value in environ.items()
            if name.startswith("HTTP_")
        ),
    )


def _posted(visit: _Visit) -> Form:
    """Return the form of a request that may make a choice; steps (1) and (2)."""
    if request.mimetype != _FORM_TYPE:  # (1)
        raise _Refused(415)
    form = read_form(request.get_data(cache=False))  # (1) beyond the limit this raises 413
    origin = origin_of(visit.head)  # (2)
    if origin is Origin.FOREIGN or (origin is Origin.UNTOLD and grants(form)):
        raise _Refused(403)
    return form


def _record(context: WebContext, site: Site, chosen: Choice, gpc: bool) -> Record:
    """Return the record of the choice; step (4)."""
    granting = bool(chosen.purposes or chosen.services)
    return Record(
        action=chosen.action,
        day=context.today(),
        revision=site.revision,
        purposes=chosen.purposes,
        services=chosen.services,
        receipt=context.receipt() if granting else "",
        # Only a grant needs to know of the signal; a refusal is the same for everyone.
        gpc=gpc and granting,
    )


def _cookie(context: WebContext, visit: _Visit, record: Record) -> str:
    """Return what keeps the choice; before anything is recorded, since a choice that cannot be kept is none."""
    if context.cookies.name(visit.head) is None:
        logger.warning(
            "a choice could not be kept: the site is served over plain http; serve it over https, "
            "or set allow_insecure_http = true if you accept that the choice can be read and changed on its way"
        )
        raise _Refused(403, "error.insecure")
    return context.cookies.set_cookie(record, visit.head)


def _prove(context: WebContext, visit: _Visit, record: Record, old: str) -> None:
    """Record a grant, and the end of the one before; step (5)."""
    notice = context.notice().version(visit.lang, visit.decision.gpc)
    if record.receipt:
        try:
            context.records.append(record, language=visit.lang, notice=notice)
        except RecordsError as error:
            logger.error("a grant was refused, because it could not be recorded: %s", error)
            raise _Refused(503) from error
    if old:
        closing = Record(action=Action.WITHDRAW, day=record.day, revision=record.revision, receipt=old)
        try:
            context.records.append(closing, language=visit.lang, notice=notice)
        except Exception as error:  # a withdrawal counts whatever the store does
            logger.error("a withdrawal is honoured, but could not be recorded: %s", error)


def _wants_json() -> bool:
    accepted = request.headers.get("Accept", "").lower().split(",")
    return any(part.partition(";")[0].strip() == "application/json" for part in accepted)


def _state(decision: Decision) -> dict[str, object]:
    return {
        "state": state_of(decision),
        "granted": sorted(decision.granted),
        "purposes": sorted(decision.purposes),
    }


def _referring_path(head: RequestHead) -> str:
    """Return path and query of the page that holds the frame, as far as the browser tells."""
    try:
        parts = urlsplit(head.header("referer") or "")
    except ValueError:
        return ""
    if parts.netloc.lower() != head.host.lower():
        return ""
    return parts._replace(scheme="", netloc="", fragment="").geturl()


def _frame(context: WebContext, visit: _Visit, back: str) -> dict[str, object]:
    """Return what every template needs."""
    return {
        "say": wording(visit.lang),
        "lang": visit.lang,
        "dir": direction(visit.lang),
        "root": visit.root,
        "sheet": context.assets.path("pages.css"),
        "back": back,
    }


def _failure(context: WebContext, status: int, key: str) -> Response:
    """Return a plain page, or JSON, that says what went wrong; it may not fail itself."""
    visit = _visit(context)
    text = wording(visit.lang)[key]
    if _wants_json():
        answer = jsonify({"error": text})
        answer.status_code = status
        return answer
    body = render_template("message.html", **_frame(context, visit, visit.home), text=text)
    return Response(body, status=status)
