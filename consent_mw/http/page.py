"""
Rewrites the body of one page: decodes it, parses it in its charset, and inserts the view's markup at the right places.

It is created when the head of the response turns out to be that of a page. Nothing is inserted into a body that turns
out to be empty, or nothing but comments.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from typing import cast

from consent_mw.core.lazy import lazy
from consent_mw.html.charset import PageStream
from consent_mw.html.csp import HASH
from consent_mw.html.csp import Edit as TextEdit
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.nested import held_in
from consent_mw.html.rewriter import Marks
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.scanner.document import Place
from consent_mw.html.watched import HoldWatch
from consent_mw.html.watched import WatchedRewriter
from consent_mw.http.content_coding import CodedStream
from consent_mw.http.content_coding import Coding
from consent_mw.http.headers import Verdict
from consent_mw.http.intent import is_document
from consent_mw.http.intent import page_url
from consent_mw.http.intent import wants_banner
from consent_mw.http.page_plans import LONGEST
from consent_mw.http.page_plans import AroundKey
from consent_mw.http.page_plans import Draft
from consent_mw.http.page_plans import PagePlan
from consent_mw.http.page_plans import PagePlans
from consent_mw.http.page_plans import PassInputs
from consent_mw.http.page_plans import Recorder
from consent_mw.http.page_plans import drafted
from consent_mw.http.pieces import Beginning
from consent_mw.http.pieces import Includes
from consent_mw.http.request import RequestHead

#: The start of a whole document, after white space and comments; a part of a page starts with something else.
_WHOLE = re.compile(
    rb"\s*+(?:<!--(?>.{0,500}?-->)\s*+|(?!))*+<(?:!doctype|html|head|body|title|meta|\?xml)\b", re.I | re.S
)
#: The labels of UTF-8 that count in headers; some of its other names mean something else in browsers.
_UTF_8 = frozenset({"utf-8", "utf8"})


def begins_page(body: bytes) -> bool:
    """Whether a body starts like a whole document."""
    return _WHOLE.match(body) is not None


@dataclass(frozen=True, slots=True)
class PageInsert:
    """What the view is told about a place in the page: the response's headers, the page's syntax, and the place."""

    headers: tuple[tuple[str, str], ...]
    xml: bool
    place: Place
    #: Whether the header declares the page as UTF-8, and it is parsed as UTF-8.
    utf8: bool = False


class Inserting(Protocol):
    """The part of :class:`consent_mw.http.view.View` that a page needs."""

    @property
    def watch(self) -> HoldWatch | None:
        """Records each hold with its place in the page, or None."""
        ...

    @property
    def plans(self) -> PagePlans | None:
        """The plans from earlier passes over the site's pages; None to parse each page."""
        ...

    @property
    def reading_policy(self) -> HoldPolicy:
        """The hold policy for a pass that parses the page."""
        ...

    @property
    def hold_policy(self) -> HoldPolicy:
        """The hold policy for this visitor."""
        ...

    @property
    def codings(self) -> Mapping[str, Coding]:
        """The content codings that can be decoded and encoded."""
        ...

    @property
    def key(self) -> str:
        """The key in our marks that distinguishes them from forged ones in the page; empty for none."""
        ...

    @property
    def mark(self) -> str:
        """The tag with which an author places the banner elsewhere than at the start of the body."""
        ...

    @property
    def prefix(self) -> str:
        """What precedes the path of the request in the address that the visitor sees; empty if nothing does."""
        ...

    @property
    def kind(self) -> Hashable | None:
        """What insertions depend on besides the page and :attr:`key`; None if they also depend on something else."""
        ...

    def around_key(self, question: str, place: PageInsert, *arguments: object) -> AroundKey | None:
        """Return an answer as the pieces around the key; None if other views of this kind may answer differently."""
        ...

    def again(self, shown: object) -> None:
        """Count that the page shows the same as an earlier view of this kind."""
        ...

    def banner(self, place: PageInsert) -> bytes:
        """Return what to insert at a possible place of the banner; empty for nothing (yet)."""
        ...

    def first(self, place: PageInsert) -> bytes:
        """Return what to insert at the start of the head of every document."""
        ...

    def before_script(self, place: PageInsert, ids: tuple[str, ...], code: bytes) -> bytes:
        """Return what to insert before a script that is held for ``ids``, given its code."""
        ...

    def look(self, chunk: bytes, host: str) -> None:
        """Inspect the next bytes of a page on ``host`` before it is rewritten."""
        ...

    def learned(self, ids: frozenset[str]) -> bool:
        """Note what a page holds that was not sent yet; return whether the site has new services since its start."""
        ...

    def before_names(self, place: PageInsert, ids: tuple[str, ...]) -> bytes:
        """Return what to insert before a script that names embeds of these services in data."""
        ...

    def panel(self, place: PageInsert, ids: tuple[str, ...], height: int) -> bytes:
        """Return the panel that replaces embeds of these services from a script, ``height`` CSS pixels high."""
        ...

    def meta_csp(self, text: str) -> Iterable[TextEdit]:
        """Return what to insert into a Content-Security-Policy in the page's markup."""
        ...

    def included(self) -> bool:
        """Return whether other pages include the response at this address as a part."""
        ...

    def includes(self, path: str) -> None:
        """Record that the page includes the response at ``path``."""
        ...


