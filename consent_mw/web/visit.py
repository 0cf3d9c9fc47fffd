"""One request to a page under the mount: the visitor, the language, the way back, and error pages."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from dataclasses import replace
from urllib.parse import quote
from urllib.parse import urlencode

from flask import Response
from flask import jsonify
from flask import render_template
from flask import request

from consent_mw.cookies.migrating import refused_before
from consent_mw.core.choice import Decision
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Record
from consent_mw.core.decide import decide
from consent_mw.core.model import Site
from consent_mw.http.caching import class_of
from consent_mw.http.request import RequestHead
from consent_mw.http.tracker_cookies import expire
from consent_mw.notice.wording import choose_language
from consent_mw.notice.wording import direction
from consent_mw.notice.wording import language_name
from consent_mw.notice.wording import localised
from consent_mw.notice.wording import wording
from consent_mw.on_change import notify
from consent_mw.web.context import WebContext
from consent_mw.web.form import Origin
from consent_mw.web.form import PostedForm
from consent_mw.web.form import granted_optional
from consent_mw.web.form import grants
from consent_mw.web.form import origin_of
from consent_mw.web.form import read_form
from consent_mw.web.form import safe_back
from consent_mw.web.form import to_expire
from consent_mw.web.values import Pages

logger = logging.getLogger("consent_mw.web")

#: The modes of requests that may grant something: those of forms and of our runtime.
_MODES = frozenset({"navigate", "same-origin"})
_FORM_TYPE = "application/x-www-form-urlencoded"
#: The end of a text's first sentence: a full stop in any script, and the separator after it.
_SENTENCE_END = re.compile(r"(?<=[.\u0589\u06d4\u0964])\s|(?<=\u3002)(?=.)|[.\u3002\u0964\u06d4]\Z")

#: Seconds after which a request that failed because of the store may be tried again.
RETRY_AFTER = "10"

#: The text for each status, which explains why nothing was done.
ERROR_TEXTS = {
    400: "error.action",
    403: "error.origin",
    404: "error.missing",
    405: "error.method",
    409: "error.form",
    413: "error.size",
    415: "error.form",
    429: "error.records",
    500: "error.server",
    503: "error.records",
}


class Refused(Exception):
    """A step failed. Contains the status of the answer and the key of the text that explains it."""

    def __init__(self, status: int, key: str = "") -> None:
        super().__init__(status)
        self.status = status
        self.key = key or ERROR_TEXTS[status]


@dataclass(frozen=True, slots=True)
class Visit:
    """One request, as the views use it."""

    site: Site
    head: RequestHead
    found: Record | NoRecord
    decision: Decision
    root: str
    home: str
    lang: str
    #: The wording of the notice that the request answers; empty for the site's own words.
    wording: str = ""

    @property
    def receipt(self) -> str:
        """The receipt in the cookie, even if its choice no longer counts; else empty."""
        return self.found.receipt if isinstance(self.found, Record) else ""

    def back(self, text: str) -> str:
        """Return the validated path to go back to."""
        return safe_back(text, self.root, self.home)

    def pages(self) -> Pages:
        """Return the values for the templates."""
        return Pages(self.site, self.decision, self.found, self.lang)

    def in_language(self, lang: str) -> Visit:
        """Return the visit in another language, if the site has it."""
        return replace(self, lang=lang) if lang in self.site.languages else self


def visit_of(context: WebContext) -> Visit:
    """Return the current request. Changes nothing, and never raises."""
    site = context.site()
    head = RequestHead.from_environ(request.environ)
    found = refused_before(site, head, context.cookies.read(head), context.today())
    if isinstance(found, Record):
        context.lost.saw(found, site.revision)
    root = quote(request.environ.get("SCRIPT_NAME", "").encode("latin-1", "replace"), safe="/~!$&'()*+,;=:@")
    return Visit(
        site=site,
        head=head,
        found=found,
        decision=decide(site, found, head.signals, context.today()),
        root=root,
        home=root.removesuffix(site.mount) + "/",
        lang=choose_language(site, head.header("accept-language") or ""),
    )


def remote() -> str:
    """Return the peer's address. It is used for counting and limits, in memory, and never stored."""
    return str(request.environ.get("REMOTE_ADDR", ""))


def posted(visit: Visit) -> PostedForm:
    """
    Return the posted form of a request that may change something.

    Raises:
        Refused: if it is not a form, comes from another site, or would grant something without stating its origin.
        RequestEntityTooLarge: if it is longer than FORM_LIMIT.
    """
    if request.mimetype != _FORM_TYPE:
        raise Refused(415)
    form = read_form(request.get_data(cache=False))
    origin = origin_of(visit.head)
    if origin is Origin.FOREIGN or (origin is Origin.UNTOLD and grants(form)):
        raise Refused(403)
    # Injected markup could make a library of the page post a grant, by a request or a beacon. These have the modes
    # "cors" and "no-cors" (Fetch Metadata, section 2.3). Our runtime uses a mode of its own, and forms navigate.
    if not _MODES.issuperset(visit.head.all("sec-fetch-mode")) and grants(form):
        raise Refused(403)
    return form


