"""
What was done to a page before, for the next visitor who gets the very same page.

Theory of operation
-------------------

Most pages of a site do not change between two visits, and what is held in them does not depend on who visits, beside
the decision. So a pass over a page can be written down: where something was inserted or left out, and what. The next
time the same bytes come for the same decision, the same is done without reading them again.

Not all that is inserted is the same for everybody: the banner leads back to this page and carries this response's
nonce and key. Such insertions come from the view, and a plan (:class:`PagePlan`) says only what the view was asked
(:class:`Question`), in which order, and where its answers went. It is asked again for every response, so that it
counts and learns as ever.

When a plan holds. A pass is a function of these alone, and all of them must be equal:

- the bytes of the page: compared, not hashed;
- the hold policy, which is the decision's, by identity, and what was learned of the site's delivery;
- the page's address, its declared charset and its syntax (:class:`PassInputs`);
- what may be inserted at all, and the mark by which an author asks for the banner;
- whether the view gave something for each question: a place that got nothing is looked for again.

The last is known only while the view is asked. Where it differs, a whole pass is made, which gets the answers that
were given already (:class:`Recorder`): nobody is asked twice.

Most views want nothing else either than views before them, but for the key of the response. Such a view says what kind
it is of, and what stands around the key in each of its answers. Then the whole page is cut once where the key stands
(:class:`Draft`), and for the next view of that kind it is joined by its key; the view only counts.

What is written down is tried at once: if the plan does not give the bytes that the pass gave, or lost an answer of
the view, it is not kept. Neither are pages with a Content-Security-Policy of their own, pages in a content coding,
without a type or in a charset that does not pass byte for byte, and those longer than :data:`LONGEST`. A page is
written down when it is seen for the second time, so that those which differ each time cost a comparison.
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
from consent_mw.html.hold_policy import Edit
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.meta_csp import Amend
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.urls import Url

__all__ = ["LONGEST", "AroundKey", "Draft", "PagePlan", "PagePlans", "PassInputs", "Question", "Recorder", "drafted"]

#: Longer pages are read each time.
LONGEST = 262_144
#: How many pages are remembered, and how many bytes of them, over all decisions.
_KEPT = 512
_KEPT_SIZE = 2_097_152
#: How many drafts are kept, and how many bytes of them.
_KEPT_DRAFTS = 256
_KEPT_DRAFTS_SIZE = 4_194_304
#: What an insertion and a question count for, in bytes.
_UNIT = 300


class PassInputs(NamedTuple):
    """All that a pass depends on beside the bytes of the page, its policy, and what the view gives."""

    url: Url
    #: The charset that the response declares.
    charset: str
    xml: bool
    document: bool
    #: Whether the banner, and what runs first, may be inserted.
    banner: bool
    first: bool
    mark: bytes
    #: What has been learned of the site's delivery.
    version: int
    #: The policy, by identity; the plan keeps it alive.
    policy: int


class Question(NamedTuple):
    """What the view was asked: by which of the rewriter's callbacks, and with what."""

    kind: str
    arguments: tuple[object, ...]
    #: Whether it gave something.
    gave: bool


class Answer(bytes):
    """What the view gave, wherever a pass puts it: which answers of it these bytes are made of."""

    parts: tuple[bytes | int, ...]

    @classmethod
    def of(cls, text: bytes, parts: tuple[bytes | int, ...]) -> Answer:
        """Return the bytes of one answer, or of several together."""
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
        text: The page; None where it was only seen.
        whole: Whether it begins as a document of its own does.
        includes: The paths of what a server in front is told to put into it.
        utf8: Whether it was read as UTF-8, and says so.
        edits: Where something is inserted, how many bytes are left out there, and what is inserted: bytes, or the
            numbers of answers with bytes between them.
        held: The ids of what is held.
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
        Return the page with everything inserted.

        Args:
            answers: What the view gave to the questions.
            keyed: Puts the key of the response into an insertion that has a place for it.
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
    An answer of a view that is that of all views of its kind, but for the key of the response.

    Args:
        pieces: What stands around the key, wherever it stands.
        shown: What the view wants to be told where the same is shown again, or None.
    """

    pieces: tuple[bytes, ...]
    shown: object = None


class Draft(NamedTuple):
    """
    A finished page without the key of the response.

    Args:
        plan: The pass that it comes from; not a later one of an equal page.
        pieces: What stands around the key, wherever it stands; nothing where each view has to be asked.
        shown: What to tell the view.
    """

    plan: PagePlan
    pieces: tuple[bytes, ...] = ()
    shown: object = None


def drafted(plan: PagePlan, answers: Sequence[AroundKey], quote: bytes) -> Draft:
    """
    Return the draft of a page.

    Args:
        answers: To the plan's questions.
        quote: What stands around the values of attributes.
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
                    pieces[-1].append(b" data-cmw-key=" + quote)
                    pieces.append([b".%d" % number, quote, other])
        at = max(at, position + left_out)
    pieces[-1].append(plan.text[at:])
    return Draft(plan, tuple(map(b"".join, pieces)), shown)


def _draft_size(draft: Draft) -> int:
    return _size(draft.plan) + sum(map(len, draft.pieces)) + 40 * len(draft.pieces)


def _size(plan: PagePlan) -> int:
    """Return about how many bytes a plan takes."""
    size = len(plan.text) + _UNIT * len(plan.edits)
    size += sum(len(inserted) for _, _, inserted in plan.edits if isinstance(inserted, bytes))
    for question in plan.questions or ():
        size += _UNIT + sum(len(part) for part in question.arguments if isinstance(part, bytes))
    return size


class PagePlans:
    """The plans of one site's pages; bounded, and shared by its threads."""

    def __init__(self) -> None:
        self._kept: BoundedCache[PassInputs, PagePlan] = BoundedCache(_KEPT, _KEPT_SIZE, measure=_size)
        self._drafts: BoundedCache[tuple[PassInputs, Hashable], Draft] = BoundedCache(
            _KEPT_DRAFTS, _KEPT_DRAFTS_SIZE, measure=_draft_size
        )

    @property
    def size(self) -> int:
        """Bytes that are kept now."""
        return self._kept.size + self._drafts.size

    def get(self, inputs: PassInputs, text: bytes) -> PagePlan | None:
        """Return what is known of a page; without questions where it was only seen."""
        plan = self._kept.get(inputs)
        return plan if plan is not None and plan.text == text else None

    def see(self, inputs: PassInputs, text: bytes, policy: HoldPolicy) -> None:
        """Remember that a page was seen, so that it is written down the next time."""
        self._kept.put(inputs, PagePlan(text, policy))

    def put(self, inputs: PassInputs, plan: PagePlan) -> None:
        """Keep a plan."""
        self._kept.put(inputs, plan)

    def draft(self, inputs: PassInputs, plan: PagePlan, kind: Hashable) -> Draft | None:
        """Return the draft of a page for views of a kind; None if there is none yet."""
        draft = self._drafts.get((inputs, kind))
        return draft if draft is not None and draft.plan is plan else None

    def put_draft(self, inputs: PassInputs, kind: Hashable, draft: Draft) -> None:
        """Keep a draft."""
        self._drafts.put((inputs, kind), draft)


class Recorder:
    """
    Writes down one pass of a rewriter over a whole page.

    Args:
        rewriter: With its callbacks set, before it is fed.
        answers: What the view gave already, in order; it is not asked for that again.
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
        Return what was written down; None where it does not give the same page.

        Args:
            seen: The page, and what is known of it beside the pass.
            out: What the pass gave.
            keyed: As for :meth:`PagePlan.made`, from the beginning.
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
