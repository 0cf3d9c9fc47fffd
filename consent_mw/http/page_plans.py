"""
Records how a page was rewritten, and replays it for later visitors who get the same page.

Theory of operation
-------------------

Most pages of a site do not change between two visits, and apart from the decision, what is held in them does not depend
on the visitor. So a pass over a page can be recorded: the positions of insertions and deletions, and the inserted
bytes. When the same bytes are served again for the same decision, the record is applied without parsing them again.

Some insertions differ between responses: the banner links back to this page, and contains this response's nonce and
key. Such insertions come from the view. A plan (:class:`PagePlan`) records only the questions to the view
(:class:`Question`), their order, and the positions of the answers. The view is asked again for every response, so it
still counts and learns.

When a plan is valid. A pass depends only on the following, and all of it must be equal:

- the bytes of the page, which are compared, not hashed;
- the hold policy of the decision, by identity, and what has been learned about the site's delivery;
- the page's address, its declared charset and its syntax (:class:`PassInputs`);
- what may be inserted at all, and the mark with which an author places the banner;
- whether the view's answer to each question was empty: after an empty answer the rewriter tries a later place.

The last is known only when the view is asked. If it differs, the page is parsed after all, and that pass gets the
answers that the view has already given (:class:`Recorder`), so no question is asked twice.

Most views insert the same as earlier views, except for the key of the response. Such a view states its kind, and
returns each of its answers as the pieces around the key. Then the whole page is split once at the keys
(:class:`Draft`). For the next view of that kind the pieces are joined with its key, and the view only counts.

Each plan is verified at once: it is discarded if it does not reproduce the output of the pass, or if an answer of the
view is missing from it. There are no plans for pages with a Content-Security-Policy in their markup, in a content
coding, without a type, in a charset whose bytes are converted, or longer than :data:`LONGEST`. A page is recorded when
it is seen for the second time, so a page that differs each time costs only a comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import NamedTuple

from consent_mw.core.cache import BoundedCache
from consent_mw.html.csp import Edit as TextEdit
from consent_mw.html.hold_policy import KEY
from consent_mw.html.hold_policy import KEY_IN_ADDRESS
from consent_mw.html.hold_policy import Edit
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.meta_csp import Amend
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.urls import Url

__all__ = ["LONGEST", "AroundKey", "Draft", "PagePlan", "PagePlans", "PassInputs", "Question", "Recorder", "drafted"]

#: The longest page with a plan, in bytes; longer pages are parsed each time.
LONGEST = 262_144
#: The most plans that are kept over all decisions, and the most bytes of them.
_KEPT = 512
_KEPT_SIZE = 2_097_152
#: The most drafts that are kept, and the most bytes of them.
_KEPT_DRAFTS = 256
_KEPT_DRAFTS_SIZE = 4_194_304
#: The assumed size of an insertion or a question, in bytes.
_UNIT = 300


class PassInputs(NamedTuple):
    """All that a pass depends on besides the bytes of the page and the view's answers."""

    url: Url
    #: The charset that the response declares.
    charset: str
    xml: bool
    document: bool
    #: Whether the banner, and the markup at the start of the head, may be inserted.
    banner: bool
    first: bool
    mark: bytes
    #: The version of what has been learned about the site's delivery.
    version: int
    #: The identity of the policy; the plan keeps it alive.
    policy: int
    #: Whether a policy in the headers allows inline scripts by their hashes, so that none is cut.
    has_hashes: bool = False


class Question(NamedTuple):
    """A question to the view: the name of the rewriter's callback, and its arguments."""

    kind: str
    arguments: tuple[object, ...]
    #: Whether the answer was not empty.
    gave: bool


class Answer(bytes):
    """The bytes of the view's answers in an insertion; ``parts`` are the answers' numbers, and bytes between them."""

    parts: tuple[bytes | int, ...]

    @classmethod
    def of(cls, text: bytes, parts: tuple[bytes | int, ...]) -> Answer:
        """Return the bytes of one answer, or of several concatenated ones."""
        made = cls(text)
        made.parts = parts
        return made

    def __add__(self, other: bytes) -> Answer:  # type: ignore[override]
        parts = other.parts if isinstance(other, Answer) else (other,)
        return Answer.of(bytes.__add__(self, other), self.parts + parts)

    def __radd__(self, other: bytes) -> Answer:
        return Answer.of(bytes(other) + bytes(self), (other, *self.parts))


