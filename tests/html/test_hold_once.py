"""Embeds that the visitor asked to see in this one page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consent_mw.html.holder import Holder
from consent_mw.html.nested import held_in
from tests.html.rewriting import PAGE
from tests.html.rewriting import holder
from tests.html.rewriting import run


def once(*ids: str, remove: bool = False) -> Holder:
    """Return a holder that lets the embeds of these services through."""
    policy = replace(holder(remove=remove).policy, once=frozenset(ids), memories={})
    return Holder(policy, PAGE, document=held_in)


@pytest.mark.parametrize(
    "embed",
    [
        b'<iframe src="https://films.example/embed/1"></iframe>',
        b'<iframe data-consent="films" src="/own.html" onload="track()"></iframe>',
        b'<iframe srcdoc="&lt;iframe src=https://films.example/embed/1&gt;"></iframe>',
    ],
    ids=["address", "mark", "document"],
)
@pytest.mark.parametrize("remove", [False, True], ids=["in place", "reload"])
def test_an_embed_is_shown_as_the_page_has_it(embed: bytes, remove: bool) -> None:
    """An iframe of the service is not touched."""
    assert run(embed, held_by=once("films", remove=remove)) == embed
    assert run(embed) != embed


@pytest.mark.parametrize(
    "other",
    [
        b'<script src="https://films.example/embed/api.js"></script>',
        b'<img src="https://films.example/embed/1.jpg">',
        b'<iframe src="https://films.example/embed/1" width=1 height=1></iframe>',
        b'<iframe src="https://films.example/embed/1" onload="fetch(`https://tracker.example/1`)"></iframe>',
        b'<iframe src="https://tracker.example/frame"></iframe>',
        b'<link rel=preconnect href="https://films.example/embed/">',
    ],
    ids=["script", "image", "unseen", "another service's handler", "another service", "hint"],
)
def test_nothing_else_is_let_through(other: bytes) -> None:
    """Other tags of the service, embeds that nobody sees, and what belongs to another service as well stay held."""
    assert run(other, held_by=once("films")) == run(other) != other
