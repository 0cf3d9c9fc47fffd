"""What tests of the rewriter share: a small set of services, and one call that rewrites."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from consent_mw.core.model import Service
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.match import Matcher
from consent_mw.html.nested import held_in
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.scanner.document import Insert
from consent_mw.html.urls import Url

TRACKER = "https://tracker.example"
SERVICES = (
    Service(
        "tracker",
        "Tracker",
        "Tracker Ltd",
        ("analytics",),
        hosts=("tracker.example",),
        inline=("trackNow(", "_tq.push"),
        paths=("/own/track.php?",),
        elements=("amp-analytics[type=tracker]", "track-widget"),
    ),
    Service("films", "Films", "Films Ltd", ("embeds",), hosts=("films.example/embed/",), embed=True),
    Service("pay", "Pay", "Pay Ltd", ("necessary",), hosts=("pay.example",)),
)
PAGE = Url("https", "shop.example", "/blog/post")


def holder(
    *,
    allowed: Iterable[str] = (),
    xml: bool = False,
    page: Url = PAGE,
    unknown: str = "pixels",
    remove: bool = False,
    hold_back: int = 1_048_576,
) -> Holder:
    """Return a holder under which only "pay" and what is ``allowed`` may run."""
    policy = HoldPolicy(
        Matcher(SERVICES),
        frozenset({"pay", "necessary", *allowed}),
        unknown=unknown,
        remove=remove,
        placeholder="/_cmw/placeholder/",
        hold_back=hold_back,
    )
    return Holder(policy, page, document=held_in, xml=xml)


def run(page: bytes, cuts: Iterable[int] = (), *, insert: Insert | None = None, held_by: Holder | None = None) -> bytes:
    """Return ``page`` rewritten, fed in pieces that end at ``cuts``."""
    rewriter = Rewriter(held_by or holder(), insert)
    out = b"".join(rewriter.feed(page[start:end]) for start, end in pairwise([0, *sorted(cuts), len(page)]))
    return out + rewriter.finish()


def without_insertions(page: bytes, held_by: Holder | None = None, insert: Insert | None = None) -> tuple[bytes, bytes]:
    """Return the rewritten page, and the same less all that was inserted."""
    rewriter = Rewriter(held_by or holder(), insert)
    rewriter.trace = []
    out = rewriter.feed(page) + rewriter.finish()
    kept = bytearray(out)
    for offset, length in reversed(rewriter.trace):
        del kept[offset : offset + length]
    return out, bytes(kept)
