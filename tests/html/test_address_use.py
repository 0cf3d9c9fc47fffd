"""An address that code hands to something that may load it is held; one that it keeps, compares or shows is data."""

from __future__ import annotations

import pytest

from consent_mw.html.address_use import AddressUses
from consent_mw.html.script_reading import ScriptReading
from consent_mw.html.script_reading import ScriptText
from tests.growth import MOST
from tests.growth import growth
from tests.html.test_code_and_data import held

A = "https://px.test/p?id=1"
LOADED = {
    "a sound": f"new Audio('{A}').play()",
    "a transport": f"new WebTransport('{A}')",
    "a later request": f"fetchLater('{A}')",
    "a request object": f"const r = new Request('{A}'); send(r)",
    "a font": f"new FontFace('x', 'url({A})').load",
    "a notification": f"new Notification('Hi', {{icon: '{A}'}})",
    "an auction": f"navigator.joinAdInterestGroup({{owner: '{A}', name: 'x'}}, 1)",
    "a style": f"document.body.style.background = 'url({A})'",
    "a property of a style": f"el.style['backgroundImage'] = \"url(\" + '{A}' + ')'",
    "a style as text": f"el.style.cssText = `background: url({A})`",
    "an animation": f"el.animate([{{backgroundImage: 'url({A})'}}], 1)",
    "a rule": f"document.styleSheets[0].insertRule('p {{ background: url({A}) }}')",
    "an imported sheet": f"sheet.replaceSync('@import \"{A}\"')",
    "jQuery's style": f"$('.a').css('background-image', 'url({A})')",
    "jQuery's attribute": f"$('#a').attr('src', '{A}')",
    "jQuery's markup": f"$('<img src=\"{A}\">').appendTo('body')",
    "jQuery's element": f"$('<img>', {{src: '{A}'}}).appendTo('body')",
    "jQuery's JSON": f"$.getJSON('{A}&callback=?')",
    "a poster": f"video.poster = '{A}'",
    "a member by its name": f"img['srcset'] = '{A} 2x'",
    "a frame's document": f"frame.srcdoc = '<img src={A}>'",
    "a form": f"document.forms[0].action = '{A}'; document.forms[0].requestSubmit()",
    "a copied member": f"Object.assign(img, {{src: '{A}'}})",
    "a function of unknown name": f"loadPixelLater(1, ['{A}'], true)",
    "a function behind a comma": f"(0, send)('{A}')",
    "a function that is called by another": f"send.call(window, '{A}')",
    "an optional call": f"window.send?.('{A}')",
    "a member that is named by a string": f"navigator['send' + 'It']('{A}')",
    "what another call returns": f"sender()('{A}')",
    "an address that is made": f"go(new URL(encodeURI('{A}')), {{keepalive: true}})",
    "an address that is put together": f"go('{A}' + '&r=' + Math.random())",
    "an address with an odd start": "go('//px.test/' + page)",
    "an address in a template": "go(`https://px.test/p?${query({a: 1})}`)",
    "a tagged template": f"render(html`<img src='{A}'>`)",
    "code in a string": f"setTimeout('ask(\"{A}\")', 10)",
    "a player": f"player('v', {{sources: [{{src: '{A}', type: 'x'}}]}})",
    "a chart": f"d3.json('{A}').then(draw)",
    "an element tree": f"mount(h('img', {{src: '{A}'}}), root)",
    "a variable that is passed": f"var u = '{A}'; ask(u)",
    "a variable that is passed with more": f"const u = location_ + '{A}'; later(1, [u + '&x=' + y], z)",
    "a variable that a member gets": f"let u; u = '{A}'; video.poster = u",
    "a variable that settings have": f"var u = '{A}'; player('v', {{file: u}})",
    "a variable that is passed in a function": f"var u = '{A}'; function go() {{ if (ok) ask(u) }}",
    "a call in a function": f"function later() {{ ask('{A}') }}",
    "a call in a condition": f"if (ask('{A}')) {{ menu() }}",
    "a call in an arrow": f"on('x', () => ask('{A}'))",
}
DATA = {
    "a variable": f"var home = '{A}'",
    "a constant object": f"const conf = {{url: '{A}', on: true}}",
    "state in a call where it is written": f"window.__STATE__ = (function (a) {{ return {{u: a}} }}('{A}'))",
    "the same, called outside": f"window.__STATE__ = (function (a) {{ return {{u: a}} }})('{A}')",
    "a list": f"self.__chunks.push([1, '{A}'])",
    "parsed text": 'start(JSON.parse(\'{"u": "' + A + "\"}'))",
    "settings of another kind": f"App.init({{privacyPolicy: '{A}', menu: true}})",
    "settings that are copied": f"Object.assign(conf, {{url: '{A}'}})",
    "a member of copied settings": f"jQuery.extend(App.settings, {{stats: {{src: '{A}'}}}})",
    "an address in an application's data": f"new App({{el: '#app', data: {{url: '{A}'}}}})",
    "settings in settings": f"App.init({{vendors: {{px: '{A}'}}}})",
    "a variable that is kept": f"var u = '{A}'; list.push(u); console.log(u); if (u) menu()",
    "a variable that is called like a member": f"var u = '{A}'; ask(page.u, {{u: 1}}); page.u = 2",
    "a variable that is called": f"var u = '{A}'; v = u; u()",
    "a comparison": f"if (document.referrer === '{A}') {{ menu() }}",
    "a search": f"if (document.referrer.indexOf('{A}') > -1) {{ menu() }}",
    "a selector": f"document.querySelectorAll('a[href^=\"{A}\"]')",
    "a replacement": f"text = text.replace('{A}', '')",
    "a message": f"console.info('{A}')",
    "a text that names it": f"show('Read {A} for more')",
    "a key": f"names['{A}'] = 'Pixel'",
    "a subscript in a call": f"show(names['{A}'])",
    "a member of a function's own": f"show(function () {{ return '{A}' }})",
    "an arrow that returns it": f"Alpine.data('x', () => ({{u: '{A}'}}))",
    "a case": f"switch (u) {{ case '{A}': menu() }}",
}
HANDLERS = {
    "a picture": (f"$('#a').attr('src', '{A}')", {"pixel"}),
    "a style": (f"this.style.background = 'url({A})'", {"pixel"}),
    "a sound": (f"new Audio('{A}')", {"pixel"}),
    "another page": (f"location.assign('{A}')", set[str]()),
    "another window": (f"window.open('{A}')", set[str]()),
    "a form": (f"this.form.action = '{A}'", set[str]()),
    "a window of the site's": (f"showPopup('{A}', 410, 420); return false", set[str]()),
    "a text": (f"show('see {A}')", set[str]()),
}