class PagePlan(NamedTuple):
    """
    What to do to a page.

    Args:
        text: The page.
        policy: The hold policy, which is kept alive because its identity is in the key.
        whole: Whether the page starts like a whole document.
        includes: The paths of the parts that a server in front inserts into the page.
        utf8: Whether the page was declared and parsed as UTF-8.
        questions: The questions to the view, in order; None if the page was seen but not recorded.
        edits: The position of each edit, the number of bytes to leave out there, and the insertion: bytes, or a
            sequence of bytes and numbers of answers.
        held: The ids of the services that are held.
    """

    text: bytes
    policy: HoldPolicy
    whole: bool = False
    includes: tuple[str, ...] = ()
    utf8: bool = False
    questions: tuple[Question, ...] | None = None
    edits: tuple[tuple[int, int, bytes | tuple[bytes | int, ...]], ...] = ()
    held: frozenset[str] = frozenset()

    def made(self, answers: Sequence[bytes], keyed: Callable[[bytes], bytes]) -> bytes:
        """
        Return the rewritten page.

        Args:
            answers: The view's answers to the questions.
            keyed: Puts the key of the response into an insertion that has a placeholder for it.
        """
        text = self.text
        parts: list[bytes] = []
        at = 0
        for position, left_out, inserted in self.edits:
            if isinstance(inserted, tuple):
                inserted = b"".join([answers[part] if isinstance(part, int) else part for part in inserted])
            if KEY in inserted:
                inserted = keyed(inserted)
            if position > at:
                parts.append(text[at:position])
                at = position
            parts.append(inserted)
            at = max(at, position + left_out)
        parts.append(text[at:])
        return b"".join(parts)


class AroundKey(NamedTuple):
    """
    An answer that all views of a kind give, except for the key of the response.

    Args:
        pieces: The pieces between the occurrences of the key.
        shown: The argument for the ``again`` method of views that reuse the answer, or None.
    """

    pieces: tuple[bytes, ...]
    shown: object = None


class Draft(NamedTuple):
    """
    A finished page without the key of the response.

    Args:
        plan: The plan that it was made from; a draft is not valid for a later plan of an equal page.
        pieces: The pieces between the occurrences of the key; empty if each view has to be asked.
        shown: The argument for the view's ``again`` method, or None.
    """

    plan: PagePlan
    pieces: tuple[bytes, ...] = ()
    shown: object = None


def drafted(plan: PagePlan, answers: Sequence[AroundKey], quote: bytes) -> Draft:
    """
    Return the draft of a page.

    Args:
        answers: The answers to the plan's questions.
        quote: The quotation mark around attribute values; empty for none.
    """
    shown = next((answer.shown for answer in answers if answer.shown is not None), None)
    pieces: list[list[bytes]] = [[]]
    at = number = 0
    for position, left_out, inserted in plan.edits:
        if position > at:
            pieces[-1].append(plan.text[at:position])
            at = position
        parts = inserted if isinstance(inserted, tuple) else (inserted,)
        around = [answers[part].pieces if isinstance(part, int) else (part,) for part in parts]
        keyed = any(KEY in text for texts in around for text in texts)
        number += keyed
        for texts in around:
            for turn, text in enumerate(texts):
                if turn:
                    pieces.append([])
                first, *others = text.split(KEY)
                pieces[-1].append(first)
                for other in others:
                    if (KEY + other).startswith(KEY_IN_ADDRESS):
                        pieces[-1].append(b"cmw-key=")
                        pieces.append([other])
                        continue
                    pieces[-1].append(b" data-cmw-key=" + quote)
                    pieces.append([b".%d" % number, quote, other])
        at = max(at, position + left_out)
    pieces[-1].append(plan.text[at:])
    return Draft(plan, tuple(map(b"".join, pieces)), shown)


def _draft_size(draft: Draft) -> int:
    return _size(draft.plan) + sum(map(len, draft.pieces)) + 40 * len(draft.pieces)


