"""
What saved pages of real sites showed to be wrong, each reduced to a few words of markup.
"""

from __future__ import annotations

import pytest

from tests.core.rewriting import run

SEEN = {
    "no-border": b'<img src="https://pictures.example/licence.png" style="border-width:0">',
    "no-line-height": b'<img src="https://pictures.example/a.png" style="line-height: 0; width: 80px">',
    "large-in-noscript": b'<noscript><img src="https://pictures.example/a.png" width="300" height="100"></noscript>',
    "photograph-in-noscript": b'<noscript><img src="https://pictures.example/a-310x190.jpg" alt=""></noscript>',
    "srcset-in-noscript": b'<noscript><img src="https://pictures.example/a" srcset="/b 2x"></noscript>',
    "slide-whose-turn-comes": b'<img src="https://pictures.example/a.jpg" width=640 height=360 style="display:none">',
}
UNSEEN = {
    "one-by-one": b'<img src="https://pictures.example/a.gif" width=1 height=1>',
    "one-high": b'<img src="https://pictures.example/a.gif" width=100% height=1>',
    "one-by-one-style": b'<img src="https://pictures.example/a.gif" style="height:1px; width: 1px">',
    "style-against-attributes": b'<img src="https://pictures.example/a" width=90 height=90 style="max-height:0">',
    "not-displayed": b'<img src="https://pictures.example/a.jpg" style="display:none">',
    "hidden": b'<img src="https://pictures.example/a.jpg" hidden>',
    "noscript": b'<noscript><img src="https://pictures.example/c.gif?id=7" alt=""></noscript>',
    "noscript-one-side": b'<noscript><img src="https://pictures.example/count?x=.jpg" width=90></noscript>',
    "noscript-small-photograph": b'<noscript><img src="https://pictures.example/a.jpg" width=1 height=1></noscript>',
}


@pytest.mark.parametrize("markup", SEEN.values(), ids=SEEN)
def test_a_picture_that_is_there_to_be_seen_is_no_tracking_pixel(markup: bytes) -> None:
    """A picture of an unknown third party stays where it is styled without a border, or large, or a photograph."""
    assert run(markup) == markup


@pytest.mark.parametrize("markup", UNSEEN.values(), ids=UNSEEN)
def test_a_picture_that_nobody_can_see_is_a_tracking_pixel(markup: bytes) -> None:
    """A picture of an unknown third party is held where it is tiny or hidden, or nothing says that it is seen."""
    assert b"data-cmw-src=" in run(markup)