@pytest.mark.parametrize("code", LOADED.values(), ids=LOADED)
def test_an_address_that_is_handed_on_is_held(code: str) -> None:
    """Whatever the call or member is."""
    assert held(f"<script>{code}</script>") == {"pixel"}


@pytest.mark.parametrize("code", LOADED.values(), ids=LOADED)
def test_it_is_held_beside_other_code(code: str) -> None:
    """Comments, line breaks and code around it change nothing."""
    spaced = code.replace("', ", "' /* ( */ ,\n ").replace("('", "(\n '")
    assert held(f"<script>'use strict';\nvar menu = {{open: 1}};\n{spaced};\nmenu.open++</script>") == {"pixel"}


@pytest.mark.parametrize("code", DATA.values(), ids=DATA)
def test_an_address_that_is_data_is_not_held(code: str) -> None:
    """The site's own code goes on."""
    assert held(f"<script>{code}</script>") == set()


@pytest.mark.parametrize(("code", "services"), HANDLERS.values(), ids=HANDLERS)
def test_a_handler_is_held_for_what_it_loads(code: str, services: set[str]) -> None:
    """A visitor who clicks may intend to navigate, so that does not count."""
    quoted = code.replace('"', "&quot;")
    assert held(f'<button onclick="{quoted}">x</button>') == services


@pytest.mark.parametrize("around", ["f(", "[", "f({url:", "(0,", "f(g(", "${`", "function(){"])
def test_the_cost_is_linear(around: str) -> None:
    """However deep an address is, and however many there are."""

    piece = f"{around}'https://px.test/',".encode()

    def judge(text: bytes) -> None:
        script = ScriptText(text)
        uses = AddressUses(script, ScriptReading(script, ()))
        for place in range(piece.find(b"//"), len(text), len(piece)):
            uses.loads(place)

    assert growth(lambda size: piece * size, judge, 500) < MOST
