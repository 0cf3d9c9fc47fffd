"""
The state machine of one request and its response.

Theory of operation
-------------------

An exchange sits between an application and a server for one response. It has three partners and does not depend on
their types. The *edge* (WSGI, ASGI, Django) translates: it creates a :class:`RequestHead`, passes on the application's
head and body as they arrive, and sends the results. It decides nothing, so all edges behave alike. The *view*
(:class:`View`, in a running site :class:`consent_mw.engine.page_view.PageView`) knows the visitor: what may run, what
to insert, which cookies to hold. The *stream* (:class:`PageStream`, wrapped in a :class:`CodedStream` if there is a
content coding) rewrites bytes; :mod:`consent_mw.http.page` assembles it. The exchange is responsible for the rest: the
order of events, and the rule that no raw page goes out after an error.

An application responds with a head and then, in chunks, a body. The head determines (:func:`judge`) what happens to the
body: it *passes* unchanged, is *rewritten* as it streams, or is *refused* because it is HTML that cannot be read: in an
unknown coding, or only a part of a page. The view is not asked before that. A response that passes costs a check of its
headers, and the view is asked only about headers with addresses or cookies: links, refreshes, Set-Cookie.

Why a head has to wait. The first bytes of a page can prove it unreadable: it is not in the declared coding, or it
switches charsets. While nothing has been sent, an error page with another status can still replace it. So an edge feeds
the first chunk before it sends the head. After that the exchange can only stop: the bytes already sent were safe, but
the rest would not be.

Why errors end the exchange. The rewriter is meant to hold, and a page on which it fails may have been made to make it
fail. After any exception inside, the exchange closes: REFUSING if nothing has been sent, otherwise DEAD. Neither state
leads back to the page's bytes. Only the application can undo a refusal: it may start again with another head, as
PEP 3333 allows, while nothing has been sent.

:data:`consent_mw.http.states.TRANSITIONS` is the table of states and events that this code runs. Every event goes
through :meth:`Exchange._move`, which looks up the next state, ignores events that no longer matter (a body after the
end), and raises :class:`MisusedExchange` for events that an edge must not cause (a second head after bytes were sent).
The table in docs/exchange.md is printed from it.

Everything here is pure: no socket, clock, environ or scope. Time, randomness and storage belong to the view.
"""

from __future__ import annotations

from collections.abc import Sequence

from consent_mw.core.choice import Decision
from consent_mw.core.lazy import lazy
from consent_mw.errors import MisusedExchange
from consent_mw.errors import RefusedMarkup
from consent_mw.html.urls import Url
from consent_mw.http.caching import Scope
from consent_mw.http.content_coding import narrowed
from consent_mw.http.cookies import without
from consent_mw.http.headers import Handling
from consent_mw.http.headers import Headers
from consent_mw.http.headers import Verdict
from consent_mw.http.headers import for_one_use
from consent_mw.http.headers import for_one_visitor
from consent_mw.http.headers import for_some
from consent_mw.http.headers import is_private
from consent_mw.http.headers import judge
from consent_mw.http.headers import of_other_bytes
from consent_mw.http.held_fields import DEPENDENT
from consent_mw.http.held_headers import HeldHeaders
from consent_mw.http.intent import CLOSED
from consent_mw.http.intent import closed_headers
from consent_mw.http.intent import follows_redirects
from consent_mw.http.intent import is_document
from consent_mw.http.intent import page_url
from consent_mw.http.intent import wants_page
from consent_mw.http.page import PageBody
from consent_mw.http.plain_responses import passes
from consent_mw.http.refusal import error_page
from consent_mw.http.request import FieldNames
from consent_mw.http.request import RequestHead
from consent_mw.http.states import TRANSITIONS
from consent_mw.http.states import Event
from consent_mw.http.states import ExchangeState
from consent_mw.http.states import Outcome
from consent_mw.http.validators import Conditions
from consent_mw.http.validators import conditions_of
from consent_mw.http.validators import dated
from consent_mw.http.validators import marked
from consent_mw.http.view import View

