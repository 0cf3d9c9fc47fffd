"""
One request and its response: the only state machine.

====================  ====================  =======================================
state                 event                 next state, and what goes out
====================  ====================  =======================================
NEW                   start: PASS           PASSING, the app's own body
NEW                   start: REWRITE        REWRITING, the body with the holds
NEW                   start: REFUSE         REFUSING, an error page instead
PASSING               feed, finish          the same bytes; DONE after finish
REWRITING             feed, finish          rewritten bytes; DONE after finish
REWRITING             refused markup,       nothing sent yet: REFUSING;
                      or any error          else DEAD: nothing more goes out
REFUSING              feed, finish          nothing but the error page; DONE
any                   start again           NEW, while nothing was sent
DEAD, DONE            feed, finish          nothing
====================  ====================  =======================================

An edge translates: it makes a :class:`RequestHead`, calls ``start`` when the
app's head is there, sends what ``feed`` and ``finish`` return, and never
decides anything.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from consent_mw.core.model import Decision
from consent_mw.errors import RefusedMarkup
from consent_mw.html.charset import PageStream
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.meta_csp import Amend
from consent_mw.html.nested import held_in
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.scanner.document import Place
from consent_mw.html.urls import Url
from consent_mw.html.urls import ascii_host
from consent_mw.http.caching import FOR_ONE
from consent_mw.http.caching import Caching
from consent_mw.http.caching import Scope
from consent_mw.http.content_coding import BUILT_IN
from consent_mw.http.content_coding import CodedStream
from consent_mw.http.content_coding import Coding
from consent_mw.http.content_coding import narrowed
from consent_mw.http.cookies import without
from consent_mw.http.headers import DEPENDENT
from consent_mw.http.headers import Handling
from consent_mw.http.headers import Headers
from consent_mw.http.headers import Verdict
from consent_mw.http.headers import for_some
from consent_mw.http.headers import is_private
from consent_mw.http.headers import judge
from consent_mw.http.headers import of_other_bytes
from consent_mw.http.headers import without_held
from consent_mw.http.request import RequestHead
from consent_mw.http.validators import Conditions
from consent_mw.http.validators import conditions_of
from consent_mw.http.validators import dated
from consent_mw.http.validators import marked

#: What a browser says it will do with the response when it is to be a page (Fetch Metadata).
_DOCUMENTS = frozenset({"document", "iframe", "frame", "embed", "object"})
#: Libraries that put fragments into a page say so.
_FRAGMENT_MARKS = ("x-requested-with", "hx-request", "turbo-frame", "x-pjax", "x-up-version", "x-inertia")
#: With these an app would answer from the visitor's cache, or with a part, or in a form that cannot be read.
_CLOSED = ("range", "if-range", "if-none-match", "if-modified-since", "if-match", "if-unmodified-since")


class ExchangeState(Enum):
    """Where an exchange is."""

    NEW = "new"
    PASSING = "passing"
    REWRITING = "rewriting"
    REFUSING = "refusing"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class PageInsert:
    """What is known where the banner can go: the response's headers, its syntax, and the place in it."""

    headers: tuple[tuple[str, str], ...]
    xml: bool
    place: Place
    #: Whether the header says that the page is UTF-8, and it is read as that.
    utf8: bool = False


#: How headers name UTF-8; of its other labels some stand for something else in browsers.
_UTF_8 = frozenset({"utf-8", "utf8"})

#: Gives the banner, or what runs first, or nothing (yet); called with what is known of the page.
Insert = Callable[[PageInsert], bytes]
#: Gives what goes before a held script, by the ids that it is held for and its text.
Queue = Callable[[PageInsert, tuple[str, ...], bytes], bytes]


def wants_page(head: RequestHead) -> bool:
    """Whether the response may be a page that a browser shows."""
    destination = head.header("sec-fetch-dest")
    if destination is not None:
        return destination in _DOCUMENTS
    return "text/html" in (head.header("accept") or "")


def wants_banner(head: RequestHead) -> bool:
    """Whether the response is the visitor's whole page: not a frame in it, and not a fragment for it."""
    destination = head.header("sec-fetch-dest")
    if destination is not None:
        return destination == "document"
    return not any(head.header(mark) for mark in _FRAGMENT_MARKS)


def is_document(head: RequestHead) -> bool:
    """Whether scripts of the response run in a document of its own: a page, or a frame in one, and no fragment."""
    destination = head.header("sec-fetch-dest")
    if destination is not None:
        return destination in _DOCUMENTS
    return wants_banner(head)