class PageBody:
    """
    The rewriting of the body of one page.

    Args:
        view: The visitor's view of the page.
        head: The request.
        verdict: The judgement of the response's head.
        headers: The response headers as the application sent them.
    """

    def __init__(
        self, view: Inserting, head: RequestHead, verdict: Verdict, headers: Sequence[tuple[str, str]]
    ) -> None:
        self._view = view
        self._head = head
        self._verdict = verdict
        self._headers = tuple(headers)
        self._url = page_url(head, view.prefix)
        self._banner = wants_banner(head) and not verdict.piece
        self._first = is_document(head) and not verdict.piece
        self._place_asked = False
        self._rewriters: list[Rewriter] = []
        #: For a page in one chunk: the paths that it includes, the ids that its plan holds, the recorder of its pass,
        #: and the answers that the view has already given.
        self._named: list[str] = []
        self._held: frozenset[str] = frozenset()
        self._recorder: Recorder | None = None
        self._given: list[bytes] | None = None
        self._utf8 = False
        self._finished = False
        #: Only white space and comments have arrived so far.
        self._blank = True
        self._beginning = Beginning()
        #: The body starts like a whole document.
        self._whole = False

    @lazy
    def _stream(self) -> PageBody._Read | CodedStream:
        """Decodes and rewrites the body; a page that is known needs none."""
        verdict = self._verdict
        page = PageStream(verdict.charset, self._rewriter, sniff=verdict.sniff, document=verdict.document)
        stream: PageBody._Read | CodedStream = PageBody._Read(self, page)
        for coding in verdict.codings:  # the coding that was applied last is decoded first
            stream = CodedStream(stream, self._view.codings[coding])
        return stream

    @lazy
    def _includes(self) -> Includes | None:
        return Includes(self._head.path) if self._banner else None

    class _Read:
        """Inspects the decoded page before it is rewritten."""

        def __init__(self, body: PageBody, inner: PageStream) -> None:
            self._body = body
            self._inner = inner

        def feed(self, chunk: bytes) -> bytes:
            self._body._look(chunk)
            return self._inner.feed(chunk)

        def finish(self) -> bytes:
            return self._inner.finish()

    def feed(self, chunk: bytes, *, flush: bool) -> bytes:
        """Process the next bytes of the body and return the bytes to send; ``flush`` decodes as much as possible."""
        if isinstance(self._stream, CodedStream):
            return self._stream.feed(chunk, flush=flush)
        return self._stream.feed(chunk)

    def finish(self) -> bytes:
        """Return the rest of the body."""
        return b"" if self._finished else self._rest()

    def _rest(self) -> bytes:
        out = self._stream.finish()
        self._end()
        return out

    def _end(self) -> None:
        """Note that the body is complete, and let go of the stream, which refers back to this object."""
        self._finished = True
        del self._stream

    def whole(self, chunk: bytes) -> bytes:
        """Process a body that is complete, and return the bytes that can be sent; :meth:`finish` returns the rest."""
        plans, verdict = self._view.plans, self._verdict
        # A response without a type may turn out not to be a page, so plans are not used for it.
        readable = not (verdict.codings or verdict.sniff) and len(chunk) <= LONGEST
        if plans is None or not readable or self._view.watch is not None or not Beginning().read(chunk):
            return self._read(chunk)
        policy = self._view.hold_policy
        inputs = self._inputs(policy)
        known = plans.get(inputs, chunk)
        if known is None:
            plans.see(inputs, chunk, policy)
            return self._read(chunk)
        self._given = []
        if known.questions is not None:
            out = self._again(known, inputs, plans)
            if out is not None:
                return out
        out = self._stream.feed(chunk) + self._stream.finish()
        self._end()
        if self._recorder is not None and len(self._rewriters) == 1 and policy.delivery.version == inputs.version:
            seen = PagePlan(known.text, policy, self._whole, tuple(self._named), self._utf8, held=self.held)
            plan = self._recorder.plan(seen, out, self._marks())
            if plan is not None:
                plans.put(inputs, plan)
        return out

    def _read(self, chunk: bytes) -> bytes:
        """
        Parse a body that is complete.

        If the site learns a service from it, it is parsed once more: nothing has been sent yet, so the guard at its
        start and the banner can be those of the site that knows the service.
        """
        out = self.feed(chunk, flush=False) + self._rest()
        if self._first and self._view.watch is None and self._view.learned(self.held):
            self._rewriters.clear()
            self._named.clear()
            out = self.feed(chunk, flush=False) + self._rest()
        return out

    def _inputs(self, policy: HoldPolicy) -> PassInputs:
        verdict = self._verdict
        mark = self._view.mark.encode() if self._place_asked else b""
        return PassInputs(
            self._url,
            verdict.charset,
            verdict.xml,
            verdict.document,
            self._banner,
            self._first,
            mark,
            policy.delivery.version,
            id(policy),
            self._has_hashes,
        )

    @lazy
    def _has_hashes(self) -> bool:
        """Whether a policy in the headers allows inline scripts by their hashes."""
        return any(name.lower() == "content-security-policy" and HASH.search(value) for name, value in self._headers)

    def _marks(self) -> Marks:
        return Marks(self._view.key, xml=self._verdict.xml)

    def _again(self, plan: PagePlan, inputs: PassInputs, plans: PagePlans) -> bytes | None:
        """Apply a plan to the page; if the view's answers do not fit it, keep them and return None."""
        self._blank, self._whole, self._utf8 = False, plan.whole, plan.utf8
        kind = None if self._nothing_read() else self._view.kind
        draft = None if kind is None else plans.draft(inputs, plan, kind)
        if draft is not None and draft.pieces:
            self._finish_by(plan)
            if draft.shown is not None:
                self._view.again(draft.shown)
            return self._view.key.encode().join(draft.pieces)
        asked: dict[str, Callable[..., bytes]] = {
            "insert": self._give_banner if self._banner else _nothing,
            "first": self._insert_first,
            "queue": self._insert_queue,
            "panel": self._insert_panel,
        }
        answers: list[bytes] = []
        for question in plan.questions or ():
            answers.append(asked[question.kind](*question.arguments))
            if bool(answers[-1]) != question.gave:
                self._given = answers
                return None
        self._finish_by(plan)
        out = plan.made(answers, self._marks())
        if kind is not None and draft is None:
            plans.put_draft(inputs, kind, self._drafted(plan, out))
        return out

    def _finish_by(self, plan: PagePlan) -> None:
        for path in plan.includes:
            self._view.includes(path)
        self._held = plan.held
        self._finished = True

    def _drafted(self, plan: PagePlan, out: bytes) -> Draft:
        """Return the draft of the page for all views of this kind, without pieces if each view has to be asked."""
        answers: list[AroundKey] = []
        for question in plan.questions or ():
            answer: AroundKey | None = AroundKey((b"",))
            if question.gave:
                place, *arguments = question.arguments
                insert = PageInsert(self._headers, self._verdict.xml, cast(Place, place), self._utf8)
                answer = self._view.around_key(question.kind, insert, *arguments)
            if answer is None:
                return Draft(plan)
            answers.append(answer)
        draft = drafted(plan, answers, b'"' if self._verdict.xml else b"")
        return draft if self._view.key.encode().join(draft.pieces) == out else Draft(plan)

    def ask_place(self) -> None:
        """Hold the banner back until the author's mark for it, or else the end of the page."""
        self._place_asked = True
        for rewriter in self._rewriters:
            rewriter.mark = self._view.mark.encode()

    @property
    def held(self) -> frozenset[str]:
        """The ids that have been held so far."""
        return self._held.union(*[rewriter.held for rewriter in self._rewriters])

    def _look(self, chunk: bytes) -> None:
        if self._blank and (begun := self._beginning.read(chunk)):
            self._blank = False
            self._whole = begins_page(begun)
        if self._includes is not None:
            for path in self._includes.read(chunk):
                self._named.append(path)
                self._view.includes(path)
        if self._first:
            self._view.look(chunk, self._url.host)

    def _nothing_read(self) -> bool:
        """Whether there is nothing to insert into: the body is blank, or a part that other pages include."""
        return self._blank or (not self._whole and self._view.included())

    def _give_banner(self, place: Place) -> bytes:
        if self._place_asked and not (place.asked or place.at_end):
            return b""  # the author's place comes later, or else the end of the page
        if self._nothing_read():
            return b""
        return self._view.banner(PageInsert(self._headers, self._verdict.xml, place, self._utf8))

    def _insert_first(self, place: Place) -> bytes:
        if self._nothing_read():
            return b""
        return self._view.first(PageInsert(self._headers, self._verdict.xml, place))

    def _insert_queue(self, place: Place, ids: tuple[str, ...], code: bytes) -> bytes:
        return self._view.before_script(PageInsert(self._headers, self._verdict.xml, place), ids, code)

    def _insert_before_names(self, place: Place, ids: tuple[str, ...]) -> bytes:
        return self._view.before_names(PageInsert(self._headers, self._verdict.xml, place), ids)

    def _insert_panel(self, place: Place, ids: tuple[str, ...], height: int) -> bytes:
        return self._view.panel(PageInsert(self._headers, self._verdict.xml, place), ids, height)

    def _rewriter(self, charset: str) -> Rewriter:
        verdict = self._verdict
        holder = Holder(self._view.reading_policy, self._url, document=held_in, charset=charset, xml=verdict.xml)
        self._utf8 = charset == "utf-8" and verdict.charset.strip().lower() in _UTF_8
        watch = self._view.watch
        made = (Rewriter if watch is None else WatchedRewriter)(
            holder,
            self._give_banner if self._banner else _nothing if self._first else None,
            self._insert_first if self._first else None,
            undeclared=not verdict.charset,
            amend=self._view.meta_csp,
        )
        if isinstance(made, WatchedRewriter):
            made.watch = watch
        made.begun = not self._first
        made.has_hashes = self._has_hashes
        made.key = self._view.key
        made.queue = self._insert_queue if self._first else None
        made.names = self._insert_before_names if self._first else None
        made.panel = self._insert_panel
        made.mark = self._view.mark.encode() if self._place_asked else b""
        if self._given is not None:
            self._recorder = Recorder(made, self._given)
        self._rewriters.append(made)
        return made


def _nothing(_: Place) -> bytes:
    """Insert no banner. With this callback the rewriter still finds the start of the body."""
    return b""
