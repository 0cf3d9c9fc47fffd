"""
The placeholder of a held embed, and showing an embed once.

==================  =============================================================
GET /placeholder/…  the page in the frame: what would load, and two buttons
POST /once          the frame's embed is shown for the next view of its page
==================  =============================================================

"Always" is an ordinary choice and goes to ``/choice``. "Once" is not a choice: nothing is recorded, and the only
trace is a cookie that the next page deletes (:mod:`consent_mw.cookies.load_once`). With scripts, the page around the
frame restores the frame's address instead, and no request is made here.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode
from urllib.parse import urlsplit

from flask import Flask
from flask import Response
from flask import render_template

from consent_mw.catalogue.definitions import joined
from consent_mw.core.model import Site
from consent_mw.http.request import RequestHead
from consent_mw.web.context import WebContext
from consent_mw.web.visit import Refused
from consent_mw.web.visit import frame
from consent_mw.web.visit import posted
from consent_mw.web.visit import see_other
from consent_mw.web.visit import visit_of

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'"
)
_OWN_FRAME = "; frame-ancestors 'self'"
#: The icon for each kind of service; see the templates.
_GLYPHS = {
    **dict.fromkeys(("video", "audio"), "play"),
    "maps": "map",
    **dict.fromkeys(("forms", "survey", "booking", "events", "documents"), "page"),
    **dict.fromkeys(("comments", "reviews", "social-embed", "social-share", "chat"), "post"),
}


def register(app: Flask, context: WebContext) -> None:
    """Add the routes to the application."""

    @app.get("/placeholder/<ids>")
    def placeholder(ids: str) -> Response:
        visit = visit_of(context)
        view = visit.pages().placeholder(ids, lambda: joined(visit.site.definitions))
        if view is None:
            raise Refused(404)
        asked_by = visit.head.header("sec-fetch-site")
        stranger = asked_by in ("cross-site", "same-site")
        if stranger:
            # Another site could trick visitors into a click, so the panel there only states what is missing.
            view = replace(view, allow="")
        back = visit.back(_referring_path(visit.head))
        body = render_template(
            "placeholder.html",
            **frame(context, visit, back),
            view=view,
            query=urlencode({"back": back}, safe="/"),
            way=_way(visit.site),
            script="" if stranger else context.assets.path("placeholder.js"),
            glyph=_GLYPHS.get(view.kind, "box"),
        )
        answer = Response(body)
        # The site's page around the frame may itself be framed by another site, or sandboxed. A frame-ancestors policy
        # would then replace the placeholder with the browser's error page.
        known = stranger or asked_by == "same-origin"
        answer.headers["Content-Security-Policy"] = _POLICY if known else _POLICY + _OWN_FRAME
        answer.headers["Vary"] = "Sec-Fetch-Site"
        return answer

    @app.post("/once")
    def once() -> Response:
        visit = visit_of(context)
        form = posted(visit)  # as steps (1) and (2) of a choice
        name = context.cookies.name(visit.head)
        if name is None:
            raise Refused(403, "error.insecure")
        offered = visit.pages().embeds(form.once)
        if not offered or visit.site.caching != "private":
            raise Refused(400)
        back = visit.back(form.back)
        answer = see_other(back)
        answer.headers.add("Set-Cookie", context.once.write(name, offered, back))
        return answer


def _way(site: Site) -> str:
    """
    Return how an embed can be shown once: by a script in the page, by a form, or by either.

    A cached page cannot be different for one view, and the policy of an open page cannot be relaxed.
    """
    if site.caching != "private":
        return "" if site.csp in ("tighten", "enforce") else "script"
    return "form" if site.csp in ("tighten", "enforce") else "either"


def _referring_path(head: RequestHead) -> str:
    """Return path and query of the page that contains the frame, if the browser sends them."""
    try:
        parts = urlsplit(head.header("referer") or "")
    except ValueError:
        return ""
    if parts.netloc.lower() != head.host.lower():
        return ""
    return parts._replace(scheme="", netloc="", fragment="").geturl()