def closed_headers(head: RequestHead) -> tuple[str, ...]:
    """Return the request headers (lower case) that the app must not see: ways around the rewriter."""
    if not wants_page(head):
        return ()
    return tuple(name for name in _CLOSED if head.header(name) is not None)


def page_url(head: RequestHead) -> Url:
    """Return where the page is, as its relative URLs see it."""
    host = head.host.rpartition("@")[2]
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return Url(head.scheme, ascii_host(name), head.path or "/")


class Exchange:
    """
    One response on its way out.

    Args:
        head: The request.
        policy: What may run for this visitor.
        decision: Why; kept for the edge and for views.
        insert: Gives the banner.
        first: Gives what goes first into the head of every document.
        queue: Gives what goes before a held script of a document.
        expire: Set-Cookie values that take held services' cookies away from the visitor's browser; they go out with
            pages that no shared cache keeps.
        holds_cookie: Whether a cookie that the app sets belongs to something held.
        hide_cookies: Whether such cookies are kept from the app where a browser sends them.
        caching: Who may keep the page.
        undecided: Gives what may run for a visitor who granted nothing, to tell what depends on the choice.
        could_hold_cookie: Whether a cookie that the app sets belongs to something that waits for a choice.
        codings: The content codings that can be opened and closed again.
        variant: Gives letters and digits that change with all that the rewritten page depends on, beside the app's.
        adapt: Gives the headers of a rewritten page with policies that let in what is inserted.
        amend: The same for a policy that stands in the page.
        mark: The tag by which an author may ask for the banner in another place than first in the body.
        done: Called once with the ids of what was held.
        failed: Called with what went wrong, for the log; must not raise.
    """

    def __init__(
        self,
        head: RequestHead,
        policy: HoldPolicy,
        decision: Decision,
        *,
        insert: Insert,
        first: Insert | None = None,
        queue: Queue = lambda place, ids, code: b"",
        expire: Sequence[str] = (),
        holds_cookie: Callable[[str], bool] = lambda name: False,
        hide_cookies: bool = False,
        caching: Caching = FOR_ONE,
        undecided: Callable[[], HoldPolicy] | None = None,
        could_hold_cookie: Callable[[str], bool] = lambda name: False,
        codings: Mapping[str, Coding] = BUILT_IN,
        variant: Callable[[], str] = lambda: "",
        adapt: Callable[[Headers], Headers] = lambda headers: headers,
        amend: Amend | None = None,
        mark: str = "",
        done: Callable[[frozenset[str]], None] = lambda held: None,
        failed: Callable[[str, BaseException | None], None] = lambda what, error: None,
    ) -> None:
        self.head = head
        self.decision = decision
        self.state = ExchangeState.NEW
        self.status = 0
        self.reason = ""
        self.headers: Headers = []
        #: How many bytes of body went out.
        self.sent = 0
        self._policy = policy
        self._insert = insert
        self._first = first
        self._queue = queue
        self._expire = expire
        self._holds_cookie = holds_cookie
        self._hide_cookies = hide_cookies
        self._caching = caching
        self._undecided = undecided
        self._could_hold_cookie = could_hold_cookie
        self._codings = codings
        self._variant = variant
        self._asked = Conditions()
        self._adapt = adapt
        self._amend = amend
        self._mark = mark
        self._place_asked = False
        self._done = done
        self._failed = failed
        self._stream: PageStream | CodedStream | None = None
        self._rewriters: list[Rewriter] = []
        self._length = -1
        self._received = 0
        self._streaming = True
        self._error_page = b""
        self._page = page_url(head)

    def request_changes(self) -> dict[str, str | None]:
        """Return the request headers (lower case) that the app must see otherwise: with this value, or not at all."""
        changes: dict[str, str | None] = dict.fromkeys(closed_headers(self.head))
        self._asked, conditions = conditions_of(self.head, self._variant, page=wants_page(self.head))
        changes |= conditions
        codings = self.head.all("accept-encoding")
        if codings:
            # Only what can be opened here is offered.
            changes["accept-encoding"] = narrowed(", ".join(codings), frozenset(self._codings)) or None
        cookies = "; ".join(self.head.all("cookie")) if self._hide_cookies else ""
        shown = without(cookies, self._holds_cookie)
        if shown != cookies:
            changes["cookie"] = shown or None
        return changes

    def start(self, status: int, reason: str, headers: Sequence[tuple[str, str]]) -> Handling:
        """
        Take the head of the app's response; ``status``, ``reason`` and ``headers`` then hold what to send.

        May be called again as long as nothing was sent.
        """
        # What answers OPTIONS is never shown, and a CORS preflight (https://fetch.spec.whatwg.org/#cors-preflight-fetch)
        # is between the browser and the app.
        shown = self.head.method != "OPTIONS"
        page = wants_page(self.head)
        verdict = judge(status, headers, self._codings, document=page) if shown else Verdict(Handling.PASS)
        self.status, self.reason = status, reason
        self._stream = None
        self._rewriters = []
        if verdict.handling is Handling.PASS:
            self.state = ExchangeState.PASSING
            self.headers = without_held(headers, self._holds_url, self._holds_refresh, self._holds_cookie)
            if status == 304 and self._asked.about(headers):
                # The page that the browser has is the one that it would get.
                self.headers = self._adapted(self._caching.headers(self.headers)) + self._tags(headers)
            elif self._head_depends(headers):
                self.headers = for_some(self.headers)
        elif verdict.handling is Handling.REFUSE:
            self._refuse(verdict.problem, verdict.remedy)
        else:
            self._rewrite(verdict, headers)
        return verdict.handling

    def feed(self, chunk: bytes) -> bytes:
        """Take a piece of the app's body and return what to send; never raises."""
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
        if self.state is not ExchangeState.DEAD:
            self.state = ExchangeState.DONE
        self.sent += len(out)
        return out

    def whole(self, chunk: bytes, *, last: bool = False) -> bytes | None:
        """
        Rewrite a body that is all in one chunk, and set its new length; None where there may be more.

        To be asked before anything was sent.

        Args:
            last: Whether the app said that nothing follows; else the length that it announced decides.
        """
        complete = last or len(chunk) == self._length
        if self.state is not ExchangeState.REWRITING or self._received or not complete or not chunk:
            return None
        if self.head.method == "HEAD":
            return None  # how long the page would be is not known
        self._streaming = False
        out = self.feed(chunk)
        self.sent = 0
        rest = self.finish()
        out = rest if self._stream is None else out + rest  # refused at its end: then nothing of it goes out
        self.sent = len(out)
        self.headers = [(name, value) for name, value in self.headers if name.lower() != "content-length"]
        self.headers.append(("Content-Length", str(len(out))))
        return out

    def allowed(self, headers: Sequence[tuple[str, str]]) -> Headers:
        """Return headers that go out before the response (early hints), less what is held."""
        return without_held(headers, self._holds_url, self._holds_refresh, self._holds_cookie)

    def trailers(self, headers: Sequence[tuple[str, str]]) -> Headers:
        """Return fields that go out behind the body; digests of the app's own bytes do not fit another body."""
        if self.state is ExchangeState.PASSING:
            return self.allowed(headers)
        sent = self._stream is not None and self.state is not ExchangeState.DEAD
        return of_other_bytes(self.allowed(headers)) if sent else []

    def outgoing(self) -> Headers:
        """Return the headers to send, when they are sent."""
        return self.headers

    def place(self) -> str:
        """Return the markup that stands where an author wants the banner, and keep the banner until it comes."""
        self._place_asked = True
        for rewriter in self._rewriters:
            rewriter.mark = self._mark.encode()
        return self._mark

    def holds(self, url: str) -> bool:
        """Whether what is at ``url`` may not be fetched now."""
        return self._holds_url(url)

    def abandon(self) -> None:
        """Note that the app failed or the visitor left: what was kept back is not sent."""
        self._report()
        self.state = ExchangeState.DEAD

    # -- the parts

    def _rewrite(self, verdict: Verdict, headers: Sequence[tuple[str, str]]) -> None:
        self.state = ExchangeState.REWRITING
        length = next((value for name, value in headers if name.lower() == "content-length"), "")
        self._length = int(length) if length.isascii() and length.isdigit() else -1
        kept = without_held(headers, self._holds_url, self._holds_refresh, self._holds_cookie)
        kept = self._adapted(self._caching.headers(kept))
        self.headers = kept + self._tags(headers)
        if is_private(self.headers):
            self.headers += [("Set-Cookie", value) for value in self._expire]
        page_headers = tuple(headers)
        banner = wants_banner(self.head) and not verdict.piece

        def insert(place: Place, utf8: bool) -> bytes:
            if self._place_asked and not (place.asked or place.at_end):
                return b""  # the place that the author asked for comes later, or else the end does
            return self._insert(PageInsert(page_headers, verdict.xml, place, utf8))

        def first(place: Place) -> bytes:
            return self._first(PageInsert(page_headers, verdict.xml, place)) if self._first else b""

        def queue(place: Place, ids: tuple[str, ...], code: bytes) -> bytes:
            return self._queue(PageInsert(page_headers, verdict.xml, place), ids, code)

        def rewriter(charset: str) -> Rewriter:
            holder = Holder(self._policy, self._page, document=held_in, charset=charset, xml=verdict.xml)
            utf8 = charset == "utf-8" and verdict.charset.strip().lower() in _UTF_8
            made = Rewriter(
                holder,
                (lambda place: insert(place, utf8)) if banner else None,
                first if self._first is not None and is_document(self.head) and not verdict.piece else None,
                undeclared=not verdict.charset,
                amend=self._amend,
            )
            made.queue = queue if made.first is not None else None
            made.mark = self._mark.encode() if self._place_asked else b""
            self._rewriters.append(made)
            return made

        stream: PageStream | CodedStream = PageStream(
            verdict.charset, rewriter, sniff=verdict.sniff, document=verdict.document
        )
        for coding in verdict.codings:  # the last one applied is the first to be opened
            stream = CodedStream(stream, self._codings[coding])
        self._stream = stream

    def _adapted(self, headers: Headers) -> Headers:
        """Return the headers of a page with policies that fit what is inserted; those of a fragment as they are."""
        return self._adapt(headers) if is_document(self.head) else headers

    def _tags(self, headers: Sequence[tuple[str, str]]) -> Headers:
        """Return the entity tag of the rewritten page, if the app gave one for its own, or a date."""
        given = {name.lower(): value for name, value in headers if name.lower() in ("etag", "last-modified")}
        tag = ""
        if "etag" in given:
            tag = marked(given["etag"], self._variant())
        elif "last-modified" in given:
            tag = dated(given["last-modified"], self._variant())
        if self.status == 304 and not tag:
            tag = self._asked.sent
        return [("ETag", tag)] if tag else []

    def _head_depends(self, headers: Sequence[tuple[str, str]]) -> bool:
        """Whether the head of a response that passes would be another one for a visitor who granted nothing."""
        if self._undecided is None or self._caching.scope is Scope.ALL or is_private(headers):
            return False
        if not any(name.lower() in DEPENDENT for name, _ in headers):
            return False
        holder = Holder(self._undecided(), self._page, document=held_in)

        def holds_url(url: str) -> bool:
            return bool(holder.not_allowed(holder.policy.matcher.url(url, self._page)))

        def holds_refresh(value: str) -> bool:
            target = holder.refresh(value)
            return bool(target) and holds_url(target)

        return without_held(headers, holds_url, holds_refresh, self._could_hold_cookie) != list(headers)

    def _guarded(self, chunk: bytes | None) -> bytes:
        """Rewrite; on any error send an error page, or nothing more where a part of the page is out already."""
        if self._stream is None:
            return b""
        try:
            if chunk is None:
                return self._stream.finish()
            self._received += len(chunk)
            if isinstance(self._stream, CodedStream):
                return self._stream.feed(chunk, flush=self._streaming)
            return self._stream.feed(chunk)
        except RefusedMarkup as error:
            self._stop(str(error), f"The setting is {error.setting}." if error.setting else "", None)
        except Exception as error:  # fail closed: whatever it was, the raw page must not go out
            self._stop("The page could not be read.", "This is a fault in consent_mw; the log has its trace.", error)
        return b""

    def _stop(self, problem: str, remedy: str, error: BaseException | None) -> None:
        if self.sent:
            self._failed(f"{problem} {remedy} The rest of the page was not sent.", error)
            self.state = ExchangeState.DEAD
        else:
            self._refuse(problem, remedy, error)

    def _refuse(self, problem: str, remedy: str, error: BaseException | None = None) -> None:
        self._failed(f"{problem} {remedy}", error)
        self._stream = None
        self.state = ExchangeState.REFUSING
        self.status, self.reason = 500, "Internal Server Error"
        text = (
            "This page was not sent.\n\n"
            "consent_mw holds trackers back until visitors agree, and it could not do that here.\n"
            f"{problem}\n{remedy}\n"
        )
        self._error_page = text.encode("utf-8", "replace")
        self.headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(self._error_page))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ]

    def _report(self) -> None:
        rewriters, self._rewriters = self._rewriters, []
        held = frozenset(id_ for rewriter in rewriters for id_ in rewriter.held)
        if held:
            self._done(held)

    def _holder(self) -> Holder:
        return Holder(self._policy, self._page, document=held_in)

    def _holds_url(self, url: str) -> bool:
        holder = self._holder()
        return bool(holder.not_allowed(holder.policy.matcher.url(url, self._page)))

    def _holds_refresh(self, value: str) -> bool:
        target = self._holder().refresh(value)
        return bool(target) and self._holds_url(target)