def cookie_of(context: WebContext, visit: Visit, record: Record) -> str:
    """
    Return the Set-Cookie value that stores the choice. Call this before recording anything, since it may refuse.

    Raises:
        Refused: if no choice can be stored, because the site is served over plain http.
    """
    if context.cookies.name(visit.head) is None:
        logger.warning(
            "a choice could not be kept: the site is served over plain http; serve it over https, "
            "or set allow_insecure_http = true if you accept that the choice can be read and changed on its way"
        )
        raise Refused(403, "error.insecure")
    return context.cookies.set_cookie(record, visit.head)


def settle(context: WebContext, answer: Response, visit: Visit, cookie: str, decision: Decision) -> None:
    """
    Complete a recorded choice: set its cookie, and expire the cookies of services that must not run.

    If caches keep pages, a second cookie names the class of the choice for them and for the runtime. Then ``on_change``
    is called.
    """
    answer.headers.add("Set-Cookie", cookie)
    if visit.site.caching != "private":
        answer.headers.add("Set-Cookie", context.cookies.readable_cookie(class_of(visit.site, decision), visit.head))
    for value in context.cookies.leftovers(visit.head):
        answer.headers.add("Set-Cookie", value)
    _expire(answer, visit, decision)
    notify(visit.site.on_change, visit.decision, decision, visit.receipt)


def put_right(context: WebContext, answer: Response, visit: Visit) -> None:
    """Do what a cached page cannot do: expire held cookies, and correct the readable cookie."""
    if visit.site.caching == "private":
        return
    _expire(answer, visit, visit.decision)
    value = class_of(visit.site, visit.decision)
    if value != context.cookies.readable(visit.head) and context.cookies.name(visit.head) is not None:
        age = context.today() - visit.decision.record.day if visit.decision.record is not None else 0
        answer.headers.add("Set-Cookie", context.cookies.readable_cookie(value, visit.head, age=age))


def _expire(answer: Response, visit: Visit, decision: Decision) -> None:
    """Expire the cookies of services that the decision holds."""
    names, services = to_expire(visit.site, granted_optional(visit.site, decision), list(request.cookies))
    for value in expire(names, services, visit.head.host, visit.home):
        answer.headers.add("Set-Cookie", value)


def wants_json() -> bool:
    """Return whether the request accepts JSON, as the runtime's do, or is its beacon, which must not lead anywhere."""
    if request.headers.get("Sec-Fetch-Mode") == "no-cors":
        return True
    accepted = request.headers.get("Accept", "").lower().split(",")
    return any(part.partition(";")[0].strip() == "application/json" for part in accepted)


def frame(context: WebContext, visit: Visit, back: str) -> dict[str, object]:
    """Return the values that every template needs."""
    several = len(visit.site.languages) > 1
    return {
        "say": wording(visit.lang, visit.site),
        "lang": visit.lang,
        "dir": direction(visit.lang),
        "root": visit.root,
        "sheet": context.notice().pages_sheet,
        "back": back,
        "site": visit.site,
        "links": [(one.url, localised(one.label, visit.lang)) for one in visit.site.links],
        # The query of links to our other pages, and links to the same page in each language.
        "carried": _query(back, visit.lang if several else ""),
        "languages": [(tag, language_name(tag), _query(back, tag)) for tag in visit.site.languages] if several else [],
    }


def _query(back: str, lang: str) -> str:
    return urlencode({"back": back, **({"lang": lang} if lang else {})}, safe="/")


def see_other(place: str) -> Response:
    """
    Return a redirect that is fetched with GET (RFC 9110, section 15.4.4).

    Its body is one empty piece, because Hypercorn sends the head of a WSGI response with the first piece.

    Args:
        place: The path and query of a page of this site.
    """
    answer = Response("", 303)
    answer.headers["Location"] = place
    return answer


def failure(context: WebContext, status: int, key: str) -> Response:
    """Return an error as a page or JSON. Must not raise itself."""
    visit = visit_of(context).in_language(request.args.get("lang", ""))
    text = wording(visit.lang, visit.site)[key]
    if wants_json():
        answer = jsonify({"error": text})
        answer.status_code = status
        return answer
    # The title identifies the page in tabs, histories and screen readers.
    gist = _SENTENCE_END.split(text, maxsplit=1)[0].rstrip(".\u3002\u0964\u06d4")
    body = render_template("message.html", **frame(context, visit, visit.home), text=text, gist=gist)
    return Response(body, status=status)
