"""
What saved pages of real sites showed to be wrong, each reduced to a few words of markup.
"""

from __future__ import annotations

import pytest

from consent_mw.core.model import Service
from consent_mw.html.match import Matcher
from tests.html.rewriting import run

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


ASKING = {
    "joined-to-a-scheme": b"s = d.createElement('script'); s.src = (x ? 'https://' : '//') + 'tracker.example/t'",
    "host-in-a-variable": b'var h = "a.tracker.example"; new Image().src = "//" + h + "/t.gif"',
    "sub-domain-in-front": b"s = document.createElement('script'); s.src = 'http://b.' + 'tracker.example/t.js'",
    "query-that-comes-later": b"u = '//elsewhere.example/own/track.php'; document.write('<script src=' + u + '?z=1>')",
    "sub-domain-in-a-condition": b"new Image().src = (x ? 'https://secure' : 'http://pixel') + '.tracker.example/t.js'",
    "import": b"import x from '//tracker.example/t.js'",
}
DATA = {
    "address-for-a-later-script": b"var address = '//tracker.example/t.js'",
    "settings-of-a-library": b'jQuery.extend(Site.settings, {"js":{"https:\\/\\/tracker.example\\/t.js":1}});',
    "state-of-an-application": b'window.__STATE = {"page":{"link":"https://tracker.example/policy"}};',
    "markup-in-a-state": b'window.__STATE = {"html":"<script src=\\"https://tracker.example/t.js\\"></" };',
    "product-of-a-shop": b'var item = {"text":"\\u003ciframe src=\\"https:\\/\\/films.example\\/embed\\/7\\"\\u003e"};'
    b"function choose() { $('#price').html(7) }",
    "host-as-a-part-of-a-text": b"document.createElement('p').title = 'see tracker.example for more'",
}


@pytest.mark.parametrize("code", ASKING.values(), ids=ASKING)
def test_code_that_asks_a_service_is_held(code: bytes) -> None:
    """An inline script is held where its words lead to a service, in whatever pieces the address is written."""
    assert b"data-cmw-held=" in run(b"<script>" + code + b"</script>")


@pytest.mark.parametrize("code", DATA.values(), ids=DATA)
def test_data_that_mentions_a_service_stays(code: bytes) -> None:
    """A site's settings, state and products stay although an address of a service is somewhere in them."""
    markup = b"<script>" + code + b"</script>"
    assert run(markup) == markup


LOADING = {
    "joined-to-a-scheme": b"s.src = ('https:' == l.protocol ? 'https://' : 'http://') + 'cdn.chat.example/h.js';",
    "no-loader-s-name": b"z.src = '//chat.example/?KEY'; document.body.appendChild(z)",
    "style-sheet": b"q.rel = 'stylesheet'; q.href = 'https://chat.example/v3/css/wide' + size + '.css'",
    "interface": b"e = 'https://api.chat.example/v1'; e += '/rooms'; s.src = e",
}
SHOWING = {
    "host-in-a-list": b"var known = ['chat.example', 'chat.example/rooms']; document.createElement('p')",
    "link": b"a.href = 'https://chat.example/rooms/7'; p.appendChild(a)",
    "picture-in-a-list": b"var faces = ['https://chat.example/faces/7.png']; p.innerHTML = ''",
}


def services_of(code: bytes) -> tuple[str, ...]:
    """Return what a script belongs to where the only service is a chat, which is there to be seen."""
    return Matcher([Service("chat", "Chat", "Chat Ltd", ("preferences",), hosts=("chat.example",))]).code(code)


@pytest.mark.parametrize("code", LOADING.values(), ids=LOADING)
def test_code_that_loads_a_service_belongs_to_it(code: bytes) -> None:
    """A widget's loader is known by what it does with the address, not only by the address's form."""
    assert services_of(code) == ("chat",)


@pytest.mark.parametrize("code", SHOWING.values(), ids=SHOWING)
def test_code_that_only_links_to_a_service_does_not(code: bytes) -> None:
    """A link, or a picture's address among a script's data, makes no loader of it."""
    assert services_of(code) == ()


def test_a_script_behind_noscript_is_held_once_however_it_is_cut() -> None:
    """Where two readings of a page meet again inside a script that a packet cut, its hold is inserted once."""
    page = b"<noscript></noscript><script>trackNow(</script>"
    assert run(page, [10, 29]) == run(page)
