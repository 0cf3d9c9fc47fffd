"""consent_mw's rewriter as an engine; the only module here that depends on its interface."""

from __future__ import annotations

from unittest.mock import patch

from benchmarks.work import BANNER
from benchmarks.work import PAGE
from consent_mw.core.model import NECESSARY
from consent_mw.html import scan
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.match import Matcher
from consent_mw.html.nested import held_in
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.scanner import follower
from consent_mw.html.scanner.document import Place
from consent_mw.html.scanner.known_steps import follow_in_python
from consent_mw.html.syntax import syntax_for

OURS = "consent_mw (pure Python)"
OURS_IN_C = "consent_mw (scanner in C)"


def policy(matcher: Matcher) -> HoldPolicy:
    """Return the policy for a visitor who has not chosen: only necessary services run."""
    necessary = frozenset(service.id for service in matcher.services.values() if service.necessary)
    return HoldPolicy(matcher, allowed=necessary | {NECESSARY}, placeholder="/_cmw/placeholder/")


def new_rewriter(rules: HoldPolicy) -> Rewriter:
    """Return a rewriter for one page, which inserts the banner."""
    return Rewriter(Holder(rules, PAGE, document=held_in), _insert)


def _insert(place: Place) -> bytes:
    return b"" if place.at_end else BANNER


def pure(matcher: Matcher) -> Run:
    """Return the engine without the scanner in C."""
    twin = Matcher(matcher.services.values())
    with patch.object(scan, "Scanner", None):
        syntax_for.cache_clear()
        _ = twin.syntax  # caches the syntax, which has no scanner
    syntax_for.cache_clear()
    return PureRun(policy(twin))


def ours(matcher: Matcher) -> Run:
    """Return the engine; its policy, with the plans for tags, is kept across pages, as in a server."""
    return Run(policy(matcher))


class Run:
    """The engine with one policy."""

    def __init__(self, rules: HoldPolicy) -> None:
        self.rules = rules

    def __call__(self, page: bytes) -> tuple[bytes, int]:
        rewriter = new_rewriter(self.rules)
        out = rewriter.feed(page) + rewriter.finish()
        return out, out.count(b"data-cmw-held=")


class PureRun(Run):
    """The same without the part of the scanner in C that trees use."""

    def __call__(self, page: bytes) -> tuple[bytes, int]:
        in_c, follower.pass_known = follower.pass_known, follow_in_python
        try:
            return super().__call__(page)
        finally:
            follower.pass_known = in_c
