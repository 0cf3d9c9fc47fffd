"""An event handler that is held for an address leaves the site's own statements to run."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.match import Matcher
from consent_mw.html.nested import held_in
from consent_mw.html.rewriter import Rewriter
from tests.html.rewriting import PAGE
from tests.html.rewriting import SERVICES

OWN = "var i = 1;;if (a &amp;&amp; b < i) { go(&quot;x&quot;) }"
PIXEL = "new Image().src = 'https://tracker.example/p'"


def rewritten(page: str, *, xml: bool = False, remove: bool = False) -> str:
    """Return a page as a visitor gets it who has not chosen."""
    policy = HoldPolicy(Matcher(SERVICES), frozenset({"pay", "necessary"}), remove=remove)
    rewriter = Rewriter(Holder(policy, PAGE, document=held_in, xml=xml))
    return (rewriter.feed(page.encode()) + rewriter.finish()).decode()


def runs(tag: str, event: str = "onclick") -> str:
    """Return the code that a browser runs for an event: the first attribute of that name counts."""
    found = re.search(rf'[ "\']{event}="([^"]*)"', tag)
    return found.group(1) if found else ""


@pytest.mark.parametrize(
    ("code", "own"),
    [
        (f"{PIXEL}; menu(this)", "menu(this)"),
        (f"menu(this); {PIXEL}", "menu(this);"),
        (f"menu(this); {PIXEL}; return false;", "menu(this);;return false;"),
        (f"{PIXEL}; return !1", ""),
        (f"var i = 1; {PIXEL}; if (a &amp;&amp; b &lt; i) {{ go(&quot;x&quot;) }}", OWN),
        (f"if (done) {{ return false }} {PIXEL}; go()", "if (done) { return false };go()"),
        (f"go()\n{PIXEL}\nreturn true", "go();return true"),
        (f"trackNow('a'); {PIXEL}; go()", "go()"),
        # The two cannot be told apart, or what is left would need what is held.
        ("fetch('https://tracker.example/p').then(function () { go() })", ""),
        (f"a: {{ {PIXEL}; break a }} go()", "go()"),
        (f"{PIXEL}; return go()", ""),
        (f"{PIXEL}; go('é')", ""),
        ("var u = 'https://tracker.example/p'; fetch(u); fetch(u + 1)", ""),
    ],
)
def test_own_statements_of_a_held_handler_run(code: str, own: str) -> None:
    """They are in a handler before the held one; a release brings the whole handler back."""
    out = rewritten(f'<button onclick="{code}" class=a>')
    assert f'data-cmw-onclick="{code}"' in out
    assert "tracker.example" not in runs(out)
    assert runs(out) == own


def test_the_kept_handler_is_written_safely() -> None:
    """Quotation marks and ampersands in it stay what they are."""
    out = rewritten(f"<button onclick='{PIXEL.replace(chr(39), chr(34))}; say(\"a &amp;amp; b\")'>")
    assert runs(out) == "say(&quot;a &amp;amp; b&quot;)"


def test_xhtml_and_a_marked_element_are_held_whole() -> None:
    """A mark says that the element does nothing before its purpose is granted."""
    markup = f'<button onclick="{PIXEL}; go()"/>'
    assert runs(rewritten(markup, xml=True)) == ""
    assert runs(rewritten(markup.replace("<button", "<button data-consent=analytics"))) == ""


def test_a_removed_handler_leaves_the_site_s_own() -> None:
    """Where held markup is taken out of the page, the own statements stay."""
    assert runs(rewritten(f'<button onclick="{PIXEL}; go()">', remove=True)) == "go()"


@given(
    st.lists(st.sampled_from([PIXEL, "go()", "if (a) {", "}", "'", "return", "return false", "x = [", "]", "/", "\n"]))
)
def test_no_address_is_left_to_run(parts: list[str]) -> None:
    """Whatever the code is, the kept handler has no held address in it."""
    assert "tracker.example" not in runs(rewritten(f'<a onclick="{"; ".join(parts)}">'))
