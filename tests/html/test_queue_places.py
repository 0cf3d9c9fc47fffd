"""Where something is left before a held script, for code of the site's own to find."""

from __future__ import annotations

import pytest

from consent_mw.html.rewriter import Rewriter
from consent_mw.html.scanner.document import Place
from tests.html.rewriting import holder

HELD = b"<script>trackNow(1)</script>"


def rewritten(page: bytes, size: int = 0, *, xml: bool = False, remove: bool = False) -> tuple[str, list[bytes]]:
    """Return the page with what is left, and the texts of the scripts that it was left for."""
    codes: list[bytes] = []

    def leave(place: Place, ids: tuple[str, ...], code: bytes) -> bytes:
        codes.append(code)
        return b"[" + ",".join(ids).encode() + b"]"

    rewriter = Rewriter(holder(xml=xml, remove=remove))
    rewriter.queue = leave
    step = size or len(page)
    out = b"".join(rewriter.feed(page[at : at + step]) for at in range(0, len(page), step)) + rewriter.finish()
    return out.decode(), codes


@pytest.mark.parametrize("size", [0, 1, 7])
def test_it_stands_before_each_held_script(size: int) -> None:
    """Inline or by address, however the page is cut; also where the same script came before."""
    page = b"<p>" + HELD + HELD + b"<script src=https://tracker.example/t.js></script><script>own()</script>"
    out, codes = rewritten(page, size)
    assert [part.split("<")[0] for part in out.split("[tracker]")[1:]] == ["", "", ""]
    assert out.count("[tracker]<script data-cmw-held=tracker") == 3
    assert codes[:2] == [b"trackNow(1)"] * 2


@pytest.mark.parametrize(
    "page", [b"<noscript><img src=https://tracker.example/x></noscript>", b"<template>" + HELD + b"</template>"]
)
def test_it_stands_only_where_scripts_run(page: bytes) -> None:
    """Not in noscript, not in a template, not before a held picture."""
    assert "[" not in rewritten(page + b"<img src=https://tracker.example/x.png>")[0]


def test_it_stands_where_a_script_was_left_out() -> None:
    """A page that reloads after the choice has what its own code calls until then."""
    assert rewritten(b"<p>" + HELD + b"<p>", remove=True)[0] == "<p>[tracker]<p>"


def test_it_stands_in_xhtml() -> None:
    """The rules of XML change nothing about it."""
    page = b'<html xmlns="http://www.w3.org/1999/xhtml"><body>' + HELD + b"</body></html>"
    assert '[tracker]<script data-cmw-held="tracker"' in rewritten(page, xml=True)[0]