#: The event of a head, by the handling of the body.
_HEADS = {Handling.PASS: Event.PASS, Handling.REWRITE: Event.REWRITE, Handling.REFUSE: Event.REFUSE}
#: The request headers that are examined before the application sees the request.
_CONDITIONS = FieldNames(CLOSED)
_CODINGS = FieldNames(["accept-encoding"])
#: The conditions of a request that is not conditional.
_NOTHING = Conditions()


class Exchange:
    """
    The processing of one response.

    Args:
        head: The request.
        view: The visitor's view of the page.
    """

    # The initial values are class attributes, because most responses pass and change few of them.
    state = ExchangeState.NEW
    status = 0
    reason = ""
    #: The number of bytes of the body that were sent.
    sent = 0
    _asked = _NOTHING
    _place_asked = False
    _body: PageBody | None = None
    _length = -1
    _received = 0
    _reported = False
    _streaming = True
    _error_page = b""

    def __init__(self, head: RequestHead, view: View) -> None:
        self.head = head
        self.view = view
        self.headers: Headers = []

    @property
    def passes(self) -> bool:
        """Whether the application's body goes out unchanged."""
        return self.state is ExchangeState.PASSING

    @property
    def decision(self) -> Decision:
        """The visitor's decision; for the edge and for views of the application."""
        return self.view.decision

    def request_changes(self) -> dict[str, str | None]:
        """Return the request headers (lower case) to change for the application: to this value, or None to remove."""
        head = self.head
        changes: dict[str, str | None] = {}
        if head.carries(_CONDITIONS):
            changes |= dict.fromkeys(closed_headers(head))
            self._asked, conditions = conditions_of(head, self.view.variant, page=wants_page(head))
            changes |= conditions
        codings = head.all("accept-encoding") if head.carries(_CODINGS) else []
        if codings:
            # Offer only codings that can be decoded here.
            offered = narrowed(", ".join(codings), self.view.coding_names)
            if not offered or [offered] != codings:
                changes["accept-encoding"] = offered or None
        if self.view.hides_cookies and (cookies := "; ".join(self.head.all("cookie"))):
            shown = without(cookies, self.view.hides_cookie)
            if shown != cookies:
                changes["cookie"] = shown or None
        return changes

    def start(self, status: int, reason: str, headers: Sequence[tuple[str, str]]) -> Handling:
        """
        Process the head of the application's response, and set ``status``, ``reason`` and ``headers`` to what to send.

        It can be called again while nothing has been sent.
        """
        if self._asked is _NOTHING and not self.view.asked and passes(status, headers):
            # Most responses are not pages, so neither the visitor nor the request's headers matter.
            self._move(Event.PASS if not self.sent else Event.RESTART)
            self.status, self.reason, self.headers = status, reason, list(headers)
            self._body = None
            self._reported = False
            return Handling.PASS
        # A response to OPTIONS is never shown, and a CORS preflight
        # (https://fetch.spec.whatwg.org/#cors-preflight-fetch) is between the browser and the application.
        shown = self.head.method != "OPTIONS"
        page = wants_page(self.head)
        verdict = judge(status, headers, self.view.coding_names, document=page) if shown else Verdict(Handling.PASS)
        self._move(_HEADS[verdict.handling] if not self.sent else Event.RESTART)
        self.status, self.reason = status, reason
        self._body = None
        self._reported = False
        if verdict.handling is Handling.PASS:
            self.headers = list(headers)
            dependent = not DEPENDENT.isdisjoint([name.lower() for name, _ in headers])
            if dependent:
                self.headers = self.allowed(headers)
            if status == 304 and self._asked.about(headers):
                # The browser's copy is the page that it would get now.
                self.headers = self._adapted(self.view.caching.headers(self.headers)) + self._tags(headers)
            elif self._depends_on_choice() or (dependent and self._named.depend(headers)):
                self.headers = for_some(self.headers)
            if shown and not page and self._would_be_rewritten(headers):
                self.headers = for_one_use(self.headers)
        elif verdict.handling is Handling.REFUSE:
            self._refuse(verdict.problem, verdict.remedy)
        else:
            self._rewrite(verdict, headers)
        return verdict.handling

    def feed(self, chunk: bytes) -> bytes:
        """Process a chunk of the application's body and return the bytes to send; never raises."""
        if not self._move(Event.FEED):
            return b""
        if self.state is ExchangeState.PASSING:
            out = chunk
        elif self.state is ExchangeState.REWRITING and self.head.method != "HEAD":
            out = self._guarded(chunk)
        else:
            out = b""
        self.sent += len(out)
        return out

    def finish(self) -> bytes:
        """Return the last bytes to send; never raises."""
        out = b""
        if self.state is ExchangeState.REWRITING and self.head.method != "HEAD":
            out = self._guarded(None)
            self._report()
        if self.state is ExchangeState.REFUSING and self.head.method != "HEAD":
            out, self._error_page = self._error_page, b""
        self._move(Event.FINISH)
        self.sent += len(out)
        return out

    def whole(self, chunk: bytes, *, last: bool = False) -> bytes | None:
        """
        Rewrite a body that is complete in one chunk, and set its new length; return None if more may follow.

        Call it before anything has been sent.

        Args:
            last: Whether the application ended the body; otherwise its Content-Length decides.
        """
        complete = last or len(chunk) == self._length
        if self.state is not ExchangeState.REWRITING or self._received or not complete or not chunk:
            return None
        if self.head.method == "HEAD":
            return None  # the length that the page would have is not known
        self._streaming = False
        out = self.feed(chunk)
        self.sent = 0
        rest = self.finish()
        out = rest if self._body is None else out + rest  # refused at its end: send only the error page
        self.sent = len(out)
        self.headers = [(name, value) for name, value in self.headers if name.lower() != "content-length"]
        self.headers.append(("Content-Length", str(len(out))))
        return out

    def allowed(self, headers: Sequence[tuple[str, str]]) -> Headers:
        """Return headers that go out before the response (early hints), without what is held."""
        return self._named.less_held(headers)

    def trailers(self, headers: Sequence[tuple[str, str]]) -> Headers:
        """Return the trailers; digests are left out if the body was rewritten."""
        if self.state is ExchangeState.PASSING:
            return self.allowed(headers)
        sent = self._body is not None and self.state is not ExchangeState.DEAD
        return of_other_bytes(self.allowed(headers)) if sent else []

    def outgoing(self) -> Headers:
        """Return the headers to send; called at the time when they are sent."""
        return self.headers

    def __deepcopy__(self, memo: object) -> Exchange:
        """Return the same exchange: some middleware copies the whole request, with :meth:`place` in it."""
        return self

    def place(self) -> str:
        """Return the markup with which an author places the banner, and hold the banner back until it appears."""
        self._place_asked = True
        if self._body is not None:
            self._body.ask_place()
        return self.view.mark

    def holds(self, url: str) -> bool:
        """Whether ``url`` must not be fetched now."""
        return self._named.holds_url(url)

    def abandon(self) -> None:
        """End the exchange because the application failed or the visitor left; buffered bytes are not sent."""
        self._report()
        self._move(Event.ABANDON)

    # -- internals

    def _move(self, event: Event) -> bool:
        """
        Change to the state that follows from an event; return False if the event is ignored.

        Raises:
            MisusedExchange: the event cannot happen in this state.
        """
        following = TRANSITIONS[self.state][event]
        if following is Outcome.MISUSE:
            raise MisusedExchange(f"{event.value!r} cannot happen to a response that is {self.state.value}")
        if isinstance(following, ExchangeState):
            self.state = following
            return True
        return False

    def _rewrite(self, verdict: Verdict, headers: Sequence[tuple[str, str]]) -> None:
        names = [name.lower() for name, _ in headers]
        length = headers[names.index("content-length")][1] if "content-length" in names else ""
        self._length = int(length) if length.isascii() and length.isdigit() else -1
        kept = list(headers) if DEPENDENT.isdisjoint(names) else self.allowed(headers)
        caching = self.view.caching
        # A cache may serve the response to a visit for a part of a page as well.
        alone = caching.scope is not Scope.ONE and "location" in names and self._named.redirect_depends(headers)
        kept = self._adapted(for_one_visitor(kept) if alone else caching.headers(kept))
        self.headers = kept + self._tags(headers) if "etag" in names or "last-modified" in names else kept
        if caching.scope is Scope.ONE or is_private(self.headers):
            self.headers += [("Set-Cookie", value) for value in self.view.cookies_set_right()]
        self._body = PageBody(self.view, self.head, verdict, headers)
        if self._place_asked:
            self._body.ask_place()

    def _adapted(self, headers: Headers) -> Headers:
        """Return the headers of a page with policies adapted to the insertions; those of a fragment unchanged."""
        return self.view.headers(headers) if is_document(self.head) else headers

    def _tags(self, headers: Sequence[tuple[str, str]]) -> Headers:
        """Return the entity tag of the rewritten page, if the application sent a tag or a date for its own page."""
        given = {name.lower(): value for name, value in headers if name.lower() in ("etag", "last-modified")}
        tag = ""
        if "etag" in given:
            tag = marked(given["etag"], self.view.variant())
        elif "last-modified" in given:
            tag = dated(given["last-modified"], self.view.variant())
        if self.status == 304 and not tag:
            tag = self._asked.sent
        return [("ETag", tag)] if tag else []

    def _would_be_rewritten(self, headers: Sequence[tuple[str, str]]) -> bool:
        """Whether a response that passes here does not pass if a browser shows it as a document of its own."""
        return judge(self.status, headers, self.view.coding_names, document=True).handling is not Handling.PASS

    def _depends_on_choice(self) -> bool:
        """Whether the application used this visitor's decision, and the page is not the same for everybody."""
        return self.view.asked and self.view.caching.scope is not Scope.ALL

    def _guarded(self, chunk: bytes | None) -> bytes:
        """Rewrite a chunk; after an error send an error page, or nothing more if a part of the page has been sent."""
        if self._body is None:
            return b""
        try:
            if chunk is None:
                return self._body.finish()
            self._received += len(chunk)
            return self._body.feed(chunk, flush=True) if self._streaming else self._body.whole(chunk)
        except RefusedMarkup as error:
            self._stop(str(error), f"The setting is {error.setting}." if error.setting else "", None)
        except Exception as error:  # fail closed: the raw page must never go out
            self._stop("The page could not be read.", "This is a fault in consent_mw; the log has its trace.", error)
        return b""

    def _stop(self, problem: str, remedy: str, error: BaseException | None) -> None:
        if self.sent:
            self.view.failed(f"{problem} {remedy} The rest of the page was not sent.", error)
            self._move(Event.BROKEN)
        else:
            self._move(Event.UNREADABLE)
            self._refuse(problem, remedy, error)

    def _refuse(self, problem: str, remedy: str, error: BaseException | None = None) -> None:
        self.view.failed(f"{problem} {remedy}", error)
        self._report()
        self._body = None
        self.status, self.reason = 500, "Internal Server Error"
        self._error_page, self.headers = error_page(problem, remedy)

    def _report(self) -> None:
        held = self._body.held if self._body is not None and not self._reported else frozenset()
        if held:
            self._reported = True
            self.view.held(held)

    @lazy
    def _page(self) -> Url:
        return page_url(self.head, self.view.prefix)

    @lazy
    def _named(self) -> HeldHeaders:
        """Finds and removes held addresses and cookies in headers."""
        return HeldHeaders(self.view, self._page, follows=follows_redirects(self.head))