def _size(plan: PagePlan) -> int:
    """Return the approximate size of a plan in bytes."""
    size = len(plan.text) + _UNIT * len(plan.edits)
    size += sum(len(inserted) for _, _, inserted in plan.edits if isinstance(inserted, bytes))
    for question in plan.questions or ():
        size += _UNIT + sum(len(part) for part in question.arguments if isinstance(part, bytes))
    return size


class PagePlans:
    """The plans of one site's pages: a bounded cache, shared by its threads."""

    def __init__(self) -> None:
        self._kept: BoundedCache[PassInputs, PagePlan] = BoundedCache(_KEPT, _KEPT_SIZE, measure=_size)
        self._drafts: BoundedCache[tuple[PassInputs, Hashable], Draft] = BoundedCache(
            _KEPT_DRAFTS, _KEPT_DRAFTS_SIZE, measure=_draft_size
        )

    @property
    def size(self) -> int:
        """The number of bytes that are kept now."""
        return self._kept.size + self._drafts.size

    def get(self, inputs: PassInputs, text: bytes) -> PagePlan | None:
        """Return the plan of a page; its questions are None if the page was seen but not recorded."""
        plan = self._kept.get(inputs)
        return plan if plan is not None and plan.text == text else None

    def see(self, inputs: PassInputs, text: bytes, policy: HoldPolicy) -> None:
        """Remember that a page was seen, so that it is recorded the next time."""
        self._kept.put(inputs, PagePlan(text, policy))

    def put(self, inputs: PassInputs, plan: PagePlan) -> None:
        """Keep a plan."""
        self._kept.put(inputs, plan)

    def draft(self, inputs: PassInputs, plan: PagePlan, kind: Hashable) -> Draft | None:
        """Return the draft of a page for views of a kind, or None."""
        draft = self._drafts.get((inputs, kind))
        return draft if draft is not None and draft.plan is plan else None

    def put_draft(self, inputs: PassInputs, kind: Hashable, draft: Draft) -> None:
        """Keep a draft."""
        self._drafts.put((inputs, kind), draft)


class Recorder:
    """
    Records one pass of a rewriter over a whole page.

    Args:
        rewriter: The rewriter, with its callbacks set, before it is fed.
        answers: Answers that the view has already given, in order; these questions are not asked again.
    """

    def __init__(self, rewriter: Rewriter, answers: Iterable[bytes] = ()) -> None:
        self._given = list(answers)
        self._questions: list[Question] = []
        self._answers: list[bytes] = []
        self._amended = False
        self._edits: list[Edit] = []
        rewriter.record = self._edits
        for kind in ("insert", "first", "queue", "panel"):
            give = getattr(rewriter, kind)
            if give is not None:
                setattr(rewriter, kind, self._asking(kind, give))
        amend = rewriter.amend
        if amend is not None:
            rewriter.amend = self._amending(amend)

    def _asking(self, kind: str, give: Callable[..., bytes]) -> Callable[..., bytes]:
        def ask(*arguments: object) -> bytes:
            number = len(self._answers)
            text = self._given[number] if number < len(self._given) else give(*arguments)
            self._answers.append(text)
            self._questions.append(Question(kind, arguments, bool(text)))
            return Answer.of(text, (number,))

        return ask

    def _amending(self, amend: Amend) -> Amend:
        def ask(text: str) -> Iterable[TextEdit]:
            self._amended = True
            return amend(text)

        return ask

    def plan(self, seen: PagePlan, out: bytes, keyed: Callable[[bytes], bytes]) -> PagePlan | None:
        """
        Return the recorded plan; None if it does not reproduce the page.

        Args:
            seen: A plan with the page and the facts that are not recorded.
            out: The output of the pass.
            keyed: As for :meth:`PagePlan.made`, with its numbering not yet started.
        """
        edits = tuple(
            (at, left_out, inserted.parts if isinstance(inserted, Answer) else bytes(inserted))
            for at, left_out, inserted in self._edits
        )
        used = [part for _, _, inserted in edits if isinstance(inserted, tuple) for part in inserted]
        numbers = sorted(part for part in used if isinstance(part, int))
        gave = [number for number, question in enumerate(self._questions) if question.gave]
        if self._amended or [number for number in numbers if self._questions[number].gave] != gave:
            return None
        plan = seen._replace(questions=tuple(self._questions), edits=edits)
        return plan if plan.made(self._answers, keyed) == out else None
