"""Cuts scripts with a vendor's snippet and the site's own code."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from consent_mw.core.model import Service
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.match import Matcher
from consent_mw.html.nested import held_in
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.script_cut import cut_of
from tests.html.rewriting import PAGE
from tests.html.rewriting import SERVICES

MEASURE = Service(
    "measure",
    "Measure",
    "Measure Ltd",
    ("analytics",),
    hosts=("measure.example",),
    inline=("measure(", "measure_client"),
    queue=("measure()", "measureLayer[]"),
)
#: Nothing stands in for its function.
NOW = Service("now", "Now", "Now Ltd", ("analytics",), hosts=("now.example",), inline=("trackNow(",))
LOAD = "(function(d,s){s=d.createElement('script');s.src='https://measure.example/m.js';d.head.append(s)})(document);"
MENU = "document.querySelector('.menu').onclick = function () { this.classList.toggle('open') };"


def holder(*, remove: bool = False, xml: bool = False) -> Holder:
    """Return a holder that holds both trackers."""
    policy = HoldPolicy(Matcher((*SERVICES, MEASURE, NOW)), frozenset({"pay", "necessary"}), remove=remove)
    return Holder(policy, PAGE, document=held_in, xml=xml)


def cut(code: str) -> list[str] | None:
    """Return the parts of a script, with a minus sign before those that are held; None if it stays whole."""
    found = cut_of(code.encode(), holder())
    if found is None:
        return None
    assert found.parts[0].start == 0
    assert found.parts[-1].end == len(found.code)
    assert all(one.end == other.start and one.held != other.held for one, other in pairwise(found.parts))
    return ["-" * part.held + found.code[part.start : part.end].decode().strip() for part in found.parts]


def rewritten(
    page: str,
    size: int = 0,
    prepare: Callable[[Rewriter], object] = lambda _: None,
    *,
    remove: bool = False,
    xml: bool = False,
) -> str:
    """Return the page as a visitor gets it, with the globals of held scripts in brackets."""
    rewriter = Rewriter(holder(remove=remove, xml=xml))
    rewriter.queue = lambda place, ids, code: b"[%s]" % ",".join(ids).encode()
    rewriter.amend = lambda text: ()
    prepare(rewriter)
    raw = page.encode()
    step = size or len(raw)
    return b"".join(
        [rewriter.feed(raw[at : at + step]) for at in range(0, len(raw), step)] + [rewriter.finish()]
    ).decode()


def plain(code: str) -> str:
    """Return code without comments, semicolons and white space."""
    return re.sub(r"// it's \{|/\* \} \*/|[;\s]", "", code)
