"""
The pages under the mount, as a Flask application that the engine calls with SCRIPT_NAME ending in the mount.

====================  ========================================================
GET /                 preferences: every purpose and service with its switch
POST /choice          the choice
POST /once            one view of an embed: :mod:`consent_mw.web.placeholder`
POST /counting        whether to be counted; independent of the choice
GET /receipt          the stored data about the choice: :mod:`consent_mw.web.receipt`
GET /policy           the declaration of cookies: :mod:`consent_mw.web.declaration`
GET /stats            the owner's pages: :mod:`consent_mw.web.stats.views`
GET /placeholder/ids  the placeholder of a held embed
GET /assets/name      static files under names with their hash
POST /csp             reports of policies: :mod:`consent_mw.web.csp_reports`
GET /notice           the notice as JSON, for a page that reopens the choice
GET /state            the state as JSON, for pages that come back from a cache
GET /health           whether a grant would be recorded: :mod:`consent_mw.web.health`
====================  ========================================================

A POST to ``/choice`` takes these steps, in this order; the numbers are repeated in the code. If any step fails, nothing
has been granted.

(1) The form must be ``application/x-www-form-urlencoded`` and at most 16 KiB (415, 413).
(2) A form from another site is refused. If the browser does not state the origin, a grant is refused and a refusal is
    honoured (403).
(3) An unknown action is an error (400). Unknown ids are dropped. For ``migrate``, the other tool's cookie in the
    request determines what is granted. The ledger then records that source instead of a notice, and nothing is counted.
    A grant from an outdated notice, which asked another question, grants nothing: its page is shown again with the
    current notice (409 for a script).
(4) The choice becomes a record. It gets a random receipt id only if something was granted.
(5) A grant needs a cookie (403) and a durable ledger entry (503), and its client must be within its limit (429). The
    notice is stored first. A grant that is replaced or withdrawn is ended in the ledger; if that fails, the refusal
    is honoured anyway. Then the answer is counted, and so are the hosts that the guard stopped in the page.
(6) The cookie is set.
(7) Cookies of services that must not run are expired.
(8) The answer is a 303 to a path of this site, or JSON if the request asks for it.

No address, user agent, referrer or path is stored.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from urllib.parse import urlencode

from flask import Flask
from flask import Response
from flask import jsonify
from flask import render_template
from flask import request
from werkzeug.exceptions import HTTPException

from consent_mw.cookies.migrating import granted_before
from consent_mw.cookies.objection import objected
from consent_mw.cookies.objection import objection_cookie
from consent_mw.core.choice import Choice
from consent_mw.core.choice import Decision
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.core.counts import STOPPED
from consent_mw.core.decide import decide
from consent_mw.core.model import Site
from consent_mw.notice.assets import CONTENT_TYPES
from consent_mw.notice.banner import NoticePage
from consent_mw.notice.banner import state_of
from consent_mw.notice.escaping import linked
from consent_mw.notice.reasked import news
from consent_mw.notice.wording import wording
from consent_mw.web import csp_reports
from consent_mw.web import declaration
from consent_mw.web import health
from consent_mw.web import placeholder
from consent_mw.web import receipt
from consent_mw.web.context import WebContext
from consent_mw.web.form import FORM_LIMIT
from consent_mw.web.form import RequestedAction
from consent_mw.web.form import choice_of
from consent_mw.web.form import opened
from consent_mw.web.form import referring_path
from consent_mw.web.kept_templates import keep_compiled
from consent_mw.web.record import Proof
from consent_mw.web.record import count
from consent_mw.web.reported_hosts import countable
from consent_mw.web.stats import views
from consent_mw.web.visit import ERROR_TEXTS
from consent_mw.web.visit import RETRY_AFTER
from consent_mw.web.visit import Refused
from consent_mw.web.visit import Visit
from consent_mw.web.visit import cookie_of
from consent_mw.web.visit import failure
from consent_mw.web.visit import frame
from consent_mw.web.visit import posted
from consent_mw.web.visit import put_right
from consent_mw.web.visit import remote
from consent_mw.web.visit import see_other
from consent_mw.web.visit import settle
from consent_mw.web.visit import visit_of
from consent_mw.web.visit import wants_json

logger = logging.getLogger("consent_mw.web")

_POLICY = "default-src 'none'; style-src 'self'; {pictures}form-action 'self'; base-uri 'none'; frame-ancestors "


def create_app(context: WebContext) -> Flask:
    """Return the application; several threads may call it at once."""
    app = Flask("consent_mw.web", static_folder=None, template_folder="templates")
    app.config["MAX_CONTENT_LENGTH"] = FORM_LIMIT
    app.config["PROPAGATE_EXCEPTIONS"] = False
    # Otherwise two slashes are answered with a redirect to whatever host the request names.
    app.url_map.merge_slashes = False
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters["linked"] = linked
    keep_compiled(app.jinja_env, "pages")
    proof = Proof(context)

    @app.get("/")
    def preferences() -> Response:
        visit = visit_of(context).in_language(request.args.get("lang", ""))
        # A link of the site itself need not say where it is.
        back = visit.back(request.args.get("back", "") or referring_path(visit.head, visit.root))
        pages = visit.pages()
        body = render_template(
            "preferences.html",
            **frame(context, visit, back),
            gpc=visit.decision.gpc,
            state=pages.state(),
            news=news(visit.site, visit.decision, visit.found, visit.lang, context.today()),
            purposes=pages.purposes(),
            necessary=pages.necessary(),
            counting=pages.counting(),
            objected=objected(visit.head),
            responsible=pages.responsible(),
        )
        return Response(body)

    @app.post("/choice")
    def choice() -> Response:
        visit = visit_of(context)
        form = posted(visit)  # (1), (2)
        visit = replace(visit.in_language(form.lang), wording=form.wording)
        gpc = visit.decision.gpc
        taken = None
        if form.asked is RequestedAction.MIGRATE:
            taken = granted_before(visit.site, visit.head, visit.found, context.today())
            if taken is None:
                raise Refused(400)  # (3)
            form = replace(form, asked=RequestedAction.SAVE, purposes=taken.purposes, services=taken.services)
        chosen = choice_of(visit.site, form, gpc=gpc, granted_before=bool(visit.receipt))
        if chosen is None:
            raise Refused(400)  # (3)
        if (chosen.purposes or chosen.services) and not visit.site.accepts(form.revision):
            return _outdated(visit, visit.back(form.back))
        record = _record(context, visit.site, chosen, gpc)  # (4)
        if taken is not None and taken.day is not None:
            record = replace(record, day=min(taken.day, record.day))
        cookie = cookie_of(context, visit, record)
        proof.record(visit, record, visit.receipt, taken)  # (5)
        if taken is None:  # a choice that is taken over was made elsewhere
            count(context, visit, chosen, opened=opened(form), wording=form.wording)
        if context.counting is not None and (stopped := countable(form.stopped, visit)):
            context.counting.blocked(visit.head, stopped, STOPPED)
        decision = decide(visit.site, record, Signals(gpc=gpc), context.today())
        if wants_json():
            saved = wording(visit.lang, visit.site)["banner.saved"]
            state = _state(context, decision, visit, visit.back(form.back))
            # The current list for the guard. A page from which the site has learned a service has an older one.
            held = {"hosts": context.notice().guard.hosts(frozenset())} if visit.site.learning else {}
            answer = jsonify({**state, "saved": saved, **held})
        else:
            answer = see_other(visit.back(form.back))  # (8)
        settle(context, answer, visit, cookie, decision)  # (6), (7)
        return answer

    @app.post("/counting")
    def counting() -> Response:
        visit = visit_of(context)
        form = posted(visit)  # as steps (1) and (2) of a choice
        if form.counted not in ("yes", "no"):
            raise Refused(400)
        visit = visit.in_language(form.lang)
        cookie = objection_cookie(visit.head, object=form.counted == "no", insecure=visit.site.allow_insecure_http)
        if cookie is None:
            raise Refused(403, "error.insecure")
        query = frame(context, visit, visit.back(form.back))["carried"]
        answer = see_other(f"{visit.root}/?{query}#counting")
        answer.headers.add("Set-Cookie", cookie)
        return answer

    @app.get("/assets/<name>")
    def asset(name: str) -> Response:
        path = f"assets/{name}"
        found = context.assets.find(path)
        fresh = True
        if found is None and (guard := context.notice().guard.find(path)) is not None:
            found, fresh = (guard[0], CONTENT_TYPES[".js"]), guard[1]
        if found is None:
            raise Refused(404)
        answer = Response(found[0], content_type=found[1])
        # The name changes with the content, so a copy never goes stale.
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable" if fresh else "no-store"
        return answer

    @app.get("/notice")
    def again() -> Response:
        visit = visit_of(context).in_language(request.args.get("lang", ""))
        page = NoticePage(visit.decision, visit.lang, "", visit.back(request.args.get("back", "")), visit.root)
        shown = context.notice(context.drawn(visit.head, remote()))
        return jsonify({"style": shown.style(True), "markup": shown.banner(page)})

    @app.get("/state")
    def state() -> Response:
        visit = visit_of(context).in_language(request.args.get("lang", ""))
        back = request.args.get("back", "")
        answer = jsonify(_state(context, visit.decision, visit, visit.back(back) if back else ""))
        put_right(context, answer, visit)
        return answer

    @app.errorhandler(Refused)
    def refused(error: Refused) -> Response:
        answer = failure(context, error.status, error.key)
        if error.status in (429, 503):
            answer.headers["Retry-After"] = RETRY_AFTER
        return answer

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> Response:
        status = error.code or 500
        answer = failure(context, status, ERROR_TEXTS.get(status, "error.form"))
        for name, value in error.get_headers():
            if name == "Allow":
                answer.headers["Allow"] = value
        return answer

    @app.errorhandler(Exception)
    def broken(error: Exception) -> Response:
        logger.error("a page under the mount failed; nothing was changed", exc_info=error)
        return failure(context, 500, ERROR_TEXTS[500])

    @app.after_request
    def protect(answer: Response) -> Response:
        headers = answer.headers
        headers.setdefault("Cache-Control", "no-store")
        headers["X-Content-Type-Options"] = "nosniff"
        page = answer.mimetype == "text/html"
        if page or (request.endpoint or "").startswith("stats"):
            # A placeholder is shown in a frame of the same site. All other pages ask for clicks, so framing is
            # forbidden to prevent clickjacking.
            framed = request.endpoint == "placeholder"
            pictures = "img-src 'self'; " if context.site().theme.logo else ""
            policy = _POLICY.format(pictures=pictures) + ("'self'" if framed else "'none'")
            headers.setdefault("Content-Security-Policy", policy)
            if not framed or "frame-ancestors" in headers["Content-Security-Policy"]:
                headers.setdefault("X-Frame-Options", "SAMEORIGIN" if framed else "DENY")
            # Without any referrer, browsers would send "Origin: null" with our own forms.
            headers["Referrer-Policy"] = "same-origin"
            headers["X-Robots-Tag"] = "noindex"
        if page:
            # A cross-origin isolated page loads only frames that have this header, too.
            headers["Cross-Origin-Embedder-Policy"] = "require-corp"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return answer

    csp_reports.register(app, context)
    placeholder.register(app, context)
    receipt.register(app, context)
    declaration.register(app, context)
    health.register(app, context)
    views.register(app, context)
    return app


def _outdated(visit: Visit, back: str) -> Response:
    """
    Return the answer to a grant from an outdated notice: the page is shown again, with the current one.

    A cache may still have the page with the outdated notice. Then the preferences are shown instead.
    """
    if wants_json():
        raise Refused(409)
    return see_other(
        back if visit.site.caching == "private" else f"{visit.root}/?{urlencode({'back': back}, safe='/')}"
    )


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
        # Only a grant records the signal; a refusal is the same for everyone.
        gpc=gpc and granting,
    )


def _state(context: WebContext, decision: Decision, visit: Visit, back: str) -> dict[str, object]:
    notice = context.notice()
    signals = notice.signals
    control = notice.control(NoticePage(decision, visit.lang, "", back, visit.root)) if back else ""
    return {
        "state": state_of(decision),
        "granted": sorted(decision.granted),
        "purposes": sorted(decision.purposes),
        # The code that tells vendors the choice; a page without a choice does not contain it.
        **({"signals": signals} if signals and decision.granted else {}),
        # The control that reopens the choice; a page with the banner does not contain it.
        **({"control": control} if control else {}),
        **({"look": notice.control_look} if control and notice.control_look else {}),
    }
